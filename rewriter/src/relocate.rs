//! What has to follow when something moves: section headers, symbols, the dynamic table.

use std::ops::Range;

use ckpt_format::handoff;
use object::LittleEndian as LE;
use object::elf;
use object::pod;

use crate::elf::{SHDR, SYM, Section, Segment, Sym, round_up};
use crate::error::Result;
use crate::handoff::BLOCK;
use crate::headers::Headers;
use crate::input::{Input, to_u64, to_usize};
use crate::layout::Edit;
use crate::room;

/// Names of the sections that cover our segment. Without a section, strip and objcopy would drop
/// the segment's content.
const SECTION_HANDOFF: &[u8] = b".ckpt";
const SECTION_PAYLOAD: &[u8] = b".ckpt.payload";

/// A range of the file that goes to our segment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moved {
    /// File offset before.
    pub(crate) from: u64,
    /// File offset after.
    pub(crate) to: u64,
    /// Address after.
    pub(crate) vaddr: u64,
    pub(crate) len: u64,
}

impl Moved {
    /// Whether it holds all of a non-empty range.
    pub(crate) fn holds(&self, offset: u64, len: u64) -> bool {
        len > 0 && self.from <= offset && offset + len <= self.from + self.len
    }
}

/// Section headers of the output and the bytes that hold them.
#[derive(Debug)]
pub(crate) struct Tail {
    pub(crate) sections: Vec<Section>,
    /// Offset of the section header table, 0 if there is none.
    pub(crate) shoff: u64,
    /// The table of headers and the table of names.
    pub(crate) edits: Vec<Edit>,
    /// Where the file ends, but for an overlay.
    pub(crate) end: u64,
}

/// Makes the section headers follow: what was moved or shifted, the names, our own. A file without
/// section headers gets none.
///
/// Both tables go into `gaps`, what is free before our bytes and among them, if there is room for them.
pub(crate) fn sections(
    headers: &Headers,
    shift: u64,
    segment: &Segment,
    moved: &[Moved],
    gaps: Vec<Range<u64>>,
) -> Tail {
    let mut sections = headers.sections.clone();
    if sections.is_empty() {
        return Tail {
            sections,
            shoff: 0,
            edits: Vec::new(),
            end: segment.file_end(),
        };
    }
    for s in sections.iter_mut().filter(|s| s.kind != elf::SHT_NULL) {
        if let Some(m) = moved.iter().find(|m| m.holds(s.offset, s.filesz())) {
            s.addr = m.vaddr + (s.offset - m.from);
            s.offset = m.to + (s.offset - m.from);
        } else {
            // Sections without bytes may claim any offset.
            s.offset = s.offset.wrapping_add(shift);
        }
    }
    let mut names = headers.names.clone();
    let mut name = |text: &[u8]| {
        if headers.shstrndx == 0 {
            return 0;
        }
        let at = u32::try_from(names.len()).unwrap_or(0);
        names.extend_from_slice(text);
        names.push(0);
        at
    };
    let handoff = handoff_section(segment, name(SECTION_HANDOFF));
    let payload = payload_section(segment, name(SECTION_PAYLOAD));
    sections.extend([handoff, payload]);

    let has_gap = !gaps.is_empty();
    let mut free = Free {
        gaps,
        end: segment.file_end(),
    };
    let mut edits = Vec::new();
    let len = SHDR * to_u64(sections.len());
    // The larger one has the choice; without a gap it is the last.
    let early = has_gap.then(|| free.take(len, 8));
    if let Some(table) = sections
        .get_mut(headers.shstrndx)
        .filter(|_| headers.shstrndx != 0)
    {
        table.offset = free.take(to_u64(names.len()), 1);
        table.size = to_u64(names.len());
        edits.push(Edit {
            what: "section names",
            offset: table.offset,
            bytes: names,
        });
    }
    let shoff = early.unwrap_or_else(|| free.take(len, 8));
    edits.push(Edit {
        what: "section header table",
        offset: shoff,
        bytes: Section::table_bytes(&sections),
    });
    Tail {
        sections,
        shoff,
        edits,
        end: free.end,
    }
}

