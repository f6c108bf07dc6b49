//! The standard streams that the program was started with: how they are known again at other
//! descriptors, and told from pipes that the program made itself.

use crate::sys::fs::{self, Stat};
use crate::util::cell::Global;

use super::S_IFMT;

/// Device and inode of descriptors 0 to 2 at start; `None` where nothing is known.
pub(super) type Streams = Option<[(u64, u64); 3]>;

static AT_START: Global<Streams> = Global::new(None);

/// Notes what the program is started with. Once, before its first instruction.
pub fn note() {
    let look = |fd| fs::stat_fd(fd).map_or((0, 0), |stat| (stat.st_dev, stat.st_ino));
    AT_START.set(Some([0, 1, 2].map(look)));
}

/// Takes the note away, so that an image holds none.
pub(super) fn take() -> Streams {
    let streams = AT_START.get();
    AT_START.set(None);
    streams
}

/// Puts the note back.
pub(super) fn put_back(streams: Streams) {
    AT_START.set(streams);
}

/// Which standard stream `fd` is, a terminal, pipe or socket; `None` if it is none of them.
///
/// `taken` tells for a stream its number if the program has it at its own descriptor: device,
/// inode and flags.
pub(super) fn which(
    fd: i32,
    stat: &Stat,
    flags: u32,
    streams: Streams,
    taken: &[Option<(u64, u64, u32)>; 3],
) -> Option<u32> {
    let here = (stat.st_dev, stat.st_ino);
    let at_start = |n: u32| streams.and_then(|all| all.get(n as usize).copied()) == Some(here);
    if let own @ 0..=2 = fd as u32 {
        // Nothing known, as in a restored program: its own stream. A terminal is one in any case.
        let terminal = stat.st_mode & S_IFMT == super::S_IFCHR;
        if at_start(own) || streams.is_none() || terminal {
            return Some(own);
        }
    }
    // One terminal is often all three; what is written to is more likely a copy of the output.
    let order = if flags & fs::O_ACCMODE == fs::O_RDONLY { [0, 1, 2] } else { [1, 2, 0] };
    order.into_iter().find(|&n| {
        let same = |(dev, ino, other): (u64, u64, u32)| {
            (dev, ino) == here && (other ^ flags) & fs::O_ACCMODE == 0
        };
        let now = taken.get(n as usize).copied().flatten().is_some_and(same);
        now || (at_start(n) && fits(n, flags))
    })
}

/// Input can be read, output be written.
fn fits(n: u32, flags: u32) -> bool {
    let mode = flags & fs::O_ACCMODE;
    mode == fs::O_RDWR || (mode == fs::O_RDONLY) == (n == 0)
}
