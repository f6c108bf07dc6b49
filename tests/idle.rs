//! A patched program that nobody asks for anything executes, once it has started, the instructions of the
//! program as it was: nothing of the runtime runs between checkpoints.
//!
//! Counted by valgrind's callgrind, in a program with threads (`idle/work.c`) that is the same in each run. From
//! a short and a long run follows what belongs to the work and not to the start.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use ckpt_tests::{Scratch, patch};

/// Rounds of work, written alike: the runtime reads the first argument when it starts.
const SHORT: &str = "010";
const LONG: &str = "910";
/// The three threads' work is told apart from this by far: a single instruction in each of their rounds
/// more makes 2,700.
const ROUGHLY: u64 = 500;
/// Most instructions that a start may take in addition, the program's own loading included.
const START: u64 = 60_000;

/// Instructions of all threads from the first to the last.
fn instructions(program: &Path, rounds: &str, scratch: &Scratch) -> Result<u64> {
    let into = scratch.join("counted");
    let run = Command::new("valgrind")
        .args(["--quiet", "--tool=callgrind"])
        .arg(format!("--callgrind-out-file={}", into.display()))
        .args([program, Path::new(rounds)])
        .env_clear()
        .current_dir(scratch.path())
        .output()
        .context("run valgrind; tests/run.sh installs what is needed")?;
    let complaint = String::from_utf8_lossy(&run.stderr);
    ensure!(run.status.success(), "{}: {complaint}", run.status);
    let text = fs::read_to_string(&into)?;
    let sum = text.lines().find_map(|line| line.strip_prefix("summary: "));
    Ok(sum.context("callgrind tells no sum")?.trim().parse()?)
}

fn costs_nothing(name: &str, compiler: &str, flags: &[&str]) -> Result<()> {
    let scratch = Scratch::new(name)?;
    let plain = scratch.join("work");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("idle/work.c");
    let run = Command::new(compiler)
        .args(["-O1", "-pthread"])
        .args(flags)
        .arg("-o")
        .args([&plain, &source])
        .output()
        .with_context(|| format!("run {compiler}; tests/run.sh installs it"))?;
    let complaint = String::from_utf8_lossy(&run.stderr);
    ensure!(run.status.success(), "{compiler}: {complaint}");
    let patched = scratch.join("work.ckpt");
    patch(&plain, &patched)?;

    let count = |program, rounds| instructions(program, rounds, &scratch);
    let (before, before_long) = (count(&plain, SHORT)?, count(&plain, LONG)?);
    let (after, after_long) = (count(&patched, SHORT)?, count(&patched, LONG)?);
    let work = before_long - before;
    ensure!(work > 1_000_000, "only {work} instructions of work");
    ensure!(
        (after_long - after).abs_diff(work) < ROUGHLY,
        "the work takes {} instructions instead of {work}",
        after_long - after
    );
    ensure!(
        (1..START).contains(&(after - before)),
        "the start takes {} instructions more",
        after - before
    );
    Ok(())
}

#[test]
fn a_dynamic_program_executes_no_instruction_more() -> Result<()> {
    costs_nothing("idle-dynamic", "cc", &["-pie"])
}

#[test]
fn a_static_program_executes_no_instruction_more() -> Result<()> {
    costs_nothing("idle-static", "cc", &["-static"])
}

#[test]
fn a_program_with_musl_executes_no_instruction_more() -> Result<()> {
    costs_nothing("idle-musl", "musl-gcc", &["-static"])
}
