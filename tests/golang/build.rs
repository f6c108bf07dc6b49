//! Building Go programs.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use ckpt_tests::{Scratch, repository};

/// Builds files of `tests/golang/`, with or without cgo, by the `go` of the system or the one that
/// `CKPT_TEST_GO` names.
pub(crate) fn go(scratch: &Scratch, files: &[&str], flags: &[&str], cgo: &str) -> Result<PathBuf> {
    let tool = std::env::var_os("CKPT_TEST_GO").unwrap_or_else(|| "go".into());
    go_by(Path::new(&tool), scratch, files, flags, cgo)
}

/// Likewise, by this `go`.
pub(crate) fn go_by(
    tool: &Path,
    scratch: &Scratch,
    files: &[&str],
    flags: &[&str],
    cgo: &str,
) -> Result<PathBuf> {
    let built = scratch.join("built");
    let folder = repository().join("tests/golang");
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("go-cache");
    let output = Command::new(tool)
        .arg("build")
        .args(flags)
        .arg("-o")
        .arg(&built)
        .args(files.iter().map(|file| folder.join(file)))
        .env("GOCACHE", cache)
        .env("GO111MODULE", "off")
        .env("CGO_ENABLED", cgo)
        .output()
        .context("go: apt-get install golang-go")?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "go build: {complaint}");
    Ok(built)
}
