//! Opens the files of an image and checks them.

use ckpt_format::record::{File, Program, file_kind, lock_kind};
use ckpt_format::toc::kind;

use super::parking::Parking;
use super::pipe::Pipes;
use super::pty::Ptys;
use super::remake::{Remade, reopen};
use super::saved::Saved;
use super::{F_GETFL, F_SETFL, F_SETOWN, F_SETSIG};
use super::{O_ASYNC, S_IFMT, plain_device};
use super::{
    contents, epoll, eventfd, inotify, locks, pidfd, queue, removed, signalfd, socket, stream,
    task, timerfd,
};
use crate::allow;
use crate::error::{Context, Error, Result, fail};
use crate::image::input::Image;
use crate::sys::fs::{self, Fd, Stat};
use crate::sys::{Errno, SysResult, process};
use crate::util::arena::Arena;
use crate::util::text::{PathText, Show};

/// Flags that are about the act of opening, not about what is opened.
pub(super) const ACT: u32 = fs::O_CREAT | fs::O_EXCL | fs::O_TRUNC;
const SEEK_SET: u32 = 0;

/// Every file of an image, open, at numbers that the program does not use for something else.
#[derive(Debug)]
pub struct Opened<'a> {
    pub(super) parking: Parking<'a>,
    /// Where each description is kept.
    pub(super) places: &'a [i32],
    remade: Remade<'a>,
    saved: Saved<'a>,
}

impl<'a> Opened<'a> {
    /// Where each description is kept until others than the program's descriptors are closed.
    #[must_use]
    pub fn places(&self) -> &'a [i32] {
        self.places
    }

    /// A file without a name for a mapping of kind `OPEN_FILE` to show.
    pub fn view(&self, image: &Image<'_>, number: u32, writable: bool) -> SysResult<Fd> {
        let file = image.files().nth(number as usize).ok_or(Errno::NOENT)?;
        self.remade.view(&file, writable)
    }

    /// The last step that may fail: files without a name get what would have stood in the way
    /// while they were filled and mapped, others what they had at the checkpoint.
    pub fn finish(&mut self, arena: &Arena, image: &Image<'_>) -> Result<()> {
        self.remade.finish()?;
        // Opening a file for a mapping would have broken a lease. While we have the file open to
        // bring its contents back, there is none to be had.
        let place = |file| self.places.get(file as usize).copied();
        locks::restore(image, place, |lock| {
            let mut files = image.files();
            let of = files.nth(lock.file as usize);
            lock.kind == lock_kind::LEASE && !of.is_some_and(|file| file.is_saved())
        })?;
        self.saved.bring_back(arena, image)
    }
}

