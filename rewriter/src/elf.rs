//! ELF headers as plain numbers, to and from the bytes of a file.
//!
//! The structures are those of the System V gABI for 64-bit little-endian files; `object` knows
//! their layout.

use object::LittleEndian as LE;
use object::elf;
use object::pod;

/// Size of the ELF header, bytes.
pub(crate) const EHDR: u64 = 64;
/// Size of a program header, bytes.
pub(crate) const PHDR: u64 = 56;
/// Size of a section header, bytes.
pub(crate) const SHDR: u64 = 64;
/// Size of a symbol, bytes.
pub(crate) const SYM: u64 = 24;
/// Size of an entry of the dynamic table, bytes.
pub(crate) const DYN: u64 = 16;
/// Page size of x86-64, and alignment of the segment that is added.
pub(crate) const PAGE: u64 = 4096;

pub(crate) type Ehdr = elf::FileHeader64<LE>;
pub(crate) type Sym = elf::Sym64<LE>;

/// A program header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) kind: elf::ProgramType,
    pub(crate) flags: elf::ProgramFlags,
    pub(crate) offset: u64,
    pub(crate) vaddr: u64,
    pub(crate) paddr: u64,
    pub(crate) filesz: u64,
    pub(crate) memsz: u64,
    pub(crate) align: u64,
}

impl Segment {
    /// First file offset after it; checked at parse time not to overflow.
    pub(crate) fn file_end(&self) -> u64 {
        self.offset + self.filesz
    }

    /// First address after it; checked at parse time not to overflow.
    pub(crate) fn mem_end(&self) -> u64 {
        self.vaddr + self.memsz
    }

    pub(crate) fn is_load(&self) -> bool {
        self.kind == elf::PT_LOAD
    }

    pub(crate) fn parse_table(bytes: &[u8]) -> Vec<Self> {
        let raw = pod::slice_from_all_bytes::<elf::ProgramHeader64<LE>>(bytes)
            .expect("the table was read in whole entries");
        raw.iter()
            .map(|p| Self {
                kind: p.p_type.get(LE),
                flags: p.p_flags.get(LE),
                offset: p.p_offset.get(LE),
                vaddr: p.p_vaddr.get(LE),
                paddr: p.p_paddr.get(LE),
                filesz: p.p_filesz.get(LE),
                memsz: p.p_memsz.get(LE),
                align: p.p_align.get(LE),
            })
            .collect()
    }

    pub(crate) fn table_bytes(table: &[Self]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for p in table {
            let raw = elf::ProgramHeader64::<LE> {
                p_type: object::U32::new(LE, p.kind),
                p_flags: object::U32::new(LE, p.flags),
                p_offset: object::U64::new(LE, p.offset),
                p_vaddr: object::U64::new(LE, p.vaddr),
                p_paddr: object::U64::new(LE, p.paddr),
                p_filesz: object::U64::new(LE, p.filesz),
                p_memsz: object::U64::new(LE, p.memsz),
                p_align: object::U64::new(LE, p.align),
            };
            bytes.extend_from_slice(pod::bytes_of(&raw));
        }
        bytes
    }
}

/// A section header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Section {
    pub(crate) name: u32,
    pub(crate) kind: elf::SectionType,
    pub(crate) flags: elf::SectionFlags,
    pub(crate) addr: u64,
    pub(crate) offset: u64,
    pub(crate) size: u64,
    pub(crate) link: u32,
    pub(crate) info: u32,
    pub(crate) align: u64,
    pub(crate) entsize: u64,
}

impl Section {
    /// Bytes that it takes in the file.
    pub(crate) fn filesz(&self) -> u64 {
        if self.kind == elf::SHT_NOBITS || self.kind == elf::SHT_NULL {
            0
        } else {
            self.size
        }
    }

    /// First file offset after it; checked at parse time not to overflow.
    pub(crate) fn file_end(&self) -> u64 {
        self.offset + self.filesz()
    }

    pub(crate) fn is_alloc(&self) -> bool {
        self.flags.0 & elf::SHF_ALLOC.0 != 0
    }

    pub(crate) fn parse_table(bytes: &[u8]) -> Vec<Self> {
        let raw = pod::slice_from_all_bytes::<elf::SectionHeader64<LE>>(bytes)
            .expect("the table was read in whole entries");
        raw.iter()
            .map(|s| Self {
                name: s.sh_name.get(LE),
                kind: s.sh_type.get(LE),
                flags: s.sh_flags.get(LE),
                addr: s.sh_addr.get(LE),
                offset: s.sh_offset.get(LE),
                size: s.sh_size.get(LE),
                link: s.sh_link.get(LE),
                info: s.sh_info.get(LE),
                align: s.sh_addralign.get(LE),
                entsize: s.sh_entsize.get(LE),
            })
            .collect()
    }

    pub(crate) fn table_bytes(table: &[Self]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for s in table {
            let raw = elf::SectionHeader64::<LE> {
                sh_name: object::U32::new(LE, s.name),
                sh_type: object::U32::new(LE, s.kind),
                sh_flags: object::U64::new(LE, s.flags),
                sh_addr: object::U64::new(LE, s.addr),
                sh_offset: object::U64::new(LE, s.offset),
                sh_size: object::U64::new(LE, s.size),
                sh_link: object::U32::new(LE, s.link),
                sh_info: object::U32::new(LE, s.info),
                sh_addralign: object::U64::new(LE, s.align),
                sh_entsize: object::U64::new(LE, s.entsize),
            };
            bytes.extend_from_slice(pod::bytes_of(&raw));
        }
        bytes
    }
}

/// An entry of the dynamic table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dyn {
    pub(crate) tag: elf::DynamicTag,
    pub(crate) val: u64,
    /// File offset of the entry.
    pub(crate) at: u64,
}

impl Dyn {
    /// Entries up to `DT_NULL`; `offset` is where `bytes` lie in the file.
    pub(crate) fn parse_table(bytes: &[u8], offset: u64) -> Vec<Self> {
        let (raw, _) = pod::slice_from_bytes::<elf::Dyn64<LE>>(bytes, bytes.len() / 16)
            .expect("the count is taken from the length");
        raw.iter()
            .zip(0..)
            .map(|(d, i)| Self {
                tag: d.d_tag.get(LE),
                val: d.d_val.get(LE),
                at: offset + DYN * i,
            })
            .take_while(|d| d.tag != elf::DT_NULL)
            .collect()
    }
}

/// `n` rounded up to a multiple of `align`, a power of two.
pub(crate) fn round_up(n: u64, align: u64) -> u64 {
    (n + align - 1) & !(align - 1)
}
