//! Programs that fill a terminal: killed, and restored in another one of another size.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use ckpt_tests::{Scratch, checkpoint, command_of, installed, patch, wait_until};
use rustix::process::{Pid, Signal, kill_process};

/// What a terminal with so many rows shows.
type Rows = fn(usize) -> Vec<String>;

/// One program. Keys are told as tmux has them.
#[derive(Clone, Copy)]
pub(crate) struct Screen {
    /// Name of its test.
    pub(crate) name: &'static str,
    original: &'static str,
    args: &'static [&'static str],
    /// What is typed first, and the screen's rows then.
    first: (&'static [&'static str], Rows),
    /// What is typed after a restore, and the rows.
    then: (&'static [&'static str], Rows),
    /// What ends it.
    last: &'static [&'static str],
    /// The text's file afterwards.
    file: fn() -> String,
}

const LINES: usize = 5000;

/// All of them.
pub(crate) fn screens() -> Vec<Screen> {
    vec![
        Screen {
            name: "less",
            original: "/usr/bin/less",
            args: &["text"],
            first: (&["100g"], |rows| less(100, rows)),
            then: (&["/text 3000$", "Enter"], |rows| less(3000, rows)),
            last: &["q"],
            file: || numbered(1..=LINES).concat(),
        },
        // With a change that is not saved, and a swap file.
        Screen {
            name: "vim",
            original: "/usr/bin/vim",
            args: &[
                "-u",
                "NONE",
                "--cmd",
                "set nocp ls=0 noshowmode shm+=I",
                "text",
            ],
            first: (&["100G", "O", "typed", "Escape", "z", "t"], |rows| {
                [
                    vec!["typed".to_owned()],
                    lines(100, rows - 2),
                    vec![String::new()],
                ]
                .concat()
            }),
            then: (&["u", "3000G", "z", "Enter", "C-l"], |rows| {
                [lines(3000, rows - 1), vec![String::new()]].concat()
            }),
            last: &[":1,4900d", "Enter", ":wq", "Enter"],
            file: || numbered(4901..=LINES).concat(),
        },
    ]
}

fn numbered(numbers: impl IntoIterator<Item = usize>) -> Vec<String> {
    let line = |number| format!("line {number} of the text {number}\n");
    numbers.into_iter().map(line).collect()
}

/// Lines of the text as they are shown.
fn lines(first: usize, count: usize) -> Vec<String> {
    let lines = numbered(first..first + count);
    lines
        .iter()
        .map(|line| line.trim_end().to_owned())
        .collect()
}

/// A page of less: lines from this one on, and its prompt.
fn less(first: usize, rows: usize) -> Vec<String> {
    [lines(first, rows - 1), vec![":".to_owned()]].concat()
}

/// Terminals of a tmux of its own.
struct Tmux<'a> {
    scratch: &'a Scratch,
}

impl Tmux<'_> {
    fn run(&self, args: &[&str]) -> Result<String> {
        let run = command_of(&installed("/usr/bin/tmux")?, None)
            .arg("-S")
            .arg(self.scratch.join("tmux"))
            .args(["-f", "/dev/null"])
            .args(args)
            .current_dir(self.scratch.path())
            .env("LC_ALL", "C.UTF-8")
            .output()?;
        let complaint = String::from_utf8_lossy(&run.stderr);
        ensure!(run.status.success(), "tmux {args:?}: {complaint}");
        Ok(String::from_utf8(run.stdout)?)
    }

    /// Runs a program in a new terminal of this size; gives its id. A shell writes down how it ends.
    fn start(&self, terminal: &str, [columns, rows]: [usize; 2], program: &[&str]) -> Result<u32> {
        let script = format!("\"$@\"; echo $? >status.{terminal}");
        let (columns, rows) = (columns.to_string(), rows.to_string());
        let new = [
            "new-session",
            "-d",
            "-s",
            terminal,
            "-x",
            &columns,
            "-y",
            &rows,
            "--",
        ];
        let shell = ["/bin/sh", "-c", &script, "sh"];
        let stays = [
            ";",
            "set",
            "-g",
            "remain-on-exit",
            "on",
            ";",
            "set",
            "-g",
            "status",
            "off",
        ];
        self.run(&[&new[..], &shell, program, &stays].concat())?;
        let shell = self.run(&["display-message", "-p", "-t", terminal, "#{pane_pid}"])?;
        let shell = shell.trim();
        let mut child = String::new();
        wait_until("the program's start", || {
            child = fs::read_to_string(format!("/proc/{shell}/task/{shell}/children"))?;
            Ok(!child.is_empty())
        })?;
        Ok(child.trim().parse()?)
    }

    fn press(&self, terminal: &str, keys: &[&str]) -> Result<()> {
        self.run(&[&["send-keys", "-t", terminal], keys].concat())?;
        Ok(())
    }

    /// Waits until exactly this is shown.
    fn shows(&self, terminal: &str, rows: &[String]) -> Result<()> {
        let mut screen = String::new();
        let shown = wait_until("what the screen is to show", || {
            screen = self.run(&["capture-pane", "-p", "-t", terminal])?;
            Ok(screen.lines().eq(rows))
        });
        shown.with_context(|| format!("the screen shows\n{screen}instead of\n{}", rows.join("\n")))
    }

    /// Waits for the end; gives the exit status as the shell has it.
    fn ended(&self, terminal: &str) -> Result<u32> {
        let mut status = String::new();
        wait_until("the program's end", || {
            status = self.scratch.text(&format!("status.{terminal}"));
            Ok(status.ends_with('\n'))
        })?;
        Ok(status.trim().parse()?)
    }
}

impl Drop for Tmux<'_> {
    fn drop(&mut self) {
        let _ = self.run(&["kill-server"]);
    }
}

/// Brought into a state, asked for a checkpoint, going on, killed; restored in a larger terminal, and again in a
/// smaller one.
pub(crate) fn survives(screen: &Screen) -> Result<()> {
    let scratch = Scratch::new(screen.name)?;
    scratch.write("text", numbered(1..=LINES).concat())?;
    let program = scratch.join("app");
    patch(&installed(screen.original)?, &program)?;
    let name = program.display().to_string();
    let tmux = Tmux { scratch: &scratch };
    let (keys, rows) = screen.first;
    let mut pid = tmux.start("0", [80, 24], &[&[name.as_str()], screen.args].concat())?;
    tmux.press("0", keys)?;
    tmux.shows("0", &rows(24))?;
    let mut last = "0";
    for (terminal, size) in [("1", [100, 31]), ("2", [60, 12])] {
        let image: PathBuf = scratch.join(&format!("{terminal}.img"));
        checkpoint(&program, pid, &image, false)?;
        let process = Pid::from_raw(i32::try_from(pid)?).context("process id 0")?;
        kill_process(process, Signal::KILL)?;
        ensure!(tmux.ended(last)? == 128 + 9, "not killed");
        let image = image.display().to_string();
        pid = tmux.start(terminal, size, &[&name, "--restore", &image])?;
        tmux.shows(terminal, &rows(size[1]))?;
        last = terminal;
    }
    let (keys, rows) = screen.then;
    tmux.press(last, keys)?;
    tmux.shows(last, &rows(12))?;
    tmux.press(last, screen.last)?;
    let status = tmux.ended(last)?;
    ensure!(status == 0, "it ended with {status}");
    ensure!(scratch.text("text") == (screen.file)(), "the file differs");
    Ok(())
}
