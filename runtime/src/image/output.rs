//! Writes an image: pages as they come, then the sections, the table, and last the header.
//!
//! The file has a temporary name until it is complete and on disk, so that a crash, a full disk
//! or a kill at any moment leaves an earlier image of the name as it was.
#![expect(unsafe_code, reason = "reads the program's memory")]

use ckpt_format::codec::{Field, Writer};
use ckpt_format::crc::crc32c;
use ckpt_format::header::{self, Header};
use ckpt_format::limits;
use ckpt_format::record::{Content, Run};
use ckpt_format::toc::{self, Entry, kind};

use crate::arch::cpu::{Page, page_is_zero};
use crate::error::{self, Context, Result, fail};
use crate::image::input::Image;
use crate::sys::fs::{self, Fd, Piece};
use crate::sys::signal;
use crate::util::arena::Arena;
use crate::util::crc::PageCrc;
use crate::util::list::List;
use crate::util::text::{PathText, Show, find_last};

const PAGE: usize = 4096;
/// Bytes gathered for one write: small enough to stay in a second-level cache between the
/// checksum and the write, large enough to make the call's cost vanish.
const BATCH: usize = 512 << 10;
/// Most pieces in one write (IOV_MAX).
const PIECES: usize = 1024;
/// The disk is kept busy from this many bytes on.
const FLUSH: u64 = 8 << 20;
/// Offset of the first page.
const PAGES_AT: u64 = 4096;

/// What pages belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The address space: their place is their address.
    Memory,
    /// An open file: its number.
    File(u32),
    /// A shared object: its number.
    Object(u32),
}

/// An image being written.
#[derive(Debug)]
pub struct Output<'a> {
    arena: &'a Arena,
    fd: Fd,
    path: PathText,
    temporary: PathText,
    complete: bool,
    /// Bytes of pages written or gathered.
    pages: u64,
    written: u64,
    flushed: u64,
    pieces: &'a mut [u64],
    piece_count: usize,
    gathered: usize,
    runs: List<Run>,
    contents: List<Content>,
    entries: [Option<Entry>; toc::KINDS],
    entry_count: u32,
    end: u64,
    /// A signal of a file that became too large waits already and is the program's.
    too_large: bool,
}

/// SIGXFSZ as a bit of a signal set.
const XFSZ: u64 = 1 << 24;

impl<'a> Output<'a> {
    /// Makes the temporary file beside `path`.
    pub fn create(arena: &'a Arena, path: PathText) -> Result<Self> {
        let mut temporary = path;
        temporary.push_fmt(format_args!(".{}.tmp", crate::sys::process::id()));
        if temporary.is_cut() {
            fail!("the image's name is too long");
        }
        // All that may fail before there is a file to be removed.
        let pieces = arena.records(PIECES * 2)?;
        let (runs, contents) = (List::new(1 << 24), List::new(1 << 22));
        let flags = fs::O_RDWR | fs::O_CREAT | fs::O_EXCL | fs::O_NOFOLLOW;
        // One left by a process of the same number that was killed in its checkpoint.
        let _ = fs::unlink(temporary.as_c());
        let fd = fs::open(temporary.as_c(), flags, 0o600)
            .or_fail(format_args!("cannot create {temporary}"))?;
        // Whatever the program's creation mask: an image that its owner cannot read is none.
        let _ = fs::set_mode(fd.number(), 0o600);
        Ok(Self {
            arena,
            fd,
            path,
            temporary,
            complete: false,
            pages: 0,
            written: 0,
            flushed: 0,
            pieces,
            piece_count: 0,
            gathered: 0,
            runs,
            contents,
            entries: [None; toc::KINDS],
            entry_count: 0,
            end: 0,
            too_large: signal::pending().unwrap_or(XFSZ) & XFSZ != 0,
        })
    }

    /// Descriptor of the file, which is no part of the program's.
    #[must_use]
    pub fn descriptor(&self) -> i32 {
        self.fd.number()
    }

    /// Takes pages into the image.
    ///
    /// `data` is where they are read from, `place` where they belong: their address, or an offset.
    /// With `sparse`, pages of zeros are left out: what is not in the image reads as zero.
    ///
    /// # Safety
    ///
    /// The pages are readable and do not change until [`Output::flush`] or the next call that
    /// gathers; `data` is page-aligned.
    pub unsafe fn pages(
        &mut self,
        owner: Owner,
        mut data: usize,
        mut place: u64,
        mut count: usize,
        sparse: bool,
    ) -> Result<()> {
        while count > 0 {
            let mut skip = 0;
            // SAFETY: page `skip` is one of the `count` readable ones.
            while sparse && skip < count && unsafe { zero(data + skip * PAGE) } {
                skip += 1;
            }
            let most = (count - skip).min(limits::RUN_PAGES as usize);
            let mut run = 0;
            let mut crc = PageCrc::new();
            while run < most {
                let page = data + (skip + run) * PAGE;
                // SAFETY: likewise.
                if sparse && run > 0 && unsafe { zero(page) } {
                    break;
                }
                // SAFETY: one of the pages the caller vouches for.
                crc.update(unsafe { core::slice::from_raw_parts(page as *const u8, PAGE) });
                run += 1;
            }
            if run > 0 {
                let at = place + (skip * PAGE) as u64;
                self.note(owner, at, run as u32, crc.finish())?;
                self.gather(data + skip * PAGE, run * PAGE)?;
            }
            let step = skip + run;
            data += step * PAGE;
            place += (step * PAGE) as u64;
            count -= step;
        }
        Ok(())
    }

