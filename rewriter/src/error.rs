//! Why a file was not patched: what is wrong, with which file, and what to do next.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// What stands behind an [`PatchError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The file is sound, but of a sort that cannot be patched.
    Unsupported,
    /// The file contradicts itself or is cut short.
    Malformed,
    /// The file cannot be read, or the result cannot be written.
    Io,
    /// The result is not what was planned: a fault of this program.
    Bug,
}

/// Result of each stage.
pub type Result<T> = std::result::Result<T, PatchError>;

/// One reason, printed as one line: `FILE: what is wrong; what to do next`.
#[derive(Debug)]
pub struct PatchError {
    kind: Kind,
    file: Option<PathBuf>,
    what: String,
    next: String,
}

impl PatchError {
    /// The file is of a sort that cannot be patched.
    pub(crate) fn unsupported(what: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(Kind::Unsupported, what, next)
    }

    /// The file contradicts itself.
    pub(crate) fn malformed(what: impl Into<String>) -> Self {
        let next = "the file is damaged, build or copy it again";
        Self::new(Kind::Malformed, what, next)
    }

    /// `doing` failed with `source`.
    pub(crate) fn io(doing: &str, source: &io::Error) -> Self {
        let next = match source.kind() {
            io::ErrorKind::NotFound => "check the path",
            io::ErrorKind::PermissionDenied => "check the rights of the file and its directory",
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                "free some space or choose another directory with -o"
            }
            io::ErrorKind::ReadOnlyFilesystem => "choose another directory with -o",
            _ => "check the file system that holds it",
        };
        let mut reason = source.to_string();
        if let Some(at) = reason.find(" (os error ") {
            reason.truncate(at);
        }
        Self::new(Kind::Io, format!("cannot {doing}: {reason}"), next)
    }

    /// The result differs from the plan.
    pub(crate) fn bug(what: impl Into<String>) -> Self {
        let next = "nothing was written, please report this with the file";
        Self::new(Kind::Bug, what, next)
    }

    fn new(kind: Kind, what: impl Into<String>, next: impl Into<String>) -> Self {
        Self {
            kind,
            file: None,
            what: what.into(),
            next: next.into(),
        }
    }

    /// Says which file the error is about, unless that is known already.
    pub(crate) fn on(mut self, file: &Path) -> Self {
        self.file.get_or_insert_with(|| file.to_path_buf());
        self
    }

    /// What stands behind it.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }
}

impl fmt::Display for PatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = String::new();
        if let Some(file) = &self.file {
            line.push_str(&file.to_string_lossy());
            line.push_str(": ");
        }
        line.push_str(&self.what);
        line.push_str("; ");
        line.push_str(&self.next);
        // A path may hold a newline; the error must stay one line.
        f.write_str(&line.replace(char::is_control, "?"))
    }
}

impl std::error::Error for PatchError {}
