//! The runtime that is put into programs: built by `build.rs`, checked and flattened here.

use object::LittleEndian as LE;
use object::elf;
use object::pod;

use crate::elf::{Dyn, Ehdr, PAGE, PHDR, Segment, round_up};
use crate::input::{to_u64, to_usize};

/// The runtime as `build.rs` made it.
const BUILT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/ckpt-payload"));

/// The runtime as it lies in memory: text first, then writable data with its zeros spelled out.
#[derive(Debug)]
pub(crate) struct Payload {
    /// A whole number of pages.
    pub(crate) image: Vec<u8>,
    /// Offset of the entry stub.
    pub(crate) entry: u64,
    /// Offset of the writable pages, which reach to the end.
    pub(crate) data: u64,
}

impl Payload {
    /// The embedded runtime.
    ///
    /// What is wrong is the build's fault, not the user's; the text is for developers.
    pub(crate) fn embedded() -> Result<Self, &'static str> {
        Self::flatten(BUILT)
    }

    fn flatten(file: &[u8]) -> Result<Self, &'static str> {
        let (ehdr, _) = pod::from_bytes::<Ehdr>(file).map_err(|()| "no ELF header")?;
        let phoff = to_usize(ehdr.e_phoff.get(LE));
        let phsize = to_usize(u64::from(ehdr.e_phnum.get(LE)) * PHDR);
        let table = file.get(phoff..phoff + phsize);
        let segments = Segment::parse_table(table.ok_or("no program headers")?);
        let loads: Vec<&Segment> = segments.iter().filter(|s| s.is_load()).collect();
        let [text, data] = loads[..] else {
            return Err("not two PT_LOAD segments");
        };
        if text.vaddr != 0 || data.vaddr % PAGE != 0 || data.vaddr < text.mem_end() {
            return Err("segments out of place");
        }
        if text.flags.0 != 5 || data.flags.0 != 6 {
            return Err("segments are not R-X and RW-");
        }
        let mut image = vec![0; to_usize(round_up(data.mem_end(), PAGE))];
        for s in [text, data] {
            let bytes = file.get(to_usize(s.offset)..to_usize(s.file_end()));
            let bytes = bytes.ok_or("segment outside the file")?;
            let at = to_usize(s.vaddr);
            image[at..at + bytes.len()].copy_from_slice(bytes);
        }
        check_freestanding(&segments, &image)?;
        let entry = ehdr.e_entry.get(LE);
        if entry >= text.mem_end() {
            return Err("entry outside the text");
        }
        Ok(Self {
            image,
            entry,
            data: data.vaddr,
        })
    }
}

/// The runtime applies `R_X86_64_RELATIVE` itself; nobody would apply anything else.
fn check_freestanding(segments: &[Segment], image: &[u8]) -> Result<(), &'static str> {
    let foreign = [elf::PT_INTERP, elf::PT_TLS];
    if segments.iter().any(|s| foreign.contains(&s.kind)) {
        return Err("needs an interpreter or thread-local storage");
    }
    let Some(dynamic) = segments.iter().find(|s| s.kind == elf::PT_DYNAMIC) else {
        return Ok(());
    };
    let at = to_usize(dynamic.vaddr);
    let bytes = image.get(at..at + to_usize(dynamic.filesz));
    let dynamic = Dyn::parse_table(bytes.ok_or("dynamic table outside the file")?, 0);
    let value = |tag| dynamic.iter().find(|d| d.tag == tag).map(|d| d.val);
    let refused = [elf::DT_NEEDED, elf::DT_JMPREL, elf::DT_REL, elf::DT_RELR];
    if refused.iter().any(|tag| value(*tag).is_some()) {
        return Err("needs libraries or relocations other than DT_RELA");
    }
    let Some(rela) = value(elf::DT_RELA) else {
        return Ok(());
    };
    let size = value(elf::DT_RELASZ).unwrap_or(0);
    let table = image.get(to_usize(rela)..to_usize(rela + size));
    let (relas, _) = pod::slice_from_bytes::<elf::Rela64<LE>>(
        table.ok_or("relocations outside the file")?,
        to_usize(size / 24),
    )
    .map_err(|()| "relocations outside the file")?;
    for r in relas {
        if r.r_type(LE, false) != elf::R_X86_64_RELATIVE {
            return Err("has a relocation other than R_X86_64_RELATIVE");
        }
        if r.r_offset.get(LE) + 8 > to_u64(image.len()) {
            return Err("relocates what is not its own");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_runtime_is_freestanding_and_page_sized() {
        let payload = Payload::embedded().expect("the build gives a usable runtime");
        assert_eq!(payload.image.len() % 4096, 0);
        assert_eq!(payload.data % 4096, 0);
        assert!(payload.entry < payload.data);
    }

    /// With page, padding and headers, patching adds no more than 150,000 bytes to a file.
    const LARGEST: usize = 34 * 4096;

    #[test]
    fn the_embedded_runtime_is_small() {
        let payload = Payload::embedded().expect("the build gives a usable runtime");
        let len = payload.image.len();
        assert!(len <= LARGEST, "{len} bytes, {LARGEST} allowed");
    }

    #[test]
    fn the_embedded_runtime_stands_alone() {
        use goblin::elf::header::ET_DYN;
        use goblin::elf::program_header::{PT_DYNAMIC, PT_LOAD};
        use goblin::elf::reloc::R_X86_64_RELATIVE;
        let elf = goblin::elf::Elf::parse(BUILT).expect("an ELF file");
        assert_eq!(elf.header.e_type, ET_DYN);
        assert_eq!(elf.interpreter, None);
        assert!(elf.libraries.is_empty());
        let kinds: Vec<_> = elf.program_headers.iter().map(|p| p.p_type).collect();
        assert_eq!(kinds, [PT_LOAD, PT_LOAD, PT_DYNAMIC]);
        let data = elf.program_headers[1].vm_range();
        for r in &elf.dynrelas {
            assert_eq!(r.r_type, R_X86_64_RELATIVE);
            let at = to_usize(r.r_offset);
            assert!(data.start <= at && at + 8 <= data.end, "{at:#x}");
        }
        assert!(elf.dynrels.is_empty() && elf.pltrelocs.is_empty());
        for symbol in elf.syms.iter().skip(1).chain(elf.dynsyms.iter().skip(1)) {
            let name = elf.strtab.get_at(symbol.st_name);
            assert!(symbol.st_shndx != 0, "{name:?} is not defined");
        }
    }

    #[test]
    fn a_runtime_with_another_relocation_is_refused() {
        assert_eq!(Payload::flatten(b"x").unwrap_err(), "no ELF header");
        let mut file = BUILT.to_vec();
        file[56] = 1; // e_phnum
        let refused = Payload::flatten(&file).unwrap_err();
        assert_eq!(refused, "not two PT_LOAD segments");
    }
}
