//! All registers live, in a loop of plain instructions, and checkpoints falling anywhere into it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, Result};
use ckpt_tests::{Link, Series, wait_for_runtime, wait_until};
use rustix::process::Signal;

/// Each image replaces the one before by a rename: another inode.
fn inode(image: &Path) -> u64 {
    fs::metadata(image).map_or(0, |metadata| metadata.ino())
}

fn interrupt(link: Link, times: u32) -> Result<()> {
    let live = Series::new("fpu/live", "", link)?;
    let mut process = live.start()?;
    let image = live.scratch.join(&format!("app-{}.img", process.pid()));
    let mut last = 0;
    for done in 0..times {
        process.signal(Signal::USR2)?;
        wait_until("an image", || {
            if inode(&image) == last && process.ended()?.is_some() {
                process.check_alive()?;
            }
            Ok(inode(&image) != last)
        })
        .map_err(|error| {
            error.context(format!(
                "checkpoint {done}; output: {}",
                live.scratch.text("out")
            ))
        })?;
        last = inode(&image);
    }
    live.finish(&mut process)
        .with_context(|| format!("after {times}"))
}

fn restore(link: Link, times: u32) -> Result<()> {
    let live = Series::new("fpu/live", "", link)?;
    let mut process = live.start()?;
    for done in 0..times {
        let image = live.checkpoint(&process, done)?;
        process.kill()?;
        process = live.launch.restore(&image).start()?;
        wait_for_runtime(&mut process)?;
        fs::remove_file(&image)?;
    }
    live.finish(&mut process)
        .with_context(|| format!("after {times}"))
}

#[test]
fn survive_ten_thousand_checkpoints() -> Result<()> {
    interrupt(Link::Musl, 10_000)
}

#[test]
fn survive_checkpoints_of_a_dynamic_program() -> Result<()> {
    interrupt(Link::Pie, 500)
}

#[test]
fn survive_three_hundred_restores() -> Result<()> {
    restore(Link::Musl, 300)
}

#[test]
fn survive_restores_of_a_dynamic_program() -> Result<()> {
    restore(Link::Pie, 50)
}
