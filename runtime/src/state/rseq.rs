//! Restartable sequences: finding a registration that the kernel does not tell of.
//!
//! rseq(2) serves as an oracle (kernel/rseq.c): asked to register what is registered already, it
//! answers EBUSY; with another signature EPERM; with another address or length EINVAL. Nothing is
//! written. Only where nothing is registered does the call succeed, so that is tried first, with
//! an area of our own.
#![expect(unsafe_code, reason = "registers areas with the kernel")]

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use ckpt_format::record::Thread;

use crate::config;
use crate::error::{Context, Result, fail};
use crate::sys::{Errno, thread};

/// The signature of glibc and of librseq on x86 (`ud1 0x53053053, %edi`).
const SIGNATURE: u32 = 0x5305_3053;
/// RSEQ_FLAG_UNREGISTER.
const UNREGISTER: u32 = 1;
/// How far from the thread pointer the area is looked for: glibc has it right behind the thread
/// descriptor's start or in the static TLS block before it.
const NEAR: u64 = 64 << 10;

/// How far behind FS the area was in the thread before this one, and its length: as a rule, all have it at
/// one place.
static USUAL: (AtomicU64, AtomicU32) = (AtomicU64::new(0), AtomicU32::new(32));

/// An area with the alignment the kernel wants.
#[repr(C, align(64))]
struct Area([u8; 64]);

/// A registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rseq {
    /// Where; zero for none.
    pub area: u64,
    /// Length given at registration.
    pub len: u32,
    /// Signature given then.
    pub signature: u32,
}

/// The calling thread's registration; all zero if there is none, and nothing but a length if there
/// is one that cannot be found.
#[must_use]
pub fn find(fs_base: u64) -> Rseq {
    let none = Rseq {
        area: 0,
        len: 0,
        signature: 0,
    };
    let own = Area([0; 64]);
    let place = core::ptr::from_ref(&own.0).addr() as u64;
    // SAFETY: given up in the next line if it succeeds; `own` lives until then.
    match unsafe { thread::rseq(place, 32, 0, SIGNATURE) } {
        Ok(()) => {
            // SAFETY: gives up what was just registered.
            let _ = unsafe { thread::rseq(place, 32, UNREGISTER, SIGNATURE) };
            return none;
        }
        // Another one is registered.
        Err(Errno::INVAL) => {}
        Err(_) => return none,
    }
    let at = |base: u64, distance: u64, len| {
        let area = base.wrapping_add(distance);
        // SAFETY: something is registered, so this cannot succeed.
        let answer = unsafe { thread::rseq(area, len, 0, SIGNATURE) };
        (answer == Err(Errno::BUSY)).then(|| {
            USUAL.0.store(distance, Relaxed);
            USUAL.1.store(len, Relaxed);
            Rseq {
                area,
                len,
                signature: SIGNATURE,
            }
        })
    };
    if let Some(found) = at(fs_base, USUAL.0.load(Relaxed), USUAL.1.load(Relaxed)) {
        return found;
    }
    // 32 is what all C libraries to date ask for; later ones the size the kernel recommends
    // (AT_RSEQ_FEATURE_SIZE, rounded up).
    // The first thread's was registered before the program began, and Go's programs have moved the
    // thread pointer since.
    let bases = [fs_base, config::with(|c| c.start_fs)];
    for len in [32, 28, 33, 36, 40, 48, 64] {
        for base in bases {
            for distance in (0..NEAR).step_by(32) {
                let either =
                    at(base, distance, len).or_else(|| at(base, distance.wrapping_neg(), len));
                if let Some(found) = either {
                    return found;
                }
            }
        }
    }
    Rseq { len: 1, ..none }
}

/// Refuses threads that have a registration which was not found.
pub fn refuse<'a>(threads: impl Iterator<Item = &'a Thread>) -> Result<()> {
    for thread in threads {
        if thread.rseq == 0 && thread.rseq_len != 0 {
            let tid = thread.tid;
            fail!("thread {tid} with restartable sequences whose area was not found: not carried");
        }
    }
    Ok(())
}

/// Takes back the registration of a thread whose memory is about to go.
pub fn give_up(fs_base: u64) {
    let found = find(fs_base);
    if found.area != 0 {
        // SAFETY: the kernel only forgets.
        let _ = unsafe { thread::rseq(found.area, found.len, UNREGISTER, found.signature) };
    }
}

/// Registers what the image's thread had.
pub fn restore(rseq: &Rseq) -> Result<()> {
    if rseq.area == 0 {
        return Ok(());
    }
    // SAFETY: the area is the program's own, back at its place.
    unsafe { thread::rseq(rseq.area, rseq.len, 0, rseq.signature) }
        .or_fail(format_args!("cannot register restartable sequences"))
}

/// While it lives, the kernel does not write into the thread's area, which it otherwise does at
/// every preemption: a page must not change between its checksum and its way into the image.
#[derive(Debug)]
pub struct Pause(Rseq);

impl Pause {
    /// Takes the registration back for a while.
    #[must_use]
    pub fn begin(rseq: Rseq) -> Self {
        if rseq.area != 0 {
            // SAFETY: the kernel only forgets.
            let _ = unsafe { thread::rseq(rseq.area, rseq.len, UNREGISTER, rseq.signature) };
        }
        Self(rseq)
    }
}

impl Drop for Pause {
    fn drop(&mut self) {
        let Self(rseq) = self;
        if rseq.area != 0 {
            // What was registered before can be registered again; no message, since one about why
            // the checkpoint failed may be on its way.
            // SAFETY: the area is the program's own.
            let _ = unsafe { thread::rseq(rseq.area, rseq.len, 0, rseq.signature) };
        }
    }
}
