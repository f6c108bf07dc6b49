//! The input's headers, read and checked: what holds for a [`Headers`] is relied on by all later
//! stages, so that none of them checks an offset or a sum again.

use object::LittleEndian as LE;
use object::elf;
use object::pod;

use crate::elf::{DYN, Dyn, EHDR, Ehdr, PAGE, PHDR, SHDR, Section, Segment};
use crate::error::{PatchError, Result};
use crate::input::{Input, to_u64, to_usize};

/// End of the user half of the address space on x86-64 with 4-level paging.
const ADDRESS_END: u64 = 1 << 47;
/// Largest program header table, `load_elf_phdrs` in the kernel's `binfmt_elf.c`.
const PHDRS_MAX: u64 = 65536;
/// Most sections that `e_shnum` can count (`SHN_LORESERVE`), less two of ours.
const SECTIONS_MAX: u16 = 0xff00 - 2;
/// Longest path of a program interpreter: `PATH_MAX`, as the kernel's `load_elf_binary` has it.
const INTERP_MAX: u64 = 4096;

/// Checked headers of an x86-64 Linux program or library. It is proved that
/// - the tables, every segment's and every section's bytes lie in the file, and no sum overflows;
/// - `PT_LOAD` segments ascend, do not overlap, and could be mapped;
/// - every section's name is a string in the table of names.
#[derive(Debug)]
pub(crate) struct Headers {
    pub(crate) ehdr: Ehdr,
    pub(crate) entry: u64,
    pub(crate) phoff: u64,
    pub(crate) segments: Vec<Segment>,
    /// Offset of the section header table, 0 if there is none.
    pub(crate) shoff: u64,
    /// Empty if the file has no section headers.
    pub(crate) sections: Vec<Section>,
    /// Index of the section that holds the names, 0 if there is none.
    pub(crate) shstrndx: usize,
    /// Its content.
    pub(crate) names: Vec<u8>,
    /// Entries of the dynamic table up to `DT_NULL`; `None` if there is no `PT_DYNAMIC`.
    pub(crate) dynamic: Option<Vec<Dyn>>,
    /// Path of the program interpreter, without its NUL.
    pub(crate) interp: Option<Vec<u8>>,
}

impl Headers {
    /// Reads and checks the headers.
    pub(crate) fn read(input: &Input) -> Result<Self> {
        let ehdr = read_ehdr(input)?;
        let phoff = ehdr.e_phoff.get(LE);
        let entry = ehdr.e_entry.get(LE);
        let segments = read_segments(input, &ehdr)?;
        check_loads(&segments)?;
        check_phdr(&segments, phoff)?;
        let interp = read_interp(input, &segments)?;
        let dynamic = read_dynamic(input, &segments)?;
        let shoff = ehdr.e_shoff.get(LE);
        let sections = read_sections(input, &ehdr)?;
        let shstrndx = usize::from(ehdr.e_shstrndx.get(LE).0);
        let names = read_names(input, &sections, shstrndx)?;
        Ok(Self {
            ehdr,
            entry,
            phoff,
            segments,
            shoff: if sections.is_empty() { 0 } else { shoff },
            sections,
            shstrndx,
            names,
            dynamic,
            interp,
        })
    }

    /// The entry point is backed by a byte of an executable segment, or it is an error.
    pub(crate) fn check_entry(&self) -> Result<()> {
        let entry = self.entry;
        if entry == 0 {
            return Err(PatchError::malformed("has no entry point (e_entry is 0)"));
        }
        let runs = |s: &Segment| {
            let executable = s.flags.0 & elf::PF_X.0 != 0;
            executable && s.vaddr <= entry && entry < s.vaddr + s.filesz
        };
        if self.loads().any(runs) {
            return Ok(());
        }
        Err(PatchError::malformed(format!(
            "the entry point {entry:#x} is in no executable segment's bytes"
        )))
    }

    /// The `PT_LOAD` segments.
    pub(crate) fn loads(&self) -> impl DoubleEndedIterator<Item = &Segment> {
        self.segments.iter().filter(|s| s.is_load())
    }

    /// Name of a section.
    pub(crate) fn name(&self, section: &Section) -> &[u8] {
        let tail = self.names.get(to_usize(section.name.into())..);
        let tail = tail.unwrap_or_default();
        tail.split(|b| *b == 0).next().unwrap_or_default()
    }

