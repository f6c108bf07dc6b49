//! Pipes of which the process has both ends.
#![expect(
    unsafe_code,
    reason = "vouches that a record of integers may be all zeroes"
)]

use ckpt_format::record::{File, file_kind};

use super::kinds::refused;
use super::known::{Book, Known};
use super::remake::reopen;
use super::{F_DUPFD_CLOEXEC, F_GETFL, F_GETPIPE_SZ, F_SETFL, F_SETPIPE_SZ};
use crate::error::{Context, Result, fail};
use crate::image::output::{Output, Owner};
use crate::sys::fs::{self, Fd};
use crate::util::arena::{Arena, Plain};

const PAGE: usize = 4096;
/// Packets: what one call wrote, one call reads.
const O_DIRECT: u32 = 0o40_000;
/// What fcntl(2) can change.
const SETTABLE: u32 = fs::O_NONBLOCK | O_DIRECT | super::O_ASYNC;
/// Set in every descriptor that open(2) made, not in those of pipe(2).
const O_LARGEFILE: u32 = 0o100_000;

/// Bytes in the pipe, and bytes that fit.
pub(super) fn measure(fd: i32, flags: u32) -> Result<(u64, u64)> {
    let what = format_args!("cannot look into the pipe at descriptor {fd}");
    let filled = fs::readable_bytes(fd).or_fail(what)?;
    let size = fs::control(fd, F_GETPIPE_SZ, 0).or_fail(what)?;
    if flags & O_DIRECT != 0 && filled > 0 {
        return Err(refused(fd, format_args!("pipe with packets in it")));
    }
    Ok((u64::from(filled), size as u64))
}

/// Writes what is in it, which stays there.
pub(super) fn write(
    number: u32,
    known: &Known,
    book: &Book,
    buffer: &mut [u8],
    out: &mut Output<'_>,
) -> Result<()> {
    let reader = book.files().iter().find(|other| {
        let same = (other.kind, other.dev, other.ino) == (known.kind, known.dev, known.ino);
        same && other.flags & fs::O_ACCMODE != fs::O_WRONLY
    });
    let Some(reader) = reader.filter(|_| known.pos > 0) else {
        return Ok(());
    };
    let what = format_args!("cannot look into the pipe at descriptor {}", known.fd);
    let (from, to) = fs::pipe().or_fail(what)?;
    // As many pieces as the other one has.
    fs::control(to.number(), F_SETPIPE_SZ, known.size as usize).or_fail(what)?;
    let copied = fs::copy_pipe(reader.fd, to.number(), i32::MAX as usize).or_fail(what)?;
    if copied as u64 != known.pos {
        fail!("{what}: {copied} bytes instead of {}", known.pos);
    }
    drop(to);
    let mut at = 0;
    while at < copied {
        let len = (copied - at).min(buffer.len());
        let mut got = 0;
        while let Some(rest @ [_, ..]) = buffer.get_mut(got..len) {
            match fs::read(from.number(), rest).or_fail(what)? {
                0 => fail!("{what}: it is empty"),
                n => got += n,
            }
        }
        let padded = len.next_multiple_of(PAGE);
        if let Some(tail) = buffer.get_mut(len..padded) {
            tail.fill(0);
        }
        let pages = buffer.get(..padded).unwrap_or(&[]);
        out.buffered(Owner::File(number), pages, at as u64)?;
        at += len;
    }
    Ok(())
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
    pub(super) fn open(&mut self, number: usize, fd: u32, file: &File<'_>) -> Result<Fd> {
        let what = format_args!("descriptor {fd}: cannot make its pipe again");
        let same = |m: &Made| m.is == 1 && (m.dev, m.ino) == (file.dev, file.ino);
        let first = self.0.iter().position(same).unwrap_or(number);
        let Some(made) = self.0.get_mut(first) else {
            fail!("{what}");
        };
        if made.is == 0 {
            *made = make(file).or_fail(what)?;
        }
        let end = match file.flags & fs::O_ACCMODE {
            fs::O_RDONLY => 0,
            _ => 1,
        };
        let ([reading, writing], [read_given, write_given]) = (made.ends, &mut made.given);
        let (from, given) = if end == 0 {
            (reading, read_given)
        } else {
            (writing, write_given)
        };
        // The ends of pipe(2) are descriptions themselves; others were opened through /proc.
        if *given == 1 || file.flags & (O_LARGEFILE | fs::O_RDWR) != 0 {
            return reopen(from, file.flags).or_fail(what);
        }
        *given = 1;
        let copy = fs::control(from, F_DUPFD_CLOEXEC, 0).or_fail(what)?;
        let flags = file.flags & SETTABLE;
        fs::control(from, F_SETFL, flags as usize).or_fail(what)?;
        Ok(Fd::own(copy as i32))
    }

    /// Where the contents of pipe `number` go at first, and how many bytes they are.
    pub(super) fn place(&self, number: u32) -> Option<(i32, u64)> {
        let made = self.0.get(number as usize).filter(|made| made.is == 1)?;
        Some((made.contents, made.len))
    }

    /// Puts the contents in.
    pub(super) fn finish(&self) -> Result<()> {
        for made in self.0.iter().filter(|made| made.is == 1) {
            let [reading, writing] = made.ends.map(Fd::own);
            let contents = Fd::own(made.contents);
            pour(&contents, &writing, made.len)
                .or_fail(format_args!("cannot fill a pipe with {} bytes", made.len))?;
            drop(reading);
        }
        Ok(())
    }
}

fn make(file: &File<'_>) -> crate::sys::SysResult<Made> {
    let (reading, writing) = fs::pipe()?;
    if fs::control(writing.number(), F_GETPIPE_SZ, 0)? as u64 != file.size {
        fs::control(writing.number(), F_SETPIPE_SZ, file.size as usize)?;
    }
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
    })
}

/// From the file into the pipe, in one description of which nothing may wait.
fn pour(contents: &Fd, writing: &Fd, len: u64) -> crate::sys::SysResult<()> {
    let flags = fs::control(writing.number(), F_GETFL, 0)?;
    let nonblocking = flags | fs::O_NONBLOCK as usize;
    fs::control(writing.number(), F_SETFL, nonblocking)?;
    let mut buffer = [0; PAGE];
    let mut at = 0;
    while at < len {
        let got = fs::read_at(contents.number(), &mut buffer, at)?;
        if got == 0 {
            break;
        }
        let piece = buffer.get(..got).unwrap_or(&[]);
        fs::write_all(writing.number(), piece)?;
        at += piece.len() as u64;
    }
    fs::control(writing.number(), F_SETFL, flags).map(drop)
}

/// Is it an end of such a pipe?
pub(super) fn is(known: &Known) -> bool {
    known.kind == file_kind::PIPE
}
