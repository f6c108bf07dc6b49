//! FIFOs: pipes with a name, which the program has opened. The name leads to the same FIFO after a
//! restore, and so to whoever else opens it; what is unread in it travels in the image.

use ckpt_format::record::{File, fifo, file_kind};

use super::classify::Fate;
use super::kinds::{refuse, refused};
use super::known::Known;
use super::open::{c_path, cannot_open};
use super::packets::O_DIRECT;
use super::pipe::set_size;
use super::{F_DUPFD_CLOEXEC, F_SETFL, O_ASYNC, S_IFIFO, S_IFMT};
use crate::error::{Context, Result, fail};
use crate::sys::fs::{self, Fd, Stat};
use crate::sys::process;
use crate::util::text::{PathText, Show, before};

/// Decides about one whose name, as /proc tells it, leads to it or not.
pub(super) fn fate(fd: i32, stat: &Stat, link: &[u8], leads_here: bool) -> Result<Fate> {
    if leads_here {
        return Ok(Fate::new(file_kind::FIFO, link));
    }
    match before(link, b" (deleted)") {
        Some(path @ [b'/', ..]) if stat.st_nlink == 0 => Ok(Fate::new(file_kind::FIFO, path)),
        _ => Err(refuse(fd, stat, Some(link))),
    }
}

/// What `rdev` has to tell of an end, of which the program does not have the other one if it is
/// `alone`. Refuses one whose other end is another process's.
pub(super) fn note(known: &Known, path: &[u8], alone: bool) -> Result<u64> {
    let fd = known.fd;
    let what = format_args!("cannot look into the FIFO at descriptor {fd}");
    if !alone || fs::is_hung_up(fd).or_fail(what)? {
        return Ok(known.rdev);
    }
    // Somebody reads, or: who opened it for reading before anybody wrote is not told of a hang-up
    // (fifo_open, fs/pipe.c). Without a writer there is nothing to wait for, which tee(2) tells
    // without taking anything.
    let (_reading, writing) = fs::pipe().or_fail(what)?;
    let reads = known.flags & fs::O_ACCMODE == fs::O_RDONLY;
    if reads && fs::copy_pipe(fd, writing.number(), 1) == Ok(0) {
        return Ok(known.rdev | fifo::UNWRITTEN);
    }
    let path = Show(path);
    let what = format_args!("FIFO {path}, which another process has open");
    Err(refused(fd, what))
}

/// Opens an end for reading of which nobody has had the other.
pub(super) fn open_unwritten(fd: u32, file: &File<'_>) -> Result<Fd> {
    let opened = named(fd, file, file.flags)?;
    let what = format_args!("descriptor {fd}: cannot set its size and flags");
    set_size(opened.number(), file.size).or_fail(what)?;
    let flags = file.flags & !O_ASYNC;
    fs::control(opened.number(), F_SETFL, flags as usize).or_fail(what)?;
    Ok(opened)
}

/// Opens it by its name, without waiting for others.
pub(super) fn named(fd: u32, file: &File<'_>, flags: u32) -> Result<Fd> {
    let path = c_path(file.path);
    let shown = Show(file.path);
    // Another file of the name may do something when it is opened.
    let there = fs::stat(path.as_c()).map_err(|e| cannot_open(fd, file.path, e))?;
    if there.st_mode & S_IFMT != S_IFIFO {
        fail!("descriptor {fd}: {shown} is of another kind now");
    }
    let flags = (flags & !O_DIRECT & !O_ASYNC) | fs::O_NONBLOCK;
    fs::open(path.as_c(), flags, 0).map_err(|e| cannot_open(fd, file.path, e))
}

/// Both ends, each of which is the other, too, so that nobody has to wait; made anew if it had lost its name.
pub(super) fn open_both(fd: u32, file: &File<'_>) -> Result<(Fd, Fd)> {
    let both = both(fd, file)?;
    let again = fs::control(both.number(), F_DUPFD_CLOEXEC, 0)
        .or_fail(format_args!("descriptor {fd}: no number for it"))?;
    Ok((both, Fd::own(again as i32)))
}

fn both(fd: u32, file: &File<'_>) -> Result<Fd> {
    let shown = Show(file.path);
    if file.rdev & fifo::NAMELESS == 0 {
        let both = named(fd, file, fs::O_RDWR)?;
        let there = fs::readable_bytes(both.number()).unwrap_or(0);
        if there > 0 && file.pos > 0 {
            fail!("descriptor {fd}: {there} bytes wait in {shown} already");
        }
        return Ok(both);
    }
    let mut path = c_path(file.path);
    let make = |path: &PathText| fs::make_fifo(path.as_c(), 0o600);
    make(&path)
        .or_else(|_| {
            path.push_fmt(format_args!(".{}", process::id()));
            make(&path)
        })
        .and_then(|()| {
            let both = fs::open(path.as_c(), fs::O_RDWR | fs::O_NONBLOCK, 0);
            fs::unlink(path.as_c())?;
            both
        })
        .or_fail(format_args!("descriptor {fd}: cannot make {shown} again"))
}
