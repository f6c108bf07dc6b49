//! The exported functions of a vDSO image: a small ELF reader over bytes that may be anything.

use crate::util::text::find;

/// A vDSO's dynamic symbols.
#[derive(Clone, Copy, Debug)]
pub(super) struct Symbols<'a> {
    image: &'a [u8],
    symbols: usize,
    strings: usize,
}

const PT_DYNAMIC: u32 = 2;
const DT_STRTAB: u64 = 5;
const DT_SYMTAB: u64 = 6;
const STT_FUNC: u8 = 2;
/// Bytes of an `Elf64_Sym`.
const SYMBOL: usize = 24;

impl<'a> Symbols<'a> {
    /// Finds the tables; `None` if the image has none or they lie outside of it.
    #[must_use]
    pub(super) fn parse(image: &'a [u8]) -> Option<Self> {
        if !image.starts_with(b"\x7fELF\x02\x01") {
            return None;
        }
        let headers = word(image, 32)? as usize;
        let count = usize::from(half(image, 56)?);
        let dynamic = (0..count)
            .map(|n| headers + n * 56)
            .find(|&at| long(image, at) == Some(PT_DYNAMIC))?;
        let (mut at, size) = (
            word(image, dynamic + 8)? as usize,
            word(image, dynamic + 40)? as usize,
        );
        let end = at.checked_add(size)?.min(image.len());
        let (mut symbols, mut strings) = (0, 0);
        while at + 16 <= end {
            match word(image, at)? {
                DT_STRTAB => strings = word(image, at + 8)? as usize,
                DT_SYMTAB => symbols = word(image, at + 8)? as usize,
                _ => {}
            }
            at += 16;
        }
        // The string table follows the symbols in every vDSO so far (the linker's order), which
        // bounds them without a look at one of the two kinds of hash table.
        (symbols > 0 && strings > symbols && strings < image.len()).then_some(Self {
            image,
            symbols,
            strings,
        })
    }

    /// Names and offsets of the functions.
    pub(super) fn functions(&self) -> impl Iterator<Item = (&'a [u8], usize)> + use<'a> {
        let Self {
            image,
            symbols,
            strings,
        } = *self;
        (symbols..strings)
            .step_by(SYMBOL)
            .take_while(move |at| at + SYMBOL <= strings)
            .filter_map(move |at| {
                let info = *image.get(at + 4)?;
                let section = half(image, at + 6)?;
                let value = word(image, at + 8)? as usize;
                if info & 0xf != STT_FUNC || section == 0 {
                    return None;
                }
                let name = image.get(strings + long(image, at)? as usize..)?;
                let len = find(name, 0)?;
                Some((name.get(..len)?, value))
            })
    }
}

fn half(image: &[u8], at: usize) -> Option<u16> {
    image
        .get(at..)?
        .first_chunk()
        .copied()
        .map(u16::from_le_bytes)
}

fn long(image: &[u8], at: usize) -> Option<u32> {
    image
        .get(at..)?
        .first_chunk()
        .copied()
        .map(u32::from_le_bytes)
}

fn word(image: &[u8], at: usize) -> Option<u64> {
    image
        .get(at..)?
        .first_chunk()
        .copied()
        .map(u64::from_le_bytes)
}
