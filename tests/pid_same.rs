//! `--restore IMG --pid same`: the program has its old ids in a namespace of its own, and whoever started the
//! restoring command cannot tell it from the program. All as a plain user with `no_new_privs`.

use std::fs;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use ckpt_tests::{
    Cat, Dialog, Launch, Link, PASS, Process, Sample, Scratch, checkpoint, command_of, echo, patch,
    wait_for_ready, wait_until,
};
use rustix::process::{Pid, Signal, kill_process_group};

/// A patched sample in a directory of its own.
struct Case {
    scratch: Scratch,
    launch: Launch,
    process: Process,
    /// The program's id when it was started.
    pid: u32,
}

impl Case {
    fn start(label: &str, sample: &str, link: Link) -> Result<Self> {
        let scratch = Scratch::new(label)?;
        let program = scratch.join("app");
        patch(&Sample::named(sample)?.build(link)?, &program)?;
        let go = scratch.join("go").display().to_string();
        let launch = Launch::new(&program, &[&go], scratch.path());
        let mut process = launch.start()?;
        wait_for_ready(&mut process, &scratch)?;
        let pid = process.pid();
        Ok(Self {
            scratch,
            launch,
            process,
            pid,
        })
    }

    /// The image of the program, which is killed.
    fn image(&mut self, name: &str) -> Result<PathBuf> {
        let image = self.scratch.join(name);
        checkpoint(&self.launch.program, self.process.pid(), &image, false)?;
        self.process.kill()?;
        Ok(image)
    }

    /// `--restore IMG --pid same`; tells the program's id as the host has it.
    fn restore(&mut self, image: &Path) -> Result<u32> {
        let mut launch = self.launch.restore(image);
        launch.args.extend(["--pid".to_owned(), "same".to_owned()]);
        self.process = launch.start()?;
        inner(&mut self.process, self.pid)
    }

    /// Writes the go file.
    fn go(&self) -> Result<()> {
        self.scratch.write("go.new", "restored")?;
        fs::rename(self.scratch.join("go.new"), self.scratch.join("go"))?;
        Ok(())
    }

    fn judge(mut self) -> Result<()> {
        self.go()?;
        let status = self.process.wait()?;
        let output = self.scratch.text("out");
        let said = self.scratch.text("restore.err");
        ensure!(
            status.code() == Some(PASS) && said.is_empty(),
            "{status}: {output}; {said}"
        );
        Ok(())
    }
}

/// Waits until the restored program is there, which was `pid`, and takes requests; tells its id as the host has
/// it.
fn inner(process: &mut Process, pid: u32) -> Result<u32> {
    let mut found = 0;
    let (command, pid) = (process.pid(), pid.to_string());
    wait_until("the restored program", || {
        process.check_alive()?;
        let children = fs::read_to_string(format!("/proc/{command}/task/{command}/children"))?;
        for child in children.split_whitespace() {
            let Ok(status) = fs::read_to_string(format!("/proc/{child}/status")) else {
                continue;
            };
            let ids = field(&status, "NSpid:");
            let asked = 1 << 31;
            let set = |name| u64::from_str_radix(field(&status, name), 16).unwrap_or(0) & asked;
            let there = set("SigCgt:") != 0 && set("SigBlk:") == 0;
            if ids.split_whitespace().last() == Some(&pid) && there {
                found = child.parse()?;
            }
        }
        Ok(found != 0)
    })?;
    Ok(found)
}

/// A line of a status file.
fn field<'a>(status: &'a str, name: &str) -> &'a str {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_default().trim()
}

/// Is there a process of that number that has not ended?
fn lives(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    !status.is_empty() && !field(&status, "State:").starts_with(['Z', 'X'])
}

fn ids_are_the_same(link: Link) -> Result<()> {
    let mut case = Case::start("same-ids", "ids/same", link)?;
    for generation in 1..=2 {
        let image = case.image(&format!("{generation}.img"))?;
        case.restore(&image)?;
    }
    case.judge()
}

#[test]
fn ids_are_the_same_with_glibc() -> Result<()> {
    ids_are_the_same(Link::Pie)
}

