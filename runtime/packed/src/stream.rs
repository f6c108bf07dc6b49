//! The stream: numbers of 16 bits, which are one large number (rANS: Duda, "Asymmetric numeral
//! systems", arXiv:1311.2540), written backwards so that it is read forwards.

use crate::model::{Coder, Work};
use crate::odds::{ALL, BITS, Odds};

/// The number never gets smaller, and is this at the stream's end.
pub(crate) const LEAST: u32 = 1 << 16;

struct Decoder<'a> {
    rest: &'a [u8],
    number: u32,
}

impl Decoder<'_> {
    /// What follows; zeros behind the end.
    fn next(&mut self) -> u32 {
        let Some((word, rest)) = self.rest.split_first_chunk::<2>() else {
            return 0;
        };
        self.rest = rest;
        u32::from(u16::from_le_bytes(*word))
    }

    /// The lower part of the number, which says what comes.
    fn part(&self) -> u32 {
        self.number & ALL.wrapping_sub(1)
    }

    /// Goes on over what had these odds.
    fn take(&mut self, (from, to): (u32, u32)) {
        let rest = self.part().wrapping_sub(from);
        let times = self.number.wrapping_shr(BITS);
        self.number = to.wrapping_sub(from).wrapping_mul(times).wrapping_add(rest);
        if self.number < LEAST {
            self.number = self.number.wrapping_shl(16) | self.next();
        }
    }
}

impl Coder for Decoder<'_> {
    #[inline(always)]
    fn half(&mut self, odds: &Odds, _: usize) -> usize {
        let value = odds.find(u16::try_from(self.part()).unwrap_or(0));
        self.take(odds.range(value));
        value
    }

    fn flag(&mut self, odds: u16, _: bool) -> bool {
        let odds = u32::from(odds);
        let so = self.part() < odds;
        self.take(if so { (0, odds) } else { (odds, ALL) });
        so
    }
}

impl Work {
    /// Unpacks a stream that fills `to`, of which the first `code` bytes are machine code; `None`
    /// if it does not, or is none. For work that is new.
    pub fn unpack(&mut self, packed: &[u8], to: &mut [u8], code: usize) -> Option<()> {
        let mut decoder = Decoder {
            rest: packed,
            number: 0,
        };
        decoder.number = decoder.next().wrapping_shl(16);
        decoder.number |= decoder.next();
        self.walk(&mut decoder, to, code)?;
        (decoder.number == LEAST && decoder.rest.is_empty()).then_some(())
    }
}
