//! When a thread has gone to sleep.
//!
//! The scheduler notes when a task was last on a processor (`se.exec_start`, kernel/sched/debug.c),
//! in a clock that each processor has of its own: it stands still for interrupts and for what a
//! hypervisor takes. So it is compared with the clock of that very processor, on which the caller
//! runs for a moment. What the clock has missed makes a sleep look shorter than it was, never
//! longer.

use super::task::{after_name, file_of};
use crate::again::nanoseconds;
use crate::sys::thread::{self, PROCESSORS as MOST};
use crate::sys::timer;
use crate::util::cell::Global;
use crate::util::text::{decimal, labelled, split, trim_start};

/// How far each processor's clock is behind CLOCK_MONOTONIC, nanoseconds; zero if not known yet.
static BEHIND: Global<[u64; MOST]> = Global::new([0; MOST]);

/// When a thread that is asleep, of a process or (zero) of this one, fell asleep, nanoseconds of
/// CLOCK_MONOTONIC; zero if that is not known (no CONFIG_SCHED_DEBUG).
pub(super) fn since(pid: u32, tid: u32) -> u64 {
    let mut text = [0; 512];
    // The processor is the 39th field of `stat`, which the name ends the second of.
    let stat = after_name(file_of(pid, tid, "stat", &mut text));
    let number = split(stat, b' ').nth(36).and_then(decimal);
    let Some((processor, _)) = number.filter(|&(n, _)| n < MOST as u64) else {
        return 0;
    };
    match (last_run(pid, tid), behind(processor as usize)) {
        (Some(run), Some(behind)) => run + behind,
        _ => 0,
    }
}

/// `se.exec_start`, nanoseconds: written as milliseconds with six decimals.
///
/// It is zero if the task was moved to another processor while it slept but was still in the queue
/// of the first (enqueue_entity() in kernel/sched/fair.c; tasks that had more than their share stay
/// there for a while since 6.12). Then `se.avg.last_update_time` tells when it has left the queue of
/// the other: a little later than it fell asleep, never earlier.
fn last_run(pid: u32, tid: u32) -> Option<u64> {
    let mut text = [0; 2048];
    let text = file_of(pid, tid, "sched", &mut text);
    let number = |label| {
        let value = labelled(text, label)?.strip_prefix(b":")?;
        decimal(trim_start(value))
    };
    let (whole, rest) = number(b"se.exec_start")?;
    let (part, _) = decimal(rest.strip_prefix(b".")?)?;
    match whole * 1_000_000 + part {
        0 => Some(number(b"se.avg.last_update_time")?.0),
        run => Some(run),
    }
}

fn behind(processor: usize) -> Option<u64> {
    let known = BEHIND.with(|all| all.get(processor).copied())?;
    if known != 0 {
        return Some(known);
    }
    let before = thread::affinity();
    if before == [0; 16] {
        return None;
    }
    thread::go_to(processor).ok()?;
    // Brings the note up to date.
    thread::give_way();
    let run = last_run(0, thread::id());
    let now = timer::clock(1).map(nanoseconds);
    let _ = thread::set_affinity(&before);
    let behind = now.ok()?.checked_sub(run?)?;
    BEHIND.with(|all| {
        if let Some(place) = all.get_mut(processor) {
            *place = behind;
        }
    });
    Some(behind)
}
