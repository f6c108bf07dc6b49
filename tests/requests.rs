//! How checkpoints are asked for, and what the one who asks is told.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};
use ckpt_tests::{
    Dialog, Launch, Link, Sample, Scratch, Subject, checkpoint, checkpoint_by_signal, command_of,
    patch, wait_for_ready,
};
use rustix::process::Signal;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn without_a_name_the_pattern_names_the_image() -> Result<()> {
    let subject = Subject::start("pattern", "process/umask")?;
    let run = subject.ask(Path::new("/"), &[])?;
    let name = format!("app-{}.img", subject.process.pid());
    let image = subject.scratch.join(&name);
    ensure!(
        run.status.code() == Some(0),
        "{}: {}",
        run.status,
        text(&run.stderr)
    );
    ensure!(
        text(&run.stdout) == format!("{}\n", image.display()),
        "{}",
        text(&run.stdout)
    );
    let mode = fs::metadata(&image)?.permissions().mode() & 0o7777;
    ensure!(mode == 0o600, "mode {mode:o}");
    subject.finish()
}

#[test]
fn a_relative_name_is_relative_to_who_asks() -> Result<()> {
    let subject = Subject::start("relative", "process/cwd")?;
    let other = subject.scratch.make_dir("other")?;
    let run = subject.ask(&other, &["-o", "here.img"])?;
    ensure!(
        run.status.code() == Some(0),
        "{}: {}",
        run.status,
        text(&run.stderr)
    );
    ensure!(other.join("here.img").is_file(), "{}", text(&run.stdout));
    subject.finish()
}

#[test]
fn the_pattern_means_the_working_directory_at_the_start() -> Result<()> {
    // The sample has changed its directory by now.
    let mut subject = Subject::start("at-start", "process/cwd")?;
    let image = checkpoint_by_signal(&mut subject.process, subject.scratch.path())?;
    let name = format!("app-{}.img", subject.process.pid());
    ensure!(image == subject.scratch.join(&name), "{}", image.display());
    subject.finish()
}

#[test]
fn stop_ends_the_program_after_success_only() -> Result<()> {
    let mut subject = Subject::start("stop", "process/umask")?;
    let run = subject.ask(Path::new("/"), &["-o", "/nowhere/at/all.img", "--stop"])?;
    ensure!(run.status.code() == Some(1), "{}", run.status);
    ensure!(
        text(&run.stderr).starts_with("ckpt: error: "),
        "{}",
        text(&run.stderr)
    );
    subject.process.check_alive()?;

    let image = subject.scratch.join("last.img");
    checkpoint(&subject.launch.program, subject.process.pid(), &image, true)?;
    subject.process.wait()?;
    // What was stopped goes on from the image.
    subject.process = subject.launch.restore(&image).start()?;
    subject.finish()
}

#[test]
fn failures_leave_the_image_before_as_it_was() -> Result<()> {
    let subject = Subject::start("failure", "process/umask")?;
    let dir = subject.scratch.make_dir("images")?;
    let image = dir.join("only.img");
    checkpoint(
        &subject.launch.program,
        subject.process.pid(),
        &image,
        false,
    )?;
    let before = fs::read(&image)?;
    // No temporary file can be made: the program runs as a plain user. (Root owns the directory now.)
    let owner = fs::metadata(&dir)?.uid();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o555))?;
    let run = subject.ask(Path::new("/"), &["-o", &image.display().to_string()])?;
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o755))?;
    ensure!(
        run.status.code() == Some(1),
        "{} (owner {owner})",
        run.status
    );
    let message = text(&run.stderr);
    ensure!(message.starts_with("ckpt: error: "), "{message}");
    ensure!(message.contains("ermission denied"), "{message}");
    ensure!(fs::read(&image)? == before, "the image has changed");
    ensure!(fs::read_dir(&dir)?.count() == 1, "a temporary file is left");
    subject.finish()
}

#[test]
fn an_image_never_goes_through_a_link() -> Result<()> {
    let subject = Subject::start("link", "process/umask")?;
    let victim = subject.scratch.write("victim", "precious")?;
    let image = subject.scratch.join("link.img");
    symlink(&victim, &image)?;
    let run = subject.ask(Path::new("/"), &["-o", &image.display().to_string()])?;
    // Replacing the link is right, and so is refusing it.
    ensure!(
        run.status.code() == Some(1) || fs::symlink_metadata(&image)?.is_file(),
        "{}",
        run.status
    );
    ensure!(
        subject.scratch.text("victim") == "precious",
        "the file behind the link is lost"
    );
    subject.finish()
}