#[test]
fn ids_are_the_same_with_musl() -> Result<()> {
    ids_are_the_same(Link::Musl)
}

#[test]
fn ended_children_have_their_ids() -> Result<()> {
    let mut case = Case::start("same-ended", "ids/ended", Link::Pie)?;
    for generation in 1..=2 {
        let image = case.image(&format!("{generation}.img"))?;
        case.restore(&image)?;
    }
    case.judge()
}

#[test]
fn orphans_are_taken_in_and_may_outlive_the_program() -> Result<()> {
    let mut case = Case::start("same-family", "ids/family", Link::Pie)?;
    let image = case.image("app.img")?;
    case.restore(&image)?;
    case.go()?;
    let status = case.process.wait()?;
    let output = case.scratch.text("out");
    ensure!(status.code() == Some(PASS), "{status}: {output}");
    ensure!(!case.scratch.join("left").exists(), "too early");
    wait_until("the last words of a process that was left behind", || {
        Ok(case.scratch.text("left") == "alive")
    })
}

#[test]
fn a_killed_command_takes_the_program_along() -> Result<()> {
    let mut case = Case::start("same-kill", "ids/signals", Link::Pie)?;
    let image = case.image("app.img")?;
    let inner = case.restore(&image)?;
    ensure!(lives(inner), "it is there");
    case.process.kill()?;
    wait_until("the program's end", || Ok(!lives(inner)))
}

#[test]
fn a_killed_program_takes_the_command_along() -> Result<()> {
    let mut case = Case::start("same-killed", "ids/signals", Link::Pie)?;
    let image = case.image("app.img")?;
    for signal in [Signal::KILL, Signal::INT] {
        let inner = case.restore(&image)?;
        send(inner, signal)?;
        let status = case.process.wait()?;
        ensure!(
            status.signal() == Some(signal.as_raw()),
            "{signal:?}: {status}"
        );
    }
    Ok(())
}

fn send(pid: u32, signal: Signal) -> Result<()> {
    let pid = Pid::from_raw(i32::try_from(pid)?).context("process id 0")?;
    Ok(rustix::process::kill_process(pid, signal)?)
}

/// Sent with kill(2) or with a value, to the command alone or to its group: each arrives once.
#[test]
fn signals_arrive_once_and_with_their_values() -> Result<()> {
    const SI_USER: i32 = 0;
    const SI_QUEUE: i32 = -1;
    let mut case = Case::start("same-signals", "ids/signals", Link::Pie)?;
    let image = case.image("app.img")?;
    let mut expected = case.scratch.text("out");
    let mut command = command_of(&case.launch.program, None);
    let child = command
        .arg("--restore")
        .arg(&image)
        .args(["--pid", "same"])
        .current_dir(case.scratch.path())
        .stdin(Stdio::null())
        .process_group(0);
    let mut dialog = Dialog::start(child, case.scratch.path())?;
    let outer = dialog.process().pid();
    inner(dialog.process(), case.pid)?;
    let mut hear = |number: u32, code: i32, value: i32| {
        expected.push_str(&format!("signal {number} code {code} value {value}\n"));
        let result = wait_until("a signal", || {
            Ok(case.scratch.text("out").len() >= expected.len())
        });
        let got = case.scratch.text("out");
        result.with_context(|| got.clone())?;
        ensure!(got == expected, "{got:?} instead of {expected:?}");
        Ok(())
    };
    for number in (1..=64).filter(|n| ![2, 9, 12, 15, 18, 19, 20, 32, 33].contains(n)) {
        let value = i32::try_from(number)? * 1000;
        let sent = Command::new("/bin/kill")
            .args(["-q", &value.to_string(), "-s", &number.to_string()])
            .arg(outer.to_string())
            .status()?;
        ensure!(sent.success(), "kill -q {value} -s {number}");
        hear(number, SI_QUEUE, value)?;
    }
    let group = Pid::from_raw(i32::try_from(outer)?).context("process id 0")?;
    for signal in [Signal::HUP, Signal::USR1, Signal::WINCH] {
        send(outer, signal)?;
        hear(signal.as_raw().cast_unsigned(), SI_USER, 0)?;
        kill_process_group(group, signal)?;
        hear(signal.as_raw().cast_unsigned(), SI_USER, 0)?;
    }
    kill_process_group(group, Signal::TERM)?;
    hear(15, SI_USER, 0)?;
    let status = dialog.end()?;
    ensure!(status.code() == Some(3), "{status}");
    Ok(())
}

