//! Calls about the process.
#![expect(unsafe_code, reason = "system calls")]

use super::{SysResult, call};

/// getpid(2).
#[must_use]
pub fn id() -> u32 {
    // SAFETY: asks only.
    unsafe { call!(__NR_getpid) }.unwrap_or(0) as u32
}

/// Real and effective user id, real and effective group id.
#[must_use]
pub fn credentials() -> [u32; 4] {
    // SAFETY: asks only.
    let uid = unsafe { call!(__NR_getuid) };
    // SAFETY: asks only.
    let euid = unsafe { call!(__NR_geteuid) };
    // SAFETY: asks only.
    let gid = unsafe { call!(__NR_getgid) };
    // SAFETY: asks only.
    let egid = unsafe { call!(__NR_getegid) };
    [uid, euid, gid, egid].map(|id| id.unwrap_or(0) as u32)
}

/// exit_group(2).
pub fn exit(code: i32) -> ! {
    loop {
        // SAFETY: ends the process.
        let _ = unsafe { call!(__NR_exit_group, code) };
    }
}

/// prctl(2) without a pointer in its arguments.
pub fn control(option: u32, a: usize, b: usize) -> SysResult<usize> {
    // SAFETY: only options without a pointer are used.
    unsafe { call!(__NR_prctl, option, a, b, 0, 0) }
}

/// prctl(2) that fills an `int`.
pub fn ask(option: u32) -> SysResult<u32> {
    let mut value = 0u32;
    // SAFETY: the kernel writes the integer.
    unsafe { call!(__NR_prctl, option, core::ptr::from_mut(&mut value), 0, 0, 0) }?;
    Ok(value)
}

/// membarrier(2) for all processors: a command that registers or asks.
pub fn barrier(command: u32) -> SysResult<usize> {
    // SAFETY: no memory.
    unsafe { call!(__NR_membarrier, command, 0, 0) }
}

/// PR_SCHED_CORE_GET: may a thread share a core only with those of the same cookie?
#[must_use]
pub fn has_core_cookie(tid: u32) -> bool {
    const PR_SCHED_CORE: u32 = 62;
    let mut cookie = 0u64;
    let to = core::ptr::from_mut(&mut cookie);
    // SAFETY: PR_SCHED_CORE_GET is 0, of a thread is 0; the kernel writes the number.
    unsafe { call!(__NR_prctl, PR_SCHED_CORE, 0, tid, 0, to) }.is_ok() && cookie != 0
}

/// umask(2).
pub fn set_umask(mask: u32) -> u32 {
    // SAFETY: no memory.
    unsafe { call!(__NR_umask, mask) }.unwrap_or(0) as u32
}

/// personality(2); all ones asks.
pub fn personality(value: u32) -> SysResult<u32> {
    // SAFETY: no memory.
    unsafe { call!(__NR_personality, value) }.map(|n| n as u32)
}

/// Soft and hard limit, getrlimit(2).
pub fn limit(resource: usize) -> SysResult<(u64, u64)> {
    let mut pair = [0u64; 2];
    // SAFETY: the kernel writes the pair.
    unsafe { call!(__NR_prlimit64, 0, resource, 0, pair.as_mut_ptr()) }?;
    let [soft, hard] = pair;
    Ok((soft, hard))
}

/// setrlimit(2).
pub fn set_limit(resource: usize, soft: u64, hard: u64) -> SysResult<()> {
    let pair = [soft, hard];
    // SAFETY: the kernel reads the pair.
    unsafe { call!(__NR_prlimit64, 0, resource, pair.as_ptr(), 0) }.map(drop)
}

/// What uname(2) tells: six texts of 65 bytes (`struct new_utsname`, linux/utsname.h).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Names {
    /// Operating system.
    pub sysname: [u8; 65],
    /// The host's name.
    pub nodename: [u8; 65],
    /// The kernel's release.
    pub release: [u8; 65],
    rest: [[u8; 65]; 3],
}

/// uname(2).
pub fn names() -> SysResult<Names> {
    let mut names = Names {
        sysname: [0; 65],
        nodename: [0; 65],
        release: [0; 65],
        rest: [[0; 65]; 3],
    };
    // SAFETY: the kernel writes the structure.
    unsafe { call!(__NR_uname, core::ptr::from_mut(&mut names)) }?;
    Ok(names)
}

/// Seconds since 1970.
#[must_use]
pub fn now() -> u64 {
    let mut time = [0u64; 2];
    // SAFETY: the kernel writes the pair.
    let _ = unsafe { call!(__NR_clock_gettime, 0, time.as_mut_ptr()) };
    let [seconds, _] = time;
    seconds
}

/// Milliseconds of CLOCK_MONOTONIC.
#[must_use]
pub fn ticks() -> u64 {
    let mut time = [0u64; 2];
    // SAFETY: the kernel writes the pair.
    let _ = unsafe { call!(__NR_clock_gettime, 1, time.as_mut_ptr()) };
    let [seconds, nanoseconds] = time;
    seconds * 1000 + nanoseconds / 1_000_000
}

/// getrandom(2) without waiting; zeroes stay where there is none.
pub fn random(to: &mut [u8]) {
    const GRND_NONBLOCK: usize = 1;
    // SAFETY: the kernel writes within `to`.
    let _ = unsafe { call!(__NR_getrandom, to.as_mut_ptr(), to.len(), GRND_NONBLOCK) };
}

