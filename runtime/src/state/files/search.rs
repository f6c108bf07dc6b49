//! Finds paths of inodes: of files that have lost the name by which they were opened, and of what
//! inotify instances watch, of which the kernel tells no more than the numbers to who may not open
//! files by handle (open_by_handle_at(2)).
//!
//! Of the latter first what can be looked at without a trace: the working directory, the program's
//! arguments, the files that it has open, and all directories above. Then directories are read, those
//! nearest to the working directory and to the tops of the file systems first, unless the program
//! would be told of that. Other file systems are left alone: one of a network might not even answer.
#![expect(
    unsafe_code,
    reason = "vouches that a record of integers may be all zeroes"
)]

use super::inotify;
use super::kinds::refused;
use super::known::{Book, Watched};
use super::open::c_path;
use crate::error::{Context, Result};
use crate::sys::fs::{self, Fd};
use crate::util::arena::{Arena, Plain};
use crate::util::list::List;
use crate::util::text::{PathText, after, decimal, find, find_last, split, until_nul};

/// IN_ACCESS, IN_CLOSE_NOWRITE, IN_OPEN: what reading a directory does.
const READING: u32 = 0x31;
const IN_ATTRIB: u32 = 4;
const IN_DONT_FOLLOW: u32 = 0x200_0000;
/// Entries that are looked at: some tenths of a second if they are in memory.
const ENTRIES: usize = 1 << 19;
/// Directories that are read.
const DIRECTORIES: usize = 1 << 15;
/// Bytes of the table of mounts.
const MOUNTS: usize = 256 << 10;
/// Bytes of names of directories to be read.
const NAMES: usize = 8 << 20;

/// Another name of the file with this inode in the directory where it has lost its name `path`; `is_it`
/// tells whether a path leads there.
#[must_use]
pub fn beside(path: &[u8], ino: u64, is_it: impl Fn(&[u8]) -> bool) -> Option<PathText> {
    let folder = c_path(path.get(..find_last(path, b'/')?.max(1))?);
    let flags = fs::O_RDONLY | fs::O_DIRECTORY | fs::O_NONBLOCK;
    let listing = fs::open(folder.as_c(), flags, 0).ok()?;
    let mut buffer = [0; 4096];
    while let Ok(got @ 1..) = fs::entries(listing.number(), &mut buffer) {
        for (_, _, name) in fs::listed(buffer.get(..got)?).filter(|entry| entry.0 == ino) {
            let other = join(folder, name);
            if is_it(other.as_bytes()) {
                return Some(other);
            }
        }
    }
    None
}

fn join(mut folder: PathText, name: &[u8]) -> PathText {
    if folder.as_bytes() != b"/" {
        folder.push(b"/");
    }
    folder.push(name);
    folder
}

/// Finds the paths of all that is watched, or refuses by number.
pub(super) fn all(book: &mut Book) -> Result<()> {
    if book.watched().is_empty() {
        return Ok(());
    }
    let what = format_args!("cannot look for what inotify watches");
    let mut search = Search {
        probe: fs::inotify().or_fail(what)?,
        left: book.watched().len(),
        book,
    };
    search.known_places()?;
    if search.left > 0 && search.book.watched().iter().all(|w| w.mask & READING == 0) {
        search.directories()?;
    }
    let lost = |w: &&Watched| w.path_len == 0;
    let Some(lost) = search.book.watched().iter().find(lost).copied() else {
        return Ok(());
    };
    let fd = search
        .book
        .files()
        .get(lost.file as usize)
        .map_or(-1, |known| known.fd);
    let Watched {
        wd, ino, device, ..
    } = lost;
    let (major, minor) = (device >> 20, device & 0xf_ffff);
    Err(refused(
        fd,
        format_args!(
            "inotify watch {wd}, whose path was not found (inode {ino} of device {major}:{minor})"
        ),
    ))
}

