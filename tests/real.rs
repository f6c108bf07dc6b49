//! Real programs, unmodified: patched, interrupted at twenty random moments, killed with SIGKILL, restored.
//! Output, exit status and files must be what an undisturbed run gives.
//!
//! Moments are chosen by progress: by processor time that the program has used since it was started or
//! restored, in random slices of what the undisturbed run used. `CKPT_TEST_SEED` repeats a run,
//! `CKPT_TEST_INTERRUPTIONS` asks for more of them.

#[path = "real/catalogue.rs"]
mod catalogue;
#[path = "golang/build.rs"]
mod golang;

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use catalogue::{Real, catalogue};
use ckpt_tests::{
    Launch, Process, Random, Scratch, checkpoint, checkpoint_by_signal, patch, wait_for_runtime,
};
use libtest_mimic::{Arguments, Failed, Trial};

/// How often a run is interrupted.
fn interruptions() -> usize {
    std::env::var("CKPT_TEST_INTERRUPTIONS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(20)
}

/// A run, and a slice of one; undisturbed ones take some seconds where the machine has nothing else to do.
const LIMIT: Duration = Duration::from_secs(600);

/// Processor time that an undisturbed run has to take at least, so that all interruptions find it at work: between
/// being asked and standing still, threads work on, on all processors.
const ENOUGH: Duration = Duration::from_secs(3);

fn main() {
    let arguments = Arguments::from_args();
    let trials = catalogue()
        .into_iter()
        .map(|real| {
            Trial::test(real.name, move || {
                survives(&real).map_err(|error| Failed::from(format!("{error:#}")))
            })
        })
        .collect();
    libtest_mimic::run(&arguments, trials).exit();
}

/// What a run leaves.
#[derive(PartialEq, Eq)]
struct Outcome {
    status: ExitStatus,
    files: Vec<(String, Vec<u8>)>,
}

/// A program with a job of some size.
struct Job<'a> {
    real: &'a Real,
    original: &'a Path,
    size: u64,
}

/// A run of the program in a directory of its own.
struct Run<'a> {
    real: &'a Real,
    scratch: Scratch,
    launch: Launch,
}

impl<'a> Run<'a> {
    fn new(job: &Job<'a>, patched: bool) -> Result<Self> {
        let real = job.real;
        let scratch = Scratch::new(real.name)?;
        (real.prepare)(&scratch, job.size).context("prepare")?;
        let sized = |text: &str| text.replace("SIZE", &job.size.to_string());
        if !real.script.is_empty() {
            scratch.write("script", sized(real.script))?;
        }
        // Under its own name: busybox and others look at it.
        let name = real.file_name;
        let program = scratch.join(name);
        if patched {
            patch(job.original, &program)?;
        } else {
            scratch.copy(job.original, name)?;
        }
        let (seen, chroot) = if real.chroot {
            (
                Path::new("/").join(name),
                Some(scratch.path().to_path_buf()),
            )
        } else {
            (program, None)
        };
        let mut launch = Launch::new(&seen, &[], scratch.path());
        launch.args = real.args.iter().map(|arg| sized(arg)).collect();
        if let (true, Some(last)) = (real.repeats_last, launch.args.last().cloned()) {
            let times = usize::try_from(job.size)?;
            launch.args.extend(vec![last; times.saturating_sub(1)]);
        }
        launch.env.clear();
        launch.chroot = chroot;
        launch.streams.input = real.input.map(str::to_owned);
        Ok(Self {
            real,
            scratch,
            launch,
        })
    }

    fn outcome(&self, status: ExitStatus) -> Outcome {
        let error = (!self.real.tells_times).then_some("err");
        let names = ["out"]
            .into_iter()
            .chain(error)
            .chain(self.real.files.iter().copied());
        let files = names
            .map(|name| (name.to_owned(), self.scratch.read(name)))
            .collect();
        Outcome { status, files }
    }

