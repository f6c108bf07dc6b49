//! The terminals, pipes and sockets that the program was started with, the standard streams first:
//! how they are known again at other descriptors, and told from those that the program made itself.
//!
//! They lead to the command that started the program, so at a restore they become those of the
//! restoring command with the same number. Beside 0 to 2 a starter hands such descriptors on by
//! design (make's job server) or by accident (a shell's own pipes).

use crate::sys::fs::{self, Fd, Stat};
use crate::util::cell::Global;
use crate::util::text::decimal;

use super::{F_GETFL, S_IFCHR, S_IFIFO, S_IFMT, S_IFSOCK};

/// How many can be noted beside the standard ones. Those beyond are refused by name.
const MORE: usize = 13;

/// A descriptor at start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Origin {
    /// Its number.
    fd: i32,
    /// Device and inode; zero for "whatever is there now", as in a restored program.
    file: (u64, u64),
    /// How it was open, of O_ACCMODE.
    mode: u32,
}

/// What is noted; -1 for no descriptor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Streams([Origin; 3 + MORE]);

const NONE: Origin = Origin {
    fd: -1,
    file: (0, 0),
    mode: 0,
};

static AT_START: Global<Streams> = Global::new(Streams([NONE; 3 + MORE]));

/// Notes what the program is started with. Once, before its first instruction.
pub fn note() {
    let mut all = [NONE; 3 + MORE];
    let mut slots = all.iter_mut();
    for (fd, slot) in (0..3).zip(&mut slots) {
        *slot = origin(fd);
    }
    // Without /proc those beyond 2 stay unknown.
    if let Ok(folder) = fs::open(c"/proc/self/fd", fs::O_RDONLY | fs::O_DIRECTORY, 0) {
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
    AT_START.set(Streams(all));
}

fn origin(fd: i32) -> Origin {
    Origin {
        fd,
        // What is closed has no file; zeroes would stand for any.
        file: fs::stat_fd(fd).map_or((u64::MAX, u64::MAX), |s| (s.st_dev, s.st_ino)),
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
    let streams = AT_START.get();
    AT_START.set(Streams(streams.0.map(|o| Origin { file: (0, 0), ..o })));
    streams
}

/// Puts the note back.
pub(super) fn put_back(streams: Streams) {
    AT_START.set(streams);
}

/// Whose stream `fd`, a terminal, pipe or socket, is: the number at start; `None` if it is not one
/// of those that the program was started with.
pub(super) fn which(fd: i32, stat: &Stat, flags: u32, streams: Streams) -> Option<u32> {
    let here = (stat.st_dev, stat.st_ino);
    let access = flags & fs::O_ACCMODE;
    let all = || streams.0.into_iter().filter(|o| o.fd >= 0);
    if let Some(own) = all().find(|o| o.fd == fd) {
        // A terminal at 0 to 2 is one in any case.
        let terminal = fd <= 2 && stat.st_mode & S_IFMT == S_IFCHR;
        if own.file == (0, 0) || own.file == here || terminal {
            return Some(fd as u32);
        }
    }
    let same = |o: &Origin| {
        let leads = if o.file == (0, 0) || (o.fd <= 2 && access == mode(o.fd)) {
            // What is at its own number now.
            let now = fs::stat_fd(o.fd).map(|s| (s.st_dev, s.st_ino));
            o.file == here || now == Ok(here)
        } else {
            o.file == here
        };
        leads && (access == fs::O_RDWR || access == o.mode || fits(o.fd, access))
    };
    // One terminal is often all three; what is written to is more likely a copy of the output.
    let input = access == fs::O_RDONLY;
    let order = if input { [0, 1, 2] } else { [1, 2, 0] };
    let standard = order
        .into_iter()
        .find(|&n| all().any(|o| o.fd == n && same(&o)));
    standard
        .or_else(|| all().filter(|o| o.fd > 2).find(same).map(|o| o.fd))
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
