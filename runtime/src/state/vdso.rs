//! The vDSO: code of the kernel's in the program's address space, to which the program has saved
//! pointers.
//!
//! At restore the running kernel's vDSO must serve the old pointers. If it is, byte for byte, the
//! one of the image, it is moved to the old address. If not, the image's code is put there, each
//! of its functions overwritten by a jump to the running kernel's function of the same name.
#![expect(unsafe_code, reason = "moves and writes code")]

use ckpt_format::record::Vdso;

use super::memory::{PAGE, Space, hole};
use crate::error::{Context, Result, fail};
use crate::image::input::Image;
use crate::sys::{Errno, mm};
use crate::util::arena::Arena;

mod symbols;

use symbols::Symbols;

/// Most pages that vDSO and its data are expected to take.
const MOST: usize = 64;

/// The running kernel's vDSO as it is in the image.
pub fn collect<'a>(arena: &'a Arena, space: &Space) -> Result<Vdso<'a>> {
    let [vvar, base, end] = space.vdso;
    let bytes = arena.bytes(end - base, 8)?;
    if base != 0 {
        // SAFETY: the mapping's bounds as the kernel told them.
        bytes
            .copy_from_slice(unsafe { core::slice::from_raw_parts(base as *const u8, end - base) });
    }
    Ok(Vdso {
        vvar: vvar as u64,
        base: base as u64,
        bytes,
    })
}

/// The running kernel's vDSO, moved out of the way.
#[derive(Clone, Copy, Debug)]
pub struct Parked {
    vvar: usize,
    base: usize,
    end: usize,
}

impl Parked {
    /// First address and length, to be kept.
    #[must_use]
    pub fn range(&self) -> (usize, usize) {
        (self.vvar, self.end - self.vvar)
    }
}

/// Finds the vDSO of this process, by its address in the auxiliary vector, and moves it, data
/// pages first, to where neither this process nor the image has anything.
///
/// Its parts are mappings that can only be moved whole (special_mapping_split in mm/mmap.c gives
/// EINVAL for less), which is how their lengths are found: no file need be read.
pub fn park(image: &Image<'_>, base: usize) -> Result<Parked> {
    let [vvar, _, end] = bounds(base);
    let to = hole::reserve(image, end - vvar)?;
    let mut at = vvar;
    while at < end {
        let mut len = PAGE;
        loop {
            // SAFETY: only the vDSO's own mappings are in the range; the target was reserved.
            match unsafe { mm::move_to(at, len, len, to + (at - vvar)) } {
                Ok(()) => break,
                Err(Errno::INVAL) if at + len < end => len += PAGE,
                Err(e) => fail!("cannot move the vDSO: {e}"),
            }
        }
        at += len;
    }
    Ok(Parked {
        vvar: to,
        base: to + (base - vvar),
        end: to + (end - vvar),
    })
}

/// Where the vDSO's data pages begin, where it begins and where it ends, without /proc.
#[must_use]
pub fn bounds(base: usize) -> [usize; 3] {
    if base == 0 {
        return [0; 3];
    }
    let mut vvar = base;
    while base - vvar < MOST * PAGE && special(vvar - PAGE) {
        vvar -= PAGE;
    }
    let mut end = base;
    while end - base < MOST * PAGE && special(end) {
        end += PAGE;
    }
    [vvar, base, end]
}

/// Part of the vDSO or its data? Special mappings are those that cannot grow (VM_DONTEXPAND), for
/// which mremap(2) has the same answer as for a range that is no single mapping.
fn special(page: usize) -> bool {
    mm::all_mapped(page, PAGE) && !mm::is_one_mapping(page, PAGE)
}

/// Looks whether [`restore`] will have what it needs, while the restore can still be given up.
pub fn check(image: &Vdso<'_>, base: usize) -> Result<()> {
    if base == 0 {
        fail!("this process has no vDSO (vdso=0): not supported");
    }
    let [vvar, _, end] = bounds(base);
    // SAFETY: the running kernel's vDSO, where it told that it is.
    let live = unsafe { core::slice::from_raw_parts(base as *const u8, end - base) };
    if image.base == 0 || is_same(image, live, base - vvar) {
        return Ok(());
    }
    jumps(image, live, |_, _| {})
}

