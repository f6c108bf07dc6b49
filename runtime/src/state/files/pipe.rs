//! Pipes and FIFOs whose other end the process has, too, or nobody: what is in them, and both ends.
//!
//! Nothing is taken out of a pipe: tee(2) gives a copy, so a checkpoint may fail at any point.
#![expect(
    unsafe_code,
    reason = "vouches that a record of integers may be all zeroes"
)]

use core::iter::from_fn;

use ckpt_format::DecodeError;
use ckpt_format::record::{File, Packet, fifo as told, file_kind};
use ckpt_format::toc::kind;

use super::fifo;
use super::kinds::{lost, refused};
use super::known::{Book, Known};
use super::packets::{self, Copy, O_DIRECT};
use super::remake::reopen;
use super::{F_DUPFD_CLOEXEC, F_GETPIPE_SZ, F_SETFL, F_SETPIPE_SZ, O_ASYNC};
use crate::allow::Kind;
use crate::error::{Context, Result, fail};
use crate::image::input::{Image, InImage};
use crate::image::output::{Output, Owner};
use crate::sys::SysResult;
use crate::sys::fs::{self, Fd};
use crate::util::arena::{Arena, Plain};

const PAGE: usize = 4096;
/// Set in every descriptor that open(2) made, not in those of pipe(2).
const O_LARGEFILE: u32 = 0o100_000;

/// Bytes in the pipe, and bytes that fit.
pub(super) fn measure(fd: i32) -> Result<(u64, u64)> {
    let what = format_args!("cannot look into the pipe at descriptor {fd}");
    let filled = fs::readable_bytes(fd).or_fail(what)?;
    let size = fs::control(fd, F_GETPIPE_SZ, 0).or_fail(what)?;
    // Pieces that were spliced in from elsewhere may be larger than the kernel counts them.
    if filled as usize > size {
        return Err(refused(fd, format_args!("pipe with {filled} bytes in it")));
    }
    Ok((u64::from(filled), size as u64))
}

/// Is it an end of such a pipe?
pub(super) fn is(known: &Known) -> bool {
    matches!(known.kind, file_kind::PIPE | file_kind::FIFO)
}

/// All ends of a pipe.
fn ends<'b>(book: &'b Book, known: &Known) -> impl Iterator<Item = &'b Known> {
    let pipe = (known.kind, known.dev, known.ino);
    let of = move |other: &&Known| (other.kind, other.dev, other.ino) == pipe;
    book.files().iter().filter(of)
}

fn access(known: &Known) -> u32 {
    known.flags & fs::O_ACCMODE
}

/// An end to read from.
fn reader<'b>(book: &'b Book, known: &Known) -> Option<&'b Known> {
    ends(book, known).find(|end| access(end) != fs::O_WRONLY)
}

/// Looks at every pipe, when all descriptors are known: who has the other end, and where packets
/// are.
#[inline(never)]
pub(super) fn look(book: &mut Book) -> Result<()> {
    for number in 0..book.files().len() {
        let Some(known) = book.files().get(number).copied().filter(is) else {
            continue;
        };
        let fd = known.fd;
        let what = format_args!("cannot look into the pipe at descriptor {fd}");
        let reading = reader(book, &known).map(|end| end.fd);
        let writing = ends(book, &known).any(|end| access(end) != fs::O_RDONLY);
        let alone = reading.is_none() || !writing;
        if known.kind == file_kind::FIFO {
            let told = fifo::note(&known, book.path(&known), alone)?;
            book.mark(number, told);
        }
        // A pipe's first description stands for it.
        if ends(book, &known)
            .next()
            .is_some_and(|first| first.fd != fd)
        {
            continue;
        }
        if alone && known.kind == file_kind::PIPE && !fs::is_hung_up(fd).or_fail(what)? {
            lost(Kind::Pipe, fd, format_args!("pipe to another process"))?;
        }
        let len = known.pos as usize;
        if let Some(reading) = reading.filter(|_| len > 0) {
            cut(book, number as u32, reading, len)?;
        }
    }
    Ok(())
}

/// Notes the packets in a pipe.
fn cut(book: &mut Book, file: u32, fd: i32, len: usize) -> Result<()> {
    let what = format_args!("cannot look into the pipe at descriptor {fd}");
    let scratch = Arena::new(len.next_multiple_of(PAGE))?;
    let mut rest = scratch.bytes(len, 1)?;
    let mut copy = Copy::new(fd, len).or_fail(what)?;
    while !rest.is_empty() {
        let (stream, packet) = copy.next(rest).or_fail(what)?;
        if packet > 0 {
            book.add_packet(Packet {
                file,
                len: packet as u32,
                at: (len - rest.len() + stream) as u64,
            })?;
        }
        rest = rest.get_mut(stream + packet..).unwrap_or(&mut []);
    }
    Ok(())
}

/// Writes what is in it, which stays there. The buffer has room for it, in whole pages.
pub(super) fn write(
    number: u32,
    known: &Known,
    book: &Book,
    buffer: &mut [u8],
    out: &mut Output<'_>,
) -> Result<()> {
    let len = known.pos as usize;
    // Without an end to read from, what is in it is lost already.
    let Some(reader) = reader(book, known).filter(|_| len > 0) else {
        return Ok(());
    };
    let what = format_args!("cannot look into the pipe at descriptor {}", known.fd);
    let copy = Copy::new(reader.fd, len).or_fail(what)?;
    let mut got = 0;
    while let Some(rest @ [_, ..]) = buffer.get_mut(got..len) {
        match copy.read(rest).or_fail(what)? {
            0 => fail!("{what}: it is empty"),
            n => got += n,
        }
    }
    let padded = len.next_multiple_of(PAGE);
    if let Some(tail) = buffer.get_mut(len..padded) {
        tail.fill(0);
    }
    out.buffered(Owner::File(number), buffer.get(..padded).unwrap_or(&[]), 0)
}

