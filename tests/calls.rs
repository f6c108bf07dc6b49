//! System calls that wait, with checkpoints and restores falling anywhere into the waits: none returns anything
//! unusual, ends early, or begins again. The samples judge; what they have measured is printed.
//!
//! `CKPT_TEST_FULL=1` takes a thousand checkpoints and a hundred restores of each.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ckpt_tests::{Link, Series, times, wait_for_runtime};

const SAMPLES: [&str; 3] = ["calls/sleep", "calls/poll", "calls/futex"];

/// What a sample says of one call: `call NAME: rounds N abnormal N (N) early N late N us, most N us; …`.
fn report(sample: &str, link: Link, run: &Series) -> Result<()> {
    let text = run.scratch.text("out");
    let lines = text.lines().filter(|line| line.starts_with("call "));
    ensure!(lines.clone().count() > 0, "{sample} tells nothing: {text}");
    for line in lines {
        println!("{sample} {}: {line}", link.name());
    }
    Ok(())
}

fn checkpoints(sample: &str, link: Link) -> Result<()> {
    let run = Series::new(sample, "", link)?;
    let mut process = run.start()?;
    for number in 0..times(30, 1000) {
        fs::remove_file(run.checkpoint(&process, number)?)?;
        // Shorter than any of the waits: one that began again would never end.
        sleep(Duration::from_millis(20));
    }
    run.finish(&mut process)?;
    report(sample, link, &run)
}

fn restores(sample: &str, link: Link) -> Result<()> {
    let run = Series::new(sample, "", link)?;
    let mut process = run.start()?;
    for number in 0..times(4, 100) {
        sleep(Duration::from_millis(100));
        let image = run.checkpoint(&process, number)?;
        process.kill()?;
        process = run.launch.restore(&image).start()?;
        wait_for_runtime(&mut process)?;
        fs::remove_file(&image)?;
    }
    run.finish(&mut process)?;
    report(sample, link, &run)
}

fn all(act: impl Fn(&str, Link) -> Result<()>) -> Result<()> {
    for sample in SAMPLES {
        for link in [Link::Pie, Link::Musl] {
            act(sample, link).with_context(|| format!("{sample} {}", link.name()))?;
        }
    }
    Ok(())
}

#[test]
fn waits_survive_checkpoints() -> Result<()> {
    all(checkpoints)
}

#[test]
fn waits_survive_restores() -> Result<()> {
    all(restores)
}
