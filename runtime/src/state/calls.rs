//! System calls that our signal has interrupted: which one it was, and what is left of it. How they
//! go on is [`crate::again`]'s affair.
//!
//! The kernel restarts many of them after a handler with SA_RESTART, but not those that wait for a
//! time or for a signal (signal(7), "Interruption of system calls"); these return EINTR, and their
//! number was lost with rax. It is known if the coordinator saw the thread in this very call; else
//! it is looked for in the code. Arguments are still in their registers.
#![expect(unsafe_code, reason = "reads and changes signal frames")]

use super::thread::read;
use crate::again::{
    EINTR, RESTART, Record, Time, flag, mark, nanoseconds, pair as read_pair, tell,
};
use crate::arch::frame::{Frame, offset};
use crate::config;
use crate::quiesce::Call;
use crate::sys::{process, thread, timer};

mod parts;
mod table;

pub use table::{is_timed, place_of_rest};

/// CLOCK_MONOTONIC.
const MONOTONIC: u32 = 1;
/// CLOCK_BOOTTIME.
const BOOTTIME: u32 = 7;

/// Has a thread that was stopped go on with the call that it was in, if it was in one. Tells the
/// frame to go back through, which stands for the thread from here on.
#[must_use]
pub fn interrupted(frame: Frame, seen: &Call) -> Frame {
    let frame = repeated(frame).unwrap_or_else(|| {
        note(frame, seen);
        frame
    });
    if thread::id() == process::id() {
        // SAFETY: the kernel's frame.
        let mask = unsafe { frame.get(offset::SIGMASK) };
        config::with(|c| c.first_mask = mask);
    }
    frame
}

/// The outer frame of a thread that was in the repeated call, which will be repeated again.
fn repeated(frame: Frame) -> Option<Frame> {
    // SAFETY: the kernel's frame.
    let get = |at| unsafe { frame.get(at) };
    let [start, called] = config::with(|c| c.again);
    let (at, rax) = (get(offset::RIP) as usize, get(offset::RAX));
    if !(start..=called).contains(&at) {
        return None;
    }
    let outer = Frame(get(offset::RSP) as usize + 8);
    // SAFETY: signals come only while rsp is there.
    let record = unsafe { Record::of(outer) };
    if at == called && rax != EINTR {
        let adds = record.has(flag::ADDS | flag::EVENTS);
        let part = adds && rax as i64 > 0 && rax < record.wanted();
        if !part {
            // It has its result.
            return Some(frame);
        }
        parts::advance(record, rax);
    }
    record.nr = u64::from(record.number);
    if at == called && record.left > 0 {
        take_rest(record);
    }
    record.settle();
    // SAFETY: this frame is not needed any more.
    let inner = unsafe { Record::of(frame) };
    inner.mark = mark::OUTER;
    inner.other = outer.0 as u64;
    Some(outer)
}

/// What a thread was stopped in.
enum State {
    /// A call that returned EINTR, with its number if that is known.
    Ended(Option<u64>),
    /// A call that the kernel has set to start again.
    Restarted,
    /// A call that may have been ended when a part was done.
    Part(u64),
    /// None that our signal has to do with.
    Other,
}