/// Is it the same code, as far from its data?
fn is_same(image: &Vdso<'_>, live: &[u8], distance: usize) -> bool {
    live == image.bytes && distance as u64 == image.base - image.vvar
}

/// Calls `each` with the place of every function of the image's vDSO, and that of the live one's
/// function of the same name.
fn jumps(image: &Vdso<'_>, live: &[u8], mut each: impl FnMut(usize, usize)) -> Result<()> {
    let (Some(old), Some(new)) = (Symbols::parse(image.bytes), Symbols::parse(live)) else {
        fail!("a vDSO cannot be understood");
    };
    for (name, place) in old.functions() {
        let Some((_, target)) = new.functions().find(|(n, _)| *n == name) else {
            fail!(
                "this kernel's vDSO has no {}, which the image's had",
                crate::util::text::Show(name)
            );
        };
        if place
            .checked_add(JUMP)
            .is_none_or(|end| end > image.bytes.len())
        {
            fail!("a vDSO cannot be understood");
        }
        each(place, target);
    }
    Ok(())
}

/// Puts a vDSO where the image's was.
///
/// # Safety
///
/// The image's addresses are free.
pub unsafe fn restore(image: &Vdso<'_>, parked: &Parked) -> Result<()> {
    if image.base == 0 {
        return Ok(());
    }
    let len = parked.end - parked.base;
    // SAFETY: the parked vDSO's own bytes.
    let live = unsafe { core::slice::from_raw_parts(parked.base as *const u8, len) };
    let base = image.base as usize;
    let distance = parked.base - parked.vvar;
    if is_same(image, live, distance) {
        // SAFETY: the caller's promise.
        return unsafe { unpark(parked, base - distance) };
    }
    crate::log::debug!("the image is of another kernel: its vDSO is redirected");
    // SAFETY: the caller's promise.
    unsafe { redirect(image, live, parked.base) }
}

/// Moves the parked parts on; they are as whole as before.
///
/// # Safety
///
/// The target is free.
unsafe fn unpark(parked: &Parked, to: usize) -> Result<()> {
    let mut at = parked.vvar;
    while at < parked.end {
        let mut len = PAGE;
        loop {
            // SAFETY: the vDSO's own mappings, to a free range.
            match unsafe { mm::move_to(at, len, len, to + (at - parked.vvar)) } {
                Ok(()) => break,
                Err(Errno::INVAL) if at + len < parked.end => len += PAGE,
                Err(e) => fail!("cannot move the vDSO: {e}"),
            }
        }
        at += len;
    }
    Ok(())
}

/// `jmp *0(%rip)` and the address: what replaces a function's first bytes.
const JUMP: usize = 14;

/// # Safety
///
/// The image's addresses are free.
unsafe fn redirect(image: &Vdso<'_>, live: &[u8], live_base: usize) -> Result<()> {
    let (base, len) = (image.base as usize, image.bytes.len());
    let flags = mm::PRIVATE | mm::ANON;
    mm::map_free(base, len, mm::RW, flags, None)
        .or_fail(format_args!("cannot map the old vDSO"))?;
    // SAFETY: just mapped.
    let code = unsafe { core::slice::from_raw_parts_mut(base as *mut u8, len) };
    code.copy_from_slice(image.bytes);
    jumps(image, live, |place, target| {
        let mut jump = [0xff, 0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        if let Some(address) = jump.get_mut(6..) {
            address.copy_from_slice(&(live_base + target).to_le_bytes());
        }
        if let Some(room) = code.get_mut(place..place + JUMP) {
            room.copy_from_slice(&jump);
        }
    })?;
    const READ_EXEC: u32 = 5;
    // SAFETY: the program's code from now on.
    unsafe { mm::protect(base, len, READ_EXEC) }
        .or_fail(format_args!("cannot protect the old vDSO"))
}
