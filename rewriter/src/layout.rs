//! Where everything goes: all offsets, addresses and changed bytes are settled here, before a byte
//! is written.
//!
//! ```text
//! in place              front                     compat
//! 0  ELF header         0    ELF header, table    0    ELF header
//! 64 table, grown       K    the old file         64   the old table, unused
//!    the old file            our segment               the old file
//!    our segment             names, sections           (hole)
//!    names, sections                                   our segment with the table
//!                                                      names, sections
//! ```
//!
//! Our segment begins at a page boundary: that before the end of the old file, if what belongs into
//! its first page has room behind that end, else the next one. Names and section headers go where
//! that leaves room. An overlay comes last in each, and then right behind the section headers.

use ckpt_format::handoff;
use object::LittleEndian as LE;
use object::elf;
use object::pod;

use crate::elf::{EHDR, PAGE, PHDR, Section, Segment, round_up};
use crate::error::{PatchError, Result};
use crate::facts::Facts;
use crate::handoff::{BLOCK, Block};
use crate::headers::Headers;
use crate::input::{Input, to_u64, to_usize};
use crate::payload::Payload;
use crate::relocate::{self, Moved};
use crate::room::{self, Tactic};

/// Lowest address that unprivileged programs may map: the kernel's default `vm.mmap_min_addr`.
const MMAP_MIN_ADDR: u64 = 65536;
/// Longest hole that the compat layout may leave in the file.
const HOLE_MAX: u64 = 1 << 30;
/// How far into our segment something moved may begin. If it began where the segment does,
/// llvm-objcopy would take the one for part of the other, and lose the segment's alignment.
const FIRST: u64 = 16;
/// End of the user half of the address space on x86-64 with 4-level paging.
const ADDRESS_END: u64 = 1 << 47;

/// Where the program header table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Where it was, one entry longer.
    InPlace(Tactic),
    /// On a page of its own before the old file and below the old image.
    Front,
    /// In our segment, at an address that is as far from the first segment's as the offset is:
    /// kernels before 5.18 take that for granted.
    Compat,
}

impl Layout {
    /// A short name, stable.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::InPlace(_) => "in-place",
            Self::Front => "front",
            Self::Compat => "compat",
        }
    }
}

/// Bytes that are written over a place of the output.
#[derive(Debug)]
pub(crate) struct Edit {
    /// What they are, for messages.
    pub(crate) what: &'static str,
    pub(crate) offset: u64,
    pub(crate) bytes: Vec<u8>,
}

/// The output, but for the identity, which is known once the input has been read.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) layout: Layout,
    /// How far the input's bytes move towards the end of the file.
    pub(crate) shift: u64,
    /// The segment that is added.
    pub(crate) segment: Segment,
    /// What is ours of its content, without the identity.
    pub(crate) blob: Vec<u8>,
    /// Where in the file that begins.
    pub(crate) blob_at: u64,
    /// Where in the file the handoff block is.
    pub(crate) block: u64,
    pub(crate) entry: u64,
    pub(crate) phoff: u64,
    pub(crate) segments: Vec<Segment>,
    pub(crate) sections: Vec<Section>,
    pub(crate) moved: Vec<Moved>,
    /// Sorted, without overlap.
    pub(crate) edits: Vec<Edit>,
    /// Where the overlay goes.
    pub(crate) overlay: u64,
}

/// Decides on a layout and carries it out on paper.
pub(crate) fn plan(
    input: &Input,
    headers: &Headers,
    facts: &Facts,
    payload: &Payload,
    block: &Block<'_>,
) -> Result<Plan> {
    let room = room::find(input, headers, BLOCK - FIRST)?;
    let moved = room.as_ref().map_or(0, room::Room::size);
    let mut draft = Draft::new(headers, facts, payload, moved);
    if let Some(room) = room {
        draft.in_place(headers, &room);
    } else if !draft.front(headers) {
        draft.compat(headers)?;
    }
    if draft.segment.mem_end() > ADDRESS_END {
        return Err(PatchError::unsupported(
            "leaves no address after its last segment",
            "link it at lower addresses",
        ));
    }
    draft.finish(input, headers, facts, payload, block)
}

/// A plan in the making.
struct Draft {
    layout: Layout,
    shift: u64,
    segment: Segment,
    /// How far into the segment our bytes begin, behind the end of the old file.
    start: u64,
    /// How far those reach that stand before the handoff block.
    used: u64,
    phoff: u64,
    segments: Vec<Segment>,
    moved: Vec<Moved>,
}

