//! Standard streams, exit status and job control of a restored program, as somebody at a shell meets them.
//! The program is the system's own `cat`, patched; at each checkpoint it waits for input.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use ckpt_tests::{Dialog, Scratch, checkpoint, command_of, patch, wait_until};
use rustix::process::Signal;

/// A patched `cat` and room for its images.
struct Cat {
    scratch: Scratch,
    program: PathBuf,
    image: PathBuf,
}

impl Cat {
    fn new(label: &str) -> Result<Self> {
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

    fn start(&self) -> Result<Dialog> {
        Dialog::start(&mut command_of(&self.program, None), self.scratch.path())
    }

    fn restore(&self) -> Result<Dialog> {
        let mut command = command_of(&self.program, None);
        command.arg("--restore").arg(&self.image);
        Dialog::start(&mut command, self.scratch.path())
    }

    /// An image of a `cat` that was started on pipes and has said one line.
    fn image_from_pipes(&self) -> Result<()> {
        let mut cat = self.start()?;
        cat.say("before\n")?;
        cat.hear("before\n")?;
        checkpoint(&self.program, cat.process().pid(), &self.image, false)?;
        cat.say("still there\n")?;
        cat.hear("still there\n")?;
        cat.process().kill()
    }

    /// A command line in a terminal of its own: what is said is typed, what is heard is shown.
    fn terminal(&self, line: &str) -> Result<Dialog> {
        let script = PathBuf::from("/usr/bin/script");
        let mut command = command_of(&script, None);
        command
            .env("SHELL", "/bin/sh")
            .env("PS1", "prompt> ")
            .args([
                "--quiet",
                "--flush",
                "--return",
                "--command",
                line,
                "/dev/null",
            ]);
        Dialog::start(&mut command, self.scratch.path())
    }

    /// The process id that the shell has written down.
    fn noted_pid(&self) -> Result<u32> {
        let mut pid = None;
        wait_until("a process id", || {
            pid = self.scratch.text("pid").trim().parse().ok();
            Ok(pid.is_some())
        })?;
        pid.context("no process id")
    }

    /// An image of a `cat` that was started in a terminal.
    fn image_from_terminal(&self) -> Result<()> {
        let mut terminal = self.terminal("echo $$ >pid; exec ./cat")?;
        terminal.say("before\n")?;
        // Once from the terminal's echo, once from cat.
        terminal.hear("before")?;
        terminal.hear("before")?;
        let pid = self.noted_pid()?;
        checkpoint(&self.program, pid, &self.image, true)?;
        terminal.end()?;
        Ok(())
    }
}

#[test]
fn pipes_become_those_of_the_restoring_command() -> Result<()> {
    let cat = Cat::new("pipes")?;
    cat.image_from_pipes()?;
    let mut again = cat.restore()?;
    again.say("after\n")?;
    again.hear("after\n")?;
    again.hang_up();
    let status = again.end()?;
    ensure!(status.code() == Some(0), "{status}");
    ensure!(again.all() == "after\n", "{:?}", again.all());
    Ok(())
}

#[test]
fn a_restored_program_dies_of_signals_as_any_other() -> Result<()> {
    let cat = Cat::new("signal")?;
    cat.image_from_pipes()?;
    let mut again = cat.restore()?;
    again.say("after\n")?;
    again.hear("after\n")?;
    again.process().signal(Signal::TERM)?;
    let status = again.end()?;
    ensure!(status.signal() == Some(15), "{status}");
    Ok(())
}

#[test]
fn a_reader_that_hangs_up_is_noticed() -> Result<()> {
    let cat = Cat::new("sigpipe")?;
    cat.image_from_pipes()?;
    // The shell's pipe goes from cat to a command that reads one line only.
    let line = format!(
        "( echo one; sleep 0.3; echo two; sleep 0.3; echo three ) | \
         ( ./cat --restore {}; echo \"status $?\" >&2 ) | head -n 1",
        cat.image.display()
    );
    let run = command_of(Path::new("/bin/sh"), None)
        .args(["-c", &line])
        .current_dir(cat.scratch.path())
        .output()?;
    let told = String::from_utf8_lossy(&run.stderr).into_owned();
    ensure!(run.stdout == b"one\n", "{:?}", run.stdout);
    // 128 + SIGPIPE.
    ensure!(told == "status 141\n", "{told:?}");
    Ok(())
}

#[test]
fn a_program_from_pipes_is_restored_in_a_terminal() -> Result<()> {
    let cat = Cat::new("to-terminal")?;
    cat.image_from_pipes()?;
    let mut terminal = cat.terminal("./cat --restore cat.img; echo status $?")?;
    terminal.say("typed\n")?;
    terminal.hear("typed")?;
    terminal.hear("typed")?;
    terminal.say("\x04")?;
    terminal.hear("status 0")?;
    Ok(())
}

#[test]
fn a_program_from_a_terminal_is_restored_on_pipes() -> Result<()> {
    let cat = Cat::new("from-terminal")?;
    cat.image_from_terminal()?;
    let mut again = cat.restore()?;
    again.say("after\n")?;
    again.hear("after\n")?;
    again.hang_up();
    let status = again.end()?;
    ensure!(status.code() == Some(0), "{status}");
    Ok(())
}

#[test]
fn the_terminal_interrupts_a_restored_program() -> Result<()> {
    let cat = Cat::new("interrupt")?;
    cat.image_from_terminal()?;
    let mut terminal = cat.terminal("./cat --restore cat.img")?;
    terminal.say("typed\n")?;
    terminal.hear("typed")?;
    terminal.hear("typed")?;
    terminal.say("\x03")?;
    let status = terminal.end()?;
    ensure!(status.code() == Some(130), "{status}");
    Ok(())
}

#[test]
fn job_control_stops_and_continues_a_restored_program() -> Result<()> {
    let cat = Cat::new("jobs")?;
    cat.image_from_terminal()?;
    let mut shell = cat.terminal("sh -i")?;
    shell.hear("prompt> ")?;
    shell.say("./cat --restore cat.img\n")?;
    shell.hear("cat.img")?;
    shell.say("typed\n")?;
    shell.hear("typed")?;
    shell.hear("typed")?;
    shell.say("\x1a")?;
    shell.hear("Stopped")?;
    shell.hear("prompt> ")?;
    shell.say("fg\n")?;
    shell.hear("cat.img")?;
    shell.say("again\n")?;
    shell.hear("again")?;
    shell.hear("again")?;
    shell.say("\x04")?;
    shell.hear("prompt> ")?;
    shell.say("echo \"status=$?\"\n")?;
    shell.hear("status=0")?;
    shell.say("exit\n")?;
    shell.end()?;
    Ok(())
}

#[test]
fn a_program_that_has_opened_its_terminal_gets_the_new_one() -> Result<()> {
    let cat = Cat::new("dev-tty")?;
    let mut terminal = cat.terminal("echo $$ >pid; exec ./cat /dev/tty")?;
    terminal.say("before\n")?;
    terminal.hear("before")?;
    terminal.hear("before")?;
    checkpoint(&cat.program, cat.noted_pid()?, &cat.image, true)?;
    terminal.end()?;
    let mut again = cat.terminal("./cat --restore cat.img; echo status $?")?;
    again.say("after\n")?;
    again.hear("after")?;
    again.hear("after")?;
    again.say("\x04")?;
    again.hear("status 0")?;
    Ok(())
}
