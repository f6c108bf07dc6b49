//! Running programs: waits with limits, signals, the end.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, ExitStatus};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::LIMIT;
use crate::place::Scratch;

/// A running program; killed with the value.
#[derive(Debug)]
pub struct Process {
    child: Child,
    error: PathBuf,
}

impl Process {
    /// Takes over a child; the file is where its standard error goes.
    pub(crate) fn new(child: Child, error: PathBuf) -> Self {
        Self { child, error }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its end, if it has come.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Fails if the program has ended; for use in waits.
    pub fn check_alive(&mut self) -> Result<()> {
        match self.ended()? {
            None => Ok(()),
            Some(status) => bail!("the program ended: {status}; {}", self.complaint()),
        }
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        self.wait_for(LIMIT)
    }

    /// Waits for its end for so long.
    pub fn wait_for(&mut self, limit: Duration) -> Result<ExitStatus> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            if start.elapsed() > limit {
                bail!(
                    "the program has not ended within {limit:?}; {}",
                    self.complaint()
                );
            }
            sleep(Duration::from_millis(2));
        }
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.pid())?;
        let pid = Pid::from_raw(pid).context("process id 0")?;
        kill_process(pid, signal).context("kill")?;
        Ok(())
    }

    /// Kills it with SIGKILL and reaps it.
    pub fn kill(&mut self) -> Result<()> {
        self.check_alive()?;
        self.signal(Signal::KILL)?;
        let status = self.wait()?;
        ensure!(status.signal() == Some(9), "killed, yet {status}");
        Ok(())
    }

    /// Processor time that all its threads have used, those included that have ended: progress,
    /// unlike the clock's. In steps of a clock tick; finer for a program with one thread.
    pub fn used_by_all(&self) -> Result<Duration> {
        /// `sysconf(_SC_CLK_TCK)`, the same on every Linux that runs here (USER_HZ).
        const TICKS_A_SECOND: u64 = 100;
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid()))?;
        let rest = stat.rsplit_once(") ").context("stat without a name")?.1;
        // Fields 14 and 15 of proc(5), utime and stime; the rest begins with field 3.
        let mut ticks = 0;
        for field in rest.split(' ').skip(14 - 3).take(2) {
            ticks += field.parse::<u64>()?;
        }
        let all = Duration::from_millis(ticks * 1000 / TICKS_A_SECOND);
        Ok(all.max(self.used()?))
    }

    /// Processor time that its first thread has used.
    pub fn used(&self) -> Result<Duration> {
        let path = format!("/proc/{}/schedstat", self.pid());
        let text = fs::read_to_string(path)?;
        let first = text.split_whitespace().next().context("empty schedstat")?;
        Ok(Duration::from_nanos(first.parse()?))
    }

    /// What it wrote to standard error, for messages.
    pub fn complaint(&self) -> String {
        format!(
            "standard error: {:?}",
            String::from_utf8_lossy(&fs::read(&self.error).unwrap_or_default())
        )
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Already reaped if it ended; then kill() does nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until a sample that writes to the file `out` has said that it is ready.
pub fn wait_for_ready(process: &mut Process, scratch: &Scratch) -> Result<()> {
    wait_until("\"ready\"", || {
        process.check_alive()?;
        Ok(scratch.text("out").contains("ready\n"))
    })
}

/// Waits until the condition holds, looking every millisecond or so.
pub fn wait_until(what: &str, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    let start = Instant::now();
    while !holds().with_context(|| format!("while waiting for {what}"))? {
        if start.elapsed() > LIMIT {
            bail!("waited {LIMIT:?} for {what}");
        }
        sleep(Duration::from_millis(1));
    }
    Ok(())
}
