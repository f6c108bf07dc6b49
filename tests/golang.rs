//! Go programs, whose runtime takes every signal: the one that asks for checkpoints is left to ours, unless the
//! program asks for it itself. And their threads, which come and go while checkpoints are taken, all stop for the
//! runtime's own signal in the meantime. (That they are carried shows `real.rs`.)
//!
//! `CKPT_TEST_FULL=1` takes a thousand checkpoints and a hundred restores of these.

#[path = "golang/build.rs"]
mod build;

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use ckpt_tests::{
    Launch, PASS, Process, Scratch, checkpoint, checkpoint_by_signal, patch, times, wait_for_ready,
    wait_until,
};
use rustix::process::Signal;

/// Waits until SIGUSR2 is handled: since the start, or again after a restore. Go blocks it in one of its threads,
/// which may be the first, once a program asks for any signal.
fn wait_for_handler(process: &mut Process) -> Result<()> {
    const USR2: u64 = 1 << (12 - 1);
    let path = format!("/proc/{}/status", process.pid());
    wait_until("a handler of SIGUSR2", || {
        process.check_alive()?;
        let status = std::fs::read_to_string(&path)?;
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let caught = u64::from_str_radix(caught.unwrap_or("0").trim(), 16)?;
        Ok(caught & USR2 != 0)
    })
}

/// Builds, patches and runs `notify.go`, without its symbols.
fn keeps_what_it_asks_for(cgo: &str) -> Result<()> {
    let scratch = Scratch::new("golang")?;
    let flags = ["-ldflags=-s -w"];
    let built = build::go(
        &scratch,
        &["notify.go", "withc.go"][..1 + usize::from(cgo == "1")],
        &flags,
        cgo,
    )?;
    let program = scratch.join("app");
    patch(&built, &program)?;
    let launch = Launch::new(&program, &[], scratch.path());
    let mut process = launch.start()?;
    let said = |what: &'static str| {
        let scratch = &scratch;
        move || Ok(scratch.text("out").lines().any(|line| line == what))
    };
    wait_until("\"ready\"", said("ready"))?;
    wait_for_handler(&mut process)?;
    let image = checkpoint_by_signal(&mut process, scratch.path())?;
    process.kill()?;
    process = launch.restore(&image).start()?;
    wait_for_handler(&mut process)?;

    scratch.write("1", "")?;
    wait_until("\"notified\"", said("notified"))?;
    std::fs::remove_file(&image)?;
    process.signal(Signal::USR2)?;
    wait_until("the program's signal", said("got user defined signal 2"))?;
    let images = |scratch: &Scratch| -> Result<Vec<PathBuf>> {
        let mut all = Vec::new();
        for entry in std::fs::read_dir(scratch.path())? {
            let path = entry?.path();
            if path.extension().is_some_and(|e| e == "img") {
                all.push(path);
            }
        }
        Ok(all)
    };
    ensure!(images(&scratch)?.is_empty(), "an image was taken");
    let image = scratch.join("command.img");
    checkpoint(&program, process.pid(), &image, true)?;
    process.wait()?;
    process = launch.restore(&image).start()?;
    wait_for_handler(&mut process)?;

    scratch.write("2", "")?;
    wait_until("\"reset\"", said("reset"))?;
    let image = checkpoint_by_signal(&mut process, scratch.path())?;
    process.kill()?;
    process = launch.restore(&image).start()?;
    wait_for_handler(&mut process)?;
    scratch.write("3", "")?;
    let status = process.wait()?;
    ensure!(
        status.code() == Some(PASS),
        "{status}: {}",
        process.complaint()
    );
    Ok(())
}

/// Builds, patches and runs `churn.go` under many checkpoints, then many restores.
fn threads_come_and_go(cgo: &str) -> Result<()> {
    let scratch = Scratch::in_memory("golang")?;
    let files = ["churn.go", "withc.go"];
    let built = build::go(&scratch, &files[..1 + usize::from(cgo == "1")], &[], cgo)?;
    let program = scratch.join("app");
    patch(&built, &program)?;
    let launch = Launch::new(&program, &[], scratch.path());
    let mut process = launch.start()?;
    wait_for_ready(&mut process, &scratch)?;
    let take = |process: &Process, number: u32| -> Result<PathBuf> {
        let image = scratch.join(&format!("{number}.img"));
        checkpoint(&program, process.pid(), &image, false)
            .with_context(|| format!("checkpoint {number}; output: {}", scratch.text("out")))?;
        Ok(image)
    };
    for number in 0..times(30, 1000) {
        std::fs::remove_file(take(&process, number)?)?;
    }
    for number in 0..times(8, 100) {
        let image = take(&process, number)?;
        process.kill()?;
        process = launch.restore(&image).start()?;
        wait_for_handler(&mut process)?;
        std::fs::remove_file(&image)?;
    }
    scratch.write("go", "")?;
    let status = process.wait()?;
    let output = scratch.text("out");
    let complaint = process.complaint();
    ensure!(
        status.code() == Some(PASS),
        "{status}: {output}; {complaint}"
    );
    println!("{output}");
    Ok(())
}

#[test]
fn go_threads_come_and_go() -> Result<()> {
    threads_come_and_go("0")
}

#[test]
fn go_threads_come_and_go_with_c() -> Result<()> {
    threads_come_and_go("1")
}

#[test]
fn a_signal_that_the_program_asks_for_is_its_own() -> Result<()> {
    keeps_what_it_asks_for("0")
}

#[test]
fn a_signal_that_the_program_with_c_asks_for_is_its_own() -> Result<()> {
    keeps_what_it_asks_for("1")
}
