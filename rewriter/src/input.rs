//! The file to patch: opened once, read in pieces, never held whole.

use std::fs::{self, File, Metadata};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::error::{PatchError, Result};

/// An open regular file and its length at the time it was opened.
#[derive(Debug)]
pub(crate) struct Input {
    pub(crate) path: PathBuf,
    pub(crate) file: File,
    pub(crate) meta: Metadata,
    pub(crate) len: u64,
}

impl Input {
    /// Opens `path`, which must be a regular file with something in it.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        // Looked at before it is opened: opening a pipe would wait for its writer.
        let kind = fs::metadata(path).map_err(|e| PatchError::io("open it", &e))?;
        if kind.is_dir() {
            return Err(PatchError::unsupported(
                "is a directory",
                "name an executable",
            ));
        }
        if !kind.is_file() {
            return Err(PatchError::unsupported(
                "is not a regular file",
                "name an executable",
            ));
        }
        let file = File::open(path).map_err(|e| PatchError::io("open it", &e))?;
        let meta = file.metadata().map_err(|e| PatchError::io("read it", &e))?;
        if meta.len() == 0 {
            return Err(PatchError::unsupported("is empty", "name an executable"));
        }
        Ok(Self {
            path: path.to_path_buf(),
            len: meta.len(),
            file,
            meta,
        })
    }

    /// Reads `len` bytes at `offset`. The caller has checked that they lie in the file.
    pub(crate) fn read(&self, offset: u64, len: u64) -> Result<Vec<u8>> {
        let mut bytes = vec![0; to_usize(len)];
        self.file
            .read_exact_at(&mut bytes, offset)
            .map_err(|e| PatchError::io("read it", &e))?;
        Ok(bytes)
    }

    /// Reads `len` bytes at `offset`, or `what` of the error is that the file ends before.
    pub(crate) fn read_checked(&self, offset: u64, len: u64, what: &str) -> Result<Vec<u8>> {
        if offset.checked_add(len).is_none_or(|end| end > self.len) {
            return Err(PatchError::malformed(format!(
                "{what} ({len} bytes at offset {offset:#x}) reaches beyond the end of the file ({} bytes)",
                self.len
            )));
        }
        self.read(offset, len)
    }
}

/// A size or offset within memory: the hosts are 64-bit.
pub(crate) fn to_usize(n: u64) -> usize {
    usize::try_from(n).expect("usize has 64 bits on the one architecture supported")
}

/// The length of a slice as a file size.
pub(crate) fn to_u64(n: usize) -> u64 {
    u64::try_from(n).expect("usize has 64 bits on the one architecture supported")
}