#[test]
fn asking_who_cannot_answer_is_an_error() -> Result<()> {
    let scratch = Scratch::new("nobody-there")?;
    let program = scratch.join("app");
    patch(&Sample::named("process/umask")?.build(Link::Pie)?, &program)?;
    let ask = |pid: &str, code: i32| -> Result<String> {
        let run = command_of(&program, None)
            .args(["--checkpoint", pid])
            .output()?;
        let message = text(&run.stderr);
        ensure!(
            run.status.code() == Some(code),
            "{pid}: {}: {message}",
            run.status
        );
        ensure!(message.starts_with("ckpt: error: "), "{pid}: {message}");
        ensure!(message.lines().count() == 1, "{pid}: {message}");
        Ok(message)
    };
    // A program without the runtime: it must not be sent anything.
    let mut cat = Dialog::start(&mut command_of(Path::new("/bin/cat"), None), scratch.path())?;
    let pid = cat.process().pid().to_string();
    ask(&pid, 1)?;
    cat.say("alive\n")?;
    cat.hear("alive\n")?;
    cat.hang_up();
    ensure!(cat.end()?.success(), "cat");
    // Nobody at all, and no number.
    ask(&pid, 1)?;
    ask("0", 2)?;
    ask("nonsense", 2)?;
    Ok(())
}

#[test]
fn a_loss_is_allowed_by_its_kind_for_one_checkpoint() -> Result<()> {
    let scratch = Scratch::new("allow")?;
    let program = scratch.join("app");
    patch(
        &Sample::named("refuse/descriptors")?.build(Link::Pie)?,
        &program,
    )?;
    let go = scratch.join("go").display().to_string();
    let mut launch = Launch::new(&program, &[&go, "pipe"], scratch.path());
    launch.env.push(("CKPT_LOG".to_owned(), "info".to_owned()));
    let mut process = launch.start()?;
    wait_for_ready(&mut process, &scratch)?;
    let pid = process.pid().to_string();
    let ask = |allow: &[&str], code: i32| -> Result<String> {
        let run = command_of(&program, None)
            .args(["--checkpoint", &pid, "-o"])
            .arg(scratch.join("image"))
            .args(allow)
            .output()?;
        let message = text(&run.stderr);
        ensure!(
            run.status.code() == Some(code),
            "{allow:?}: {}: {message}",
            run.status
        );
        Ok(message)
    };
    let refused = "ckpt: error: descriptor 7: pipe to another process: not carried\n";
    ensure!(ask(&["--allow", "unix"], 1)? == refused, "another kind");
    ensure!(
        ask(&["--allow", "unix,pipe", "--allow", "tcp"], 0)?.is_empty(),
        "allowed"
    );
    let told = scratch.text("err");
    ensure!(
        told.contains("ckpt: descriptor 7: pipe to another process: lost, as allowed\n"),
        "{told:?}"
    );
    ensure!(ask(&[], 1)? == refused, "the next time");
    let unknown = ask(&["--allow", "nonsense"], 2)?;
    ensure!(
        unknown
            == "ckpt: error: --allow nonsense: no such kind of loss; there are: tcp udp unix pipe child changed inotify\n",
        "{unknown:?}"
    );
    process.kill()?;
    Ok(())
}

#[test]
fn reserved_words_count_as_first_argument_only() -> Result<()> {
    let scratch = Scratch::new("words")?;
    let program = scratch.join("echo");
    patch(&fs::canonicalize("/bin/echo")?, &program)?;
    for words in [
        &["one", "--restore", "--checkpoint"][..],
        &["--restore=x"],
        &["--checkpoints", "1"],
        &[""],
        &[],
    ] {
        let plain = Command::new("/bin/echo").args(words).output()?;
        let patched = command_of(&program, None).args(words).output()?;
        ensure!(
            plain.stdout == patched.stdout,
            "{words:?}: {}",
            text(&patched.stdout)
        );
        ensure!(
            patched.status.success() && patched.stderr.is_empty(),
            "{words:?}"
        );
    }
    Ok(())
}

#[test]
fn many_requests_at_once_are_all_answered() -> Result<()> {
    let subject = Subject::start("many", "memory/anon")?;
    let pid = subject.process.pid();
    let askers: Vec<_> = (0..6)
        .map(|n| {
            let (program, image) = (
                subject.launch.program.clone(),
                subject.scratch.join(&format!("{n}.img")),
            );
            std::thread::spawn(move || {
                command_of(&program, None)
                    .args(["--checkpoint", &pid.to_string(), "-o"])
                    .arg(&image)
                    .output()
                    .map(|output| (output, image.is_file()))
            })
        })
        .collect();
    for _ in 0..5 {
        subject.process.signal(Signal::USR2)?;
    }
    for asker in askers {
        let (output, there) = asker.join().map_err(|_| anyhow::anyhow!("panicked"))??;
        let message = text(&output.stderr);
        // Being told that another one is at work is an answer; silence or a lie is not.
        match output.status.code() {
            Some(0) => ensure!(there, "no image, and yet 0"),
            Some(1) => ensure!(message.starts_with("ckpt: error: "), "{message}"),
            _ => ensure!(false, "{}: {message}", output.status),
        }
    }
    subject.finish()
}
