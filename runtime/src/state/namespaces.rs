//! Namespaces that the program has entered itself, unshare(2) and setns(2): paths, addresses and ids
//! mean something else in them, and a restore would leave it in those of the restoring command.
//!
//! Nothing in /proc tells whose doing it was, so they are noted at the start. To enter any takes
//! CAP_SYS_ADMIN, which a plain user gets by a user namespace first: that one alone is noted for them,
//! and the start costs them one system call.

use crate::config::{self, NAMESPACES};
use crate::error::{Result, fail};
use crate::quiesce::Standstill;
use crate::sys::fs;
use crate::util::text::{Show, Text, Words};

/// Names in /proc.
const NAMES: Words = Words("user mnt net uts ipc cgroup pid_for_children time_for_children");

/// Notes those of the calling thread, by their inodes; `all` of them for who may enter others.
/// Zero is not known.
#[must_use]
pub fn note(all: bool) -> [u32; NAMESPACES] {
    let mut noted = [0; NAMESPACES];
    let count = if all { NAMESPACES } else { 1 };
    for (n, slot) in noted.iter_mut().enumerate().take(count) {
        *slot = of(b"thread-self", n);
    }
    noted
}

/// The inode of a thread's n-th namespace; `thread` is its folder in /proc.
fn of(thread: &[u8], n: usize) -> u32 {
    let mut path = Text::<64>::new();
    for part in [b"/proc/", thread, b"/ns/", NAMES.get(n).unwrap_or(b"")] {
        path.push(part);
    }
    fs::stat(path.as_c()).map_or(0, |stat| stat.st_ino as u32)
}

/// Refuses by name what is not that of the start. `others` are the threads beside the caller.
pub fn refuse(others: &Standstill) -> Result<()> {
    let noted = config::with(|c| c.streams.streams.namespaces);
    for (n, &then) in noted.iter().enumerate().filter(|(_, then)| **then != 0) {
        let name = Show(NAMES.get(n).unwrap_or(b""));
        if of(b"thread-self", n) != then {
            fail!("{name} namespace that the program has entered itself: not carried");
        }
        // Only a process of one thread may enter a user namespace.
        for tid in others.records().map(|record| record.tid).filter(|_| n > 0) {
            let folder = Text::<32>::format(format_args!("self/task/{tid}"));
            if of(folder.as_bytes(), n) != then {
                fail!("thread {tid} with a {name} namespace of its own: not carried");
            }
        }
    }
    Ok(())
}
