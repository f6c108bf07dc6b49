//! Memory files, memfd_create(2): their name and seals. All else of them is as of a deleted file.

use ckpt_format::record::File;

use super::kinds::refused;
use crate::error::Result;
use crate::sys::Errno;
use crate::sys::SysResult;
use crate::sys::fs::{self, Fd};
use crate::util::text::{Show, Text, after, before};

const F_ADD_SEALS: u32 = 1033;
const F_GET_SEALS: u32 = 1034;

/// Flags of memfd_create(2), with which it refuses what it does not know: kernel 6.3 has the last
/// two, and a host may insist on either (sysctl vm.memfd_noexec).
const MFD_ALLOW_SEALING: u32 = 2;
const MFD_NOEXEC_SEAL: u32 = 8;
const MFD_EXEC: u32 = 16;

/// The name of a memory file, told from another deleted file by `link` and by what it can do;
/// refuses one of huge pages.
pub(super) fn name(fd: i32, link: &[u8]) -> Result<Option<&[u8]>> {
    const HUGETLBFS: u64 = 0x9584_58f6;
    let Some(name) = after(link, b"/memfd:").and_then(|name| before(name, b" (deleted)")) else {
        return Ok(None);
    };
    if fs::file_system(fd) == Ok(HUGETLBFS) {
        let what = format_args!("memory file {} of huge pages", Show(name));
        return Err(refused(fd, what));
    }
    Ok(Some(name).filter(|_| fs::control(fd, F_GET_SEALS, 0).is_ok()))
}

/// Its seals.
pub(super) fn seals(fd: i32) -> u64 {
    fs::control(fd, F_GET_SEALS, 0).unwrap_or(0) as u64
}

/// Makes one that can be read, written and sealed.
pub(super) fn make(file: &File<'_>) -> SysResult<Fd> {
    // Of 249 bytes at most (mm/memfd.c).
    let mut name = Text::<256>::new();
    name.push(file.path);
    let with = |flags| fs::memory_file_with(name.as_c(), MFD_ALLOW_SEALING | flags);
    // With NOEXEC_SEAL it cannot be made executable any more.
    with(MFD_EXEC)
        .or_else(|_| with(MFD_NOEXEC_SEAL))
        .or_else(|_| with(0))
}

/// Seals it, when it has its contents, its mappings and its mode.
pub(super) fn seal(fd: i32, wanted: u64) -> SysResult<()> {
    let now = seals(fd);
    if now & !wanted != 0 {
        return Err(Errno::PERM);
    }
    if now == wanted {
        return Ok(());
    }
    fs::control(fd, F_ADD_SEALS, wanted as usize).map(drop)
}
