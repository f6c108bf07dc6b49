//! Scratch memory: mapped for one checkpoint or restore, gone after it.
//!
//! The region is reserved without access and opened step by step. A plain large mapping would be
//! filled with pages at once in a process that locked all memory to come (MCL_FUTURE).
#![expect(unsafe_code, reason = "hands out mapped memory")]

use core::cell::Cell;

use crate::error::{Result, fail};
use crate::sys::{Errno, mm};
use crate::util::own;

const STEP: usize = 256 << 10;

/// A region from which memory is taken and never given back singly.
#[derive(Debug)]
pub struct Arena {
    base: usize,
    len: usize,
    used: Cell<usize>,
    open: Cell<usize>,
    owned: bool,
}

impl Arena {
    /// Reserves `want` bytes, or less where address space is limited (RLIMIT_AS) or where every
    /// new mapping counts as locked memory (MCL_FUTURE and RLIMIT_MEMLOCK).
    pub fn new(want: usize) -> Result<Self> {
        let mut why = Errno::NOMEM;
        for most in [usize::MAX, 4 << 20, 256 << 10] {
            let len = want.min(most);
            match mm::reserve(len) {
                Ok(base) => {
                    own::claim(base, len);
                    return Ok(Self {
                        base,
                        len,
                        used: Cell::new(0),
                        open: Cell::new(0),
                        owned: true,
                    });
                }
                Err(e) => why = e,
            }
        }
        fail!(
            "no memory for the checkpoint's own use ({want} bytes; RLIMIT_AS, RLIMIT_MEMLOCK): {why}"
        )
    }

    /// Uses a region that the caller reserved without access and will unmap.
    #[must_use]
    pub fn over(base: usize, len: usize) -> Self {
        Self {
            base,
            len,
            used: Cell::new(0),
            open: Cell::new(0),
            owned: false,
        }
    }

    /// Bytes that can still be taken.
    #[must_use]
    pub fn left(&self) -> usize {
        self.len - self.used.get()
    }

    /// First address and length, for leaving it out of an image.
    #[must_use]
    pub fn range(&self) -> (usize, usize) {
        (self.base, self.len)
    }

    /// Zeroed bytes, aligned to `align` (a power of two, at most a page).
    #[expect(clippy::mut_from_ref, reason = "every call hands out other bytes")]
    #[inline(never)]
    pub fn bytes(&self, len: usize, align: usize) -> Result<&mut [u8]> {
        let start = (self.used.get() + align - 1) & !(align - 1);
        let end = start.saturating_add(len);
        if end > self.len {
            fail!(
                "the checkpoint's own memory is used up ({} bytes)",
                self.len
            );
        }
        if end > self.open.get() {
            let open = end.next_multiple_of(STEP).min(self.len);
            // SAFETY: inside the region, which nobody but this arena uses.
            let opened = unsafe { mm::open(self.base, open) };
            if let Err(e) = opened {
                fail!("no memory for the checkpoint's own use: {e}");
            }
            self.open.set(open);
        }
        self.used.set(end);
        let place = (self.base + start) as *mut u8;
        // SAFETY: mapped, zero, writable, and handed out once: `used` only grows.
        Ok(unsafe { core::slice::from_raw_parts_mut(place, len) })
    }

    /// `count` records, all bytes zero.
    #[expect(clippy::mut_from_ref, reason = "every call hands out other bytes")]
    pub fn records<T: Plain>(&self, count: usize) -> Result<&mut [T]> {
        let len = count.saturating_mul(size_of::<T>());
        let bytes = self.bytes(len, align_of::<T>())?;
        let place = bytes.as_mut_ptr().cast::<T>();
        // SAFETY: aligned and long enough as just asked; zeroes are a valid `T` by `Plain`.
        Ok(unsafe { core::slice::from_raw_parts_mut(place, count) })
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        if self.owned {
            own::release(self.base);
            // SAFETY: the region is this arena's own, and what was handed out borrows the arena.
            let unmapped = unsafe { mm::unmap(self.base, self.len) };
            // Nothing can be done about a failure, which the kernel gives no reason for here.
            let _ = unmapped;
        }
    }
}

/// Types for which all bytes zero is a value.
///
/// # Safety
///
/// The implementer vouches for that.
pub unsafe trait Plain: Sized {}
// SAFETY: integers.
unsafe impl Plain for u8 {}
// SAFETY: integers.
unsafe impl Plain for u64 {}
// SAFETY: integers.
unsafe impl Plain for crate::sys::aio::Event {}
// SAFETY: integers.
unsafe impl Plain for u32 {}
// SAFETY: a record of integers.
unsafe impl Plain for ckpt_format::record::Run {}
// SAFETY: a record of integers.
unsafe impl Plain for ckpt_format::record::Content {}
// SAFETY: a record of integers.
unsafe impl Plain for ckpt_format::record::Guard {}
// SAFETY: an integer.
unsafe impl Plain for i32 {}
// SAFETY: a record of integers.
unsafe impl Plain for ckpt_format::record::Descriptor {}
// SAFETY: a record of integers.
unsafe impl Plain for ckpt_format::record::Packet {}
// SAFETY: a record of integers.
unsafe impl Plain for ckpt_format::record::Watch {}
// SAFETY: likewise.
unsafe impl Plain for ckpt_format::record::Pending {}
// SAFETY: a record of integers.
unsafe impl Plain for ckpt_format::record::Lock {}
// SAFETY: a record of integers.
unsafe impl Plain for ckpt_format::record::TimerFd {}
// SAFETY: a record of integers.
unsafe impl Plain for ckpt_format::record::PosixTimer {}
// SAFETY: a record of integers.
unsafe impl Plain for ckpt_format::record::Segment {}
// SAFETY: a record of integers.
unsafe impl Plain for ckpt_format::record::Adjustment {}
// SAFETY: a record of integers.
unsafe impl Plain for ckpt_format::record::Right {}
// SAFETY: a number and a record of integers.
unsafe impl Plain for (i32, crate::sys::socket::Name) {}
