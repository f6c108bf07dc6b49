//! The packed body: most of the runtime, which a patched file carries compressed.
//!
//! It is unpacked into memory of its own when a checkpoint or a restore is asked for. The file has
//! a [`Header`], then a stream of DEFLATE (RFC 1951) whose contents are the body as it is linked,
//! without the zeros of its end, and with the operands of calls and jumps changed so that two of
//! them to one place look alike ([`restore_operands`]).
//!
//! Tool and payload are built together, so the layout may change at will. A crate of its own, for it
//! alone is compiled to be fast: the program waits while it works.
#![no_std]
#![forbid(unsafe_code)]
#![deny(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable,
    clippy::unwrap_used
)]

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
    /// Bytes of machine code at the beginning, whose operands were changed.
    pub code: u32,
    /// Offset of the entry point.
    pub entry: u32,
    /// Offset of the table of relocations (`Elf64_Rela`).
    pub relocations: u32,
    /// How many those are.
    pub relocation_count: u32,
}

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

/// The one-byte operations of x86 whose operand is a distance of 32 bits: call and jump.
const BRANCHES: [u8; 2] = [0xe8, 0xe9];

/// Makes the operands of calls and jumps the distances that they were.
///
/// [`change_operands`] has put there where a branch leads rather than how far it goes, most
/// significant byte first: calls of one function then are the same five bytes wherever they stand.
/// What is no branch but looks like one is changed back just as well.
pub fn restore_operands(code: &mut [u8]) {
    for_each_operand(code, |operand, at, len| {
        let value = i32::from_be_bytes(operand);
        let distance = if (0..len).contains(&value) {
            value.wrapping_sub(at)
        } else if (at.wrapping_neg()..0).contains(&value) {
            value.wrapping_add(len)
        } else {
            value
        };
        distance.to_le_bytes()
    });
}

/// What [`restore_operands`] undoes. Each of the 2^32 operands becomes another one: distances that
/// lead into the code become places, those that would be taken for places become what is free.
pub fn change_operands(code: &mut [u8]) {
    for_each_operand(code, |operand, at, len| {
        let distance = i32::from_le_bytes(operand);
        let value = if (at.wrapping_neg()..len.wrapping_sub(at)).contains(&distance) {
            distance.wrapping_add(at)
        } else if (len.wrapping_sub(at)..len).contains(&distance) {
            distance.wrapping_sub(len)
        } else {
            distance
        };
        value.to_be_bytes()
    });
}

/// Replaces operands: `with(operand, place, length of the code)`.
fn for_each_operand(code: &mut [u8], with: impl Fn([u8; 4], i32, i32) -> [u8; 4]) {
    let whole = code.len();
    let len = i32::try_from(whole).unwrap_or(i32::MAX);
    let mut rest = code;
    while let Some(before) = rest.iter().position(|byte| BRANCHES.contains(byte)) {
        let at = whole.wrapping_sub(rest.len()).wrapping_add(before);
        let behind = rest.get_mut(before.wrapping_add(1)..).unwrap_or_default();
        let Some((operand, after)) = behind.split_first_chunk_mut::<4>() else {
            return;
        };
        *operand = with(*operand, i32::try_from(at).unwrap_or(i32::MAX), len);
        rest = after;
    }
}

/// Most symbols of a code: literals, end of block and lengths (RFC 1951, 3.2.6).
const SYMBOLS: usize = 288;
/// Longest code.
const LONGEST: usize = 15;
/// Codes up to this length are looked up, longer ones are counted out.
const QUICK: u32 = 10;

/// A Huffman code, as RFC 1951, 3.2.2 makes it of the lengths.
#[derive(Clone, Debug)]
struct Code {
    /// For the next [`QUICK`] bits: the symbol, and above its nine bits the code's length.
    quick: [u16; 1 << QUICK],
    /// How many codes there are of each length.
    count: [u16; LONGEST + 1],
    /// The symbols in the order of their codes.
    symbols: [u16; SYMBOLS],
}

impl Code {
    const NEW: Self = Self {
        quick: [0; 1 << QUICK],
        count: [0; LONGEST + 1],
        symbols: [0; SYMBOLS],
    };

