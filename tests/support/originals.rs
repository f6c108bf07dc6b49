//! Real programs: where they are installed, or how they are built.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::place::{Scratch, repository};

/// Where the JVM is that `tests/packages` names.
pub const JVM: &str = "/usr/lib/jvm/java-17-openjdk-amd64";

/// The file of a program of the system.
pub fn installed(path: &str) -> Result<PathBuf> {
    fs::canonicalize(path).with_context(|| needed(path))
}

/// Runs a compiler with these arguments and a source file of `tests/`; gives what it made.
pub fn build(scratch: &Scratch, compiler: &[&str], source: &str) -> Result<PathBuf> {
    let (&command, args) = compiler.split_first().context("no compiler")?;
    let built = scratch.join("built");
    succeed(
        Command::new(command)
            .args(args)
            .arg(repository().join("tests").join(source))
            .arg("-o")
            .arg(&built),
        command,
    )?;
    Ok(built)
}

/// A Java program of `tests/`, compiled, and the folders that `bin/java` looks for beside its own.
pub fn java(scratch: &Scratch, source: &str) -> Result<()> {
    succeed(
        Command::new(format!("{JVM}/bin/javac"))
            .arg("-d")
            .arg(scratch.path())
            .arg(repository().join("tests").join(source)),
        "javac",
    )?;
    scratch.make_dir("bin")?;
    for folder in ["lib", "conf"] {
        symlink(Path::new(JVM).join(folder), scratch.join(folder))?;
    }
    Ok(())
}

/// Runs a command of the system, which must succeed.
fn succeed(command: &mut Command, name: &str) -> Result<()> {
    let run = command.output().with_context(|| needed(name))?;
    let complaint = String::from_utf8_lossy(&run.stderr);
    ensure!(run.status.success(), "{command:?}: {complaint}");
    Ok(())
}

fn needed(what: &str) -> String {
    format!("{what} is not installed; tests/run.sh installs it")
}
