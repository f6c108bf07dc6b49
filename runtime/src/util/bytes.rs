//! Numbers and pieces at an offset of the kernel's structures.

/// Puts bytes at an offset, if there is room for them.
#[inline(never)]
pub fn put(to: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(to) = to
        .get_mut(at..)
        .and_then(|rest| rest.get_mut(..bytes.len()))
    {
        to.copy_from_slice(bytes);
    }
}

/// The four bytes at an offset as a number; zero beyond the end.
#[must_use]
#[inline(never)]
pub fn word(bytes: &[u8], at: usize) -> u32 {
    let four = bytes.get(at..).and_then(|rest| rest.first_chunk());
    u32::from_le_bytes(four.copied().unwrap_or_default())
}
