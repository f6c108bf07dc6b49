//! Memory calls.
#![expect(unsafe_code, reason = "system calls")]

use super::{SysResult, call, k};

/// mmap(2) protection and flags used here.
pub const NONE: u32 = 0;
/// Readable.
pub const READ: u32 = 1;
/// Readable and writable.
pub const RW: u32 = 3;
/// MAP_SHARED.
pub const SHARED: u32 = 0x1;
/// MAP_PRIVATE.
pub const PRIVATE: u32 = 0x2;
/// MAP_FIXED.
pub const FIXED: u32 = 0x10;
/// MAP_ANONYMOUS.
pub const ANON: u32 = 0x20;
/// MAP_GROWSDOWN.
pub const GROWSDOWN: u32 = 0x100;
/// MAP_NORESERVE.
pub const NORESERVE: u32 = 0x4000;
/// MAP_POPULATE.
pub const POPULATE: u32 = 0x8000;
/// MAP_FIXED_NOREPLACE, kernel 4.17; older ones take the address as a hint.
pub const NOREPLACE: u32 = 0x10_0000;
/// MAP_DROPPABLE, kernel 6.11.
pub const DROPPABLE: u32 = 0x8;

/// mmap(2) of anonymous memory, or of a descriptor's file.
///
/// # Safety
///
/// With [`FIXED`], nothing that Rust uses lies in the range.
pub unsafe fn map(
    addr: usize,
    len: usize,
    prot: u32,
    flags: u32,
    file: Option<(i32, u64)>,
) -> SysResult<usize> {
    let (fd, offset) = file.unwrap_or((-1, 0));
    // SAFETY: the caller's promise.
    unsafe { call!(__NR_mmap, addr, len, prot, flags, fd, offset) }
}

/// Maps at exactly `addr`, only if nothing is mapped there; EEXIST otherwise.
///
/// Kernels before 4.17 ignore the flag and may place the mapping elsewhere; it is then undone.
pub fn map_free(
    addr: usize,
    len: usize,
    prot: u32,
    flags: u32,
    file: Option<(i32, u64)>,
) -> SysResult<()> {
    // SAFETY: takes no range that is in use.
    let got = unsafe { map(addr, len, prot, flags | NOREPLACE, file) }?;
    if got == addr {
        return Ok(());
    }
    // SAFETY: just mapped and unknown to anybody.
    unsafe { unmap(got, len) }?;
    Err(super::Errno::EXIST)
}

/// Reserves address space without access; costs no memory.
pub fn reserve(len: usize) -> SysResult<usize> {
    // SAFETY: a new range.
    unsafe { map(0, len, NONE, PRIVATE | ANON | NORESERVE, None) }
}

/// Makes a reserved range readable and writable.
///
/// # Safety
///
/// The range is the caller's own.
pub unsafe fn open(addr: usize, len: usize) -> SysResult<()> {
    // SAFETY: the caller's promise.
    unsafe { protect(addr, len, RW) }
}

/// mprotect(2).
///
/// # Safety
///
/// Nothing that Rust uses loses access that it needs.
pub unsafe fn protect(addr: usize, len: usize, prot: u32) -> SysResult<()> {
    // SAFETY: the caller's promise.
    unsafe { call!(__NR_mprotect, addr, len, prot) }.map(drop)
}

/// munmap(2).
///
/// # Safety
///
/// Nothing that Rust uses lies in the range.
pub unsafe fn unmap(addr: usize, len: usize) -> SysResult<()> {
    // SAFETY: the caller's promise.
    unsafe { call!(__NR_munmap, addr, len) }.map(drop)
}

/// mremap(2) to exactly `to`: MREMAP_MAYMOVE and MREMAP_FIXED. An `old_len` of zero makes a second
/// view of a shared mapping.
///
/// # Safety
///
/// Nothing that Rust uses lies in either range.
pub unsafe fn move_to(from: usize, old_len: usize, len: usize, to: usize) -> SysResult<()> {
    // SAFETY: the caller's promise.
    unsafe { call!(__NR_mremap, from, old_len, len, 3, to) }.map(drop)
}

/// madvise(2) with advice that keeps contents.
pub fn advise(addr: usize, len: usize, advice: u32) -> SysResult<()> {
    debug_assert!(advice != k::MADV_DONTNEED && advice != k::MADV_REMOVE);
    // SAFETY: the advice used here changes no contents; guard pages go where nothing is.
    unsafe { call!(__NR_madvise, addr, len, advice) }.map(drop)
}

