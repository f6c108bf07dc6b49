//! Interval timers; POSIX timers are refused.

use ckpt_format::record::Timers;

use crate::error::{Context, Result, fail};
use crate::sys::{Errno, fs, process};
use crate::util::text::{decimal, trim_start};

const REAL: u32 = 0;
const VIRTUAL: u32 = 1;
const PROF: u32 = 2;

/// What is left of the three, and what they begin with again.
pub fn collect() -> Result<Timers> {
    let ask =
        |which| process::timer(which).or_fail(format_args!("cannot read interval timer {which}"));
    let [second, micro, left_second, left_micro] = ask(REAL)?;
    let expired = (left_second, left_micro) == (0, 0);
    // The kernel starts an interval anew when SIGALRM is taken off the queue, so a timer whose
    // signal waits has nothing left (kernel/signal.c, dequeue_signal); setitimer(2) would take
    // that for switching it off.
    let real = if expired {
        [second, micro, second, micro]
    } else {
        [second, micro, left_second, left_micro]
    };
    Ok(Timers {
        real,
        virt: ask(VIRTUAL)?,
        prof: ask(PROF)?,
    })
}

/// Starts them with what was left.
pub fn restore(timers: &Timers) -> Result<()> {
    for (which, value) in [
        (REAL, timers.real),
        (VIRTUAL, timers.virt),
        (PROF, timers.prof),
    ] {
        process::set_timer(which, &value)
            .or_fail(format_args!("cannot set interval timer {which}"))?;
    }
    Ok(())
}

/// Refuses a process that has timers of timer_create(2).
pub fn refuse_posix() -> Result<()> {
    let mut text = [0; 512];
    let got = match fs::open(c"/proc/self/timers", fs::O_RDONLY, 0) {
        Ok(file) => fs::read(file.number(), &mut text).unwrap_or(0),
        // No /proc, or a kernel without CONFIG_CHECKPOINT_RESTORE.
        Err(Errno::NOENT) => return refuse_by_number(),
        Err(e) => fail!("cannot read /proc/self/timers: {e}"),
    };
    let text = text.get(..got).unwrap_or(&[]);
    let number = text
        .strip_prefix(b"ID:")
        .and_then(|rest| decimal(trim_start(rest)));
    match number {
        Some((number, _)) => fail!("POSIX timer {number}: not carried"),
        None if text.is_empty() => Ok(()),
        None => fail!("a POSIX timer: not carried"),
    }
}

/// Numbers are given out from zero up (kernel/time/posix-timers.c, posix_timer_add).
fn refuse_by_number() -> Result<()> {
    const LOOK_AT: u32 = 1024;
    match (0..LOOK_AT).find(|&number| process::has_posix_timer(number)) {
        Some(number) => fail!("POSIX timer {number}: not carried"),
        None => Ok(()),
    }
}
