//! Process descriptors, pidfd_open(2): one that means the process itself means the restored one.

use ckpt_format::record::File;

use super::kinds::refused;
use super::{F_SETFL, fdinfo};
use crate::error::{Context, Result};
use crate::sys::fs::{self, Fd};
use crate::sys::process;
use crate::util::text::{ShortText, Show};

/// PIDFD_THREAD: it means a thread. The flag stays in what F_GETFL gives.
const THREAD: u32 = fs::O_EXCL;

/// Refuses one that means another process, or a thread that is not the first.
pub(super) fn look(fd: i32, flags: u32) -> Result<()> {
    let mut buffer = [0; 256];
    // No number: -1 for a process that has ended and was waited for.
    let id = fdinfo::number(fdinfo::read(fd, &mut buffer)?, b"Pid:");
    match id {
        Some(id) if id == u64::from(process::id()) => Ok(()),
        Some(id) if flags & THREAD != 0 => Err(refused(fd, format_args!("pidfd of thread {id}"))),
        Some(id) => {
            let path = ShortText::format(format_args!("/proc/{id}/comm"));
            let mut name = [0; 64];
            let name = fs::glance(path.as_c(), &mut name).trim_ascii_end();
            let name = Show(name);
            Err(refused(fd, format_args!("pidfd of process {id} ({name})")))
        }
        None => Err(refused(
            fd,
            format_args!("pidfd of a process that has ended"),
        )),
    }
}

/// Opens the restored process.
pub(super) fn open(fd: u32, file: &File<'_>) -> Result<Fd> {
    let what = format_args!("descriptor {fd}: cannot make its pidfd again");
    let made = process::open(process::id(), file.flags & THREAD).or_fail(what)?;
    fs::control(made.number(), F_SETFL, file.flags as usize).or_fail(what)?;
    Ok(made)
}
