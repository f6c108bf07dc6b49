//! The runtime that is put into programs, as the build has made it.

/// The resident part as it lies in memory, text first, then writable data with its zeros spelled
/// out; then the packed body, which ends where it ends: what the kernel maps behind it in the last page
/// belongs to nobody.
const IMAGE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/payload"));

/// Offsets in the payload.
#[derive(Clone, Copy, Debug)]
struct Numbers {
    entry: u64,
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "the runtime knows where they are")
    )]
    data: u64,
    #[cfg_attr(not(test), expect(dead_code, reason = "likewise"))]
    packed: u64,
}

const NUMBERS: Numbers = include!(concat!(env!("OUT_DIR"), "/payload.rs"));

/// The runtime.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Payload {
    /// See [`IMAGE`].
    pub(crate) image: &'static [u8],
    /// Offset of the entry stub.
    pub(crate) entry: u64,
}

impl Payload {
    /// The embedded runtime.
    pub(crate) const EMBEDDED: Self = Self {
        image: IMAGE,
        entry: NUMBERS.entry,
    };
}

#[cfg(test)]
#[path = "../build/flat.rs"]
mod flat;

#[cfg(test)]
mod tests {
    use super::flat::Flat;
    use super::*;
    use crate::input::{to_u64, to_usize};

    use ckpt_packed::{Header, Part, WAYS, Work};

    /// The two parts as the linker made them.
    const RESIDENT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/ckpt-payload"));
    const BODY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/ckpt-body"));

    #[test]
    fn the_embedded_runtime_has_its_data_on_pages() {
        assert_eq!(NUMBERS.data % 4096, 0);
        const { assert!(NUMBERS.entry < NUMBERS.data) };
        let resident = Flat::of(RESIDENT).expect("a usable resident part");
        let end = resident.used.next_multiple_of(ckpt_packed::ALIGN);
        assert_eq!(NUMBERS.packed, to_u64(end));
    }

    /// The header, word by word, and the streams behind it.
    fn packed() -> (Header, &'static [u8]) {
        let (header, streams) = IMAGE[to_usize(NUMBERS.packed)..].split_at(Header::LEN);
        let (words, _) = header.as_chunks::<4>();
        let mut words = words.iter().map(|word| u32::from_le_bytes(*word));
        let mut next = || words.next().expect("a header");
        let header = Header {
            packed: next(),
            memory: next(),
            data: next(),
            relocations: next(),
            relocation_count: next(),
            entries: std::array::from_fn(|_| next()),
            parts: std::array::from_fn(|_| Part {
                at: next(),
                code: next(),
                len: next(),
                packed: next(),
            }),
        };
        (header, &streams[..header.packed as usize])
    }

    #[test]
    fn each_way_unpacks_its_parts_of_what_was_linked() {
        let (header, streams) = packed();
        let linked = Flat::of(BODY).expect("a usable body");
        let mut whole = vec![0; linked.image.len()];
        for (way, wanted) in WAYS.iter().enumerate() {
            let mut body = vec![0; header.memory as usize];
            let mut work = Box::new(Work::NEW);
            let text = &IMAGE[..to_usize(NUMBERS.data)];
            work.learn(text, &mut body).expect("room");
            let done = header.unpack(&mut work, streams, &mut body, way);
            done.expect("streams");
            for (n, part) in header.parts.iter().enumerate() {
                let at = part.at as usize;
                let place = at..at + part.len as usize;
                let there = &body[place.clone()];
                if wanted >> n & 1 == 0 {
                    assert!(there.iter().all(|byte| *byte == 0), "{way} {n}");
                } else {
                    assert!(there == &linked.image[place.clone()], "{way} {n}");
                    whole[place].copy_from_slice(there);
                }
            }
        }
        // Between the parts there is nothing.
        assert!(whole == linked.image);
        let [_, written, ..] = header.parts;
        let numbers = [
            linked.data,
            linked.filled,
            linked.entry,
            linked.relocations.0,
            linked.relocations.1,
        ];
        let told = [
            header.data,
            written.at + written.len,
            header.entries[0],
            header.relocations,
            header.relocation_count,
        ];
        assert_eq!(told.map(u64::from), numbers.map(to_u64));
    }

    /// With padding to a page (or almost two, if the first has no room for the handoff block) and
    /// some sixty section headers, patching adds no more than 150 KiB to any file; `tests/payload.rs`
    /// holds usual ones to 150,000 bytes.
    const LARGEST: usize = 150 * 1024 - 4096 - 1360 - 2560;

    #[test]
    fn the_embedded_runtime_is_small() {
        let len = IMAGE.len();
        assert!(len <= LARGEST, "{len} bytes, {LARGEST} allowed");
    }

    #[test]
    fn both_parts_stand_alone() {
        for part in [RESIDENT, BODY] {
            stands_alone(part);
        }
    }

    fn stands_alone(part: &[u8]) {
        use goblin::elf::header::ET_DYN;
        use goblin::elf::program_header::{PT_DYNAMIC, PT_LOAD};
        use goblin::elf::reloc::R_X86_64_RELATIVE;
        let elf = goblin::elf::Elf::parse(part).expect("an ELF file");
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
    fn a_part_that_is_linked_otherwise_is_refused() {
        assert_eq!(Flat::of(b"x").unwrap_err(), "no ELF header");
        let mut file = BODY.to_vec();
        file[56] = 1; // e_phnum
        assert_eq!(Flat::of(&file).unwrap_err(), "not two PT_LOAD segments");
    }
}
