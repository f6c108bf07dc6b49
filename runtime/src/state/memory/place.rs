//! Second half of a memory restore: the old address space goes, what was staged elsewhere comes to
//! its address. From its first call on there is no way back; the code runs in the refuge.
#![expect(unsafe_code, reason = "takes the old address space away")]

use ckpt_format::record::{TASK_END, Vma, vma_flag as flag, vma_kind};

use super::stage::{self, Place, Staged};
use crate::error::{Context, Result};
use crate::image::input::Image;
use crate::state::ipc::shm;
use crate::sys::mm;
use crate::util::arena::Arena;

/// Unmaps all but what was staged and the given ranges (first address, length).
///
/// # Safety
///
/// The caller's code, stack and data are within `keep`, and it never returns to other code.
#[inline(never)]
pub unsafe fn clear(
    arena: &Arena,
    image: &Image<'_>,
    staged: &Staged<'_>,
    keep: &[(usize, usize)],
) -> Result<()> {
    let count = staged.at.len() + staged.objects.len() / 2 + keep.len();
    let all = arena.records::<u64>(count * 2)?;
    let ranges = image
        .vmas()
        .zip(staged.at.iter())
        .map(|(vma, &at)| (at, vma.len()))
        .chain(staged.objects.chunks_exact(2).map(|o| match o {
            [at, len] => (*at, *len),
            _ => (0, 0),
        }))
        .chain(keep.iter().map(|&(at, len)| (at as u64, len as u64)));
    let mut used = 0;
    for (at, len) in ranges.filter(|r| r.0 != 0) {
        insert(all, &mut used, at, at + len);
    }
    let kept = all.get(..used * 2).unwrap_or(&[]);
    let mut floor = 0;
    let ends = [TASK_END, TASK_END];
    for pair in kept.chunks_exact(2).chain(core::iter::once(&ends[..])) {
        let &[start, end] = pair else { continue };
        if start > floor {
            // SAFETY: the caller keeps what is needed.
            unsafe { mm::unmap(floor as usize, (start - floor) as usize) }
                .or_fail(format_args!("cannot unmap {floor:x}-{start:x}"))?;
        }
        floor = floor.max(end);
    }
    Ok(())
}

/// Inserts a range into a sorted list of them. Most come in order, so this is quick.
fn insert(list: &mut [u64], used: &mut usize, start: u64, end: u64) {
    let mut at = *used;
    while at > 0 && list.get(at * 2 - 2).is_some_and(|&before| before > start) {
        at -= 1;
    }
    list.copy_within(at * 2..*used * 2, at * 2 + 2);
    if let Some(slot) = list.get_mut(at * 2..at * 2 + 2) {
        slot.copy_from_slice(&[start, end]);
    }
    *used += 1;
}

/// Moves everything to its address.
///
/// # Safety
///
/// [`clear`] was called; no address of the image is in use.
#[inline(never)]
pub unsafe fn all(image: &Image<'_>, staged: &Staged<'_>) -> Result<()> {
    // SAFETY: staged for it.
    unsafe { shm::restore(image, staged.objects)? };
    for (vma, &at) in image.vmas().zip(staged.at.iter()) {
        let (start, len) = (vma.start as usize, vma.len() as usize);
        if vma.kind == vma_kind::SHARED_ANON {
            // SAFETY: the caller's promise.
            unsafe { view(image, &vma, staged)? };
        } else if at != vma.start {
            // SAFETY: staged memory of ours to an address that is free.
            unsafe { mm::move_to(at as usize, len, len, start) }
                .or_fail(format_args!("cannot move {}", Place(&vma)))?;
        }
    }
    for object in staged.objects.chunks_exact(2) {
        if let [at, len] = object
            && *len > 0
        {
            // SAFETY: the views stay; this one was for filling.
            let _ = unsafe { mm::unmap(*at as usize, *len as usize) };
        }
    }
    Ok(())
}

/// # Safety
///
/// As for [`all`].
unsafe fn view(image: &Image<'_>, vma: &Vma<'_>, staged: &Staged<'_>) -> Result<()> {
    let (start, len) = (vma.start as usize, vma.len() as usize);
    let object = staged
        .objects
        .get(vma.object as usize * 2)
        .copied()
        .unwrap_or(0);
    let from = (object + shm::shift(image, vma) + vma.offset) as usize;
    // SAFETY: a second view of the object, at an address that is free.
    unsafe { mm::move_to(from, 0, len, start) }
        .or_fail(format_args!("cannot share {}", Place(vma)))?;
    // SAFETY: the program's memory, not ours.
    unsafe { mm::protect(start, len, vma.prot) }
        .or_fail(format_args!("cannot protect {}", Place(vma)))?;
    stage::advise(vma, start)?;
    if vma.flags & flag::LOCKED != 0 {
        mm::lock(start, len, vma.flags & flag::LOCK_ON_FAULT != 0)
            .or_fail(format_args!("cannot lock {} in memory", Place(vma)))?;
    }
    Ok(())
}

/// Seals what was sealed: last, since nothing can be changed afterwards.
pub fn seal(image: &Image<'_>) -> Result<()> {
    for vma in image.vmas().filter(|v| v.flags & flag::SEALED != 0) {
        mm::seal(vma.start as usize, vma.len() as usize)
            .or_fail(format_args!("cannot seal {}", Place(&vma)))?;
    }
    Ok(())
}
