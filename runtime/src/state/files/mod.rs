//! Open files: the descriptors, which of them share an offset, and where each file is found again.

mod classify;
mod collect;
mod contents;
mod install;
mod kinds;
mod known;
mod locks;
mod open;
mod packets;
mod parking;
mod pipe;
mod remake;
mod stream;

use ckpt_format::codec::{Field, Writer};
use ckpt_format::record::{File, Packet};
use ckpt_format::toc::kind;

pub use collect::collect;
pub use open::{Opened, open};
pub use stream::note as note_streams;

use crate::error::Result;
use crate::image::output::Output;
use crate::util::arena::Arena;
use crate::util::text::Words;

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
    streams: stream::Streams,
}

impl Files {
    /// Number of descriptions and of descriptors.
    #[must_use]
    pub fn count(&self) -> (u32, u32) {
        let (files, descriptors) = (self.book.files(), self.book.descriptors());
        (files.len() as u32, descriptors.len() as u32)
    }

    /// Does a descriptor lead to the file with this inode?
    #[must_use]
    pub fn leads_to(&self, ino: u64) -> bool {
        self.book
            .files()
            .iter()
            .any(|known| self.book.record(known).ino == ino)
    }

    /// Most bytes that the two sections take.
    #[must_use]
    pub fn bounds(&self) -> (usize, usize) {
        // A file's fields without the path are 72 bytes, a descriptor's 12.
        let (files, descriptors) = self.count();
        (
            4 + files as usize * 80 + self.book.paths_len(),
            4 + descriptors as usize * 12,
        )
    }

    /// Writes the section of descriptions.
    pub fn encode_files(&self, w: &mut Writer<'_>) {
        w.put(&self.count().0);
        for known in self.book.files() {
            w.put::<File<'_>>(&self.book.record(known));
        }
    }

    /// Writes the section of descriptors.
    pub fn encode_descriptors(&self, w: &mut Writer<'_>) {
        w.put(&self.count().1);
        for descriptor in self.book.descriptors() {
            w.put(descriptor);
        }
    }

    /// Most bytes that the section of locks takes.
    #[must_use]
    pub fn locks_bound(&self) -> usize {
        4 + self.book.locks().len() * 28
    }

    /// Writes the section of locks.
    pub fn encode_locks(&self, w: &mut Writer<'_>) {
        w.put(&(self.book.locks().len() as u32));
        for lock in self.book.locks() {
            w.put(lock);
        }
    }

    /// Writes the section of packets in pipes.
    pub fn write_packets(&self, out: &mut Output<'_>) -> Result<()> {
        let packets = self.book.packets();
        out.section(kind::PACKETS, 4 + packets.len() * Packet::SIZE, |w| {
            w.put(&(packets.len() as u32));
            packets.iter().for_each(|packet| w.put(packet));
        })
    }

    /// Puts the contents of files without a name among the image's pages.
    pub fn write_contents(&self, arena: &Arena, out: &mut Output<'_>) -> Result<()> {
        let written = contents::write(&self.book, arena, out);
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
