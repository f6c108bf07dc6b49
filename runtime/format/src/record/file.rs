//! Open files.

use crate::codec::record;
use crate::{DecodeError, limits};

/// Values of [`File::kind`].
pub mod file_kind {
    /// A regular file, reopened by its path.
    pub const REGULAR: u32 = 0;
    /// A directory, reopened by its path.
    pub const DIRECTORY: u32 = 1;
    /// A character device that has no state of its own (/dev/null and the like), or /dev/tty.
    pub const DEVICE: u32 = 2;
    /// A standard stream, or another terminal, pipe or socket that the program was started with:
    /// becomes the restoring command's descriptor `stream`.
    pub const STREAM: u32 = 3;
    /// A regular file without a name, its contents in the image; a directory that was removed.
    pub const DELETED: u32 = 4;
    /// An O_PATH descriptor, reopened by its path.
    pub const PATH: u32 = 5;
    /// An end of a pipe whose other end the process has, too, or nobody; what is in it is in the
    /// image.
    pub const PIPE: u32 = 6;
    /// A counter of eventfd(2).
    pub const EVENTFD: u32 = 7;
    /// An epoll instance; what it watches is in the watches section.
    pub const EPOLL: u32 = 8;
    /// A memory file, memfd_create(2), with its contents in the image.
    pub const MEMORY: u32 = 9;
    /// An end of a FIFO, opened by its path; what is unread in it is in the image.
    pub const FIFO: u32 = 10;
    /// An inotify instance; what it watches is in the section of notices.
    pub const INOTIFY: u32 = 11;
    /// A socket; the rest of it is in the section of sockets.
    pub const SOCKET: u32 = 16;
    /// Signals to read, signalfd(2).
    pub const SIGNALFD: u32 = 17;
    /// The process itself, pidfd_open(2).
    pub const PIDFD: u32 = 18;
    /// A timer, timerfd_create(2).
    pub const TIMERFD: u32 = 19;
    /// A POSIX message queue, opened by its name; if it has lost that, its messages are in the image.
    pub const QUEUE: u32 = 20;
    /// The last of them; 12 to 15 are none.
    pub const LAST: u32 = QUEUE;
    /// A terminal that the program opened by name, which is the one at `stream`, or its controlling
    /// one: becomes that of the restoring command.
    pub const TERMINAL: u32 = 23;
    /// The master of a pseudoterminal whose number is `size`.
    pub const MASTER: u32 = 24;
    /// The slave of a pseudoterminal whose number is `size`; its master is in the image, or nowhere.
    pub const SLAVE: u32 = 25;
}

/// Bits of [`File::rdev`] of a FIFO.
pub mod fifo {
    /// An end for reading, and since it is open nobody has had the other: whoever asks is not told
    /// of a hang-up.
    pub const UNWRITTEN: u64 = 1;
    /// It has no name any more.
    pub const NAMELESS: u64 = 2;
}

/// O_CREAT, O_EXCL, O_NOCTTY and O_TRUNC: they act when a file is opened and are not kept
/// (do_dentry_open, fs/open.c), so F_GETFL never shows them. An image with one of them would
/// change files when it is restored.
const ONCE: u32 = 0o1700;
const O_EXCL: u32 = 0o200;

/// The type of a file in `mode`, and that of a directory.
const S_IFMT: u32 = 0o170_000;
const S_IFDIR: u32 = 0o040_000;

fn is_kind(kind: u32) -> bool {
    kind <= file_kind::INOTIFY
        || (file_kind::SOCKET..=file_kind::LAST).contains(&kind)
        || (file_kind::TERMINAL..=file_kind::SLAVE).contains(&kind)
}

record! {
    /// An open file description: what dup'ed descriptors share. Its number is its place.
    File<'a> {
        /// One of [`file_kind`].
        kind: u32,
        /// O_* flags as F_GETFL gives them.
        flags: u32,
        /// For [`file_kind::STREAM`], whose descriptor it becomes; for [`file_kind::TERMINAL`], whose
        /// terminal; else zero.
        stream: u32,
        /// File type and permissions, as `st_mode`.
        mode: u32,
        /// Read and write position, bytes (a directory's is the file system's own); of a pipe,
        /// FIFO or socket, bytes that are in it; of an eventfd, 1 if it is a semaphore.
        pos: i64,
        /// Device, as `st_dev`.
        dev: u64,
        /// Inode.
        ino: u64,
        /// Device number of a device file, as `st_rdev`; of a memory file, its seals (F_SEAL_*);
        /// of a FIFO, bits of [`fifo`]; of a regular file, 1 if its contents are in the image.
        rdev: u64,
        /// Size, bytes; of a pipe or FIFO, bytes that fit into it; of an eventfd, its value; of a socket, as
        /// `pos`; of an inotify instance, bytes of events that are lost; of a signalfd, the signals, one a bit; of a pseudoterminal, its
        /// number.
        size: u64,
        /// Signal-driven I/O: owner as F_GETOWN gives it.
        owner: i32,
        /// Signal-driven I/O: signal as F_GETSIG gives it.
        owner_signal: i32,
        /// Time of last modification, nanoseconds since 1970, of a regular file that the program only
        /// reads; else zero.
        mtime: i64,
        /// Path; of a deleted file, the one it last had; of a memory file, its name.
        path: &'a [u8],
    }
}

