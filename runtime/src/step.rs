//! A thread that is inside the vDSO is let run on, one instruction at a time, until it is out.
//!
//! The vDSO's code reads data pages of the running kernel at a fixed distance and may be another
//! code after a restore; a thread dumped within it could not go on there. Its functions are short
//! and call nothing outside, so single steps end soon.
#![expect(
    unsafe_code,
    reason = "changes the interrupted thread's flags and a signal's action"
)]

use ckpt_format::record::Action;

use crate::arch::frame::{Frame, offset};
use crate::config;
use crate::request::Request;
use crate::state::vdso;
use crate::sys::{signal, thread};
use crate::util::cell::Global;

/// The signal of a single step.
pub const SIGNAL: u32 = 5;
/// The processor's trap flag.
const TRAP: u64 = 1 << 8;

struct Stepping {
    tid: u32,
    request: Option<Request>,
    action: Action,
    mask: u64,
    start: usize,
    end: usize,
}

static STEPPING: Global<Option<Stepping>> = Global::new(None);

/// Hands the request back if the thread may be dumped where it is; else keeps it and begins to
/// step, with all signals but the step's blocked until [`proceed`] says that it is over.
pub fn begin(frame: Frame, request: Option<Request>) -> Option<Option<Request>> {
    // SAFETY: the kernel's frame.
    let at = unsafe { frame.get(offset::RIP) } as usize;
    let base = config::with(|c| c.vdso);
    // The vDSO has a few pages: what is farther away need not be looked at more closely.
    if base == 0 || at < base || at - base > ckpt_format::limits::VDSO {
        return Some(request);
    }
    let [_, start, end] = vdso::bounds(base);
    if !(start..end).contains(&at) {
        return Some(request);
    }
    let Ok(action) = signal::action(SIGNAL) else {
        return Some(request);
    };
    // SAFETY: ours handles a step; the program's comes back in `proceed`.
    if unsafe { signal::set_action(SIGNAL, &config::with(|c| c.action)) }.is_err() {
        return Some(request);
    }
    // SAFETY: as above.
    let mask = unsafe { frame.get(offset::SIGMASK) };
    // SAFETY: as above; taken back in `proceed`.
    unsafe { frame.set(offset::SIGMASK, !(1 << (SIGNAL - 1))) };
    trap(frame, true);
    STEPPING.with(|s| {
        *s = Some(Stepping {
            tid: thread::id(),
            request,
            action,
            mask,
            start,
            end,
        });
    });
    None
}

/// Does the calling thread step?
#[must_use]
pub fn is_under_way() -> bool {
    let tid = thread::id();
    STEPPING.with(|s| s.as_ref().is_some_and(|s| s.tid == tid))
}

/// After a step: the request, once the thread is out of the vDSO.
pub fn proceed(frame: Frame) -> Option<Option<Request>> {
    // SAFETY: the kernel's frame.
    let at = unsafe { frame.get(offset::RIP) } as usize;
    let tid = thread::id();
    let is_out = |s: &mut Stepping| s.tid == tid && !(s.start..s.end).contains(&at);
    let done = STEPPING.with(|s| s.take_if(is_out))?;
    trap(frame, false);
    // SAFETY: as it was before the first step.
    unsafe { frame.set(offset::SIGMASK, done.mask) };
    // SAFETY: the program's own.
    let _ = unsafe { signal::set_action(SIGNAL, &done.action) };
    Some(done.request)
}

/// Sets or clears the trap flag of an interrupted thread.
pub fn trap(frame: Frame, on: bool) {
    // SAFETY: the kernel's frame.
    let flags = unsafe { frame.get(offset::EFLAGS) };
    let flags = if on { flags | TRAP } else { flags & !TRAP };
    // SAFETY: the trap flag changes nothing that the program computes.
    unsafe { frame.set(offset::EFLAGS, flags) };
}

/// Where an interrupted thread is.
#[must_use]
pub fn address(frame: Frame) -> usize {
    // SAFETY: the kernel's frame.
    unsafe { frame.get(offset::RIP) as usize }
}