/// Opens the files and checks them; nothing of the program is touched, and of the restoring
/// command only the soft limit of open files.
#[inline(never)]
pub fn open<'a>(arena: &'a Arena, image: &Image<'_>) -> Result<Opened<'a>> {
    let count = image.files().count();
    let places = arena.records::<i32>(count)?;
    let first = arena.records::<u32>(count)?;
    first.fill(u32::MAX);
    for descriptor in image.descriptors() {
        if let Some(slot) = first.get_mut(descriptor.file as usize) {
            *slot = descriptor.fd.min(*slot);
        }
    }
    let mut opener = Opener {
        parking: Parking::new(arena, image)?,
        removed: removed::make(arena, image)?,
        remade: Remade::new(arena, count)?,
        saved: Saved::new(arena, count)?,
        pipes: Pipes::new(arena, count)?,
        ptys: Ptys::new(arena, count)?,
        sockets: socket::Made::new(arena, image)?,
        queues: arena.records(count)?,
        program: image.single::<Program<'_>>(kind::PROGRAM).pid,
    };
    for (number, (file, place)) in image.files().zip(places.iter_mut()).enumerate() {
        // One without a descriptor is under way in a message.
        let fd = first.get(number).copied().unwrap_or(u32::MAX);
        *place = opener.one(image, number, fd, &file)?;
    }
    let (remade, pipes, sockets) = (&opener.remade, &opener.pipes, &opener.sockets);
    let place = |n| remade.place(n).or_else(|| pipes.place(n));
    let saved = &mut opener.saved;
    contents::fill(arena, image, |content| {
        let n = content.index;
        place(n)
            .or_else(|| sockets.place(n))
            .or_else(|| saved.place(content))
    })?;
    pipes.finish(image)?;
    opener.ptys.finish(image, places)?;
    sockets.finish(arena, image, places)?;
    for ((file, &place), &fd) in image.files().zip(places.iter()).zip(first.iter()) {
        if fills_late(&file) {
            set_signals(place, fd, &file, opener.program)?;
        }
        set_position(&file, place)?;
    }
    inotify::restore(image, places)?;
    epoll::restore(arena, image, places)?;
    // Taken again after the descriptors are made: closing any descriptor of a file gives the
    // process's locks on it up. What cannot be had is told now.
    let place = |file| places.get(file as usize).copied();
    locks::restore(image, place, |lock| lock.kind != lock_kind::LEASE)?;
    Ok(Opened {
        parking: opener.parking,
        places,
        remade: opener.remade,
        saved: opener.saved,
    })
}

/// Signals of what has contents of its own have to wait until it is filled.
fn fills_late(file: &File<'_>) -> bool {
    file.is_pipe() || file.kind == file_kind::SOCKET
}

struct Opener<'a> {
    parking: Parking<'a>,
    /// Directories that were removed, by the numbers of their descriptions.
    removed: &'a [i32],
    remade: Remade<'a>,
    saved: Saved<'a>,
    pipes: Pipes<'a>,
    ptys: Ptys<'a>,
    sockets: socket::Made<'a>,
    /// Descriptors of message queues that were opened before their turn, plus one.
    queues: &'a mut [i32],
    /// The process id that the image's owners of files are meant by.
    program: u32,
}

impl Opener<'_> {
    #[inline(never)]
    fn one(&mut self, image: &Image<'_>, number: usize, fd: u32, file: &File<'_>) -> Result<i32> {
        let opened = match file.kind {
            file_kind::STREAM => return self.stream(fd, file),
            file_kind::TERMINAL => match open_terminal(file) {
                Some(terminal) => terminal,
                None => return self.stream(fd, file),
            },
            file_kind::MASTER | file_kind::SLAVE => self.ptys.open(number, fd, file)?,
            file_kind::DELETED if file.is_removed() => {
                Fd::own(self.removed.get(number).copied().unwrap_or(-1))
            }
            file_kind::DELETED | file_kind::MEMORY => self.remade.open(number, fd, file)?,
            file_kind::PIPE | file_kind::FIFO => self.pipes.open(number, fd, file)?,
            file_kind::SOCKET => match self.sockets.take(number) {
                Some(socket) => socket,
                None => fail!("descriptor {fd}: cannot make its socket again"),
            },
            file_kind::DEVICE => open_device(fd, file)?,
            file_kind::PATH => open_path(fd, file, &task::name_for_now(image, fd, file.path)?)?,
            file_kind::EVENTFD => eventfd::open(fd, file)?,
            file_kind::EPOLL => epoll::open(fd, file)?,
            file_kind::INOTIFY => inotify::open(fd, file)?,
            file_kind::TIMERFD => timerfd::open(image, number as u32, fd, file)?,
            file_kind::QUEUE => queue::open(image, number, fd, file, self.queues)?,
            file_kind::SIGNALFD => signalfd::open(fd, file)?,
            file_kind::PIDFD => pidfd::open(fd, file)?,
            _ if file.is_saved() => self.saved.open(number, fd, file)?,
            _ => open_named(fd, file, &task::name_for_now(image, fd, file.path)?)?,
        };
        if !fills_late(file) {
            set_signals(opened.number(), fd, file, self.program)?;
        }
        self.parking
            .keep(opened, fd)
            .or_fail(format_args!("descriptor {fd}: no number for it"))
    }

    /// A stream of the restoring command's; /dev/null for a standard one that it does not have.
    fn stream(&mut self, fd: u32, file: &File<'_>) -> Result<i32> {
        let stream = file.stream;
        let what = format_args!("descriptor {fd}: standard stream {stream}");
        let source = stream as i32;
        let here = fs::stat_fd(source);
        if stream <= 2 {
            if here.is_ok() {
                return self.parking.keep_copy(source, fd).or_fail(what);
            }
            let null = fs::open(c"/dev/null", fs::O_RDWR, 0).or_fail(what)?;
            return self.parking.keep(null, fd).or_fail(what);
        }
        // Only of the same kind: a number above 2 may be anything in another command.
        let access = file.flags & fs::O_ACCMODE;
        let now = fs::control(source, F_GETFL, 0).unwrap_or(0) as u32 & fs::O_ACCMODE;
        if here.is_ok_and(|s| s.st_mode & S_IFMT == file.mode & S_IFMT) && now == access {
            return self.parking.keep_copy(source, fd).or_fail(what);
        }
        let orphan = stream::orphan(file.mode, access).or_fail(what)?;
        self.parking.keep(orphan, fd).or_fail(what)
    }
}