/// Most bytes that fit into a pipe: F_SETPIPE_SZ takes no more (fs/pipe.c, round_pipe_size).
const PIPE: u64 = 1 << 31;

impl File<'_> {
    /// True if it has no name, so that its contents are in the image and it can be mapped.
    #[must_use]
    pub fn is_nameless(&self) -> bool {
        matches!(self.kind, file_kind::DELETED | file_kind::MEMORY) && !self.is_removed()
    }

    /// True if it is a directory that was removed.
    #[must_use]
    pub fn is_removed(&self) -> bool {
        self.kind == file_kind::DELETED && self.mode & S_IFMT == S_IFDIR
    }

    /// True if it has a name and its contents are in the image nevertheless.
    #[must_use]
    pub fn is_saved(&self) -> bool {
        self.kind == file_kind::REGULAR && self.rdev != 0
    }

    /// True if it is an end of a pipe, with a name or without.
    #[must_use]
    pub fn is_pipe(&self) -> bool {
        matches!(self.kind, file_kind::PIPE | file_kind::FIFO)
    }

    /// Checks kind, flags, stream and path.
    pub fn check(&self) -> Result<(), DecodeError> {
        let stream = [file_kind::STREAM, file_kind::TERMINAL].contains(&self.kind);
        // There it tells that it means a thread.
        let once = if self.kind == file_kind::PIDFD {
            ONCE & !O_EXCL
        } else {
            ONCE
        };
        let known = is_kind(self.kind)
            && self.stream < if stream { limits::DESCRIPTORS } else { 1 }
            && self.flags & once == 0
            && (0..=64).contains(&self.owner_signal);
        let path = self.path.len() <= limits::PATH
            && !self.path.contains(&0)
            && (self.path.first() == Some(&b'/')
                || stream
                || self.kind >= file_kind::PIPE
                    && ![file_kind::FIFO, file_kind::QUEUE].contains(&self.kind));
        let within = match self.kind {
            file_kind::PIPE | file_kind::SOCKET | file_kind::FIFO => {
                self.size <= PIPE
                    && self.pos.unsigned_abs() <= self.size
                    && (self.kind != file_kind::FIFO || self.rdev < 1 << 2)
            }
            file_kind::REGULAR => self.rdev <= 1,
            file_kind::QUEUE => {
                // HARD_MSGMAX and HARD_MSGSIZEMAX of linux/ipc_namespace.h.
                let shape = (1..=65_536).contains(&self.pos) && (1..=1 << 24).contains(&self.size);
                self.rdev <= 1 && shape
            }
            // Those that fcntl(2) knows.
            file_kind::MEMORY => self.rdev < 1 << 6,
            // The largest value is one that no write(2) makes.
            file_kind::EVENTFD => self.size < u64::MAX && self.pos <= 1,
            file_kind::MASTER | file_kind::SLAVE => self.size < limits::PTYS,
            _ => true,
        };
        if known && path && within && self.pos >= 0 {
            Ok(())
        } else {
            Err(DecodeError::Value("open file"))
        }
    }
}

record! {
    /// A descriptor.
    Descriptor {
        /// Its number.
        fd: u32,
        /// Place of its description in the files section.
        file: u32,
        /// 1 if closed by exec.
        cloexec: u32,
    }
}

impl Descriptor {
    /// Checks that the number lies above those before and that the description exists.
    pub fn check(&self, floor: u32, files: u32) -> Result<(), DecodeError> {
        let number = self.fd >= floor && self.fd < limits::DESCRIPTORS;
        if number && self.file < files && self.cloexec <= 1 {
            Ok(())
        } else {
            Err(DecodeError::Value("descriptor"))
        }
    }
}

/// Values of [`Lock::kind`]: whose the lock is.
pub mod lock_kind {
    /// The process's, F_SETLK.
    pub const PROCESS: u32 = 0;
    /// The description's, F_OFD_SETLK.
    pub const DESCRIPTION: u32 = 1;
    /// The description's and the whole file's, flock(2).
    pub const WHOLE: u32 = 2;
    /// A lease of the description's, F_SETLEASE: the holder is told before others open the file.
    pub const LEASE: u32 = 3;
}

record! {
    /// A lock that is held through an open file.
    Lock {
        /// Place of the file in the files section.
        file: u32,
        /// One of [`lock_kind`].
        kind: u32,
        /// 1 if it keeps all others out, 0 if it keeps writers out.
        exclusive: u32,
        /// First byte.
        start: u64,
        /// Last byte; 2^63 - 1 for whatever the file's end is.
        end: u64,
    }
}

impl Lock {
    /// Checks that the open file exists, the kind and the range.
    pub fn check(&self, files: u32) -> Result<(), DecodeError> {
        const LAST: u64 = i64::MAX.cast_unsigned();
        let range = self.start <= self.end
            && self.end <= LAST
            && (self.kind < lock_kind::WHOLE || (self.start, self.end) == (0, LAST));
        if self.file < files && self.kind <= lock_kind::LEASE && self.exclusive <= 1 && range {
            Ok(())
        } else {
            Err(DecodeError::Value("file lock"))
        }
    }
}