    /// End of the program header table in the file.
    pub(crate) fn ph_end(&self) -> u64 {
        self.phoff + PHDR * to_u64(self.segments.len())
    }

    /// End of the section header table in the file.
    pub(crate) fn sh_end(&self) -> u64 {
        self.shoff + SHDR * to_u64(self.sections.len())
    }

    /// Value of the first entry of the dynamic table with this tag.
    pub(crate) fn dyn_value(&self, tag: elf::DynamicTag) -> Option<u64> {
        let entries = self.dynamic.as_ref()?;
        entries.iter().find(|d| d.tag == tag).map(|d| d.val)
    }
}

fn read_ehdr(input: &Input) -> Result<Ehdr> {
    let start = input.read(0, input.len.min(EHDR))?;
    if let Some(rest) = start.strip_prefix(b"#!") {
        let line = rest.split(|b| *b == b'\n').next().unwrap_or_default();
        return Err(PatchError::unsupported(
            format!(
                "is a script for `{}`, not an ELF executable",
                String::from_utf8_lossy(line).trim()
            ),
            "patch its interpreter and run the script with that",
        ));
    }
    if !start.starts_with(&elf::ELFMAG) {
        return Err(PatchError::unsupported(
            "is not an ELF file",
            "name an x86-64 Linux executable",
        ));
    }
    let Ok((ehdr, _)) = pod::from_bytes::<Ehdr>(&start) else {
        return Err(PatchError::malformed(format!(
            "the ELF header is cut short: the file has {} bytes, the header {EHDR}",
            input.len
        )));
    };
    check_ident(ehdr)?;
    check_type(ehdr)?;
    check_sizes(ehdr)?;
    Ok(*ehdr)
}

fn check_ident(ehdr: &Ehdr) -> Result<()> {
    let x86_64 = "name an x86-64 Linux executable";
    let ident = &ehdr.e_ident;
    match ident.class {
        elf::ELFCLASS64 => {}
        elf::ELFCLASS32 => return Err(PatchError::unsupported("is a 32-bit ELF file", x86_64)),
        other => {
            return Err(PatchError::malformed(format!(
                "e_ident[EI_CLASS] is {}, neither 32-bit (1) nor 64-bit (2)",
                other.0
            )));
        }
    }
    match ident.data {
        elf::ELFDATA2LSB => {}
        elf::ELFDATA2MSB => {
            return Err(PatchError::unsupported("is a big-endian ELF file", x86_64));
        }
        other => {
            return Err(PatchError::malformed(format!(
                "e_ident[EI_DATA] is {}, neither little-endian (1) nor big-endian (2)",
                other.0
            )));
        }
    }
    if ident.version != elf::EV_CURRENT {
        return Err(PatchError::malformed(format!(
            "e_ident[EI_VERSION] is {}, not 1",
            ident.version.0
        )));
    }
    if ident.os_abi != elf::ELFOSABI_SYSV && ident.os_abi != elf::ELFOSABI_GNU {
        return Err(PatchError::unsupported(
            format!(
                "is for another operating system (e_ident[EI_OSABI] is {})",
                ident.os_abi.0
            ),
            x86_64,
        ));
    }
    let machine = ehdr.e_machine.get(LE);
    if machine != elf::EM_X86_64 {
        return Err(PatchError::unsupported(
            format!("is for another machine (e_machine is {})", machine.0),
            x86_64,
        ));
    }
    let version = ehdr.e_version.get(LE);
    if version != u32::from(elf::EV_CURRENT.0) {
        return Err(PatchError::malformed(format!(
            "e_version is {version}, not 1"
        )));
    }
    Ok(())
}

fn check_type(ehdr: &Ehdr) -> Result<()> {
    match ehdr.e_type.get(LE) {
        elf::ET_EXEC | elf::ET_DYN => Ok(()),
        elf::ET_REL => Err(PatchError::unsupported(
            "is a relocatable object",
            "link it and patch the executable",
        )),
        elf::ET_CORE => Err(PatchError::unsupported(
            "is a core dump",
            "patch the executable that dumped it",
        )),
        other => Err(PatchError::unsupported(
            format!("is not an executable (e_type is {})", other.0),
            "name an x86-64 Linux executable",
        )),
    }
}

