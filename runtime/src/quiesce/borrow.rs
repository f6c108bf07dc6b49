//! Signals whose action is ours for as long as threads are brought to a standstill.
//!
//! They belong to the program or to its C library, which may send and receive them at the same
//! time: glibc's setuid(2) tells the other threads by signal 33 and waits for all of them. So our
//! own are told by their content, and every other one goes to the handler that was there before.
#![expect(unsafe_code, reason = "replaces and calls signal handlers")]

use ckpt_format::record::Action;

use crate::config;
use crate::error::{Context, Result};
use crate::sys::signal::{self, Info};
use crate::sys::{Errno, SysResult, process, thread};

/// The program's action of a borrowed signal.
fn saved(number: u32) -> Option<Action> {
    let is_it = |(n, action): &(u32, Action)| (*n == number).then_some(*action);
    config::with(|c| c.saved.iter().find_map(is_it))
}

/// Is a signal borrowed?
#[must_use]
pub fn is_borrowed(number: u32) -> bool {
    saved(number).is_some()
}

fn is_our_action(number: u32) -> bool {
    signal::action(number).is_ok_and(|now| now.handler == config::with(|c| c.action.handler))
}

/// Makes a signal's action ours; false if it is already.
pub(super) fn take(number: u32) -> Result<bool> {
    let what = format_args!("cannot take signal {number} over");
    if is_our_action(number) {
        return Ok(false);
    }
    let now = signal::action(number).or_fail(what)?;
    // One that is borrowed, and that the program has set meanwhile, has a new action to go back to.
    let noted = config::with(|c| {
        let place = |wanted: u32| c.saved.iter().position(|(n, _)| *n == wanted);
        let place = place(number).or_else(|| place(0))?;
        *c.saved.get_mut(place)? = (number, now);
        Some(c.action)
    });
    let ours = noted.ok_or(Errno::NOMEM).or_fail(what)?;
    // SAFETY: the handler may run in any thread at any time.
    unsafe { signal::set_action(number, &ours) }.or_fail(what)?;
    Ok(true)
}

/// Gives all back, but for those that the program has set meanwhile: another thread may install a
/// handler while it is on its way to the standstill.
pub(super) fn give_back() {
    for (number, action) in config::with(|c| c.saved) {
        if number != 0 && is_our_action(number) {
            // SAFETY: the program's own.
            let _ = unsafe { signal::set_action(number, &action) };
        }
    }
    config::with(|c| c.saved.iter_mut().for_each(|(number, _)| *number = 0));
}

/// Does what the program's action of a borrowed signal says.
///
/// # Safety
///
/// Called by the signal's handler, with what the kernel gave it. The thread may end in there.
pub unsafe fn pass_on(number: u32, info: &Info, context: usize) {
    const DEFAULT: u64 = 0;
    const IGNORE: u64 = 1;
    let Some(action) = saved(number) else {
        return;
    };
    match action.handler {
        IGNORE => {}
        DEFAULT => {
            // SAFETY: no handler. The signal comes again, and this time it does what it does.
            let _ = unsafe { signal::set_action(number, &action) };
            let _ = signal::queue_thread(process::id(), thread::id(), number, info);
        }
        handler => {
            type Handler = unsafe extern "C" fn(u32, *const Info, usize);
            // SAFETY: an address that the program has given the kernel as a handler.
            let handler = unsafe { core::mem::transmute::<u64, Handler>(handler) };
            // SAFETY: called as the kernel would, but with more signals blocked.
            unsafe { handler(number, info, context) };
        }
    }
}

/// What our signals hold: whom they are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// Address of the slot.
    Slot(usize),
    /// Nothing: the queue was full.
    Bare,
}

/// SI_QUEUE.
const QUEUED: u32 = -1i32 as u32;
/// `si_errno` of our signals; the libraries leave it at zero.
const MAGIC: u32 = 0x434b_5054;

/// Sends a signal to a thread, for a slot. Where no more signals may be queued
/// (RLIMIT_SIGPENDING), it is one that holds nothing: the kernel drops what it holds rather than
/// the signal if it looks as if kill(2) had sent it (__send_signal_locked, kernel/signal.c).
pub(super) fn send(tid: u32, number: u32, slot: usize) -> SysResult<()> {
    let pid = process::id();
    let info = signal::info(number, MAGIC, QUEUED, pid, slot as u64);
    match signal::queue_thread(pid, tid, number, &info) {
        Err(Errno::AGAIN) => {
            let bare = signal::info(number, 0, 0, 0, 0);
            signal::queue_thread(pid, tid, number, &bare)
        }
        result => result,
    }
}

/// The mark of a signal, if it can be one of ours.
#[must_use]
pub(super) fn mark(info: &Info) -> Option<Mark> {
    match signal::fields(info) {
        (MAGIC, QUEUED, pid, slot) if pid == process::id() => Some(Mark::Slot(slot as usize)),
        (0, 0, 0, _) => Some(Mark::Bare),
        _ => None,
    }
}

/// Is this one of ours, and nobody else's?
#[must_use]
pub fn is_ours(info: &Info) -> bool {
    matches!(mark(info), Some(Mark::Slot(_)))
}
