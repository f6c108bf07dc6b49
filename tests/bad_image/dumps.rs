//! Dumps that do not come to their end: the image before them stays as it was, and the program, if it is still
//! there, goes on.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ckpt_tests::{
    Launch, Link, PASS, Process, Sample, Scratch, checkpoint, command_of, is_root, patch,
    wait_until,
};
use rustix::process::Signal;

use crate::victim::start;

/// A large program in a directory of its own.
struct Large {
    scratch: Scratch,
    launch: Launch,
}

impl Large {
    fn new(label: &str) -> Result<Self> {
        let scratch = Scratch::new(label)?;
        let program = scratch.join("app");
        patch(
            &Sample::named("image/large")?.build(Link::Static)?,
            &program,
        )?;
        let go = scratch.join("go").display().to_string();
        let launch = Launch::new(&program, &[&go], scratch.path());
        Ok(Self { scratch, launch })
    }

    fn request(&self, process: &Process, image: &Path) -> Command {
        let mut command = command_of(&self.launch.program, None);
        command
            .args(["--checkpoint", &process.pid().to_string(), "-o"])
            .arg(image)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// The image restores, and the restored program comes to its end.
    fn restores(&self, image: &Path) -> Result<()> {
        self.scratch.write("out", "ready\n")?;
        self.scratch.write("go", "restored")?;
        let status = self.launch.restore(image).start()?.wait()?;
        fs::remove_file(self.scratch.join("go"))?;
        let said = self.scratch.text("restore.err");
        ensure!(
            status.code() == Some(PASS) && said.is_empty(),
            "{}: {status}; {said:?}",
            image.display()
        );
        Ok(())
    }

    /// The program comes to its end.
    fn ends(&self, mut process: Process) -> Result<()> {
        self.scratch.write("go", "go")?;
        let status = process.wait()?;
        ensure!(
            status.code() == Some(PASS),
            "{status}; {}",
            process.complaint()
        );
        fs::remove_file(self.scratch.join("go"))?;
        Ok(())
    }
}

/// The requester was told this and nothing else.
fn told(output: &Output, what: &str) -> Result<()> {
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.code() == Some(1)
            && output.stdout.is_empty()
            && said == format!("ckpt: error: {what}\n"),
        "{} {said:?} instead of {what:?}",
        output.status
    );
    Ok(())
}

fn listing(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir)? {
        paths.push(entry?.path());
    }
    paths.sort();
    Ok(paths)
}

#[test]
fn killed() -> Result<()> {
    const MOMENTS: u32 = 24;
    let large = Large::new("killed")?;
    let dir = large.scratch.make_dir("images")?;
    let image = dir.join("app.img");
    let mut process = start(&large.launch, &large.scratch)?;
    let begin = Instant::now();
    checkpoint(&large.launch.program, process.pid(), &image, false)?;
    let mut whole = begin.elapsed();
    process.kill()?;
    let mut cut_off = 0;
    for moment in 0..MOMENTS {
        let before = fs::read(&image)?;
        let mut process = start(&large.launch, &large.scratch)?;
        let requester = large.request(&process, &image).spawn()?;
        // Some come to their end: what is there then is the new image.
        sleep(whole * moment * 5 / (4 * MOMENTS));
        process.kill()?;
        let output = requester.wait_with_output()?;
        if output.status.code() == Some(0) {
            ensure!(fs::read(&image)? != before, "complete, yet the old image");
            // The machine may have had more to do when a whole one was measured.
            if cut_off < moment / 2 {
                whole = whole * 3 / 4;
            }
        } else {
            let pid = process.pid();
            let what = format!("process {pid} ended before its image was complete");
            // One that ended before it was asked is told of in other words.
            if output.stderr.ends_with(b"complete\n") {
                told(&output, &what)?;
            }
            ensure!(output.status.code() == Some(1), "{}", output.status);
            cut_off += 1;
        }
        large
            .restores(&image)
            .with_context(|| format!("killed at moment {moment} of {MOMENTS}"))?;
    }
    eprintln!("{cut_off} of {MOMENTS} dumps were cut off; a whole one takes {whole:?}");
    ensure!(cut_off >= MOMENTS / 4, "hardly any dump was cut off");
    // What SIGKILL leaves behind bears a name that no image has.
    for path in listing(&dir)? {
        let name = path.display().to_string();
        ensure!(path == image || name.ends_with(".tmp"), "{name} is left");
    }
    Ok(())
}

