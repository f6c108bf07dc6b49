//! Address space that is free both here and in the image.

use ckpt_format::record::TASK_END;

use crate::error::{Result, fail};
use crate::image::input::Image;
use crate::sys::{Errno, mm};
use ckpt_format::toc::kind;

/// Lowest address looked at; above any `vm.mmap_min_addr` in use.
const LOWEST: u64 = 1 << 20;

/// Reserves `len` bytes, without access, where neither the image nor this process has anything.
///
/// The middle of the image's widest gap is taken: far from the break and from stacks, which will
/// want to grow.
pub fn reserve(image: &Image<'_>, len: usize) -> Result<usize> {
    let vdso: ckpt_format::record::Vdso<'_> = image.single(kind::VDSO);
    let vdso_end = vdso.base + vdso.bytes.len() as u64;
    let mut widest = (0, 0);
    let mut floor = LOWEST;
    let mut gap = |start: u64, end: u64| {
        if end > start && end - start > widest.1 - widest.0 {
            widest = (start, end);
        }
    };
    // The vDSO lies somewhere among the mappings; a gap that it splits counts as its larger part.
    let mut split = |start: u64, end: u64| {
        if vdso.vvar >= start && vdso_end <= end && vdso.base != 0 {
            gap(start, vdso.vvar);
            gap(vdso_end, end);
        } else {
            gap(start, end);
        }
    };
    for vma in image.vmas() {
        split(floor, vma.start);
        floor = vma.end.max(LOWEST);
    }
    split(floor, TASK_END);
    let (start, end) = widest;
    let len = len as u64;
    let mut at = (start + (end - start) / 2) & !0xfff;
    while at + len < end {
        let flags = mm::PRIVATE | mm::ANON | mm::NORESERVE;
        match mm::map_free(at as usize, len as usize, mm::NONE, flags, None) {
            Ok(()) => return Ok(at as usize),
            Err(Errno::EXIST) => at += len.next_multiple_of(1 << 21),
            Err(e) => fail!("no address space for the restore ({len} bytes): {e}"),
        }
    }
    fail!("no address space for the restore ({len} bytes)")
}
