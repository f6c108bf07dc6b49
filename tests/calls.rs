//! System calls that wait, with checkpoints and restores falling anywhere into the waits: none returns anything
//! unusual, ends early, or begins again. The samples judge; what they have measured is printed.
//!
//! `CKPT_TEST_FULL=1` takes a thousand checkpoints and a hundred restores of each.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ckpt_tests::{Link, Series, command_of, times, wait_for_runtime};

/// Shorter than any of the waits: one that began again would never end.
const PERIOD: Duration = Duration::from_millis(20);

/// What a sample says of one call: `call NAME: rounds N abnormal N (N) early N late N us, most N us; …`.
fn report(sample: &str, link: Link, run: &Series) -> Result<()> {
    let text = run.scratch.text("figures");
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
        sleep(PERIOD);
    }
    run.finish(&mut process)?;
    report(sample, link, &run)
}

fn restores(sample: &str, link: Link) -> Result<()> {
    let run = Series::new(sample, "", link)?;
    let mut process = run.start()?;
    for number in 0..times(4, 100) {
        sleep(PERIOD * 5);
        let image = run.checkpoint(&process, number)?;
        process.kill()?;
        process = run.launch.restore(&image).start()?;
        wait_for_runtime(&mut process)?;
        fs::remove_file(&image)?;
    }
    run.finish(&mut process)?;
    report(sample, link, &run)
}

fn both(sample: &str, act: impl Fn(&str, Link) -> Result<()>) -> Result<()> {
    for link in [Link::Pie, Link::Musl] {
        act(sample, link).with_context(|| format!("{sample} {}", link.name()))?;
    }
    Ok(())
}

macro_rules! samples {
    ($($name:ident)*) => {$(
        mod $name {
            #[test]
            fn survive_checkpoints() -> anyhow::Result<()> {
                super::both(concat!("calls/", stringify!($name)), super::checkpoints)
            }

            #[test]
            fn survive_restores() -> anyhow::Result<()> {
                super::both(concat!("calls/", stringify!($name)), super::restores)
            }
        }
    )*};
}
samples!(sleep poll epoll futex signals sysv sockets locks parts);

/// A checkpoint that is refused does not disturb the program either.
#[test]
fn survive_refusals() -> Result<()> {
    let sample = "refuse/calls";
    both(sample, |sample, link| {
        for variant in ["child", "aio", "connect"] {
            let run = Series::new(sample, variant, link)?;
            let mut process = run.start()?;
            let image = run.scratch.join("none.img");
            for _ in 0..times(30, 1000) {
                let pid = process.pid().to_string();
                let mut ask = command_of(&run.launch.program, None);
                ask.args(["--checkpoint", &pid, "-o"]).arg(&image);
                let output = ask.output()?;
                ensure!(!output.status.success(), "{variant} is not refused");
                sleep(PERIOD);
            }
            run.finish(&mut process)?;
            report(sample, link, &run)?;
        }
        Ok(())
    })
}

/// What is left of the time of a program's only thread, which the request interrupts itself: the requester has seen
/// what it was in, and since when.
#[test]
fn time_that_is_left() -> Result<()> {
    const SPAN: Duration = Duration::from_secs(16);
    const BEFORE: Duration = Duration::from_secs(12);
    let calls = [
        "nanosleep",
        "usleep",
        "poll",
        "by_number",
        "select",
        "epoll",
        "semtimedop",
        "recv",
        "sigtimedwait",
        "futex",
    ];
    let one = |call: &str, link: Link| -> Result<Duration> {
        let mut run = Series::new("signals/blocked", call, link)?;
        run.launch.args.push(SPAN.as_secs().to_string());
        let start = Instant::now();
        let mut process = run.start()?;
        sleep(BEFORE);
        let image = run.checkpoint(&process, 0)?;
        let ran = start.elapsed();
        process.kill()?;
        let start = Instant::now();
        let mut process = run.launch.restore(&image).start()?;
        run.finish(&mut process)?;
        let rest = start.elapsed();
        ensure!(ran + rest >= SPAN, "early: {ran:?} and {rest:?}");
        // One that began again would take all of the span; a machine may be busy.
        ensure!(rest < SPAN, "late: {ran:?} and {rest:?}");
        Ok(rest)
    };
    // They sleep.
    std::thread::scope(|scope| {
        let links = [Link::Pie, Link::Musl];
        let all = links
            .iter()
            .flat_map(|link| calls.map(|call| (call, *link)));
        let threads: Vec<_> = all
            .map(|(call, link)| (call, link, scope.spawn(move || one(call, link))))
            .collect();
        for (call, link, thread) in threads {
            let rest = thread
                .join()
                .unwrap()
                .with_context(|| format!("{call} {}", link.name()))?;
            println!(
                "{call} {}: {rest:?} after {BEFORE:?} of {SPAN:?}",
                link.name()
            );
        }
        Ok(())
    })
}