fn check_sizes(ehdr: &Ehdr) -> Result<()> {
    let sizes = [
        ("e_ehsize", ehdr.e_ehsize.get(LE), EHDR),
        ("e_phentsize", ehdr.e_phentsize.get(LE), PHDR),
    ];
    for (field, got, want) in sizes {
        if u64::from(got) != want {
            return Err(PatchError::malformed(format!(
                "{field} is {got}, not {want}"
            )));
        }
    }
    Ok(())
}

fn read_segments(input: &Input, ehdr: &Ehdr) -> Result<Vec<Segment>> {
    let count = ehdr.e_phnum.get(LE);
    let offset = ehdr.e_phoff.get(LE);
    if count == 0 || offset == 0 {
        return Err(PatchError::malformed("has no program headers"));
    }
    if u64::from(count) * PHDR > PHDRS_MAX {
        return Err(PatchError::unsupported(
            format!("has {count} program headers"),
            "no Linux kernel runs a program with more than 1170",
        ));
    }
    if offset < EHDR {
        return Err(PatchError::malformed(format!(
            "e_phoff is {offset:#x}, inside the ELF header"
        )));
    }
    let bytes = input.read_checked(offset, PHDR * u64::from(count), "the program header table")?;
    let segments = Segment::parse_table(&bytes);
    for (i, s) in segments.iter().enumerate() {
        let in_file = s.offset.checked_add(s.filesz);
        if s.filesz > 0 && in_file.is_none_or(|end| end > input.len) {
            return Err(PatchError::malformed(format!(
                "program header {i} ({} bytes at offset {:#x}) reaches beyond the end of the file ({} bytes)",
                s.filesz, s.offset, input.len
            )));
        }
        let in_memory = s.vaddr.checked_add(s.memsz);
        if s.kind != elf::PT_GNU_STACK && in_memory.is_none_or(|end| end > ADDRESS_END) {
            return Err(PatchError::malformed(format!(
                "program header {i} ({:#x} bytes at address {:#x}) reaches beyond the address space",
                s.memsz, s.vaddr
            )));
        }
    }
    Ok(segments)
}

fn check_loads(segments: &[Segment]) -> Result<()> {
    let mut end = 0;
    let mut any = false;
    for (i, s) in segments.iter().enumerate().filter(|(_, s)| s.is_load()) {
        if s.filesz > s.memsz {
            return Err(PatchError::malformed(format!(
                "program header {i}: p_filesz {:#x} is more than p_memsz {:#x}",
                s.filesz, s.memsz
            )));
        }
        if s.align != 0 && !s.align.is_power_of_two() {
            return Err(PatchError::malformed(format!(
                "program header {i}: p_align {:#x} is not a power of two",
                s.align
            )));
        }
        // Of a segment without bytes the kernel does not map the file.
        if s.filesz > 0 && s.vaddr % PAGE != s.offset % PAGE {
            return Err(PatchError::malformed(format!(
                "program header {i}: p_vaddr {:#x} and p_offset {:#x} differ within a page",
                s.vaddr, s.offset
            )));
        }
        if any && s.memsz > 0 && s.vaddr < end {
            return Err(PatchError::malformed(format!(
                "program header {i}: PT_LOAD at {:#x} does not come after the one before, which ends at {end:#x}",
                s.vaddr
            )));
        }
        end = end.max(s.mem_end());
        any = true;
    }
    if !any {
        return Err(PatchError::malformed("has no PT_LOAD program header"));
    }
    Ok(())
}

/// The dynamic loader takes the load bias from `PT_PHDR`: it must be the table itself.
fn check_phdr(segments: &[Segment], phoff: u64) -> Result<()> {
    let Some(phdr) = segments.iter().find(|s| s.kind == elf::PT_PHDR) else {
        return Ok(());
    };
    let mapped = |s: &Segment| {
        s.is_load()
            && s.offset <= phoff
            && phoff < s.file_end()
            && phoff - s.offset + s.vaddr == phdr.vaddr
    };
    if phdr.offset != phoff || !segments.iter().any(mapped) {
        return Err(PatchError::malformed(format!(
            "PT_PHDR (offset {:#x}, address {:#x}) is not the program header table at {phoff:#x}",
            phdr.offset, phdr.vaddr
        )));
    }
    Ok(())
}

