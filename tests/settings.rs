//! The environment variables by which a user sets the runtime, read once at the start.

use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};
use ckpt_tests::{Subject, checkpoint, wait_until};
use rustix::process::Signal;

#[test]
fn another_signal_asks() -> Result<()> {
    let mut subject = Subject::start_with("signal", "process/umask", &[("CKPT_SIGNAL", "URG")])?;
    let image = subject
        .scratch
        .join(&format!("app-{}.img", subject.process.pid()));
    subject.process.signal(Signal::URG)?;
    wait_until("the image", || {
        subject.process.check_alive()?;
        Ok(image.is_file())
    })?;
    subject.finish()
}

#[test]
fn no_signal_asks_and_the_command_still_does() -> Result<()> {
    // SIGUSR2 is the program's then: its own handler takes it.
    let subject = Subject::start_with("none", "signals/own_usr2", &[("CKPT_SIGNAL", "none")])?;
    let image = subject.scratch.join("asked.img");
    checkpoint(
        &subject.launch.program,
        subject.process.pid(),
        &image,
        false,
    )?;
    subject.finish()
}

#[test]
fn the_pattern_names_the_image() -> Result<()> {
    let pattern = "%%-%e-%p-%n.image";
    let mut subject = Subject::start_with(
        "pattern",
        "process/umask",
        &[("CKPT_IMAGE", pattern), ("CKPT_DIR", "DIR/images")],
    )?;
    let dir = subject.scratch.make_dir("images")?;
    let pid = subject.process.pid();
    let mut names = Vec::new();
    for _ in 0..2 {
        let count = names.len();
        subject.process.signal(Signal::USR2)?;
        wait_until("another image", || {
            subject.process.check_alive()?;
            names = images(&dir)?;
            Ok(names.len() > count)
        })?;
    }
    let start = format!("%-app-{pid}-");
    for name in &names {
        let number = name
            .strip_prefix(&start)
            .and_then(|rest| rest.strip_suffix(".image"));
        ensure!(
            number.is_some_and(|n| n.parse::<u32>().is_ok()),
            "{names:?}"
        );
    }
    subject.finish()
}

fn images(dir: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".image") {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

#[test]
fn settings_outlive_a_restore() -> Result<()> {
    let mut subject = Subject::start_with(
        "outlive",
        "memory/data",
        &[("CKPT_IMAGE", "named.img"), ("CKPT_DIR", "DIR")],
    )?;
    let image = subject.scratch.join("first.img");
    checkpoint(&subject.launch.program, subject.process.pid(), &image, true)?;
    subject.process.wait()?;
    // The restoring command's environment is not the program's.
    subject.launch.env.clear();
    subject.restore(&image)?;
    subject.process.signal(Signal::USR2)?;
    let named = subject.scratch.join("named.img");
    wait_until("the image", || {
        subject.process.check_alive()?;
        Ok(named.is_file())
    })?;
    subject.finish()
}

#[test]
fn nothing_is_said_unless_a_log_is_asked_for() -> Result<()> {
    let quiet = Subject::start("quiet", "process/umask")?;
    let image = quiet.scratch.join("asked.img");
    checkpoint(&quiet.launch.program, quiet.process.pid(), &image, false)?;
    ensure!(
        quiet.scratch.text("err").is_empty(),
        "{}",
        quiet.scratch.text("err")
    );
    quiet.finish()?;

    let subject = Subject::start_with(
        "logged",
        "process/umask",
        &[("CKPT_LOG", "debug"), ("CKPT_LOG_FILE", "DIR/log")],
    )?;
    let image = subject.scratch.join("asked.img");
    checkpoint(
        &subject.launch.program,
        subject.process.pid(),
        &image,
        false,
    )?;
    let log = subject.scratch.text("log");
    ensure!(!log.is_empty(), "there is no log");
    for line in log.lines() {
        ensure!(line.starts_with("ckpt: "), "{line:?}");
    }
    ensure!(
        subject.scratch.text("err").is_empty(),
        "{}",
        subject.scratch.text("err")
    );
    subject.finish()
}

#[test]
fn nonsense_is_told_and_not_used() -> Result<()> {
    for (name, value) in [
        ("CKPT_SIGNAL", "NONSENSE"),
        ("CKPT_SIGNAL", "KILL"),
        ("CKPT_SIGNAL", "0"),
        ("CKPT_SIGNAL", "65"),
        ("CKPT_SIGNAL", ""),
        ("CKPT_LOG", "loud"),
        ("CKPT_FILES", "yes"),
        ("CKPT_ALLOW", "tcp,nonsense"),
        ("CKPT_ALLOW", ""),
    ] {
        let subject = Subject::start_with("nonsense", "process/umask", &[(name, value)])?;
        let told = subject.scratch.text("err");
        ensure!(
            told.starts_with("ckpt: error: ") && told.contains(name) && told.lines().count() == 1,
            "{name}={value}: {told:?}"
        );
        subject.finish()?;
    }
    Ok(())
}