/// A stop and what follows it, sent to the command.
#[test]
fn the_command_stops_and_goes_on_with_the_program() -> Result<()> {
    let mut case = Case::start("same-stop", "ids/signals", Link::Pie)?;
    let image = case.image("app.img")?;
    let inner = case.restore(&image)?;
    let outer = case.process.pid();
    let both = |state: char| {
        wait_until("both to be in a state", || {
            let is = |pid: u32| -> Result<bool> {
                let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
                Ok(field(&status, "State:").starts_with(state))
            };
            Ok(is(inner)? && is(outer)?)
        })
    };
    // SIGSTOP of the program alone, which the command shows; and its end.
    for _ in 0..20 {
        send(inner, Signal::STOP)?;
        both('T')?;
        send(outer, Signal::CONT)?;
        both('S')?;
    }
    send(outer, Signal::TERM)?;
    let status = case.process.wait()?;
    ensure!(status.code() == Some(3), "{status}");
    Ok(())
}

/// Asked by the command's id, by the program's id, and by a signal to the command.
#[test]
fn a_restored_program_takes_checkpoints_again() -> Result<()> {
    let mut case = Case::start("same-again", "ids/same", Link::Pie)?;
    let image = case.image("first.img")?;
    let inner = case.restore(&image)?;
    let program = case.launch.program.clone();
    let second = case.scratch.join("second.img");
    checkpoint(&program, inner, &second, false)?;
    case.process.kill()?;
    case.restore(&second)?;
    let third = case.image("third.img")?;
    case.restore(&third)?;
    let by_signal = case.scratch.join(&format!("app-{}.img", case.pid));
    case.process.signal(Signal::USR2)?;
    wait_until("the image after a signal", || {
        case.process.check_alive()?;
        Ok(by_signal.exists())
    })?;
    case.process.kill()?;
    case.restore(&by_signal)?;
    case.judge()
}

/// A system that allows no user namespaces: nothing runs, and without the option all is well.
#[test]
fn no_namespace_is_told() -> Result<()> {
    let mut case = Case::start("same-none", "ids/same", Link::Pie)?;
    let image = case.image("app.img")?;
    let program = &case.launch.program;
    // A namespace in which no more can be made, and a program in it without capabilities.
    let line = "echo 0 >/proc/sys/user/max_user_namespaces && exec setpriv --bounding-set=-all \
                --inh-caps=-all \"$@\"";
    let inside = command_of(Path::new("/usr/bin/unshare"), None)
        .args(["--user", "--map-root-user", "sh", "-c", line, "sh"])
        .arg(program)
        .arg("--restore")
        .arg(&image)
        .args(["--pid", "same"])
        .env("PATH", "/usr/bin:/bin")
        .current_dir(case.scratch.path())
        .output()?;
    let said = String::from_utf8_lossy(&inside.stderr).into_owned();
    ensure!(
        inside.status.code() == Some(125)
            && said
                == "ckpt: error: --pid same takes a user namespace: the limit \
                    user.max_user_namespaces forbids it\n",
        "{}: {said:?}",
        inside.status
    );
    ensure!(case.scratch.text("out") == "ready\n", "the program ran");
    case.restore(&image)?;
    case.judge()
}

#[test]
fn other_words_are_refused() -> Result<()> {
    let mut case = Case::start("same-words", "ids/family", Link::Pie)?;
    let image = case.image("app.img")?;
    for words in [&["--pid"][..], &["--pid", "old"]] {
        let run = command_of(&case.launch.program, None)
            .arg("--restore")
            .arg(&image)
            .args(words)
            .output()?;
        let said = String::from_utf8_lossy(&run.stderr).into_owned();
        ensure!(
            run.status.code() == Some(125)
                && said.starts_with("ckpt: error: usage: --restore IMG "),
            "{words:?}: {}: {said:?}",
            run.status
        );
    }
    Ok(())
}

