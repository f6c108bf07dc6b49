//! Calls about users and groups.
#![expect(unsafe_code, reason = "system calls")]

use super::{SysResult, call};

/// Real, effective and saved id, and that for files.
pub type Ids = [u32; 4];

/// getresuid(2) and setfsuid(2), which tells the old one and refuses an id that is none.
pub fn users() -> SysResult<Ids> {
    let [mut real, mut effective, mut saved] = [0u32; 3];
    let [a, b, c] = [&mut real, &mut effective, &mut saved].map(core::ptr::from_mut);
    // SAFETY: the kernel writes the three numbers.
    unsafe { call!(__NR_getresuid, a, b, c) }?;
    // SAFETY: no memory.
    let file = unsafe { call!(__NR_setfsuid, -1i32) }?;
    Ok([real, effective, saved, file as u32])
}

/// getresgid(2) and setfsgid(2).
pub fn groups() -> SysResult<Ids> {
    let [mut real, mut effective, mut saved] = [0u32; 3];
    let [a, b, c] = [&mut real, &mut effective, &mut saved].map(core::ptr::from_mut);
    // SAFETY: the kernel writes the three numbers.
    unsafe { call!(__NR_getresgid, a, b, c) }?;
    // SAFETY: no memory.
    let file = unsafe { call!(__NR_setfsgid, -1i32) }?;
    Ok([real, effective, saved, file as u32])
}

/// setresuid(2) and setfsuid(2) of the calling thread.
pub fn set_users([real, effective, saved, file]: Ids) -> SysResult<()> {
    // SAFETY: no memory.
    unsafe { call!(__NR_setresuid, real, effective, saved) }?;
    // SAFETY: no memory.
    unsafe { call!(__NR_setfsuid, file) }.map(drop)
}

/// setresgid(2) and setfsgid(2) of the calling thread.
pub fn set_groups([real, effective, saved, file]: Ids) -> SysResult<()> {
    // SAFETY: no memory.
    unsafe { call!(__NR_setresgid, real, effective, saved) }?;
    // SAFETY: no memory.
    unsafe { call!(__NR_setfsgid, file) }.map(drop)
}

/// getgroups(2): how many there are; with room for all, four bytes each, what they are.
pub fn supplementary(to: &mut [u8]) -> SysResult<usize> {
    // SAFETY: the kernel writes within `to`.
    unsafe { call!(__NR_getgroups, to.len() / 4, to.as_mut_ptr()) }
}

/// setgroups(2) of the calling thread.
pub fn set_supplementary(groups: &[u8]) -> SysResult<()> {
    // SAFETY: the kernel reads within `groups`.
    unsafe { call!(__NR_setgroups, groups.len() / 4, groups.as_ptr()) }.map(drop)
}
