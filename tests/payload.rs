//! What patching costs a program: bytes of its file, and system calls at its start.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use ckpt_tests::{Link, Sample, Scratch, is_root, patch};

/// Most bytes that patching may add to a file: payload, handoff page, padding, headers.
const GROWTH: u64 = 150_000;

/// The system calls of a start with nothing but the three standard streams, none of them a
/// terminal, and without settings in the environment.
const CALLS: [&str; 19] = [
    // The payload's data become writable.
    "mprotect",
    // What the root directory, namespaces (see `expected`) and the standard streams are.
    "stat",
    "fstat",
    "fcntl",
    "fstat",
    "fcntl",
    "fstat",
    "fcntl",
    // Whether there are others.
    "openat",
    "getdents64",
    "getdents64",
    "close",
    // The folder of images; whether a filter of system calls is in force; the break; the thread pointer.
    "getcwd",
    "prctl",
    "brk",
    "arch_prctl",
    // The signal that asks for a checkpoint, and those of the command.
    "rt_sigaction",
    "rt_sigaction",
    "rt_sigaction",
];

/// A small program, and the same patched.
fn small(scratch: &Scratch, link: Link) -> Result<(PathBuf, PathBuf)> {
    let program = Sample::named("process/umask")?.build(link)?;
    let patched = scratch.join(&format!("small-{}", link.name()));
    patch(&program, &patched)?;
    Ok((program, patched))
}

#[test]
fn a_file_grows_by_no_more_than_150_000_bytes() -> Result<()> {
    let scratch = Scratch::new("growth")?;
    for link in Link::ALL {
        let (program, patched) = small(&scratch, link)?;
        let growth = fs::metadata(&patched)?.len() - fs::metadata(&program)?.len();
        ensure!(growth <= GROWTH, "{}: {growth} bytes", link.name());
    }
    Ok(())
}

/// [`CALLS`], with a look at the user namespace, or at each of eight namespaces if root starts it.
fn expected() -> Vec<&'static str> {
    let (before, after) = CALLS.split_at(2);
    let looks = if is_root() { 8 } else { 1 };
    [before, &vec!["stat"; looks], after].concat()
}

/// The names of a program's system calls, from its own execve(2) on.
fn calls(program: &Path, scratch: &Scratch) -> Result<Vec<String>> {
    // What somebody left open would be looked at, too.
    close_fds::set_fds_cloexec_threadsafe(3, &[]);
    let log = scratch.join("strace");
    let status = Command::new("strace")
        .arg("-o")
        .arg(&log)
        .arg(program)
        // It need not do anything but start.
        .arg("start")
        .env_clear()
        .current_dir(scratch.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("run strace; tests/run.sh installs what is needed")?
        .wait()?;
    let log = fs::read_to_string(&log)?;
    let calls: Vec<String> = log
        .lines()
        .filter_map(|line| Some(line.split_once('(')?.0.to_owned()))
        .collect();
    ensure!(calls.len() > 3, "{status}: {log}");
    Ok(calls)
}

#[test]
fn a_start_makes_these_system_calls_and_no_others() -> Result<()> {
    let scratch = Scratch::new("start")?;
    for link in [Link::Static, Link::Musl, Link::Pie] {
        let source = scratch.join("nothing.c");
        fs::write(&source, "int main(void) { return 0; }\n")?;
        let program = scratch.join(&format!("nothing-{}", link.name()));
        let (compiler, flags) = match link {
            Link::Musl => ("musl-gcc", ["-static"]),
            Link::Static => ("cc", ["-static"]),
            _ => ("cc", ["-pie"]),
        };
        let status = Command::new(compiler)
            .args(flags)
            .arg("-o")
            .args([&program, &source])
            .status()?;
        ensure!(status.success(), "{compiler}: {status}");
        let patched = scratch.join(&format!("patched-{}", link.name()));
        patch(&program, &patched)?;
        let (before, after) = (calls(&program, &scratch)?, calls(&patched, &scratch)?);
        // A dynamic linker runs first, and calls as it did.
        let expected = expected();
        let ours = |n: &usize| {
            let there = after.get(*n..*n + expected.len());
            there.is_some_and(|there| there == expected)
        };
        let at = (0..after.len())
            .find(ours)
            .with_context(|| format!("{}: {after:?}", link.name()))?;
        let rest = [&after[..at], &after[at + expected.len()..]].concat();
        ensure!(rest == before, "{}: {rest:?}, not {before:?}", link.name());
    }
    Ok(())
}
