//! Text in a buffer of fixed size.

use core::ffi::CStr;
use core::fmt;

/// Up to `N` - 1 bytes, always followed by a NUL. What does not fit is cut off and remembered.
#[derive(Clone, Copy)]
pub struct Text<const N: usize> {
    bytes: [u8; N],
    len: usize,
    cut: bool,
}

/// A path: the kernel takes no longer ones.
pub type PathText = Text<4096>;

impl<const N: usize> Text<N> {
    /// Nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            bytes: [0; N],
            len: 0,
            cut: false,
        }
    }

    /// Formatted text.
    #[must_use]
    pub fn format(args: fmt::Arguments<'_>) -> Self {
        let mut text = Self::new();
        text.push_fmt(args);
        text
    }

    /// Appends formatted text.
    pub fn push_fmt(&mut self, args: fmt::Arguments<'_>) {
        if fmt::write(self, args).is_err() {
            self.cut = true;
        }
    }

    /// Appends bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        let room = N.saturating_sub(1).saturating_sub(self.len);
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

    /// Empties it.
    pub fn clear(&mut self) {
        *self = Self::new();
    }

    /// True if something did not fit.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.cut
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }

    /// For a system call; what follows a NUL within is lost, as in C.
    #[must_use]
    pub fn as_c(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.bytes).unwrap_or(c"")
    }
}

impl<const N: usize> Default for Text<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> fmt::Write for Text<N> {
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

impl fmt::Display for Show<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                if c.is_control() {
                    write!(f, "\\x{:02x}", u32::from(c))?;
                } else {
                    fmt::Write::write_char(f, c)?;
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
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
