//! Timers with a descriptor, timerfd_create(2).
//!
//! A relative one goes on with what was left. An absolute one fires at the time that was given to
//! it, whenever it is restored; what it missed meanwhile counts.

use ckpt_format::DecodeError;
use ckpt_format::record::{File, TimerFd};
use ckpt_format::toc::kind;

use super::F_SETFL;
use super::fdinfo;
use super::kinds::refused;
use super::known::Book;
use crate::error::{Context, Result, fail};
use crate::image::input::{Image, InImage};
use crate::sys::SysResult;
use crate::sys::fs::{self, Fd};
use crate::sys::timer::{self, nanos};
use crate::util::text::{after, decimal, labelled};

/// Flags of timerfd_settime(2).
const TFD_TIMER_ABSTIME: u32 = 1;
const TFD_TIMER_CANCEL_ON_SET: u32 = 2;
const CLOCK_REALTIME: u32 = 0;
const CLOCK_MONOTONIC: u32 = 1;
const CLOCK_BOOTTIME: u32 = 7;
const SECOND: u64 = 1_000_000_000;

/// Notes the timer at descriptor `fd`, which is file `file`.
pub(super) fn collect(book: &mut Book, fd: i32, file: u32) -> Result<()> {
    // One with an interval that has fired stands still until it is read. Asked, the kernel counts
    // what was missed and starts it again (do_timerfd_gettime, fs/timerfd.c).
    let what = format_args!("cannot look at the timer at descriptor {fd}");
    timer::descriptor_left(fd).or_fail(what)?;
    let mut buffer = [0; 512];
    let Some(mut timer) = parse(fdinfo::read(fd, &mut buffer)?, file) else {
        fail!("{what}");
    };
    let (interval, left, fired) = (nanos(timer.interval), nanos(timer.value), timer.ticks > 0);
    if interval == 0 && left > 0 && fired && timer.flags & TFD_TIMER_CANCEL_ON_SET != 0 {
        // Ticks before its time: what reading it tells is ECANCELED (timerfd_clock_was_set).
        return Err(refused(
            fd,
            format_args!("timer that a change of the clock has cancelled"),
        ));
    }
    if left == 0 && interval > 0 && fired {
        // Once more, at this very moment.
        timer.value = timer.interval;
    }
    if timer.flags & TFD_TIMER_ABSTIME != 0 && nanos(timer.value) > 0 {
        let now = timer::clock(plain(timer.clock)).or_fail(what)?;
        timer.value = time(nanos(now).saturating_add(nanos(timer.value)));
    }
    book.add_timer(timer)
}

/// timerfd_show of fs/timerfd.c.
fn parse(text: &[u8], file: u32) -> Option<TimerFd> {
    let pair = |label| {
        let (seconds, rest) = decimal(after(labelled(text, label)?, b"(")?)?;
        let (nanoseconds, _) = decimal(after(rest, b", ")?)?;
        Some([seconds, nanoseconds])
    };
    Some(TimerFd {
        file,
        clock: fdinfo::number(text, b"clockid:")? as u32,
        // Octal, of one digit.
        flags: fdinfo::number(text, b"settime flags:")? as u32,
        ticks: fdinfo::number(text, b"ticks:")?,
        interval: pair(b"it_interval:")?,
        value: pair(b"it_value:")?,
    })
}

/// The clock that one which wakes the machine follows.
fn plain(clock: u32) -> u32 {
    const CLOCK_REALTIME_ALARM: u32 = 8;
    const CLOCK_BOOTTIME_ALARM: u32 = 9;
    match clock {
        CLOCK_REALTIME_ALARM => CLOCK_REALTIME,
        CLOCK_BOOTTIME_ALARM => CLOCK_BOOTTIME,
        other => other,
    }
}

fn time(nanos: u64) -> [u64; 2] {
    [nanos / SECOND, nanos % SECOND]
}

/// Makes the timer of file `number`, running: whether it can be is known then.
pub(super) fn open(image: &Image<'_>, number: u32, fd: u32, file: &File<'_>) -> Result<Fd> {
    let what = format_args!("descriptor {fd}: cannot make its timer again");
    let mut timers = image.list::<TimerFd>(kind::TIMERFDS);
    let Some(timer) = timers.find(|t| t.file == number) else {
        return Err(DecodeError::Value("timer of a descriptor")).within(&image.path);
    };
    let made = timer::descriptor(timer.clock).or_fail(what)?;
    fs::control(made.number(), F_SETFL, file.flags as usize).or_fail(what)?;
    set(made.number(), &timer).or_fail(what)?;
    Ok(made)
}

/// Sets all once more, since the restore took its time; `place` has a descriptor for each file.
pub(super) fn restore(image: &Image<'_>, place: impl Fn(u32) -> Option<i32>) -> Result<()> {
    for timer in image.list::<TimerFd>(kind::TIMERFDS) {
        // One that is under way in a message has none, and was set when it was made.
        let Some(fd) = place(timer.file) else {
            continue;
        };
        set(fd, &timer).or_fail(format_args!("cannot set the timer at descriptor {fd}"))?;
    }
    Ok(())
}

fn set(fd: i32, timer: &TimerFd) -> SysResult<()> {
    let start = |[seconds, nanoseconds]: [u64; 2]| {
        let [every, and] = timer.interval;
        timer::set_descriptor(fd, timer.flags, &[every, and, seconds, nanoseconds])
    };
    let mut value = nanos(timer.value);
    let absolute = timer.flags & TFD_TIMER_ABSTIME != 0;
    if absolute {
        // As if it had been set so long ago: the kernel counts the ticks itself, those between
        // checkpoint and restore with them.
        let ago = nanos(timer.interval).saturating_mul(timer.ticks);
        if ago > 0 && ago < value {
            return start(time(value - ago));
        }
    }
    loop {
        let before = nanos(timer::clock(CLOCK_MONOTONIC)?);
        start(time(value))?;
        if timer.ticks == 0 {
            return Ok(());
        }
        timer::set_descriptor_ticks(fd, timer.ticks)?;
        // A tick that came in between is overwritten; then again, with more time.
        let passed = nanos(timer::clock(CLOCK_MONOTONIC)?) - before;
        if value == 0 || absolute || passed < value {
            return Ok(());
        }
        value = value.saturating_mul(2);
    }
}
