//! Standard streams, exit status and job control of a restored program, as somebody at a shell meets them.
//! The program is the system's own `cat`, patched; at each checkpoint it waits for input.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use anyhow::{Result, ensure};
use ckpt_tests::{
    Cat, Dialog, Link, Sample, Scratch, at_terminal, checkpoint, command_of, echo, noted_pid, patch,
};
use rustix::process::Signal;

fn start(cat: &Cat) -> Result<Dialog> {
    Dialog::start(&mut command_of(&cat.program, None), cat.scratch.path())
}

fn restore(cat: &Cat) -> Result<Dialog> {
    let mut command = command_of(&cat.program, None);
    command.arg("--restore").arg(&cat.image);
    Dialog::start(&mut command, cat.scratch.path())
}

/// An image of a `cat` that was started on pipes and has said one line.
fn image_from_pipes(cat: &Cat) -> Result<()> {
    let mut process = start(cat)?;
    process.say("before\n")?;
    process.hear("before\n")?;
    checkpoint(&cat.program, process.process().pid(), &cat.image, false)?;
    process.say("still there\n")?;
    process.hear("still there\n")?;
    process.process().kill()
}

#[test]
fn pipes_become_those_of_the_restoring_command() -> Result<()> {
    let cat = Cat::new("pipes")?;
    image_from_pipes(&cat)?;
    let mut again = restore(&cat)?;
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
    image_from_pipes(&cat)?;
    let mut again = restore(&cat)?;
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
    image_from_pipes(&cat)?;
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
    image_from_pipes(&cat)?;
    let mut terminal = cat.terminal("./cat --restore cat.img; echo status $?")?;
    echo(&mut terminal, "typed")?;
    terminal.say("\x04")?;
    terminal.hear("status 0")?;
    Ok(())
}

#[test]
fn a_program_from_a_terminal_is_restored_on_pipes() -> Result<()> {
    let cat = Cat::new("from-terminal")?;
    cat.image_from_terminal("")?;
    let mut again = restore(&cat)?;
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
    cat.image_from_terminal("")?;
    let mut terminal = cat.terminal("./cat --restore cat.img")?;
    echo(&mut terminal, "typed")?;
    terminal.say("\x03")?;
    let status = terminal.end()?;
    ensure!(status.code() == Some(130), "{status}");
    Ok(())
}

#[test]
fn job_control_stops_and_continues_a_restored_program() -> Result<()> {
    let cat = Cat::new("jobs")?;
    cat.image_from_terminal("")?;
    let mut shell = cat.terminal("sh -i")?;
    shell.hear("prompt> ")?;
    shell.say("./cat --restore cat.img\n")?;
    shell.hear("cat.img")?;
    echo(&mut shell, "typed")?;
    shell.say("\x1a")?;
    shell.hear("Stopped")?;
    shell.hear("prompt> ")?;
    shell.say("fg\n")?;
    shell.hear("cat.img")?;
    echo(&mut shell, "again")?;
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
    cat.image_from_terminal("/dev/tty")?;
    let mut again = cat.terminal("./cat --restore cat.img; echo status $?")?;
    echo(&mut again, "after")?;
    again.say("\x04")?;
    again.hear("status 0")?;
    Ok(())
}

/// A program that has its terminal to itself, killed and restored in a terminal of another size.
struct Screen {
    scratch: Scratch,
}

impl Screen {
    fn new(label: &str, link: Link) -> Result<Self> {
        let scratch = Scratch::new(label)?;
        let program = scratch.join("app");
        patch(&Sample::named("shell/screen")?.build(link)?, &program)?;
        let mut terminal = at_terminal(
            "stty rows 33 cols 77; echo $$ >pid; exec ./app go",
            scratch.path(),
        )?;
        terminal.hear("ready")?;
        checkpoint(
            &program,
            noted_pid(&scratch)?,
            &scratch.join("app.img"),
            true,
        )?;
        terminal.end()?;
        Ok(Self { scratch })
    }

    fn restore(&self, options: &str) -> Result<Dialog> {
        at_terminal(
            &format!("stty rows 22 cols 55; ./app --restore app.img {options}; echo status $?"),
            self.scratch.path(),
        )
    }

    fn judge(&self, mut terminal: Dialog) -> Result<()> {
        self.scratch.write("go.new", "restored")?;
        fs::rename(self.scratch.join("go.new"), self.scratch.join("go"))?;
        terminal.hear("pass")?;
        terminal.hear("status 42")?;
        terminal.end()?;
        Ok(())
    }
}

#[test]
fn modes_of_the_terminal_are_carried() -> Result<()> {
    for link in [Link::Pie, Link::Musl] {
        let screen = Screen::new("screen", link)?;
        let mut terminal = screen.restore("")?;
        terminal.hear("change 1: ")?;
        screen.judge(terminal)?;
    }
    Ok(())
}

#[test]
fn modes_of_the_terminal_are_carried_with_the_same_ids() -> Result<()> {
    let screen = Screen::new("screen-same", Link::Pie)?;
    let mut terminal = screen.restore("--pid same")?;
    terminal.hear("change 1: ")?;
    screen.judge(terminal)
}

#[test]
fn a_program_is_told_of_the_new_window() -> Result<()> {
    let screen = Screen::new("window", Link::Pie)?;
    let mut terminal = screen.restore("")?;
    terminal.hear("change 1: 22 rows, 55 columns")?;
    screen.judge(terminal)
}

/// The sample compares it with its standard input.
#[test]
fn a_terminal_opened_by_name_is_the_new_one() -> Result<()> {
    let screen = Screen::new("by-name", Link::Static)?;
    let terminal = screen.restore("")?;
    screen.judge(terminal)
}

/// A program in the background leaves the terminal to who is in front of it.
#[test]
fn modes_are_not_set_in_the_background() -> Result<()> {
    let screen = Screen::new("background", Link::Pie)?;
    let mut shell = at_terminal("sh -i", screen.scratch.path())?;
    shell.hear("prompt> ")?;
    shell.say("./app --restore app.img >/dev/null & sleep 1; stty -a\n")?;
    shell.hear("stty -a")?;
    shell.hear(" icanon ")?;
    shell.hear("prompt> ")?;
    shell.say("kill -KILL $!; exit\n")?;
    shell.end()?;
    Ok(())
}
