//! The address space.

use super::page_aligned;
use crate::codec::record;
use crate::{DecodeError, limits};

/// First address that no user mapping reaches: `TASK_SIZE_MAX` with four-level page tables
/// (arch/x86/include/asm/page_64_types.h); five-level addresses are only given on request.
pub const TASK_END: u64 = (1 << 47) - 4096;

/// Values of [`Vma::kind`].
pub mod vma_kind {
    /// Private memory without a file; holes read as zero.
    pub const ANON: u32 = 0;
    /// Private view of a file whose pages are all in the image, so that the file is not needed.
    /// If the file at the path still has the same size, it is mapped and pages that differ are
    /// written over it; else the mapping comes back without a file.
    pub const CARRIED: u32 = 1;
    /// Private view of a file that must be there at restore; the image has changed pages only.
    pub const FILE: u32 = 2;
    /// Shared view of a file that must be there at restore; the image has no pages of it.
    pub const SHARED_FILE: u32 = 3;
    /// Shared memory without a name; `object` tells which mappings are views of one object.
    pub const SHARED_ANON: u32 = 4;
    /// Shared view of a file without a name that is open as well; `object` is the number of a
    /// description of it, and the contents are the file's.
    pub const OPEN_FILE: u32 = 5;
    /// Ring of an asynchronous I/O context, io_setup(2), whose pages are all in the image: `struct
    /// aio_ring` of fs/aio.c, whose size, head and tail say what the context is.
    pub const AIO: u32 = 6;
}

/// Bits of [`Vma::prot`], as in mmap(2).
pub mod prot {
    /// May be read.
    pub const READ: u32 = 1;
    /// May be written.
    pub const WRITE: u32 = 2;
    /// May be run.
    pub const EXEC: u32 = 4;
}

/// Bits of [`Vma::flags`]: what `VmFlags` of /proc/PID/smaps shows and a program may have chosen.
pub mod vma_flag {
    /// `gd`: grows down (a stack).
    pub const GROWSDOWN: u32 = 1 << 0;
    /// `nr`: MAP_NORESERVE.
    pub const NORESERVE: u32 = 1 << 1;
    /// `lo`: locked.
    pub const LOCKED: u32 = 1 << 2;
    /// `lf`: locked on fault.
    pub const LOCK_ON_FAULT: u32 = 1 << 3;
    /// `dc`: not copied by fork.
    pub const DONTFORK: u32 = 1 << 4;
    /// `wf`: zero in a child.
    pub const WIPEONFORK: u32 = 1 << 5;
    /// `dd`: not in core files.
    pub const DONTDUMP: u32 = 1 << 6;
    /// `mg`: mergeable (KSM).
    pub const MERGEABLE: u32 = 1 << 7;
    /// `hg`: huge pages wanted.
    pub const HUGEPAGE: u32 = 1 << 8;
    /// `nh`: huge pages not wanted.
    pub const NOHUGEPAGE: u32 = 1 << 9;
    /// `sr`: read in sequence.
    pub const SEQUENTIAL: u32 = 1 << 10;
    /// `rr`: read at random.
    pub const RANDOM: u32 = 1 << 11;
    /// `dp`: droppable; contents are never saved.
    pub const DROPPABLE: u32 = 1 << 12;
    /// `sl`: sealed by mseal(2).
    pub const SEALED: u32 = 1 << 13;
    /// `mw`: a shared mapping whose file was open for writing.
    pub const MAYWRITE: u32 = 1 << 14;
    /// `ht`: of huge pages. Such mappings are not carried, so no image has the bit.
    pub const HUGETLB: u32 = 1 << 15;
    /// All bits that an image may have.
    pub const ALL: u32 = HUGETLB - 1;
}

record! {
    /// One mapping.
    Vma<'a> {
        /// First address.
        start: u64,
        /// First address after it.
        end: u64,
        /// [`prot`] bits.
        prot: u32,
        /// One of [`vma_kind`].
        kind: u32,
        /// [`vma_flag`] bits.
        flags: u32,
        /// For [`vma_kind::SHARED_ANON`] number of the object that it is a view of, for
        /// [`vma_kind::OPEN_FILE`] place of the file in the files section; else zero.
        object: u32,
        /// Offset in the file or object, bytes.
        offset: u64,
        /// Device of the file, as `st_dev`.
        dev: u64,
        /// Inode of the file, or of the shared object.
        ino: u64,
        /// Size of the file, bytes.
        size: u64,
        /// Time of last modification of the file, nanoseconds since 1970.
        mtime: i64,
        /// Path of the file, or name of the memory (PR_SET_VMA_ANON_NAME); empty for none.
        path: &'a [u8],
    }
}

impl Vma<'_> {
    /// Checks one mapping and that it lies above `floor`, the end of the one before.
    pub fn check(&self, floor: u64) -> Result<(), DecodeError> {
        let bounds = page_aligned(self.start)
            && page_aligned(self.end)
            && page_aligned(self.offset)
            && self.start >= floor
            && self.start < self.end
            && self.end <= TASK_END;
        if !bounds {
            return Err(DecodeError::Value("mapping out of order or out of bounds"));
        }
        if self.prot > 7 || self.kind > vma_kind::AIO || self.flags & !vma_flag::ALL != 0 {
            return Err(DecodeError::Value("mapping's kind, protection or flags"));
        }
        let of_many = matches!(self.kind, vma_kind::SHARED_ANON | vma_kind::OPEN_FILE);
        if !of_many && self.object != 0 {
            return Err(DecodeError::Value("mapping's shared object"));
        }
        let named = matches!(
            self.kind,
            vma_kind::CARRIED | vma_kind::FILE | vma_kind::SHARED_FILE
        );
        if self.path.len() > limits::PATH
            || self.path.contains(&0)
            || (named && self.path.is_empty())
        {
            return Err(DecodeError::Value("mapping's path"));
        }
        Ok(())
    }

    /// True if the mapping is a private one, the only kind that guards lie in,
    /// and but for rings page runs.
    #[must_use]
    pub fn is_private(&self) -> bool {
        matches!(
            self.kind,
            vma_kind::ANON | vma_kind::CARRIED | vma_kind::FILE
        )
    }

    /// Bytes in the mapping.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// Never true of a checked mapping.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