    /// The path by which a program in this root directory knows a file of the working directory.
    fn seen(&self, path: &Path) -> PathBuf {
        match (&self.launch.chroot, path.file_name()) {
            (Some(_), Some(name)) => Path::new("/").join(name),
            _ => path.to_path_buf(),
        }
    }

    /// Takes a checkpoint, lets the program go on for a moment or stops it, and kills it.
    fn checkpoint_and_kill(&self, process: &mut Process, random: &mut Random) -> Result<PathBuf> {
        let by_command = self.real.in_place || self.real.own_usr2;
        let by_signal = self.real.chroot || (!by_command && random.below(2) == 0);
        if by_signal {
            let image = checkpoint_by_signal(process, self.scratch.path())?;
            // Work done from here to the kill is lost, and must be done again.
            sleep(Duration::from_millis(random.below(20)));
            if process.ended()?.is_none() {
                process.kill()?;
            }
            return Ok(image);
        }
        // Files that are changed in place must not run ahead of the image: the program is stopped.
        let image = self.scratch.join("command.img");
        let stop = self.real.in_place || random.below(2) == 0;
        checkpoint(&self.launch.program, process.pid(), &image, stop)?;
        if stop {
            process.wait()?;
        } else if process.ended()?.is_none() {
            process.kill()?;
        }
        Ok(image)
    }
}

fn survives(real: &Real) -> Result<()> {
    let workshop = Scratch::new(real.name)?;
    let original = (real.program)(&workshop).context("find the program")?;
    let mut job = Job {
        real,
        original: &original,
        size: real.size,
    };
    let (expected, used) = undisturbed(&mut job)?;

    let mut random = Random::announced(real.name);
    // Processor time differs from run to run; should the program end before its last interruption,
    // it was in smaller slices that it should have been cut.
    for shrink in [85, 50, 25, 10, 2] {
        let budget = used * shrink / 100;
        let (outcome, count) = interrupted(&job, budget, &mut random)?;
        compare(&expected, &outcome).with_context(|| format!("after {count} interruptions"))?;
        if count == interruptions() {
            return Ok(());
        }
    }
    bail!("the program ended before its last interruption, whatever the slices");
}

/// What an undisturbed run leaves, and the processor time that it takes. The job grows until that is
/// enough, whatever the machine.
fn undisturbed(job: &mut Job<'_>) -> Result<(Outcome, Duration)> {
    const TRIES: usize = 12;
    for _ in 0..TRIES {
        let run = Run::new(job, false)?;
        let mut process = run.launch.start()?;
        let (status, used) = wait_and_measure(&mut process)?;
        let outcome = run.outcome(status);
        ensure!(
            status.code() == Some(0),
            "the undisturbed run ended with {status}: {}",
            process.complaint()
        );
        eprintln!("{}: size {} takes {used:?}", job.real.name, job.size);
        if used >= ENOUGH {
            return Ok((outcome, used));
        }
        // Half as much again as seems to be needed; in steps, since nobody knows what the start took.
        let wanted = ENOUGH * 3 / 2;
        let percent = wanted.as_millis() * 100 / used.as_millis().max(1);
        let percent = u64::try_from(percent.min(800))?;
        job.size = job.size * percent / 100 + 1;
    }
    bail!("size {} does not take {ENOUGH:?} either", job.size);
}

/// Waits for the end; gives the status and the processor time used.
fn wait_and_measure(process: &mut Process) -> Result<(ExitStatus, Duration)> {
    let start = Instant::now();
    let mut used = Duration::ZERO;
    loop {
        if let Ok(now) = process.used_by_all() {
            used = used.max(now);
        }
        if let Some(status) = process.ended()? {
            return Ok((status, used));
        }
        ensure!(start.elapsed() < LIMIT, "no end within {LIMIT:?}");
        sleep(Duration::from_millis(2));
    }
}

