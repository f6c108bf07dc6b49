//! System calls that our signal has interrupted: which one it was, and what is left of it. How they
//! go on is [`crate::again`]'s affair.
//!
//! The kernel restarts many of them after a handler with SA_RESTART, but not those that wait for a
//! time or for a signal (signal(7), "Interruption of system calls"); these return EINTR, and their
//! number was lost with rax. It is known if the coordinator saw the thread in this very call; else
//! it is looked for in the code. Arguments are still in their registers.
#![expect(unsafe_code, reason = "reads and changes signal frames")]

use super::thread::read;
use crate::again::{EINTR, Record, Time, mark, nanoseconds, tell};
use crate::arch::frame::{Frame, offset};
use crate::config;
use crate::quiesce::Call;
use crate::sys::{process, thread, timer};

/// CLOCK_MONOTONIC.
const MONOTONIC: u32 = 1;
/// CLOCK_BOOTTIME.
const BOOTTIME: u32 = 7;

/// A call that waits, and how it is told for how long.
#[derive(Clone, Copy, Debug)]
struct Kind {
    number: u16,
    time: Time,
    arg: u8,
    /// See [`Record::left`].
    left: u8,
    /// The kernel notes when it is to end, for restart_syscall(2).
    noted: bool,
}

const fn kind(number: u16, time: Time, arg: u8) -> Kind {
    Kind {
        number,
        time,
        arg,
        left: 0,
        noted: false,
    }
}

const fn noted(number: u16, time: Time, arg: u8, left: u8) -> Kind {
    Kind {
        number,
        time,
        arg,
        left,
        noted: true,
    }
}

const FUTEX: u16 = 202;
const CLOCK_NANOSLEEP: u16 = 230;

/// Calls that return EINTR whatever SA_RESTART says.
const ALWAYS: [Kind; 21] = [
    noted(7, Time::Milliseconds, 2, 0), // poll
    kind(23, Time::Value, 4),           // select
    kind(34, Time::None, 0),            // pause
    noted(35, Time::Constant, 0, 1),    // nanosleep
    kind(65, Time::None, 0),            // semop
    kind(69, Time::None, 0),            // msgsnd
    kind(70, Time::None, 0),            // msgrcv
    kind(128, Time::Constant, 2),       // rt_sigtimedwait
    kind(130, Time::None, 0),           // rt_sigsuspend
    noted(FUTEX, Time::Constant, 3, 0), // futex
    kind(208, Time::Constant, 4),       // io_getevents
    kind(220, Time::Constant, 3),       // semtimedop
    noted(CLOCK_NANOSLEEP, Time::Constant, 2, 3),
    kind(232, Time::Milliseconds, 3), // epoll_wait
    kind(270, Time::Spec, 4),         // pselect6
    kind(271, Time::Spec, 2),         // ppoll
    kind(281, Time::Milliseconds, 3), // epoll_pwait
    kind(333, Time::Constant, 4),     // io_pgetevents
    kind(426, Time::None, 0),         // io_uring_enter
    kind(441, Time::Constant, 3),     // epoll_pwait2
    kind(449, Time::None, 0),         // futex_waitv
];

/// Calls that wait and that the kernel restarts.
const RESTARTED: [u16; 24] = [
    0, 1, 17, 18, 19, 20, 42, 43, 44, 45, 46, 47, 61, 72, 73, FUTEX, 242, 243, 247, 288, 295, 296,
    299, 307,
];

/// The kind of a call, and for how long it was told to wait: `None` for without an end, and for a
/// time that is absolute.
fn kind_of(number: u64, args: &[u64; 6]) -> Option<(Kind, Option<[u64; 2]>)> {
    let mut kind = *ALWAYS.iter().find(|k| u64::from(k.number) == number)?;
    let [_, second, ..] = *args;
    // FUTEX_WAIT alone takes a relative time; its command is in the lower bits.
    if kind.number == FUTEX && second & 0x7f != 0
        || kind.number == CLOCK_NANOSLEEP && second & 1 != 0
    {
        kind.time = Time::None;
    }
    let value = args.get(usize::from(kind.arg)).copied().unwrap_or(0);
    let span = match kind.time {
        Time::None => None,
        Time::Milliseconds => u64::try_from(value as i32)
            .ok()
            .map(|ms| [ms / 1000, ms % 1000 * 1_000_000]),
        Time::Constant | Time::Spec => spec(value),
        Time::Value => spec(value).map(|[s, us]| [s, us * 1000]),
    };
    Some((kind, span))
}

