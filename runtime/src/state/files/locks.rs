//! Locks on files, of the process and of its descriptions.

use ckpt_format::record::{Lock, lock_kind};
use ckpt_format::toc::kind;

use super::fdinfo;
use super::kinds::refused;
use super::known::Book;
use crate::error::{Context, Error, Result, fail};
use crate::image::input::Image;
use crate::sys::{Errno, SysResult, fs};
use crate::util::text::{Show, after, decimal};

const F_SETLEASE: u32 = 1024;

/// Last byte of a lock that reaches to the end, wherever that is.
const END: u64 = i64::MAX as u64;

/// Notes the locks held through descriptor `fd`, which is file `number`: the kernel shows with a
/// description those that were taken through it (fs/locks.c, show_fd_locks).
pub(super) fn collect(book: &mut Book, fd: i32, number: u32) -> Result<()> {
    let what = format_args!("cannot tell which locks descriptor {fd} holds");
    fdinfo::lines(fd, what, &mut |line| {
        let Some(lock) = after(line, b"lock:") else {
            return Ok(());
        };
        match parse(lock, number) {
            Some(lock) => book.add_lock(lock),
            None => Err(refused(fd, format_args!("{}", Unknown(lock)))),
        }
    })
}

/// `1: POSIX  ADVISORY  WRITE 4711 fd:00:815 0 EOF`, as in /proc/locks.
fn parse(line: &[u8], file: u32) -> Option<Lock> {
    let mut words = words(line).skip(1);
    let kind = match words.next()? {
        b"POSIX" => lock_kind::PROCESS,
        b"OFDLCK" => lock_kind::DESCRIPTION,
        b"FLOCK" => lock_kind::WHOLE,
        b"LEASE" => lock_kind::LEASE,
        _ => return None,
    };
    let (state, lease) = (words.next()?, kind == lock_kind::LEASE);
    if state != if lease { &b"ACTIVE"[..] } else { b"ADVISORY" } {
        return None;
    }
    let exclusive = match words.next()? {
        b"READ" => 0,
        b"WRITE" => 1,
        _ => return None,
    };
    // The process and the file are known.
    let mut range = words.skip(2);
    let (start, _) = decimal(range.next()?)?;
    let end = match range.next()? {
        b"EOF" => END,
        number => decimal(number)?.0,
    };
    Some(Lock {
        file,
        kind,
        exclusive,
        start,
        end,
    })
}

fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|&b| b == b' ' || b == b'\t')
        .filter(|word| !word.is_empty())
}

/// Says what a lock that is not understood is.
struct Unknown<'a>(&'a [u8]);

impl core::fmt::Display for Unknown<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match words(self.0).nth(1) {
            Some(b"LEASE") => f.write_str("file lease that is being broken"),
            Some(other) => write!(f, "file lock {}", Show(other)),
            None => f.write_str("file lock"),
        }
    }
}

fn take(fd: i32, lock: &Lock) -> SysResult<()> {
    let exclusive = lock.exclusive != 0;
    match lock.kind {
        lock_kind::WHOLE => fs::lock_whole(fd, exclusive),
        lock_kind::LEASE => fs::control(fd, F_SETLEASE, usize::from(exclusive)).map(drop),
        kind => {
            let of_description = kind == lock_kind::DESCRIPTION;
            fs::lock_range(fd, of_description, exclusive, lock.start, lock.end)
        }
    }
}

/// Takes the process's locks again, where a descriptor was closed in between: with any descriptor of
/// a file all of the process's locks on it go (fcntl(2)). Those on files without a name, whose
/// contents were read so, nobody can have taken meanwhile, for nobody else has the file.
pub(super) fn take_again(book: &Book) -> Result<()> {
    for lock in book.locks().iter().filter(|l| l.kind == lock_kind::PROCESS) {
        if let Some(known) = book.files().get(lock.file as usize) {
            take(known.fd, lock).or_fail(format_args!("descriptor {}: lost its lock", known.fd))?;
        }
    }
    Ok(())
}

/// Takes those of the image's locks that are `wanted`; `place` has a descriptor for each file.
pub(super) fn restore(
    image: &Image<'_>,
    place: impl Fn(u32) -> Option<i32>,
    wanted: impl Fn(&Lock) -> bool,
) -> Result<()> {
    for lock in image.list::<Lock>(kind::LOCKS).filter(wanted) {
        let Some(fd) = place(lock.file) else {
            fail!("{}: a lock on a file that is not open", image.path);
        };
        take(fd, &lock).map_err(|e| told(image, &lock, e))?;
    }
    Ok(())
}

#[cold]
fn told(image: &Image<'_>, lock: &Lock, e: Errno) -> Error {
    let fd = image
        .descriptors()
        .find(|d| d.file == lock.file)
        .map_or(0, |d| d.fd);
    let file = image.files().nth(lock.file as usize);
    let path = Show(file.map_or(&[], |file| file.path));
    let range = Range(lock);
    match e {
        Errno::AGAIN if lock.kind == lock_kind::LEASE => Error::new(format_args!(
            "descriptor {fd}: no lease on {path}, which is open elsewhere"
        )),
        Errno::AGAIN | Errno::ACCES => Error::new(format_args!(
            "descriptor {fd}: {path} is locked by another process{range}"
        )),
        _ => Error::new(format_args!("descriptor {fd}: cannot lock {path}: {e}")),
    }
}

/// Says which bytes, if it is not the whole file.
struct Range<'a>(&'a Lock);

impl core::fmt::Display for Range<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match (self.0.start, self.0.end) {
            (0, END) => Ok(()),
            (start, END) => write!(f, " (from byte {start})"),
            (start, end) => write!(f, " (bytes {start} to {end})"),
        }
    }
}
