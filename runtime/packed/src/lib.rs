//! The packed body: most of the runtime, which a patched file carries compressed.
//!
//! It is unpacked into memory of its own when a checkpoint or a restore is asked for, as far as it is
//! needed: it has [`Part`]s, and each use takes some of them ([`WAYS`]). The file has a [`Header`],
//! then a stream for each part, whose contents are the part as it is linked, but with the operands of
//! calls and jumps and of what is addressed from where an instruction is changed so that two of them
//! to one place look alike ([`change_operands`]). What is learned from a part serves those that are
//! unpacked after it.
//!
//! The stream says of each byte, by half bytes, which of the possible values it has, in the fewer
//! bits the better it was foreseen: by what followed when the same kind of byte of an instruction
//! had the same neighbours (`model`, `odds`, `code`). Both sides begin with what the resident part's
//! own code has taught them ([`Work::learn`]). Where the last bytes were met before, one bit
//! or much less says that the next one is again what it was. That is context mixing after M. Mahoney
//! ("Data Compression Explained", mattmahoney.net/dc/dce.html, 4.3) and F. Giesen's "x86 code
//! compression in kkrunchy", with half bytes at a time rather than bits, which is several times as
//! fast. All is learned on the way, by both sides alike; nothing but the stream is stored.
//!
//! Tool and payload are built together, so the layout may change at will. A crate of its own, for it
//! alone is compiled to be fast: the program waits while it works.
#![no_std]
#![deny(unsafe_code)]
#![deny(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable,
    clippy::unwrap_used
)]

mod code;
mod model;
mod odds;
mod operands;
mod pack;
mod stream;

pub use model::Work;
pub use operands::change_operands;
pub use pack::{RANGES, Range};

/// Machine code, and data behind it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Part {
    /// Offset in the body.
    pub at: u32,
    /// Bytes of code.
    pub code: u32,
    /// Bytes of code and data together.
    pub len: u32,
    /// Bytes of the stream.
    pub packed: u32,
}

/// How many parts there are: for all uses; what is written to; for a request alone; for checkpoints
/// and restores; for each of these alone.
pub const PARTS: usize = 6;

/// What is unpacked for a checkpoint, for a restore, and for a request: a bit for each part.
pub const WAYS: [u8; 3] = [0b01_1011, 0b10_1011, 0b00_0111];

/// What stands before the streams, as x86-64 has it in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Header {
    /// Bytes of all streams together.
    pub packed: u32,
    /// Bytes of memory that the body takes, a multiple of the page size; what is not unpacked is zeros.
    pub memory: u32,
    /// Offset of the writable pages, which reach to the end.
    pub data: u32,
    /// Offset of the table of relocations (`Elf64_Rela`).
    pub relocations: u32,
    /// How many those are.
    pub relocation_count: u32,
    /// Offset of the entry point for each of [`WAYS`].
    pub entries: [u32; WAYS.len()],
    /// In the order of their streams.
    pub parts: [Part; PARTS],
}

impl Part {
    /// Offsets of the first byte, of the end of the code, and of the end.
    pub(crate) fn places(self) -> (usize, usize, usize) {
        let offset = |n: u32| usize::try_from(n).unwrap_or(0);
        let at = offset(self.at);
        let end = |len| at.wrapping_add(offset(len));
        (at, end(self.code), end(self.len))
    }
}

/// The packed body begins at a multiple of this behind the end of the resident part.
pub const ALIGN: usize = 16;

impl Header {
    /// Size in bytes.
    pub const LEN: usize = size_of::<Self>();

    /// The header's bytes.
    #[must_use]
    pub fn bytes(&self) -> [u8; Self::LEN] {
        let parts = self.parts.iter();
        let words = [
            self.packed,
            self.memory,
            self.data,
            self.relocations,
            self.relocation_count,
        ]
        .into_iter()
        .chain(self.entries)
        .chain(parts.flat_map(|part| [part.at, part.code, part.len, part.packed]));
        let mut all = [0; Self::LEN];
        let (to, _) = all.as_chunks_mut::<4>();
        for (to, word) in to.iter_mut().zip(words) {
            *to = word.to_le_bytes();
        }
        all
    }

    /// Unpacks what one of [`WAYS`] needs of the streams to its places in `to`, which is zeros.
    /// `None` if they are not its streams. For work that has learned from what they were packed with.
    pub fn unpack(&self, work: &mut Work, streams: &[u8], to: &mut [u8], way: usize) -> Option<()> {
        let mut wanted = *WAYS.get(way)?;
        let mut rest = streams;
        for part in &self.parts {
            let (stream, others) = rest.split_at_checked(usize::try_from(part.packed).ok()?)?;
            rest = others;
            if wanted & 1 != 0 {
                work.unpack(stream, to, *part)?;
            }
            wanted = wanted.wrapping_shr(1);
        }
        work.restore_operands(to);
        Some(())
    }
}

#[cfg(test)]
#[expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "tests may panic"
)]
mod tests;
