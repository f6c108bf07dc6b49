//! What /proc/self/fdinfo tells of a descriptor.

use core::fmt;

use crate::error::{Context, Result, fail};
use crate::sys::fs;
use crate::util::text::{Text, decimal, find_last, labelled, split};

/// Gives `take` every line.
#[inline(never)]
pub(super) fn lines(
    fd: i32,
    what: fmt::Arguments<'_>,
    take: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let name = Text::<40>::format(format_args!("/proc/thread-self/fdinfo/{fd}"));
    let file = fs::open(name.as_c(), fs::O_RDONLY, 0).or_fail(what)?;
    lines_of(&file, what, take)
}

/// The same of another file.
#[inline(never)]
pub(super) fn lines_of(
    file: &fs::Fd,
    what: fmt::Arguments<'_>,
    take: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let mut buffer = [0; 4096];
    let mut filled = 0;
    loop {
        let room = buffer.get_mut(filled..).unwrap_or(&mut []);
        if room.is_empty() {
            fail!("{what}: a line is too long");
        }
        let got = fs::read(file.number(), room).or_fail(what)?;
        if got == 0 {
            return Ok(());
        }
        filled += got;
        let text = buffer.get(..filled).unwrap_or(&[]);
        let whole = find_last(text, b'\n').map_or(0, |n| n + 1);
        for line in split(text.get(..whole).unwrap_or(&[]), b'\n') {
            take(line)?;
        }
        buffer.copy_within(whole..filled, 0);
        filled -= whole;
    }
}

/// The beginning of its file under fdinfo.
pub(super) fn read(fd: i32, to: &mut [u8]) -> Result<&[u8]> {
    let name = Text::<40>::format(format_args!("/proc/thread-self/fdinfo/{fd}"));
    let got = fs::open(name.as_c(), fs::O_RDONLY, 0)
        .and_then(|file| fs::read(file.number(), to))
        .or_fail(format_args!("cannot tell the state of descriptor {fd}"))?;
    Ok(to.get(..got).unwrap_or(&[]))
}

/// The number after a label.
pub(super) fn number(text: &[u8], label: &[u8]) -> Option<u64> {
    labelled(text, label).and_then(decimal).map(|(n, _)| n)
}
