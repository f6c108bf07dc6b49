//! The program that is checkpointed: `hold.c`.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::kit::{Kit, command, time};

/// Words of the page that is shared with it.
const READY: u64 = 0;
const GAP: u64 = 8;
const COMMAND: u64 = 16;
const ROUND_TIME: u64 = 24;

/// Values of the word `COMMAND`.
const NOTHING: u64 = 0;
const ROUND: u64 = 1;
const END: u64 = 2;

/// Exit status of a program that found its memory right.
pub(crate) const RIGHT: i32 = 42;

/// The program, running; killed with the value.
#[derive(Debug)]
pub(crate) struct Hold {
    child: Child,
    program: PathBuf,
    control: File,
}

impl Hold {
    /// Builds it: itself, and patched.
    pub(crate) fn build(kit: &Kit) -> Result<(PathBuf, PathBuf)> {
        let plain = kit.build("hold", "hold", "cc", &["-static", "-pthread"])?;
        let patched = kit.patch(&plain)?;
        Ok((plain, patched))
    }

    /// Starts it; its memory is filled.
    pub(crate) fn start(program: &Path, dir: &Path, size: usize, threads: usize) -> Result<Self> {
        let path = dir.join("control");
        let control = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)?;
        control.set_len(4096)?;
        let child = command(program)
            .arg(&path)
            .args([size.to_string(), threads.to_string()])
            .current_dir(dir)
            .stdout(Stdio::null())
            .spawn()
            .with_context(|| format!("start {}", program.display()))?;
        let mut hold = Self {
            child,
            program: program.to_path_buf(),
            control,
        };
        hold.wait_for("the program", READY, 1)?;
        Ok(hold)
    }

    fn word(&self, at: u64) -> Result<u64> {
        let mut bytes = [0; 8];
        self.control.read_exact_at(&mut bytes, at)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn set(&self, at: u64, value: u64) -> Result<()> {
        Ok(self.control.write_all_at(&value.to_le_bytes(), at)?)
    }

    fn wait_for(&mut self, what: &str, at: u64, value: u64) -> Result<()> {
        let begin = Instant::now();
        while self.word(at)? != value {
            if let Some(status) = self.child.try_wait()? {
                bail!("{what}: it ended: {status}");
            }
            ensure!(
                begin.elapsed() < Duration::from_secs(120),
                "{what}: waited two minutes"
            );
            sleep(Duration::from_micros(200));
        }
        Ok(())
    }

    /// Takes a checkpoint by command; seconds that the program stood still, and seconds of the
    /// command.
    pub(crate) fn checkpoint(&self, image: &Path) -> Result<(f64, f64)> {
        self.set(GAP, 0)?;
        let mut ask = command(&self.program);
        ask.args(["--checkpoint", &self.child.id().to_string(), "-o"])
            .arg(image)
            .stdout(Stdio::null());
        let whole = time(&mut ask, 0)?;
        // The program's next look at the clock comes after the answer.
        sleep(Duration::from_millis(5));
        Ok((nanos(self.word(GAP)?), whole))
    }

    /// Seconds that it took to interrupt every thread but the first once.
    pub(crate) fn round(&mut self) -> Result<f64> {
        self.set(COMMAND, ROUND)?;
        self.wait_for("a round of signals", COMMAND, NOTHING)?;
        Ok(nanos(self.word(ROUND_TIME)?))
    }

    /// Kills it. What is restored from an image of it from now on ends at once.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        self.set(COMMAND, END)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        // Already reaped if it ended; then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn nanos(n: u64) -> f64 {
    Duration::from_nanos(n).as_secs_f64()
}