    /// Takes pages in that lie in a buffer of the runtime's own, which is free again afterwards.
    /// Pages of zeros are left out.
    pub fn buffered(&mut self, owner: Owner, data: &[u8], place: u64) -> Result<()> {
        debug_assert!(data.as_ptr().addr().is_multiple_of(PAGE));
        let count = data.len() / PAGE;
        // SAFETY: whole pages of the slice, which stays borrowed until they are written.
        unsafe { self.pages(owner, data.as_ptr().addr(), place, count, true) }?;
        self.flush()
    }

    fn note(&mut self, owner: Owner, at: u64, pages: u32, crc: u32) -> Result<()> {
        let (of, index) = match owner {
            Owner::Memory => {
                return self.runs.push(Run {
                    addr: at,
                    pages,
                    crc,
                });
            }
            Owner::File(n) => (0, n),
            Owner::Object(n) => (1, n),
        };
        self.contents.push(Content {
            of,
            index,
            offset: at,
            pages,
            crc,
        })
    }

    fn gather(&mut self, base: usize, len: usize) -> Result<()> {
        if let Some([b, l]) = self
            .pieces
            .get_mut(self.piece_count * 2..self.piece_count * 2 + 2)
        {
            *b = base as u64;
            *l = len as u64;
        }
        self.piece_count += 1;
        self.gathered += len;
        self.pages += len as u64;
        if self.gathered >= BATCH || self.piece_count == PIECES {
            self.flush()?;
        }
        Ok(())
    }

    /// Writes what was gathered.
    pub fn flush(&mut self) -> Result<()> {
        // SAFETY: `Piece` is two words, as the pairs are; the slice holds `piece_count` pairs.
        let pieces = unsafe {
            core::slice::from_raw_parts_mut(
                self.pieces.as_mut_ptr().cast::<Piece>(),
                self.piece_count,
            )
        };
        let mut left: &mut [Piece] = pieces;
        while !left.is_empty() {
            let n = fs::gather_at(self.fd.number(), left, PAGES_AT + self.written)
                .or_fail(format_args!("cannot write {}", self.path))?;
            self.written += n as u64;
            left = advance(left, n);
        }
        self.piece_count = 0;
        self.gathered = 0;
        if self.written - self.flushed >= FLUSH {
            // A hint only; the sync at the end is what counts.
            let _ = fs::start_sync(
                self.fd.number(),
                PAGES_AT + self.flushed,
                self.written - self.flushed,
            );
            self.flushed = self.written;
        }
        Ok(())
    }

    /// Ends the pages: writes the sections that tell of them.
    pub fn end_pages(&mut self) -> Result<()> {
        self.flush()?;
        self.end = PAGES_AT + self.pages;
        self.entry(kind::PAGES, PAGES_AT, self.pages, 0)?;
        let runs = written(self.arena, self.runs.as_slice())?;
        self.close(kind::RUNS, runs)?;
        let contents = written(self.arena, self.contents.as_slice())?;
        self.close(kind::CONTENTS, contents)
    }

    /// Writes a section of many records.
    pub fn list<'b, T: Field<'b>>(&mut self, kind: u32, records: &[T]) -> Result<()> {
        let section = written(self.arena, records)?;
        self.close(kind, section)
    }

