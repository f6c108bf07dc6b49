//! Open file descriptions while they are being collected.
#![expect(
    unsafe_code,
    reason = "vouches that a record of integers may be all zeroes"
)]

use ckpt_format::limits;
use ckpt_format::record::{Descriptor, File, Lock, Notice, Packet, TimerFd, Watch};

use super::queue::Messages;
use crate::error::Result;
use crate::util::arena::Plain;
use crate::util::list::List;

/// A description, with its path kept elsewhere.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    /// The lowest descriptor of it.
    pub(super) fd: i32,
    pub(super) kind: u32,
    pub(super) flags: u32,
    pub(super) stream: u32,
    pub(super) mode: u32,
    pub(super) pos: u64,
    pub(super) dev: u64,
    pub(super) ino: u64,
    pub(super) rdev: u64,
    pub(super) size: u64,
    pub(super) owner: i32,
    pub(super) owner_signal: i32,
    pub(super) mtime: i64,
    path_at: usize,
    path_len: usize,
}

// SAFETY: a record of integers.
unsafe impl Plain for Known {}

/// What an inotify instance watches, while its path is looked for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Watched {
    pub(super) file: u32,
    pub(super) wd: u32,
    pub(super) mask: u32,
    pub(super) ino: u64,
    /// As the kernel has it: major and minor number of 12 and 20 bits.
    pub(super) device: u64,
    pub(super) path_at: usize,
    /// Zero until it is found.
    pub(super) path_len: usize,
}

// SAFETY: a record of integers.
unsafe impl Plain for Watched {}

/// All descriptions and descriptors.
#[derive(Debug)]
pub(super) struct Book {
    files: List<Known>,
    descriptors: List<Descriptor>,
    paths: List<u8>,
    locks: List<Lock>,
    packets: List<Packet>,
    watches: List<Watch>,
    timers: List<TimerFd>,
    watched: List<Watched>,
    messages: Messages,
}

impl Book {
    pub(super) fn new() -> Self {
        // Address space only; a path of usual length each.
        let most = limits::DESCRIPTORS as usize;
        Self {
            files: List::new(most),
            descriptors: List::new(most),
            paths: List::new(most * 256),
            locks: List::new(limits::LOCKS as usize),
            packets: List::new(limits::PACKETS as usize),
            watches: List::new(limits::WATCHES as usize),
            timers: List::new(most),
            watched: List::new(limits::WATCHES as usize),
            messages: Messages::new(),
        }
    }

    /// Adds a description; tells its number.
    pub(super) fn add(&mut self, file: &File<'_>, fd: i32) -> Result<u32> {
        let path_at = self.paths.as_slice().len();
        self.paths.append(file.path)?;
        self.files.push(Known {
            fd,
            kind: file.kind,
            flags: file.flags,
            stream: file.stream,
            mode: file.mode,
            pos: file.pos as u64,
            dev: file.dev,
            ino: file.ino,
            rdev: file.rdev,
            size: file.size,
            owner: file.owner,
            owner_signal: file.owner_signal,
            mtime: file.mtime,
            path_at,
            path_len: file.path.len(),
        })?;
        Ok(self.files.as_slice().len() as u32 - 1)
    }

    /// Notes how much is in a description.
    pub(super) fn measured(&mut self, n: usize, filled: u64) {
        if let Some(known) = self.files.as_mut_slice().get_mut(n) {
            (known.pos, known.size) = (filled, filled);
        }
    }

    /// Notes that it may change while the program is not there.
    pub(super) fn may_change(&mut self, n: usize) {
        if let Some(known) = self.files.as_mut_slice().get_mut(n) {
            known.mtime = 0;
        }
    }

    /// Notes what `rdev` has to tell of a description.
    pub(super) fn mark(&mut self, n: usize, rdev: u64) {
        if let Some(known) = self.files.as_mut_slice().get_mut(n) {
            known.rdev = rdev;
        }
    }