    fn make(&mut self, lengths: &[u8]) -> Option<()> {
        self.quick.fill(0);
        self.count.fill(0);
        for &len in lengths {
            let count = self.count.get_mut(usize::from(len))?;
            *count = count.wrapping_add(1);
        }
        *self.count.first_mut()? = 0;
        // Where the codes of each length begin: among the symbols, and as numbers.
        let mut starts = [(0u16, 0u16); LONGEST + 1];
        let mut sum = 0u16;
        let mut code = 0u16;
        for (start, count) in starts.iter_mut().zip(self.count) {
            code = code.wrapping_shl(1);
            *start = (sum, code);
            sum = sum.wrapping_add(count);
            code = code.wrapping_add(count);
        }
        for (symbol, &len) in (0u16..).zip(lengths) {
            if len == 0 {
                continue;
            }
            let (at, code) = starts.get_mut(usize::from(len))?;
            *self.symbols.get_mut(usize::from(*at))? = symbol;
            let bits = u32::from(len);
            if bits <= QUICK {
                // Codes come most significant bit first, all else least significant first.
                let first = code.reverse_bits().wrapping_shr(16u32.wrapping_sub(bits));
                let entry = symbol | u16::from(len).wrapping_shl(9);
                let step = 1usize.wrapping_shl(bits);
                for place in self.quick.iter_mut().skip(usize::from(first)).step_by(step) {
                    *place = entry;
                }
            }
            *at = at.wrapping_add(1);
            *code = code.wrapping_add(1);
        }
        Some(())
    }
}

/// Bits of a stream, least significant first (RFC 1951, 3.1.1).
#[derive(Debug)]
struct Bits<'a> {
    rest: &'a [u8],
    bits: u64,
    count: u32,
}

impl Bits<'_> {
    /// Makes at least 48 bits available; behind the end they are zeros.
    #[inline(always)]
    fn fill(&mut self) {
        while self.count <= 48 {
            let next = match self.rest.split_first() {
                Some((&next, rest)) => {
                    self.rest = rest;
                    u64::from(next)
                }
                None => 0,
            };
            self.bits |= next.wrapping_shl(self.count);
            self.count = self.count.wrapping_add(8);
        }
    }

    fn skip(&mut self, count: u32) {
        self.bits = self.bits.wrapping_shr(count);
        self.count = self.count.wrapping_sub(count);
    }

    /// Up to 16 bits as a number.
    fn take(&mut self, count: u32) -> u16 {
        self.fill();
        let mask = 1u64.wrapping_shl(count).wrapping_sub(1);
        let value = u16::try_from(self.bits & mask & 0xffff).unwrap_or(0);
        self.skip(count);
        value
    }

    fn symbol(&mut self, code: &Code) -> Option<u16> {
        self.fill();
        let mask = (1u64 << QUICK).wrapping_sub(1);
        let place = usize::try_from(self.bits & mask).ok()?;
        let entry = *code.quick.get(place)?;
        if entry != 0 {
            self.skip(u32::from(entry.wrapping_shr(9)));
            return Some(entry & 511);
        }
        let (mut number, mut first, mut index) = (0u16, 0u16, 0u16);
        for &count in code.count.get(1..)? {
            number |= u16::try_from(self.bits & 1).unwrap_or(0);
            self.skip(1);
            let place = number.wrapping_sub(first);
            if place < count {
                return code
                    .symbols
                    .get(usize::from(index.wrapping_add(place)))
                    .copied();
            }
            index = index.wrapping_add(count);
            first = first.wrapping_add(count).wrapping_shl(1);
            number = number.wrapping_shl(1);
        }
        None
    }
}

/// What the decoder works with; larger than a signal handler's stack may be.
#[derive(Clone, Debug)]
pub struct Work {
    lengths: [u8; SYMBOLS + 32],
    symbols: Code,
    distances: Code,
}