/// Random slices that add up to the budget.
fn slices(budget: Duration, random: &mut Random) -> Vec<Duration> {
    let weights: Vec<u32> = (0..interruptions())
        .map(|_| 10 + u32::try_from(random.below(200)).unwrap_or(0))
        .collect();
    let total: u32 = weights.iter().sum();
    weights
        .iter()
        .map(|&weight| budget * weight / total)
        .collect()
}

/// A patched run with its interruptions; the outcome, and how many there were.
fn interrupted(job: &Job<'_>, budget: Duration, random: &mut Random) -> Result<(Outcome, usize)> {
    let run = Run::new(job, true)?;
    let mut process = run.launch.start()?;
    let mut error_files = vec!["err".to_owned()];
    for (count, slice) in slices(budget, random).into_iter().enumerate() {
        let start = Instant::now();
        if let Err(error) = wait_for_runtime(&mut process) {
            // The undisturbed end may come first, before the first interruption or after a late one.
            return match process.ended()? {
                Some(status) if status.code() == Some(0) => Ok((run.outcome(status), count)),
                _ => Err(error.context(told(&run, &error_files))),
            };
        }
        while process.used_by_all().unwrap_or(Duration::MAX) < slice {
            if let Some(status) = process.ended()? {
                return Ok((run.outcome(status), count));
            }
            ensure!(start.elapsed() < LIMIT, "no progress within {LIMIT:?}");
            sleep(Duration::from_millis(1));
        }
        if let Some(status) = process.ended()? {
            return Ok((run.outcome(status), count));
        }
        let image = match run.checkpoint_and_kill(&mut process, random) {
            Ok(image) => image,
            // It may have come to its end while it was asked.
            Err(error) => match process.ended()? {
                Some(status) if status.code() == Some(0) => {
                    return Ok((run.outcome(status), count));
                }
                _ => {
                    let doing = format!("interruption {count}; {}", told(&run, &error_files));
                    return Err(error.context(doing));
                }
            },
        };
        // Under one name, so that images do not pile up.
        let kept = run.scratch.join("kept.img");
        fs::rename(&image, &kept)?;
        let mut launch = run.launch.restore(&run.seen(&kept));
        launch.streams.error = format!("restore-{count}.err");
        if job.real.chroot {
            // Without /proc nobody knows the output file's name, so it is the restoring command's.
            launch.streams.output = "out".to_owned();
            launch.streams.append = true;
        }
        error_files = vec![launch.streams.error.clone()];
        process = launch.start()?;
    }
    let (status, _) = wait_and_measure(&mut process)
        .with_context(|| format!("after the last restore; {}", told(&run, &error_files)))?;
    if status.core_dumped() || status.code().is_none() || status.code() == Some(125) {
        bail!(
            "after the last restore: {status}; {}",
            told(&run, &error_files)
        );
    }
    Ok((run.outcome(status), interruptions()))
}

/// What it wrote to its standard streams and to those files: of each the last part.
fn told(run: &Run<'_>, files: &[String]) -> String {
    const ENOUGH: usize = 2000;
    let mut names = vec!["out", "err"];
    names.extend(files.iter().map(String::as_str).filter(|&n| n != "err"));
    names
        .iter()
        .map(|name| {
            let text = run.scratch.text(name);
            let end: String = text.chars().rev().take(ENOUGH).collect();
            format!("{name}: {:?}", end.chars().rev().collect::<String>())
        })
        .collect::<Vec<_>>()
        .join("; ")
}

fn compare(expected: &Outcome, got: &Outcome) -> Result<()> {
    ensure!(
        expected.status == got.status,
        "ended with {} instead of {}",
        got.status,
        expected.status
    );
    for ((name, wanted), (_, content)) in expected.files.iter().zip(&got.files) {
        let same = wanted
            .iter()
            .zip(content)
            .take_while(|(a, b)| a == b)
            .count();
        ensure!(
            wanted == content,
            "{name} has {} bytes instead of {}, and differs from byte {same} on",
            content.len(),
            wanted.len()
        );
    }
    Ok(())
}
