//! The packing side, which runs when the tool is built.

use crate::Part;
use crate::model::{Coder, Work};
use crate::odds::BITS;
use crate::stream::LEAST;

/// What came, as a range of odds: from, to.
pub type Range = (u32, u32);
/// Most ranges that a byte takes.
pub const RANGES: usize = 3;

/// Notes all ranges: the stream is made of them from the last to the first.
struct Encoder<'a> {
    bytes: &'a [u8],
    rest: &'a mut [Range],
    /// Out of room.
    full: bool,
}

impl Coder for Encoder<'_> {
    fn number(&self) -> Option<u32> {
        None
    }

    fn known(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(0)
    }

    fn take(&mut self, range: Range) {
        match core::mem::take(&mut self.rest).split_first_mut() {
            Some((first, rest)) => {
                *first = range;
                self.rest = rest;
            }
            None => self.full = true,
        }
    }
}

impl Work {
    /// Packs a part of `bytes`, whose operands were changed. In `unpacked` is what the other side has
    /// before, as it has it; the part is added. The stream is in `to` from the offset that is
    /// returned to the end; `None` if there was no room for it, or not for [`RANGES`] ranges a byte.
    pub fn pack(
        &mut self,
        bytes: &[u8],
        unpacked: &mut [u8],
        part: Part,
        ranges: &mut [Range],
        to: &mut [u8],
    ) -> Option<usize> {
        let room = ranges.len();
        let mut encoder = Encoder {
            bytes,
            rest: &mut *ranges,
            full: false,
        };
        self.walk(&mut encoder, unpacked, part)?;
        if encoder.full {
            return None;
        }
        let count = room.wrapping_sub(encoder.rest.len());
        let mut rest = to;
        let mut write = |word: u32| {
            let (before, last) = core::mem::take(&mut rest).split_last_chunk_mut::<2>()?;
            let [low, high, ..] = word.to_le_bytes();
            *last = [low, high];
            rest = before;
            Some(rest.len())
        };
        let mut number = LEAST;
        for (from, to) in ranges.get(..count)?.iter().rev() {
            let odds = to.wrapping_sub(*from);
            // It would not have room for what is added.
            if number.wrapping_shr(u32::BITS.wrapping_sub(BITS)) >= odds {
                write(number)?;
                number = number.wrapping_shr(16);
            }
            let times = number.checked_div(odds)?;
            let rest = number.checked_rem(odds)?;
            number = times
                .wrapping_shl(BITS)
                .wrapping_add(rest)
                .wrapping_add(*from);
        }
        write(number)?;
        write(number.wrapping_shr(16))
    }
}
