//! The section table: what is in an image and where.

use crate::codec::{Field, record};
use crate::crc::crc32c;
use crate::header::{self, Header, PAGE_SIZE};
use crate::{DecodeError, Reader, limits};

/// Bytes of a table entry.
pub const ENTRY_LEN: usize = 32;

/// A reader that does not know this section's kind must refuse the image.
pub const REQUIRED: u16 = 1;

/// The kinds of section. A number is never used anew for something else.
pub mod kind {
    /// The processor and kernel that the image was taken on.
    pub const MACHINE: u32 = 1;
    /// Which program this is and where its runtime lies.
    pub const PROGRAM: u32 = 2;
    /// The kernel's notes on the address space: break, arguments, auxiliary vector.
    pub const MM: u32 = 3;
    /// The mappings.
    pub const VMAS: u32 = 4;
    /// Which pages are in [`PAGES`], and their checksums.
    pub const RUNS: u32 = 5;
    /// Page contents; checksummed by [`RUNS`], not by the table.
    pub const PAGES: u32 = 6;
    /// The threads.
    pub const THREADS: u32 = 7;
    /// Signal actions.
    pub const ACTIONS: u32 = 8;
    /// Queued signals.
    pub const PENDING: u32 = 9;
    /// Interval timers.
    pub const TIMERS: u32 = 10;
    /// Open file descriptions.
    pub const FILES: u32 = 11;
    /// Descriptors.
    pub const DESCRIPTORS: u32 = 12;
    /// Attributes of the process.
    pub const ATTRIBUTES: u32 = 13;
    /// The vDSO that the saved pointers lead into.
    pub const VDSO: u32 = 14;
    /// Contents of files that have no name any more: runs, then bytes in [`PAGES`].
    pub const CONTENTS: u32 = 15;
    /// Guard regions (MADV_GUARD_INSTALL) within mappings.
    pub const GUARDS: u32 = 16;
}

/// A kind's name, as it stands in the specification.
#[must_use]
pub fn name(kind: u32) -> &'static str {
    match kind {
        kind::MACHINE => "machine",
        kind::PROGRAM => "program",
        kind::MM => "mm",
        kind::VMAS => "vmas",
        kind::RUNS => "runs",
        kind::PAGES => "pages",
        kind::THREADS => "threads",
        kind::ACTIONS => "actions",
        kind::PENDING => "pending",
        kind::TIMERS => "timers",
        kind::FILES => "files",
        kind::DESCRIPTORS => "descriptors",
        kind::ATTRIBUTES => "attributes",
        kind::VDSO => "vdso",
        kind::CONTENTS => "contents",
        kind::GUARDS => "guards",
        _ => "unknown",
    }
}

/// Every kind an image of this version has, once each.
pub const ALL: [u32; 16] = [
    kind::MACHINE,
    kind::PROGRAM,
    kind::MM,
    kind::VMAS,
    kind::RUNS,
    kind::PAGES,
    kind::THREADS,
    kind::ACTIONS,
    kind::PENDING,
    kind::TIMERS,
    kind::FILES,
    kind::DESCRIPTORS,
    kind::ATTRIBUTES,
    kind::VDSO,
    kind::CONTENTS,
    kind::GUARDS,
];

/// One more than the largest kind.
pub const KINDS: usize = 17;

record! {
    /// One entry of the table, [`ENTRY_LEN`] bytes.
    Entry {
        /// One of [`kind`].
        kind: u32,
        /// Version of the section's records; 1 for all kinds so far.
        version: u16,
        /// [`REQUIRED`] or zero.
        flags: u16,
        /// Offset of the section in the file.
        at: u64,
        /// Bytes in the section.
        len: u64,
        /// CRC-32C of the section; zero for [`kind::PAGES`].
        crc: u32,
        /// Zero.
        reserved: u32,
    }
}

/// The whole table, checked.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    entries: [Option<Entry>; KINDS],
}

impl Table {
    /// Reads the table: its checksum, then order, bounds and overlaps, kinds and versions.
    ///
    /// `bytes` is the table as the header places it: it must be the last thing in the file.
    pub fn decode(head: &Header, bytes: &[u8]) -> Result<Self, DecodeError> {
        if crc32c(bytes) != head.table_crc {
            return Err(DecodeError::Checksum("section table"));
        }
        let mut r = Reader::new("table", bytes);
        let mut entries = [None; KINDS];
        let mut end: u64 = u64::from(header::LEN32);
        for _ in 0..head.section_count {
            let entry = Entry::take(&mut r)?;
            end = Self::check(&entry, end, head.table_at)?;
            let known = ALL.contains(&entry.kind);
            if !known && entry.flags & REQUIRED != 0 {
                return Err(DecodeError::UnknownSection(entry.kind));
            }
            if !known {
                continue;
            }
            if entry.version != 1 {
                return Err(DecodeError::SectionVersion(entry.kind));
            }
            let slot = usize::try_from(entry.kind)
                .ok()
                .and_then(|n| entries.get_mut(n))
                .ok_or(DecodeError::Table)?;
            if slot.replace(entry).is_some() {
                return Err(DecodeError::Twice(entry.kind));
            }
        }
        r.finish()?;
        let table = Self { entries };
        for kind in ALL {
            table.get(kind)?;
        }
        Ok(table)
    }

    fn check(entry: &Entry, from: u64, to: u64) -> Result<u64, DecodeError> {
        let end = entry.at.checked_add(entry.len).ok_or(DecodeError::Table)?;
        let aligned = entry.kind != kind::PAGES || entry.at.is_multiple_of(u64::from(PAGE_SIZE));
        if entry.at < from || end > to || !aligned || entry.reserved != 0 {
            return Err(DecodeError::Table);
        }
        if entry.kind != kind::PAGES && entry.len > limits::METADATA {
            return Err(DecodeError::Limit("bytes in a section"));
        }
        Ok(end)
    }

    /// The entry of a kind.
    pub fn get(&self, kind: u32) -> Result<Entry, DecodeError> {
        usize::try_from(kind)
            .ok()
            .and_then(|n| self.entries.get(n).copied().flatten())
            .ok_or_else(|| DecodeError::Missing(name(kind)))
    }
}