/// A pair of numbers of the program's.
fn spec(place: u64) -> Option<[u64; 2]> {
    let bytes = read::<16>(place).filter(|_| place != 0)?;
    let mut pair = [0; 2];
    let (halves, _) = bytes.as_chunks::<8>();
    for (number, half) in pair.iter_mut().zip(halves) {
        *number = u64::from_le_bytes(*half);
    }
    Some(pair)
}

/// Does a call wait for a time of which only the thread's sleep can tell what is left?
#[must_use]
pub fn is_timed(number: u64, args: &[u64; 6]) -> bool {
    kind_of(number, args).is_some_and(|(kind, span)| {
        let told = args
            .get(usize::from(kind.left))
            .is_some_and(|&p| kind.left > 0 && p != 0);
        span.is_some() && !told && matches!(kind.time, Time::Milliseconds | Time::Constant)
    })
}

/// Where a call writes what is left of its time if a signal ends it; zero for nowhere.
#[must_use]
pub fn place_of_rest(number: u64, args: &[u64; 6]) -> u64 {
    match kind_of(number, args) {
        Some((Kind { left: n @ 1.., .. }, Some(_))) => {
            args.get(usize::from(n)).copied().unwrap_or(0)
        }
        _ => 0,
    }
}

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
    let at = get(offset::RIP) as usize;
    if !(start..=called).contains(&at) {
        return None;
    }
    let outer = Frame(get(offset::RSP) as usize + 8);
    // SAFETY: signals come only while rsp is there.
    let record = unsafe { Record::of(outer) };
    if at == called && get(offset::RAX) != EINTR {
        // It has its result.
        return Some(frame);
    }
    record.nr = u64::from(record.number);
    if at == called && record.left > 0 {
        take_rest(record);
    }
    record.settle();
    // SAFETY: this frame is not needed any more.
    let inner = unsafe { Record::of(frame) };
    inner.mark = mark::OUTER;
    inner.outer = outer.0 as u64;
    Some(outer)
}

/// Notes in the frame what is to be done of the call.
fn note(frame: Frame, seen: &Call) {
    // SAFETY: the kernel's frame.
    let get = |at| unsafe { frame.get(at) };
    let (at, rax) = (get(offset::RIP), get(offset::RAX));
    let args = offset::ARGUMENTS.map(get);
    let is_call = |place: u64| read::<2>(place) == Some([0x0f, 0x05]);
    let [nr, arguments @ .., sp, pc] = seen.words;
    let matches = |after: u64| {
        seen.valid
            && seen.sleeps == thread::sleeps()
            && (sp, pc) == (get(offset::RSP), after)
            && args == arguments
            && is_call(after - 2)
    };
    let mut record = Record {
        mark: mark::PLAIN,
        clock: MONOTONIC,
        outer: 0,
        nr: 0,
        args,
        mask: get(offset::SIGMASK),
        started: [0; 2],
        rest: [0; 2],
        number: 0,
        time: Time::None,
        arg: 0,
        left: 0,
        restarts: false,
        noted: false,
        kept: false,
        base: 0,
    };
    let mut known = true;
    if rax == EINTR {
        let number = if matches(at) {
            Some(nr)
        } else {
            decoded(at, get(offset::RSP))
        };
        match number {
            Some(number) => {
                record.number = number as u16;
                time(&mut record, seen, matches(at));
            }
            // The kernel may know.
            None => {
                record.number = 219;
                record.mark = mark::REPEAT;
                known = is_call(at.wrapping_sub(2));
            }
        }
        if record.mark == mark::PLAIN {
            // SAFETY: the thread repeats the call with the arguments it made it with.
            unsafe { frame.set(offset::RAX, u64::from(record.number)) };
            // SAFETY: back to the system call instruction.
            unsafe { frame.set(offset::RIP, at - 2) };
        }
    } else {
        // The kernel has gone back to the instruction, which has left its trace in rcx.
        record.restarts = true;
        record.number = rax as u16;
        known = get(offset::RCX) == at + 2
            && is_call(at)
            && (matches(at + 2) && nr == rax || RESTARTED.iter().any(|&n| u64::from(n) == rax));
    }
    if known {
        record.nr = u64::from(record.number);
        // SAFETY: nobody needs the siginfo any more.
        let place = unsafe { Record::of(frame) };
        *place = record;
        if record.time == Time::Constant
            && let Some(arg) = place.args.get_mut(usize::from(record.arg))
        {
            *arg = (&raw const place.rest).addr() as u64;
        }
    }
}

