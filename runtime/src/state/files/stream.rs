//! The terminals, pipes and sockets that the program was started with, the standard streams first:
//! how they are known again at other descriptors, and told from those that the program made itself.
//!
//! They lead to the command that started the program, so at a restore they become those of the
//! restoring command with the same number. Beside 0 to 2 a starter hands such descriptors on by
//! design (make's job server) or by accident (a shell's own pipes).
#![expect(unsafe_code, reason = "writes a note into a restored program's memory")]

use crate::config::{self, Config, MARK, Note, Origin, Streams};
use crate::state::namespaces;
use crate::sys::fs::{self, Fd, Stat};
use crate::sys::process;
use crate::util::text::decimal;

use super::{F_GETFL, S_IFCHR, S_IFIFO, S_IFMT, S_IFSOCK};

/// A file of which nothing is known: whatever is there now.
const ANY: (u64, u64) = (0, 0);
/// No file.
const CLOSED: (u64, u64) = (u64::MAX, u64::MAX);

fn set(streams: Streams) {
    config::with(|c| c.streams.streams = streams);
}

/// Notes what the program is started with, by root or another user. Once, before its first
/// instruction.
#[inline(never)]
pub fn note(by_root: bool) {
    let mut noted = surroundings(by_root);
    let mut slots = noted.descriptors.iter_mut();
    for (fd, slot) in (0..3).zip(&mut slots) {
        *slot = origin(fd);
    }
    // Without /proc those beyond 2 stay unknown.
    if let Ok(folder) = fs::open(c"/proc/thread-self/fd", fs::O_RDONLY | fs::O_DIRECTORY, 0) {
        let mut buffer = [0; 1024];
        while let Ok(got @ 1..) = fs::entries(folder.number(), &mut buffer) {
            let numbers = fs::names(buffer.get(..got).unwrap_or(&[])).filter_map(decimal);
            let others = numbers
                .map(|(number, _)| number as i32)
                .filter(|&fd| fd > 2 && fd != folder.number());
            for (fd, slot) in others.filter(|&fd| leads_out(fd)).zip(&mut slots) {
                *slot = origin(fd);
            }
        }
    }
    set(noted);
}

/// The standard streams as they are now, those of the restoring command.
pub(super) fn standard() -> Streams {
    let [_, user, ..] = process::credentials();
    let mut noted = surroundings(user == 0);
    for (fd, slot) in (0..3).zip(&mut noted.descriptors) {
        *slot = origin(fd);
    }
    noted
}

/// Root directory and namespaces.
fn surroundings(of_root: bool) -> Streams {
    Streams {
        root: root(),
        namespaces: namespaces::note(of_root),
        ..Streams::NONE
    }
}

/// Device and inode of the root directory.
fn root() -> (u64, u64) {
    fs::stat(c"/").map_or(ANY, |s| (s.st_dev, s.st_ino))
}

/// Has the program changed its root directory, chroot(2), since it was started? Paths would lead
/// elsewhere after a restore.
#[must_use]
pub fn has_other_root() -> bool {
    let noted = config::with(|c| c.streams.streams.root);
    noted != ANY && noted != root()
}

/// Adds one that now is at descriptor `place`.
pub(super) fn add(to: &mut Streams, stream: u32, place: i32) {
    let fd = stream as i32;
    if fd > 2
        && !to.descriptors.iter().any(|o| o.fd == fd)
        && let Some(slot) = to.descriptors.iter_mut().find(|o| o.fd < 0)
    {
        *slot = Origin {
            fd,
            ..origin(place)
        };
    }
}

/// Leaves the note in the memory of a restored program, whose runtime begins at `runtime`, so that
/// its next checkpoint knows them. If its runtime is another build's, that has to guess.
pub(super) fn hand_over(streams: Streams, runtime: u64, writable: impl Fn(u64, u64) -> bool) {
    // As far from the handoff page as our own.
    let offset = config::with(|c| c.home + core::mem::offset_of!(Config, streams) - c.handoff);
    let there = runtime.wrapping_add(offset as u64);
    if !there.is_multiple_of(align_of::<Note>() as u64)
        || !writable(there, there.wrapping_add(size_of::<Note>() as u64))
    {
        return;
    }
    let place = there as *mut Note;
    // SAFETY: mapped, writable and aligned; the mark comes first, and any number is one.
    let mark = unsafe { place.cast::<u64>().read() };
    if mark == MARK {
        // SAFETY: the note of the program's own runtime, which does not run yet.
        unsafe { place.write(Note { mark, streams }) };
    }
}

