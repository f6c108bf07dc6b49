//! Sixty-four threads at work with every kind of lock, and checkpoints and restores falling anywhere into it.
//!
//! `CKPT_TEST_FULL=1` does it a thousand and a hundred times.

use std::env;
use std::fs;

use anyhow::{Context, Result, ensure};
use ckpt_tests::{
    Launch, Link, PASS, Process, Sample, Scratch, checkpoint, patch, wait_for_runtime, wait_until,
};

/// A run of a sample; images go to memory, for there are many.
struct Run {
    scratch: Scratch,
    launch: Launch,
}

impl Run {
    fn new(sample: &str, link: Link) -> Result<Self> {
        let scratch = Scratch::in_memory("threads")?;
        let program = scratch.join("app");
        patch(&Sample::named(sample)?.build(link)?, &program)?;
        let go = scratch.join("go").display().to_string();
        let launch = Launch::new(&program, &[&go], scratch.path());
        Ok(Self { scratch, launch })
    }

    fn start(&self) -> Result<Process> {
        let mut process = self.launch.start()?;
        wait_until("\"ready\"", || {
            process.check_alive()?;
            Ok(self.scratch.text("out").contains("ready\n"))
        })?;
        Ok(process)
    }

    fn checkpoint(&self, process: &Process, number: u32) -> Result<std::path::PathBuf> {
        let image = self.scratch.join(&format!("{number}.img"));
        checkpoint(&self.launch.program, process.pid(), &image, false).with_context(|| {
            let output = self.scratch.text("out");
            format!("checkpoint {number}; output: {output}")
        })?;
        Ok(image)
    }

    fn finish(&self, process: &mut Process) -> Result<()> {
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

fn times(usual: u32, full: u32) -> u32 {
    if env::var_os("CKPT_TEST_FULL").is_some() {
        full
    } else {
        usual
    }
}

fn checkpoints(link: Link) -> Result<()> {
    let run = Run::new("threads/locks", link)?;
    let mut process = run.start()?;
    for number in 0..times(50, 1000) {
        fs::remove_file(run.checkpoint(&process, number)?)?;
    }
    run.finish(&mut process)
}

fn restores(link: Link) -> Result<()> {
    let run = Run::new("threads/locks", link)?;
    let mut process = run.start()?;
    for number in 0..times(10, 100) {
        let image = run.checkpoint(&process, number)?;
        process.kill()?;
        process = run.launch.restore(&image).start()?;
        wait_for_runtime(&mut process)?;
        fs::remove_file(&image)?;
    }
    run.finish(&mut process)
}

#[test]
fn locks_survive_checkpoints() -> Result<()> {
    checkpoints(Link::Pie)
}

#[test]
fn locks_of_musl_survive_checkpoints() -> Result<()> {
    checkpoints(Link::Musl)
}

#[test]
fn locks_survive_restores() -> Result<()> {
    restores(Link::Pie)
}

#[test]
fn locks_of_a_static_program_survive_restores() -> Result<()> {
    restores(Link::Static)
}

#[test]
fn locks_of_musl_survive_restores() -> Result<()> {
    restores(Link::Musl)
}
