//! Threads that are never at rest, and checkpoints and restores falling anywhere into it: sixty-four at work with
//! every kind of lock; a thousand new ones a second; all of them stopped by the C library itself. And ten thousand.
//!
//! `CKPT_TEST_FULL=1` does it a thousand and a hundred times.

use std::fs;

use std::path::Path;

use anyhow::{Result, ensure};
use ckpt_tests::{Link, Series, command_of, times, wait_for_runtime};

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

/// gdb, as the plain user, attached to a restored program: it knows every thread and what it does. Where only
/// descendants may be traced (Yama), this is skipped, and says so.
#[test]
fn a_debugger_sees_them() -> Result<()> {
    const THREADS: usize = 16;
    let scope = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    if !["", "0"].contains(&scope.trim()) {
        eprintln!("skipped: ptrace_scope is {scope}");
        return Ok(());
    }
    let run = Series::new("threads/turns", "", Link::Pie)?;
    let mut process = run.start()?;
    let image = run.checkpoint(&process, 1)?;
    process.kill()?;
    process = run.launch.restore(&image).start()?;
    wait_for_runtime(&mut process)?;
    let output = command_of(Path::new("/usr/bin/gdb"), None)
        .args(["-nx", "-batch", "-p", &process.pid().to_string()])
        .args(["-ex", "info threads", "-ex", "thread apply all bt"])
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let shows = |what: &str| text.lines().filter(|line| line.contains(what)).count();
    // In the list and above its frames.
    ensure!(shows("(LWP ") >= 2 * (THREADS + 1), "threads: {text}");
    ensure!(shows("run (argument=") == THREADS, "their work: {text}");
    ensure!(shows(" main (argc=") == 1, "the first thread: {text}");
    ensure!(shows("?? ()") == 0, "frames without a name: {text}");
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

/// A checkpoint from which the program goes on, and one from which it is restored.
fn ten_thousand(link: Link) -> Result<()> {
    let run = Series::new("load/many", "", link)?;
    let mut process = run.start()?;
    fs::remove_file(run.checkpoint(&process, 0)?)?;
    let image = run.checkpoint(&process, 1)?;
    process.kill()?;
    process = run.launch.restore(&image).start()?;
    wait_for_runtime(&mut process)?;
    run.finish(&mut process)
}

#[test]
fn ten_thousand_threads() -> Result<()> {
    ten_thousand(Link::Pie)
}

#[test]
fn ten_thousand_threads_of_musl() -> Result<()> {
    ten_thousand(Link::Musl)
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
