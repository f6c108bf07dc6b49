//! POSIX message queues.
#![expect(unsafe_code, reason = "system calls")]

use core::ffi::CStr;

use super::fs::Fd;
use super::{SysResult, call};

/// Most messages, and most bytes of one.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Messages.
    pub messages: u64,
    /// Bytes.
    pub bytes: u64,
}

/// mq_open(2) with a name without a slash; close-on-exec of itself, and said in the flags it would
/// stay in them, for fcntl(2) and all copies. `shape` is for a new one.
pub fn open(name: &CStr, flags: u32, mode: u32, shape: Option<Shape>) -> SysResult<Fd> {
    // struct mq_attr: flags, most messages, most bytes, messages now, four words.
    let attributes = shape.map(|s| [0, s.messages, s.bytes, 0, 0, 0, 0, 0]);
    let at = attributes
        .as_ref()
        .map_or(core::ptr::null(), |a| a.as_ptr());
    // SAFETY: the kernel reads the name and the attributes.
    unsafe { call!(__NR_mq_open, name.as_ptr(), flags, mode, at) }.map(|fd| Fd::own(fd as i32))
}

/// mq_unlink(2).
pub fn unlink(name: &CStr) -> SysResult<()> {
    // SAFETY: the kernel reads the name.
    unsafe { call!(__NR_mq_unlink, name.as_ptr()) }.map(drop)
}

/// mq_getsetattr(2): the shape, and how many messages there are.
pub fn shape(fd: i32) -> SysResult<(Shape, u64)> {
    let mut attributes = [0u64; 8];
    // SAFETY: the kernel writes the attributes.
    unsafe { call!(__NR_mq_getsetattr, fd, 0, attributes.as_mut_ptr()) }?;
    let [_, messages, bytes, now, ..] = attributes;
    Ok((Shape { messages, bytes }, now))
}

/// Is somebody told of messages? mq_notify(2) takes one at a time, and is taken back.
pub fn tells(fd: i32) -> bool {
    const SIGEV_NONE: u64 = 1;
    // struct sigevent: value, signal and manner, and what else manners need.
    let event = [0, SIGEV_NONE << 32, 0, 0, 0, 0, 0, 0];
    // SAFETY: the kernel reads the event.
    let told = unsafe { call!(__NR_mq_notify, fd, event.as_ptr()) }.is_err();
    if !told {
        // SAFETY: takes no memory.
        let _ = unsafe { call!(__NR_mq_notify, fd, 0) };
    }
    told
}

/// mq_timedreceive(2), from a descriptor that does not wait: takes the first message; tells its
/// length and priority.
pub fn receive(fd: i32, to: &mut [u8]) -> SysResult<(usize, u32)> {
    let mut priority = 0u32;
    let (at, len) = (to.as_mut_ptr(), to.len());
    let rank = core::ptr::from_mut(&mut priority);
    // SAFETY: the kernel writes within `to`, and the priority.
    let got = unsafe { call!(__NR_mq_timedreceive, fd, at, len, rank, 0) }?;
    Ok((got, priority))
}

/// mq_timedsend(2), to a descriptor that does not wait.
pub fn send(fd: i32, message: &[u8], priority: u32) -> SysResult<()> {
    let (at, len) = (message.as_ptr(), message.len());
    // SAFETY: the kernel reads the message.
    unsafe { call!(__NR_mq_timedsend, fd, at, len, priority, 0) }.map(drop)
}
