//! What an image can do: be restored again and again, by the same program under another name or in another
//! place, and be left alone by all of it.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::net::{SocketAddrV4, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context, Result, bail, ensure};
use ckpt_tests::{
    Launch, Link, Process, Sample, Scratch, Subject, checkpoint, command_of, patch,
    wait_for_runtime,
};

/// A stopped subject and its image.
fn stopped(label: &str, sample: &str) -> Result<(Subject, std::path::PathBuf)> {
    let mut subject = Subject::start(label, sample)?;
    let image = subject.scratch.join("kept.img");
    checkpoint(&subject.launch.program, subject.process.pid(), &image, true)?;
    subject.process.wait()?;
    Ok((subject, image))
}

#[test]
fn one_image_restores_any_number_of_times() -> Result<()> {
    let (mut subject, image) = stopped("again", "memory/data")?;
    let before = fs::read(&image)?;
    for _ in 0..5 {
        subject.restore(&image)?;
        subject.judge()?;
        fs::remove_file(subject.scratch.join("go"))?;
    }
    ensure!(fs::read(&image)? == before, "the image has changed");
    Ok(())
}

#[test]
fn two_restores_run_side_by_side() -> Result<()> {
    let (mut subject, image) = stopped("side-by-side", "memory/anon")?;
    let mut other = subject.launch.restore(&image);
    other.streams.output = "other.out".to_owned();
    other.streams.error = "other.err".to_owned();
    let mut second = other.start()?;
    subject.restore(&image)?;
    subject.judge()?;
    let status = second.wait()?;
    ensure!(
        status.code() == Some(42),
        "{status}; {}",
        second.complaint()
    );
    Ok(())
}

#[test]
fn the_executable_may_have_moved() -> Result<()> {
    let (mut subject, image) = stopped("moved", "process/dlopen")?;
    let dir = subject.scratch.make_dir("elsewhere")?;
    let moved = dir.join("other-name");
    fs::rename(&subject.launch.program, &moved)?;
    subject.launch.program = moved;
    subject.restore(&image)?;
    subject.finish()
}

#[test]
fn a_program_patched_again_alike_restores_it() -> Result<()> {
    let (mut subject, image) = stopped("patched-again", "memory/data")?;
    fs::remove_file(&subject.launch.program)?;
    patch(
        &Sample::named("memory/data")?.build(Link::Pie)?,
        &subject.launch.program,
    )?;
    subject.restore(&image)?;
    subject.finish()
}

#[test]
fn another_program_does_not() -> Result<()> {
    let (subject, image) = stopped("another", "memory/data")?;
    let scratch = Scratch::new("another")?;
    let program = scratch.join("app");
    patch(&Sample::named("memory/anon")?.build(Link::Pie)?, &program)?;
    let run = command_of(&program, None)
        .arg("--restore")
        .arg(&image)
        .output()?;
    let message = String::from_utf8_lossy(&run.stderr).into_owned();
    ensure!(run.status.code() == Some(125), "{}: {message}", run.status);
    ensure!(message.starts_with("ckpt: error: "), "{message}");
    ensure!(run.stdout.is_empty(), "something has run");
    drop(subject);
    Ok(())
}

#[test]
fn what_is_no_image_is_refused() -> Result<()> {
    let scratch = Scratch::new("no-image")?;
    let program = scratch.join("app");
    patch(&Sample::named("memory/data")?.build(Link::Pie)?, &program)?;
    let missing = scratch.join("missing.img");
    let empty = scratch.write("empty.img", "")?;
    let text = scratch.write("text.img", "once upon a time\n".repeat(5000))?;
    for image in [
        &missing,
        &empty,
        &text,
        &program,
        Path::new("/dev/null"),
        Path::new("/tmp"),
    ] {
        let mut process = Launch::new(&program, &["go"], scratch.path())
            .restore(image)
            .start()?;
        let status = process.wait()?;
        let message = scratch.text("restore.err");
        ensure!(status.code() == Some(125), "{}: {status}", image.display());
        ensure!(
            message.starts_with("ckpt: error: "),
            "{}: {message:?}",
            image.display()
        );
        ensure!(
            message.lines().count() == 1,
            "{}: {message:?}",
            image.display()
        );
        ensure!(
            scratch.text("restore.out").is_empty(),
            "{}: it ran",
            image.display()
        );
    }
    Ok(())
}

