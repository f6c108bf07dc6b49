//! The address space: which mappings there are, what is in them, and how they come back.
//!
//! Dump: [`smaps`] reads what there is, [`classify`] decides what becomes of each mapping, [`dump`]
//! writes pages that [`pages`] finds. Restore: [`stage`] maps and fills everything while the
//! restoring process can still give up, [`place`] takes the old address space away and moves what
//! was staged elsewhere to its address.

pub mod classify;
pub mod dump;
pub mod hole;
pub mod pages;
pub mod place;
pub mod probe;
pub mod smaps;
pub mod stage;

use ckpt_format::codec::Writer;
use ckpt_format::record::Vma;

use crate::error::Result;
use crate::util::arena::Plain;
use crate::util::list::List;

/// Bytes of a page.
pub const PAGE: usize = 4096;

/// Where the pages of a mapping come from when it is dumped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Source {
    /// Only what the program wrote; the rest reads as zero.
    Anonymous,
    /// Everything, as far as the file reaches.
    WholeFile,
    /// Only what the program wrote; the rest is in the file.
    Changes,
    /// A shared object, dumped once however many views there are.
    Object,
    /// Nothing.
    Nothing,
}

/// One mapping as the kernel tells of it, and what was decided about it.
#[derive(Clone, Copy, Debug)]
pub struct Area {
    /// First address.
    pub start: usize,
    /// First address after it.
    pub end: usize,
    /// `prot` bits of the image format.
    pub prot: u32,
    /// MAP_SHARED.
    pub shared: bool,
    /// `vma_flag` bits of the image format.
    pub flags: u32,
    /// Marks of mappings that cannot be carried.
    pub refused: u32,
    /// Part of it is in swap.
    pub swapped: bool,
    /// Offset in the file or object.
    pub offset: u64,
    /// Device, as in maps: major times 2^32 plus minor.
    pub dev: u64,
    /// Inode.
    pub ino: u64,
    /// Place and length of the path in the names.
    pub name: (u32, u32),
    /// `vma_kind` of the image format.
    pub kind: u32,
    /// How it is dumped.
    pub source: Source,
    /// Number of the shared object.
    pub object: u32,
    /// The object is System V shared memory, and `ino` its identifier.
    pub segment: bool,
    /// The file's size.
    pub size: u64,
    /// The file's time of modification, nanoseconds.
    pub mtime: i64,
}

// SAFETY: integers, bools and an enumeration whose first value is zero.
#[expect(unsafe_code, reason = "vouches for zeroes")]
unsafe impl Plain for Area {}

impl Area {
    /// Bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Never true.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The mappings of the process.
#[derive(Debug)]
pub struct Space {
    /// All that belongs to the program, in the order of their addresses.
    pub areas: List<Area>,
    /// Paths and names.
    pub names: List<u8>,
    /// The vDSO: where its data pages begin, where it begins, where it ends; zero for none.
    pub vdso: [usize; 3],
    /// `vma_flag` bits of the runtime's own scratch memory: those that any new mapping gets.
    pub flags_of_new: u32,
}

impl Space {
    /// The path of an area.
    #[must_use]
    pub fn name(&self, area: &Area) -> &[u8] {
        let (at, len) = area.name;
        let (at, len) = (at as usize, len as usize);
        self.names.as_slice().get(at..at + len).unwrap_or(&[])
    }

    /// The most that the section of mappings can take.
    #[must_use]
    pub fn bound(&self) -> usize {
        let paths: usize = self
            .areas
            .as_slice()
            .iter()
            .map(|a| a.name.1 as usize)
            .sum();
        4 + self.areas.as_slice().len() * 80 + paths
    }

    /// Writes the section of mappings.
    pub fn encode(&self, w: &mut Writer<'_>) {
        let areas = self.areas.as_slice();
        w.put(&(areas.len() as u32));
        for area in areas {
            w.put(&Vma {
                start: area.start as u64,
                end: area.end as u64,
                prot: area.prot,
                kind: area.kind,
                flags: area.flags,
                object: area.object,
                offset: area.offset,
                dev: area.dev,
                ino: area.ino,
                size: area.size,
                mtime: area.mtime,
                path: self.name(area),
            });
        }
    }
}

/// What the process has mapped. Without /proc, which tells, each mapping has its fate decided already.
pub fn read() -> Result<Space> {
    if crate::sys::fs::has_proc() {
        smaps::read()
    } else {
        probe::read()
    }
}