pub(super) fn cannot_open(fd: u32, path: &[u8], e: Errno) -> Error {
    Error::new(format_args!(
        "descriptor {fd}: cannot open {}: {e}",
        Show(path)
    ))
}

/// A name for a system call.
pub(super) fn c_path(path: &[u8]) -> PathText {
    let mut text = PathText::new();
    text.push(path);
    text
}

/// A regular file or a directory.
pub(super) fn open_named(fd: u32, file: &File<'_>, path: &PathText) -> Result<Fd> {
    // Looked at first: opening a FIFO that has taken the name would wait, and opening a device
    // may do something.
    let there = fs::stat(path.as_c()).map_err(|e| cannot_open(fd, file.path, e))?;
    check(fd, file, &there)?;
    let opened = open_as(fd, file, path)?;
    let stat = fs::stat_fd(opened.number()).map_err(|e| cannot_open(fd, file.path, e))?;
    check(fd, file, &stat)?;
    Ok(opened)
}

/// Opens a file as it was open, by whatever name it has.
#[inline(never)]
pub(super) fn open_as(fd: u32, file: &File<'_>, name: &PathText) -> Result<Fd> {
    let flags = (file.flags & !ACT) | fs::O_NOCTTY;
    // The path of /proc leads through no link, but a link may have come where the file was.
    fs::open(name.as_c(), flags, 0)
        .or_else(|_| fs::open(name.as_c(), flags & !fs::O_NOFOLLOW, 0))
        .map_err(|e| cannot_open(fd, file.path, e))
}

fn check(fd: u32, file: &File<'_>, there: &Stat) -> Result<()> {
    let shown = Show(file.path);
    if there.st_mode & S_IFMT != file.mode & S_IFMT {
        fail!("descriptor {fd}: {shown} is of another kind now");
    }
    if file.kind != file_kind::REGULAR {
        return Ok(());
    }
    let (then, now) = (file.size, there.st_size as u64);
    if now < then {
        return changed(format_args!(
            "descriptor {fd}: {shown} shrank from {then} to {now} bytes"
        ));
    }
    let (time_then, time_now) = (file.mtime, fs::mtime(there));
    // What has grown has still what the program has seen.
    let same = (there.st_dev, there.st_ino) == (file.dev, file.ino);
    if time_then == 0 || time_then == time_now || same && now > then {
        return Ok(());
    }
    let (before, since) = (time_then / SECOND, time_now / SECOND);
    changed(format_args!(
        "descriptor {fd}: {shown} was changed since the checkpoint (size {then} then, {now} now; modified at {before} then, at {since} now)"
    ))
}

