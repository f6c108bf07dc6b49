//! System calls that a checkpoint has interrupted go on after it. Resident.
//!
//! What is to be done of it is noted in the thread's signal frame, in the place of the siginfo that
//! nobody needs any more: so it is a part of the thread's memory, and of images, and goes when the
//! frame does. Calls that wait for a relative time are made again with what is left of it, by the
//! code that ends the handler ([`crate::arch::frame::again`]); all others by going back to the
//! program's own instruction.
//!
//! A signal of the program's that came meanwhile has to end the call as it would have without us.
//! It waits, since all are blocked in our handler; so the last thing before a thread goes back is
//! to look for one.
#![expect(unsafe_code, reason = "reads and changes signal frames")]

use crate::arch::frame::{Frame, offset};
use crate::config;
use crate::state::signals;
use crate::sys::{mm, process, signal, thread, timer};

/// EINTR as a system call returns it.
pub const EINTR: u64 = (-4i64) as u64;
/// restart_syscall(2): goes on with what the kernel has noted of an interrupted call, and returns
/// EINTR if the program has handled a signal since.
pub const RESTART: u16 = 219;

/// What a record is for. No signal has such a number, so none is taken for a record.
pub mod mark {
    /// The call is made by [`crate::arch::frame::again`].
    pub const REPEAT: u32 = 0x434b_5001;
    /// The program's instruction is executed again.
    pub const PLAIN: u32 = 0x434b_5002;
    /// The frame is one of a signal that interrupted a repeated call: [`super::Record::other`] is
    /// the one to go back through.
    pub const OUTER: u32 = 0x434b_5003;
    /// The call has ended.
    pub const DONE: u32 = 0x434b_5004;
}

/// How a call is told for how long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Time {
    /// Without an end, or until a time that is absolute.
    None,
    /// An argument in milliseconds; negative for no end.
    Milliseconds,
    /// An argument that leads to a `struct timespec`.
    Constant,
    /// The same, and the kernel writes there what is left.
    Spec,
    /// An argument that leads to a `struct timeval`, likewise.
    Value,
}

/// A call that was interrupted, in the place of a siginfo.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Record {
    /// One of [`mark`].
    pub mark: u32,
    /// The clock that its time is measured with.
    pub clock: u32,
    /// See [`mark::OUTER`] and [`flag::POLLS`].
    pub other: u64,
    /// The number to call by.
    pub nr: u64,
    /// The arguments to call with.
    pub args: [u64; 6],
    /// The program's signal mask.
    pub mask: u64,
    /// When `rest` was right.
    pub started: [u64; 2],
    /// What is left to wait, a `struct timespec`. With [`flag::ADDS`], the parts that are still to
    /// be moved: address and number of `struct iovec`.
    pub rest: [u64; 2],
    /// The number to call by if the kernel has noted nothing.
    pub number: u16,
    /// What `arg` is.
    pub time: Time,
    /// Which argument tells for how long to wait. With [`flag::ADDS`], which one tells how much is
    /// to be moved; the one before is the place.
    pub arg: u8,
    /// Which argument tells where the kernel writes what is left if a signal ends the call; zero
    /// for none.
    pub left: u8,
    /// Of [`flag`].
    pub flags: u8,
    /// With [`flag::ADDS`], how many bytes in memory one of what is moved has.
    pub size: u16,
    /// How much was moved before.
    pub base: u64,
}

/// What a call does beside waiting.
pub mod flag {
    /// A handler with SA_RESTART does not end it.
    pub const RESTARTS: u8 = 1;
    /// The kernel has noted when it is to end.
    pub const NOTED: u8 = 2;
    /// The last two arguments, which such a call has not, are what was in the place that `left`
    /// tells.
    pub const KEPT: u8 = 4;
    /// It moves something, and a part was moved before.
    pub const ADDS: u8 = 8;
    /// It is a poll(2) for a call on a socket that has a time-out, of the number in
    /// [`super::Record::other`]: that has nowhere to say how long it is to wait.
    pub const POLLS: u8 = 16;
    /// It is an io_getevents(2) that had some of its events before; `arg` is the one that tells how
    /// many it has to have.
    pub const EVENTS: u8 = 32;
}

const _: () = assert!(size_of::<Record>() == size_of::<signal::Info>());

