//! Open files: the descriptors, which of them share an offset, and where each file is found again.

mod apart;
mod classify;
mod collect;
mod contents;
mod epoll;
mod eventfd;
mod fdinfo;
mod fifo;
mod held;
mod inotify;
mod install;
mod kinds;
mod known;
mod locks;
mod memfd;
mod open;
mod packets;
mod parking;
mod pidfd;
mod pipe;
mod pty;
mod queue;
mod remake;
mod removed;
mod saved;
mod search;
mod signalfd;
mod socket;
mod stream;
mod task;
mod terminal;
mod timerfd;

use ckpt_format::record::{File, Notice};
use ckpt_format::toc::kind;

pub use apart::restore as restore_own;
pub use collect::collect;
pub use open::{Opened, changed, open};
pub use saved::will_be_back;
pub use search::beside;
pub use stream::{has_other_root, note as note_streams};
pub use task::restore as restore_tasks;
pub use terminal::restore as restore_terminals;

use crate::error::Result;
use crate::image::output::Output;
use crate::sys::fs;
use crate::util::arena::Arena;
use crate::util::text::{ShortText, Words, before};

/// fcntl(2) commands.
const F_GETFD: u32 = 1;
const F_SETFD: u32 = 2;
const F_GETFL: u32 = 3;
const F_SETFL: u32 = 4;
const F_SETOWN: u32 = 8;
const F_SETSIG: u32 = 10;
const F_GETSIG: u32 = 11;
const F_DUPFD_CLOEXEC: u32 = 1030;
const F_SETPIPE_SZ: u32 = 1031;
const F_GETPIPE_SZ: u32 = 1032;
/// The one descriptor flag.
const FD_CLOEXEC: usize = 1;

/// Flag of open(2): signals when something happens.
const O_ASYNC: u32 = 0o20_000;

/// Types of files in `st_mode`.
const S_IFMT: u32 = 0o170_000;
const S_IFIFO: u32 = 0o010_000;
const S_IFCHR: u32 = 0o020_000;
const S_IFDIR: u32 = 0o040_000;
const S_IFBLK: u32 = 0o060_000;
const S_IFREG: u32 = 0o100_000;
const S_IFSOCK: u32 = 0o140_000;

/// What a descriptor is a link from in /proc.
#[inline(never)]
fn proc_link(fd: i32) -> ShortText {
    ShortText::format(format_args!("/proc/thread-self/fd/{fd}"))
}

/// The usual path of a character device without a state of its own.
fn plain_device(rdev: u64) -> Option<&'static [u8]> {
    const PATHS: Words = Words("/dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty");
    // Small major and minor numbers as they are in `st_rdev`.
    const NUMBERS: [u64; 6] = [0x103, 0x105, 0x107, 0x108, 0x109, 0x500];
    PATHS.get(NUMBERS.iter().position(|&number| number == rdev)?)
}

/// All open files of the process.
///
/// While this lives, what was noted of the standard streams is put aside: an image must not hold
/// it, since a restored program has other ones.
#[derive(Debug)]
pub struct Files {
    book: known::Book,
    sockets: socket::Sockets,
    terminals: terminal::Terminals,
    streams: crate::config::Streams,
    apart: apart::Apart,
}

impl Files {
    /// The number of the file without a name, with this inode, that a mapping shows: `dev` is its
    /// device as /proc has it in maps, `name` what it has for a name.
    #[must_use]
    pub fn shown(&self, dev: u64, ino: u64, name: &[u8]) -> Option<u32> {
        // Memory files and each tmpfs count inodes for themselves, so the number alone is not
        // enough; the device of a file is not that of its file system everywhere (btrfs).
        let same = |known: &known::Known| {
            known.ino == ino
                && self.book.record(known).is_nameless()
                && (fs::device(known.dev) == dev
                    || before(name, b" (deleted)") == Some(self.book.path(known)))
        };
        let number = self.book.files().iter().position(same)?;
        Some(number as u32)
    }

    /// Writes the sections: descriptions, their descriptors and locks, packets in pipes, what
    /// epoll instances watch.
    #[inline(never)]
    pub fn write(&self, out: &mut Output<'_>) -> Result<()> {
        let files = self.book.files();
        // A file's fields without the path are 72 bytes.
        let most = 4 + files.len() * 80 + self.book.paths_len();
        out.section(kind::FILES, most, |w| {
            w.put(&(files.len() as u32));
            for known in files {
                w.put::<File<'_>>(&self.book.record(known));
            }
        })?;
        out.list(kind::DESCRIPTORS, self.book.descriptors())?;
        out.list(kind::OWN_DESCRIPTORS, self.apart.all())?;
        out.list(kind::LOCKS, self.book.locks())?;
        out.list(kind::PACKETS, self.book.packets())?;
        out.list(kind::WATCHES, self.book.watches())?;
        out.list(kind::TIMERFDS, self.book.timers())?;
        self.book.messages().write(out)?;
        self.terminals.write(out)?;
        let notices = self.book.watched();
        // A notice's fields without the path are 16 bytes.
        let paths: usize = notices.iter().map(|notice| notice.path_len).sum();
        out.section(kind::NOTICES, 4 + notices.len() * 16 + paths, |w| {
            w.put(&(notices.len() as u32));
            for notice in notices {
                w.put::<Notice<'_>>(&self.book.notice_of(notice));
            }
        })?;
        self.sockets.write(out)
    }

    /// Puts the contents of files without a name among the image's pages.
    pub fn write_contents(&self, arena: &Arena, out: &mut Output<'_>) -> Result<()> {
        let written =
            contents::write(&self.book, arena, out).and_then(|()| self.sockets.write_contents(out));
        // The program goes on in any case.
        locks::take_again(&self.book)?;
        written
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        stream::put_back(self.streams);
    }
}
