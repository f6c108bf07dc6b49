//! Sixty-four threads at work with every kind of lock, and checkpoints and restores falling anywhere into it.
//!
//! `CKPT_TEST_FULL=1` does it a thousand and a hundred times.

use std::fs;

use anyhow::Result;
use ckpt_tests::{Link, Series, times, wait_for_runtime};

fn checkpoints(link: Link) -> Result<()> {
    let run = Series::new("threads/locks", "", link)?;
    let mut process = run.start()?;
    for number in 0..times(50, 1000) {
        fs::remove_file(run.checkpoint(&process, number)?)?;
    }
    run.finish(&mut process)
}

fn restores(link: Link) -> Result<()> {
    let run = Series::new("threads/locks", "", link)?;
    let mut process = run.start()?;
    for number in 0..times(10, 100) {
        let image = run.checkpoint(&process, number)?;
        process.kill()?;
        process = run.launch.restore(&image).start()?;
        wait_for_runtime(&mut process)?;
        fs::remove_file(&image)?;
    }
    run.finish(&mut process)
}

#[test]
fn locks_survive_checkpoints() -> Result<()> {
    checkpoints(Link::Pie)
}

#[test]
fn locks_of_musl_survive_checkpoints() -> Result<()> {
    checkpoints(Link::Musl)
}

#[test]
fn locks_survive_restores() -> Result<()> {
    restores(Link::Pie)
}

#[test]
fn locks_of_a_static_program_survive_restores() -> Result<()> {
    restores(Link::Static)
}

#[test]
fn locks_of_musl_survive_restores() -> Result<()> {
    restores(Link::Musl)
}