impl Record {
    /// The record of a frame.
    ///
    /// # Safety
    ///
    /// The kernel made the frame for our handler, which nobody else looks at.
    #[must_use]
    pub unsafe fn of<'a>(frame: Frame) -> &'a mut Self {
        let place = (frame.0 + offset::INFO) as *mut Self;
        // SAFETY: as large as the siginfo there, and nothing but integers.
        unsafe { &mut *place }
    }

    /// Is a flag set, or one of several?
    #[must_use]
    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// What is to be moved by this very call.
    #[must_use]
    pub fn wanted(&self) -> u64 {
        self.args.get(usize::from(self.arg)).copied().unwrap_or(0)
    }

    /// Notes that so much was moved.
    pub fn advance(&mut self, moved: u64) {
        self.base += moved;
        if self.has(flag::EVENTS) {
            let [_, least, most, place, ..] = &mut self.args;
            *least -= moved;
            *most -= moved;
            *place += moved * 32;
            return;
        }
        let at = usize::from(self.arg).wrapping_sub(1);
        if let Some([place, count, ..]) = self.args.get_mut(at..) {
            *place += moved * u64::from(self.size);
            *count -= moved.min(*count);
        }
    }

    /// Goes on to the next part; false if there is none.
    pub fn next_part(&mut self) -> bool {
        loop {
            let [part, count] = self.rest;
            if count == 0 {
                return false;
            }
            self.rest = [part + 16, count - 1];
            let [_, place, len, ..] = &mut self.args;
            [*place, *len] = pair(part).unwrap_or([0; 2]);
            if *len > 0 {
                return true;
            }
        }
    }

    /// Takes the time since `started` off what is left, and notes that where the call looks.
    pub fn settle(&mut self) {
        if self.time == Time::None {
            return;
        }
        let Ok(now) = timer::clock(self.clock) else {
            return;
        };
        let passed = nanoseconds(now).saturating_sub(nanoseconds(self.started));
        let rest = nanoseconds(self.rest).saturating_sub(passed);
        self.started = now;
        self.rest = [rest / SECOND, rest % SECOND];
        let Some(arg) = self.args.get_mut(usize::from(self.arg)) else {
            return;
        };
        match self.time {
            Time::None | Time::Constant => {}
            Time::Milliseconds => *arg = rest.div_ceil(1_000_000).min(i32::MAX as u64),
            Time::Spec => tell(*arg, self.rest),
            Time::Value => {
                let micros = rest.div_ceil(1000);
                tell(*arg, [micros / 1_000_000, micros % 1_000_000]);
            }
        }
    }
}

/// Nanoseconds in a second.
const SECOND: u64 = 1_000_000_000;

/// A time in nanoseconds; one that is too far away to be is as far away as can be.
#[must_use]
pub fn nanoseconds([seconds, part]: [u64; 2]) -> u64 {
    seconds.saturating_mul(SECOND).saturating_add(part)
}

/// Two numbers of the program's, if they can be read.
#[must_use]
pub fn pair(place: u64) -> Option<[u64; 2]> {
    let mut bytes = [0; 16];
    if place == 0 || mm::read_own(place as usize, &mut bytes) != Ok(16) {
        return None;
    }
    let mut pair = [0; 2];
    let (halves, _) = bytes.as_chunks::<8>();
    for (number, half) in pair.iter_mut().zip(halves) {
        *number = u64::from_le_bytes(*half);
    }
    Some(pair)
}

/// Puts what is left where the program wants to know it.
pub fn tell(place: u64, [a, b]: [u64; 2]) {
    let mut bytes = [0; 16];
    let (halves, _) = bytes.as_chunks_mut::<8>();
    for (half, number) in halves.iter_mut().zip([a, b]) {
        *half = number.to_le_bytes();
    }
    // A place that cannot be written to the kernel leaves alone, too.
    let _ = mm::write_own(place as usize, &bytes);
}

