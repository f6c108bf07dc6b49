//! The mappings without /proc (a static program in an empty chroot): asked from the kernel by
//! calls that answer differently for what is mapped and what is not, and change nothing.
//!
//! - Is all of a range free? mmap(2) with MAP_FIXED_NOREPLACE succeeds only then.
//! - Is all of it mapped? msync(2) with MS_ASYNC gives ENOMEM otherwise, and does nothing else.
//! - Where does a mapping end? mremap(2) refuses with EFAULT to grow a range that crosses the end
//!   (vma_to_resize, mm/mremap.c), and with ENOMEM one that does not but has no room.
//! - May it be read or written? process_vm_readv(2) and writev(2) on the process itself.
//! - Is it shared? mremap(2) makes a second view of shared memory only.
//!
//! What cannot be asked: advice given for memory, and whether memory outside of the executable may
//! be run. Both are taken to be as in a new mapping; docs/SUPPORT.md says so.
#![expect(
    unsafe_code,
    reason = "maps and unmaps what is free, to see whether it is"
)]

use ckpt_format::record::{TASK_END, prot, vma_flag, vma_kind};

use super::{Area, PAGE, Source, Space};
use crate::config;
use crate::error::{Result, fail};
use crate::state::vdso;
use crate::sys::{Errno, mm};
use crate::util::list::List;
use crate::util::own;

/// Lowest address that a mapping can have.
const LOWEST: usize = 1 << 16;

/// All mappings of the program.
#[inline(never)]
pub fn read() -> Result<Space> {
    let mut probe = Probe {
        used: List::new(1 << 20),
    };
    probe.used.reserve()?;
    probe.range(LOWEST, TASK_END as usize);
    let vdso = vdso::bounds(config::with(|c| c.vdso));
    let mut space = Space {
        areas: List::new(1 << 20),
        names: List::new(1 << 20),
        vdso,
        flags_of_new: 0,
    };
    space.areas.reserve()?;
    let [vvar, _, vdso_end] = vdso;
    for pair in probe.used.as_slice().chunks_exact(2) {
        let &[start, end] = pair else { continue };
        let (mut at, end) = (start as usize, end as usize);
        while let Some((from, to)) = own::first_foreign(at, end) {
            if (vvar..vdso_end).contains(&from) {
                at = vdso_end;
                continue;
            }
            // Up to what is certainly no part of the mapping at `from`.
            let limit = if from < vvar { to.min(vvar) } else { to };
            let stop = mapping_end(from, limit);
            space.areas.push(area(from, stop)?)?;
            at = stop;
        }
    }
    Ok(space)
}

struct Probe {
    /// Start and end of each range without holes, in order.
    used: List<u64>,
}

impl Probe {
    /// Finds what is mapped by halving.
    fn range(&mut self, start: usize, end: usize) {
        let len = end - start;
        let flags = mm::PRIVATE | mm::ANON | mm::NORESERVE;
        if mm::map_free(start, len, mm::NONE, flags, None).is_ok() {
            // SAFETY: just mapped, so nobody else's.
            let _ = unsafe { mm::unmap(start, len) };
        } else if len == PAGE || mm::all_mapped(start, len) {
            self.note(start as u64, end as u64);
        } else {
            let middle = (start + len / 2) & !(PAGE - 1);
            self.range(start, middle.max(start + PAGE));
            self.range(middle.max(start + PAGE), end);
        }
    }

    fn note(&mut self, start: u64, end: u64) {
        if let Some(last) = self.used.as_mut_slice().last_mut()
            && *last == start
        {
            *last = end;
            return;
        }
        // A list of a million entries does not overflow: mappings are fewer (vm.max_map_count).
        let _ = self.used.push(start);
        let _ = self.used.push(end);
    }
}

/// End of the mapping that begins at `start`, at most `limit`.
fn mapping_end(start: usize, limit: usize) -> usize {
    let (mut fits, mut beyond) = (1, (limit - start) / PAGE + 1);
    while fits + 1 < beyond {
        let middle = usize::midpoint(fits, beyond);
        if mm::is_one_mapping(start, middle * PAGE) {
            fits = middle;
        } else {
            beyond = middle;
        }
    }
    start + fits * PAGE
}

#[inline(never)]
fn area(start: usize, end: usize) -> Result<Area> {
    if mm::is_shared(start) {
        fail!("mapping {start:x}-{end:x}: shared memory without /proc: not carried");
    }
    let mut byte = [0];
    let readable = mm::read_own(start, &mut byte) == Ok(1);
    let writable = readable && mm::write_own(start, &byte) == Ok(1);
    let (stack, code) = config::with(|c| (c.auxv.0, c.code));
    let runnable = !writable && code.iter().any(|&(from, to)| from < end && start < to);
    let flag = |yes: bool, bit: u32| if yes { bit } else { 0 };
    Ok(Area {
        start,
        end,
        prot: flag(readable, prot::READ) | flag(writable, prot::WRITE) | flag(runnable, prot::EXEC),
        shared: false,
        flags: flag((start..end).contains(&stack), vma_flag::GROWSDOWN),
        refused: 0,
        swapped: true,
        offset: 0,
        dev: 0,
        ino: 0,
        name: (0, 0),
        kind: vma_kind::ANON,
        source: if readable || has_pages(start, end) {
            Source::WholeFile
        } else {
            Source::Nothing
        },
        object: 0,
        segment: false,
        size: 0,
        mtime: 0,
    })
}

/// Has memory without access any pages that are worth a look?
fn has_pages(start: usize, end: usize) -> bool {
    let mut marks = [0; 1024];
    let mut at = start;
    while at < end {
        let count = ((end - at) / PAGE).min(marks.len());
        let room = marks.get_mut(..count).unwrap_or(&mut []);
        if mm::resident(at, room) != Err(Errno::NOMEM) && room.iter().any(|m| m & 1 == 1) {
            return true;
        }
        at += count * PAGE;
    }
    false
}
