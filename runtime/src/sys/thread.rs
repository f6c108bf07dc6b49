//! Calls about the calling thread.
#![expect(unsafe_code, reason = "system calls")]

use super::{Errno, SysResult, call};
use crate::util::text::{decimal, find_last, split};

/// gettid(2).
#[must_use]
pub fn id() -> u32 {
    // SAFETY: asks only.
    unsafe { call!(__NR_gettid) }.unwrap_or(0) as u32
}

/// FS base, arch_prctl(2).
pub fn fs_base() -> SysResult<u64> {
    const ARCH_GET_FS: u32 = 0x1003;
    let mut fs = 0u64;
    // SAFETY: the kernel writes the number.
    unsafe { call!(__NR_arch_prctl, ARCH_GET_FS, core::ptr::from_mut(&mut fs)) }?;
    Ok(fs)
}

/// FS and GS base, arch_prctl(2).
pub fn bases() -> SysResult<(u64, u64)> {
    const ARCH_GET_GS: u32 = 0x1004;
    let mut gs = 0u64;
    // SAFETY: the kernel writes the number.
    unsafe { call!(__NR_arch_prctl, ARCH_GET_GS, core::ptr::from_mut(&mut gs)) }?;
    Ok((fs_base()?, gs))
}

/// Sets FS and GS base.
///
/// # Safety
///
/// Nothing before the program's own code uses thread-local storage; the runtime has none.
pub unsafe fn set_bases(fs: u64, gs: u64) -> SysResult<()> {
    const ARCH_SET_FS: u32 = 0x1002;
    const ARCH_SET_GS: u32 = 0x1001;
    // SAFETY: the caller's promise.
    unsafe { call!(__NR_arch_prctl, ARCH_SET_FS, fs) }?;
    // SAFETY: the caller's promise.
    unsafe { call!(__NR_arch_prctl, ARCH_SET_GS, gs) }.map(drop)
}

/// get_robust_list(2) of a thread of this process: head and length.
pub fn robust_list(tid: u32) -> SysResult<(u64, u64)> {
    let (mut head, mut len) = (0u64, 0u64);
    let head_at = core::ptr::from_mut(&mut head);
    let len_at = core::ptr::from_mut(&mut len);
    // SAFETY: the kernel writes both numbers.
    unsafe { call!(__NR_get_robust_list, tid, head_at, len_at) }?;
    Ok((head, len))
}

/// set_robust_list(2).
///
/// # Safety
///
/// The kernel walks the list when the thread ends.
pub unsafe fn set_robust_list(head: u64, len: u64) -> SysResult<()> {
    // SAFETY: the caller's promise.
    unsafe { call!(__NR_set_robust_list, head, len) }.map(drop)
}

/// PR_GET_TID_ADDRESS: what is cleared when this thread ends. Needs CONFIG_CHECKPOINT_RESTORE.
pub fn clear_tid_address() -> SysResult<u64> {
    const PR_GET_TID_ADDRESS: usize = 40;
    let mut place = 0u64;
    // SAFETY: the kernel writes the number.
    unsafe {
        call!(
            __NR_prctl,
            PR_GET_TID_ADDRESS,
            core::ptr::from_mut(&mut place)
        )
    }?;
    Ok(place)
}

/// set_tid_address(2).
///
/// # Safety
///
/// The kernel writes a zero there when the thread ends.
pub unsafe fn set_clear_tid_address(place: u64) {
    // SAFETY: the caller's promise. The call cannot fail.
    let _ = unsafe { call!(__NR_set_tid_address, place) };
}

/// rseq(2), to register an area or (flags 1) to give it up.
///
/// # Safety
///
/// The kernel writes into a registered area at every preemption.
pub unsafe fn rseq(area: u64, len: u32, flags: u32, signature: u32) -> SysResult<()> {
    // SAFETY: the caller's promise.
    unsafe { call!(__NR_rseq, area, len, flags, signature) }.map(drop)
}

/// The thread's name, PR_GET_NAME.
pub fn name() -> SysResult<[u8; 16]> {
    let mut name = [0u8; 16];
    // SAFETY: the kernel writes 16 bytes.
    unsafe { call!(__NR_prctl, 16, name.as_mut_ptr()) }?;
    Ok(name)
}

/// PR_SET_NAME.
pub fn set_name(name: &[u8; 16]) -> SysResult<()> {
    // SAFETY: the kernel reads at most 16 bytes.
    unsafe { call!(__NR_prctl, 15, name.as_ptr()) }.map(drop)
}

/// Which processors the thread may run on, as 16 words; none if the kernel has room for more.
#[must_use]
pub fn affinity() -> [u64; 16] {
    let mut mask = [0u64; 16];
    let (len, place) = (size_of_val(&mask), mask.as_mut_ptr());
    // SAFETY: the kernel writes within the mask.
    let _ = unsafe { call!(__NR_sched_getaffinity, 0, len, place) };
    mask
}

/// sched_setaffinity(2).
pub fn set_affinity(mask: &[u64; 16]) -> SysResult<()> {
    // SAFETY: the kernel reads the mask.
    unsafe { call!(__NR_sched_setaffinity, 0, size_of_val(mask), mask.as_ptr()) }.map(drop)
}

/// Most processors of an affinity.
pub const PROCESSORS: usize = 1024;

/// Goes to a processor, below [`PROCESSORS`]; fails if there is none, or the program may not use it.
pub fn go_to(processor: usize) -> SysResult<()> {
    let mut there = [0; 16];
    if let Some(word) = there.get_mut(processor / 64) {
        *word = 1 << (processor % 64);
    }
    set_affinity(&there)
}

