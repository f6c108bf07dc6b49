//! The threads.

use super::TASK_END;
use crate::codec::record;
use crate::{DecodeError, limits};

/// Bytes of the kernel's `struct robust_list_head`, the one length it takes.
const ROBUST: u64 = 24;

record! {
    /// One thread. General registers, extended state, signal mask and alternate stack stand in its
    /// signal frame, which is part of its memory.
    Thread {
        /// Thread id when the image was taken.
        tid: u32,
        /// Timer slack, nanoseconds.
        timer_slack: u64,
        /// Address of the `struct ucontext` in its signal frame.
        frame: u64,
        /// FS base (thread-local storage).
        fs_base: u64,
        /// GS base.
        gs_base: u64,
        /// Head of the robust futex list; zero for none.
        robust: u64,
        /// Length registered with it.
        robust_len: u64,
        /// Address cleared and woken when the thread ends; zero for none.
        clear_tid: u64,
        /// Registered restartable-sequences area; zero for none.
        rseq: u64,
        /// Length registered with it.
        rseq_len: u32,
        /// Signature registered with it.
        rseq_sig: u32,
        /// Words in the thread's memory that hold its id: `clear_tid` and others found, zero-filled.
        tid_words: [u64; 4],
        /// Name, NUL-padded.
        name: [u8; 16],
        /// Scheduling policy.
        policy: u32,
        /// Real-time priority.
        priority: u32,
        /// Nice value.
        nice: i32,
        /// I/O scheduling class and priority, as ioprio_get(2) gives them.
        io_priority: u32,
        /// Parent-death signal.
        death_signal: u32,
        /// Which processors it may run on, as the kernel's mask.
        affinity: [u64; 16],
        /// PR_SET_TSC: 1, or 2 if reading the time stamp counter is an error.
        time_stamp: u32,
        /// PR_MCE_KILL: when to be told of broken memory.
        machine_check: u32,
        /// PR_SET_IO_FLUSHER.
        io_flusher: u32,
        /// PR_SET_SPECULATION_CTRL as PR_GET_SPECULATION_CTRL tells it, of each kind.
        speculation: [u8; 3],
        /// Memory policy, MPOL_* with its flags, set_mempolicy(2).
        policy_mode: u32,
        /// Its nodes, one a bit.
        policy_nodes: [u64; 16],
    }
}

record! {
    /// Where a thread works that shares that with no other (unshare(2), CLONE_FS).
    Place<'a> {
        /// The thread's id.
        tid: u32,
        /// File mode creation mask.
        umask: u32,
        /// As of the process, [`super::Attributes::removed`].
        removed: u32,
        /// Working directory.
        cwd: &'a [u8],
    }
}

impl Place<'_> {
    /// Checks ranges.
    pub fn check(&self) -> Result<(), DecodeError> {
        if self.umask <= 0o777 && is_directory(self.cwd) {
            Ok(())
        } else {
            Err(DecodeError::Value("thread's working directory"))
        }
    }
}

record! {
    /// A descriptor of a thread that shares its descriptors with no other (unshare(2), CLONE_FILES).
    OwnDescriptor {
        /// The thread's id.
        tid: u32,
        /// Number of the descriptor; [`NO_DESCRIPTOR`] for a thread that has none at all.
        fd: u32,
        /// Place of its description in the files section.
        file: u32,
        /// 1 if it is closed on exec.
        cloexec: u32,
    }
}

/// See [`OwnDescriptor::fd`].
pub const NO_DESCRIPTOR: u32 = u32::MAX;

impl OwnDescriptor {
    /// Checks ranges, and the order behind the one before it.
    pub fn check(&self, last: Option<&Self>, files: u32) -> Result<(), DecodeError> {
        let last = last.filter(|last| last.tid == self.tid);
        let fits = match self.fd {
            NO_DESCRIPTOR => self.file == 0 && self.cloexec == 0 && last.is_none(),
            fd => {
                let follows = last.is_none_or(|last| fd > last.fd);
                fd < limits::DESCRIPTORS && self.file < files && self.cloexec <= 1 && follows
            }
        };
        if fits {
            Ok(())
        } else {
            Err(DecodeError::Value("descriptor of a thread"))
        }
    }
}

/// Can that be the path of a working directory?
pub(super) fn is_directory(path: &[u8]) -> bool {
    path.len() <= limits::PATH && !path.contains(&0) && path.first() == Some(&b'/')
}

impl Thread {
    /// Checks what can be checked without the mappings.
    pub fn check(&self) -> Result<(), DecodeError> {
        let bases = self.fs_base <= TASK_END && self.gs_base <= TASK_END;
        let list = [0, ROBUST].contains(&self.robust_len);
        let rseq = self.rseq.is_multiple_of(32) && (self.rseq == 0) == (self.rseq_len == 0);
        let words = self.tid_words.iter().all(|word| word.is_multiple_of(4));
        if self.tid == 0 || self.death_signal > 64 || !bases || !list || !rseq || !words {
            return Err(DecodeError::Value("thread"));
        }
        Ok(())
    }
}
