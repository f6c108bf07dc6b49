//! What becomes of each mapping, or why the checkpoint is refused.

use core::fmt;

use ckpt_format::record::{vma_flag, vma_kind};

use super::smaps::refused;
use super::{Area, Source, Space};
use crate::error::{Error, Result};
use crate::state::aio;
use crate::state::files::{Files, beside};
use crate::sys::{fs, mm};
use crate::util::text::{PathText, Show, after, before};

/// Files up to this size travel in the image even if they are only data: small tables of the C
/// library (locales, character sets) that another host need not have.
const SMALL: u64 = 1 << 20;

/// Decides about every mapping; refuses by name what cannot be carried. `files` are the open ones.
pub fn all(space: &mut Space, files: &Files) -> Result<()> {
    if space.names.as_slice().is_empty() {
        // Without /proc there are no names, and nothing is left to decide.
        return Ok(());
    }
    for n in 0..space.areas.as_slice().len() {
        let Some(&(mut area)) = space.areas.as_slice().get(n) else {
            break;
        };
        if area.shared
            && let Some(other) = other_name(space, &area)
        {
            let (at, len) = (space.names.as_slice().len(), other.as_bytes().len());
            space.names.append(other.as_bytes())?;
            area.name = (at as u32, len as u32);
        }
        let mut area = decide(space, area, files)?;
        if area.kind == vma_kind::SHARED_ANON {
            area.object = object(space, n, &area);
        }
        if let Some(slot) = space.areas.as_mut_slice().get_mut(n) {
            *slot = area;
        }
    }
    Ok(())
}

/// Another name of a file that has lost the one by which it was mapped: in a copy, changes would not
/// show under it.
fn other_name(space: &Space, area: &Area) -> Option<PathText> {
    let path = before(space.name(area), b" (deleted)")?;
    beside(path, area.ino, |other| {
        let mut text = PathText::new();
        text.push(other);
        fs::stat(text.as_c())
            .is_ok_and(|s| (fs::device(s.st_dev), s.st_ino) == (area.dev, area.ino))
    })
}

/// Number of the shared object: that of an earlier view of it, or a new one. Segments and memory
/// without a name are on one device, and may have the same number there.
fn object(space: &Space, n: usize, area: &Area) -> u32 {
    let earlier = space.areas.as_slice().get(..n).unwrap_or(&[]);
    let shared = || earlier.iter().filter(|a| a.kind == vma_kind::SHARED_ANON);
    shared()
        .find(|a| (a.dev, a.ino, a.segment) == (area.dev, area.ino, area.segment))
        .map(|a| a.object)
        .or_else(|| shared().map(|a| a.object + 1).max())
        .unwrap_or(0)
}

/// The error of a mapping that is not carried.
#[cold]
#[inline(never)]
pub fn not_carried(area: &Area, what: fmt::Arguments<'_>) -> Error {
    let (start, end) = (area.start, area.end);
    Error::new(format_args!(
        "mapping {start:x}-{end:x}: {what}: not carried"
    ))
}

fn decide(space: &Space, mut area: Area, files: &Files) -> Result<Area> {
    let name = space.name(&area);
    for (bit, what) in [
        (refused::DEVICE, "device memory"),
        (refused::HUGETLB, "huge-page mapping"),
        (refused::USERFAULT, "memory registered with userfaultfd"),
        (refused::SHADOW, "shadow stack"),
        (refused::KEY, "memory with a protection key"),
    ] {
        if area.refused & bit != 0 {
            let what = Show::text(what);
            return Err(not_carried(&area, format_args!("{what}")));
        }
    }
    let carried_name = if let Some(label) = label(name, b"[anon:") {
        label
    } else if let Some(label) = label(name, b"[anon_shmem:") {
        label
    } else {
        0..0
    };
    match name {
        // Memory without a file; the kernel labels some of it by its address.
        [] | [b'[', ..] if !area.shared => {
            let known = name.is_empty()
                || !carried_name.is_empty()
                || name == b"[heap]"
                || name.starts_with(b"[stack");
            if !known {
                return Err(not_carried(&area, format_args!("{}", Show(name))));
            }
            area.kind = vma_kind::ANON;
            area.source = if area.flags & vma_flag::DROPPABLE == 0 {
                Source::Anonymous
            } else {
                Source::Nothing
            };
            area.offset = 0;
        }
        b"/dev/zero (deleted)" | [b'[', ..] if area.shared => {
            area.kind = vma_kind::SHARED_ANON;
            area.source = Source::Object;
        }
        [b'/', ..] => return file(space, area, files),
        _ => return Err(not_carried(&area, format_args!("{}", Show(name)))),
    }
    area.name = (
        area.name.0 + carried_name.start,
        carried_name.end - carried_name.start,
    );
    Ok(area)
}

