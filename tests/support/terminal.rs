//! A patched `cat`, and command lines in terminals: what is said is typed, what is heard is shown.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::ask::checkpoint;
use crate::dialog::Dialog;
use crate::launch::command_of;
use crate::place::Scratch;
use crate::product::patch;
use crate::run::wait_until;

/// A command line in a terminal of its own, in a directory.
pub fn at_terminal(line: &str, dir: &Path) -> Result<Dialog> {
    let mut command = command_of(Path::new("/usr/bin/script"), None);
    command
        .env("SHELL", "/bin/sh")
        .env("PS1", "prompt> ")
        .env("PATH", "/usr/bin:/bin")
        .args([
            "--quiet",
            "--flush",
            "--return",
            "--command",
            line,
            "/dev/null",
        ]);
    Dialog::start(&mut command, dir)
}

/// Types a line and waits until it has come twice: from the terminal and from `cat`.
pub fn echo(terminal: &mut Dialog, line: &str) -> Result<()> {
    terminal.say(&format!("{line}\n"))?;
    terminal.hear(line)?;
    terminal.hear(line)
}

/// A patched `cat` and room for its images.
#[derive(Debug)]
pub struct Cat {
    /// Where it is, as `cat`.
    pub scratch: Scratch,
    /// Its path.
    pub program: PathBuf,
    /// The path of its image, `cat.img`.
    pub image: PathBuf,
}

impl Cat {
    /// One without an image.
    pub fn new(label: &str) -> Result<Self> {
        let scratch = Scratch::new(label)?;
        let program = scratch.join("cat");
        patch(&fs::canonicalize("/bin/cat")?, &program)?;
        let image = scratch.join("cat.img");
        Ok(Self {
            scratch,
            program,
            image,
        })
    }

    /// A command line in its directory.
    pub fn terminal(&self, line: &str) -> Result<Dialog> {
        at_terminal(line, self.scratch.path())
    }

    /// The process id that a shell has written down.
    pub fn noted_pid(&self) -> Result<u32> {
        noted_pid(&self.scratch)
    }

    /// An image of a `cat` that was started in a terminal, with these arguments, and has said a line.
    pub fn image_from_terminal(&self, arguments: &str) -> Result<()> {
        let mut terminal = self.terminal(&format!("echo $$ >pid; exec ./cat {arguments}"))?;
        echo(&mut terminal, "before")?;
        checkpoint(&self.program, self.noted_pid()?, &self.image, true)?;
        terminal.end()?;
        Ok(())
    }

    /// The same of one that was started by a shell with job control, as the leader of a group.
    pub fn image_from_shell(&self) -> Result<()> {
        let mut shell = self.terminal("sh -i")?;
        shell.hear("prompt> ")?;
        shell.say("sh -c 'echo $$ >pid; exec ./cat'\n")?;
        shell.hear("cat'")?;
        echo(&mut shell, "before")?;
        checkpoint(&self.program, self.noted_pid()?, &self.image, true)?;
        shell.hear("prompt> ")?;
        shell.say("exit\n")?;
        shell.end()?;
        Ok(())
    }
}

/// The process id that a shell has written to the file `pid`.
pub fn noted_pid(scratch: &Scratch) -> Result<u32> {
    let mut pid = None;
    wait_until("a process id", || {
        pid = scratch.text("pid").trim().parse().ok();
        Ok(pid.is_some())
    })?;
    pid.context("no process id")
}