/// Finds out what a thread was stopped in, and whether the coordinator saw it in there.
fn state(frame: Frame, seen: &Call) -> (State, bool) {
    // SAFETY: the kernel's frame.
    let get = |at| unsafe { frame.get(at) };
    let (at, rax, rsp) = (get(offset::RIP), get(offset::RAX), get(offset::RSP));
    let [nr, arguments @ .., sp, pc] = seen.words;
    let is_call = |place: u64| read::<2>(place) == Some([0x0f, 0x05]);
    // The instruction leaves where it returns to in rcx.
    let after = get(offset::RCX);
    let same = seen.valid
        && seen.sleeps == thread::sleeps()
        && (sp, pc) == (rsp, after)
        && offset::ARGUMENTS.map(get) == arguments;
    let state = if !is_call(after.wrapping_sub(2)) {
        State::Other
    } else if after == at && rax == EINTR {
        State::Ended(if same {
            Some(nr)
        } else {
            decoded(at, rsp, &offset::ARGUMENTS.map(get))
        })
    } else if after == at && rax as i64 > 0 {
        let found = || {
            parts::number_before(at)
                .or_else(|| called_with(at, rsp, &parts::moves))
                .map(u64::from)
        };
        let number = if same { Some(nr) } else { found() };
        let number = number.filter(|&n| parts::moves(n as u32));
        number.map_or(State::Other, State::Part)
    } else if after == at + 2 && (same && nr == rax || table::is_restarted(rax)) {
        State::Restarted
    } else {
        State::Other
    };
    (state, same)
}

/// Notes in the frame what is to be done of the call.
fn note(frame: Frame, seen: &Call) {
    // SAFETY: the kernel's frame.
    let get = |at| unsafe { frame.get(at) };
    let (at, rax) = (get(offset::RIP), get(offset::RAX));
    let args = offset::ARGUMENTS.map(get);
    let (state, same) = state(frame, seen);
    let mut record = Record {
        mark: mark::PLAIN,
        clock: MONOTONIC,
        other: 0,
        nr: 0,
        args,
        mask: get(offset::SIGMASK),
        started: [0; 2],
        rest: [0; 2],
        number: 0,
        time: Time::None,
        arg: 0,
        left: 0,
        flags: 0,
        size: 0,
        base: 0,
    };
    let timed = match state {
        State::Ended(Some(number)) => {
            record.number = number as u16;
            true
        }
        State::Ended(None) => {
            // The kernel may know.
            record.number = RESTART;
            record.mark = mark::REPEAT;
            false
        }
        State::Restarted => {
            record.number = rax as u16;
            record.flags = flag::RESTARTS;
            false
        }
        State::Part(number) if parts::rest(&mut record, number, rax) => {
            record.mark = mark::REPEAT;
            record.has(flag::EVENTS)
        }
        State::Part(_) | State::Other => return,
    };
    if timed {
        time(&mut record, seen, same);
    }
    if record.mark == mark::PLAIN && matches!(state, State::Ended(_)) {
        // SAFETY: the thread repeats the call with the arguments it made it with.
        unsafe { frame.set(offset::RAX, u64::from(record.number)) };
        // SAFETY: back to the system call instruction.
        unsafe { frame.set(offset::RIP, at - 2) };
    }
    record.nr = u64::from(record.number);
    // SAFETY: nobody needs the siginfo any more.
    let place = unsafe { Record::of(frame) };
    *place = record;
    if record.has(flag::POLLS) {
        place.args[0] = (&raw const place.args[3]).addr() as u64;
    } else if record.time == Time::Constant
        && let Some(arg) = place.args.get_mut(usize::from(record.arg))
    {
        *arg = (&raw const place.rest).addr() as u64;
    }
    if place.has(flag::EVENTS) {
        place.arg = 1;
    }
}