struct Search<'b> {
    book: &'b mut Book,
    /// An instance of our own, which tells of a path what the program's tells of its watch.
    probe: Fd,
    /// How many paths are not known yet.
    left: usize,
}

impl Search<'_> {
    /// Is this one of those that are looked for?
    fn look(&mut self, path: &[u8]) -> Result<()> {
        let name = c_path(path);
        if name.is_cut() || path.is_empty() {
            return Ok(());
        }
        for nofollow in [0, fs::O_NOFOLLOW] {
            let there = fs::open(name.as_c(), fs::O_PATH | nofollow, 0)
                .and_then(|fd| fs::stat_fd(fd.number()));
            let Ok(there) = there else {
                continue;
            };
            let wanted = |w: &Watched| w.path_len == 0 && w.ino == there.st_ino;
            if !self.book.watched().iter().any(wanted) {
                continue;
            }
            let follow = if nofollow == 0 { 0 } else { IN_DONT_FOLLOW };
            self.compare(path, &name, follow)?;
        }
        Ok(())
    }

    /// Asks the kernel for the numbers of a path, and notes it where they are looked for.
    fn compare(&mut self, path: &[u8], name: &PathText, follow: u32) -> Result<()> {
        let Ok(wd) = fs::inotify_watch(self.probe.number(), name.as_c(), IN_ATTRIB | follow) else {
            return Ok(());
        };
        let mut seen = (0, 0);
        inotify::each(self.probe.number(), &mut |_, ino, device, _| {
            seen = (ino, device);
            Ok(())
        })?;
        // Gone already if the file is.
        let _ = fs::inotify_forget(self.probe.number(), wd);
        self.left -= self.book.found(seen, path, follow)?;
        Ok(())
    }

    /// A path and all directories above it.
    fn upwards(&mut self, path: &[u8]) -> Result<()> {
        let mut rest = path;
        while self.left > 0 {
            self.look(rest)?;
            match find_last(rest, b'/') {
                None => return Ok(()),
                Some(0) if rest.len() == 1 => return Ok(()),
                Some(at) => rest = rest.get(..at.max(1)).unwrap_or(&[]),
            }
        }
        Ok(())
    }

    fn known_places(&mut self) -> Result<()> {
        let mut here = PathText::new();
        let mut room = [0; 4096];
        if let Ok(path) = fs::working_directory(&mut room) {
            here.push(path);
        }
        self.upwards(here.as_bytes())?;
        for n in 0..self.book.files().len() {
            let mut path = PathText::new();
            if let Some(known) = self.book.files().get(n) {
                path.push(self.book.path(known));
            }
            if path.as_bytes().first() == Some(&b'/') {
                self.upwards(path.as_bytes())?;
            }
        }
        let arguments = fs::glance(c"/proc/thread-self/cmdline", &mut room);
        for argument in split(arguments, 0) {
            let mut path = PathText::new();
            if argument.first() != Some(&b'/') {
                path.push(here.as_bytes());
                path.push(b"/");
            }
            path.push(argument);
            self.look(path.as_bytes())?;
        }
        Ok(())
    }

    /// Where the file systems begin of which something is looked for, and where the others do.
    fn mounts(&self, walk: &mut Walk<'_>, room: &mut [u8]) -> Result<()> {
        let filled = fs::open(c"/proc/thread-self/mountinfo", fs::O_RDONLY, 0)
            .and_then(|file| fs::read_at(file.number(), room, 0))
            .unwrap_or(0);
        for line in split(room.get(..filled).unwrap_or(&[]), b'\n') {
            // `36 35 98:0 /root /place rw,noatime …`
            let mut words = split(line, b' ').skip(2);
            let device = words.next().and_then(decimal).and_then(|(major, rest)| {
                let (minor, _) = decimal(after(rest, b":")?)?;
                Some(major << 20 | minor)
            });
            let (Some(device), Some(place)) = (device, words.nth(1)) else {
                continue;
            };
            let wanted = |w: &Watched| w.path_len == 0 && w.device == device;
            if self.book.watched().iter().any(wanted) {
                walk.push(place);
            } else {
                walk.skipped.append(place)?;
                walk.skipped.push(0)?;
            }
        }
        Ok(())
    }

    fn directories(&mut self) -> Result<()> {
        let arena = Arena::new(2 << 20)?;
        // Remainders of the inodes that are looked for.
        let marks = arena.bytes(1 << 16, 1)?;
        for watched in self.book.watched() {
            if let Some(mark) = marks.get_mut(watched.ino as usize & 0xffff) {
                *mark = 1;
            }
        }
        let mut walk = Walk {
            names: List::new(NAMES),
            next: 0,
            seen: arena.records(DIRECTORIES * 2)?,
            count: 0,
            skipped: List::new(MOUNTS),
        };
        let mut room = [0; 4096];
        let mut here = fs::working_directory(&mut room).unwrap_or(b"/");
        while here.len() > 1 {
            walk.push(here);
            here = here
                .get(..find_last(here, b'/').unwrap_or(0).max(1))
                .unwrap_or(&[]);
        }
        self.mounts(&mut walk, arena.bytes(MOUNTS, 1)?)?;
        let mut entries = 0;
        while let Some(path) = walk.next() {
            let flags = fs::O_RDONLY | fs::O_DIRECTORY | fs::O_NOFOLLOW | fs::O_NONBLOCK;
            let Ok(folder) = fs::open(path.as_c(), flags, 0) else {
                continue;
            };
            if !walk.is_new(&folder) {
                continue;
            }
            let mut buffer = [0; 4096];
            while let Ok(got @ 1..) = fs::entries(folder.number(), &mut buffer) {
                for (ino, is_directory, name) in fs::listed(buffer.get(..got).unwrap_or(&[])) {
                    entries += 1;
                    let wanted = marks.get(ino as usize & 0xffff) == Some(&1);
                    if name == b"." || name == b".." || !(wanted || is_directory) {
                        continue;
                    }
                    let path = join(path, name);
                    if wanted {
                        self.look(path.as_bytes())?;
                    }
                    if is_directory && !path.is_cut() {
                        walk.push(path.as_bytes());
                    }
                }
                if self.left == 0 || entries > ENTRIES {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

/// Directories to be read, and those that were.
struct Walk<'a> {
    /// Paths, each with a NUL behind it.
    names: List<u8>,
    next: usize,
    /// Device and inode, found by their remainder.
    seen: &'a mut [Seen],
    count: usize,
    /// Where other file systems are mounted, likewise.
    skipped: List<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Seen(u64, u64);

// SAFETY: a record of integers.
unsafe impl Plain for Seen {}

impl Walk<'_> {
    fn push(&mut self, path: &[u8]) {
        let skipped = split(self.skipped.as_slice(), 0).any(|place| place == path);
        let room = NAMES - self.names.as_slice().len();
        if !skipped && room > path.len() {
            // There is room.
            let _ = self.names.append(path).and_then(|()| self.names.push(0));
        }
    }

    fn next(&mut self) -> Option<PathText> {
        let rest = self.names.as_slice().get(self.next..)?;
        find(rest, 0)?;
        let path = c_path(until_nul(rest));
        self.next += path.as_bytes().len() + 1;
        Some(path)
    }

    fn is_new(&mut self, folder: &Fd) -> bool {
        let Ok(stat) = fs::stat_fd(folder.number()) else {
            return false;
        };
        let this = Seen(stat.st_dev, stat.st_ino);
        let mut at = (this.1 ^ this.0 << 7) as usize;
        loop {
            let len = self.seen.len();
            match self.seen.get_mut(at % len) {
                Some(place) if *place == Seen(0, 0) => {
                    *place = this;
                    self.count += 1;
                    return self.count < DIRECTORIES;
                }
                Some(place) if *place == this => return false,
                _ => at = at.wrapping_add(1),
            }
        }
    }
}
