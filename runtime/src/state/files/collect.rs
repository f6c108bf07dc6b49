//! Finds all descriptors and which of them are one description.

use ckpt_format::limits;
use ckpt_format::record::{File, fifo, file_kind, lock_kind};

use super::apart::{self, Apart};
use super::classify::{Fate, Seen};
use super::kinds::{refuse, refused};
use super::known::{Book, Known};
use super::socket::Sockets;
use super::terminal::Terminals;
use super::{F_GETFD, F_GETFL, F_GETSIG, F_SETSIG, FD_CLOEXEC, Files, O_ASYNC, S_IFMT, S_IFREG};
use super::{
    epoll, eventfd, inotify, locks, memfd, pipe, proc_link, pty, queue, saved, search, signalfd,
    stream, task, timerfd,
};
use crate::error::{Context, Result, fail};
use crate::quiesce::Standstill;
use crate::state::places::Places;
use crate::sys::fs::{self, Fd, Stat};
use crate::sys::{Errno, process, thread};
use crate::util::text::{ShortText, Show, decimal};

/// Descriptors looked for one by one where there is no /proc.
const PROBED: u64 = 4096;

/// All descriptors, and working directories that were removed. To be called while the runtime has
/// none open itself.
pub fn collect(places: &mut Places, others: &Standstill) -> Result<Files> {
    let files = Files {
        apart: Apart::new(),
        book: Book::new(),
        streams: stream::take(),
        sockets: Sockets::new(),
        terminals: Terminals::new(),
    };
    let mut collector = Collector {
        files,
        has_proc: true,
    };
    match fs::open(c"/proc/thread-self/fd", fs::O_RDONLY | fs::O_DIRECTORY, 0) {
        Ok(folder) => collector.listed(&folder)?,
        Err(Errno::NOENT) => collector.probed()?,
        Err(e) => fail!("cannot read /proc/thread-self/fd: {e}"),
    }
    let mut apart = Apart::new();
    for &tid in apart::threads(others)?.as_slice() {
        apart.collect(&mut collector, tid)?;
    }
    collector.files.apart = apart;
    let mut sockets = Sockets::new();
    sockets.collect(&mut collector)?;
    collector.files.sockets = sockets;
    // Ends of pipes may be under way in messages.
    pipe::look(&mut collector.files.book)?;
    saved::mark(&mut collector.files.book);
    epoll::look(&mut collector.files.book)?;
    for spot in places.removed() {
        let name = ShortText::format(format_args!("/proc/self/task/{}/cwd", spot.tid));
        let here = fs::open(name.as_c(), fs::O_PATH | fs::O_DIRECTORY, 0).or_fail(format_args!(
            "cannot look at the working directory of thread {}",
            spot.tid
        ))?;
        spot.removed += collector.under_way(here.number())?.0;
    }
    let files = &mut collector.files;
    files.terminals.collect(&files.book)?;
    search::all(&mut collector.files.book)?;
    Ok(collector.files)
}

/// Gives `take` all descriptors of a directory of /proc that lists them.
pub(super) fn numbers(folder: &Fd, take: &mut dyn FnMut(i32) -> Result<()>) -> Result<()> {
    let mut buffer = [0; 4096];
    loop {
        let got = fs::entries(folder.number(), &mut buffer)
            .or_fail(format_args!("cannot read /proc/thread-self/fd"))?;
        if got == 0 {
            return Ok(());
        }
        for name in fs::names(buffer.get(..got).unwrap_or(&[])) {
            if let Some((number, [])) = decimal(name) {
                take(number as i32)?;
            }
        }
    }
}

/// Finds descriptions.
pub(super) struct Collector {
    files: Files,
    has_proc: bool,
}

impl Collector {
    fn listed(&mut self, folder: &Fd) -> Result<()> {
        let own = folder.number();
        numbers(folder, &mut |fd| {
            if fd == own {
                return Ok(());
            }
            self.descriptor(fd)
        })
    }

    /// A description that is under way in a message, or another thread's, by a descriptor that was
    /// made of it: its number, and whether it was not known before.
    pub(super) fn under_way(&mut self, fd: i32) -> Result<(u32, bool)> {
        let what = format_args!("cannot look at a descriptor in a message");
        let stat = fs::stat_fd(fd).or_fail(what)?;
        let flags = fs::control(fd, F_GETFL, 0).or_fail(what)? as u32;
        let (number, new) = match self.same_as(fd, &stat, flags)? {
            Some(file) => (file, false),
            None => (self.description(fd, stat, flags)?, true),
        };
        let book = &self.files.book;
        if let Some(known) = book.files().get(number as usize)
            && task::is_one(book.path(known))
        {
            // What is sent before there are threads is what stands in for it.
            let shown = Show(book.path(known));
            return Err(refused(fd, format_args!("{shown}, in a message")));
        }
        Ok((number, new))
    }

