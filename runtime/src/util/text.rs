//! Text in a buffer of fixed size.
#![expect(unsafe_code, reason = "text for system calls ends with a NUL")]

use core::ffi::CStr;
use core::fmt::{self, Write};
use core::ops::{Deref, DerefMut};

/// Up to `N` - 1 bytes, always followed by a NUL. What does not fit is cut off and remembered.
///
/// All that can be done with it is done by [`Line`], whose code is the same for every `N`.
#[derive(Clone, Copy)]
pub struct Text<const N: usize>(Line<[u8; N]>);

/// A path: the kernel takes no longer ones.
pub type PathText = Text<4096>;

/// A name in /proc, or another that is known to be short.
pub type ShortText = Text<64>;

/// A [`Text`] of whatever size.
#[derive(Clone, Copy, Debug)]
pub struct Line<B: ?Sized = [u8]> {
    len: usize,
    cut: bool,
    bytes: B,
}

impl<const N: usize> Text<N> {
    /// Nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(Line {
            len: 0,
            cut: false,
            bytes: [0; N],
        })
    }

    /// Formatted text.
    #[must_use]
    pub fn format(args: fmt::Arguments<'_>) -> Self {
        let mut text = Self::new();
        text.push_fmt(args);
        text
    }
}

impl<const N: usize> Default for Text<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Deref for Text<N> {
    type Target = Line;

    fn deref(&self) -> &Line {
        &self.0
    }
}

impl<const N: usize> DerefMut for Text<N> {
    fn deref_mut(&mut self) -> &mut Line {
        &mut self.0
    }
}

impl Line {
    /// Appends formatted text.
    #[inline(never)]
    pub fn push_fmt(&mut self, args: fmt::Arguments<'_>) {
        let mut this = self;
        if fmt::write(&mut this, args).is_err() {
            this.cut = true;
        }
    }

    /// Appends bytes.
    #[inline(never)]
    pub fn push(&mut self, bytes: &[u8]) {
        let room = self.most().saturating_sub(self.len);
        let fit = bytes.len().min(room);
        self.cut |= fit < bytes.len();
        if let (Some(to), Some(from)) = (
            self.bytes.get_mut(self.len..self.len + fit),
            bytes.get(..fit),
        ) {
            to.copy_from_slice(from);
            self.len += fit;
        }
    }

    /// The most bytes that fit.
    #[must_use]
    pub fn most(&self) -> usize {
        self.bytes.len().saturating_sub(1)
    }

    /// Empties it.
    pub fn clear(&mut self) {
        self.len = 0;
        self.cut = false;
        self.bytes.fill(0);
    }

    /// True if something did not fit.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.cut
    }

    /// The bytes.
    #[must_use]
    #[inline(never)]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }

    /// For a system call; what follows a NUL within is lost, as in C.
    #[must_use]
    #[inline(never)]
    pub fn as_c(&self) -> &CStr {
        // SAFETY: `push` leaves the last byte alone, which is zero.
        unsafe { CStr::from_ptr(self.bytes.as_ptr().cast()) }
    }
}

impl Write for Line {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        self.push(s.as_bytes());
        Ok(())
    }
}

impl<const N: usize> fmt::Display for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Show(self.as_bytes()).fmt(f)
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Formats bytes that need not be UTF-8, such as a path; what is no printable ASCII or UTF-8
/// appears as `\xNN`, so that a message stays on its line.
#[derive(Clone, Copy, Debug)]
pub struct Show<'a>(pub &'a [u8]);

impl<'a> Show<'a> {
    /// Text of the runtime's own: `str` itself formats with widths and fills, whose code is long.
    #[must_use]
    pub const fn text(text: &'a str) -> Self {
        Self(text.as_bytes())
    }
}

impl fmt::Display for Show<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let [byte, tail @ ..] = rest {
            match character(rest) {
                Some((c, tail)) if !c.is_control() => {
                    f.write_char(c)?;
                    rest = tail;
                }
                _ => {
                    escaped(f, *byte)?;
                    rest = tail;
                }
            }
        }
        Ok(())
    }
}

/// The character that UTF-8 text begins with, and what follows it.
fn character(text: &[u8]) -> Option<(char, &[u8])> {
    let (&first, rest) = text.split_first()?;
    let len = first.leading_ones() as usize;
    let (more, rest) = rest.split_at_checked(len.saturating_sub(1))?;
    let mut value = u32::from(first) & (0x7f >> len);
    for &byte in more {
        if byte >> 6 != 0b10 {
            return None;
        }
        value = value << 6 | u32::from(byte & 0x3f);
    }
    // Not one that takes fewer bytes, and not the second byte of another.
    let whole = char::from_u32(value).filter(|c| c.len_utf8() == len.max(1) && len != 1)?;
    Some((whole, rest))
}

