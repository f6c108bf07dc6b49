//! Patching itself: time and memory for a large executable, growth of the file.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use ckpt_tests::random_bytes;

use crate::Group;
use crate::kit::{Kit, in_turns, output, tell};
use crate::report::{Report, Row, Unit};

/// Bytes of data in the large executable.
const BULK: usize = 128 << 20;
/// Most bytes that a file may grow.
const GROWTH: f64 = 150_000.0;
/// Programs that are patched if they are there.
const FOUND: [&str; 3] = ["/usr/bin/bash", "/usr/bin/python3", "/usr/bin/node"];

pub(crate) fn measure(kit: &Kit, report: &mut Report) -> Result<()> {
    tell("patch, 128 MiB");
    fs::write(kit.path("bulk.bin"), random_bytes(BULK, 3))?;
    let large = kit.build("large", "large", "cc", &[])?;
    fs::remove_file(kit.path("bulk.bin"))?;
    let spend = kit.build("spend", "spend", "cc", &[])?;
    time_and_memory(kit, &large, &spend, report)?;

    tell("growth");
    for (source, name, compiler) in [
        ("tiny", "grown-dynamic", "cc"),
        ("tiny", "grown-musl", "musl-gcc"),
    ] {
        let flags: &[&str] = if compiler == "cc" { &[] } else { &["-static"] };
        let plain = kit.build(source, name, compiler, flags)?;
        let what = if compiler == "cc" {
            "tiny program"
        } else {
            "tiny program, static musl"
        };
        growth(kit, &plain, what, report)?;
    }
    growth(kit, &large, "129 MiB program", report)?;
    for program in FOUND.iter().map(Path::new).filter(|p| p.is_file()) {
        let name = program
            .file_name()
            .unwrap_or_default()
            .display()
            .to_string();
        growth(kit, &fs::canonicalize(program)?, &name, report)?;
    }
    Ok(())
}

fn time_and_memory(kit: &Kit, large: &Path, spend: &Path, report: &mut Report) -> Result<()> {
    let (copy, patched) = (kit.path("copy"), kit.path("large.ckpt"));
    let (mut floor, mut ours) = (Spent::default(), Spent::default());
    in_turns(
        kit.runs(11),
        || {
            let mut cp = Command::new("cp");
            cp.args(["--reflink=never", "--sparse=never"])
                .arg(large)
                .arg(&copy);
            let (time, memory) = spent(spend, &cp)?;
            let mut sync = Command::new("sync");
            let (more, _) = spent(spend, sync.arg(&copy))?;
            floor.add(time + more, memory);
            remove(&copy)
        },
        || {
            let (time, memory) = spent(spend, &kit.patch_command(large, &patched))?;
            ours.add(time, memory);
            remove(&patched)
        },
    )?;
    let row = |what: &str, unit| Row::new(Group::Patch, what, unit);
    report.add(
        row("patch, 128 MiB", Unit::Seconds)
            .floor("cp + sync", floor.seconds)
            .ours(ours.seconds),
    );
    report.add(
        row("most memory, 128 MiB", Unit::Bytes)
            .floor("cp", floor.bytes)
            .ours(ours.bytes),
    );
    Ok(())
}

#[derive(Default)]
struct Spent {
    seconds: Vec<f64>,
    bytes: Vec<f64>,
}

impl Spent {
    fn add(&mut self, seconds: f64, bytes: f64) {
        self.seconds.push(seconds);
        self.bytes.push(bytes);
    }
}

/// Seconds of a command and the most bytes of memory it had.
fn spent(spend: &Path, command: &Command) -> Result<(f64, f64)> {
    let mut wrapped = Command::new(spend);
    wrapped.arg(command.get_program()).args(command.get_args());
    let told = output(&mut wrapped)?;
    let (nanos, kib) = told.trim().split_once(' ').context("spend tells nothing")?;
    Ok((nanos.parse::<f64>()? / 1e9, kib.parse::<f64>()? * 1024.0))
}

fn remove(path: &PathBuf) -> Result<()> {
    Ok(fs::remove_file(path)?)
}

fn growth(kit: &Kit, program: &Path, what: &str, report: &mut Report) -> Result<()> {
    let patched = kit.patch(program)?;
    // Exact up to 2^53 bytes.
    let size = |path: &Path| -> Result<f64> { Ok(fs::metadata(path)?.len().to_string().parse()?) };
    let row = Row::new(
        Group::Patch,
        &format!("size of the file, {what}"),
        Unit::Bytes,
    );
    let row = row.floor("unpatched", vec![size(program)?]);
    report.add(row.ours(vec![size(&patched)?]).budget(GROWTH));
    remove(&patched)
}
