//! socat between two pseudoterminals of its own: what is under way is delivered after a restore, and it goes on.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use ckpt_tests::{
    Launch, Process, Scratch, checkpoint, installed, patch, wait_for_runtime, wait_until,
};
use rustix::process::Signal;

/// The two terminals, as they are named at the time.
fn ends(process: &mut Process) -> Result<[PathBuf; 2]> {
    let mut found = Vec::new();
    wait_until("both terminals", || {
        process.check_alive()?;
        found.clear();
        for entry in fs::read_dir(format!("/proc/{}/fd", process.pid()))? {
            let entry = entry?;
            let number: u32 = entry.file_name().to_string_lossy().parse()?;
            match fs::read_link(entry.path()) {
                Ok(path) if path.starts_with("/dev/pts") => found.push((number, path)),
                _ => {}
            }
        }
        Ok(found.len() == 2)
    })?;
    found.sort();
    let paths: Vec<PathBuf> = found.into_iter().map(|(_, path)| path).collect();
    paths.try_into().ok().context("two terminals")
}

fn open(path: &PathBuf) -> Result<File> {
    const O_NOCTTY: i32 = 0o400;
    const O_NONBLOCK: i32 = 0o4000;
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    let opened = options.custom_flags(O_NOCTTY | O_NONBLOCK).open(path);
    opened.with_context(|| format!("open {}", path.display()))
}

fn say(end: &PathBuf, text: &str) -> Result<()> {
    Ok(open(end)?.write_all(text.as_bytes())?)
}

fn hear(end: &PathBuf, text: &str) -> Result<()> {
    let mut end = open(end)?;
    let mut heard = Vec::new();
    wait_until(&format!("{text:?}"), || {
        let mut buffer = [0; 100];
        match end.read(&mut buffer) {
            Ok(count) => heard.extend_from_slice(buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => bail!(error),
        }
        Ok(heard.len() >= text.len())
    })?;
    ensure!(
        heard == text.as_bytes(),
        "heard {heard:?} instead of {text:?}"
    );
    Ok(())
}

/// Twice, with bytes under way each time.
pub(crate) fn socat() -> Result<()> {
    let scratch = Scratch::new("socat")?;
    let program = scratch.join("socat");
    patch(&installed("/usr/bin/socat")?, &program)?;
    let launch = Launch::new(
        &program,
        &["PTY,raw,echo=0", "PTY,raw,echo=0"],
        scratch.path(),
    );
    let mut process = launch.start()?;
    for generation in ["1.img", "2.img"] {
        let [one, other] = ends(&mut process)?;
        say(&one, "over\n")?;
        hear(&other, "over\n")?;
        say(&other, "waits in between\n")?;
        let image = scratch.join(generation);
        checkpoint(&program, process.pid(), &image, false)?;
        hear(&one, "waits in between\n").context("after a checkpoint")?;
        process.kill()?;
        process = launch.restore(&image).start()?;
        wait_for_runtime(&mut process)?;
        let [one, other] = ends(&mut process)?;
        hear(&one, "waits in between\n").context("after a restore")?;
        say(&other, "back\n")?;
        hear(&one, "back\n")?;
    }
    process.signal(Signal::TERM)?;
    let status = process.wait()?;
    ensure!(
        status.code() == Some(128 + 15),
        "{status}: {}",
        process.complaint()
    );
    Ok(())
}