/// Where the label stands in `[anon:label]`.
fn label(name: &[u8], prefix: &[u8]) -> Option<core::ops::Range<u32>> {
    after(name, prefix)?.strip_suffix(b"]")?;
    Some(prefix.len() as u32..name.len() as u32 - 1)
}

fn file(space: &Space, mut area: Area, files: &Files) -> Result<Area> {
    const S_IFMT: u32 = 0o170_000;
    const S_IFREG: u32 = 0o100_000;
    const S_IFCHR: u32 = 0o020_000;
    const DEV_ZERO: u64 = 0x105;
    let name = space.name(&area);
    let shown = Show(name);
    let mut path = PathText::new();
    path.push(name);
    let stat = fs::stat(path.as_c()).ok().filter(|s| s.st_ino == area.ino);
    let Some(stat) = stat else {
        // No name any more, or another file has it.
        if area.shared {
            if name.starts_with(b"/SYSV") {
                area.kind = vma_kind::SHARED_ANON;
                area.source = Source::Object;
                area.segment = true;
                area.name.1 = 0;
                return Ok(area);
            }
            if name.starts_with(b"/secretmem") {
                return Err(not_carried(&area, format_args!("secret memory {shown}")));
            }
            if aio::is_ring(&area, name) {
                area.kind = vma_kind::AIO;
                area.source = Source::WholeFile;
                area.name.1 = 0;
                return Ok(area);
            }
            // Nobody can open it again, so it is shared memory with contents, unless a descriptor
            // leads to it: what is written through one must show in the other.
            if let Some(number) = files.shown(area.dev, area.ino, name) {
                area.kind = vma_kind::OPEN_FILE;
                area.object = number;
                area.source = Source::Nothing;
                return Ok(area);
            }
            area.kind = vma_kind::SHARED_ANON;
        } else {
            area.kind = vma_kind::ANON;
            area.offset = 0;
        }
        area.source = Source::WholeFile;
        area.name.1 = 0;
        return Ok(area);
    };
    area.size = stat.st_size as u64;
    area.mtime = fs::mtime(&stat);
    match stat.st_mode & S_IFMT {
        S_IFREG => {}
        S_IFCHR if stat.st_rdev == DEV_ZERO && !area.shared => {
            area.kind = vma_kind::ANON;
            area.source = Source::Anonymous;
            area.offset = 0;
            area.name.1 = 0;
            return Ok(area);
        }
        _ => return Err(not_carried(&area, format_args!("{shown}"))),
    }
    (area.kind, area.source) = if area.shared {
        (vma_kind::SHARED_FILE, Source::Nothing)
    } else if area.size <= SMALL || is_program(space, &area) {
        (vma_kind::CARRIED, Source::WholeFile)
    } else {
        (vma_kind::FILE, Source::Changes)
    };
    Ok(area)
}

/// A program or library: part of it may be run, or it begins as an ELF file does.
fn is_program(space: &Space, area: &Area) -> bool {
    let same = |a: &&Area| (a.dev, a.ino) == (area.dev, area.ino);
    space.areas.as_slice().iter().filter(same).any(|a| {
        let mut magic = [0; 4];
        a.prot & ckpt_format::record::prot::EXEC != 0
            || (a.offset == 0 && mm::read_own(a.start, &mut magic) == Ok(4) && magic == *b"\x7fELF")
    })
}
