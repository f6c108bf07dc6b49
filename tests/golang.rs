//! Go programs, whose runtime takes every signal: the one that asks for checkpoints is left to ours, unless the
//! program asks for it itself. (That they are carried shows `real.rs`.)

#[path = "golang/build.rs"]
mod build;

use std::path::PathBuf;

use anyhow::{Result, ensure};
use ckpt_tests::{
    Launch, PASS, Process, Scratch, checkpoint, checkpoint_by_signal, patch, wait_until,
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

#[test]
fn a_signal_that_the_program_asks_for_is_its_own() -> Result<()> {
    keeps_what_it_asks_for("0")
}

#[test]
fn a_signal_that_the_program_with_c_asks_for_is_its_own() -> Result<()> {
    keeps_what_it_asks_for("1")
}