/// The dump fails with this message, and nothing else comes of it.
fn fails_cleanly(large: &Large, process: &mut Process, image: &Path, what: &str) -> Result<()> {
    let dir = image.parent().context("a directory")?;
    let before = (listing(dir)?, fs::read(image)?);
    for _ in 0..3 {
        told(&large.request(process, image).output()?, what)?;
        ensure!(
            (listing(dir)?, fs::read(image)?) == before,
            "{} is not as it was",
            dir.display()
        );
        process.check_alive()?;
    }
    Ok(())
}

#[test]
fn file_too_large() -> Result<()> {
    let mut large = Large::new("file-size")?;
    let image = large.scratch.write("app.img", "the image before")?;
    let program = large.launch.program.display().to_string();
    large
        .launch
        .args
        .insert(0, "--fsize=10000000:20000000".to_owned());
    large.launch.args.insert(1, program);
    let app = std::mem::replace(&mut large.launch.program, "/usr/bin/prlimit".into());
    let mut process = start(&large.launch, &large.scratch)?;
    large.launch.program = app;
    let what = format!("cannot write {}: file too large", image.display());
    fails_cleanly(&large, &mut process, &image, &what)?;
    large.ends(process)
}

/// A file system of a few mebibytes, gone with the value.
struct Small(PathBuf);

impl Small {
    fn mount(at: PathBuf) -> Result<Option<Self>> {
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=16m,mode=0777", "tmpfs"])
            .arg(&at)
            .output()?;
        Ok(mount.status.success().then_some(Self(at)))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // Lazily: a program that a failed test left behind may still be in it.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn disk_full() -> Result<()> {
    if !is_root() {
        eprintln!("not root: no small file system can be mounted");
        return Ok(());
    }
    let large = Large::new("disk-full")?;
    let Some(small) = Small::mount(large.scratch.make_dir("small")?)? else {
        eprintln!("no small file system can be mounted here");
        return Ok(());
    };
    let image = small.0.join("app.img");
    fs::write(&image, "the image before")?;
    let mut process = start(&large.launch, &large.scratch)?;
    let what = format!("cannot write {}: no space left on device", image.display());
    fails_cleanly(&large, &mut process, &image, &what)?;
    // By signal: the program says it itself.
    let pattern = small.0.join("%e.img").display().to_string();
    process.kill()?;
    let mut launch = large.launch.clone();
    launch.env.push(("CKPT_IMAGE".to_owned(), pattern));
    let mut process = start(&launch, &large.scratch)?;
    process.signal(Signal::USR2)?;
    let line = format!("ckpt: error: {what}\n");
    wait_until("the message", || {
        process.check_alive()?;
        Ok(large.scratch.text("err") == line)
    })?;
    ensure!(
        fs::read(&image)? == b"the image before",
        "the image changed"
    );
    ensure!(listing(&small.0)? == [image], "something is left");
    // With room, it works again.
    let elsewhere = large.scratch.join("elsewhere.img");
    checkpoint(&large.launch.program, process.pid(), &elsewhere, false)?;
    large.ends(process)?;
    large.restores(&elsewhere)
}

#[test]
fn places_that_cannot_be_written() -> Result<()> {
    let large = Large::new("read-only")?;
    let mut process = start(&large.launch, &large.scratch)?;
    let pid = process.pid();

    let closed = large.scratch.make_dir("closed")?;
    let image = closed.join("app.img");
    checkpoint(&large.launch.program, pid, &image, false)?;
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o555))?;
    let create =
        |image: &Path, why: &str| format!("cannot create {}.{pid}.tmp: {why}", image.display());
    let what = create(&image, "permission denied");
    fails_cleanly(&large, &mut process, &image, &what)?;

    let nowhere = large.scratch.join("nowhere/app.img");
    let output = large.request(&process, &nowhere).output()?;
    told(&output, &create(&nowhere, "no such file or directory"))?;

    // A folder has the name: the image is written, but cannot take it.
    let folder = large.scratch.make_dir("folder")?;
    let output = large.request(&process, &folder).output()?;
    let shown = folder.display();
    let what = format!("cannot give {shown}.{pid}.tmp its name {shown}: is a directory");
    told(&output, &what)?;
    let left = listing(large.scratch.path())?;
    let is_temporary = |path: &PathBuf| path.display().to_string().ends_with(".tmp");
    ensure!(!left.iter().any(is_temporary), "left: {left:?}");
    large.ends(process)?;
    large.restores(&image)
}

