//! A sample that is patched and running, for tests that do something of their own to it.

use std::fs;
use std::path::Path;
use std::process::Output;

use anyhow::{Result, ensure};

use crate::launch::{Launch, command_of};
use crate::place::Scratch;
use crate::product::patch;
use crate::run::{Process, wait_for_ready};
use crate::sample::{Link, Sample};
use crate::{PASS, wait_for_runtime};

/// A running sample, in a directory of its own, under the name `app`.
#[derive(Debug)]
pub struct Subject {
    /// Its directory.
    pub scratch: Scratch,
    /// How it was started.
    pub launch: Launch,
    /// The program itself.
    pub process: Process,
}

impl Subject {
    /// Builds, patches and starts it; it is ready.
    pub fn start(label: &str, sample: &str) -> Result<Self> {
        Self::start_with(label, sample, &[])
    }

    /// Likewise, with these variables in its environment; `DIR` in a value is its directory.
    pub fn start_with(label: &str, sample: &str, env: &[(&str, &str)]) -> Result<Self> {
        let scratch = Scratch::new(label)?;
        let program = scratch.join("app");
        patch(&Sample::named(sample)?.build(Link::Pie)?, &program)?;
        let go = scratch.join("go").display().to_string();
        let mut launch = Launch::new(&program, &[&go], scratch.path());
        let dir = scratch.path().display().to_string();
        let settings = env
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.replace("DIR", &dir)));
        launch.env.extend(settings);
        let mut process = launch.start()?;
        wait_for_ready(&mut process, &scratch)?;
        Ok(Self {
            scratch,
            launch,
            process,
        })
    }

    /// `app --checkpoint PID …` from a directory.
    pub fn ask(&self, dir: &Path, args: &[&str]) -> Result<Output> {
        Ok(command_of(&self.launch.program, None)
            .args(["--checkpoint", &self.process.pid().to_string()])
            .args(args)
            .current_dir(dir)
            .output()?)
    }

    /// Restores an image in its place; it takes requests again.
    pub fn restore(&mut self, image: &Path) -> Result<()> {
        self.process = self.launch.restore(image).start()?;
        wait_for_runtime(&mut self.process)
    }

    /// Writes the go file and waits for the verdict.
    pub fn judge(&mut self) -> Result<()> {
        self.scratch.write("go.new", "go")?;
        fs::rename(self.scratch.join("go.new"), self.scratch.join("go"))?;
        let status = self.process.wait()?;
        let output = self.scratch.text("out");
        ensure!(
            status.code() == Some(PASS),
            "{status}: {output}; {}",
            self.process.complaint()
        );
        Ok(())
    }

    /// [`Subject::judge`], when nothing follows.
    pub fn finish(mut self) -> Result<()> {
        self.judge()
    }
}