    pub(super) fn add_descriptor(&mut self, fd: i32, file: u32, cloexec: bool) -> Result<()> {
        self.descriptors.push(Descriptor {
            fd: fd as u32,
            file,
            cloexec: u32::from(cloexec),
        })
    }

    pub(super) fn add_lock(&mut self, lock: Lock) -> Result<()> {
        self.locks.push(lock)
    }

    pub(super) fn locks(&self) -> &[Lock] {
        self.locks.as_slice()
    }

    pub(super) fn add_packet(&mut self, packet: Packet) -> Result<()> {
        self.packets.push(packet)
    }

    pub(super) fn packets(&self) -> &[Packet] {
        self.packets.as_slice()
    }

    pub(super) fn add_watch(&mut self, watch: Watch) -> Result<()> {
        self.watches.push(watch)
    }

    pub(super) fn watches(&self) -> &[Watch] {
        self.watches.as_slice()
    }

    pub(super) fn watches_mut(&mut self) -> &mut [Watch] {
        self.watches.as_mut_slice()
    }

    pub(super) fn add_timer(&mut self, timer: TimerFd) -> Result<()> {
        self.timers.push(timer)
    }

    pub(super) fn timers(&self) -> &[TimerFd] {
        self.timers.as_slice()
    }

    /// Adds a watch of the last instance, in the order of numbers.
    pub(super) fn add_watched(&mut self, watched: Watched) -> Result<()> {
        self.watched.push(watched)?;
        let all = self.watched.as_mut_slice();
        let mut at = all.len() - 1;
        while let Some([before, this]) = at.checked_sub(1).and_then(|from| all.get_mut(from..=at)) {
            if (before.file, before.wd) < (this.file, this.wd) {
                break;
            }
            core::mem::swap(before, this);
            at -= 1;
        }
        Ok(())
    }

    pub(super) fn watched(&self) -> &[Watched] {
        self.watched.as_slice()
    }

    /// Notes the path of what has this inode and device and has none yet; tells how many they were.
    pub(super) fn found(&mut self, numbers: (u64, u64), path: &[u8], mask: u32) -> Result<usize> {
        let path_at = self.paths.as_slice().len();
        let mut count = 0;
        for watched in self.watched.as_mut_slice() {
            if (watched.ino, watched.device) == numbers && watched.path_len == 0 {
                watched.mask |= mask;
                (watched.path_at, watched.path_len) = (path_at, path.len());
                count += 1;
            }
        }
        if count > 0 {
            self.paths.append(path)?;
        }
        Ok(count)
    }

    /// The record as it goes into the image.
    pub(super) fn notice_of(&self, watched: &Watched) -> Notice<'_> {
        Notice {
            file: watched.file,
            wd: watched.wd,
            mask: watched.mask,
            path: self.text(watched.path_at, watched.path_len),
        }
    }

    fn text(&self, at: usize, len: usize) -> &[u8] {
        let from = self.paths.as_slice().get(at..).unwrap_or(&[]);
        from.get(..len).unwrap_or(&[])
    }

    pub(super) fn messages(&self) -> &Messages {
        &self.messages
    }

    pub(super) fn messages_mut(&mut self) -> &mut Messages {
        &mut self.messages
    }

    pub(super) fn files(&self) -> &[Known] {
        self.files.as_slice()
    }

    pub(super) fn descriptors(&self) -> &[Descriptor] {
        self.descriptors.as_slice()
    }

    pub(super) fn path(&self, known: &Known) -> &[u8] {
        self.text(known.path_at, known.path_len)
    }

    pub(super) fn paths_len(&self) -> usize {
        self.paths.as_slice().len()
    }

    /// The record as it goes into the image.
    pub(super) fn record(&self, known: &Known) -> File<'_> {
        File {
            kind: known.kind,
            flags: known.flags,
            stream: known.stream,
            mode: known.mode,
            pos: known.pos as i64,
            dev: known.dev,
            ino: known.ino,
            rdev: known.rdev,
            size: known.size,
            owner: known.owner,
            owner_signal: known.owner_signal,
            mtime: known.mtime,
            path: self.path(known),
        }
    }
}
