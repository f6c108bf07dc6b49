//! All registers live, in a loop of plain instructions, and checkpoints falling anywhere into it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Result, ensure};
use ckpt_tests::{
    Launch, Link, PASS, Process, Sample, Scratch, checkpoint, patch, wait_for_runtime, wait_until,
};
use rustix::process::Signal;

/// A run of `samples/fpu/live.c`; images go to memory, for there are many.
struct Live {
    scratch: Scratch,
    launch: Launch,
}

impl Live {
    fn new(link: Link) -> Result<Self> {
        let scratch = Scratch::in_memory("registers")?;
        let program = scratch.join("app");
        patch(&Sample::named("fpu/live")?.build(link)?, &program)?;
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

    fn finish(&self, process: &mut Process, times: u32) -> Result<()> {
        self.scratch.write("go.new", "go")?;
        fs::rename(self.scratch.join("go.new"), self.scratch.join("go"))?;
        let status = process.wait()?;
        ensure!(
            status.code() == Some(PASS),
            "after {times}: {status}: {}; {}",
            self.scratch.text("out"),
            process.complaint()
        );
        Ok(())
    }
}

/// Each image replaces the one before by a rename: another inode.
fn inode(image: &Path) -> u64 {
    fs::metadata(image).map_or(0, |metadata| metadata.ino())
}

fn interrupt(link: Link, times: u32) -> Result<()> {
    let live = Live::new(link)?;
    let mut process = live.start()?;
    let image = live.scratch.join(&format!("app-{}.img", process.pid()));
    let mut last = 0;
    for done in 0..times {
        process.signal(Signal::USR2)?;
        wait_until("an image", || {
            if inode(&image) == last && process.ended()?.is_some() {
                process.check_alive()?;
            }
            Ok(inode(&image) != last)
        })
        .map_err(|error| {
            error.context(format!(
                "checkpoint {done}; output: {}",
                live.scratch.text("out")
            ))
        })?;
        last = inode(&image);
    }
    live.finish(&mut process, times)
}

fn restore(link: Link, times: u32) -> Result<()> {
    let live = Live::new(link)?;
    let mut process = live.start()?;
    for done in 0..times {
        let image = live.scratch.join(&format!("{done}.img"));
        checkpoint(&live.launch.program, process.pid(), &image, false).map_err(|error| {
            error.context(format!(
                "checkpoint {done}; output: {}",
                live.scratch.text("out")
            ))
        })?;
        process.kill()?;
        process = live.launch.restore(&image).start()?;
        wait_for_runtime(&mut process)?;
        fs::remove_file(&image)?;
    }
    live.finish(&mut process, times)
}

#[test]
fn survive_ten_thousand_checkpoints() -> Result<()> {
    interrupt(Link::Musl, 10_000)
}

#[test]
fn survive_checkpoints_of_a_dynamic_program() -> Result<()> {
    interrupt(Link::Pie, 500)
}

#[test]
fn survive_three_hundred_restores() -> Result<()> {
    restore(Link::Musl, 300)
}

#[test]
fn survive_restores_of_a_dynamic_program() -> Result<()> {
    restore(Link::Pie, 50)
}
