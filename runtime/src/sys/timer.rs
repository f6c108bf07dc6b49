//! Calls on clocks and timers. A time is seconds and nanoseconds; a setting is the interval and
//! what is left, as `struct itimerspec` has them.
#![expect(unsafe_code, reason = "system calls")]

use super::fs::{Fd, O_CLOEXEC};
use super::{SysResult, call};

/// clock_gettime(2).
pub fn clock(clock: u32) -> SysResult<[u64; 2]> {
    let mut time = [0; 2];
    // SAFETY: the kernel writes the pair.
    unsafe { call!(__NR_clock_gettime, clock, time.as_mut_ptr()) }?;
    Ok(time)
}

/// timerfd_create(2), close-on-exec.
pub fn descriptor(clock: u32) -> SysResult<Fd> {
    // SAFETY: no memory.
    unsafe { call!(__NR_timerfd_create, clock, O_CLOEXEC) }.map(|fd| Fd::own(fd as i32))
}

/// timerfd_settime(2).
pub fn set_descriptor(fd: i32, flags: u32, setting: &[u64; 4]) -> SysResult<()> {
    // SAFETY: the kernel reads the four numbers.
    unsafe { call!(__NR_timerfd_settime, fd, flags, setting.as_ptr(), 0) }.map(drop)
}

/// timerfd_gettime(2).
pub fn descriptor_left(fd: i32) -> SysResult<[u64; 4]> {
    let mut setting = [0; 4];
    // SAFETY: the kernel writes the four numbers.
    unsafe { call!(__NR_timerfd_gettime, fd, setting.as_mut_ptr()) }?;
    Ok(setting)
}

/// TFD_IOC_SET_TICKS: how often it has fired since it was read; not zero. Only in kernels with
/// CONFIG_CHECKPOINT_RESTORE.
pub fn set_descriptor_ticks(fd: i32, ticks: u64) -> SysResult<()> {
    const TFD_IOC_SET_TICKS: u32 = 0x4008_5400;
    // SAFETY: the kernel reads the number.
    unsafe {
        call!(
            __NR_ioctl,
            fd,
            TFD_IOC_SET_TICKS,
            core::ptr::from_ref(&ticks)
        )
    }
    .map(drop)
}

/// What a POSIX timer is set to, nanoseconds: the interval, and what is left or the date.
pub type Setting = [u64; 2];

const SECOND: u64 = 1_000_000_000;

/// timer_create(2) with `struct sigevent` as eight words; `id` is also the number that it is to
/// have, if the process has asked to choose it (PR_TIMER_CREATE_RESTORE_IDS).
pub fn create(clock: u32, event: &[u64; 8], id: &mut u32) -> SysResult<()> {
    // SAFETY: the kernel reads the event and writes the number.
    unsafe {
        call!(
            __NR_timer_create,
            clock,
            event.as_ptr(),
            core::ptr::from_mut(id)
        )
    }
    .map(drop)
}

/// timer_delete(2).
pub fn delete(id: u32) -> SysResult<()> {
    // SAFETY: no memory.
    unsafe { call!(__NR_timer_delete, id) }.map(drop)
}

/// timer_getoverrun(2).
pub fn overrun(id: u32) -> SysResult<u32> {
    // SAFETY: no memory.
    unsafe { call!(__NR_timer_getoverrun, id) }.map(|n| n as u32)
}

/// timer_gettime(2).
pub fn setting(id: u32) -> SysResult<Setting> {
    let mut times = [0; 4];
    // SAFETY: the kernel writes the four numbers.
    unsafe { call!(__NR_timer_gettime, id, times.as_mut_ptr()) }?;
    Ok(nanoseconds(times))
}

/// timer_settime(2); tells what it was set to before.
pub fn set(id: u32, flags: u32, [interval, value]: Setting) -> SysResult<Setting> {
    let new = [interval, value].map(|n| [n / SECOND, n % SECOND]);
    let mut old = [0; 4];
    // SAFETY: the kernel reads four numbers and writes four.
    unsafe {
        call!(
            __NR_timer_settime,
            id,
            flags,
            new.as_ptr(),
            old.as_mut_ptr()
        )
    }?;
    Ok(nanoseconds(old))
}

fn nanoseconds([every, and, seconds, rest]: [u64; 4]) -> Setting {
    [[every, and], [seconds, rest]].map(nanos)
}

/// Seconds and nanoseconds as nanoseconds; those of 584 years at most.
#[must_use]
pub fn nanos([seconds, nanoseconds]: [u64; 2]) -> u64 {
    seconds.saturating_mul(SECOND).saturating_add(nanoseconds)
}
