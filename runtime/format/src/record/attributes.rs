//! Attributes of the process.

use crate::codec::record;
use crate::{DecodeError, limits};

/// Resource limits of the kernel (RLIM_NLIMITS of asm-generic/resource.h).
pub const LIMITS: usize = 16;

record! {
    /// What belongs to the process as a whole and fits nowhere else.
    Attributes<'a> {
        /// File mode creation mask.
        umask: u32,
        /// Execution domain, personality(2).
        personality: u32,
        /// PR_SET_CHILD_SUBREAPER.
        subreaper: u32,
        /// PR_SET_NO_NEW_PRIVS.
        no_new_privs: u32,
        /// PR_SET_DUMPABLE.
        dumpable: u32,
        /// PR_SET_THP_DISABLE.
        thp_disable: u32,
        /// Soft limits.
        soft: [u64; 16],
        /// Hard limits.
        hard: [u64; 16],
        /// Working directory.
        cwd: &'a [u8],
    }
}

impl Attributes<'_> {
    /// Checks ranges.
    pub fn check(&self) -> Result<(), DecodeError> {
        let flags = [self.subreaper, self.no_new_privs, self.thp_disable];
        let path = self.cwd.len() <= limits::PATH && !self.cwd.contains(&0);
        if self.umask > 0o777 || flags.iter().any(|&f| f > 1) || self.dumpable > 2 || !path {
            return Err(DecodeError::Value("attributes"));
        }
        Ok(())
    }
}
