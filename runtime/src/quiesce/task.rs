//! What /proc tells of another thread.

use super::sleep;
use crate::quiesce::SIGNAL;
use crate::state::calls;
use crate::sys::{Errno, fs, mm, process, signal};
use crate::util::text::{Show, Text, decimal, find_last, hexadecimal, labelled};

/// A file of /proc/self/task/TID, as far as `to` reaches; empty if the thread has ended.
pub(super) fn file<'a>(tid: u32, name: &str, to: &'a mut [u8]) -> &'a [u8] {
    file_of(0, tid, name, to)
}

/// The same of a thread of a process; zero for this one.
pub(super) fn file_of<'a>(pid: u32, tid: u32, name: &str, to: &'a mut [u8]) -> &'a [u8] {
    let name = Show::text(name);
    let path = if pid == 0 {
        Text::<64>::format(format_args!("/proc/self/task/{tid}/{name}"))
    } else {
        Text::format(format_args!("/proc/{pid}/task/{tid}/{name}"))
    };
    fs::glance(path.as_c(), to)
}

/// A system call that a thread is in: number, arguments, stack pointer, instruction pointer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Call {
    /// All nine numbers; zeroes for a thread that runs.
    pub words: [u64; 9],
    /// The thread is in a call.
    pub valid: bool,
    /// How often it had gone to sleep: as often as it has when it is stopped, if it is the call
    /// that it is stopped in.
    pub sleeps: u64,
    /// When it did so the last time, nanoseconds of CLOCK_MONOTONIC, for a call of which nothing
    /// else tells what is left of its time; zero if it is not known.
    pub asleep: u64,
    /// What is in the place where the call writes what is left of its time.
    pub kept: [u8; 16],
}

impl Call {
    /// Reads /proc/self/task/TID/syscall, `nr a0 … a5 sp pc` or `running`.
    pub(super) fn read(tid: u32, sleeps: u64) -> Self {
        let mut call = Self::see(0, tid, sleeps);
        let [nr, args @ .., _, _] = call.words;
        if call.valid {
            if calls::is_timed(nr, &args) {
                call.asleep = sleep::since(0, tid);
            }
            let place = calls::place_of_rest(nr, &args);
            let _ = mm::read_own(place as usize, &mut call.kept);
        }
        call
    }

    /// What the first thread of another process is in, as far as the caller may know.
    pub fn of_process(pid: u32) -> Self {
        let mut text = [0; 4096];
        let text = file_of(pid, pid, "status", &mut text);
        let sleeps = labelled(text, SLEEPS).and_then(decimal);
        let mut call = Self::see(pid, pid, sleeps.map_or(0, |(n, _)| n));
        let [nr, args @ .., _, _] = call.words;
        if call.valid {
            call.asleep = sleep::since(pid, pid);
            let place = calls::place_of_rest(nr, &args);
            let _ = mm::read_of(pid, place as usize, &mut call.kept);
        }
        call
    }

    fn see(pid: u32, tid: u32, sleeps: u64) -> Self {
        let mut text = [0; 256];
        let text = file_of(pid, tid, "syscall", &mut text);
        let mut call = Self {
            sleeps,
            ..Self::default()
        };
        let mut fields = text.split(|&b| b == b' ' || b == b'\n');
        let mut count = 0;
        for (word, field) in call.words.iter_mut().zip(&mut fields) {
            let number = match crate::util::text::after(field, b"0x") {
                Some(hex) => hexadecimal(hex),
                None => decimal(field),
            };
            let Some((value, [])) = number else {
                break;
            };
            *word = value;
            count += 1;
        }
        call.valid = count == call.words.len();
        call
    }

    /// Signals that the thread waits for in rt_sigtimedwait(2): they end the call instead of
    /// being handled.
    fn awaited(&self) -> u64 {
        const SIGTIMEDWAIT: u64 = 128;
        let mut set = [0; 8];
        match self.words {
            [SIGTIMEDWAIT, place, ..]
                if self.valid && mm::read_own(place as usize, &mut set) == Ok(8) =>
            {
                u64::from_le_bytes(set)
            }
            _ => 0,
        }
    }
}

