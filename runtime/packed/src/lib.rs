//! The packed body: most of the runtime, which a patched file carries compressed.
//!
//! It is unpacked into memory of its own when a checkpoint or a restore is asked for. The file has
//! a [`Header`], then a stream whose contents are the body as it is linked, without the zeros of its
//! end, and with the operands of calls and jumps and of what is addressed from where an instruction
//! is changed so that two of them to one place look alike (`operands`).
//!
//! The stream says of each byte, by half bytes, which of the possible values it has, in the fewer
//! bits the better it was foreseen: by what followed when the same kind of byte of an instruction
//! had the same neighbours (`model`, `odds`, `code`). Where the last bytes were met before, one bit
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
pub use pack::{RANGES, Range};

/// What stands before the packed bytes: eight little-endian `u32`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Bytes that follow the header.
    pub packed: u32,
    /// Bytes that they unpack to.
    pub filled: u32,
    /// Bytes of memory that the body takes, a multiple of the page size; the rest are zeros.
    pub memory: u32,
    /// Offset of the writable pages, which reach to the end.
    pub data: u32,
    /// Bytes at the beginning that are machine code.
    pub code: u32,
    /// Offset of the entry point.
    pub entry: u32,
    /// Offset of the table of relocations (`Elf64_Rela`).
    pub relocations: u32,
    /// How many those are.
    pub relocation_count: u32,
}

/// The packed body begins at a multiple of this behind the end of the resident part.
pub const ALIGN: usize = 16;

impl Header {
    /// Size in bytes.
    pub const LEN: usize = 32;

    /// Reads a header.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut words = bytes.get(..Self::LEN)?.chunks_exact(4).map(|four| {
            four.first_chunk::<4>()
                .map_or(0, |four| u32::from_le_bytes(*four))
        });
        let mut next = || words.next();
        Some(Self {
            packed: next()?,
            filled: next()?,
            memory: next()?,
            data: next()?,
            code: next()?,
            entry: next()?,
            relocations: next()?,
            relocation_count: next()?,
        })
    }

    /// The header's bytes.
    #[must_use]
    pub fn bytes(&self) -> [u8; Self::LEN] {
        let words = [
            self.packed,
            self.filled,
            self.memory,
            self.data,
            self.code,
            self.entry,
            self.relocations,
            self.relocation_count,
        ];
        let mut all = [0; Self::LEN];
        for (to, word) in all.chunks_exact_mut(4).zip(words) {
            to.copy_from_slice(&word.to_le_bytes());
        }
        all
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