/// A patched `cat` that was started by a shell with job control, as the leader of a group.
fn cat(label: &str) -> Result<Cat> {
    let cat = Cat::new(label)?;
    cat.image_from_shell()?;
    Ok(cat)
}

#[test]
fn job_control_works() -> Result<()> {
    let cat = cat("same-jobs")?;
    let mut shell = cat.terminal("sh -i")?;
    shell.hear("prompt> ")?;
    shell.say("./cat --restore cat.img --pid same\n")?;
    shell.hear("same")?;
    echo(&mut shell, "typed")?;
    for _ in 0..3 {
        shell.say("\x1a")?;
        shell.hear("Stopped")?;
        shell.hear("prompt> ")?;
        shell.say("fg\n")?;
        shell.hear("same")?;
        echo(&mut shell, "again")?;
    }
    // In the background it waits for the terminal, as any other.
    shell.say("\x1a")?;
    shell.hear("Stopped")?;
    shell.hear("prompt> ")?;
    shell.say("bg; sleep 0.5; jobs; echo sta'tus'\n")?;
    shell.hear("Stopped")?;
    shell.hear("status")?;
    shell.say("fg\n")?;
    shell.hear("same")?;
    echo(&mut shell, "foreground")?;
    shell.say("\x04")?;
    shell.hear("prompt> ")?;
    shell.say("echo \"status=$?\"\n")?;
    shell.hear("status=0")?;
    // The terminal is the shell's again, and Ctrl-C ends the program alone.
    shell.say("./cat --restore cat.img --pid same\n")?;
    shell.hear("same")?;
    echo(&mut shell, "once more")?;
    shell.say("\x03")?;
    shell.hear("prompt> ")?;
    shell.say("echo \"status=$?\"\n")?;
    shell.hear("status=130")?;
    shell.say("exit\n")?;
    shell.end()?;
    Ok(())
}

#[test]
fn job_control_works_in_a_pipeline() -> Result<()> {
    let cat = cat("same-pipeline")?;
    let mut shell = cat.terminal("sh -i")?;
    shell.hear("prompt> ")?;
    shell.say("./cat --restore cat.img --pid same | sed -u s/x/y/\n")?;
    shell.hear("y/")?;
    shell.say("axb\n")?;
    shell.hear("axb")?;
    shell.hear("ayb")?;
    for _ in 0..3 {
        shell.say("\x1a")?;
        shell.hear("Stopped")?;
        shell.hear("prompt> ")?;
        shell.say("fg\n")?;
        shell.hear("y/")?;
        shell.say("cxd\n")?;
        shell.hear("cxd")?;
        shell.hear("cyd")?;
    }
    shell.say("\x03")?;
    shell.hear("prompt> ")?;
    shell.say("./cat --restore cat.img --pid same | cat\n")?;
    shell.hear("| cat")?;
    echo(&mut shell, "typed")?;
    shell.say("\x04")?;
    shell.hear("prompt> ")?;
    shell.say("exit\n")?;
    shell.end()?;
    Ok(())
}

/// A script that has no job control finds its terminal as it was.
#[test]
fn a_script_gets_its_terminal_back() -> Result<()> {
    let cat = cat("same-script")?;
    let mut terminal = cat.terminal(
        "./cat --restore cat.img --pid same; echo status $?; read line; echo got $line",
    )?;
    echo(&mut terminal, "typed")?;
    terminal.say("\x04")?;
    terminal.hear("status 0")?;
    terminal.say("more\n")?;
    terminal.hear("got more")?;
    let status = terminal.end()?;
    ensure!(status.code() == Some(0), "{status}");
    let mut terminal = cat.terminal("./cat --restore cat.img --pid same")?;
    echo(&mut terminal, "typed")?;
    terminal.say("\x03")?;
    let status = terminal.end()?;
    ensure!(status.code() == Some(130), "{status}");
    Ok(())
}