record! {
    /// Pages that follow each other both in memory and in the section of pages. The runs' pages
    /// stand there in the order of the runs, without gaps.
    Run {
        /// Address of the first page.
        addr: u64,
        /// Number of pages, 1 to [`limits::RUN_PAGES`].
        pages: u32,
        /// [`crate::crc::pages`] of them.
        crc: u32,
    }
}

impl Run {
    /// Checks one run and that it lies above `floor`, the end of the one before; tells its end.
    pub fn check(&self, floor: u64) -> Result<u64, DecodeError> {
        let end = self.addr.checked_add(self.len()).filter(|&e| e <= TASK_END);
        match end {
            Some(end)
                if page_aligned(self.addr)
                    && self.addr >= floor
                    && self.pages > 0
                    && self.pages <= limits::RUN_PAGES =>
            {
                Ok(end)
            }
            _ => Err(DecodeError::Value("page run out of order or out of bounds")),
        }
    }

    /// Bytes in the run.
    #[must_use]
    pub fn len(&self) -> u64 {
        u64::from(self.pages).saturating_mul(u64::from(crate::header::PAGE_SIZE))
    }

    /// Never true of a checked run.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pages == 0
    }
}

record! {
    /// A range whose pages raise SIGSEGV when touched, MADV_GUARD_INSTALL of kernel 6.13.
    Guard {
        /// First address.
        start: u64,
        /// First address after it.
        end: u64,
    }
}

impl Guard {
    /// Checks one range and that it lies above `floor`, the end of the one before.
    pub fn check(&self, floor: u64) -> Result<(), DecodeError> {
        let aligned = page_aligned(self.start) && page_aligned(self.end);
        if aligned && self.start >= floor && self.start < self.end && self.end <= TASK_END {
            Ok(())
        } else {
            Err(DecodeError::Value("guard region"))
        }
    }
}

record! {
    /// The memory policy of a mapping, set_mempolicy(2); only of those that have one.
    Policy {
        /// The mapping's first address.
        start: u64,
        /// The address behind it.
        end: u64,
        /// MPOL_* with its flags.
        mode: u32,
        /// Nodes, one a bit.
        nodes: [u64; 16],
    }
}

record! {
    /// What PR_SET_MM_MAP takes, but for the executable's descriptor.
    Mm<'a> {
        /// start_code, end_code, start_data, end_data, start_brk, brk, start_stack, arg_start,
        /// arg_end, env_start, env_end: `struct prctl_mm_map` of linux/prctl.h.
        map: [u64; 11],
        /// 1 if the process had locked all memory to come (MCL_FUTURE), 3 on fault, else 0.
        lock_future: u32,
        /// The auxiliary vector.
        auxv: &'a [u8],
    }
}

impl Mm<'_> {
    /// Checks what the kernel would, so that a bad image is refused before anything is lost.
    pub fn check(&self) -> Result<(), DecodeError> {
        let inside = self.map.iter().all(|&a| (4096..=TASK_END).contains(&a));
        let [
            start_code,
            end_code,
            start_data,
            end_data,
            start_brk,
            brk,
            _,
            a0,
            a1,
            e0,
            e1,
        ] = self.map;
        let ordered = start_code < end_code
            && start_data <= end_data
            && start_brk <= brk
            && a0 <= a1
            && e0 <= e1;
        if !inside || !ordered || ![0, 1, 3].contains(&self.lock_future) {
            return Err(DecodeError::Value("address space's bounds"));
        }
        // Pairs of a key and a value.
        if !self.auxv.len().is_multiple_of(16) {
            return Err(DecodeError::Value("auxiliary vector"));
        }
        if self.auxv.len() > limits::AUXV {
            return Err(DecodeError::Limit("bytes of auxiliary vector"));
        }
        Ok(())
    }
}

record! {
    /// The vDSO of the kernel that the image was taken on.
    Vdso<'a> {
        /// Where the data pages before it began.
        vvar: u64,
        /// Where its ELF header lay; zero if there was none.
        base: u64,
        /// Its bytes, whole pages.
        bytes: &'a [u8],
    }
}

impl Vdso<'_> {
    /// Checks bounds and alignment.
    pub fn check(&self) -> Result<(), DecodeError> {
        let len = u64::try_from(self.bytes.len()).unwrap_or(u64::MAX);
        let end = self.base.checked_add(len);
        let bounded = self.bytes.len() <= limits::VDSO && end.is_some_and(|e| e <= TASK_END);
        if !bounded || !page_aligned(self.base) || !page_aligned(len) || !page_aligned(self.vvar) {
            return Err(DecodeError::Value("vDSO"));
        }
        let data = self.base.checked_sub(self.vvar);
        let near = data.is_some_and(|d| usize::try_from(d).is_ok_and(|d| d <= limits::VDSO));
        if !near || (self.base == 0) != self.bytes.is_empty() {
            return Err(DecodeError::Value("vDSO"));
        }
        Ok(())
    }

    /// First address and the one after the last: data pages and code. No mapping lies there.
    #[must_use]
    pub fn range(&self) -> (u64, u64) {
        let len = u64::try_from(self.bytes.len()).unwrap_or(u64::MAX);
        (self.vvar, self.base.saturating_add(len))
    }
}
