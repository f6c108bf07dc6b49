//! The pause by number of threads.

use std::fs;

use anyhow::Result;
use ckpt_tests::random_bytes;

use crate::Group;
use crate::checkpoint::write_once;
use crate::hold::Hold;
use crate::kit::{Kit, tell};
use crate::report::{Report, Row, Unit};

/// Memory of the process in MiB, beside its threads'.
const SIZE: usize = 1;

/// The floor is a signal to each thread, taken by a handler that only counts, and one write of as
/// many bytes as the image has. In memory, so that no disk hides the threads.
pub(crate) fn measure(kit: &Kit, counts: &[usize], report: &mut Report) -> Result<()> {
    let Some(medium) = kit.media.last() else {
        return Ok(());
    };
    let dir = medium.dir.path();
    let image = dir.join("image");
    let copy = dir.join("floor");
    let (_, patched) = Hold::build(kit)?;
    for &count in counts {
        tell(&format!("checkpoint, threads: {count}"));
        let mut hold = Hold::start(&patched, dir, SIZE, count)?;
        hold.checkpoint(&image)?;
        let bytes = random_bytes(usize::try_from(fs::metadata(&image)?.len())?, 2);
        let (mut floor, mut ours) = (Vec::new(), Vec::new());
        for _ in 0..kit.runs(31) {
            let (write, sync) = write_once(&copy, &bytes)?;
            floor.push(hold.round()? + write + sync);
            let (pause, _) = hold.checkpoint(&image)?;
            ours.push(pause);
        }
        hold.kill()?;
        let what = format!("pause, threads: {count}, {}", medium.name);
        let row = Row::new(Group::Threads, &what, Unit::Seconds);
        report.add(row.floor("signals + write", floor).ours(ours));
    }
    Ok(())
}
