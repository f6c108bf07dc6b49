//! System calls that wait, with checkpoints and restores falling anywhere into the waits: none returns anything
//! unusual, ends early, or begins again. The samples judge; what they have measured is printed.
//!
//! How long a call is still to wait after a restore stands in the image: that is compared with when it was to end, so
//! that no delay of a busy machine is in the difference. And no restored call may take less.
//!
//! `CKPT_TEST_FULL=1` takes a thousand checkpoints and a hundred restores of each.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ckpt_format::Reader;
use ckpt_tests::image::Memory;
use ckpt_tests::{Link, Series, command_of, times, wait_for_runtime};

/// Shorter than any of the waits: one that began again would never end.
const PERIOD: Duration = Duration::from_millis(20);

/// How far what is left of a call's time may be from what it should be, nanoseconds: when a call fell asleep only the
/// scheduler's clock tells. None may end earlier; half of them may end later, for a machine may be busy.
const RIGHT: i64 = 5_000_000;
/// A kernel that tells microseconds leaves out what is less.
const ROUNDED: i64 = 1_000;

/// What is left of the time of calls, as images have it.
#[derive(Default)]
struct Rests {
    /// Of the calls by the moment at which they were to end, as the last image that has their thread says; none if it
    /// had its result by then.
    left: BTreeMap<i64, Option<i64>>,
    /// By how much calls, by number, would end late, of which no image before has told.
    late: BTreeMap<u16, Vec<i64>>,
}

impl Rests {
    /// Reads an image. A thread's name tells when its call is to end (samples/calls/calls.h); what is to be done of the
    /// call stands in its signal frame (`again::Record`), behind the `struct ucontext`.
    fn read(&mut self, image: &Path, restored: bool) -> Result<()> {
        const CONTEXT: u64 = 304;
        const PLAIN: u32 = 0x434b_5002;
        const REPEAT: u32 = 0x434b_5001;
        const MONOTONIC: u32 = 1;
        let memory = Memory::of(image)?;
        for thread in &memory.threads {
            let name = String::from_utf8_lossy(&thread.name);
            let hex = name.trim_end_matches('\0').strip_prefix('=');
            let Some(end) = hex.and_then(|hex| i64::from_str_radix(hex, 16).ok()) else {
                continue;
            };
            let first = self.left.insert(end, None).is_none();
            let Some(record) = memory.at::<128>(thread.frame + CONTEXT) else {
                continue;
            };
            let mut r = Reader::new("record", &record);
            let [mark, clock]: [u32; 2] = [r.take(), r.take()];
            // Beside the call: when what is left was right, and that.
            let [.., seconds, part, left, left_part]: [u64; 13] = r.take();
            let (number, time): (u16, u8) = (r.take(), r.take());
            let [started, rest] = [(seconds, part), (left, left_part)]
                .map(|(seconds, part)| i64::try_from(seconds * 1_000_000_000 + part));
            let (started, rest) = (started?, rest?);
            if ![PLAIN, REPEAT].contains(&mark) || time == 0 || clock != MONOTONIC {
                continue;
            }
            self.left.insert(end, Some(rest));
            if first || !restored {
                self.late
                    .entry(number)
                    .or_default()
                    .push(started + rest - end);
            }
        }
        Ok(())
    }

    /// All calls whose time was told, by number: what is left is right.
    fn judge(&mut self, sample: &str, link: Link) -> Result<()> {
        for (number, late) in &mut self.late {
            late.sort_unstable();
            let [least, median, most] = [0, late.len() / 2, late.len() - 1].map(|n| late[n]);
            println!(
                "{sample} {}: call number {number}, in {} images: rest {} us too long, least {} us, most {} us",
                link.name(),
                late.len(),
                median / 1000,
                least / 1000,
                most / 1000
            );
            ensure!(least >= -RIGHT, "{number}: {least} ns early");
            ensure!(median <= RIGHT, "{number}: {median} ns late");
        }
        Ok(())
    }
}

/// What a sample says of one call, `call NAME: rounds N abnormal N (N) early N late N us, most N us`; and of one over
/// which a restore came, `over NAME: DEADLINE MADE END`.
fn report(sample: &str, link: Link, run: &Series, rests: &mut Rests) -> Result<()> {
    let text = run.scratch.text("figures");
    let lines = text.lines().filter(|line| line.starts_with("call "));
    ensure!(lines.clone().count() > 0, "{sample} tells nothing: {text}");
    for line in lines {
        println!("{sample} {}: {line}", link.name());
    }
    rests.judge(sample, link)?;
    let mut took: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    for line in text.lines().filter_map(|l| l.strip_prefix("over ")) {
        let (name, numbers) = line.rsplit_once(": ").context("a name")?;
        let numbers: Result<Vec<i64>, _> = numbers.split(' ').map(str::parse).collect();
        let [deadline, made, end] = numbers?[..] else {
            anyhow::bail!("{line}");
        };
        // One that is not in the image was not interrupted.
        if let Some(Some(left)) = rests.left.get(&deadline) {
            ensure!(end - made >= left - ROUNDED, "{line}: {left} ns were left");
            took.entry(name).or_default().push(end - made - left);
        }
    }
    for (name, mut longer) in took {
        longer.sort_unstable();
        println!(
            "{sample} {}: over {} restores of {name}: from the thread's making, to 10 ms, {} us longer than was left, least {} us",
            link.name(),
            longer.len(),
            longer[longer.len() / 2] / 1000,
            longer[0] / 1000
        );
    }
    Ok(())
}

fn checkpoints(sample: &str, link: Link) -> Result<()> {
    let run = Series::new(sample, "", link)?;
    let mut process = run.start()?;
    let mut rests = Rests::default();
    for number in 0..times(30, 1000) {
        let image = run.checkpoint(&process, number)?;
        rests.read(&image, false)?;
        fs::remove_file(image)?;
        sleep(PERIOD);
    }
    run.finish(&mut process)?;
    report(sample, link, &run, &mut rests)
}

fn restores(sample: &str, link: Link) -> Result<()> {
    let run = Series::new(sample, "", link)?;
    let mut process = run.start()?;
    let mut rests = Rests::default();
    for number in 0..times(4, 100) {
        sleep(PERIOD * 5);
        let image = run.stop(&mut process, number)?;
        rests.read(&image, true)?;
        process = run.launch.restore(&image).start()?;
        wait_for_runtime(&mut process)?;
        fs::remove_file(&image)?;
    }
    run.finish(&mut process)?;
    report(sample, link, &run, &mut rests)
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
samples!(sleep poll epoll futex signals sysv sockets locks parts aio);

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
            report(sample, link, &run, &mut Rests::default())?;
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