#[test]
fn a_file_that_is_gone_is_named() -> Result<()> {
    let (subject, image) = stopped("gone", "files/dup")?;
    fs::remove_file(subject.scratch.join("file"))?;
    let mut process = subject.launch.restore(&image).start()?;
    let status = process.wait()?;
    let message = subject.scratch.text("restore.err");
    ensure!(status.code() == Some(125), "{status}");
    let name = subject.scratch.join("file").display().to_string();
    ensure!(
        message.starts_with("ckpt: error: ") && message.contains(&name),
        "{message:?}"
    );
    Ok(())
}

#[test]
fn a_fifo_that_somebody_filled_is_named() -> Result<()> {
    let (mut subject, image) = stopped("filled", "files/fifo")?;
    let name = subject.scratch.join("fifo");
    let mut other = fs::File::options().read(true).write(true).open(&name)?;
    other.write_all(b"more")?;
    let status = subject.launch.restore(&image).start()?.wait()?;
    let message = subject.scratch.text("restore.err");
    let what = format!("4 bytes wait in {} already\n", name.display());
    let right = message.starts_with("ckpt: error: descriptor ") && message.ends_with(&what);
    ensure!(status.code() == Some(125) && right, "{status} {message:?}");
    // The name may be another file's by now.
    drop(other);
    let kept = subject.scratch.join("kept");
    fs::rename(&name, &kept)?;
    subject.scratch.write("fifo", "no FIFO")?;
    let status = subject.launch.restore(&image).start()?.wait()?;
    let message = subject.scratch.text("restore.err");
    let what = format!("{} is of another kind now\n", name.display());
    ensure!(
        status.code() == Some(125) && message.ends_with(&what),
        "{status} {message:?}"
    );
    // Nobody has it any more, and nothing is in it.
    fs::rename(&kept, &name)?;
    subject.restore(&image)?;
    subject.judge()
}

/// Where a program listens: its one TCP socket of version 4.
fn listens_at(process: &Process) -> Result<SocketAddrV4> {
    let mut inodes = BTreeSet::new();
    for entry in fs::read_dir(format!("/proc/{}/fd", process.pid()))? {
        let link = fs::read_link(entry?.path())?.display().to_string();
        let inode = link
            .strip_prefix("socket:[")
            .map(|n| n.trim_end_matches(']').to_owned());
        inodes.extend(inode);
    }
    // Address and port in hexadecimal, the address as this machine reads its bytes; the inode is the tenth word.
    for row in fs::read_to_string("/proc/net/tcp")?.lines() {
        let words: Vec<&str> = row.split_whitespace().collect();
        if words.get(9).is_some_and(|inode| inodes.contains(*inode)) {
            let (ip, port) = words[1].split_once(':').context("an address")?;
            let ip = u32::from_str_radix(ip, 16)?.to_le_bytes();
            return Ok(SocketAddrV4::new(ip.into(), u16::from_str_radix(port, 16)?));
        }
    }
    bail!("it does not listen")
}

#[test]
fn a_port_that_somebody_took_is_named() -> Result<()> {
    let mut subject = Subject::start("port", "sockets/tcp_listening")?;
    let at = listens_at(&subject.process)?;
    let image = subject.scratch.join("kept.img");
    checkpoint(&subject.launch.program, subject.process.pid(), &image, true)?;
    subject.process.wait()?;
    let taken = TcpListener::bind(at)?;
    let mut launch = subject.launch.restore(&image);
    launch.streams.error = "refused.err".to_owned();
    let status = launch.start()?.wait()?;
    let message = subject.scratch.text("refused.err");
    let what = format!(
        "cannot bind to {at}: it is taken by another process, which has to end first, or --remap {at}=HOST:PORT\n"
    );
    let right = message.starts_with("ckpt: error: descriptor ") && message.ends_with(&what);
    ensure!(status.code() == Some(125) && right, "{status} {message:?}");
    drop(taken);
    subject.restore(&image)?;
    subject.judge()
}

