//! Attributes of the process.

use super::thread::is_directory;
use crate::DecodeError;
use crate::codec::record;

/// Resource limits of the kernel (RLIM_NLIMITS of asm-generic/resource.h).
pub const LIMITS: usize = 16;

/// The commands of membarrier(2) that register (linux/membarrier.h).
const REGISTRATIONS: u32 = 1 << 2 | 1 << 4 | 1 << 6 | 1 << 8;

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
        /// PR_SET_THP_DISABLE: 0, 1, or 3 with PR_THP_DISABLE_EXCEPT_ADVISED.
        thp_disable: u32,
        /// `oom_score_adj` of /proc.
        oom_score: i32,
        /// `coredump_filter` of /proc.
        core_filter: u32,
        /// Registrations of membarrier(2) as its commands, one bit each.
        barriers: u32,
        /// PR_SET_MEMORY_MERGE.
        memory_merge: u32,
        /// Soft limits.
        soft: [u64; 16],
        /// Hard limits.
        hard: [u64; 16],
        /// Zero, or of a working directory that was removed the place of its open file in the
        /// files section, plus one.
        removed: u32,
        /// Working directory.
        cwd: &'a [u8],
    }
}

impl Attributes<'_> {
    /// Checks ranges.
    pub fn check(&self) -> Result<(), DecodeError> {
        let path = is_directory(self.cwd);
        let switches = self.subreaper <= 1
            && self.no_new_privs <= 1
            && self.dumpable <= 2
            && self.memory_merge <= 1
            && [0, 1, 3].contains(&self.thp_disable)
            && (-1000..=1000).contains(&self.oom_score)
            && self.core_filter < 1 << 16
            && self.barriers & !REGISTRATIONS == 0;
        if self.umask > 0o777 || !switches || !path {
            return Err(DecodeError::Value("attributes"));
        }
        if self.soft.iter().zip(&self.hard).any(|(s, h)| s > h) {
            return Err(DecodeError::Value("soft limit above its hard limit"));
        }
        Ok(())
    }
}
