//! Checkpoints and restores of much memory.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};
use ckpt_tests::random_bytes;

use crate::Group;
use crate::hold::{Hold, RIGHT};
use crate::kit::{Kit, Medium, command, in_turns, tell, time};
use crate::report::{Report, Row, Unit};

/// From this many MiB on, fewer runs do: what disturbs is short beside what is measured.
const LARGE: usize = 256;

/// A process of `size` MiB, with images on this file system.
pub(crate) fn measure(
    kit: &Kit,
    medium: &Medium,
    size: usize,
    report: &mut Report,
    wanted: impl Fn(Group) -> bool,
) -> Result<()> {
    let dir = medium.dir.path();
    let image = dir.join("image");
    let (plain, patched) = Hold::build(kit)?;
    let mut hold = Hold::start(&patched, dir, size, 1)?;
    hold.checkpoint(&image)?;
    let label = format!("{}, {}", amount(size), medium.name);
    if wanted(Group::Checkpoint) {
        tell(&format!("checkpoint, {label}"));
        let runs = kit.runs(if size < LARGE { 31 } else { 7 });
        checkpoints(&hold, &image, runs, &label, report)?;
    }
    hold.kill()?;
    if wanted(Group::Restore) {
        tell(&format!("restore, {label}"));
        let runs = kit.runs(if size < LARGE { 101 } else { 11 });
        let (mut floor, mut ours) = (Vec::new(), Vec::new());
        in_turns(
            runs,
            || {
                floor.push(time(command(&plain).arg("read").arg(&image), RIGHT)?);
                Ok(())
            },
            || {
                ours.push(time(command(&patched).arg("--restore").arg(&image), RIGHT)?);
                Ok(())
            },
        )?;
        let row = Row::new(Group::Restore, &format!("restore, {label}"), Unit::Seconds);
        report.add(row.floor("exec + read", floor).ours(ours));
    }
    fs::remove_file(&image)?;
    Ok(())
}

fn checkpoints(
    hold: &Hold,
    image: &Path,
    runs: u32,
    label: &str,
    report: &mut Report,
) -> Result<()> {
    let len = usize::try_from(fs::metadata(image)?.len())?;
    let bytes = random_bytes(len, 1);
    let copy = image.with_extension("floor");
    let (mut written, mut durable) = (Vec::new(), Vec::new());
    let (mut pause, mut whole) = (Vec::new(), Vec::new());
    in_turns(
        runs,
        || {
            let (write, sync) = write_once(&copy, &bytes)?;
            written.push(write);
            durable.push(write + sync);
            Ok(())
        },
        || {
            // Freeing the blocks of an image that is replaced is no part of the floor either.
            fs::remove_file(image)?;
            let (gap, all) = hold.checkpoint(image)?;
            pause.push(gap);
            whole.push(all);
            Ok(())
        },
    )?;
    let row = |what: &str| {
        Row::new(
            Group::Checkpoint,
            &format!("{what}, {label}"),
            Unit::Seconds,
        )
    };
    report.add(row("pause").floor("write", written).ours(pause.clone()));
    report.add(
        row("pause")
            .floor("write + fsync", durable.clone())
            .ours(pause),
    );
    report.add(
        row("request to durable")
            .floor("write + fsync", durable)
            .ours(whole),
    );
    Ok(())
}

/// Seconds of one write to a new file, and of an fsync after it. The file is gone afterwards.
pub(crate) fn write_once(path: &Path, bytes: &[u8]) -> Result<(f64, f64)> {
    let begin = Instant::now();
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    let done = file.write(bytes)?;
    let write = begin.elapsed().as_secs_f64();
    file.sync_all()?;
    let all = begin.elapsed().as_secs_f64();
    ensure!(done == bytes.len(), "a short write to {}", path.display());
    fs::remove_file(path)?;
    Ok((write, all - write))
}

fn amount(mebibytes: usize) -> String {
    if mebibytes.is_multiple_of(1024) {
        format!("{} GiB", mebibytes / 1024)
    } else {
        format!("{mebibytes} MiB")
    }
}
