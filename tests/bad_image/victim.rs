//! A good image and the program it is of.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ckpt_tests::image::Parts;
use ckpt_tests::{Launch, Link, PASS, Process, Sample, Scratch, checkpoint, patch, wait_until};

/// Exit status of a restore that was refused.
const REFUSED: i32 = 125;
/// What the program has printed when the image is taken.
const READY: &str = "ready\n";

/// The program in a directory of its own, an image of it, and the go file that lets a restored one end.
pub(crate) struct Victim {
    pub(crate) scratch: Scratch,
    pub(crate) launch: Launch,
    pub(crate) image: Vec<u8>,
    pub(crate) parts: Parts,
}

impl Victim {
    /// Takes an image of the program with a little of everything.
    pub(crate) fn new(label: &str) -> Result<Self> {
        let sample = Sample::named("image/victim")?;
        Self::of(label, &sample)
    }

    /// Takes an image of a sample.
    pub(crate) fn of(label: &str, sample: &Sample) -> Result<Self> {
        let scratch = Scratch::new(label)?;
        let program = scratch.join("app");
        patch(&sample.build(Link::Static)?, &program)?;
        let go = scratch.join("go").display().to_string();
        let launch = Launch::new(&program, &[&go], scratch.path());
        let mut process = start(&launch, &scratch)?;
        let path = scratch.join("good.img");
        checkpoint(&program, process.pid(), &path, false)?;
        process.kill()?;
        scratch.write("go", "restored")?;
        let image = fs::read(&path)?;
        let parts = Parts::take_apart(&image).context("the good image")?;
        let victim = Self {
            scratch,
            launch,
            image,
            parts,
        };
        victim.restores_file(&path).context("the good image")?;
        Ok(victim)
    }

    /// Runs a restore to its end: status, and what it printed itself.
    pub(crate) fn restore(&self, image: &Path, options: &[&str]) -> Result<(Option<i32>, String)> {
        self.scratch.write("out", READY)?;
        let mut launch = self.launch.restore(image);
        launch
            .args
            .extend(options.iter().map(|&option| option.to_owned()));
        let status = launch.start()?.wait()?;
        let printed = self.scratch.text("restore.out");
        ensure!(printed.is_empty(), "the restore printed {printed:?}");
        Ok((status.code(), self.scratch.text("restore.err")))
    }

    /// Likewise, but what goes on for seconds is ended: a program with other state may wait for ever.
    pub(crate) fn restore_at_most(
        &self,
        image: &Path,
        options: &[&str],
    ) -> Result<(Option<i32>, String)> {
        self.scratch.write("out", READY)?;
        let mut launch = self.launch.restore(image);
        launch
            .args
            .extend(options.iter().map(|&option| option.to_owned()));
        let mut process = launch.start()?;
        let status = process.wait_for(Duration::from_secs(2)).ok();
        drop(process);
        let code = status.and_then(|status| status.code());
        Ok((code, self.scratch.text("restore.err")))
    }

    /// This file is refused with this line, and nothing is run.
    pub(crate) fn refused_file(&self, image: &Path, what: &str) -> Result<()> {
        let (status, said) = self.restore(image, &[])?;
        ensure!(
            said == format!("ckpt: error: {what}\n") && status == Some(REFUSED),
            "{status:?} {said:?} instead of {what:?}"
        );
        let out = self.scratch.text("out");
        ensure!(out == READY, "the program ran: {out:?}");
        Ok(())
    }

    /// This file is restored, and the program goes on to its end.
    pub(crate) fn restores_file(&self, image: &Path) -> Result<()> {
        let (status, said) = self.restore(image, &[])?;
        self.passed(status, &said)
    }

    /// The program went on to its end.
    pub(crate) fn passed(&self, status: Option<i32>, said: &str) -> Result<()> {
        let out = self.scratch.text("out");
        ensure!(
            status == Some(PASS) && said.is_empty() && out == "ready\npass\n",
            "{status:?}, standard error {said:?}, output {out:?}"
        );
        Ok(())
    }

    /// A file of these bytes.
    pub(crate) fn file(&self, image: &[u8]) -> Result<PathBuf> {
        self.scratch.write("bad.img", image)
    }
}

/// Starts a program and waits until it says that it is ready.
pub(crate) fn start(launch: &Launch, scratch: &Scratch) -> Result<Process> {
    let mut process = launch.start()?;
    wait_until("\"ready\"", || {
        process.check_alive()?;
        Ok(scratch.text("out") == READY)
    })?;
    Ok(process)
}

/// Many cases of one kind: each is tried, and all that fail are told at the end.
pub(crate) struct Cases {
    victim: Victim,
    count: usize,
    failed: Vec<String>,
}

impl Cases {
    pub(crate) fn new(label: &str) -> Result<Self> {
        Ok(Self {
            victim: Victim::new(label)?,
            count: 0,
            failed: Vec::new(),
        })
    }

    /// The good image.
    pub(crate) fn parts(&self) -> Parts {
        self.victim.parts.clone()
    }

    /// Its bytes.
    pub(crate) fn image(&self) -> Vec<u8> {
        self.victim.image.clone()
    }

    fn note(&mut self, name: &str, result: Result<()>) {
        self.count += 1;
        if let Err(error) = result {
            self.failed.push(format!("{name}: {error:#}"));
        }
    }

    /// The message begins with the file's name.
    pub(crate) fn refused(&mut self, name: &str, image: &[u8], what: &str) {
        let result = self.victim.file(image).and_then(|path| {
            let what = format!("{}: {what}", path.display());
            self.victim.refused_file(&path, &what)
        });
        self.note(name, result);
    }

    /// The message is this.
    pub(crate) fn refused_with(&mut self, name: &str, image: &[u8], what: &str) {
        let result = self
            .victim
            .file(image)
            .and_then(|path| self.victim.refused_file(&path, what));
        self.note(name, result);
    }

    pub(crate) fn restores(&mut self, name: &str, image: &[u8]) {
        let result = self
            .victim
            .file(image)
            .and_then(|path| self.victim.restores_file(&path));
        self.note(name, result);
    }

    pub(crate) fn end(self) -> Result<()> {
        ensure!(
            self.failed.is_empty(),
            "{} of {} cases:\n{}",
            self.failed.len(),
            self.count,
            self.failed.join("\n")
        );
        Ok(())
    }
}