#[test]
fn never_through_a_link() -> Result<()> {
    let large = Large::new("links")?;
    let process = start(&large.launch, &large.scratch)?;
    let precious = large.scratch.write("precious", "precious")?;
    let image = large.scratch.join("app.img");
    symlink("precious", &image)?;
    let temporary = format!("app.img.{}.tmp", process.pid());
    symlink("precious", large.scratch.join(&temporary))?;
    if is_root() {
        for link in [&image, &large.scratch.join(&temporary)] {
            std::os::unix::fs::lchown(link, Some(1), Some(1))?;
        }
        chown(large.scratch.path(), Some(65534), Some(65534))?;
    }
    checkpoint(&large.launch.program, process.pid(), &image, false)?;
    ensure!(
        fs::read(&precious)? == b"precious",
        "written through a link"
    );
    let meta = fs::symlink_metadata(&image)?;
    ensure!(meta.is_file(), "the image is a link");
    ensure!(meta.mode() & 0o7777 == 0o600, "mode {:o}", meta.mode());
    ensure!(!large.scratch.join(&temporary).is_symlink(), "left");
    large.ends(process)?;
    large.restores(&image)
}

/// An image is its owner's to read, whatever the program's creation mask.
#[test]
fn readable_under_any_mask() -> Result<()> {
    let mut large = Large::new("umask")?;
    let command = format!("umask 777; exec {} \"$@\"", large.launch.program.display());
    let app = std::mem::replace(&mut large.launch.program, "/bin/sh".into());
    large.launch.args = [
        vec!["-c".to_owned(), command, "sh".to_owned()],
        large.launch.args,
    ]
    .concat();
    let process = start(&large.launch, &large.scratch)?;
    large.launch.program = app;
    let image = large.scratch.join("app.img");
    checkpoint(&large.launch.program, process.pid(), &image, false)?;
    let mode = fs::metadata(&image)?.mode();
    ensure!(mode & 0o7777 == 0o600, "mode {mode:o}");
    large.ends(process)?;
    large.restores(&image)
}

#[test]
fn goes_on_while_others_are_cut_off() -> Result<()> {
    // The requester dies; the program does not care and finishes the image.
    let large = Large::new("requester")?;
    let process = start(&large.launch, &large.scratch)?;
    let image = large.scratch.join("app.img");
    let mut requester = large.request(&process, &image).spawn()?;
    let temporary = large
        .scratch
        .join(&format!("app.img.{}.tmp", process.pid()));
    wait_until("the dump's begin", || {
        Ok(temporary.exists() || image.exists())
    })?;
    requester.kill()?;
    requester.wait()?;
    wait_until("the image", || Ok(image.exists()))?;
    sleep(Duration::from_millis(50));
    large.ends(process)?;
    large.restores(&image)
}

/// An image is read as a restore reads it before it gets its name.
#[test]
fn not_restorable() -> Result<()> {
    let scratch = Scratch::new("unrestorable")?;
    let program = scratch.join("app");
    patch(
        &Sample::named("image/unrestorable")?.build(Link::Static)?,
        &program,
    )?;
    let go = scratch.join("go").display().to_string();
    let launch = Launch::new(&program, &[&go], scratch.path());
    let mut process = launch.start()?;
    wait_until("\"ready\"", || {
        process.check_alive()?;
        Ok(scratch.text("out").ends_with("ready\n"))
    })?;
    if scratch.text("out") != "ready\n" {
        eprintln!("this processor or kernel has no wrgsbase");
        return Ok(());
    }
    let large = Large { scratch, launch };
    let image = large.scratch.write("app.img", "the image before")?;
    let what = format!(
        "the image would not restore: {}: impossible value: thread",
        image.display()
    );
    fails_cleanly(&large, &mut process, &image, &what)?;
    large.ends(process)
}
