//! `--checkpoint PID`: how one process asks another, and how that one answers.
//!
//! The requester puts what it wants in a memory file and sends signal 32 with the file's
//! descriptor number; the program opens it through /proc and answers in it. No file in the file
//! system, no tracing; the right to send the signal and to look at the requester's descriptors
//! (same user) is all that is needed. A program that has taken signal 32 for itself is asked by
//! SIGURG ([`crate::trigger::REQUEST_SIGNALS`]), if it runs the same executable: another's handler of that is not
//! to be called.
//!
//! A program in namespaces of its own ([`crate::restore`], `--pid same`) sees no process id of the
//! requester's and may not look at its descriptors. It calls at a Unix socket of the requester's,
//! whose name came with the signal, and is given the file there.
#![expect(unsafe_code, reason = "shares a page with another process")]

mod ask;
mod status;
mod ways;

use core::sync::atomic::{AtomicU32, Ordering};

use crate::again::nanoseconds;
use crate::error::{Context, Result};
use crate::log;
use crate::quiesce::Call;
use crate::sys::signal::{self, Info};
use crate::sys::{Errno, fs, handover, mm, thread, timer};
use crate::util::own;
use crate::util::text::{PathText, ShortText, Text};

pub use ask::run;

/// Bytes shared: the head, then text.
const LEN: usize = 8192;
/// Where the text begins.
const TEXT: usize = 64;
/// SI_QUEUE.
const QUEUED: u32 = -1i32 as u32;
/// Where it is told what the program's first thread was seen in.
const SEEN: usize = LEN - size_of::<[u64; 16]>();
/// CLOCK_REALTIME and CLOCK_MONOTONIC. Only the first is alike in all namespaces.
const CLOCKS: [u32; 2] = [0, 1];
/// Upper half of the signal's value; tells our requests from other uses of the number.
const MAGIC: u32 = 0x434b_5054;
/// What the lower half says: the descriptor's number, and above it the socket's name, if it has one.
const FD: u32 = 0x7ff;
const HAS_NAME: u32 = 0x800;
const NAME: u32 = 12;
/// Seconds that a requester may take to hand the file over.
const HANDOVER: u64 = 2;

/// Values of the first word.
mod state {
    pub(super) const NEW: u32 = 0;
    pub(super) const ACCEPTED: u32 = 1;
    pub(super) const DONE: u32 = 2;
    pub(super) const FAILED: u32 = 3;
    pub(super) const CANCELLED: u32 = 4;
}

/// A page shared between requester and program.
#[derive(Debug)]
struct Shared(usize);

impl Shared {
    fn map(fd: i32) -> Result<Self> {
        // SAFETY: a new range.
        unsafe { mm::map(0, LEN, mm::RW, mm::SHARED, Some((fd, 0))) }
            .map(Self)
            .or_fail(format_args!("cannot map the request"))
    }

    fn word(&self, n: usize) -> &AtomicU32 {
        debug_assert!(n < TEXT / 4);
        let place = (self.0 + n * 4) as *const AtomicU32;
        // SAFETY: inside the mapping, aligned; the other side uses atomics too.
        unsafe { &*place }
    }

    fn move_on(&self, from: u32, to: u32) -> bool {
        let order = Ordering::SeqCst;
        self.word(0)
            .compare_exchange(from, to, order, order)
            .is_ok()
    }

    fn set_text(&self, text: &[u8]) {
        let len = text.len().min(LEN - TEXT);
        // SAFETY: inside the mapping; the other side reads only after the state says so.
        unsafe { core::ptr::copy_nonoverlapping(text.as_ptr(), (self.0 + TEXT) as *mut u8, len) };
        self.word(2).store(len as u32, Ordering::SeqCst);
    }

    fn text<const N: usize>(&self) -> Text<N> {
        let len = (self.word(2).load(Ordering::SeqCst) as usize).min(LEN - TEXT);
        let mut copy = Text::new();
        // SAFETY: inside the mapping; the other side has stopped writing, or what is read is
        // wrong but still bytes, and is checked where it is used.
        copy.push(unsafe { core::slice::from_raw_parts((self.0 + TEXT) as *const u8, len) });
        copy
    }
}

/// Is a signal a request?
#[must_use]
pub fn is_one(info: &Info) -> bool {
    let (_, code, _, value) = signal::fields(info);
    code == QUEUED && (value >> 32) as u32 == MAGIC
}

/// A request that reached this program.
#[derive(Debug)]
pub struct Request {
    shared: Shared,
    /// End the program after.
    pub stop: bool,
}

