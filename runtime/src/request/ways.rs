//! The signals by which a program is asked: which thread takes one, and when it is another's turn.

use super::QUEUED;
use super::status::Status;
use crate::error::{Context, Result, fail};
use crate::sys::{Errno, fs, process, signal};
use crate::trigger::REQUEST_SIGNALS;
use crate::util::text::{ShortText, decimal};

/// When it is asked by the second signal.
const SECOND: u64 = 1_000;

/// The signals by which a program is still to be asked.
pub(super) struct Ways {
    pid: u32,
    value: u64,
    first: Option<u32>,
    second: Option<u32>,
    /// When the first is sent even if no thread takes it, in milliseconds.
    anyway: u64,
    /// When it is the second's turn.
    turn: u64,
    /// The thread that the last one was sent to, and its number.
    last: Option<(u32, u32)>,
}

impl Ways {
    pub(super) fn new(pid: u32, status: &Status, value: u64) -> Self {
        let [first, second] = REQUEST_SIGNALS;
        let second = Some(second).filter(|&n| status.catches(n) && same_program(pid));
        Self {
            pid,
            value,
            first: Some(first).filter(|&n| status.catches(n)),
            second,
            anyway: if second.is_some() { SECOND } else { 0 },
            turn: 0,
            last: None,
        }
    }

    /// Sends what is due after so many milliseconds. A signal that no thread takes is left for
    /// another moment: the program may block it for good, or just then.
    pub(super) fn go(&mut self, waited: u64) -> Result<()> {
        if self
            .last
            .is_some_and(|(tid, n)| is_pending(self.pid, tid, n))
        {
            // The thread has had no time yet. What is sent by another way it would find when all is
            // done, and if it blocks that, keep.
            self.turn = waited + SECOND;
            self.anyway = waited + SECOND;
        }
        if let Some(number) = self.first
            && self.send(number, waited >= self.anyway)?
        {
            self.first = None;
            self.turn = waited + SECOND;
        }
        if let Some(number) = self.second.filter(|_| waited >= self.turn)
            && self.send(number, false)?
        {
            self.second = None;
        }
        Ok(())
    }

    /// Sends a signal to a thread that takes it, or where `anyway`, to the process if there is none.
    /// One that is sent to the process may go to a thread that waits for it: the C libraries have
    /// such for timers (timer_helper_thread, sysdeps/unix/sysv/linux/timer_routines.c of glibc),
    /// programs for all signals.
    fn send(&mut self, number: u32, anyway: bool) -> Result<bool> {
        let pid = self.pid;
        let taker = taker(pid, number);
        // The last look: a program that does not handle it any more would be ended.
        if (taker.is_none() && !anyway) || !Status::read(pid)?.catches(number) {
            return Ok(anyway);
        }
        let info = signal::info(number, 0, QUEUED, process::id(), self.value);
        let sent = match taker {
            Some(tid) => {
                self.last = Some((tid, number));
                signal::queue_thread(pid, tid, number, &info)
            }
            None => signal::queue(pid, number, &info),
        };
        match sent {
            // The thread has ended meanwhile.
            Err(Errno::SRCH) if taker.is_some() => Ok(false),
            sent => sent
                .map(|()| true)
                .or_fail(format_args!("cannot send a request to process {pid}")),
        }
    }
}

/// A thread in which a handler of that signal would run.
fn taker(pid: u32, number: u32) -> Option<u32> {
    let path = ShortText::format(format_args!("/proc/{pid}/task"));
    let mut buffer = [0; 4096];
    let folder = fs::open(path.as_c(), fs::O_RDONLY | fs::O_DIRECTORY, 0).ok()?;
    while let Ok(got @ 1..) = fs::entries(folder.number(), &mut buffer) {
        let names = fs::names(buffer.get(..got).unwrap_or(&[]));
        let tids = names.filter_map(decimal).map(|(tid, _)| tid as u32);
        if let Some(tid) = { tids }.find(|&tid| takes(pid, tid, number)) {
            return Some(tid);
        }
    }
    None
}

/// Does the thread neither block the signal nor wait for signals by itself?
fn takes(pid: u32, tid: u32, number: u32) -> bool {
    /// rt_sigtimedwait(2), as /proc/PID/task/TID/syscall begins.
    const WAITS: &[u8] = b"128 ";
    let path = ShortText::format(format_args!("/proc/{pid}/task/{tid}/syscall"));
    let mut call = [0; 8];
    let waits = fs::glance(path.as_c(), &mut call).starts_with(WAITS);
    let handles = |s: Status| !matches!(s.state, b'Z' | b'X') && s.blocked >> (number - 1) & 1 == 0;
    !waits && Status::of_thread(pid, tid).is_ok_and(handles)
}

/// Has the thread not taken a signal yet that it was sent?
fn is_pending(pid: u32, tid: u32, number: u32) -> bool {
    Status::of_thread(pid, tid).is_ok_and(|s| s.pending >> (number - 1) & 1 != 0)
}

/// Does the process run this executable?
fn same_program(pid: u32) -> bool {
    let path = ShortText::format(format_args!("/proc/{pid}/exe"));
    match (fs::stat(path.as_c()), fs::stat(c"/proc/self/exe")) {
        (Ok(its), Ok(own)) => (its.st_dev, its.st_ino) == (own.st_dev, own.st_ino),
        _ => false,
    }
}

/// The program's status, once it takes requests: one that has just been started, or is being
/// restored, does so in a moment.
pub(super) fn ready(pid: u32) -> Result<Status> {
    const MOMENT: u64 = 2_000;
    let begin = process::ticks();
    loop {
        let status = Status::read(pid)?;
        let [first, second] = REQUEST_SIGNALS;
        if status.catches(first) || status.catches(second) && same_program(pid) {
            return Ok(status);
        }
        if process::ticks() - begin > MOMENT {
            fail!(
                "process {pid} is not a program patched with ckpt-patch, or does not take requests any more"
            );
        }
        process::sleep(5);
    }
}