    /// Has the process locks on a file that a close of any descriptor would give up?
    pub(super) fn is_locked(&self, stat: &Stat) -> bool {
        let book = &self.files.book;
        let mut own = book.locks().iter();
        own.any(|lock| {
            let file = book.files().get(lock.file as usize);
            let here = |file: &Known| (file.dev, file.ino) == (stat.st_dev, stat.st_ino);
            lock.kind == lock_kind::PROCESS && file.is_some_and(here)
        })
    }

    /// The n-th description.
    pub(super) fn file(&self, n: usize) -> Option<Known> {
        self.files.book.files().get(n).copied()
    }

    /// Notes how much is in a description.
    pub(super) fn measured(&mut self, n: usize, filled: u64) {
        self.files.book.measured(n, filled);
    }

    fn probed(&mut self) -> Result<()> {
        const NOFILE: usize = 7;
        self.has_proc = false;
        let (soft, _) = process::limit(NOFILE).or_fail(format_args!("cannot read limit NOFILE"))?;
        for fd in 0..soft.min(PROBED) as i32 {
            if fs::control(fd, F_GETFD, 0).is_ok() {
                self.descriptor(fd)?;
            }
        }
        Ok(())
    }

    fn descriptor(&mut self, fd: i32) -> Result<()> {
        let what = format_args!("cannot look at descriptor {fd}");
        let stat = fs::stat_fd(fd).or_fail(what)?;
        let flags = fs::control(fd, F_GETFL, 0).or_fail(what)? as u32;
        let cloexec = fs::control(fd, F_GETFD, 0).or_fail(what)? & FD_CLOEXEC != 0;
        if fd as u32 >= limits::DESCRIPTORS {
            fail!(
                "descriptor {fd}: numbers above {} are not carried",
                limits::DESCRIPTORS
            );
        }
        let file = match self.same_as(fd, &stat, flags)? {
            Some(file) => file,
            None => self.description(fd, stat, flags)?,
        };
        self.files.book.add_descriptor(fd, file, cloexec)
    }

    /// The number of the description if it is known already.
    fn same_as(&self, fd: i32, stat: &Stat, flags: u32) -> Result<Option<u32>> {
        for (number, known) in (0..).zip(self.files.book.files()) {
            let alike = (known.dev, known.ino) == (stat.st_dev, stat.st_ino)
                && known.flags == flags
                // Each standard stream is its own in the restoring command.
                && (known.kind != file_kind::STREAM || fd > 2);
            if alike && same_description(known.fd, fd)? {
                return Ok(Some(number));
            }
        }
        Ok(None)
    }

    #[inline(never)]
    fn description(&mut self, fd: i32, stat: Stat, flags: u32) -> Result<u32> {
        let mut buffer = [0; 4096];
        let link = if self.has_proc {
            let name = proc_link(fd);
            let link = fs::read_link(name.as_c(), &mut buffer);
            if link == Err(Errno::NAMETOOLONG) {
                return Err(refused(
                    fd,
                    format_args!("file with a path of more than 4095 bytes"),
                ));
            }
            Some(link.or_fail(format_args!("cannot tell what descriptor {fd} is"))?)
        } else {
            None
        };
        let seen = Seen {
            fd,
            stat,
            flags,
            link,
        };
        let fate = seen.fate(self.files.streams)?;
        if fate.kind == file_kind::STREAM {
            let number = self.stream(&seen, &fate)?;
            // A regular file whose name does not lead to it may have some.
            if self.has_proc && stat.st_mode & S_IFMT == S_IFREG {
                locks::collect(&mut self.files.book, fd, number)?;
            }
            return Ok(number);
        }
        if fate.path.is_cut() {
            return Err(refuse(fd, &stat, link));
        }
        let number = self.add(&seen, &fate)?;
        if fate.kind == file_kind::QUEUE {
            queue::collect(&mut self.files.book, fd, number, &stat)?;
        }
        if fate.kind == file_kind::TIMERFD {
            timerfd::collect(&mut self.files.book, fd, number)?;
        }
        if fate.kind == file_kind::INOTIFY {
            inotify::collect(&mut self.files.book, fd, number)?;
        }
        if self.has_proc {
            locks::collect(&mut self.files.book, fd, number)?;
        }
        Ok(number)
    }

