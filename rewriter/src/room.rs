//! Room for one more program header where the table stands.
//!
//! Everything that reads ELF files copes best with a table that stays where it is: strip and
//! objcopy (which place it right after the ELF header), kernels before 5.18 (which compute
//! `AT_PHDR` from the first segment; fixed by commit 0da1d5002745), debuggers and core-dump readers
//! (which look for it in the first page). So the 56 bytes after the table are freed, by the least
//! of these means, called tactics:
//!
//! 1. slack: nothing is there, or only the section header table, which is written anew anyway;
//! 2. move `.interp` and notes other than the build ID;
//! 3. drop a `PT_NOTE` that covers the same bytes as `PT_GNU_PROPERTY`, which is what the kernel
//!    and glibc read;
//! 4. move the build ID as well;
//! 5. move tables that are found only through the dynamic table: hash tables, symbols, versions.

use object::elf;

use crate::elf::{EHDR, PAGE, PHDR, Section, Segment};
use crate::error::Result;
use crate::headers::Headers;
use crate::input::Input;

/// How much has to be moved to make room; later ones are worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tactic {
    /// Nothing is moved.
    Slack,
    /// `.interp` and notes.
    MoveNotes,
    /// One `PT_NOTE` goes.
    DropNote,
    /// The build ID is moved, too.
    MoveBuildId,
    /// Hash tables and the like are moved, too.
    MoveTables,
}

impl Tactic {
    /// A short name, stable.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Slack => "slack",
            Self::MoveNotes => "move-notes",
            Self::DropNote => "drop-note",
            Self::MoveBuildId => "move-build-id",
            Self::MoveTables => "move-tables",
        }
    }
}

/// A way to make room.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) tactic: Tactic,
    /// Ranges of the file that go to our segment, in order, apart from each other.
    pub(crate) moves: Vec<(u64, u64)>,
    /// Index of the program header that goes.
    pub(crate) dropped: Option<usize>,
}

/// Something at a place of the file: what it takes to move it, `None` if it cannot be.
#[derive(Debug, Clone, Copy)]
struct Item {
    start: u64,
    end: u64,
    tactic: Option<Tactic>,
}

/// Finds the least tactic that makes room, moving at most `space` bytes.
pub(crate) fn find(input: &Input, headers: &Headers, space: u64) -> Result<Option<Room>> {
    let gap = (headers.ph_end(), headers.ph_end() + PHDR);
    let dropped = duplicate_note(headers);
    let dropping = dropped.map(|_| Room {
        tactic: Tactic::DropNote,
        moves: Vec::new(),
        dropped,
    });
    if headers.phoff < EHDR || !can_grow(input, headers, gap) {
        return Ok(dropping);
    }
    let items = clusters(items(input, headers)?);
    let mut hit: Vec<Item> = items
        .iter()
        .copied()
        .filter(|i| i.start < gap.1 && i.end > gap.0)
        .collect();
    hit.sort_by_key(|i| i.start);
    if !only_zeros_between(input, headers, gap, &hit)? {
        return Ok(dropping);
    }
    let worst = hit
        .iter()
        .try_fold(Tactic::Slack, |worst, i| Some(worst.max(i.tactic?)));
    let moves: Vec<_> = hit.iter().map(|i| (i.start, i.end)).collect();
    Ok(match worst {
        Some(tactic)
            if size(&moves) <= space && (tactic < Tactic::DropNote || dropped.is_none()) =>
        {
            Some(Room {
                tactic,
                moves,
                dropped: None,
            })
        }
        _ => dropping,
    })
}

impl Room {
    /// Bytes that what moves takes.
    pub(crate) fn size(&self) -> u64 {
        size(&self.moves)
    }
}

/// Each begins at a multiple of 16.
fn size(moves: &[(u64, u64)]) -> u64 {
    moves
        .iter()
        .map(|(start, end)| (end - start).next_multiple_of(16))
        .sum()
}

/// The `PT_NOTE` with the same bytes as `PT_GNU_PROPERTY`.
fn duplicate_note(headers: &Headers) -> Option<usize> {
    let mut all = headers.segments.iter();
    let property = all.find(|s| s.kind == elf::PT_GNU_PROPERTY)?;
    headers.segments.iter().position(|s| {
        s.kind == elf::PT_NOTE && s.offset == property.offset && s.filesz == property.filesz
    })
}

/// Whether the segment that brings the table into memory can bring 56 bytes more.
fn can_grow(input: &Input, headers: &Headers, gap: (u64, u64)) -> bool {
    let begins_in_it = |s: &Segment| s.filesz > 0 && gap.0 <= s.offset && s.offset < gap.1;
    if headers.loads().any(begins_in_it) {
        return false;
    }
    let Some(holder) = holder(headers) else {
        return gap.1 <= input.len;
    };
    if gap.1 <= holder.file_end() {
        return true;
    }
    let after = |s: &&Segment| s.vaddr > holder.vaddr;
    let next = headers.loads().find(after);
    let mem_end = holder.vaddr + (gap.1 - holder.offset);
    holder.filesz == holder.memsz
        && gap.1 <= input.len
        && next.is_none_or(|n| mem_end <= n.vaddr / PAGE * PAGE && gap.1 <= n.offset)
}