/// Scheduling policy and real-time priority.
pub fn scheduling() -> SysResult<(u32, u32)> {
    let mut priority = 0u32;
    // SAFETY: no memory.
    let policy = unsafe { call!(__NR_sched_getscheduler, 0) }?;
    // SAFETY: the kernel writes one integer.
    unsafe { call!(__NR_sched_getparam, 0, core::ptr::from_mut(&mut priority)) }?;
    Ok((policy as u32, priority))
}

/// sched_setscheduler(2).
pub fn set_scheduling(policy: u32, priority: u32) -> SysResult<()> {
    // SAFETY: the kernel reads one integer.
    unsafe {
        call!(
            __NR_sched_setscheduler,
            0,
            policy,
            core::ptr::from_ref(&priority)
        )
    }
    .map(drop)
}

/// How many threads the process has; 2 for "more than one" where /proc does not tell.
///
/// Without /proc unshare(2) does: what only a process alone may unshare is refused to others with
/// EINVAL, and does nothing for one that is alone.
#[must_use]
pub fn count() -> usize {
    const CLONE_THREAD: u32 = 0x0001_0000;
    if let Ok(stat) = super::fs::stat(c"/proc/self/task") {
        // Every thread is a folder there, and a folder's link count is theirs and two.
        return (stat.st_nlink as usize).saturating_sub(2);
    }
    // SAFETY: no effect on memory.
    let answer = unsafe { call!(__NR_unshare, CLONE_THREAD) };
    if answer == Err(Errno::INVAL) { 2 } else { 1 }
}

/// How often the caller has gone to sleep, getrusage(2).
#[must_use]
pub fn sleeps() -> u64 {
    const RUSAGE_THREAD: u32 = 1;
    let mut usage = [0u64; 18];
    // SAFETY: the kernel writes the 18 numbers of a `struct rusage`.
    let _ = unsafe { call!(__NR_getrusage, RUSAGE_THREAD, usage.as_mut_ptr()) };
    let [.., voluntary, _] = usage;
    voluntary
}

/// Wakes who waits on the word at `place`, in this or another process.
pub fn wake(place: *const u32) {
    const FUTEX_WAKE: u32 = 1;
    // SAFETY: the kernel uses the address as a key.
    let _ = unsafe { call!(__NR_futex, place, FUTEX_WAKE, i32::MAX) };
}

/// Waits until woken or until the word is not `value`. Without a time-out: one that a stop
/// interrupts replaces the kernel's note of what the thread was in before (futex_wait,
/// kernel/futex/waitwake.c).
pub fn wait_long(place: *const u32, value: u32) {
    const FUTEX_WAIT: u32 = 0;
    // SAFETY: the kernel reads the word.
    let _ = unsafe { call!(__NR_futex, place, FUTEX_WAIT, value, 0) };
}

/// Waits until woken, until the word is not `value`, or for some milliseconds.
pub fn wait(place: *const u32, value: u32, milliseconds: u64) {
    const FUTEX_WAIT: u32 = 0;
    let time = [milliseconds / 1000, milliseconds % 1000 * 1_000_000];
    // SAFETY: the kernel reads the word and the time.
    let _ = unsafe { call!(__NR_futex, place, FUTEX_WAIT, value, time.as_ptr()) };
}

/// ioprio_get(2) of the caller.
pub fn io_priority() -> SysResult<u32> {
    const IOPRIO_WHO_PROCESS: u32 = 1;
    // SAFETY: no memory.
    unsafe { call!(__NR_ioprio_get, IOPRIO_WHO_PROCESS, 0) }.map(|value| value as u32)
}

/// ioprio_set(2) of the caller.
pub fn set_io_priority(value: u32) -> SysResult<()> {
    const IOPRIO_WHO_PROCESS: u32 = 1;
    // SAFETY: no memory.
    unsafe { call!(__NR_ioprio_set, IOPRIO_WHO_PROCESS, 0, value) }.map(drop)
}

/// sched_yield(2).
pub fn give_way() {
    // SAFETY: no memory.
    let _ = unsafe { call!(__NR_sched_yield) };
}

/// Do two threads share a resource of kcmp(2)?
pub fn share(a: u32, b: u32, kind: u32) -> SysResult<bool> {
    // SAFETY: no memory.
    unsafe { call!(__NR_kcmp, a, b, kind, 0, 0) }.map(|order| order == 0)
}

/// sched_getscheduler(2) of a thread, without the bit that children do not inherit it.
pub fn policy_of(tid: u32) -> SysResult<u32> {
    const SCHED_RESET_ON_FORK: u32 = 0x4000_0000;
    // SAFETY: asks only.
    let policy = unsafe { call!(__NR_sched_getscheduler, tid) }?;
    Ok(policy as u32 & !SCHED_RESET_ON_FORK)
}

/// The device number of the controlling terminal, as `st_rdev`; zero for none.
#[must_use]
pub fn terminal() -> u64 {
    // Behind the name, which may have any byte in it: state, parent, group, session, terminal.
    let mut text = [0; 256];
    let text = super::fs::glance(c"/proc/thread-self/stat", &mut text);
    let rest = find_last(text, b')').and_then(|at| text.get(at..));
    let field = rest.and_then(|rest| split(rest, b' ').nth(5));
    field.and_then(decimal).map_or(0, |(number, _)| number)
}
