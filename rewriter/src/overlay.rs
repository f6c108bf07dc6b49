//! Bytes after the end of the ELF file proper, which programs read from their own file.
//!
//! Our segment goes before them, so what finds them from the end of the file still does. What
//! finds them by an offset from the start does not, and that cannot be seen from outside: only
//! formats known to count from the end are taken.

use crate::elf::EHDR;
use crate::error::{PatchError, Result};
use crate::headers::Headers;
use crate::input::Input;

/// How much of the end is searched for a format's mark: a zip archive's end record with the
/// longest comment (APPNOTE.TXT 4.3.16: 22 + 65535 bytes).
const TAIL: u64 = 22 + 65535;
/// PyInstaller's cookie, which its bootloader searches from the end (`pyi_archive.c`).
const PYINSTALLER: &[u8] = b"MEI\x0c\x0b\x0a\x0b\x0e";
/// End of a program that an older `bun build --compile` made: this line and the file's length.
const BUN: &[u8] = b"\n---- Bun! ----\n";
/// Start of the trailer of an older `deno compile`, which holds offsets from the file's start.
const DENO: &[u8] = b"d3n0l4nd";

/// Where the ELF file ends and what follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Overlay {
    /// First offset that no header of the ELF file accounts for; zeros after it count as part of
    /// the file if nothing else follows.
    pub(crate) start: u64,
    /// Length, 0 if there is none.
    pub(crate) len: u64,
    /// Its format.
    pub(crate) format: &'static str,
}

/// Finds it, and refuses what would not survive being moved.
pub(crate) fn find(input: &Input, headers: &Headers, force: bool) -> Result<Overlay> {
    let end = elf_end(headers);
    let none = Overlay {
        start: input.len,
        len: 0,
        format: "none",
    };
    if is_zero(input, end)? {
        return Ok(none);
    }
    let len = input.len - end;
    let format = if appimage(headers) {
        "AppImage"
    } else {
        format(input, end)?
    };
    if matches!(format, "unknown" | "deno") && !force {
        return Err(PatchError::unsupported(
            format!(
                "has {len} bytes after its end ({format} format) that it may look for at a fixed offset"
            ),
            "strip them if the program needs none, or try --force",
        ));
    }
    Ok(Overlay {
        start: end,
        len,
        format,
    })
}

/// First offset after everything that the headers name.
fn elf_end(headers: &Headers) -> u64 {
    let segments = headers.segments.iter().filter(|s| s.filesz > 0);
    let sections = headers.sections.iter().filter(|s| s.filesz() > 0);
    let tables = [EHDR, headers.ph_end(), headers.sh_end()];
    let ends = segments.map(|s| s.file_end());
    let ends = ends.chain(sections.map(|s| s.file_end())).chain(tables);
    ends.max().unwrap_or(EHDR)
}

/// Go's linker leaves zeros where it left section headers out.
fn is_zero(input: &Input, mut from: u64) -> Result<bool> {
    while from < input.len {
        let len = (input.len - from).min(1 << 20);
        if input.read(from, len)?.iter().any(|b| *b != 0) {
            return Ok(false);
        }
        from += len;
    }
    Ok(true)
}

/// The mark of an AppImage of type 2, whose runtime finds its file system right after the section
/// header table (AppImage specification, "Type 2 image format").
fn appimage(headers: &Headers) -> bool {
    let ident = &headers.ehdr.e_ident;
    ident.abi_version == b'A' && ident.padding.starts_with(b"I\x02")
}

fn format(input: &Input, start: u64) -> Result<&'static str> {
    let from = input.len - (input.len - start).min(TAIL);
    let tail = input.read(from, input.len - from)?;
    let found = |mark: &[u8]| tail.windows(mark.len()).rposition(|w| w == mark);
    // The end record's comment reaches to the end of the file.
    let zip = found(b"PK\x05\x06").is_some_and(|at| {
        let length = tail.get(at + 20..at + 22);
        length.is_some_and(|l| {
            let comment = usize::from(u16::from_le_bytes([l[0], l[1]]));
            at + 22 + comment == tail.len()
        })
    });
    let near_end = |mark, within| found(mark).is_some_and(|at| at + within >= tail.len());
    Ok(if zip {
        "zip"
    } else if near_end(BUN, 64) {
        "bun"
    } else if near_end(DENO, 64) {
        "deno"
    } else if near_end(PYINSTALLER, 4096) {
        "PyInstaller"
    } else {
        "unknown"
    })
}
