//! Programs that do not stand still when they are asked to: the one who asks is told why, in good time, and the
//! program goes on unharmed.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ckpt_tests::{
    Launch, Link, PASS, Process, Sample, Scratch, Subject, command_of, patch, wait_for_ready,
    wait_until,
};
use rustix::process::Signal;

/// A program of `samples/refuse/threads.c`, asked so often: it refuses with these words.
fn refused(variant: &str, link: Link, times: u32, words: &[&str]) -> Result<()> {
    let scratch = Scratch::new(&format!("quiesce-{variant}"))?;
    let program = scratch.join("app");
    patch(&Sample::named("refuse/threads")?.build(link)?, &program)?;
    let go = scratch.join("go").display().to_string();
    let launch = Launch::new(&program, &[&go, variant], scratch.path());
    let mut process = launch.start()?;
    wait_for_ready(&mut process, &scratch)?;
    let image = scratch.join("refused.img");
    for _ in 0..times {
        let ask = command_of(&program, None)
            .args(["--checkpoint", &process.pid().to_string(), "-o"])
            .arg(&image)
            .output()?;
        let message = String::from_utf8_lossy(&ask.stderr).into_owned();
        ensure!(ask.status.code() == Some(1), "{}: {message}", ask.status);
        let is_one = message.starts_with("ckpt: error: ") && message.lines().count() == 1;
        ensure!(is_one, "{message}");
        for word in words {
            ensure!(message.contains(word), "{message:?} does not say {word:?}");
        }
        ensure!(!image.exists(), "there is an image");
        process.check_alive()?;
    }
    finish(&scratch, &mut process)
}

fn finish(scratch: &Scratch, process: &mut Process) -> Result<()> {
    scratch.write("go.new", "go")?;
    fs::rename(scratch.join("go.new"), scratch.join("go"))?;
    let status = process.wait()?;
    let output = scratch.text("out");
    ensure!(
        status.code() == Some(PASS),
        "{status}: {output}; {}",
        process.complaint()
    );
    let complaint = scratch.text("err");
    ensure!(complaint.is_empty(), "it says {complaint:?}");
    Ok(())
}

const BLOCKED: [&str; 2] = [
    ", state S) blocks all signals and",
    " cannot be stopped within 10 s",
];
const FORKING: [&str; 2] = [", state D)", " cannot be stopped within 10 s"];

#[test]
fn a_thread_that_blocks_all_signals() -> Result<()> {
    refused("blocked", Link::Pie, 2, &BLOCKED)
}

#[test]
fn a_thread_of_musl_that_blocks_all_signals() -> Result<()> {
    refused("blocked", Link::Musl, 1, &BLOCKED)
}

#[test]
fn a_thread_whose_child_runs_in_its_memory() -> Result<()> {
    refused("vfork", Link::Pie, 1, &FORKING)
}

#[test]
fn a_thread_of_musl_whose_child_runs_in_its_memory() -> Result<()> {
    refused("vfork", Link::Musl, 1, &FORKING)
}

/// SIGSTOP, then a request: it fails, and the program that is continued does not see it any more. Then one
/// that is continued in good time: it is answered.
#[test]
fn a_stopped_program() -> Result<()> {
    let subject = Subject::start("stopped", "threads/turns")?;
    let state = format!("/proc/{}/stat", subject.process.pid());
    subject.process.signal(Signal::STOP)?;
    wait_until("the stop", || {
        Ok(fs::read_to_string(&state)?.contains(") T "))
    })?;
    let run = subject.ask(Path::new("/"), &[])?;
    let message = String::from_utf8_lossy(&run.stderr).into_owned();
    ensure!(run.status.code() == Some(1), "{}: {message}", run.status);
    ensure!(
        message.ends_with("did not answer within 10 s: it is stopped\n"),
        "{message}"
    );

    let image = subject.scratch.join("continued.img");
    let mut asker = command_of(&subject.launch.program, None)
        .args(["--checkpoint", &subject.process.pid().to_string(), "-o"])
        .arg(&image)
        .spawn()?;
    // It has sent its request when it waits for the answer: futex(2).
    let call = format!("/proc/{}/syscall", asker.id());
    wait_until("the request", || {
        Ok(fs::read_to_string(&call).is_ok_and(|text| text.starts_with("202 ")))
    })?;
    subject.process.signal(Signal::CONT)?;
    let status = asker.wait()?;
    ensure!(status.success(), "{status}");
    ensure!(image.is_file(), "there is no image");
    let complaint = subject.scratch.text("err");
    ensure!(complaint.is_empty(), "it says {complaint:?}");
    let mut subject = subject;
    subject.process.kill().context("still there")?;
    subject.restore(&image)?;
    subject.finish()
}

/// A program that has no time for a while, and blocks the signal that asks first: the other one asks, and the first
/// is not left for it to find.
#[test]
fn a_stopped_program_that_blocks_a_signal() -> Result<()> {
    let scratch = Scratch::new("late")?;
    let program = scratch.join("app");
    patch(
        &Sample::named("signals/request")?.build(Link::Pie)?,
        &program,
    )?;
    let go = scratch.join("go").display().to_string();
    let mut process = Launch::new(&program, &[&go, "blocked"], scratch.path()).start()?;
    wait_for_ready(&mut process, &scratch)?;
    process.signal(Signal::STOP)?;
    let image = scratch.join("late.img");
    let mut asker = command_of(&program, None)
        .args(["--checkpoint", &process.pid().to_string(), "-o"])
        .arg(&image)
        .spawn()?;
    // Longer than it takes to look for another way.
    sleep(Duration::from_millis(2500));
    process.signal(Signal::CONT)?;
    let status = asker.wait()?;
    ensure!(status.success(), "{status}");
    ensure!(image.is_file(), "there is no image");
    let status = fs::read_to_string(format!("/proc/{}/status", process.pid()))?;
    for waiting in ["SigPnd:\t", "ShdPnd:\t"] {
        let none = format!("{waiting}{:016}\n", 0);
        ensure!(status.contains(&none), "a signal waits: {status}");
    }
    finish(&scratch, &mut process)
}