    fn stream(&mut self, seen: &Seen<'_>, fate: &Fate) -> Result<u32> {
        // A copy of another is no stream of its own.
        if seen.fd as u32 != fate.stream {
            let of = |known: &Known| (known.kind, known.stream) == (fate.kind, fate.stream);
            if let Some(n) = self.files.book.files().iter().position(of) {
                return Ok(n as u32);
            }
        }
        self.add(seen, fate)
    }

    fn add(&mut self, seen: &Seen<'_>, fate: &Fate) -> Result<u32> {
        let Seen {
            fd, stat, flags, ..
        } = *seen;
        let place_only = flags & fs::O_PATH != 0;
        let (owner, owner_signal) = if place_only {
            (0, 0)
        } else {
            owner(fd, flags)?
        };
        let (pos, size) = match fate.kind {
            file_kind::PATH => (0, stat.st_size as u64),
            file_kind::PIPE | file_kind::FIFO => pipe::measure(fd)?,
            file_kind::EVENTFD => eventfd::measure(fd)?,
            file_kind::QUEUE => queue::measure(fd)?,
            file_kind::INOTIFY => (0, inotify::measure(fd)?),
            file_kind::SIGNALFD => (0, signalfd::mask(fd)?),
            kind @ (file_kind::MASTER | file_kind::SLAVE) => (0, pty::number(fd, kind, &stat)?),
            _ => (fs::seek(fd, 0, SEEK_CUR).unwrap_or(0), stat.st_size as u64),
        };
        let record = File {
            kind: fate.kind,
            flags,
            stream: fate.stream,
            mode: stat.st_mode,
            pos: pos as i64,
            dev: stat.st_dev,
            ino: stat.st_ino,
            rdev: match fate.kind {
                file_kind::MEMORY => memfd::seals(fd),
                file_kind::QUEUE => u64::from(stat.st_nlink == 0),
                file_kind::FIFO if stat.st_nlink == 0 => fifo::NAMELESS,
                _ => stat.st_rdev,
            },
            size,
            owner,
            owner_signal,
            mtime: if fate.kind == file_kind::REGULAR {
                fs::mtime(&stat)
            } else {
                0
            },
            path: fate.path.as_bytes(),
        };
        self.files.book.add(&record, fd)
    }
}

const SEEK_CUR: u32 = 1;

/// Whom the file signals, as F_SETOWN takes it, and with what.
fn owner(fd: i32, flags: u32) -> Result<(i32, i32)> {
    const GROUP: u32 = 2;
    let (of, id) = fs::owner(fd).unwrap_or((0, 0));
    if id == 0 {
        return Ok((0, 0));
    }
    let ours = match of {
        GROUP => id as u32 == process::group(),
        _ => id as u32 == process::id() || id as u32 == thread::id(),
    };
    if !ours && flags & O_ASYNC != 0 {
        return Err(refused(fd, format_args!("signals to process {id}")));
    }
    let signal = fs::control(fd, F_GETSIG, 0).unwrap_or(0) as i32;
    Ok((if of == GROUP { -id } else { id }, signal))
}

/// Are two descriptors of one file one description?
fn same_description(a: i32, b: i32) -> Result<bool> {
    match fs::same_description(thread::id(), a, b) {
        Ok(same) => Ok(same),
        // No CONFIG_KCMP, or a container's filter: a mark on one is seen on the other. The signal
        // of signal-driven I/O is a mark that hardly anything uses and that harms nobody who
        // moves the offset at this moment.
        Err(_) => marks_show(a, b),
    }
}

fn marks_show(a: i32, b: i32) -> Result<bool> {
    /// Ignored unless it is handled.
    const SIGWINCH: usize = 28;
    const SIGURG: usize = 23;
    let (Ok(before), Ok(other)) = (fs::control(a, F_GETSIG, 0), fs::control(b, F_GETSIG, 0)) else {
        // O_PATH descriptors have nothing to share.
        return Ok(false);
    };
    if before != other {
        return Ok(false);
    }
    let mark = if before == SIGWINCH { SIGURG } else { SIGWINCH };
    let what = format_args!("cannot tell whether descriptors {a} and {b} are one");
    fs::control(a, F_SETSIG, mark).or_fail(what)?;
    let shown = fs::control(b, F_GETSIG, 0) == Ok(mark);
    fs::control(a, F_SETSIG, before).or_fail(what)?;
    Ok(shown)
}