impl Draft {
    /// Our segment after all others, in memory and in the file; the table is still the old one.
    fn new(headers: &Headers, facts: &Facts, payload: &Payload, moved: u64) -> Self {
        let mem_end = headers.loads().map(Segment::mem_end).max().unwrap_or(0);
        let vaddr = round_up(mem_end, PAGE);
        let len = to_u64(handoff::PAGE + payload.image.len());
        let end = round_up(facts.overlay.start, 16);
        let within = (end % PAGE).max(FIRST);
        let (offset, start) = if within + moved <= BLOCK {
            (end / PAGE * PAGE, within)
        } else {
            (round_up(end, PAGE), FIRST)
        };
        Self {
            layout: Layout::Compat,
            shift: 0,
            start,
            used: start,
            segment: Segment {
                kind: elf::PT_LOAD,
                flags: elf::PF_R | elf::PF_X,
                offset,
                vaddr,
                paddr: vaddr,
                filesz: len,
                memsz: len,
                align: PAGE,
            },
            phoff: headers.phoff,
            segments: headers.segments.clone(),
            moved: Vec::new(),
        }
    }

    fn in_place(&mut self, headers: &Headers, room: &room::Room) {
        self.layout = Layout::InPlace(room.tactic);
        let mut at = self.start;
        for (start, end) in &room.moves {
            self.moved.push(Moved {
                from: *start,
                to: self.segment.offset + at,
                vaddr: self.segment.vaddr + at,
                len: end - start,
            });
            at += (end - start).next_multiple_of(16);
        }
        self.used = at;
        for s in self.segments.iter_mut().filter(|s| !s.is_load()) {
            if let Some(moved) = self.moved.iter().find(|m| m.holds(s.offset, s.filesz)) {
                s.vaddr = moved.vaddr + (s.offset - moved.from);
                s.paddr = s.vaddr;
                s.offset = moved.to + (s.offset - moved.from);
            }
        }
        let holder = room::holder(headers).map(|h| h.vaddr);
        let holder = self
            .segments
            .iter()
            .position(|s| s.is_load() && Some(s.vaddr) == holder);
        let end = headers.phoff + PHDR * to_u64(self.segments.len() + 1);
        if let Some(dropped) = room.dropped {
            self.segments.remove(dropped);
        } else if let Some(holder) = holder {
            let holder = &mut self.segments[holder];
            if end > holder.file_end() {
                holder.filesz = end - holder.offset;
                holder.memsz = holder.filesz;
            }
        }
        self.add_segment();
        self.resize_phdr(0);
    }

    /// Puts a page with the ELF header and the table before the file and below the image. Only
    /// what has fixed addresses has any below: position-independent programs begin at 0.
    fn front(&mut self, headers: &Headers) -> bool {
        let lowest = headers.loads().map(|s| s.vaddr).min().unwrap_or(0) / PAGE * PAGE;
        let fixed = headers.ehdr.e_type.get(LE) == elf::ET_EXEC;
        let table = PHDR * to_u64(self.segments.len() + 2);
        if !fixed || lowest < MMAP_MIN_ADDR + PAGE || EHDR + table > PAGE {
            return false;
        }
        // Offsets must stay congruent to addresses.
        let aligns = headers.loads().map(|s| s.align);
        let shift = aligns.max().unwrap_or(0).max(PAGE);
        if shift > HOLE_MAX {
            return false;
        }
        for s in &mut self.segments {
            // Segments without bytes may claim any offset.
            s.offset = s.offset.wrapping_add(shift);
        }
        let first = self.segments.iter().position(Segment::is_load).unwrap_or(0);
        let page = Segment {
            flags: elf::PF_R,
            offset: 0,
            vaddr: lowest - PAGE,
            paddr: lowest - PAGE,
            filesz: PAGE,
            memsz: PAGE,
            ..self.segment
        };
        self.layout = Layout::Front;
        self.shift = shift;
        self.segment.offset += shift;
        self.phoff = EHDR;
        self.segments.insert(first, page);
        self.add_segment();
        self.resize_phdr(page.vaddr + EHDR);
        true
    }

    /// Puts the table into the segment's first page, and our segment where address and offset match.
    fn compat(&mut self, headers: &Headers) -> Result<()> {
        let table = PHDR * to_u64(self.segments.len() + 1);
        let first = headers.loads().next();
        let base = first.and_then(|s| s.vaddr.checked_sub(s.offset));
        let Some(base) = base.filter(|b| b % PAGE == 0 && FIRST + table <= BLOCK) else {
            return Err(no_room());
        };
        if self.start > FIRST {
            self.start = FIRST;
            self.segment.offset += PAGE;
        }
        self.used = self.start + table;
        let vaddr = self.segment.vaddr.max(base + self.segment.offset);
        let offset = vaddr - base;
        if offset - self.segment.offset > HOLE_MAX {
            return Err(no_room());
        }
        self.segment.vaddr = vaddr;
        self.segment.paddr = vaddr;
        self.segment.offset = offset;
        self.phoff = offset + self.start;
        self.add_segment();
        self.resize_phdr(vaddr + self.start);
        Ok(())
    }

