//! Contents of files without a name and of pipes: into the image, and out of it.

use ckpt_format::limits;
use ckpt_format::record::Content;

use super::known::{Book, Known};
use super::{pipe, proc_link, saved};
use crate::error::{Context, Error, Result, fail};
use crate::image::input::{Image, InImage};
use crate::image::output::{Output, Owner};
use crate::sys::Errno;
use crate::sys::fs::{self, Fd};
use crate::util::arena::Arena;
use crate::util::crc::PageCrc;
use crate::util::text::Show;

const PAGE: u64 = 4096;
/// Bytes moved at a time: one run.
const CHUNK: usize = limits::RUN_PAGES as usize * PAGE as usize;
const SEEK_DATA: u32 = 3;
const SEEK_HOLE: u32 = 4;

/// Writes those of every file without a name and of every pipe, once for all its descriptions.
pub(super) fn write(book: &Book, arena: &Arena, out: &mut Output<'_>) -> Result<()> {
    let mut buffer: Option<&mut [u8]> = None;
    for (number, known) in (0..).zip(book.files()) {
        let record = book.record(known);
        let has_contents = record.is_nameless() || record.is_saved() || pipe::is(known);
        if !has_contents || first_of(book, known) != Some(number as usize) {
            continue;
        }
        let buffer = match &mut buffer {
            Some(buffer) => buffer,
            none => none.insert(arena.bytes(CHUNK, PAGE as usize)?),
        };
        if pipe::is(known) {
            let len = (known.pos as usize).next_multiple_of(PAGE as usize);
            if len > buffer.len() {
                pipe::write(number, known, book, arena.bytes(len, PAGE as usize)?, out)?;
            } else {
                pipe::write(number, known, book, buffer, out)?;
            }
            continue;
        }
        if let Some(theirs) = saved::locked(book, known) {
            write_one(number, theirs?, false, known.size, buffer, out)?;
        } else {
            let file = readable(book, known)?;
            write_one(number, file.number(), true, known.size, buffer, out)?;
        }
    }
    Ok(())
}

fn first_of(book: &Book, known: &Known) -> Option<usize> {
    book.files()
        .iter()
        .position(|other| same_file(known, other))
}

fn same_file(a: &Known, b: &Known) -> bool {
    (a.kind, a.dev, a.ino) == (b.kind, b.dev, b.ino)
}

/// A description of our own, so that the program's offset stays where it is.
fn readable(book: &Book, known: &Known) -> Result<Fd> {
    const OWNER_READS: u32 = 0o400;
    const PERMISSIONS: u32 = 0o7777;
    let name = proc_link(known.fd);
    let open = || fs::open(name.as_c(), fs::O_RDONLY | fs::O_NOCTTY, 0);
    let opened = open().or_else(|e| {
        if book.record(known).is_saved() {
            return Err(e);
        }
        // Made for writing only. Nobody else can come by its name, which it has lost.
        fs::set_mode(known.fd, (known.mode & PERMISSIONS) | OWNER_READS).map_err(|_| e)?;
        let opened = open();
        fs::set_mode(known.fd, known.mode & PERMISSIONS)?;
        opened
    });
    opened.map_err(|e| {
        let path = Show(book.path(known));
        Error::new(format_args!(
            "descriptor {}: file {path}, whose contents belong into the image, cannot be read: {e}",
            known.fd
        ))
    })
}

/// `ours` tells whether the descriptor's position may be moved.
fn write_one(
    number: u32,
    file: i32,
    ours: bool,
    size: u64,
    buffer: &mut [u8],
    out: &mut Output<'_>,
) -> Result<()> {
    let seek = |at: u64, whence| match ours {
        true => fs::seek(file, at as i64, whence),
        false => Err(Errno::INVAL),
    };
    let mut at = 0;
    while at < size {
        // A file system without holes tells of one piece of data; other errors mean the same.
        let data = match seek(at, SEEK_DATA) {
            Ok(data) => data / PAGE * PAGE,
            Err(NO_DATA) => return Ok(()),
            Err(_) => at,
        };
        at = at.max(data);
        let hole = seek(at, SEEK_HOLE).unwrap_or(size).min(size);
        // Always on, should a file system tell of a hole where it told of data.
        let end = hole.max(at + 1).next_multiple_of(PAGE);
        while at < end {
            let len = (end - at).min(CHUNK as u64) as usize;
            let chunk = buffer.get_mut(..len).unwrap_or(&mut []);
            let got = fs::read_at(file, chunk, at).or_fail(format_args!(
                "cannot read a file whose contents belong into the image"
            ))?;
            chunk.get_mut(got..).unwrap_or(&mut []).fill(0);
            out.buffered(Owner::File(number), chunk, at)?;
            at += len as u64;
        }
    }
    Ok(())
}

/// ENXIO of lseek(2): no data from here to the end.
const NO_DATA: Errno = Errno(6);

/// Fills the files made anew; `file` has a descriptor and the size for what belongs to one, and -1
/// for what is only to be compared with its checksum by now.
pub(super) fn fill(
    arena: &Arena,
    image: &Image<'_>,
    mut file: impl FnMut(&Content) -> Option<(i32, u64)>,
) -> Result<()> {
    use ckpt_format::DecodeError;
    let mut buffer: Option<&mut [u8]> = None;
    for (content, from) in image.contents() {
        if content.of != 0 {
            continue;
        }
        let Some((fd, size)) = file(&content) else {
            return Err(DecodeError::Value("contents of a file that has none")).within(&image.path);
        };
        let buffer = match &mut buffer {
            Some(buffer) => buffer,
            none => none.insert(arena.bytes(CHUNK, PAGE as usize)?),
        };
        let len = content.pages as usize * PAGE as usize;
        let pages = buffer.get_mut(..len).unwrap_or(&mut []);
        image.pages(pages, from)?;
        let mut crc = PageCrc::new();
        crc.update(pages);
        if crc.finish() != content.crc {
            return Err(DecodeError::Checksum("pages of a deleted file")).within(&image.path);
        }
        if content.offset >= size {
            return Err(DecodeError::Value("contents beyond a file's end")).within(&image.path);
        }
        let keep = (size - content.offset).min(len as u64) as usize;
        let written = || fs::write_at(fd, pages.get(..keep).unwrap_or(&[]), content.offset);
        if fd >= 0
            && let Err(e) = written()
        {
            fail!("cannot write a deleted file's contents: {e}");
        }
    }
    Ok(())
}
