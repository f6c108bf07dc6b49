//! Go threads: where their runtime keeps a thread's id.
//!
//! It stops goroutines that run too long with a signal to their thread (preemptM,
//! runtime/signal_unix.go), and finds the thread's id in `m.procid`. The way there: thread-local
//! storage has the running goroutine, `g`, at -8 from FS, or wherever the linker put it when there
//! is C in the program as well; `g.m` is at 48; in `m` the id comes after a `gobuf`, whose size
//! differs between versions. So it is found by evidence: a word of thread-local storage that leads
//! to a `g`, that leads to an `m`, whose first word leads to a `g` of the same `m`, and which has
//! this thread's id among its first words.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::thread::read;

/// `g.m`.
const M: u64 = 48;
/// How far below FS the pointer may be: an executable's thread-local variables.
const REACH: usize = 4096;
/// Words of an `m` that are looked at: pointer to `g`, `gobuf`, a number, the id.
const HEAD: usize = 12;

/// How far below FS the pointer was in the thread before this one; all have it at one place.
static USUAL: AtomicU64 = AtomicU64::new(8);

/// The word that holds the id of this thread; zero if it is none of Go's.
#[must_use]
pub fn tid_word(tid: u32, fs_base: u64) -> u64 {
    let usual = USUAL.load(Relaxed);
    let at = |below: u64| read::<8>(fs_base.wrapping_sub(below)).map(u64::from_le_bytes);
    if let Some(word) = at(usual).and_then(|g| id_of(g, tid)) {
        return word;
    }
    let Some(below) = read::<REACH>(fs_base.wrapping_sub(REACH as u64)) else {
        return 0;
    };
    let (words, _) = below.as_chunks::<8>();
    for (n, word) in (1..).zip(words.iter().rev()) {
        if let Some(word) = id_of(u64::from_le_bytes(*word), tid) {
            USUAL.store(n * 8, Relaxed);
            return word;
        }
    }
    0
}

/// The address of the id, if `g` is one of this thread's.
fn id_of(g: u64, tid: u32) -> Option<u64> {
    let m_of = |g: u64| {
        let pointer = g >= 4096 && g.is_multiple_of(8);
        read::<8>(g.checked_add(M).filter(|_| pointer)?).map(u64::from_le_bytes)
    };
    let m = m_of(g).filter(|&m| m >= 4096 && m.is_multiple_of(8))?;
    let head = read::<{ HEAD * 8 }>(m)?;
    let (words, _) = head.as_chunks::<8>();
    let mut words = words.iter().map(|w| u64::from_le_bytes(*w));
    let g0 = words.next()?;
    let at = words.position(|word| word == u64::from(tid))?;
    (m_of(g0) == Some(m)).then(|| m + 8 * (at as u64 + 1))
}