/// How `status` calls the number of times that a thread has gone to sleep.
const SLEEPS: &[u8] = b"voluntary_ctxt_switches:";

/// What must be known of a thread before a signal is sent to it.
pub(super) struct Status {
    /// Signals that it blocks.
    blocked: u64,
    /// Seccomp mode and number of filters: what our handler does in the thread, its filter may
    /// kill it for.
    pub(super) filters: [u64; 2],
    /// How often it has gone to sleep.
    pub(super) sleeps: u64,
}

impl Status {
    /// Reads /proc/self/task/TID/status; `None` if the thread has ended, or is a first thread that
    /// waits for the others to.
    pub(super) fn read(tid: u32) -> Option<Self> {
        let mut text = [0; 4096];
        let text = file(tid, "status", &mut text);
        let number = |name| labelled(text, name).and_then(decimal).map_or(0, |(n, _)| n);
        let state = labelled(text, b"State:").and_then(<[u8]>::first)?;
        if matches!(state, b'Z' | b'X') {
            return None;
        }
        let (blocked, _) = labelled(text, b"SigBlk:").and_then(hexadecimal)?;
        Some(Self {
            blocked,
            filters: [number(b"Seccomp:"), number(b"Seccomp_filters:")],
            sleeps: number(SLEEPS),
        })
    }

    /// The signal that reaches the thread. Usually [`SIGNAL`]; a thread of musl's that was
    /// cancelled blocks that until it comes to a cancellation point, and a program may block by
    /// plain system calls what no library lets it; then it is one that it does not wait for, a
    /// standard one at last. One that blocks all does so for a moment, while it makes a thread or
    /// ends. None reaches a thread that waits for all.
    pub(super) fn signal(&self, call: &Call) -> Option<u32> {
        const STANDARD: [u32; 8] = [23, 28, 10, 12, 14, 15, 1, 2];
        let awaited = call.awaited();
        let among = |set: u64, number: u32| set >> (number - 1) & 1 == 1;
        let preferred = [SIGNAL, 32, 34].into_iter().chain((35..=64).rev());
        preferred
            .chain(STANDARD)
            .find(|&number| !among(self.blocked | awaited, number))
            .or_else(|| (!among(awaited, SIGNAL)).then_some(SIGNAL))
    }

    /// Is the signal one that the thread blocks?
    pub(super) fn blocks(&self, number: u32) -> bool {
        self.blocked >> (number - 1) & 1 == 1
    }
}

/// Will the thread not take a signal any more? It has ended, or is a first thread that waits for
/// the others to, or one of the kernel's own (io_uring), which never leaves the kernel.
pub(super) fn is_out_of_reach(tid: u32) -> bool {
    /// PF_IO_WORKER and PF_USER_WORKER (include/linux/sched.h).
    const WORKER: u64 = 0x10 | 0x4000;
    if signal::ask_thread(process::id(), tid) == Err(Errno::SRCH) {
        return true;
    }
    let mut text = [0; 512];
    let text = file(tid, "stat", &mut text);
    // State, parent, group, session, terminal, terminal's group, flags.
    let mut fields = after_name(text).split(|&b| b == b' ');
    let state = fields.next().and_then(<[u8]>::first);
    let flags = fields.nth(5).and_then(decimal).map_or(0, |(n, _)| n);
    matches!(state, Some(b'Z' | b'X') | None) || flags & WORKER != 0
}

/// The fields of a `stat` behind the name, the third and following.
pub(super) fn after_name(stat: &[u8]) -> &[u8] {
    let start = find_last(stat, b')').map_or(0, |n| n + 2);
    stat.get(start..).unwrap_or(&[])
}

/// A thread as messages name it: number, name and state.
pub(super) fn describe(tid: u32) -> Text<96> {
    let (mut comm, mut stat) = ([0; 64], [0; 512]);
    let comm = file(tid, "comm", &mut comm).trim_ascii_end();
    let state = after_name(file(tid, "stat", &mut stat));
    Text::format(format_args!(
        "thread {tid} ({}, state {})",
        Show(comm),
        Show(state.get(..1).unwrap_or(b"X"))
    ))
}
