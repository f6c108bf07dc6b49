//! The refuge: a copy of the body, a stack and scratch memory where neither the restoring
//! process nor the image has anything, so that both can be exchanged around it.
//!
//! ```text
//! base                                stack          scratch               end
//! | code | data, bss | .............. | no access until used |
//! ```
#![expect(unsafe_code, reason = "copies and enters code")]

use ckpt_format::record::Thread;
use ckpt_format::toc::kind;

use super::{Passage, crew};
use crate::arch::{entry, stack};
use crate::config;
use crate::error::{Context, Result};
use crate::image::input::Image;
use crate::state::memory::hole;
use crate::sys::{fs, mm};

/// Stack of a restore.
const STACK: usize = 512 << 10;
/// Scratch memory beside what the image's metadata takes.
const SCRATCH: usize = 16 << 20;

/// Addresses of the refuge.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refuge {
    base: usize,
    stack: usize,
    scratch: usize,
    end: usize,
}

impl Refuge {
    /// Finds the place and copies the runtime there.
    pub(super) fn prepare(image: &Image<'_>) -> Result<Self> {
        let body = config::with(|c| c.body);
        let file = fs::stat_fd(image.fd.number()).map_or(0, |s| s.st_size as usize);
        let pages: usize = image.runs().map(|(run, _)| run.len() as usize).sum();
        // Metadata is read once more, and the lists made of it are no larger than it.
        let threads = image.list::<Thread>(kind::THREADS).left() as usize;
        let scratch = SCRATCH + 3 * file.saturating_sub(pages) + threads * (crew::STACK + 1024);
        let scratch = scratch.next_multiple_of(1 << 20);
        let total = body.len + STACK + scratch;
        let base = hole::reserve(image, total)?;
        let what = format_args!("cannot prepare the restore");
        // SAFETY: reserved for this.
        unsafe { mm::open(base, body.len + STACK) }.or_fail(what)?;
        let from = body.base as *const u8;
        // SAFETY: this very code and its data, to memory of the same size.
        unsafe { core::ptr::copy_nonoverlapping(from, base as *mut u8, body.len) };
        // SAFETY: the copy's data pages are writable.
        unsafe { entry::relocate(base, body.relocations) };
        const READ_EXEC: u32 = 5;
        // SAFETY: the copy's code, not running yet.
        unsafe { mm::protect(base, body.data - body.base, READ_EXEC) }.or_fail(what)?;
        Ok(Self {
            base,
            stack: base + body.len,
            scratch: base + body.len + STACK,
            end: base + total,
        })
    }

    /// First address and length.
    pub(super) fn range(&self) -> (usize, usize) {
        (self.base, self.end - self.base)
    }

    /// First address and length of the scratch memory.
    pub(super) fn scratch(&self) -> (usize, usize) {
        (self.scratch, self.end - self.scratch)
    }

    /// Goes on in the copy.
    ///
    /// # Safety
    ///
    /// The caller's stack and memory are left for good.
    pub(super) unsafe fn enter(&self, passage: Passage) -> ! {
        let here: usize;
        // SAFETY: takes an address only.
        unsafe {
            core::arch::asm!(
                "lea {}, [rip + {}]", out(reg) here, sym super::in_refuge,
                options(nomem, nostack, preserves_flags)
            );
        };
        let there = here - config::with(|c| c.body.base) + self.base;
        // At the low end of the stack, which is deep enough for both.
        let place = self.stack as *mut Passage;
        // SAFETY: page-aligned memory of the refuge's own.
        unsafe { place.write(passage) };
        // SAFETY: the copy is complete and relocated, the stack unused.
        unsafe { stack::switch_to(self.scratch, there, place.addr()) }
    }

    /// Leaves through the program's own copy of the runtime, which unmaps the refuge.
    ///
    /// # Safety
    ///
    /// The program is as it was; `resume` and `frame` are the image's.
    pub(super) unsafe fn leave(&self, resume: u64, frame: u64) -> ! {
        let (base, len) = self.range();
        // SAFETY: the caller's promise.
        unsafe { stack::resume_at(resume as usize, base, len, frame as usize, 0) }
    }
}
