//! Reads the written file anew and compares it with the input and the plan.
//!
//! The headers are taken apart by `goblin`, which shares no code with what wrote them.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::mpsc;
use std::thread;

use goblin::container::{Container, Ctx, Endian};
use goblin::elf::Elf;
use goblin::elf::program_header::{PT_INTERP, PT_LOAD, ProgramHeader};
use goblin::elf::section_header::SectionHeader;
use sha2::{Digest, Sha256};

use crate::elf::{EHDR, PAGE, PHDR, SHDR, Section, Segment};
use crate::error::{PatchError, Result};
use crate::facts::Facts;
use crate::handoff::IDENTITY;
use crate::headers::Headers;
use crate::input::{Input, to_u64, to_usize};
use crate::layout::Plan;

/// How much is compared at a time.
const CHUNK: u64 = 1 << 20;
const CTX: Ctx = Ctx {
    container: Container::Big,
    le: Endian::Little,
};

/// Checks that every byte of the input is in the output where it should be, but for the edits, and
/// returns the input's SHA-256.
pub(crate) fn contents(input: &Input, facts: &Facts, plan: &Plan, out: &File) -> Result<[u8; 32]> {
    // What was compared is hashed beside the next comparison; buffers come back to be used again.
    let (full, chunks) = mpsc::sync_channel::<Vec<u8>>(2);
    let (empty, spare) = mpsc::channel();
    thread::scope(|scope| {
        let hasher = scope.spawn(move || {
            let mut hash = Sha256::new();
            for chunk in chunks {
                hash.update(&chunk);
                // The last ones are not wanted back.
                let _ = empty.send(chunk);
            }
            hash.finalize().into()
        });
        let end = facts.overlay.start + facts.overlay.len;
        let parts = [
            (0, facts.overlay.start, plan.shift),
            (facts.overlay.start, end, plan.overlay),
        ];
        let mut new = Vec::new();
        for (start, end, to) in parts {
            let mut at = start;
            while at < end {
                let len = (end - at).min(CHUNK);
                let mut old = spare.try_recv().unwrap_or_default();
                old.resize(to_usize(len), 0);
                new.resize(to_usize(len), 0);
                read(&input.file, &mut old, at)?;
                read(out, &mut new, to + (at - start))?;
                same_chunk(plan, (at, to + (at - start)), &old, &mut new)?;
                full.send(old)
                    .map_err(|_| PatchError::bug("the hasher stopped"))?;
                at += len;
            }
        }
        drop(full);
        hasher
            .join()
            .map_err(|_| PatchError::bug("the hasher stopped"))
    })
}

/// Compares a chunk of the input with its place in the output.
fn same_chunk(plan: &Plan, (at, place): (u64, u64), old: &[u8], new: &mut [u8]) -> Result<()> {
    if old != new {
        undo_edits(plan, place, old, new);
    }
    if old == new {
        return Ok(());
    }
    Err(PatchError::bug(format!(
        "bytes near offset {at:#x} changed"
    )))
}

/// Puts the old bytes where the plan says that new ones belong, having seen that they are there.
fn undo_edits(plan: &Plan, place: u64, old: &[u8], new: &mut [u8]) {
    let end = place + to_u64(new.len());
    for edit in &plan.edits {
        let from = edit.offset.max(place);
        let to = (edit.offset + to_u64(edit.bytes.len())).min(end);
        if from >= to {
            continue;
        }
        let in_file = to_usize(from - place)..to_usize(to - place);
        let in_edit = to_usize(from - edit.offset)..to_usize(to - edit.offset);
        if new[in_file.clone()] == edit.bytes[in_edit] {
            new[in_file.clone()].copy_from_slice(&old[in_file]);
        }
    }
}

/// Checks what was added: headers, our segment, moved bytes.
pub(crate) fn structure(
    input: &Input,
    headers: &Headers,
    plan: &Plan,
    out: &File,
    identity: &[u8; 32],
) -> Result<()> {
    let ehdr = bytes(out, 0, EHDR)?;
    let ehdr = Elf::parse_header(&ehdr).map_err(|e| unreadable(&e))?;
    check(ehdr.e_entry == plan.entry, "e_entry")?;
    check(ehdr.e_phoff == plan.phoff, "e_phoff")?;
    let phnum = usize::from(ehdr.e_phnum);
    let table = bytes(out, ehdr.e_phoff, PHDR * u64::from(ehdr.e_phnum))?;
    let table = ProgramHeader::parse(&table, 0, phnum, CTX).map_err(|e| unreadable(&e))?;
    same_segments(&table, plan)?;
    loads(headers, &table, plan)?;
    interp(headers, &table, out)?;

    let shnum = usize::from(ehdr.e_shnum);
    if shnum > 0 {
        let table = bytes(out, ehdr.e_shoff, SHDR * u64::from(ehdr.e_shnum))?;
        let table = SectionHeader::parse_from(&table, 0, shnum, CTX).map_err(|e| unreadable(&e))?;
        sections(headers, &table, plan)?;
    }
    check(shnum == plan.sections.len(), "e_shnum")?;

    for edit in &plan.edits {
        let written = bytes(out, edit.offset, to_u64(edit.bytes.len()))?;
        check(written == edit.bytes, edit.what)?;
    }
    let blob = bytes(out, plan.blob_at, to_u64(plan.blob.len()))?;
    check(
        plan.blob_at + to_u64(blob.len()) == plan.segment.file_end(),
        "end of the added segment",
    )?;
    let at = to_usize(plan.block + IDENTITY - plan.blob_at);
    check(blob.get(at..at + 32) == Some(identity), "identity")?;
    check(blob.get(..at) == plan.blob.get(..at), "handoff block")?;
    check(blob.get(at + 32..) == plan.blob.get(at + 32..), "runtime")?;
    for m in &plan.moved {
        let moved = bytes(out, m.to, m.len)?;
        check(moved == input.read(m.from, m.len)?, "moved bytes")?;
    }
    Ok(())
}