impl Work {
    /// Nothing yet: zeros throughout.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            lengths: [0; SYMBOLS + 32],
            symbols: Code::NEW,
            distances: Code::NEW,
        }
    }

    /// Unpacks a stream of DEFLATE that fills `to`; `None` if it does not, or is none.
    pub fn unpack(&mut self, packed: &[u8], to: &mut [u8]) -> Option<()> {
        let mut bits = Bits {
            rest: packed,
            bits: 0,
            count: 0,
        };
        let mut at = 0;
        loop {
            let last = bits.take(1) == 1;
            match bits.take(2) {
                0 => at = stored(&mut bits, to, at)?,
                1 => {
                    self.fixed()?;
                    at = self.block(&mut bits, to, at)?;
                }
                2 => {
                    self.dynamic(&mut bits)?;
                    at = self.block(&mut bits, to, at)?;
                }
                _ => return None,
            }
            if last {
                return (at == to.len()).then_some(());
            }
        }
    }

    /// The codes that need no description (RFC 1951, 3.2.6).
    fn fixed(&mut self) -> Option<()> {
        for (symbol, len) in self.lengths.iter_mut().enumerate() {
            *len = match symbol {
                0..=143 => 8,
                144..=255 => 9,
                256..=279 => 7,
                280..=287 => 8,
                _ => 5,
            };
        }
        let (symbols, distances) = self.lengths.split_at(SYMBOLS);
        self.symbols.make(symbols)?;
        self.distances.make(distances)
    }

    /// The codes that a block describes (RFC 1951, 3.2.7).
    fn dynamic(&mut self, bits: &mut Bits<'_>) -> Option<()> {
        const ORDER: [u8; 19] = [
            16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
        ];
        let symbols = usize::from(bits.take(5)).wrapping_add(257);
        let distances = usize::from(bits.take(5)).wrapping_add(1);
        let count = usize::from(bits.take(4)).wrapping_add(4);
        let mut lengths = [0; 19];
        for place in ORDER.iter().take(count) {
            *lengths.get_mut(usize::from(*place))? = u8::try_from(bits.take(3)).ok()?;
        }
        self.symbols.make(&lengths)?;
        let mut all = self
            .lengths
            .get_mut(..symbols.wrapping_add(distances))?
            .iter_mut();
        let mut before = 0;
        while all.len() > 0 {
            let symbol = bits.symbol(&self.symbols)?;
            let (value, times) = match symbol {
                16 => (before, bits.take(2).wrapping_add(3)),
                17 => (0, bits.take(3).wrapping_add(3)),
                18 => (0, bits.take(7).wrapping_add(11)),
                _ => (u8::try_from(symbol).ok()?, 1),
            };
            before = value;
            for _ in 0..times {
                *all.next()? = value;
            }
        }
        let (first, second) = self.lengths.split_at(symbols);
        self.symbols.make(first)?;
        self.distances.make(second.get(..distances)?)
    }

    /// Literals and copies up to the end of a block; tells where in `to` it ends.
    fn block(&self, bits: &mut Bits<'_>, to: &mut [u8], mut at: usize) -> Option<usize> {
        loop {
            let symbol = bits.symbol(&self.symbols)?;
            if let Ok(literal) = u8::try_from(symbol) {
                *to.get_mut(at)? = literal;
                at = at.wrapping_add(1);
                continue;
            }
            if symbol == 256 {
                return Some(at);
            }
            let len = match symbol.wrapping_sub(257) {
                n @ 0..=7 => n.wrapping_add(3),
                28 => 258,
                n @ 8..=27 => range(bits, n, 2).wrapping_add(3),
                _ => return None,
            };
            let distance = match bits.symbol(&self.distances)? {
                n @ 0..=3 => n.wrapping_add(1),
                n @ 4..=29 => range(bits, n, 1).wrapping_add(1),
                _ => return None,
            };
            let mut from = at.checked_sub(usize::from(distance))?;
            for _ in 0..len {
                let byte = *to.get(from)?;
                *to.get_mut(at)? = byte;
                from = from.wrapping_add(1);
                at = at.wrapping_add(1);
            }
        }
    }
}

/// A length or distance less the smallest one: each number of extra bits serves for `2^order`
/// symbols (the tables of RFC 1951, 3.2.5, as a rule).
fn range(bits: &mut Bits<'_>, symbol: u16, order: u32) -> u16 {
    let step = 1u16.wrapping_shl(order);
    let extra = u32::from(symbol.wrapping_shr(order)).wrapping_sub(1);
    let base = step
        .wrapping_add(symbol & step.wrapping_sub(1))
        .wrapping_shl(extra);
    base.wrapping_add(bits.take(extra))
}