/// mlock2(2); `on_fault` for MLOCK_ONFAULT.
pub fn lock(addr: usize, len: usize, on_fault: bool) -> SysResult<()> {
    // SAFETY: contents stay.
    unsafe { call!(__NR_mlock2, addr, len, u32::from(on_fault)) }.map(drop)
}

/// mlockall(2).
pub fn lock_all(flags: u32) -> SysResult<()> {
    // SAFETY: contents stay.
    unsafe { call!(__NR_mlockall, flags) }.map(drop)
}

/// mseal(2), kernel 6.10.
pub fn seal(addr: usize, len: usize) -> SysResult<()> {
    // SAFETY: contents and protection stay.
    unsafe { call!(__NR_mseal, addr, len, 0) }.map(drop)
}

/// brk(0): where the break is.
#[must_use]
pub fn current_break() -> usize {
    // SAFETY: asks only.
    unsafe { call!(__NR_brk, 0) }.unwrap_or(0)
}

/// Names a private anonymous range, PR_SET_VMA_ANON_NAME, kernel 5.17.
pub fn name(addr: usize, len: usize, name: &core::ffi::CStr) -> SysResult<()> {
    const PR_SET_VMA: usize = 0x5356_4d41;
    // SAFETY: a label only.
    unsafe { call!(__NR_prctl, PR_SET_VMA, 0, addr, len, name.as_ptr()) }.map(drop)
}

/// Copies own memory through the kernel, which stops at what cannot be read instead of faulting:
/// process_vm_readv(2) on itself. Tells how many bytes were copied. By the thread's id: a first
/// thread that has ended has no memory any more.
pub fn read_own(from: usize, to: &mut [u8]) -> SysResult<usize> {
    read_of(super::thread::id(), from, to)
}

/// The same of another process.
#[inline(never)]
pub fn read_of(pid: u32, from: usize, to: &mut [u8]) -> SysResult<usize> {
    let local = [to.as_mut_ptr() as usize, to.len()];
    let remote = [from, to.len()];
    // SAFETY: the kernel writes within `to` only.
    unsafe {
        call!(
            __NR_process_vm_readv,
            pid,
            local.as_ptr(),
            1,
            remote.as_ptr(),
            1,
            0
        )
    }
}

/// Writes own memory through the kernel: process_vm_writev(2) on itself.
pub fn write_own(to: usize, from: &[u8]) -> SysResult<usize> {
    let local = [from.as_ptr().expose_provenance(), from.len()];
    let remote = [to, from.len()];
    // SAFETY: used to write what stands there already.
    unsafe {
        call!(
            __NR_process_vm_writev,
            super::thread::id(),
            local.as_ptr(),
            1usize,
            remote.as_ptr(),
            1usize,
            0usize
        )
    }
}

/// Is every page of the range mapped? msync(2) with MS_ASYNC, which does nothing but look.
#[must_use]
pub fn all_mapped(addr: usize, len: usize) -> bool {
    const MS_ASYNC: u32 = 1;
    // SAFETY: no effect.
    unsafe { call!(__NR_msync, addr, len, MS_ASYNC) }.is_ok()
}

/// Does the range lie within one mapping? mremap(2) is asked to grow it by a page in place; should
/// it do so, that page is given back.
#[must_use]
pub fn is_one_mapping(addr: usize, len: usize) -> bool {
    // SAFETY: without MREMAP_MAYMOVE nothing moves.
    match unsafe { call!(__NR_mremap, addr, len, len + 4096, 0usize) } {
        Ok(_) => {
            // SAFETY: the page that was just added.
            let _ = unsafe { unmap(addr + len, 4096) };
            true
        }
        Err(e) => e != super::Errno::FAULT,
    }
}

/// Is the page part of a shared mapping? Only of those does mremap(2) make a second view.
#[must_use]
pub fn is_shared(page: usize) -> bool {
    const MREMAP_MAYMOVE: u32 = 1;
    // SAFETY: a new range.
    match unsafe { call!(__NR_mremap, page, 0usize, 4096usize, MREMAP_MAYMOVE) } {
        Ok(second) => {
            // SAFETY: the view that was just made.
            let _ = unsafe { unmap(second, 4096) };
            true
        }
        Err(_) => false,
    }
}

/// mincore(2): one byte a page, bit 0 set if the page is in memory. ENOMEM if part is not mapped.
pub fn resident(addr: usize, pages: &mut [u8]) -> SysResult<()> {
    let len = pages.len() * 4096;
    // SAFETY: the kernel writes within `pages` only.
    unsafe { call!(__NR_mincore, addr, len, pages.as_mut_ptr()) }.map(drop)
}