    /// Writes a section of at most `most` bytes.
    pub fn section(
        &mut self,
        kind: u32,
        most: usize,
        encode: impl FnOnce(&mut Writer<'_>),
    ) -> Result<()> {
        let mut w = Writer::new(self.arena.bytes(most.max(1), 8)?);
        encode(&mut w);
        self.close(kind, w)
    }

    /// The part of [`Output::section`] that is the same for all of them.
    fn close(&mut self, kind: u32, section: Writer<'_>) -> Result<()> {
        let Some(bytes) = section.finish() else {
            fail!(
                "section {} is longer than foreseen",
                Show::text(toc::name(kind))
            );
        };
        self.entry(kind, self.end, bytes.len() as u64, crc32c(bytes))?;
        self.put(bytes)
    }

    fn entry(&mut self, kind: u32, at: u64, len: u64, crc: u32) -> Result<()> {
        let Some(slot) = self.entries.get_mut(self.entry_count as usize) else {
            fail!("too many sections");
        };
        *slot = Some(Entry {
            kind,
            version: 1,
            flags: toc::REQUIRED,
            at,
            len,
            crc,
            reserved: 0,
        });
        self.entry_count += 1;
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        fs::write_at(self.fd.number(), bytes, self.end)
            .or_fail(format_args!("cannot write {}", self.path))?;
        self.end += bytes.len() as u64;
        Ok(())
    }

    /// Writes table and header, makes all of it durable and gives the file its name.
    pub fn finish(mut self, identity: [u8; 32]) -> Result<PathText> {
        let mut table = [0u8; toc::KINDS * toc::ENTRY_LEN];
        let mut w = Writer::new(&mut table);
        for entry in self.entries.iter().flatten() {
            w.put(entry);
        }
        let len = w.len().unwrap_or(0);
        let table = table.get(..len).unwrap_or(&[]);
        let table_at = self.end;
        self.put(table)?;
        let mut uuid = [0; 16];
        crate::sys::process::random(&mut uuid);
        let head = Header {
            minor: header::MINOR,
            section_count: self.entry_count,
            file_len: self.end,
            table_at,
            uuid,
            identity,
            created: crate::sys::process::now(),
            table_crc: crc32c(table),
        };
        let path = self.path;
        fs::write_at(self.fd.number(), &head.encode(), 0)
            .or_fail(format_args!("cannot write {path}"))?;
        self.read_back()?;
        fs::sync(self.fd.number()).or_fail(format_args!("cannot write {path} to disk"))?;
        fs::rename(self.temporary.as_c(), path.as_c()).or_fail(format_args!(
            "cannot give {} its name {path}",
            self.temporary
        ))?;
        self.complete = true;
        sync_folder(&path)?;
        Ok(path)
    }
}

impl Output<'_> {
    /// Reads the metadata as a restore will: what that would refuse must not pass for an image.
    fn read_back(&self) -> Result<()> {
        const F_DUPFD_CLOEXEC: u32 = 1030;
        let copy = fs::control(self.fd.number(), F_DUPFD_CLOEXEC, 0)
            .or_fail(format_args!("cannot read {} back", self.path))?;
        let arena = Arena::new(1 << 30)?;
        match Image::read(&arena, Fd::own(copy as i32), self.path) {
            Ok(_) => Ok(()),
            Err(_) => fail!("the image would not restore: {}", error::message()),
        }
    }
}

impl Drop for Output<'_> {
    fn drop(&mut self) {
        if !self.complete {
            // The image was given up; a leftover would only take room.
            let _ = fs::unlink(self.temporary.as_c());
            // A write beyond RLIMIT_FSIZE raises the signal, which would end the program.
            if !self.too_large {
                let _ = signal::take(XFSZ);
            }
        }
    }
}

/// Number of records, then the records, each of the same size.
fn written<'a, 'b, T: Field<'b>>(arena: &'a Arena, records: &[T]) -> Result<Writer<'a>> {
    let mut w = Writer::new(arena.bytes(4 + records.len() * T::SIZE, 8)?);
    w.put(&(records.len() as u32));
    for record in records {
        w.put(record);
    }
    Ok(w)
}

/// # Safety
///
/// `page` is the address of a readable page.
unsafe fn zero(page: usize) -> bool {
    // SAFETY: the caller's promise; pages are aligned, and any bits of them are numbers.
    page_is_zero(unsafe { &*(page as *const Page) })
}

/// The pieces that are left after `n` bytes of them were written.
fn advance(mut pieces: &mut [Piece], mut n: usize) -> &mut [Piece] {
    while n > 0 {
        match pieces {
            [first, ..] if first.len > n => {
                first.base += n;
                first.len -= n;
                n = 0;
            }
            [first, tail @ ..] => {
                n -= first.len;
                pieces = tail;
            }
            [] => n = 0,
        }
    }
    pieces
}

/// Makes the name itself durable.
fn sync_folder(path: &PathText) -> Result<()> {
    let bytes = path.as_bytes();
    let cut = find_last(bytes, b'/').map_or(0, |n| n + 1);
    let mut folder = PathText::new();
    folder.push(bytes.get(..cut).unwrap_or(b"."));
    let fd = fs::open(folder.as_c(), fs::O_RDONLY | fs::O_DIRECTORY, 0);
    // A folder that may be written but not read cannot be synced; the image itself is on disk.
    if let Ok(fd) = fd {
        fs::sync(fd.number()).or_fail(format_args!("cannot write {folder} to disk"))?;
    }
    Ok(())
}