/// A block that is not compressed (RFC 1951, 3.2.4).
fn stored(bits: &mut Bits<'_>, to: &mut [u8], at: usize) -> Option<usize> {
    bits.skip(bits.count & 7);
    let len = bits.take(16);
    if bits.take(16) != !len {
        return None;
    }
    let end = at.checked_add(usize::from(len))?;
    for place in to.get_mut(at..end)? {
        *place = u8::try_from(bits.take(8)).ok()?;
    }
    Some(end)
}

impl Default for Work {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
#[expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "tests may panic"
)]
mod tests {
    use super::*;

    extern crate std;
    use std::vec;
    use std::vec::Vec;

    /// Text, code-like bytes, runs, and what does not compress.
    fn samples() -> Vec<Vec<u8>> {
        let mut noise = 1u32;
        let mut random = move || {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            noise.to_be_bytes()[0]
        };
        vec![
            vec![],
            vec![7],
            b"abcabcabcabcabcabc, abcabc".repeat(50),
            vec![0; 70_000],
            (0..100_000).map(|_| random()).collect(),
            (0..200_000).map(|_| random() & random() & 0x3f).collect(),
        ]
    }

    #[test]
    fn what_another_encoder_packed_is_unpacked() {
        for (n, sample) in samples().iter().enumerate() {
            for level in 0..=10 {
                let packed = miniz_oxide::deflate::compress_to_vec(sample, level);
                let mut to = vec![0; sample.len()];
                let done = Work::new().unpack(&packed, &mut to);
                assert_eq!(done, Some(()), "sample {n}, level {level}");
                assert_eq!(&to, sample, "sample {n}, level {level}");
            }
        }
    }

    #[test]
    fn damaged_streams_end_in_an_error_or_in_other_bytes() {
        let sample = &samples()[2];
        let packed = miniz_oxide::deflate::compress_to_vec(sample, 9);
        for at in 0..packed.len() * 8 {
            let mut bad = packed.clone();
            bad[at / 8] ^= 1 << (at % 8);
            let mut to = vec![0; sample.len()];
            if Work::new().unpack(&bad, &mut to).is_some() {
                assert_ne!(&to, sample, "bit {at}");
            }
        }
        for len in 0..packed.len() {
            let mut to = vec![0; sample.len()];
            assert_eq!(Work::new().unpack(&packed[..len], &mut to), None, "{len}");
        }
        let mut short = vec![0; sample.len() - 1];
        assert_eq!(Work::new().unpack(&packed, &mut short), None);
    }

    #[test]
    fn operands_come_back_whatever_they_were() {
        for sample in samples() {
            let mut code: Vec<u8> = sample.iter().map(|b| b | 0xe8).collect();
            let before = code.clone();
            change_operands(&mut code);
            restore_operands(&mut code);
            assert!(code == before);
        }
        // Each operand of a short code at each place.
        for at in [0, 1, 3] {
            for operand in -40..40i32 {
                let mut code = [0x90; 16];
                code[at] = 0xe8;
                code[at + 1..at + 5].copy_from_slice(&operand.to_le_bytes());
                let before = code;
                change_operands(&mut code);
                restore_operands(&mut code);
                assert_eq!(code, before, "{operand} at {at}");
            }
        }
    }

    #[test]
    fn two_calls_of_one_function_look_alike() {
        let mut code = [0x90; 64];
        for at in [8usize, 40] {
            code[at] = 0xe8;
            let distance = 20 - i32::try_from(at).unwrap();
            code[at + 1..at + 5].copy_from_slice(&distance.to_le_bytes());
        }
        change_operands(&mut code);
        assert_eq!(code[8..13], code[40..45]);
    }

    #[test]
    fn the_header_is_read_as_it_was_written() {
        let header = Header {
            packed: 1,
            filled: 2,
            memory: 3,
            data: 4,
            code: 5,
            entry: 6,
            relocations: 7,
            relocation_count: 8,
        };
        assert_eq!(Header::read(&header.bytes()), Some(header));
        assert_eq!(Header::read(&header.bytes()[1..]), None);
    }
}
