//! Clocks of POSIX timers: dates, and whose time on the processor one counts.

use ckpt_format::record::PosixTimer;

use super::{NEVER, TIMER_ABSTIME};
use crate::error::{Context, Result, fail};
use crate::sys::{Errno, SysResult, process, timer};

/// Nanoseconds.
const SECOND: u64 = 1_000_000_000;
/// What a clock of a processor's time has beside an id (linux/posix-timers_types.h).
pub(super) const CLOCK_BITS: i32 = 7;

/// What time it is for a timer whose time is a date.
pub(super) fn now(timer: &PosixTimer) -> SysResult<u64> {
    const CLOCK_REALTIME_ALARM: u32 = 8;
    let clock = if timer.clock == CLOCK_REALTIME_ALARM {
        0
    } else {
        timer.clock
    };
    timer::clock(clock).map(timer::nanos)
}

/// The whole second at which a timer is due; `None` if that is at another moment. The time is
/// asked for before and after what is left, and the second lies between.
pub(super) fn date(timer: &PosixTimer) -> SysResult<Option<u64>> {
    const TRIES: u32 = 8;
    let mut shortest = [0, u64::MAX];
    for _ in 0..TRIES {
        let before = now(timer)?;
        let [_, left] = timer::setting(timer.id)?;
        let after = now(timer)?;
        let [from, to] = [before, after].map(|now| now.saturating_add(left));
        let [a, b] = shortest;
        if to - from < b - a {
            shortest = [from, to];
        }
    }
    let [from, to] = shortest;
    let whole = to / SECOND * SECOND;
    Ok((from..=to).contains(&whole).then_some(whole))
}

/// Names the thread of a clock that is "the caller's" to the kernel, and leaves the id out of the
/// process's own.
pub(super) fn settle_clock(timer: &mut PosixTimer, tids: &[u32]) -> Result<()> {
    let (id, clock) = (timer.id, timer.clock as i32);
    let bits = clock & CLOCK_BITS;
    let what = format_args!("cannot look at the clock of POSIX timer {id}");
    if clock < 0 && timer.clock_thread().is_none() {
        let pid = !(clock >> 3) as u32;
        if pid != 0 && pid != process::id() {
            fail!("POSIX timer {id}: on the clock of process {pid}: not carried");
        }
        timer.clock = (!CLOCK_BITS | bits) as u32;
    } else if timer.clock_thread() == Some(0) {
        let [_, left] = timer::setting(id).or_fail(what)?;
        let owner = match tids {
            &[only] if left > 0 => Some(only),
            _ => owner(timer, tids).or_fail(what)?,
        };
        let Some(tid) = owner else {
            fail!("POSIX timer {id}: of a thread that has ended: not carried");
        };
        timer.clock = clock_of(tid, bits);
    }
    Ok(())
}

/// The clock of a thread's time on the processor.
pub(super) fn clock_of(tid: u32, bits: i32) -> u32 {
    ((!tid as i32) << 3 | bits) as u32
}

/// The thread that made a timer with its own clock. Set to a far date, the timer tells what time
/// it is on its clock, and that is the clock of one thread only; the others stand still.
fn owner(timer: &PosixTimer, tids: &[u32]) -> SysResult<Option<u32>> {
    let bits = timer.clock as i32 & CLOCK_BITS;
    for &tid in tids {
        let clock = || timer::clock(clock_of(tid, bits)).map(timer::nanos);
        let before = clock()?;
        let old = match timer::set(timer.id, TIMER_ABSTIME, [0, NEVER]) {
            Err(Errno::SRCH) => return Ok(None),
            other => other?,
        };
        let [_, left] = timer::setting(timer.id)?;
        if old == [0, 0] && timer.next > 0 {
            // It has fired since, and setting it took its signal away.
            timer::set(timer.id, TIMER_ABSTIME, [0, 1])?;
        } else {
            timer::set(timer.id, 0, old)?;
        }
        if (before..=clock()?).contains(&(NEVER - left)) {
            return Ok(Some(tid));
        }
    }
    Ok(None)
}
