//! The stream: numbers of 16 bits, which are one large number (rANS: Duda, "Asymmetric numeral
//! systems", arXiv:1311.2540), written backwards so that it is read forwards.

use crate::Part;
use crate::model::{Coder, Work};
use crate::odds::{ALL, BITS};

/// The number never gets smaller, and is this at the stream's end.
pub(crate) const LEAST: u32 = 1 << 16;

struct Decoder<'a> {
    stream: &'a [u8],
    at: usize,
    number: u32,
    /// What is only learned from; the stream means nothing then.
    text: &'a [u8],
}

impl Decoder<'_> {
    /// What follows; zeros behind the end.
    fn next(&self) -> u32 {
        let rest = self.stream.get(self.at..).unwrap_or_default();
        rest.first_chunk::<2>()
            .map_or(0, |word| u32::from(u16::from_le_bytes(*word)))
    }
}

impl Coder for Decoder<'_> {
    fn number(&self) -> Option<u32> {
        self.text
            .is_empty()
            .then_some(self.number & ALL.wrapping_sub(1))
    }

    fn known(&self, at: usize) -> u8 {
        self.text.get(at).copied().unwrap_or(0)
    }

    fn take(&mut self, (from, to): (u32, u32)) {
        let rest = (self.number & ALL.wrapping_sub(1)).wrapping_sub(from);
        let times = self.number.wrapping_shr(BITS);
        let number = to.wrapping_sub(from).wrapping_mul(times).wrapping_add(rest);
        let more = number.wrapping_shl(16) | self.next();
        let low = number < LEAST;
        self.number = if low { more } else { number };
        self.at = self.at.wrapping_add(if low { 2 } else { 0 });
    }
}

impl Work {
    /// Learns from machine code that both sides have, before anything is unpacked to `to`, which has
    /// that code at its beginning afterwards.
    pub fn learn(&mut self, text: &[u8], to: &mut [u8]) -> Option<()> {
        let len = u32::try_from(text.len()).ok()?;
        let part = Part {
            at: 0,
            code: len,
            len,
            packed: 0,
        };
        let mut decoder = Decoder {
            stream: &[],
            at: 0,
            number: 0,
            text,
        };
        self.walk(&mut decoder, to, part)?;
        self.forget_operands();
        Some(())
    }

    /// Unpacks the stream of a part to its place in `to`, where those that were unpacked before by
    /// the same work are; `None` if it is not such a stream. The operands that it has are as
    /// [`change_operands`](crate::change_operands) has left them.
    pub fn unpack(&mut self, packed: &[u8], to: &mut [u8], part: Part) -> Option<()> {
        let (first, stream) = packed.split_first_chunk::<4>()?;
        let mut decoder = Decoder {
            stream,
            at: 0,
            number: u32::from_le_bytes(*first).rotate_left(16),
            text: &[],
        };
        self.walk(&mut decoder, to, part)?;
        (decoder.number == LEAST && decoder.at == stream.len()).then_some(())
    }
}