/// A pipe made anew.
#[derive(Clone, Copy, Debug)]
pub(super) struct Made {
    /// 1 if it is one.
    is: u32,
    dev: u64,
    ino: u64,
    /// Its ends, closed when all descriptions are there.
    ends: [i32; 2],
    /// 1 for an end that is a description's already.
    given: [u32; 2],
    /// What will be in it, until it is.
    contents: i32,
    len: u64,
    /// Permissions of a FIFO that had lost its name, else zero.
    mode: u32,
}

// SAFETY: a record of integers.
unsafe impl Plain for Made {}

/// All of them, by the number of the first description of each.
#[derive(Debug)]
pub(super) struct Pipes<'a>(&'a mut [Made]);

impl<'a> Pipes<'a> {
    pub(super) fn new(arena: &'a Arena, count: usize) -> Result<Self> {
        Ok(Self(arena.records(count)?))
    }

    /// Opens description `number`, making the pipe if this is the first of it.
    #[inline(never)]
    pub(super) fn open(&mut self, number: usize, fd: u32, file: &File<'_>) -> Result<Fd> {
        if file.kind == file_kind::FIFO && file.rdev == told::UNWRITTEN {
            return fifo::open_unwritten(fd, file);
        }
        let size = file.size;
        let what = format_args!("descriptor {fd}: cannot make its pipe of {size} bytes again");
        let same = |m: &Made| m.is == 1 && (m.dev, m.ino) == (file.dev, file.ino);
        let first = self.0.iter().position(same).unwrap_or(number);
        let Some(made) = self.0.get_mut(first) else {
            fail!("{what}");
        };
        if made.is == 0 {
            let ends = if file.kind == file_kind::FIFO {
                fifo::open_both(fd, file)?
            } else {
                fs::pipe().or_fail(what)?
            };
            *made = make(ends, file).or_fail(what)?;
        }
        let ([reading, writing], [read_given, write_given]) = (made.ends, &mut made.given);
        let (from, given) = match file.flags & fs::O_ACCMODE {
            fs::O_RDONLY => (reading, read_given),
            _ => (writing, write_given),
        };
        // Signals come last: putting the contents in would raise them.
        let flags = file.flags & !O_ASYNC;
        // The ends of pipe(2) are descriptions themselves; others were opened through /proc, which
        // takes no O_DIRECT (do_dentry_open, fs/open.c).
        let opened = if file.kind == file_kind::FIFO && file.rdev & told::NAMELESS == 0 {
            fifo::named(fd, file, flags)?
        } else if *given == 1 || flags & (O_LARGEFILE | fs::O_RDWR) != 0 {
            reopen(from, flags & !O_DIRECT).or_fail(what)?
        } else {
            *given = 1;
            Fd::own(fs::control(from, F_DUPFD_CLOEXEC, 0).or_fail(what)? as i32)
        };
        fs::control(opened.number(), F_SETFL, flags as usize).or_fail(what)?;
        Ok(opened)
    }

    /// Where the contents of pipe `number` go at first, and how many bytes they are.
    pub(super) fn place(&self, number: u32) -> Option<(i32, u64)> {
        let made = self.0.get(number as usize).filter(|made| made.is == 1)?;
        Some((made.contents, made.len))
    }

    /// Puts the contents in, and closes the ends that the program does not have.
    pub(super) fn finish(&self, image: &Image<'_>) -> Result<()> {
        // In the order of the files, as the packets are.
        let mut all = image.list::<Packet>(kind::PACKETS).peekable();
        for (number, made) in (0..).zip(self.0.iter()).filter(|(_, made)| made.is == 1) {
            let [reading, writing] = made.ends.map(Fd::own);
            let contents = Fd::own(made.contents);
            let its_own = from_fn(|| all.next_if(|packet| packet.file == number));
            packets::fill(&contents, &writing, made.len, its_own)
                .or_fail(format_args!("cannot fill a pipe with {} bytes", made.len))?;
            if made.mode != 0 {
                fs::set_mode(reading.number(), made.mode & 0o7777)
                    .or_fail(format_args!("cannot set a FIFO's permissions"))?;
            }
        }
        match all.next() {
            None => Ok(()),
            // Not the first of its pipe's descriptions.
            Some(_) => Err(DecodeError::Value("packet in a pipe")).within(&image.path),
        }
    }
}

/// Sets how many bytes fit.
pub(super) fn set_size(fd: i32, size: u64) -> SysResult<()> {
    if fs::control(fd, F_GETPIPE_SZ, 0)? as u64 != size {
        fs::control(fd, F_SETPIPE_SZ, size as usize)?;
    }
    Ok(())
}

fn make((reading, writing): (Fd, Fd), file: &File<'_>) -> SysResult<Made> {
    set_size(writing.number(), file.size)?;
    let contents = fs::memory_file(c"pipe")?;
    fs::truncate(contents.number(), file.pos as u64)?;
    Ok(Made {
        is: 1,
        dev: file.dev,
        ino: file.ino,
        ends: [reading.release(), writing.release()],
        given: [0; 2],
        contents: contents.release(),
        len: file.pos as u64,
        mode: if file.rdev & told::NAMELESS == 0 {
            0
        } else {
            file.mode
        },
    })
}
