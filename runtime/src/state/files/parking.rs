//! Where a restore keeps what it has opened until the program's descriptors are made.

use ckpt_format::record::Descriptor;

use super::{F_DUPFD_CLOEXEC, F_GETFD};
use crate::error::{Context, Result, fail};
use crate::image::input::Image;
use crate::sys::fs::{self, Fd};
use crate::sys::{SysResult, process};
use crate::util::arena::Arena;

const NOFILE: usize = 7;

/// The numbers that the program will have, and which are free for others.
#[derive(Debug)]
pub(super) struct Parking<'a> {
    /// The program's, in order.
    taken: &'a [u32],
    next: usize,
}

impl<'a> Parking<'a> {
    /// Makes room up to the hard limit; the program's own limits are set at the end of a restore.
    pub(super) fn new(arena: &'a Arena, image: &Image<'_>) -> Result<Self> {
        let taken = arena.records::<u32>(image.descriptors().count())?;
        for (slot, Descriptor { fd, .. }) in taken.iter_mut().zip(image.descriptors()) {
            *slot = fd;
        }
        let (soft, hard) =
            process::limit(NOFILE).or_fail(format_args!("cannot read limit NOFILE"))?;
        let mut limit = soft;
        if soft < hard && process::set_limit(NOFILE, hard, hard).is_ok() {
            limit = hard;
        }
        match taken.last() {
            Some(&last) if u64::from(last) >= limit => {
                fail!("descriptor {last}: here numbers end below {limit} (limit NOFILE)")
            }
            _ => Ok(Self { taken, next: 3 }),
        }
    }

    /// Keeps `fd` at `wanted` if that is free here, else at a number that the program has no
    /// use for.
    pub(super) fn keep(&mut self, fd: Fd, wanted: u32) -> SysResult<i32> {
        let kept = self.keep_copy(fd.number(), wanted)?;
        if kept == fd.number() {
            return Ok(fd.release());
        }
        Ok(kept)
    }

    /// Keeps a copy of `fd`, which is `fd` itself if it is where it should be.
    pub(super) fn keep_copy(&mut self, fd: i32, wanted: u32) -> SysResult<i32> {
        let target = wanted as i32;
        if target == fd {
            return Ok(fd);
        }
        // What is only under way in a message has no number.
        if target >= 0 && fs::control(target, F_GETFD, 0).is_err() {
            fs::duplicate_to(fd, target, true)?;
            return Ok(target);
        }
        loop {
            let got = fs::control(fd, F_DUPFD_CLOEXEC, self.next)?;
            self.next = got + 1;
            if self.taken.binary_search(&(got as u32)).is_err() {
                return Ok(got as i32);
            }
            let _ = fs::close(got as i32);
        }
    }

    /// Closes every descriptor that the program does not have.
    pub(super) fn close_others(&self) {
        let mut from = 0;
        for &fd in self.taken {
            if fd > from {
                close_from(from, fd - 1);
            }
            from = fd + 1;
        }
        close_from(from, u32::MAX);
    }
}

/// Closes a range of numbers.
pub(super) fn close_from(first: u32, last: u32) {
    // Old kernels do not have the call, and filters of containers may not know it.
    if fs::close_range(first, last).is_ok() {
        return;
    }
    let (limit, _) = process::limit(NOFILE).unwrap_or((1 << 20, 0));
    let last = u64::from(last).min(limit.saturating_sub(1)).min(1 << 20) as u32;
    for fd in first..=last {
        // Gone after it, or never there.
        let _ = fs::close(fd as i32);
    }
}