/// Finds out what is left of the time that a call waits for.
fn time(record: &mut Record, seen: &Call, same: bool) {
    const POLL: u16 = 7;
    let Some((kind, Some(span))) = table::kind_of(u64::from(record.number), &record.args) else {
        return;
    };
    (record.time, record.arg, record.left) = (kind.time, kind.arg, kind.left);
    let [first, ..] = record.args;
    // A relative time of the wall clock is one of CLOCK_MONOTONIC (hrtimer_init,
    // kernel/time/hrtimer.c); those of processor time and of suspended hosts are their own.
    if kind.number == table::CLOCK_NANOSLEEP && ![0, 11].contains(&first) {
        record.clock = first as u32;
    }
    record.started = timer::clock(record.clock).unwrap_or([0; 2]);
    record.rest = span;
    if matches!(kind.time, Time::Spec | Time::Value) {
        // The kernel has written there what is left.
        return;
    }
    record.mark = mark::REPEAT;
    if kind.noted {
        record.flags |= flag::NOTED;
    }
    if kind.event != 0 {
        record.flags |= flag::POLLS;
        record.other = u64::from(record.number);
        record.number = POLL;
        // A `struct pollfd`, and where it will be.
        let poll = first & 0xffff_ffff | u64::from(kind.event) << 32;
        record.args = [0, 1, 0, poll, 0, 0];
    }
    let place = record.args.get(usize::from(kind.left));
    if kind.left > 0 && place != Some(&0) {
        if same {
            let (kept, _) = seen.kept.as_chunks::<8>();
            let [.., a, b] = &mut record.args;
            for (word, bytes) in [a, b].into_iter().zip(kept) {
                *word = u64::from_le_bytes(*bytes);
            }
            record.flags |= flag::KEPT;
        }
        take_rest(record);
    } else {
        record.left = 0;
        // Time on a processor is not known from a sleep.
        if same && seen.asleep != 0 && [MONOTONIC, BOOTTIME].contains(&record.clock) {
            let now = timer::clock(MONOTONIC).map_or(0, nanoseconds);
            let since = now.saturating_sub(seen.asleep);
            record.started = [0, nanoseconds(record.started).saturating_sub(since)];
        }
    }
    record.settle();
}

/// Reads what the kernel has told the program to be left, of which nothing is to be seen unless a
/// signal of its own ends the call.
fn take_rest(record: &mut Record) {
    let [.., a, b] = record.args;
    let place = record.args.get(usize::from(record.left)).copied();
    let place = place.unwrap_or(0);
    if let Some(rest) = read_pair(place) {
        record.rest = rest;
        record.started = timer::clock(record.clock).unwrap_or(record.started);
    }
    if record.has(flag::KEPT) {
        tell(place, [a, b]);
    }
}

/// The number of a call that a signal ends, as the code around it has it.
fn decoded(rip: u64, rsp: u64, args: &[u64; 6]) -> Option<u64> {
    let ends = |n| table::kind_of(u64::from(n), args).is_some();
    parts::number_before(rip)
        .filter(|&n| ends(n))
        .or_else(|| called_with(rip, rsp, &ends))
        .map(u64::from)
}

/// The number of a call, one of those that are wanted, that a function makes which takes it as its
/// first argument: musl's `__syscall_cp` and everybody's `syscall`. Such a one has `mov %rdi, %rax`
/// at its beginning, perhaps behind `sub $n, %rsp`, and its caller has `mov $nr, %edi` or
/// `xor %edi, %edi` shortly before.
fn called_with(rip: u64, rsp: u64, wanted: &dyn Fn(u32) -> bool) -> Option<u32> {
    const CALL: usize = 5;
    /// How far before the instruction the function may begin.
    const BODY: usize = 108;
    let body = read::<BODY>(rip.wrapping_sub(BODY as u64))?;
    let start = body.windows(3).rposition(|w| w == [0x48, 0x89, 0xf8])?;
    let frame = match body.get(..start) {
        Some([.., 0x48, 0x83, 0xec, size]) => u64::from(*size),
        // Without a frame it is near.
        _ if start + 28 >= BODY => 0,
        _ => return None,
    };
    let caller = read::<8>(rsp.wrapping_add(frame)).map(u64::from_le_bytes)?;
    let before = read::<69>(caller.wrapping_sub(69))?;
    let before = before.get(..before.len() - CALL)?;
    let numbers = (0..before.len())
        .rev()
        .filter_map(|n| match *before.get(n..)? {
            [0xbf, a, b, c, d, ..] => Some(u32::from_le_bytes([a, b, c, d])),
            [0x31, 0xff, ..] => Some(0),
            _ => None,
        });
    numbers.into_iter().find(|&n| wanted(n))
}
