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
    /// File locks.
    pub const LOCKS: u32 = 17;
    /// Where packets begin and end in pipes.
    pub const PACKETS: u32 = 18;
    /// POSIX timers.
    pub const POSIX_TIMERS: u32 = 19;
    /// System V shared memory.
    pub const SEGMENTS: u32 = 20;
    /// Messages in POSIX message queues that have no name.
    pub const QUEUED: u32 = 21;
    /// What is taken back on System V semaphores.
    pub const ADJUSTMENTS: u32 = 22;
    /// What epoll instances watch.
    pub const WATCHES: u32 = 23;
    /// Process group, session and terminal.
    pub const JOB: u32 = 26;
    /// Timers with descriptors.
    pub const TIMERFDS: u32 = 29;
    /// Sockets.
    pub const SOCKETS: u32 = 34;
    /// Options of sockets.
    pub const SOCKET_OPTIONS: u32 = 35;
    /// Messages in sockets.
    pub const MESSAGES: u32 = 36;
    /// Descriptors in messages.
    pub const RIGHTS: u32 = 37;
    /// Working directories and creation masks of single threads.
    pub const PLACES: u32 = 41;
    /// What inotify instances watch.
    pub const NOTICES: u32 = 47;
    /// Terminals.
    pub const TERMINALS: u32 = 56;
    /// Children that have ended.
    pub const ENDED: u32 = 57;
    /// Users, groups and capabilities.
    pub const CREDENTIALS: u32 = 58;
    /// Memory policies of mappings.
    pub const POLICIES: u32 = 59;
    /// Descriptors of single threads.
    pub const OWN_DESCRIPTORS: u32 = 60;
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
        kind::LOCKS => "locks",
        kind::PACKETS => "packets",
        kind::POSIX_TIMERS => "posix timers",
        kind::SEGMENTS => "segments",
        kind::QUEUED => "queued",
        kind::ADJUSTMENTS => "adjustments",
        kind::WATCHES => "watches",
        kind::JOB => "job",
        kind::TIMERFDS => "timerfds",
        kind::SOCKETS => "sockets",
        kind::SOCKET_OPTIONS => "socket options",
        kind::MESSAGES => "messages",
        kind::RIGHTS => "rights",
        kind::PLACES => "places",
        kind::NOTICES => "notices",
        kind::TERMINALS => "terminals",
        kind::ENDED => "ended",
        kind::CREDENTIALS => "credentials",
        kind::POLICIES => "policies",
        kind::OWN_DESCRIPTORS => "own descriptors",
        _ => "unknown",
    }
}

/// Every kind an image of this version has, once each.
pub const ALL: [u32; 36] = [
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
    kind::LOCKS,
    kind::PACKETS,
    kind::POSIX_TIMERS,
    kind::SEGMENTS,
    kind::QUEUED,
    kind::ADJUSTMENTS,
    kind::WATCHES,
    kind::JOB,
    kind::TIMERFDS,
    kind::SOCKETS,
    kind::SOCKET_OPTIONS,
    kind::MESSAGES,
    kind::RIGHTS,
    kind::PLACES,
    kind::NOTICES,
    kind::TERMINALS,
    kind::ENDED,
    kind::CREDENTIALS,
    kind::POLICIES,
    kind::OWN_DESCRIPTORS,
];

/// One more than the largest kind.
pub const KINDS: usize = 61;

record! {
    /// One entry of the table, [`ENTRY_LEN`] bytes.
    Entry {
        /// One of [`kind`].
        kind: u32,
        /// Version of the section's records; 1 for all kinds so far.
        version: u16,
        /// [`REQUIRED`] or zero; other bits are refused.
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
    padding: (u64, u64),
}

impl Table {
    /// Reads the table: its checksum, then order and bounds, kinds and versions.
    ///
    /// `bytes` is the table as the header places it: it must be the last thing in the file. The
    /// sections lie between header and table without gaps, but for the [padding](Self::padding)
    /// that lets the pages begin at a page boundary: no byte of an image is without a meaning.
    pub fn decode(head: &Header, bytes: &[u8]) -> Result<Self, DecodeError> {
        if crc32c(bytes) != head.table_crc {
            return Err(DecodeError::Checksum("section table"));
        }
        let mut r = Reader::new("table", bytes);
        let mut entries = [None; KINDS];
        let mut padding = (0, 0);
        let mut metadata: u64 = 0;
        let mut end: u64 = u64::from(header::LEN32);
        for _ in 0..head.section_count {
            let entry = Entry::take(&mut r);
            r.intact()?;
            let from = end;
            end = Self::check(&entry, from, head.table_at)?;
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
            if entry.kind == kind::PAGES {
                padding = (from, entry.at.saturating_sub(from));
            } else {
                metadata = metadata.saturating_add(entry.len);
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
        if end != head.table_at {
            return Err(DecodeError::Table);
        }
        if metadata > limits::METADATA {
            return Err(DecodeError::Limit("bytes of metadata"));
        }
        let table = Self { entries, padding };
        for kind in ALL {
            table.get(kind)?;
        }
        Ok(table)
    }

    /// One entry, whose section begins where the one before ended; tells where it ends.
    fn check(entry: &Entry, from: u64, to: u64) -> Result<u64, DecodeError> {
        let page = u64::from(PAGE_SIZE);
        let pages = entry.kind == kind::PAGES;
        let place = if pages {
            from.checked_next_multiple_of(page)
        } else {
            Some(from)
        };
        let end = entry.at.checked_add(entry.len).filter(|&end| end <= to);
        let fixed = entry.flags & !REQUIRED == 0 && entry.reserved == 0;
        let sum = !pages || entry.crc == 0;
        match end {
            Some(end) if place == Some(entry.at) && fixed && sum => Ok(end),
            _ => Err(DecodeError::Table),
        }
    }

    /// Offset and length of the zeros before the pages: less than a page, to be checked by whoever
    /// reads the file.
    #[must_use]
    pub fn padding(&self) -> (u64, u64) {
        self.padding
    }

    /// The entry of a kind.
    pub fn get(&self, kind: u32) -> Result<Entry, DecodeError> {
        usize::try_from(kind)
            .ok()
            .and_then(|n| self.entries.get(n).copied().flatten())
            .ok_or_else(|| DecodeError::Missing(name(kind)))
    }
}