#[test]
fn who_connects_at_the_time_of_a_restore_is_nobodys_partner() -> Result<()> {
    let (mut subject, image) = stopped("crowd", "sockets/crowd")?;
    let (name, over) = (subject.scratch.join("crowd"), AtomicBool::new(false));
    let strangers = || {
        // Each is there for as long as it can be.
        let mut kept = Vec::new();
        while !over.load(Ordering::Relaxed) {
            kept.extend(UnixStream::connect(&name).ok());
            thread::yield_now();
        }
        kept.len()
    };
    thread::scope(|scope| {
        let all = [(); 3].map(|()| scope.spawn(strangers));
        let judged = subject.restore(&image).and_then(|()| subject.judge());
        over.store(true, Ordering::Relaxed);
        let count: usize = all.into_iter().filter_map(|one| one.join().ok()).sum();
        judged.with_context(|| format!("{count} others"))?;
        ensure!(count > 0, "nobody has connected");
        Ok(())
    })
}

#[test]
fn a_file_that_somebody_locked_is_named() -> Result<()> {
    let (mut subject, image) = stopped("locked", "files/locks")?;
    let refused = |file: &str, what: &str| -> Result<()> {
        let mut launch = subject.launch.restore(&image);
        launch.streams.error = "refused.err".to_owned();
        let status = launch.start()?.wait()?;
        let message = subject.scratch.text("refused.err");
        let place = subject.scratch.join(file).display().to_string();
        let right = message.starts_with("ckpt: error: descriptor ")
            && message.ends_with(&format!(": {place} is locked by another process{what}\n"));
        ensure!(status.code() == Some(125) && right, "{status} {message:?}");
        Ok(())
    };
    // By flock.
    let file = fs::File::open(subject.scratch.join("exclusive"))?;
    file.lock()?;
    refused("exclusive", "")?;
    drop(file);
    // By the program itself, restored before; which does not mind.
    let mut first = subject.launch.restore(&image).start()?;
    wait_for_runtime(&mut first)?;
    refused("posix", " (bytes 2 to 4)")?;
    subject.process = first;
    subject.judge()
}

#[test]
fn shared_memory_that_is_gone_is_made_again() -> Result<()> {
    let (mut subject, image) = stopped("segment", "ipc/sysv_shm")?;
    let key = 0x4300_0000 | subject.process.pid();
    let gone = command_of("ipcrm".as_ref(), None)
        .args(["-M", &key.to_string()])
        .status()?;
    ensure!(gone.success(), "ipcrm: {gone}");
    // The second time, another one has its key, of which nobody makes use.
    for _ in 0..2 {
        subject.restore(&image)?;
        subject.process.kill()?;
    }
    subject.restore(&image)?;
    let mut other = subject.launch.restore(&image);
    other.streams.output = "other.out".to_owned();
    other.streams.error = "other.err".to_owned();
    let mut second = other.start()?;
    let status = second.wait()?;
    let complaint = second.complaint();
    ensure!(
        status.code() == Some(125)
            && complaint.contains(" is gone, and another is in use with its key 0x43"),
        "{status}; {complaint}"
    );
    subject.judge()
}

#[test]
fn a_semaphore_that_somebody_took_is_named() -> Result<()> {
    let (mut subject, image) = stopped("semaphore", "ipc/sysv_undo")?;
    // What one restored program has, another cannot have.
    subject.restore(&image)?;
    let mut other = subject.launch.restore(&image);
    other.streams.output = "other.out".to_owned();
    other.streams.error = "other.err".to_owned();
    let mut second = other.start()?;
    let status = second.wait()?;
    let complaint = subject.scratch.text("other.err");
    ensure!(
        status.code() == Some(125)
            && complaint.contains("semaphore 0 of System V set ")
            && complaint.contains(" is taken by another process"),
        "{status}; {complaint}"
    );
    subject.judge()?;
    let status = subject.launch.restore(&image).start()?.wait()?;
    let complaint = subject.scratch.text("restore.err");
    ensure!(
        status.code() == Some(125) && complaint.contains(" is gone"),
        "{status}; {complaint}"
    );
    Ok(())
}
