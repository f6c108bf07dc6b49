//! Where things are, and as whom programs run.

use std::env;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

/// The user as whom programs run when the tests run as root: `nobody`.
pub(crate) const PLAIN: u32 = 65534;

/// Whether the tests run as root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The repository's top level.
pub fn repository() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests).to_path_buf()
}

/// The directory of this profile's binaries: the test binary is in its `deps`.
pub(crate) fn profile_dir() -> Result<PathBuf> {
    let exe = env::current_exe().context("where am I?")?;
    let deps = exe.parent().context("the test binary has no directory")?;
    Ok(deps.parent().unwrap_or(deps).to_path_buf())
}

/// A directory for one test that the plain user owns; removed with the value.
#[derive(Debug)]
pub struct Scratch(TempDir);

impl Scratch {
    /// Under `/tmp`.
    pub fn new(label: &str) -> Result<Self> {
        Self::under("/tmp", label)
    }

    /// In memory: for what writes thousands of images.
    pub fn in_memory(label: &str) -> Result<Self> {
        Self::under("/dev/shm", label)
    }

    fn under(parent: &str, label: &str) -> Result<Self> {
        let label: String = label
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
            .collect();
        let dir = tempfile::Builder::new()
            .prefix(&format!("ckpt-{label}-"))
            .tempdir_in(parent)
            .with_context(|| format!("make a directory under {parent}"))?;
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755))?;
        give(dir.path())?;
        Ok(Self(dir))
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// A path in it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A file in it that the plain user owns.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> Result<PathBuf> {
        let path = self.join(name);
        fs::write(&path, content).with_context(|| format!("write {}", path.display()))?;
        give(&path)?;
        Ok(path)
    }

    /// A directory in it that the plain user owns.
    pub fn make_dir(&self, name: &str) -> Result<PathBuf> {
        let path = self.join(name);
        fs::create_dir(&path).with_context(|| format!("make {}", path.display()))?;
        give(&path)?;
        Ok(path)
    }

    /// A copy of an executable in it. Made by another process: a program that any process has open for
    /// writing cannot be executed, and a child that another test forks just then would have it open.
    pub fn copy(&self, from: &Path, name: &str) -> Result<PathBuf> {
        let to = self.join(name);
        let status = Command::new("cp")
            .args([from, &to])
            .status()
            .context("run cp")?;
        ensure!(status.success(), "cp {}: {status}", from.display());
        fs::set_permissions(&to, fs::Permissions::from_mode(0o755))?;
        Ok(to)
    }

    /// A file's content; an empty one if it is not there.
    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.join(name)).unwrap_or_default()
    }

    /// A file's content as text, for messages and comparisons.
    pub fn text(&self, name: &str) -> String {
        String::from_utf8_lossy(&self.read(name)).into_owned()
    }
}

/// Makes the plain user the owner, if that is somebody else.
pub(crate) fn give(path: &Path) -> Result<()> {
    if is_root() {
        chown(path, Some(PLAIN), Some(PLAIN))
            .with_context(|| format!("change the owner of {}", path.display()))?;
    }
    Ok(())
}