/// Finds out what is left of the time that a call waits for.
fn time(record: &mut Record, seen: &Call, matches: bool) {
    let Some((kind, Some(span))) = kind_of(u64::from(record.number), &record.args) else {
        return;
    };
    (record.time, record.arg, record.left) = (kind.time, kind.arg, kind.left);
    let [first, ..] = record.args;
    // A relative time of the wall clock is one of CLOCK_MONOTONIC (hrtimer_init,
    // kernel/time/hrtimer.c); those of processor time and of suspended hosts are their own.
    if kind.number == CLOCK_NANOSLEEP && ![0, 11].contains(&first) {
        record.clock = first as u32;
    }
    record.started = timer::clock(record.clock).unwrap_or([0; 2]);
    record.rest = span;
    if matches!(kind.time, Time::Spec | Time::Value) {
        // The kernel has written there what is left.
        return;
    }
    record.mark = mark::REPEAT;
    record.noted = kind.noted;
    let place = record.args.get(usize::from(kind.left));
    if kind.left > 0 && place != Some(&0) {
        if matches {
            let (kept, _) = seen.kept.as_chunks::<8>();
            let [.., a, b] = &mut record.args;
            for (word, bytes) in [a, b].into_iter().zip(kept) {
                *word = u64::from_le_bytes(*bytes);
            }
            record.kept = true;
        }
        take_rest(record);
    } else {
        record.left = 0;
        // Time on a processor is not known from a sleep.
        if matches && seen.asleep != 0 && [MONOTONIC, BOOTTIME].contains(&record.clock) {
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
    if let Some(rest) = spec(place) {
        record.rest = rest;
        record.started = timer::clock(record.clock).unwrap_or(record.started);
    }
    if record.kept {
        tell(place, [a, b]);
    }
}

/// The number of one of [`ALWAYS`] as the code around the system call has it.
///
/// Two shapes are known. `mov $nr, %eax; syscall`, as in the wrappers of glibc. And a function that
/// takes the number as its first argument, musl's `__syscall_cp` and everybody's `syscall`: it has
/// `mov %rdi, %rax` at its beginning, perhaps behind `sub $n, %rsp`, and its caller has
/// `mov $nr, %edi` shortly before.
fn decoded(rip: u64, rsp: u64) -> Option<u64> {
    const MOV_EAX: u8 = 0xb8;
    const MOV_EDI: u8 = 0xbf;
    const CALL: usize = 5;
    /// How far before the instruction a function may begin.
    const BODY: usize = 108;
    let known = |number: &u32| ALWAYS.iter().any(|k| u32::from(k.number) == *number);
    let [opcode, number @ .., 0x0f, 0x05] = read::<7>(rip.wrapping_sub(7))? else {
        return None;
    };
    if opcode == MOV_EAX {
        let number = Some(u32::from_le_bytes(number)).filter(known);
        return number.map(u64::from);
    }
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
    let numbers = before
        .windows(5)
        .rev()
        .filter(|w| w.first() == Some(&MOV_EDI));
    numbers
        .filter_map(|w| w.last_chunk::<4>().copied().map(u32::from_le_bytes))
        .find(known)
        .map(u64::from)
}