    /// Right after the last `PT_LOAD`: loaders want them in the order of their addresses.
    fn add_segment(&mut self) {
        let last = self.segments.iter().rposition(Segment::is_load);
        self.segments
            .insert(last.map_or(0, |i| i + 1), self.segment);
    }

    /// Makes `PT_PHDR` say what is so; `vaddr` 0 leaves its address.
    fn resize_phdr(&mut self, vaddr: u64) {
        let size = PHDR * to_u64(self.segments.len());
        let phoff = self.phoff;
        if let Some(phdr) = self.segments.iter_mut().find(|s| s.kind == elf::PT_PHDR) {
            if vaddr != 0 {
                phdr.vaddr = vaddr;
                phdr.paddr = vaddr;
            }
            phdr.offset = phoff;
            phdr.filesz = size;
            phdr.memsz = size;
        }
    }

    fn finish(
        self,
        input: &Input,
        headers: &Headers,
        facts: &Facts,
        payload: &Payload,
        block: &Block<'_>,
    ) -> Result<Plan> {
        let mut blob = vec![0; to_usize(BLOCK - self.start)];
        blob.extend(block.bytes(self.segment.vaddr + BLOCK, headers.entry, facts));
        blob.extend_from_slice(payload.image);
        let blob_at = self.segment.offset + self.start;
        let mut put = |at: u64, bytes: &[u8]| {
            if let Some(at) = at.checked_sub(blob_at).map(to_usize)
                && let Some(room) = blob.get_mut(at..at + bytes.len())
            {
                room.copy_from_slice(bytes);
            }
        };
        for m in &self.moved {
            put(m.to, &input.read(m.from, m.len)?);
        }
        let table = Segment::table_bytes(&self.segments);
        let mut edits = relocate::edits(input, headers, &self.moved)?;
        if self.layout == Layout::Compat {
            put(self.phoff, &table);
        } else {
            edits.push(Edit {
                what: "program header table",
                offset: self.phoff,
                bytes: table,
            });
        }
        // What lies after the file proper (an AppImage's file system) is looked for right behind
        // the section headers: they stay at the end then.
        let mut free = Vec::new();
        if facts.overlay.len == 0 {
            let block = self.segment.offset + BLOCK;
            free.push(facts.overlay.start + self.shift..self.segment.offset);
            free.push(self.segment.offset + self.used..block);
        }
        let tail = relocate::sections(headers, self.shift, &self.segment, &self.moved, free);
        let (shoff, overlay) = (tail.shoff, tail.end);
        for edit in &tail.edits {
            put(edit.offset, &edit.bytes);
        }
        edits.extend(tail.edits);
        let entry = self.segment.vaddr + to_u64(handoff::PAGE) + payload.entry;
        edits.push(Edit {
            what: "ELF header",
            offset: 0,
            bytes: ehdr(headers, &self, entry, shoff, tail.sections.len()),
        });
        edits.sort_by_key(|e| e.offset);
        Ok(Plan {
            layout: self.layout,
            shift: self.shift,
            segment: self.segment,
            blob,
            blob_at,
            block: self.segment.offset + BLOCK,
            entry,
            phoff: self.phoff,
            segments: self.segments,
            sections: tail.sections,
            moved: self.moved,
            edits,
            overlay,
        })
    }
}

fn no_room() -> PatchError {
    PatchError::unsupported(
        "has no room for a program header, in its table or elsewhere",
        "link it with GNU ld, lld or Go's linker at default addresses",
    )
}

fn ehdr(headers: &Headers, draft: &Draft, entry: u64, shoff: u64, sections: usize) -> Vec<u8> {
    let mut ehdr = headers.ehdr;
    let count = |n: usize| u16::try_from(n).expect("both counts are checked to fit");
    ehdr.e_entry.set(LE, entry);
    ehdr.e_phoff.set(LE, draft.phoff);
    ehdr.e_phnum.set(LE, count(draft.segments.len()));
    if sections > 0 {
        ehdr.e_shoff.set(LE, shoff);
        ehdr.e_shnum.set(LE, count(sections));
    }
    pod::bytes_of(&ehdr).to_vec()
}
