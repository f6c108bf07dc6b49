//! The tool under test.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, bail};

use crate::place::{profile_dir, repository};

/// The `ckpt-patch` binary of this profile. Cargo builds it for its own package's tests only, so it is
/// built here, once for each test binary; that takes no time when it is up to date. `CKPT_PATCH` names
/// another one to be tested, such as one that is installed.
pub fn patch_tool() -> Result<&'static Path> {
    static TOOL: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match TOOL.get_or_init(|| build_tool().map_err(|error| format!("{error:#}"))) {
        Ok(path) => Ok(path),
        Err(message) => bail!("{message}"),
    }
}

fn build_tool() -> Result<PathBuf> {
    if let Some(path) = env::var_os("CKPT_PATCH") {
        return Ok(path.into());
    }
    let profile = profile_dir()?;
    let target = profile.parent().context("no target directory")?;
    let name = profile.file_name().context("no profile directory")?;
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build
        .current_dir(repository())
        .args([
            "build",
            "--quiet",
            "--package",
            "ckpt-patch",
            "--bin",
            "ckpt-patch",
        ])
        .arg("--target-dir")
        .arg(target);
    if name == "release" {
        build.arg("--release");
    }
    let status = build.status().context("run cargo")?;
    if !status.success() {
        bail!("ckpt-patch does not build");
    }
    Ok(profile.join("ckpt-patch"))
}

/// Patches a program: `ckpt-patch FROM -o TO`.
pub fn patch(from: &Path, to: &Path) -> Result<()> {
    patch_with(from, to, &[])
}

/// Likewise, with options.
pub fn patch_with(from: &Path, to: &Path, options: &[&str]) -> Result<()> {
    let run = Command::new(patch_tool()?)
        .args(options)
        .arg(from)
        .arg("-o")
        .arg(to)
        .output()
        .context("run ckpt-patch")?;
    if !run.status.success() {
        bail!(
            "ckpt-patch {} failed ({}): {}",
            from.display(),
            run.status,
            String::from_utf8_lossy(&run.stderr)
        );
    }
    Ok(())
}
