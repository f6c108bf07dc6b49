//! Go programs: their runtime leaves the signal that asks for checkpoints alone.
//!
//! At its start it takes every signal, by `rt_sigaction` or, with cgo, the C library's `sigaction`,
//! but for those that its table sets apart with `_SigSetStack`: of these it keeps the handler that
//! is there (initsig, runtime/signal_unix.go). `signal.Notify` takes such a signal as any other,
//! and `signal.Reset` gives it back to the handler that was there. So does the chosen signal.
#![expect(unsafe_code, reason = "changes a word of the program's")]

use crate::config::Config;

/// Bytes of an entry of the table.
const ENTRY: usize = 24;
/// The program may ask for the signal.
const NOTIFY: u32 = 1;
/// The runtime does not install its handler.
const SET_STACK: u32 = 64;

/// Sets the chosen signal apart. To be called before the program's first instruction.
pub fn set_apart(config: &Config) {
    if config.go_signals == 0 || config.signal == 0 {
        return;
    }
    let table = config.bias.wrapping_add(config.go_signals);
    let place = (table + config.signal as usize * ENTRY) as *mut u32;
    // SAFETY: the rewriter has found the table, of 65 entries, in a writable segment.
    let flags = unsafe { place.read() };
    if flags & NOTIFY != 0 {
        // SAFETY: likewise.
        unsafe { place.write(flags | SET_STACK) };
    }
}
