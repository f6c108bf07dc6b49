//! What /proc tells the process that asks of the program and its threads.

use core::ffi::CStr;

use crate::error::{Context, Result};
use crate::sys::{SysResult, fs};
use crate::util::text::{ShortText, decimal, hexadecimal, labelled};

/// What /proc/PID/status tells.
pub(super) struct Status {
    pub(super) state: u8,
    pub(super) caught: u64,
    pub(super) blocked: u64,
    /// Of the thread's own.
    pub(super) pending: u64,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl Status {
    pub(super) fn read(pid: u32) -> Result<Self> {
        let path = ShortText::format(format_args!("/proc/{pid}/status"));
        Self::at(path.as_c()).or_fail(format_args!("no process {pid} to be seen"))
    }

    pub(super) fn of_thread(pid: u32, tid: u32) -> SysResult<Self> {
        let path = ShortText::format(format_args!("/proc/{pid}/task/{tid}/status"));
        Self::at(path.as_c())
    }

    fn at(path: &CStr) -> SysResult<Self> {
        let mut buffer = [0; 4096];
        let file = fs::open(path, fs::O_RDONLY, 0)?;
        let len = fs::read_at(file.number(), &mut buffer, 0)?;
        let text = buffer.get(..len).unwrap_or(&[]);
        let field = |name: &[u8]| labelled(text, name).unwrap_or(&[]);
        let set = |name: &[u8]| hexadecimal(field(name)).map_or(0, |(set, _)| set);
        let first = |name: &[u8]| decimal(field(name)).map_or(0, |(n, _)| n as u32);
        Ok(Self {
            state: field(b"State:").first().copied().unwrap_or(b'X'),
            caught: set(b"SigCgt:"),
            blocked: set(b"SigBlk:"),
            pending: set(b"SigPnd:"),
            uid: first(b"Uid:"),
            gid: first(b"Gid:"),
        })
    }
}

impl Status {
    pub(super) fn catches(&self, number: u32) -> bool {
        self.caught >> (number - 1) & 1 != 0
    }
}