fn same_segments(table: &[ProgramHeader], plan: &Plan) -> Result<()> {
    let planned = |(p, s): (&ProgramHeader, &Segment)| {
        (p.p_type, p.p_flags, p.p_offset, p.p_vaddr) == (s.kind.0, s.flags.0, s.offset, s.vaddr)
            && (p.p_paddr, p.p_filesz, p.p_memsz, p.p_align)
                == (s.paddr, s.filesz, s.memsz, s.align)
    };
    let same = table.len() == plan.segments.len() && table.iter().zip(&plan.segments).all(planned);
    check(same, "program headers")
}

/// The loaders' rules, and that each old segment is still there: grown at most by the new entry,
/// which replaces padding.
fn loads(headers: &Headers, table: &[ProgramHeader], plan: &Plan) -> Result<()> {
    let loads: Vec<_> = table.iter().filter(|p| p.p_type == PT_LOAD).collect();
    let used: Vec<_> = loads.iter().filter(|p| p.p_memsz > 0).collect();
    let ascend = used.windows(2).all(|w| {
        let congruent = w[0].p_vaddr % PAGE == w[0].p_offset % PAGE;
        w[0].p_vaddr + w[0].p_memsz <= w[1].p_vaddr && (congruent || w[0].p_filesz == 0)
    });
    check(ascend, "order of PT_LOAD segments")?;
    let ours = loads.last().is_some_and(|p| {
        p.p_vaddr == plan.segment.vaddr && p.p_vaddr % PAGE == 0 && p.p_offset % PAGE == 0
    });
    check(ours, "place of the added segment")?;
    for old in headers.loads() {
        let kept = loads.iter().any(|p| {
            let grown = p.p_filesz.wrapping_sub(old.filesz);
            p.p_vaddr == old.vaddr
                && p.p_offset == old.offset + plan.shift
                && p.p_flags == old.flags.0
                && p.p_align == old.align
                && grown <= PHDR
                && p.p_memsz.wrapping_sub(old.memsz) == grown
        });
        check(kept, "an original PT_LOAD segment")?;
    }
    let code = loads.iter().any(|p| {
        p.is_executable() && p.p_vaddr <= plan.entry && plan.entry < p.p_vaddr + p.p_filesz
    });
    check(code, "entry point")?;
    // AT_PHDR, as every kernel computes it: from the segment that holds the table since 5.18, from
    // the first segment before.
    if crate::room::holder(headers).is_some() {
        let end = plan.phoff + PHDR * to_u64(table.len());
        let holder = loads
            .iter()
            .find(|p| p.p_offset <= plan.phoff && end <= p.p_offset + p.p_filesz);
        let now = holder.map(|p| plan.phoff.wrapping_sub(p.p_offset).wrapping_add(p.p_vaddr));
        let first = loads.first();
        let before = first.map(|p| plan.phoff.wrapping_sub(p.p_offset).wrapping_add(p.p_vaddr));
        check(
            now.is_some() && now == before,
            "address of the program headers",
        )?;
    }
    Ok(())
}

fn interp(headers: &Headers, table: &[ProgramHeader], out: &File) -> Result<()> {
    let found = table.iter().find(|p| p.p_type == PT_INTERP);
    let path = match found {
        Some(p) => {
            let mut path = bytes(out, p.p_offset, p.p_filesz)?;
            check(path.pop() == Some(0), "interpreter")?;
            Some(path)
        }
        None => None,
    };
    check(path == headers.interp, "interpreter")
}

fn sections(headers: &Headers, table: &[SectionHeader], plan: &Plan) -> Result<()> {
    let planned = |(p, s): (&SectionHeader, &Section)| {
        (p.sh_type, p.sh_flags, p.sh_addr, p.sh_offset, p.sh_size)
            == (s.kind.0, s.flags.0, s.addr, s.offset, s.size)
    };
    let same = table.len() == plan.sections.len() && table.iter().zip(&plan.sections).all(planned);
    check(same, "section headers")?;
    let kept = headers
        .sections
        .iter()
        .zip(table)
        .enumerate()
        .all(|(i, (old, new))| {
            let names = i == headers.shstrndx;
            (old.name, old.kind.0, old.flags.0) == (to_u32(new.sh_name), new.sh_type, new.sh_flags)
                && (old.link, old.info, old.entsize) == (new.sh_link, new.sh_info, new.sh_entsize)
                && (names || old.size == new.sh_size)
        });
    check(kept, "an original section")
}

fn to_u32(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn bytes(out: &File, offset: u64, len: u64) -> Result<Vec<u8>> {
    let mut bytes = vec![0; to_usize(len)];
    read(out, &mut bytes, offset)?;
    Ok(bytes)
}

fn read(file: &File, bytes: &mut [u8], at: u64) -> Result<()> {
    file.read_exact_at(bytes, at).map_err(|e| match e.kind() {
        io::ErrorKind::UnexpectedEof => PatchError::bug("the file is shorter than planned"),
        _ => PatchError::io("read it back", &e),
    })
}

fn check(holds: bool, what: &str) -> Result<()> {
    if holds {
        return Ok(());
    }
    Err(PatchError::bug(format!(
        "the result is not as planned: {what}"
    )))
}

fn unreadable(e: &goblin::error::Error) -> PatchError {
    PatchError::bug(format!("the result cannot be parsed: {e}"))
}