record! {
    /// Bytes in a pipe that one read takes and nothing else with them: a packet, as O_DIRECT makes
    /// them. All other bytes in pipes are streams.
    Packet {
        /// Place of the pipe's first open file in the files section.
        file: u32,
        /// Length, bytes.
        len: u32,
        /// How many bytes come before it in the pipe.
        at: u64,
    }
}

impl Packet {
    /// Checks that it lies behind what ended at byte `floor` and is within a page.
    pub fn check(&self, floor: u64) -> Result<(), DecodeError> {
        let len = 1..=crate::header::PAGE_SIZE;
        if self.at >= floor && len.contains(&self.len) {
            Ok(())
        } else {
            Err(DecodeError::Value("packet in a pipe"))
        }
    }

    /// The byte behind it.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.at.saturating_add(u64::from(self.len))
    }
}

record! {
    /// What an epoll instance watches, as epoll_ctl(2) was told.
    Watch {
        /// Place of the epoll instance in the files section.
        file: u32,
        /// The number by which the file was given, which by now may be closed or another file's.
        fd: u32,
        /// Place of the file in the files section.
        target: u32,
        /// EPOLL* bits as /proc shows them: without EPOLLERR and EPOLLHUP, a one-shot watch that
        /// has fired.
        events: u32,
        /// What the program gets with an event.
        data: u64,
        /// 1 if an edge has come and was not reported yet.
        due: u32,
    }
}

impl Watch {
    /// Checks that the files exist; `floor` is the place of the epoll instance before.
    pub fn check(&self, floor: u32, files: u32) -> Result<(), DecodeError> {
        let fits = (floor..files).contains(&self.file) && self.target < files;
        if fits && self.target != self.file && self.fd < limits::DESCRIPTORS && self.due <= 1 {
            Ok(())
        } else {
            Err(DecodeError::Value("watch of an epoll instance"))
        }
    }
}

record! {
    /// A run of pages of a deleted file or of a shared object; the pages follow those of the
    /// mappings in the section of pages.
    Content {
        /// 0: an open file, 1: a shared object.
        of: u32,
        /// Place of the file, or number of the object.
        index: u32,
        /// Offset in it, bytes, page-aligned.
        offset: u64,
        /// Number of pages.
        pages: u32,
        /// [`crate::crc::pages`] of them.
        crc: u32,
    }
}

impl Content {
    /// Checks alignment and size.
    pub fn check(&self) -> Result<(), DecodeError> {
        let pages = self.pages > 0 && self.pages <= limits::RUN_PAGES;
        if self.of <= 1 && pages && super::page_aligned(self.offset) && self.offset < 1 << 62 {
            Ok(())
        } else {
            Err(DecodeError::Value("content run"))
        }
    }

    /// Bytes in the run.
    #[must_use]
    pub fn len(&self) -> u64 {
        u64::from(self.pages).saturating_mul(u64::from(crate::header::PAGE_SIZE))
    }

    /// Never true of a checked run.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pages == 0
    }
}

record! {
    /// A timer with a descriptor, as fdinfo of /proc tells of it.
    TimerFd {
        /// Place of its open file in the files section.
        file: u32,
        /// Which clock, as timerfd_create(2) takes it.
        clock: u32,
        /// How it was set, as timerfd_settime(2) takes it: 1 TFD_TIMER_ABSTIME, 2
        /// TFD_TIMER_CANCEL_ON_SET.
        flags: u32,
        /// How often it has fired since it was read.
        ticks: u64,
        /// Interval: seconds and nanoseconds.
        interval: [u64; 2],
        /// When it fires next, seconds and nanoseconds: from now, or by its clock if it is
        /// absolute; zero if it does not.
        value: [u64; 2],
    }
}

impl TimerFd {
    /// Checks what the kernel would.
    pub fn check(&self) -> Result<(), DecodeError> {
        let clock = [0, 1, 7, 8, 9].contains(&self.clock);
        if clock && self.flags <= 3 && super::is_time(self.interval) && super::is_time(self.value) {
            Ok(())
        } else {
            Err(DecodeError::Value("timer of a descriptor"))
        }
    }
}

record! {
    /// A message in a POSIX message queue that has no name.
    Queued<'a> {
        /// Place of the queue's first description in the files section.
        file: u32,
        /// Priority.
        priority: u32,
        /// The message.
        text: &'a [u8],
    }
}

impl Queued<'_> {
    /// Checks the priority, and the length against that of the longest message.
    pub fn check(&self, most: u64) -> Result<(), DecodeError> {
        // MQ_PRIO_MAX of linux/mqueue.h.
        const PRIORITIES: u32 = 1 << 15;
        let len = u64::try_from(self.text.len()).unwrap_or(u64::MAX);
        if self.priority < PRIORITIES && len <= most {
            Ok(())
        } else {
            Err(DecodeError::Value("message in a queue"))
        }
    }
}
