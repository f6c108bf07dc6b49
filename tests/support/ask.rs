//! Asking programs for checkpoints.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;

use crate::launch::command_of;
use crate::run::{Process, wait_until};

/// `PROGRAM --checkpoint PID -o IMAGE [--stop]`, which must succeed, print the image's path and nothing
/// else, and leave a complete image.
pub fn checkpoint(program: &Path, pid: u32, image: &Path, stop: bool) -> Result<()> {
    let mut command = command_of(program, None);
    command
        .args(["--checkpoint", &pid.to_string(), "-o"])
        .arg(image);
    if stop {
        command.arg("--stop");
    }
    let run = command.output().context("run --checkpoint")?;
    let printed = String::from_utf8_lossy(&run.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&run.stderr).into_owned();
    ensure!(
        run.status.code() == Some(0),
        "--checkpoint: {}; standard error: {complaint:?}",
        run.status
    );
    ensure!(complaint.is_empty(), "--checkpoint says {complaint:?}");
    ensure!(
        printed == format!("{}\n", image.display()),
        "--checkpoint printed {printed:?} instead of the path {}",
        image.display()
    );
    ensure!(image.is_file(), "there is no image {}", image.display());
    Ok(())
}

/// SIGUSR2, then the image `NAME-PID.img` in the working directory, which appears when it is whole.
pub fn checkpoint_by_signal(process: &mut Process, dir: &Path) -> Result<PathBuf> {
    let ending = format!("-{}.img", process.pid());
    let find = || -> Result<Option<PathBuf>> {
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(&ending) && !name.starts_with('.') {
                return Ok(Some(entry.path()));
            }
        }
        Ok(None)
    };
    if let Some(old) = find()? {
        match fs::remove_file(&old) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    process.signal(Signal::USR2)?;
    let mut found = None;
    wait_until("the image after SIGUSR2", || {
        found = find()?;
        if found.is_none() {
            process.check_alive()?;
            let complaint = process.complaint();
            ensure!(!complaint.contains("ckpt: error"), "{complaint}");
        }
        Ok(found.is_some())
    })?;
    found.context("no image")
}

/// Waits until the program takes requests: since its start, or again after a restore. Its runtime has
/// caught SIGUSR2 then; before, the signal would end it. For programs that leave SIGUSR2 alone.
pub fn wait_for_runtime(process: &mut Process) -> Result<()> {
    const USR2: u64 = 1 << (12 - 1);
    let path = format!("/proc/{}/status", process.pid());
    wait_until("the runtime to catch SIGUSR2", || {
        process.check_alive()?;
        let status = fs::read_to_string(&path)?;
        let set = |name: &str| {
            status
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .and_then(|value| u64::from_str_radix(value.trim(), 16).ok())
                .unwrap_or(0)
        };
        Ok(set("SigCgt:") & USR2 != 0 && set("SigBlk:") & USR2 == 0)
    })
}