fn read_interp(input: &Input, segments: &[Segment]) -> Result<Option<Vec<u8>>> {
    let mut found = segments.iter().filter(|s| s.kind == elf::PT_INTERP);
    let Some(interp) = found.next() else {
        return Ok(None);
    };
    if found.next().is_some() {
        return Err(PatchError::malformed("has more than one PT_INTERP"));
    }
    if interp.filesz < 2 || interp.filesz > INTERP_MAX {
        return Err(PatchError::malformed(format!(
            "PT_INTERP has {} bytes, which is no path",
            interp.filesz
        )));
    }
    let mut path = input.read(interp.offset, interp.filesz)?;
    if path.pop() != Some(0) {
        return Err(PatchError::malformed("PT_INTERP does not end with a NUL"));
    }
    Ok(Some(path))
}

fn read_dynamic(input: &Input, segments: &[Segment]) -> Result<Option<Vec<Dyn>>> {
    let mut found = segments.iter().filter(|s| s.kind == elf::PT_DYNAMIC);
    let Some(dynamic) = found.next() else {
        return Ok(None);
    };
    if found.next().is_some() {
        return Err(PatchError::malformed("has more than one PT_DYNAMIC"));
    }
    if dynamic.filesz % DYN != 0 {
        return Err(PatchError::malformed(format!(
            "PT_DYNAMIC has {} bytes, not a multiple of {DYN}",
            dynamic.filesz
        )));
    }
    let bytes = input.read(dynamic.offset, dynamic.filesz)?;
    Ok(Some(Dyn::parse_table(&bytes, dynamic.offset)))
}

fn read_sections(input: &Input, ehdr: &Ehdr) -> Result<Vec<Section>> {
    let offset = ehdr.e_shoff.get(LE);
    let count = ehdr.e_shnum.get(LE);
    if (count == 0) != (offset == 0) {
        return Err(PatchError::malformed(format!(
            "e_shnum is {count}, but e_shoff is {offset:#x}: both or neither must be 0"
        )));
    }
    if count == 0 {
        return Ok(Vec::new());
    }
    if count >= SECTIONS_MAX {
        return Err(PatchError::unsupported(
            format!("has {count} sections"),
            "strip it and patch the result",
        ));
    }
    let entsize = ehdr.e_shentsize.get(LE);
    if u64::from(entsize) != SHDR {
        return Err(PatchError::malformed(format!(
            "e_shentsize is {entsize}, not {SHDR}"
        )));
    }
    if offset < EHDR {
        return Err(PatchError::malformed(format!(
            "e_shoff is {offset:#x}, inside the ELF header"
        )));
    }
    let size = SHDR * u64::from(count);
    let bytes = input.read_checked(offset, size, "the section header table")?;
    let sections = Section::parse_table(&bytes);
    for (i, s) in sections.iter().enumerate() {
        let end = s.offset.checked_add(s.filesz());
        if s.filesz() > 0 && end.is_none_or(|end| end > input.len) {
            return Err(PatchError::malformed(format!(
                "section {i} ({} bytes at offset {:#x}) reaches beyond the end of the file ({} bytes)",
                s.size, s.offset, input.len
            )));
        }
    }
    Ok(sections)
}

fn read_names(input: &Input, sections: &[Section], index: usize) -> Result<Vec<u8>> {
    if sections.is_empty() || index == 0 {
        return Ok(Vec::new());
    }
    let Some(table) = sections.get(index) else {
        return Err(PatchError::malformed(format!(
            "e_shstrndx is {index}, but there are {} sections",
            sections.len()
        )));
    };
    if table.kind != elf::SHT_STRTAB {
        return Err(PatchError::malformed(format!(
            "e_shstrndx is {index}, which is no string table"
        )));
    }
    let names = input.read(table.offset, table.size)?;
    for (i, s) in sections.iter().enumerate() {
        let inside = names.get(to_usize(s.name.into())..);
        if !inside.is_some_and(|tail| tail.contains(&0)) {
            return Err(PatchError::malformed(format!(
                "the name of section {i} ({:#x}) is outside the table of names",
                s.name
            )));
        }
    }
    Ok(names)
}
