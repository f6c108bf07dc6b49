//! Timers of timer_create(2).
//!
//! The kernel counts for a timer whose signal waits what it misses meanwhile, and starts one with
//! an interval anew when the signal is taken (kernel/time/posix-timers.c). A signal that is looked
//! at is taken; one that is queued again by hand would be followed by the timer's own, and be
//! there still when the timer is deleted. So the timer itself sends it again: it is set to the
//! date at which it was due, which is past, and overruns count from there as they did.
//!
//! Whether a timer was set to a date or to a span of time, nobody tells. One of a clock that shows
//! dates which is due at a whole second was: chance does that once in a million times.

mod clock;
mod listing;

pub use listing::list;

use ckpt_format::record::{Pending, PosixTimer, notify, timer_flag};
use ckpt_format::toc::kind;

use crate::error::{Context, Result, fail};
use crate::image::input::Image;
use crate::sys::{Errno, SysResult, process, signal, thread, timer};
use clock::{CLOCK_BITS, clock_of, date, now, settle_clock};

const TIMER_ABSTIME: u32 = 1;
/// Clocks whose time is a date: CLOCK_REALTIME, its alarms, CLOCK_TAI.
const DATES: [u32; 3] = [0, 8, 11];
/// A date that does not come: the year 2116.
const NEVER: u64 = 1 << 62;
/// `si_code` of a timer's signal.
const SI_TIMER: u32 = -2i32 as u32;

/// To be called right after a signal was taken: if a timer sent it, notes what that is set to and
/// stops it, lest it send the next one before this one is queued again. `tids` are the threads.
pub fn stop(timers: &mut [PosixTimer], tids: &[u32], taken: &Pending) -> Result<()> {
    let Some(timer) = timers.iter_mut().find(|timer| is_of(timer, taken)) else {
        return Ok(());
    };
    let id = timer.id;
    let what = format_args!("cannot stop POSIX timer {id}");
    let date = timer.next;
    [timer.interval, timer.next] = timer::setting(id).or_fail(what)?;
    if timer.interval == 0 && timer.next > 0 {
        // Set anew behind the signal's back.
        return Ok(());
    }
    settle_clock(timer, tids)?;
    [_, timer.next] = timer::set(id, 0, [0, 0]).or_fail(what)?;
    timer.overrun = taken.overrun();
    timer.flags |= timer_flag::WAITS;
    if timer.flags & timer_flag::DATE != 0 && timer.interval > 0 {
        // As many intervals later, to the nanosecond.
        let next = now(timer).or_fail(what)?.saturating_add(timer.next);
        let passed = next.saturating_sub(date) + timer.interval / 2;
        timer.next = date + passed / timer.interval * timer.interval;
    }
    Ok(())
}

/// Lets the timer whose signal was taken send it again; false if that was no timer's.
pub fn send_again(timers: &mut [PosixTimer], taken: &Pending) -> Result<bool> {
    let waits = |t: &&mut PosixTimer| t.flags & timer_flag::WAITS != 0 && is_of(t, taken);
    let Some(timer) = timers.iter_mut().find(waits) else {
        return Ok(false);
    };
    let sent = send(timer)?;
    if !sent {
        timer.flags &= !timer_flag::WAITS;
    }
    Ok(sent)
}

fn send(timer: &PosixTimer) -> Result<bool> {
    let id = timer.id;
    fire(timer).or_fail(format_args!("cannot let POSIX timer {id} send its signal"))
}

/// Did a timer send it?
#[must_use]
pub fn sent(signal: &Pending) -> bool {
    let (_, code, ..) = signal::fields(&signal.info);
    code == SI_TIMER
}

/// Did this one?
fn is_of(timer: &PosixTimer, signal: &Pending) -> bool {
    let (_, _, id, value) = signal::fields(&signal.info);
    let same = (timer.id, timer.signal, timer.value) == (id, signal.signal(), value);
    let for_thread = timer.notify == notify::THREAD_ID;
    same && sent(signal) && for_thread == (signal.tid != 0)
}

/// Sets a timer so that its signal waits with the overruns that it has, and that it expires next
/// when it is to. False if its clock does not go so far back, as after a new start: then it is
/// merely set.
fn fire(timer: &PosixTimer) -> SysResult<bool> {
    let id = timer.id;
    let at = |date| timer::set(id, TIMER_ABSTIME, [timer.interval, date]);
    let mut first = 1;
    if timer.interval > 0 {
        // Set to a far date, a timer tells what time it is: the only way for the clock of a thread.
        let next = if timer.flags & timer_flag::DATE != 0 {
            timer.next
        } else {
            at(NEVER)?;
            let [_, left] = timer::setting(id)?;
            (NEVER - left).saturating_add(timer.next)
        };
        let since = timer.interval.checked_mul(u64::from(timer.overrun) + 1);
        first = since.and_then(|since| next.checked_sub(since)).unwrap_or(0);
        if first == 0 && timer.overrun == 0 {
            first = 1;
        } else if first == 0 {
            timer::set(id, 0, [timer.interval, timer.next])?;
            return Ok(false);
        }
    }
    at(first)?;
    // The interrupt comes at once, but comes: one nanosecond is what is left of a timer that is due
    // (common_timer_get).
    const LOOKS: u32 = 100_000;
    for _ in 0..LOOKS {
        let [_, left] = timer::setting(id)?;
        if left != 1 {
            break;
        }
        thread::give_way();
    }
    Ok(true)
}

