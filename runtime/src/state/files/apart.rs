//! Descriptors of threads that share them with no other: unshare(2), CLONE_FILES.
#![expect(
    unsafe_code,
    reason = "vouches that a record of integers may be all zeroes"
)]

use ckpt_format::limits;
use ckpt_format::record::{NO_DESCRIPTOR, OwnDescriptor, file_kind};
use ckpt_format::toc::kind;

use super::F_DUPFD_CLOEXEC;
use super::collect::{Collector, numbers};
use super::held::Held;
use super::parking::close_from;
use crate::error::{Context, Error, Result, fail};
use crate::image::input::Image;
use crate::quiesce::Standstill;
use crate::sys::{fs, namespace, process, thread};
use crate::util::arena::Plain;
use crate::util::list::List;
use crate::util::text::{ShortText, after, labelled, octal, split};

const CLONE_FILES: u32 = 0x400;
const O_CLOEXEC: u32 = 0o2_000_000;

// SAFETY: integers.
unsafe impl Plain for OwnDescriptor {}

/// Threads with descriptors of their own. Without kcmp(2) there is no telling; threads hardly ever
/// unshare.
pub(super) fn threads(others: &Standstill) -> Result<List<u32>> {
    const KCMP_FILES: u32 = 2;
    let here = thread::id();
    let mut apart: List<u32> = List::new(limits::DESCRIPTORS as usize);
    for tid in others.records().map(|record| record.tid) {
        if thread::share(here, tid, KCMP_FILES) != Ok(false) {
            continue;
        }
        let same = |&&other: &&u32| thread::share(other, tid, KCMP_FILES) != Ok(false);
        if let Some(other) = apart.as_slice().iter().find(same) {
            fail!("threads {other} and {tid} with descriptors of their own: not carried");
        }
        if tid == process::id() {
            return Err(refused(tid));
        }
        apart.push(tid)?;
    }
    Ok(apart)
}

#[cold]
fn refused(tid: u32) -> Error {
    Error::new(format_args!(
        "thread {tid} with descriptors of its own: not carried"
    ))
}

/// What they have, with copies of what only they have.
#[derive(Debug)]
pub(super) struct Apart {
    all: List<OwnDescriptor>,
    held: Held,
}

impl Apart {
    pub(super) fn new() -> Self {
        Self {
            all: List::new(limits::DESCRIPTORS as usize),
            held: Held::new(),
        }
    }

    pub(super) fn all(&self) -> &[OwnDescriptor] {
        self.all.as_slice()
    }

    /// Those of a thread; refuses it if it has what cannot be made without a descriptor of the
    /// process's.
    #[inline(never)]
    pub(super) fn collect(&mut self, collector: &mut Collector, tid: u32) -> Result<()> {
        // PIDFD_THREAD, since Linux 6.9.
        const THREAD: u32 = 0o200;
        let before = self.all.as_slice().len();
        let of_thread = process::open(tid, THREAD).map_err(|_| refused(tid))?;
        let name = ShortText::format(format_args!("/proc/self/task/{tid}/fd"));
        let folder = fs::open(name.as_c(), fs::O_RDONLY | fs::O_DIRECTORY, 0);
        let folder = folder.map_err(|_| refused(tid))?;
        numbers(&folder, &mut |number| {
            let name = ShortText::format(format_args!("/proc/self/task/{tid}/fd/{number}"));
            if fs::stat(name.as_c()).is_ok_and(|stat| collector.is_locked(&stat)) {
                // Closing the copy would give the process's locks on the file up, fcntl(2).
                return Err(refused(tid));
            }
            let copy = process::fetch(&of_thread, number).map_err(|_| refused(tid))?;
            let (file, new) = collector.under_way(copy.number())?;
            let name = ShortText::format(format_args!("/proc/self/task/{tid}/fdinfo/{number}"));
            let mut room = [0; 1024];
            let text = fs::glance(name.as_c(), &mut room);
            let locked = |line| {
                let lock = after(line, b"lock:").unwrap_or(&[]);
                new && !lock.is_empty() || lock.windows(5).any(|word| word == b"POSIX")
            };
            if new {
                self.held.keep(copy.release())?;
            }
            let known = collector.file(file as usize).map_or(0, |known| known.kind);
            if new && !stands_alone(known) || split(text, b'\n').any(locked) {
                return Err(refused(tid));
            }
            let flags = octal(labelled(text, b"flags:").unwrap_or(&[]));
            self.all.push(OwnDescriptor {
                tid,
                fd: number as u32,
                file,
                cloexec: u32::from(flags & O_CLOEXEC != 0),
            })
        })?;
        if self.all.as_slice().len() == before {
            self.all.push(OwnDescriptor {
                tid,
                fd: NO_DESCRIPTOR,
                file: 0,
                cloexec: 0,
            })?;
        }
        Ok(())
    }
}

/// Is all there is to a description of this kind there when it is opened?
fn stands_alone(kind: u32) -> bool {
    matches!(
        kind,
        file_kind::REGULAR
            | file_kind::DIRECTORY
            | file_kind::PATH
            | file_kind::DEVICE
            | file_kind::PIPE
            | file_kind::FIFO
            | file_kind::SOCKET
            | file_kind::EVENTFD
            | file_kind::SIGNALFD
            | file_kind::PIDFD
            | file_kind::MEMORY
            | file_kind::DELETED
    )
}

/// Gives the calling thread, which was `then`, its own descriptors if it had some. `open` has those
/// of the image's open files.
pub fn restore(image: &Image<'_>, then: u32, open: &[i32]) -> Result<()> {
    let own = || {
        let all = image.list::<OwnDescriptor>(kind::OWN_DESCRIPTORS);
        all.filter(|own| own.tid == then)
    };
    if own().next().is_none() {
        return Ok(());
    }
    let what = format_args!("cannot part a thread's descriptors");
    namespace::leave(CLONE_FILES).or_fail(what)?;
    let own = || own().filter(|own| own.fd != NO_DESCRIPTOR);
    // Copies above all numbers that it is to have, and then all from there.
    let above = own().map(|own| own.fd + 1).max().unwrap_or(0);
    let mut copies: List<i32> = List::new(limits::DESCRIPTORS as usize);
    for OwnDescriptor { file, .. } in own() {
        let fd = open.get(file as usize).copied().unwrap_or(-1);
        let copy = fs::control(fd, F_DUPFD_CLOEXEC, above as usize).or_fail(what)?;
        copies.push(copy as i32)?;
    }
    if above > 0 {
        close_from(0, above - 1);
    }
    for (own, &copy) in own().zip(copies.as_slice()) {
        fs::duplicate_to(copy, own.fd as i32, own.cloexec != 0).or_fail(what)?;
    }
    close_from(above, u32::MAX);
    Ok(())
}
