//! The kernel's notes on the address space: where code, data, break, arguments and environment
//! lie (fields of /proc/PID/stat) and the auxiliary vector.
#![expect(unsafe_code, reason = "tells the kernel about memory")]

use ckpt_format::limits;
use ckpt_format::record::{Mm, vma_flag};

use crate::error::{Context, Result, fail};
use crate::sys::fs;
use crate::sys::mm::{self, MmMap};
use crate::util::arena::Arena;
use crate::util::text::{decimal, find_last, split, trim_start};

/// Reads the notes. `locked` is what [`lock_future`] found.
#[inline(never)]
pub fn collect<'a>(arena: &'a Arena, locked: u32) -> Result<Mm<'a>> {
    if !fs::has_proc() {
        return Ok(without_proc(locked));
    }
    let auxv = whole(arena, c"/proc/thread-self/auxv", limits::AUXV)?;
    let stat = whole(arena, c"/proc/thread-self/stat", 2048)?;
    // The name in parentheses may hold anything; the last one ends it.
    let after = find_last(stat, b')').map_or(0, |n| n + 1);
    let rest = stat.get(after..).unwrap_or(&[]);
    // proc(5): field 3 follows the name.
    let field = |n: usize| -> Result<u64> {
        let text = split(rest, b' ').filter(|t| !t.is_empty()).nth(n - 3);
        match text.and_then(|t| decimal(trim_start(t))) {
            Some((value, _)) => Ok(value),
            None => fail!("/proc/thread-self/stat has no field {n}"),
        }
    };
    let brk = mm::current_break() as u64;
    let map = [
        field(26)?,
        field(27)?,
        field(45)?,
        field(46)?,
        field(47)?,
        brk,
        field(28)?,
        field(48)?,
        field(49)?,
        field(50)?,
        field(51)?,
    ];
    Ok(Mm {
        // A program without data has zeros here, which PR_SET_MM_MAP does not take; any address
        // below stands for none.
        map: map.map(|a| {
            if a == 0 {
                map.iter()
                    .copied()
                    .filter(|&a| a != 0)
                    .min()
                    .unwrap_or(4096)
            } else {
                a
            }
        }),
        lock_future: locked,
        auxv,
    })
}

/// What was seen at start, where /proc does not tell.
fn without_proc<'a>(locked: u32) -> Mm<'a> {
    let (code, start_break, auxv, stack) =
        crate::config::with(|c| (c.code, c.start_break, c.auxv, c.stack));
    let [sp, arg_start, arg_end, env_start, env_end] = stack.map(|a| a as u64);
    let [(start_code, end_code), ..] = code.map(|(from, to)| (from as u64, to as u64));
    let (place, len) = auxv;
    // SAFETY: the vector on the initial stack, which stays where the kernel put it.
    let auxv = unsafe { core::slice::from_raw_parts(place as *const u8, len) };
    let (start_brk, brk) = (start_break as u64, mm::current_break() as u64);
    Mm {
        map: [
            start_code, end_code, start_code, start_code, start_brk, brk, sp, arg_start, arg_end,
            env_start, env_end,
        ],
        lock_future: locked,
        auxv,
    }
}

/// Was all memory to come locked (MCL_FUTURE)? The kernel does not tell, but a new mapping shows
/// it: the runtime's own scratch memory has the flags that any new mapping gets.
#[must_use]
pub fn lock_future(flags_of_new: u32) -> u32 {
    match (
        flags_of_new & vma_flag::LOCKED != 0,
        flags_of_new & vma_flag::LOCK_ON_FAULT != 0,
    ) {
        (true, true) => 3,
        (true, false) => 1,
        (false, _) => 0,
    }
}

fn whole<'a>(arena: &'a Arena, path: &core::ffi::CStr, most: usize) -> Result<&'a [u8]> {
    let shown = crate::util::text::Show(path.to_bytes());
    let file = fs::open(path, fs::O_RDONLY, 0).or_fail(format_args!("cannot read {shown}"))?;
    let room = arena.bytes(most, 8)?;
    let len = fs::read_at(file.number(), room, 0).or_fail(format_args!("cannot read {shown}"))?;
    Ok(room.get(..len).unwrap_or(&[]))
}

/// Tells the kernel, and locks memory to come if it was.
///
/// # Safety
///
/// The image's memory is in place.
pub unsafe fn restore(image_mm: &Mm<'_>) -> Result<()> {
    const MCL_FUTURE: u32 = 2;
    const MCL_ONFAULT: u32 = 4;
    let map = MmMap {
        bounds: image_mm.map,
        auxv: image_mm.auxv.as_ptr() as u64,
        auxv_size: image_mm.auxv.len() as u32,
        exe_fd: u32::MAX,
    };
    // SAFETY: the caller's promise. The break's bounds were the kernel's own.
    if let Err(e) = unsafe { mm::set_mm(&map) } {
        // A kernel without CONFIG_CHECKPOINT_RESTORE keeps the restoring process's break. The C
        // libraries then find that brk fails and take their memory from mmap.
        crate::log::info!("the break and arguments stay the restoring command's: {e}");
    }
    if image_mm.lock_future != 0 {
        let on_fault = if image_mm.lock_future == 3 {
            MCL_ONFAULT
        } else {
            0
        };
        mm::lock_all(MCL_FUTURE | on_fault).or_fail(format_args!("cannot lock memory to come"))?;
    }
    Ok(())
}