fn escaped(f: &mut fmt::Formatter<'_>, byte: u8) -> fmt::Result {
    let digit = |n: u8| char::from_digit(u32::from(n), 16).unwrap_or('0');
    for c in ['\\', 'x', digit(byte >> 4), digit(byte & 15)] {
        f.write_char(c)?;
    }
    Ok(())
}

/// Words in a text, separated by blanks: a table without a pointer and a length for each.
#[derive(Clone, Copy, Debug)]
pub struct Words(pub &'static str);

impl Words {
    /// The n-th word, from zero on.
    #[must_use]
    pub fn get(self, n: usize) -> Option<&'static [u8]> {
        self.all().nth(n)
    }

    /// The place of a word.
    #[must_use]
    pub fn position(self, wanted: &[u8]) -> Option<usize> {
        self.all().position(|word| word == wanted)
    }

    fn all(self) -> impl Iterator<Item = &'static [u8]> {
        split(self.0.as_bytes(), b' ')
    }
}

/// What follows `prefix` in a text that begins with it.
///
/// This and its like are `core`'s, made once instead of for every length and closure.
#[must_use]
#[inline(never)]
pub fn after<'a>(text: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    text.strip_prefix(prefix)
}

/// What stands before `suffix` in a text that ends with it.
#[must_use]
#[inline(never)]
pub fn before<'a>(text: &'a [u8], suffix: &[u8]) -> Option<&'a [u8]> {
    text.strip_suffix(suffix)
}

/// Where a byte first occurs.
#[must_use]
#[inline(never)]
pub fn find(text: &[u8], byte: u8) -> Option<usize> {
    text.iter().position(|&b| b == byte)
}

/// Where a byte last occurs.
#[must_use]
#[inline(never)]
pub fn find_last(text: &[u8], byte: u8) -> Option<usize> {
    text.iter().rposition(|&b| b == byte)
}

/// The bytes before a NUL, or all of them.
#[must_use]
pub fn until_nul(text: &[u8]) -> &[u8] {
    text.get(..find(text, 0).unwrap_or(text.len()))
        .unwrap_or(&[])
}

/// What lies between separators, as of `slice::split`.
#[must_use]
pub fn split(text: &[u8], by: u8) -> Split<'_> {
    Split {
        rest: Some(text),
        by,
    }
}

/// See [`split`].
#[derive(Clone, Debug)]
pub struct Split<'a> {
    rest: Option<&'a [u8]>,
    by: u8,
}

impl<'a> Iterator for Split<'a> {
    type Item = &'a [u8];

    #[inline(never)]
    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        let Some((piece, tail)) = find(rest, self.by).and_then(|at| rest.split_at_checked(at))
        else {
            return self.rest.take();
        };
        self.rest = tail.get(1..);
        Some(piece)
    }
}

/// What follows a label on its line, without leading blanks: `State: S`.
#[must_use]
pub fn labelled<'a>(text: &'a [u8], label: &[u8]) -> Option<&'a [u8]> {
    split(text, b'\n')
        .find_map(|line| after(line, label))
        .map(trim_start)
}

/// An octal number, which has nothing else on its line.
#[must_use]
pub fn octal(digits: &[u8]) -> u32 {
    let append = |value, digit: &u8| value << 3 | u32::from(digit & 7);
    digits.iter().fold(0, append)
}

/// A decimal number at the start of `bytes`, and what follows it.
#[must_use]
pub fn decimal(bytes: &[u8]) -> Option<(u64, &[u8])> {
    number(bytes, 10)
}

/// A hexadecimal number at the start of `bytes`, and what follows it.
#[must_use]
pub fn hexadecimal(bytes: &[u8]) -> Option<(u64, &[u8])> {
    number(bytes, 16)
}

fn number(bytes: &[u8], radix: u32) -> Option<(u64, &[u8])> {
    let mut value: u64 = 0;
    let mut rest = bytes;
    while let [first, tail @ ..] = rest {
        let Some(digit) = char::from(*first).to_digit(radix) else {
            break;
        };
        value = value
            .checked_mul(u64::from(radix))?
            .checked_add(u64::from(digit))?;
        rest = tail;
    }
    (rest.len() < bytes.len()).then_some((value, rest))
}

/// `bytes` without leading blanks.
#[must_use]
pub fn trim_start(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', tail @ ..] = bytes {
        bytes = tail;
    }
    bytes
}