/// waitid(2) for any child in any state, without taking it: true if there is a child at all.
#[must_use]
pub fn has_child() -> bool {
    const P_ALL: u32 = 0;
    // WEXITED | WSTOPPED | WCONTINUED | WNOHANG | WNOWAIT | __WALL
    const OPTIONS: u32 = 4 | 2 | 8 | 1 | 0x0100_0000 | 0x4000_0000;
    // SAFETY: a null siginfo is allowed.
    unsafe { call!(__NR_waitid, P_ALL, 0, 0, OPTIONS, 0) }.is_ok()
}

/// waitid(2) of a child, which stays: how it ended, as wait(2) tells it but for the mark of a core
/// file; `None` if it lives. With `wait`, waits for its end.
pub fn ended(child: u32, wait: bool) -> SysResult<Option<u32>> {
    const P_PID: u32 = 1;
    const CLD_EXITED: u32 = 1;
    // WEXITED | WNOWAIT | __WALL
    const OPTIONS: u32 = 4 | 0x0100_0000 | 0x4000_0000;
    const WNOHANG: u32 = 1;
    let options = OPTIONS | if wait { 0 } else { WNOHANG };
    // `siginfo_t`: number, error, code, -, process, user, status.
    let mut info = [0u32; 32];
    // SAFETY: the kernel writes the structure, 128 bytes.
    unsafe { call!(__NR_waitid, P_PID, child, info.as_mut_ptr(), options, 0) }?;
    let [_, _, code, _, pid, _, status, ..] = info;
    let status = if code == CLD_EXITED {
        status << 8
    } else {
        status
    };
    Ok((pid != 0).then_some(status))
}

/// getitimer(2): interval and rest, seconds and microseconds.
pub fn timer(which: u32) -> SysResult<[u64; 4]> {
    let mut value = [0; 4];
    // SAFETY: the kernel writes the four numbers.
    unsafe { call!(__NR_getitimer, which, value.as_mut_ptr()) }?;
    Ok(value)
}

/// setitimer(2).
pub fn set_timer(which: u32, value: &[u64; 4]) -> SysResult<()> {
    // SAFETY: the kernel reads the four numbers.
    unsafe { call!(__NR_setitimer, which, value.as_ptr(), 0) }.map(drop)
}

/// nanosleep(2) for some milliseconds.
pub fn sleep(milliseconds: u64) {
    let mut time = [milliseconds / 1000, milliseconds % 1000 * 1_000_000];
    // Not nanosleep(2), which makes the kernel forget what the thread was interrupted in.
    // SAFETY: the kernel reads the pair, and writes what is left.
    let _ = unsafe { call!(__NR_pselect6, 0, 0, 0, 0, time.as_mut_ptr(), 0) };
}

/// getpriority(2) of the caller: nice value, -20 to 19.
pub fn nice() -> SysResult<i32> {
    // The system call gives 20 - nice (getpriority(2), "C library/kernel differences").
    // SAFETY: no memory.
    unsafe { call!(__NR_getpriority, 0, 0) }.map(|n| 20 - n as i32)
}

/// setpriority(2) of the caller.
pub fn set_nice(nice: i32) -> SysResult<()> {
    // SAFETY: no memory.
    unsafe { call!(__NR_setpriority, 0, 0, nice) }.map(drop)
}

/// setresgid(2) and setresuid(2), all three ids each: for good.
pub fn set_ids(uid: u32, gid: u32) -> SysResult<()> {
    // SAFETY: no memory.
    unsafe { call!(__NR_setresgid, gid, gid, gid) }?;
    // SAFETY: no memory.
    unsafe { call!(__NR_setresuid, uid, uid, uid) }.map(drop)
}

/// getpgid(2) of the caller.
#[must_use]
pub fn group() -> u32 {
    // SAFETY: asks only.
    unsafe { call!(__NR_getpgid, 0) }.unwrap_or(0) as u32
}

/// modify_ldt(2): has the process a local descriptor table?
#[must_use]
pub fn has_descriptor_table() -> bool {
    let mut entry = [0u8; 8];
    // SAFETY: function 0 reads the table; the kernel writes within `entry`.
    unsafe { call!(__NR_modify_ldt, 0, entry.as_mut_ptr(), entry.len()) }.is_ok_and(|n| n > 0)
}

/// A copy of a descriptor of what a pidfd refers to, pidfd_getfd(2), close-on-exec. Between threads of
/// one process it needs no right (`__ptrace_may_access`, kernel/ptrace.c).
pub fn fetch(of: &super::fs::Fd, fd: i32) -> SysResult<super::fs::Fd> {
    // SAFETY: no memory.
    let copy = unsafe { call!(__NR_pidfd_getfd, of.number(), fd, 0) };
    copy.map(|fd| super::fs::Fd::own(fd as i32))
}

/// pidfd_open(2), close-on-exec.
pub fn open(id: u32, flags: u32) -> SysResult<super::fs::Fd> {
    // SAFETY: no memory.
    unsafe { call!(__NR_pidfd_open, id, flags) }.map(|fd| super::fs::Fd::own(fd as i32))
}
