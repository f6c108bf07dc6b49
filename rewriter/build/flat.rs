//! The runtime's two parts as they lie in memory, made of what the linker made.

use object::LittleEndian as LE;
use object::elf::{self, Dyn64, FileHeader64, ProgramHeader64, Rela64};
use object::pod;

type Ehdr = FileHeader64<LE>;
type Phdr = ProgramHeader64<LE>;

pub(crate) const PAGE: usize = 4096;

/// A linked part of the runtime.
#[derive(Debug)]
pub(crate) struct Flat {
    /// All its bytes, zeros spelled out; a whole number of pages.
    pub(crate) image: Vec<u8>,
    /// How many of them the file has; the rest are zeros.
    pub(crate) filled: usize,
    /// How many of them are in use.
    pub(crate) used: usize,
    /// Offset of the writable pages, which reach to the end.
    pub(crate) data: usize,
    /// Offset of the entry point.
    pub(crate) entry: usize,
    /// Offset of the table of relocations, and how many those are.
    pub(crate) relocations: (usize, usize),
}

pub(crate) fn size(value: u64) -> usize {
    usize::try_from(value).expect("a 64-bit host")
}

impl Flat {
    /// What is wrong is the build's fault; the text is for developers.
    pub(crate) fn of(file: &[u8]) -> Result<Self, &'static str> {
        let (ehdr, _) = pod::from_bytes::<Ehdr>(file).map_err(|()| "no ELF header")?;
        let table = file.get(size(ehdr.e_phoff.get(LE))..);
        let (segments, _) = pod::slice_from_bytes::<Phdr>(
            table.ok_or("no program headers")?,
            usize::from(ehdr.e_phnum.get(LE)),
        )
        .map_err(|()| "no program headers")?;
        let kind = |s: &Phdr, kind| s.p_type.get(LE) == kind;
        let loads: Vec<&Phdr> = segments.iter().filter(|s| kind(s, elf::PT_LOAD)).collect();
        let [text, data] = loads[..] else {
            return Err("not two PT_LOAD segments");
        };
        let end = |s: &Phdr| size(s.p_vaddr.get(LE) + s.p_memsz.get(LE));
        let start = size(data.p_vaddr.get(LE));
        if text.p_vaddr.get(LE) != 0 || !start.is_multiple_of(PAGE) || start < end(text) {
            return Err("segments out of place");
        }
        let flags = |s: &Phdr| s.p_flags.get(LE).0;
        if flags(text) != 5 || flags(data) != 6 {
            return Err("segments are not R-X and RW-");
        }
        let mut image = vec![0; end(data).next_multiple_of(PAGE)];
        for s in [text, data] {
            let (offset, len) = (size(s.p_offset.get(LE)), size(s.p_filesz.get(LE)));
            let bytes = file.get(offset..offset + len);
            let bytes = bytes.ok_or("segment outside the file")?;
            let at = size(s.p_vaddr.get(LE));
            image[at..at + len].copy_from_slice(bytes);
        }
        let foreign = [elf::PT_INTERP, elf::PT_TLS];
        if segments.iter().any(|s| foreign.iter().any(|f| kind(s, *f))) {
            return Err("needs an interpreter or thread-local storage");
        }
        let relocations = match segments.iter().find(|s| kind(s, elf::PT_DYNAMIC)) {
            Some(dynamic) => relocations(dynamic, &image)?,
            None => (0, 0),
        };
        let entry = size(ehdr.e_entry.get(LE));
        if entry >= end(text) {
            return Err("entry outside the text");
        }
        Ok(Self {
            image,
            filled: start + size(data.p_filesz.get(LE)),
            used: end(data),
            data: start,
            entry,
            relocations,
        })
    }
}

/// The runtime applies `R_X86_64_RELATIVE` itself; nobody would apply anything else.
fn relocations(dynamic: &Phdr, image: &[u8]) -> Result<(usize, usize), &'static str> {
    let (at, len) = (dynamic.p_vaddr.get(LE), dynamic.p_filesz.get(LE));
    let bytes = image.get(size(at)..size(at + len));
    let entries = size(len) / size_of::<Dyn64<LE>>();
    let (table, _) =
        pod::slice_from_bytes::<Dyn64<LE>>(bytes.ok_or("dynamic table outside the file")?, entries)
            .map_err(|()| "dynamic table outside the file")?;
    let value = |tag: elf::DynamicTag| {
        let mut all = table.iter().take_while(|d| d.d_tag.get(LE) != elf::DT_NULL);
        all.find(|d| d.d_tag.get(LE) == tag)
            .map(|d| size(d.d_val.get(LE)))
    };
    let refused = [elf::DT_NEEDED, elf::DT_JMPREL, elf::DT_REL, elf::DT_RELR];
    if refused.iter().any(|tag| value(*tag).is_some()) {
        return Err("needs libraries or relocations other than DT_RELA");
    }
    let Some(at) = value(elf::DT_RELA) else {
        return Ok((0, 0));
    };
    let count = value(elf::DT_RELASZ).unwrap_or(0) / size_of::<Rela64<LE>>();
    let bytes = image.get(at..).ok_or("relocations outside the file")?;
    let (relas, _) = pod::slice_from_bytes::<Rela64<LE>>(bytes, count)
        .map_err(|()| "relocations outside the file")?;
    for r in relas {
        if r.r_type(LE, false) != elf::R_X86_64_RELATIVE {
            return Err("has a relocation other than R_X86_64_RELATIVE");
        }
        if size(r.r_offset.get(LE)) + 8 > image.len() {
            return Err("relocates what is not its own");
        }
    }
    Ok((at, count))
}