/// The segment that the program header table is in.
pub(crate) fn holder(headers: &Headers) -> Option<&Segment> {
    let holds = |s: &&Segment| s.offset <= headers.phoff && headers.phoff < s.file_end();
    headers.loads().find(holds)
}

/// All that the headers say is somewhere in the file, but for what holds other things and what is
/// written anew.
fn items(input: &Input, headers: &Headers) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    for s in headers.segments.iter().filter(|s| s.filesz > 0) {
        let tactic = match s.kind {
            elf::PT_LOAD | elf::PT_PHDR | elf::PT_GNU_STACK => continue,
            elf::PT_INTERP | elf::PT_GNU_PROPERTY => Some(Tactic::MoveNotes),
            elf::PT_NOTE if has_build_id(&input.read(s.offset, s.filesz)?) => {
                Some(Tactic::MoveBuildId)
            }
            elf::PT_NOTE => Some(Tactic::MoveNotes),
            _ => None,
        };
        items.push(Item {
            start: s.offset,
            end: s.file_end(),
            tactic,
        });
    }
    for (i, s) in headers.sections.iter().enumerate() {
        if s.filesz() == 0 || i == headers.shstrndx {
            continue;
        }
        items.push(Item {
            start: s.offset,
            end: s.file_end(),
            tactic: section_tactic(headers, s),
        });
    }
    Ok(items)
}

/// Notes and the interpreter's path are found through program headers, which count separately.
fn section_tactic(headers: &Headers, section: &Section) -> Option<Tactic> {
    let covered = |kind| {
        let mut segments = headers.segments.iter().filter(move |s| s.kind == kind);
        segments.any(|s| s.offset <= section.offset && section.file_end() <= s.file_end())
    };
    if covered(elf::PT_INTERP) || (section.kind == elf::SHT_NOTE && covered(elf::PT_NOTE)) {
        return Some(Tactic::MoveNotes);
    }
    let tag = table_tag(section)?;
    let found = headers.dyn_value(tag) == Some(section.addr);
    (found && section.is_alloc()).then_some(Tactic::MoveTables)
}

/// The entry of the dynamic table through which a section is found.
pub(crate) fn table_tag(section: &Section) -> Option<elf::DynamicTag> {
    Some(match section.kind {
        elf::SHT_HASH => elf::DT_HASH,
        elf::SHT_GNU_HASH => elf::DT_GNU_HASH,
        elf::SHT_DYNSYM => elf::DT_SYMTAB,
        elf::SHT_STRTAB => elf::DT_STRTAB,
        elf::SHT_GNU_VERSYM => elf::DT_VERSYM,
        elf::SHT_GNU_VERNEED => elf::DT_VERNEED,
        elf::SHT_GNU_VERDEF => elf::DT_VERDEF,
        _ => return None,
    })
}

/// Whether notes hold a build ID of GNU (type 3) or Go (type 4). Core dumps keep a program's first
/// page, where tools look for it, so it is better left there.
fn has_build_id(notes: &[u8]) -> bool {
    notes.windows(16).any(|w| {
        let name_size = w.starts_with(&[4, 0, 0, 0]);
        name_size && matches!(&w[8..], b"\x03\0\0\0GNU\0" | b"\x04\0\0\0Go\0\0")
    })
}

/// Joins what overlaps: a `PT_NOTE` and its sections move together or not at all.
fn clusters(mut items: Vec<Item>) -> Vec<Item> {
    items.sort_by_key(|i| i.start);
    let mut joined: Vec<Item> = Vec::new();
    for item in items {
        match joined.last_mut() {
            Some(last) if item.start < last.end => {
                last.end = last.end.max(item.end);
                last.tactic = last.tactic.zip(item.tactic).map(|(a, b)| a.max(b));
            }
            _ => joined.push(item),
        }
    }
    joined
}

/// Whether the bytes of `gap` that belong to no item can be overwritten.
///
/// With section headers, zeros outside all sections are padding. Without, zeros may be data (the
/// first dynamic symbol is all zeros): only what no segment brings into memory, or less than eight
/// bytes before a known item, is padding.
fn only_zeros_between(
    input: &Input,
    headers: &Headers,
    gap: (u64, u64),
    hit: &[Item],
) -> Result<bool> {
    let old_table = (headers.shoff, headers.sh_end());
    let used = holder(headers).map_or(0, Segment::file_end);
    let mut from = gap.0;
    let ends = hit.iter().map(|i| (i.start, i.end));
    for (start, end) in ends.chain([(gap.1, gap.1)]) {
        if from < start {
            let bytes = input.read_checked(from, start - from, "slack")?;
            let zero = (from..start)
                .zip(&bytes)
                .all(|(at, b)| *b == 0 || (old_table.0 <= at && at < old_table.1));
            let padding = start - from < 8 && start != end;
            if !zero || (headers.sections.is_empty() && from < used && !padding) {
                return Ok(false);
            }
        }
        from = from.max(end);
    }
    Ok(true)
}
