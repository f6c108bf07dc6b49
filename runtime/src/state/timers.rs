//! Interval timers, setitimer(2).

use ckpt_format::record::Timers;

use crate::error::{Context, Result};
use crate::sys::process;

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
