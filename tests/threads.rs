//! Threads that are never at rest, and checkpoints and restores falling anywhere into it: sixty-four at work with
//! every kind of lock; a thousand new ones a second; all of them stopped by the C library itself.
//!
//! `CKPT_TEST_FULL=1` does it a thousand and a hundred times.

use std::fs;

use anyhow::Result;
use ckpt_tests::{Link, Series, times, wait_for_runtime};

fn checkpoints(sample: &str, link: Link) -> Result<()> {
    let run = Series::new(sample, "", link)?;
    let mut process = run.start()?;
    for number in 0..times(50, 1000) {
        fs::remove_file(run.checkpoint(&process, number)?)?;
    }
    run.finish(&mut process)
}

fn restores(sample: &str, link: Link) -> Result<()> {
    let run = Series::new(sample, "", link)?;
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
    checkpoints("threads/locks", Link::Pie)
}

#[test]
fn locks_of_musl_survive_checkpoints() -> Result<()> {
    checkpoints("threads/locks", Link::Musl)
}

#[test]
fn locks_survive_restores() -> Result<()> {
    restores("threads/locks", Link::Pie)
}

#[test]
fn locks_of_a_static_program_survive_restores() -> Result<()> {
    restores("threads/locks", Link::Static)
}

#[test]
fn locks_of_musl_survive_restores() -> Result<()> {
    restores("threads/locks", Link::Musl)
}

#[test]
fn threads_come_and_go() -> Result<()> {
    checkpoints("load/churn", Link::Pie)?;
    restores("load/churn", Link::Pie)
}

#[test]
fn threads_come_and_go_in_a_static_program() -> Result<()> {
    checkpoints("load/churn", Link::Static)?;
    restores("load/churn", Link::Static)
}

#[test]
fn threads_come_and_go_with_musl() -> Result<()> {
    checkpoints("load/churn", Link::Musl)?;
    restores("load/churn", Link::Musl)
}

#[test]
fn the_library_stops_all_threads() -> Result<()> {
    checkpoints("threads/users", Link::Pie)?;
    restores("threads/users", Link::Pie)
}

#[test]
fn the_library_stops_all_threads_in_a_static_program() -> Result<()> {
    checkpoints("threads/users", Link::Static)?;
    restores("threads/users", Link::Static)
}

#[test]
fn the_library_stops_all_threads_with_musl() -> Result<()> {
    checkpoints("threads/users", Link::Musl)?;
    restores("threads/users", Link::Musl)
}