fn origin(fd: i32) -> Origin {
    Origin {
        fd,
        file: fs::stat_fd(fd).map_or(CLOSED, |s| (s.st_dev, s.st_ino)),
        mode: mode(fd),
    }
}

fn mode(fd: i32) -> u32 {
    fs::control(fd, F_GETFL, 0).unwrap_or(0) as u32 & fs::O_ACCMODE
}

/// A terminal, pipe or socket?
fn leads_out(fd: i32) -> bool {
    let kind = fs::stat_fd(fd).map_or(0, |stat| stat.st_mode & S_IFMT);
    kind == S_IFIFO || kind == S_IFSOCK || (kind == S_IFCHR && fs::is_terminal(fd))
}

/// Takes the note away for the time of a checkpoint. What stays for the image names no files: in a
/// restored program the same numbers lead to others.
pub(super) fn take() -> Streams {
    let streams = config::with(|c| c.streams.streams);
    set(Streams {
        descriptors: streams.descriptors.map(|o| Origin { file: ANY, ..o }),
        ..Streams::NONE
    });
    streams
}

/// Puts the note back.
pub(super) fn put_back(streams: Streams) {
    set(streams);
}

/// Whose stream `fd`, a terminal, pipe or socket, is: the number at start; `None` if it is not one
/// of those that the program was started with.
pub(super) fn which(fd: i32, stat: &Stat, flags: u32, streams: Streams) -> Option<u32> {
    let here = (stat.st_dev, stat.st_ino);
    let access = flags & fs::O_ACCMODE;
    let all = || streams.descriptors.into_iter().filter(|o| o.fd >= 0);
    let own = all().find(|o| o.fd == fd);
    if own.is_some_and(|own| own.file == here || own.file == ANY) {
        return Some(fd as u32);
    }
    let usable = |o: &Origin| access == fs::O_RDWR || access == o.mode || fits(o.fd, access);
    // One terminal is often all three; what is written to is more likely a copy of the output.
    let input = access == fs::O_RDONLY;
    let order = if input { [0, 1, 2] } else { [1, 2, 0] };
    let find = |same: &dyn Fn(&Origin) -> bool| {
        let standard = |&n: &i32| all().any(|o| o.fd == n && same(&o) && usable(&o));
        let others = || {
            all()
                .find(|o| o.fd > 2 && same(o) && usable(o))
                .map(|o| o.fd)
        };
        order.into_iter().find(standard).or_else(others)
    };
    let terminal = stat.st_mode & S_IFMT == S_IFCHR;
    let as_now = |o: &Origin| {
        let now = fs::stat_fd(o.fd).map(|s| (s.st_dev, s.st_ino));
        (terminal || o.file == ANY) && o.fd != fd && now == Ok(here)
    };
    find(&|o| o.file == here)
        // A terminal at 0 to 2 is a stream wherever the program has it from, and so is a copy.
        .or_else(|| (terminal && fd <= 2).then_some(fd))
        .or_else(|| find(&as_now))
        .map(|n| n as u32)
}

/// Input can be read, output be written.
fn fits(n: i32, access: u32) -> bool {
    n <= 2 && (access == fs::O_RDONLY) == (n == 0)
}

/// Stands in for a stream beyond 2 that the restoring command does not have: one whose other end
/// is closed, which is what has become of it. Reading finds the end, writing a broken pipe.
pub(super) fn orphan(kind: u32, access: u32) -> crate::sys::SysResult<Fd> {
    let (reading, writing) = if kind & S_IFMT == S_IFIFO && access != fs::O_RDWR {
        fs::pipe()?
    } else {
        fs::socket_pair()?
    };
    Ok(if access == fs::O_WRONLY {
        writing
    } else {
        reading
    })
}