/// Where in the file something may be put.
struct Free {
    gaps: Vec<Range<u64>>,
    /// The end of the file.
    end: u64,
}

impl Free {
    /// The first place that is large enough.
    fn take(&mut self, len: u64, align: u64) -> u64 {
        for gap in &mut self.gaps {
            let at = round_up(gap.start, align);
            if at + len <= gap.end {
                gap.start = at + len;
                return at;
            }
        }
        let at = round_up(self.end, align);
        self.end = at + len;
        at
    }
}

fn handoff_section(segment: &Segment, name: u32) -> Section {
    Section {
        name,
        kind: elf::SHT_PROGBITS,
        flags: elf::SHF_ALLOC,
        addr: segment.vaddr + BLOCK,
        offset: segment.offset + BLOCK,
        size: to_u64(handoff::LEN),
        link: 0,
        info: 0,
        align: 16,
        entsize: 0,
    }
}

fn payload_section(segment: &Segment, name: u32) -> Section {
    let page = to_u64(handoff::PAGE);
    Section {
        flags: elf::SHF_ALLOC | elf::SHF_EXECINSTR,
        addr: segment.vaddr + page,
        offset: segment.offset + page,
        size: segment.filesz - page,
        ..handoff_section(segment, name)
    }
}

/// Changed bytes of symbols and of the dynamic table that name something that was moved.
pub(crate) fn edits(input: &Input, headers: &Headers, moved: &[Moved]) -> Result<Vec<Edit>> {
    let mut edits = Vec::new();
    for (index, section) in headers.sections.iter().enumerate() {
        let Some(m) = moved
            .iter()
            .find(|m| m.holds(section.offset, section.filesz()))
        else {
            continue;
        };
        let addr = m.vaddr + (section.offset - m.from);
        if let Some(tag) = room::table_tag(section) {
            let entries = headers.dynamic.iter().flatten();
            let named = entries.filter(|d| d.tag == tag && d.val == section.addr);
            edits.extend(named.map(|d| Edit {
                what: "dynamic table",
                offset: d.at + 8,
                bytes: addr.to_le_bytes().to_vec(),
            }));
        }
        let place = Place {
            index,
            start: section.addr,
            end: section.addr.saturating_add(section.size),
            delta: addr.wrapping_sub(section.addr),
        };
        for table in headers
            .sections
            .iter()
            .filter(|s| s.kind == elf::SHT_SYMTAB)
        {
            symbols(input, table, &place, &mut edits)?;
        }
    }
    Ok(edits)
}

/// A section that moves.
#[derive(Debug)]
struct Place {
    index: usize,
    start: u64,
    end: u64,
    delta: u64,
}

/// Makes the symbols of a section move with it. lld gives `__ehdr_start` the index of the first
/// section, in which it does not lie: it stays.
fn symbols(input: &Input, table: &Section, place: &Place, edits: &mut Vec<Edit>) -> Result<()> {
    let mut at = table.offset;
    while at < table.file_end() {
        let len = (table.file_end() - at).min(SYM << 15);
        let bytes = input.read(at, len)?;
        let (syms, _) = pod::slice_from_bytes::<Sym>(&bytes, to_usize(len / SYM))
            .expect("the count is taken from the length");
        for (sym, i) in syms.iter().zip(0..) {
            let value = sym.st_value.get(LE);
            let inside = place.start <= value && value < place.end;
            if inside && usize::from(sym.st_shndx.get(LE).0) == place.index {
                let mut sym = *sym;
                sym.st_value.set(LE, value.wrapping_add(place.delta));
                edits.push(Edit {
                    what: "symbol table",
                    offset: at + SYM * i,
                    bytes: pod::bytes_of(&sym).to_vec(),
                });
            }
        }
        at += len;
    }
    Ok(())
}