/// The last thing in our handler: what was interrupted is made ready to go on. Tells the frame to
/// go back through.
///
/// # Safety
///
/// The kernel made the frame for our handler, which has done all else. All signals are blocked.
pub unsafe fn finish(mut frame: Frame, restored: bool) -> Frame {
    // SAFETY: the caller's promise.
    let mut record = unsafe { Record::of(frame) };
    if record.mark == mark::OUTER {
        frame = Frame(record.other as usize);
        // SAFETY: a frame that was noted as one.
        record = unsafe { Record::of(frame) };
    }
    let repeats = record.mark == mark::REPEAT;
    if !repeats && record.mark != mark::PLAIN {
        return frame;
    }
    if !restored {
        // What the checkpoint took is no time to wait longer; but a restored program waits for
        // what was left.
        record.settle();
    }
    // SAFETY: the kernel's frame.
    if unsafe { ends(frame, record) } {
        let result = if record.base > 0 { record.base } else { EINTR };
        // SAFETY: as the kernel would have it.
        unsafe { frame.set(offset::RAX, result) };
        if !repeats {
            // SAFETY: likewise.
            let at = unsafe { frame.get(offset::RIP) };
            // SAFETY: behind the instruction.
            unsafe { frame.set(offset::RIP, at + 2) };
        }
        if record.left > 0
            && let Some(&place) = record.args.get(usize::from(record.left))
        {
            tell(place, record.rest);
        }
        record.mark = mark::DONE;
    } else if repeats && record.has(flag::NOTED) && !restored {
        record.nr = u64::from(RESTART);
    }
    frame
}

/// Does a signal of the program's end the call?
///
/// # Safety
///
/// The kernel's frame.
unsafe fn ends(frame: Frame, record: &Record) -> bool {
    // SAFETY: the caller's promise.
    let blocked = unsafe { frame.get(offset::SIGMASK) };
    let mut waiting = signal::pending().unwrap_or(0) & !blocked;
    if waiting == 0 {
        return false;
    }
    let (pid, tid) = (process::id(), thread::id());
    let (first_mask, ours) = config::with(|c| (c.first_mask, c.action.handler));
    let own = signals::thread_queue();
    if tid != pid {
        // What is for the process goes to the first thread if that takes it (complete_signal,
        // kernel/signal.c).
        waiting &= first_mask | own;
    }
    for number in (1..=64).filter(|n| waiting >> (n - 1) & 1 == 1) {
        let Ok(action) = signal::action(number) else {
            continue;
        };
        // Ignored ones end nothing, default ones end or stop the process.
        if action.handler <= 1 || action.handler == ours {
            continue;
        }
        if record.has(flag::RESTARTS) && action.flags & signal::SA_RESTART != 0 {
            return false;
        }
        if own >> (number - 1) & 1 == 1 {
            return true;
        }
        // Another thread might take it instead, and this call would have ended for nothing.
        if let Ok(info) = signal::take(1 << (number - 1)) {
            let _ = signal::queue_thread(pid, tid, number, &info);
            return true;
        }
    }
    false
}

/// What [`crate::arch::frame::again`] does with the result of a call: true if there is another one
/// to be made.
///
/// # Safety
///
/// `context` is the `struct ucontext` of a frame with a record.
pub unsafe extern "C" fn after(context: usize, result: isize) -> bool {
    const EAGAIN: isize = -11;
    const EINPROGRESS: isize = -115;
    const CONNECT: u64 = 42;
    let frame = Frame(context);
    // SAFETY: the caller's promise.
    let record = unsafe { Record::of(frame) };
    let mut result = result;
    if record.has(flag::POLLS) && result > 0 {
        // It is ready: the program's own instruction has the rest of the work.
        // SAFETY: the kernel's frame.
        let at = unsafe { frame.get(offset::RIP) };
        // SAFETY: back to the instruction.
        unsafe { frame.set(offset::RIP, at - 2) };
        result = record.other as isize;
    } else if record.has(flag::POLLS) && result == 0 {
        result = if record.other == CONNECT {
            EINPROGRESS
        } else {
            EAGAIN
        };
    } else if record.has(flag::ADDS | flag::EVENTS) {
        let all = record.has(flag::ADDS) && result > 0 && result as u64 == record.wanted();
        record.base += result.max(0) as u64;
        if all && record.next_part() {
            return true;
        }
        if result >= 0 || record.base > 0 {
            result = record.base as isize;
        }
    }
    // SAFETY: the kernel's frame.
    unsafe { frame.set(offset::RAX, result as u64) };
    false
}

/// The first code of a restored thread: [`finish`].
///
/// # Safety
///
/// `context` is the `struct ucontext` that it goes back through.
pub unsafe extern "C" fn restored(context: usize) -> usize {
    // SAFETY: the caller's promise.
    unsafe { finish(Frame(context), true) }.0
}
