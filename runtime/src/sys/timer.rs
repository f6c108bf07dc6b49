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
