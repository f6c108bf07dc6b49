//! Calls about signals.
#![expect(unsafe_code, reason = "system calls")]

use ckpt_format::record::Action;

use super::{SysResult, call};

/// The kernel's `siginfo_t`.
pub type Info = [u8; 128];

/// Bytes of a signal set.
const SET: usize = 8;

/// SA_SIGINFO.
pub const SA_SIGINFO: u64 = 4;
/// SA_RESTORER.
pub const SA_RESTORER: u64 = 0x0400_0000;
/// SA_ONSTACK.
pub const SA_ONSTACK: u64 = 0x0800_0000;
/// SA_RESTART.
pub const SA_RESTART: u64 = 0x1000_0000;

/// What a queued signal holds: number, `si_errno`, `si_code`, `si_pid`, `si_value`.
#[must_use]
pub fn info(number: u32, errno: u32, code: u32, pid: u32, value: u64) -> Info {
    let mut info: Info = [0; 128];
    let (words, _) = info.as_chunks_mut::<4>();
    let [low, high] = [value as u32, (value >> 32) as u32];
    let content = [number, errno, code, 0, pid, 0, low, high];
    for (word, value) in words.iter_mut().zip(content) {
        *word = value.to_le_bytes();
    }
    info
}

/// `si_errno`, `si_code`, `si_pid` and `si_value` of a signal that was queued.
#[must_use]
pub fn fields(info: &Info) -> (u32, u32, u32, u64) {
    let mut all = [0; 8];
    let (words, _) = info.as_chunks::<4>();
    for (field, word) in all.iter_mut().zip(words) {
        *field = u32::from_le_bytes(*word);
    }
    let [_, errno, code, _, pid, _, low, high] = all;
    (errno, code, pid, u64::from(low) | u64::from(high) << 32)
}

/// rt_sigaction(2): asks. The record has the kernel's layout (handler, flags, restorer, mask).
pub fn action(signal: u32) -> SysResult<Action> {
    let mut old = [0u64; 4];
    // SAFETY: the kernel writes the four numbers.
    unsafe { call!(__NR_rt_sigaction, signal, 0, old.as_mut_ptr(), SET) }?;
    let [handler, flags, restorer, mask] = old;
    Ok(Action {
        handler,
        flags,
        restorer,
        mask,
    })
}

/// rt_sigaction(2): sets.
///
/// # Safety
///
/// The handler is code that may run whenever the signal comes.
pub unsafe fn set_action(signal: u32, action: &Action) -> SysResult<()> {
    let new = [action.handler, action.flags, action.restorer, action.mask];
    // SAFETY: the kernel reads the four numbers; the handler is the caller's to answer for.
    unsafe { call!(__NR_rt_sigaction, signal, new.as_ptr(), 0, SET) }.map(drop)
}

/// rt_sigprocmask(2) with SIG_SETMASK; tells the mask before.
pub fn set_mask(mask: u64) -> SysResult<u64> {
    let mut old = 0u64;
    let new = core::ptr::from_ref(&mask);
    // SAFETY: the kernel reads one number and writes the other.
    unsafe {
        call!(
            __NR_rt_sigprocmask,
            2,
            new,
            core::ptr::from_mut(&mut old),
            SET
        )
    }?;
    Ok(old)
}

/// rt_sigpending(2): what waits for this thread or the process.
pub fn pending() -> SysResult<u64> {
    let mut set = 0u64;
    // SAFETY: the kernel writes the number.
    unsafe { call!(__NR_rt_sigpending, core::ptr::from_mut(&mut set), SET) }?;
    Ok(set)
}

/// rt_sigtimedwait(2) without waiting: takes a pending signal of the set.
pub fn take(set: u64) -> SysResult<Info> {
    let mut info = [0u8; 128];
    let now = [0u64; 2];
    let which = core::ptr::from_ref(&set);
    // SAFETY: the kernel reads the set and the time and writes the information.
    unsafe {
        call!(
            __NR_rt_sigtimedwait,
            which,
            info.as_mut_ptr(),
            now.as_ptr(),
            SET
        )
    }?;
    Ok(info)
}

/// rt_sigwaitinfo(2): waits for a signal of the set, all of which are blocked.
pub fn wait(set: u64) -> SysResult<Info> {
    let mut info = [0u8; 128];
    let (which, to) = (core::ptr::from_ref(&set), info.as_mut_ptr());
    // SAFETY: the kernel reads the set and writes the information.
    unsafe { call!(__NR_rt_sigtimedwait, which, to, 0, SET) }?;
    Ok(info)
}

/// rt_sigqueueinfo(2): queues a signal with all its information for a process.
pub fn queue(pid: u32, signal: u32, info: &Info) -> SysResult<()> {
    // SAFETY: the kernel reads the information.
    unsafe { call!(__NR_rt_sigqueueinfo, pid, signal, info.as_ptr()) }.map(drop)
}

/// rt_tgsigqueueinfo(2): queues a signal for one thread.
pub fn queue_thread(pid: u32, tid: u32, signal: u32, info: &Info) -> SysResult<()> {
    // SAFETY: the kernel reads the information.
    unsafe { call!(__NR_rt_tgsigqueueinfo, pid, tid, signal, info.as_ptr()) }.map(drop)
}

/// kill(2); signal 0 asks whether the process is there.
pub fn kill(pid: u32, signal: u32) -> SysResult<()> {
    // SAFETY: no memory.
    unsafe { call!(__NR_kill, pid, signal) }.map(drop)
}

/// tgkill(2).
pub fn send_thread(pid: u32, tid: u32, signal: u32) -> SysResult<()> {
    // SAFETY: no memory.
    unsafe { call!(__NR_tgkill, pid, tid, signal) }.map(drop)
}

/// Is the thread there? tgkill(2) with signal 0.
pub fn ask_thread(pid: u32, tid: u32) -> SysResult<()> {
    send_thread(pid, tid, 0)
}

/// signalfd4(2), close-on-exec: a descriptor to read these signals from.
pub fn descriptor(set: u64) -> SysResult<super::fs::Fd> {
    let set = core::ptr::from_ref(&set);
    // SAFETY: the kernel reads the set.
    let fd = unsafe { call!(__NR_signalfd4, -1i32, set, SET, super::fs::O_CLOEXEC) }?;
    Ok(super::fs::Fd::own(fd as i32))
}