/// Nanoseconds.
const SECOND: i64 = 1_000_000_000;

/// A file is not what it was, which the user may accept.
#[inline(never)]
pub fn changed(what: core::fmt::Arguments<'_>) -> Result<()> {
    if allow::accepts(allow::Kind::Changed, what) {
        Ok(())
    } else {
        Err(Error::new(what))
    }
}

/// A device without state, by its path or where it usually is.
#[inline(never)]
fn open_device(fd: u32, file: &File<'_>) -> Result<Fd> {
    let usual = plain_device(file.rdev).unwrap_or(file.path);
    let is_it = |path: &[u8]| {
        fs::stat(c_path(path).as_c())
            .is_ok_and(|s| s.st_mode & S_IFMT == super::S_IFCHR && s.st_rdev == file.rdev)
    };
    let Some(path) = [file.path, usual].into_iter().find(|path| is_it(path)) else {
        fail!(
            "descriptor {fd}: {} is not there or another device",
            Show(file.path)
        );
    };
    let flags = (file.flags & !ACT & !fs::O_NOFOLLOW) | fs::O_NOCTTY;
    fs::open(c_path(path).as_c(), flags, 0).map_err(|e| cannot_open(fd, path, e))
}

/// A terminal of the restoring command's, as a description of its own: that of the stream, or
/// another one, or the controlling one.
fn open_terminal(file: &File<'_>) -> Option<Fd> {
    let streams = [file.stream, 0, 1, 2].map(|n| n as i32);
    match streams.into_iter().find(|&fd| fs::is_terminal(fd)) {
        Some(fd) => reopen(fd, file.flags).ok(),
        None => fs::open(c"/dev/tty", (file.flags & !ACT) | fs::O_NOCTTY, 0).ok(),
    }
}

/// An O_PATH descriptor, perhaps of a symbolic link.
fn open_path(fd: u32, file: &File<'_>, path: &PathText) -> Result<Fd> {
    let opened =
        fs::open(path.as_c(), file.flags & !ACT, 0).map_err(|e| cannot_open(fd, file.path, e))?;
    let stat = fs::stat_fd(opened.number()).map_err(|e| cannot_open(fd, file.path, e))?;
    check(fd, file, &stat)?;
    Ok(opened)
}

/// Signal-driven I/O.
pub(super) fn set_signals(opened: i32, fd: u32, file: &File<'_>, program: u32) -> Result<()> {
    set_owner(opened, fd, file, program)?;
    if file.flags & O_ASYNC != 0 {
        fs::control(opened, F_SETFL, file.flags as usize)
            .or_fail(format_args!("descriptor {fd}: cannot set up its signals"))?;
    }
    Ok(())
}

/// Signals go to this process, where they went to the old one.
pub(super) fn set_owner(number: i32, fd: u32, file: &File<'_>, program: u32) -> Result<()> {
    let what = format_args!("descriptor {fd}: cannot set up its signals");
    let owner = match file.owner {
        ..0 => -(process::group() as i32),
        owner if owner as u32 == program => process::id() as i32,
        _ => return Ok(()),
    };
    fs::control(number, F_SETOWN, owner as usize).or_fail(what)?;
    fs::control(number, F_SETSIG, file.owner_signal as usize).or_fail(what)?;
    Ok(())
}

/// Where reading and writing goes on.
pub(super) fn set_position(file: &File<'_>, place: i32) -> Result<()> {
    let has_one = matches!(
        file.kind,
        file_kind::REGULAR | file_kind::DIRECTORY | file_kind::DELETED | file_kind::MEMORY
    ) && !file.is_removed();
    if has_one && file.pos != 0 {
        fs::seek(place, file.pos, SEEK_SET).or_fail(format_args!(
            "{}: cannot go to position {}",
            Show(file.path),
            file.pos as u64
        ))?;
    }
    Ok(())
}
