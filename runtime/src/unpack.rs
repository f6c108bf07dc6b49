//! Brings the body into memory, and takes it away. Resident.
#![expect(unsafe_code, reason = "maps code")]

use ckpt_packed::{Header, Work};

use crate::arch::entry;
use crate::body::Task;
use crate::config::{self, Body};
use crate::sys::{SysResult, fs, mm};

const PAGE: usize = 4096;
const READ_EXEC: u32 = 5;
/// Bytes of an `Elf64_Rela`.
const RELOCATION: usize = 24;

/// Unpacks what a task needs of the body to memory of its own and notes where; false if there is no memory for it, or
/// the program may not have code made at run time.
pub fn unpack(task: Task) -> bool {
    let (resident, data, packed) = entry::extent();
    // SAFETY: the tool put the packed body there, in the same segment, aligned.
    let header = unsafe { &*(packed as *const Header) };
    let way = task.way();
    let Some(entry) = header.entries.get(way) else {
        return false;
    };
    let len = header.memory as usize;
    let room = len + size_of::<Work>().next_multiple_of(PAGE);
    // SAFETY: a new range.
    let Ok(base) =
        (unsafe { mm::map(0, room, mm::RW, mm::PRIVATE | mm::ANON | mm::POPULATE, None) })
    else {
        return false;
    };
    let at = (packed + Header::LEN) as *const u8;
    // SAFETY: as above.
    let streams = unsafe { core::slice::from_raw_parts(at, header.packed as usize) };
    // SAFETY: just mapped; zeros are a valid value.
    let work = unsafe { &mut *((base + len) as *mut Work) };
    // SAFETY: just mapped, and not overlapping.
    let to = unsafe { core::slice::from_raw_parts_mut(base as *mut u8, len) };
    // SAFETY: this part's own text, which nobody writes to.
    let text = unsafe { core::slice::from_raw_parts(resident as *const u8, data - resident) };
    let whole = work.learn(text, to).is_some() && header.unpack(work, streams, to, way).is_some();
    let start = base + header.relocations as usize;
    let relocations = [start, start + header.relocation_count as usize * RELOCATION];
    // SAFETY: its own table; the pages are still writable.
    unsafe { entry::relocate(base, relocations) };
    // SAFETY: nobody uses it any more.
    let _ = unsafe { mm::unmap(base + len, room - len) };
    let data = base + header.data as usize;
    config::with(|c| {
        c.body = Body {
            base,
            len,
            data,
            entry: base + *entry as usize,
            relocations,
        };
    });
    let ready = whole && make_code(base, data - base).is_ok();
    if !ready {
        take_away();
    }
    ready
}

/// Makes the range readable and executable. Where memory that was written to may not become code
/// (PR_SET_MDWE; SELinux's execmem), a file's pages may.
fn make_code(base: usize, len: usize) -> SysResult<()> {
    // SAFETY: the body's code, not running yet.
    if unsafe { mm::protect(base, len, READ_EXEC) }.is_ok() {
        return Ok(());
    }
    let file = fs::memory_file(c"ckpt")?;
    // SAFETY: the body's code.
    let code = unsafe { core::slice::from_raw_parts(base as *const u8, len) };
    fs::write_all(file.number(), code)?;
    let from = Some((file.number(), 0));
    // SAFETY: replaced by the same bytes.
    unsafe { mm::map(base, len, READ_EXEC, mm::PRIVATE | mm::FIXED, from) }.map(drop)
}

/// Unmaps the body. Nobody runs in it.
pub fn take_away() {
    let body = config::with(|c| core::mem::take(&mut c.body));
    // SAFETY: mapped by `unpack`, and left.
    let _ = unsafe { mm::unmap(body.base, body.len) };
}