/// `struct prctl_mm_map` of linux/prctl.h.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct MmMap {
    /// The eleven bounds in the kernel's order.
    pub bounds: [u64; 11],
    /// Address of the auxiliary vector to copy.
    pub auxv: u64,
    /// Its length.
    pub auxv_size: u32,
    /// -1 (all ones): the executable stays what it is.
    pub exe_fd: u32,
}

const _: () = assert!(size_of::<MmMap>() == 104);

/// prctl(PR_SET_MM, PR_SET_MM_MAP): needs CONFIG_CHECKPOINT_RESTORE, no privilege.
///
/// # Safety
///
/// The break and argument area are those of the memory as it is.
pub unsafe fn set_mm(map: &MmMap) -> SysResult<()> {
    const PR_SET_MM: usize = 35;
    const PR_SET_MM_MAP: usize = 14;
    let place = core::ptr::from_ref(map);
    // SAFETY: the kernel copies the structure and the vector it names.
    unsafe {
        call!(
            __NR_prctl,
            PR_SET_MM,
            PR_SET_MM_MAP,
            place,
            size_of::<MmMap>(),
            0
        )
    }
    .map(drop)
}

/// Argument of the PAGEMAP_SCAN ioctl (linux/fs.h, kernel 6.7).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct ScanArg {
    /// Size of this structure.
    pub size: u64,
    /// PM_SCAN_* flags.
    pub flags: u64,
    /// First address.
    pub start: u64,
    /// First address after.
    pub end: u64,
    /// Where the scan stopped.
    pub walk_end: u64,
    /// Address of the regions to fill.
    pub vec: u64,
    /// Their number.
    pub vec_len: u64,
    /// Most pages to tell of; zero for no limit.
    pub max_pages: u64,
    /// Categories whose sense is turned round.
    pub category_inverted: u64,
    /// Categories that must all hold.
    pub category_mask: u64,
    /// Categories of which one must hold.
    pub category_anyof_mask: u64,
    /// Categories told.
    pub return_mask: u64,
}

/// A region that PAGEMAP_SCAN tells of.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct ScanRegion {
    /// First address.
    pub start: u64,
    /// First address after.
    pub end: u64,
    /// PAGE_IS_* bits.
    pub categories: u64,
}

/// PAGEMAP_SCAN on a descriptor of /proc/self/pagemap; tells how many regions were filled.
pub fn scan(pagemap: i32, arg: &mut ScanArg, regions: &mut [ScanRegion]) -> SysResult<usize> {
    const PAGEMAP_SCAN: u32 = 0xc060_6610;
    arg.size = size_of::<ScanArg>() as u64;
    arg.vec = regions.as_mut_ptr() as u64;
    arg.vec_len = regions.len() as u64;
    let place = core::ptr::from_mut(arg);
    // SAFETY: the kernel writes the argument and the regions it names.
    unsafe { call!(__NR_ioctl, pagemap, PAGEMAP_SCAN, place) }
}

/// MPOL_* with its flags, and nodes, one a bit.
pub type Policy = (u32, [u64; 16]);

/// Bits in the nodes of a [`Policy`], which kernels have no more of (CONFIG_NODES_SHIFT).
const NODES: usize = 1024;

/// get_mempolicy(2): of the mapping at an address, or of the calling thread; zero for the default.
pub fn policy(at: Option<usize>) -> SysResult<Policy> {
    const MPOL_F_ADDR: u32 = 2;
    let (mut mode, mut nodes) = (0u32, [0u64; 16]);
    let to = core::ptr::from_mut(&mut mode);
    let flags = if at.is_some() { MPOL_F_ADDR } else { 0 };
    let place = at.unwrap_or(0);
    // SAFETY: the kernel writes both.
    unsafe {
        call!(
            __NR_get_mempolicy,
            to,
            nodes.as_mut_ptr(),
            NODES,
            place,
            flags
        )
    }?;
    Ok((mode, nodes))
}

/// mbind(2) of a range of memory, whose pages move, or set_mempolicy(2) of the calling thread.
pub fn set_policy(&(mode, nodes): &Policy, range: Option<(usize, usize)>) -> SysResult<()> {
    const MPOL_MF_MOVE: u32 = 2;
    let nodes = nodes.as_ptr();
    match range {
        // SAFETY: pages keep what is in them.
        Some((at, len)) => unsafe { call!(__NR_mbind, at, len, mode, nodes, NODES, MPOL_MF_MOVE) },
        // SAFETY: the kernel reads the nodes.
        None => unsafe { call!(__NR_set_mempolicy, mode, nodes, NODES) },
    }
    .map(drop)
}
