//! A sample that runs for long, and is checkpointed or restored again and again meanwhile.

use std::env;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use crate::{Launch, Link, PASS, Process, Sample, Scratch, checkpoint, patch, wait_for_ready};

/// A run of a sample; images go to memory, for there are many.
#[derive(Debug)]
pub struct Series {
    /// Its folder.
    pub scratch: Scratch,
    /// How it is started.
    pub launch: Launch,
}

impl Series {
    /// Builds and patches a sample.
    pub fn new(sample: &str, variant: &str, link: Link) -> Result<Self> {
        let scratch = Scratch::in_memory("series")?;
        let program = scratch.join("app");
        patch(&Sample::named(sample)?.build(link)?, &program)?;
        let go = scratch.join("go").display().to_string();
        let arguments = [go.as_str(), variant];
        let count = if variant.is_empty() { 1 } else { 2 };
        let launch = Launch::new(&program, &arguments[..count], scratch.path());
        Ok(Self { scratch, launch })
    }

    /// Starts it and waits until it is ready.
    pub fn start(&self) -> Result<Process> {
        let mut process = self.launch.start()?;
        wait_for_ready(&mut process, &self.scratch)?;
        Ok(process)
    }

    /// Takes a checkpoint, after which the program goes on; tells where the image is.
    pub fn checkpoint(&self, process: &Process, number: u32) -> Result<PathBuf> {
        self.image(process, number, false)
    }

    /// Likewise, but the program ends with it: what is not its own (System V queues) does not run
    /// ahead of the image.
    pub fn stop(&self, process: &mut Process, number: u32) -> Result<PathBuf> {
        let image = self.image(process, number, true)?;
        let status = process.wait()?;
        ensure!(status.success(), "stopped: {status}");
        Ok(image)
    }

    fn image(&self, process: &Process, number: u32, stop: bool) -> Result<PathBuf> {
        let image = self.scratch.join(&format!("{number}.img"));
        checkpoint(&self.launch.program, process.pid(), &image, stop).with_context(|| {
            let output = self.scratch.text("out");
            format!("checkpoint {number}; output: {output}")
        })?;
        Ok(image)
    }

    /// Tells it to judge, and waits for the verdict.
    pub fn finish(&self, process: &mut Process) -> Result<()> {
        self.scratch.write("go.new", "go")?;
        fs::rename(self.scratch.join("go.new"), self.scratch.join("go"))?;
        let status = process.wait()?;
        ensure!(
            status.code() == Some(PASS),
            "{status}: {}; {}",
            self.scratch.text("out"),
            process.complaint()
        );
        Ok(())
    }
}

/// How often something is done: as often as `full` says if `CKPT_TEST_FULL` is set.
#[must_use]
pub fn times(usual: u32, full: u32) -> u32 {
    if env::var_os("CKPT_TEST_FULL").is_some() {
        full
    } else {
        usual
    }
}
