//! Signals as users write them.

use crate::util::text::{Words, after, decimal};

/// Signals by name, as `kill -l` has them, from 1 on.
const NAMES: Words = Words(
    "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP \
     TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS",
);

/// `USR2`, `SIGUSR2`, `RTMIN+3`, `RTMAX-1`, `40`, or `none`. The two signals that cannot be
/// caught and the two that C libraries keep for themselves (32, 33) are refused.
#[must_use]
pub fn parse(text: &[u8]) -> Option<u32> {
    const RTMIN: u64 = 34;
    const RTMAX: u64 = 64;
    if text == b"none" {
        return Some(0);
    }
    let bare = after(text, b"SIG").unwrap_or(text);
    let whole = |digits: &[u8]| {
        decimal(digits)
            .filter(|(_, rest)| rest.is_empty())
            .map(|(n, _)| n)
    };
    let number = if let Some(at) = NAMES.position(bare) {
        at as u64 + 1
    } else if let Some(more) = after(bare, b"RTMIN") {
        RTMIN
            + if more.is_empty() {
                0
            } else {
                whole(after(more, b"+")?)?
            }
    } else if let Some(less) = after(bare, b"RTMAX") {
        RTMAX.checked_sub(if less.is_empty() {
            0
        } else {
            whole(after(less, b"-")?)?
        })?
    } else {
        whole(bare)?
    };
    let usable = (1..=RTMAX).contains(&number) && ![9, 19, 32, 33].contains(&number);
    usable.then_some(number as u32)
}