impl Request {
    /// The request that a signal tells of; `None` if it is no request of ours, or one that was
    /// given up, or if it cannot be read.
    #[must_use]
    pub fn received(info: &Info) -> Option<Self> {
        if !is_one(info) {
            return None;
        }
        let (_, _, pid, what) = signal::fields(info);
        let what = what as u32;
        let path = ShortText::format(format_args!("/proc/{pid}/fd/{}", what & FD));
        let opened = fs::open(path.as_c(), fs::O_RDWR, 0);
        // The kernel tells zero for a process of an outer namespace; and one of an outer namespace of
        // users may not be looked at (cap_ptrace_access_check, security/commoncap.c).
        let is_hidden = pid == 0 || matches!(opened, Err(Errno::ACCES | Errno::PERM));
        let file = if is_hidden && what & HAS_NAME != 0 {
            handover::fetch(what >> NAME, HANDOVER)
        } else {
            opened
        };
        let shared = match file {
            Ok(file) => Shared::map(file.number()).ok()?,
            // It has waited long enough, or was ended.
            Err(Errno::NOENT) => return None,
            Err(e) => {
                log::error!("cannot read the request of process {pid}: {e}");
                return None;
            }
        };
        own::claim(shared.0, LEN);
        let request = Self {
            stop: shared.word(1).load(Ordering::SeqCst) != 0,
            shared,
        };
        let wanted = request.shared.move_on(state::NEW, state::ACCEPTED);
        thread::wake(request.shared.word(0).as_ptr());
        wanted.then_some(request)
    }

    /// Losses that are accepted, a bit each.
    #[must_use]
    pub fn allowed(&self) -> u32 {
        self.shared.word(3).load(Ordering::SeqCst)
    }

    /// Where the image is to go; empty for where the pattern says.
    #[must_use]
    pub fn path(&self) -> PathText {
        self.shared.text()
    }

    /// What the first thread was in when the request was made.
    pub fn seen(&self) -> Call {
        let [wall, clock] = CLOCKS.map(now);
        // SAFETY: inside the mapping, aligned; what the other side writes there is checked where
        // it is used.
        let told = unsafe { ((self.shared.0 + SEEN) as *const [u64; 14]).read() };
        let (words, [valid, sleeps, since, a, b]) = told.split_first_chunk::<9>().map_or_else(
            || ([0; 9], [0; 5]),
            |(words, rest)| (*words, rest.try_into().unwrap_or([0; 5])),
        );
        let mut kept = [0; 16];
        let (halves, _) = kept.as_chunks_mut::<8>();
        for (half, word) in halves.iter_mut().zip([a, b]) {
            *half = word.to_le_bytes();
        }
        let asleep = clock.saturating_sub(wall.saturating_sub(since));
        Call {
            words,
            valid: valid == 1,
            sleeps,
            asleep: if since == 0 { 0 } else { asleep },
            kept,
        }
    }

    /// Tells the requester: the image's path, or why there is none.
    pub fn answer(&self, result: core::result::Result<&[u8], &[u8]>) {
        let (Ok(text) | Err(text)) = result;
        self.shared.set_text(text);
        let to = if result.is_ok() {
            state::DONE
        } else {
            state::FAILED
        };
        self.shared.move_on(state::ACCEPTED, to);
        thread::wake(self.shared.word(0).as_ptr());
    }
}

/// Nanoseconds of a clock.
fn now(clock: u32) -> u64 {
    timer::clock(clock).map_or(0, nanoseconds)
}

/// Tells the program what its first thread is seen in, which it cannot know any more when it gets
/// the signal.
fn tell_seen(shared: &Shared, call: &Call) {
    let [wall, clock] = CLOCKS.map(now);
    let since = if call.asleep == 0 {
        0
    } else {
        wall.saturating_sub(clock.saturating_sub(call.asleep))
    };
    let mut told = [0; 14];
    let (kept, _) = call.kept.as_chunks::<8>();
    let kept = kept.iter().map(|half| u64::from_le_bytes(*half));
    let rest = [u64::from(call.valid), call.sleeps, since];
    let all = call.words.into_iter().chain(rest).chain(kept);
    for (word, value) in told.iter_mut().zip(all) {
        *word = value;
    }
    // SAFETY: inside the mapping, aligned; the other side does not know of it yet.
    unsafe { ((shared.0 + SEEN) as *mut [u64; 14]).write(told) };
}

impl Drop for Request {
    fn drop(&mut self) {
        own::release(self.shared.0);
        // SAFETY: mapped by `received`; nobody keeps an address in it.
        let _ = unsafe { mm::unmap(self.shared.0, LEN) };
    }
}