/// Asks what the timers are set to. To be called before queued signals are looked at: what fires
/// between the two is then among these; between the other two it would be in neither.
pub fn measure(timers: &mut [PosixTimer]) -> Result<()> {
    for timer in timers {
        let id = timer.id;
        let what = format_args!("cannot look at POSIX timer {id}");
        timer.overrun = timer::overrun(timer.id).or_fail(what)?;
        look(timer).or_fail(what)?;
    }
    Ok(())
}

fn look(timer: &mut PosixTimer) -> SysResult<()> {
    [timer.interval, timer.next] = timer::setting(timer.id)?;
    timer.flags &= !timer_flag::DATE;
    if DATES.contains(&timer.clock)
        && timer.next > 0
        && let Some(date) = date(timer)?
    {
        timer.flags |= timer_flag::DATE;
        timer.next = date;
    }
    Ok(())
}

/// Refuses by name what cannot be made again; to be called when queued signals were looked at.
/// `tids` are the threads.
pub fn settle(timers: &mut [PosixTimer], tids: &[u32]) -> Result<()> {
    for timer in timers {
        settle_clock(timer, tids)?;
        if !timer.threads().all(|tid| tids.contains(&tid)) {
            fail!(
                "POSIX timer {}: of a thread that has ended: not carried",
                timer.id
            );
        }
    }
    Ok(())
}

/// Looks whether the image's timers can be made here, while the restore can be given up.
pub fn check(image: &Image<'_>) -> Result<()> {
    // Most timers that are made and deleted until a number's turn has come: two seconds.
    const MOST: u32 = 1 << 20;
    let all = || image.list::<PosixTimer>(kind::POSIX_TIMERS);
    if !choose_numbers(true) {
        let many = all().find(|timer| timer.id >= MOST);
        return match many {
            Some(timer) => fail!("POSIX timer {}: this kernel gives no such number", timer.id),
            None => Ok(()),
        };
    }
    for mut timer in all() {
        // Its threads are not there yet.
        (timer.notify, timer.target) = (notify::NONE, 0);
        make(&timer, |_| Some(0))?;
        let _ = timer::delete(timer.id);
    }
    choose_numbers(false);
    Ok(())
}

/// Lets the process choose the numbers of its timers, or no more; kernels before 6.15 do not.
fn choose_numbers(on: bool) -> bool {
    const PR_TIMER_CREATE_RESTORE_IDS: u32 = 77;
    process::control(PR_TIMER_CREATE_RESTORE_IDS, on.into(), 0).is_ok()
}

/// Makes the image's timers, none of them armed; `now` tells a thread's new id.
pub fn restore(image: &Image<'_>, now: impl Fn(u32) -> Option<u32>) -> Result<()> {
    choose_numbers(true);
    for timer in image.list::<PosixTimer>(kind::POSIX_TIMERS) {
        make(&timer, &now)?;
    }
    choose_numbers(false);
    Ok(())
}

fn make(timer: &PosixTimer, now: impl Fn(u32) -> Option<u32>) -> Result<()> {
    let what = format_args!(
        "cannot make POSIX timer {} (clock {})",
        timer.id, timer.clock as i32
    );
    let new = |tid| now(tid).ok_or(Errno::SRCH).or_fail(what);
    let clock = match timer.clock_thread() {
        Some(tid) => clock_of(new(tid)?, timer.clock as i32 & CLOCK_BITS),
        None => timer.clock,
    };
    let target = if timer.target == 0 {
        0
    } else {
        new(timer.target)?
    };
    let how = u64::from(timer.signal) | u64::from(timer.notify) << 32;
    let event = [timer.value, how, target.into(), 0, 0, 0, 0, 0];
    loop {
        let mut id = timer.id;
        timer::create(clock, &event, &mut id).or_fail(what)?;
        if id == timer.id {
            return Ok(());
        }
        // Numbers rise: its turn comes.
        timer::delete(id).or_fail(what)?;
        if id > timer.id {
            return Err(Errno::BUSY).or_fail(what);
        }
    }
}

/// Queues a signal of the image's that a timer sent, by letting it send it; false for others.
pub fn requeue(image: &Image<'_>, signal: &Pending) -> Result<bool> {
    let mut all = image.list::<PosixTimer>(kind::POSIX_TIMERS);
    let waits = |t: &PosixTimer| t.flags & timer_flag::WAITS != 0 && is_of(t, signal);
    all.find(waits).map_or(Ok(false), |timer| send(&timer))
}

/// Arms the image's timers whose signal goes to the calling thread, which was `tid` then, and with
/// `shared` those whose signal goes to the process. All signals are blocked.
pub fn start(image: &Image<'_>, tid: u32, shared: bool) -> Result<()> {
    for timer in image.list::<PosixTimer>(kind::POSIX_TIMERS) {
        let ours = timer.target == tid || (timer.target == 0 && shared);
        if ours && timer.next > 0 && timer.flags & timer_flag::WAITS == 0 {
            arm(image, &timer).or_fail(format_args!("cannot set POSIX timer {}", timer.id))?;
        }
    }
    Ok(())
}

fn arm(image: &Image<'_>, timer: &PosixTimer) -> SysResult<()> {
    let dated = timer.flags & timer_flag::DATE != 0;
    let mut queued = image.list::<Pending>(kind::PENDING);
    // What timer_getoverrun(2) tells is set when a signal is taken; so one is sent and taken.
    if timer.overrun > 0
        && timer.interval > 0
        && !dated
        && timer.notify != notify::NONE
        && !queued.any(|other| other.signal() == timer.signal)
    {
        if fire(timer)? {
            let _ = signal::take(1 << (timer.signal - 1));
        }
        return Ok(());
    }
    let flags = if dated { TIMER_ABSTIME } else { 0 };
    timer::set(timer.id, flags, [timer.interval, timer.next]).map(drop)
}
