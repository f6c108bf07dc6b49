//! Calls that move more than fits at once, and that a signal ends when a part was moved: what is
//! missing is moved afterwards, and the program is told of the whole.
//!
//! A short count may have other reasons, of which the program has to be told. So that is done only
//! for calls that would have gone on waiting. Those of many parts go on part by part, which for a
//! stream makes no difference.

use super::{read, read_pair};
use crate::again::{Record, flag};
use crate::sys::{fs, socket};

const WRITE: u64 = 1;
const READV: u64 = 19;
const WRITEV: u64 = 20;
const SENDTO: u64 = 44;
const RECVFROM: u64 = 45;
const SENDMSG: u64 = 46;
const RECVMSG: u64 = 47;
const IO_GETEVENTS: u64 = 208;
const RECVMMSG: u64 = 299;
const SENDMMSG: u64 = 307;
const GETRANDOM: u64 = 318;
const IO_PGETEVENTS: u64 = 333;

const MSG_PEEK: u64 = 2;
const MSG_DONTWAIT: u64 = 0x40;
const MSG_WAITALL: u64 = 0x100;
const MSG_NOSIGNAL: u64 = 0x4000;
const MSG_WAITFORONE: u64 = 0x1_0000;

/// Is a call one of those?
pub(super) fn moves(number: u32) -> bool {
    const PREAD64: u64 = 17;
    const ALL: [u64; 14] = [
        0,
        WRITE,
        PREAD64,
        READV,
        WRITEV,
        SENDTO,
        RECVFROM,
        SENDMSG,
        RECVMSG,
        IO_GETEVENTS,
        RECVMMSG,
        SENDMMSG,
        GETRANDOM,
        IO_PGETEVENTS,
    ];
    ALL.contains(&u64::from(number))
}

/// What a descriptor leads to, as far as it matters here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// A pipe.
    Pipe,
    /// A socket.
    Socket,
    /// A device that gives bytes without an end.
    Spring,
    /// A terminal.
    Terminal,
    /// Something that does not wait.
    Other,
}

fn place(fd: u64) -> Place {
    const O_NONBLOCK: usize = 0x800;
    const F_GETFL: u32 = 3;
    /// `st_mode`: all kinds, pipe, socket, character device.
    const KINDS: [u32; 4] = [0o170_000, 0o010_000, 0o140_000, 0o020_000];
    /// /dev/zero, random and urandom.
    const SPRINGS: [u64; 3] = [0x105, 0x108, 0x109];
    let fd = fd as i32;
    let [mask, pipe, socket, device] = KINDS;
    let Ok(stat) = fs::stat_fd(fd) else {
        return Place::Other;
    };
    let kind = stat.st_mode & mask;
    if kind == device && SPRINGS.contains(&stat.st_rdev) {
        return Place::Spring;
    }
    if fs::control(fd, F_GETFL, 0).is_ok_and(|flags| flags & O_NONBLOCK != 0) {
        return Place::Other;
    }
    if kind == pipe {
        Place::Pipe
    } else if kind == socket {
        Place::Socket
    } else if kind == device && fs::is_terminal(fd) {
        Place::Terminal
    } else {
        Place::Other
    }
}

/// Does a call on the socket end by itself when its time is over?
fn has_time(fd: u64, option: u32) -> bool {
    let mut value = [0; 16];
    socket::option(fd as i32, 1, option, &mut value).is_err() || value != [0; 16]
}

/// Would a call that has moved a part have gone on?
fn waits(number: u64, [fd, a, ..]: [u64; 6], flags: u64, place: Place) -> bool {
    const SO_RCVTIMEO: u32 = 20;
    const SO_SNDTIMEO: u32 = 21;
    if flags & (MSG_DONTWAIT | MSG_PEEK | MSG_WAITFORONE) != 0 {
        return false;
    }
    let timed = |option| place == Place::Socket && has_time(fd, option);
    match number {
        WRITE | WRITEV | SENDTO | SENDMSG | SENDMMSG => {
            !matches!(place, Place::Other | Place::Spring) && !timed(SO_SNDTIMEO)
        }
        RECVFROM | RECVMSG => {
            // Where something beside the bytes came, they end.
            let more = number == RECVMSG && read_pair(a + 32).is_none_or(|[at, _]| at != 0);
            flags & MSG_WAITALL != 0 && !more && !timed(SO_RCVTIMEO)
        }
        RECVMMSG => !timed(SO_RCVTIMEO),
        _ => place == Place::Spring,
    }
}

/// Forgets the error that recvmmsg(2) has left for the next call, which is that it was interrupted
/// (do_recvmmsg, net/socket.c).
fn forget_error(fd: u64) {
    const SOL_SOCKET: u32 = 1;
    const SO_ERROR: u32 = 4;
    let _ = socket::number(fd as i32, SOL_SOCKET, SO_ERROR);
}

/// Notes that a part more was moved.
pub(super) fn advance(record: &mut Record, moved: u64) {
    if u64::from(record.number) == RECVMMSG {
        let [fd, ..] = record.args;
        forget_error(fd);
    }
    record.advance(moved);
}

/// Makes the record one of a call that has moved `moved` and would have gone on; false if it is
/// complete, or would not.
pub(super) fn rest(record: &mut Record, number: u64, moved: u64) -> bool {
    let [fd, a, b, flags, ..] = record.args;
    if matches!(number, IO_GETEVENTS | IO_PGETEVENTS) {
        // It ends with fewer than `min_nr` if a signal comes, or its time is over (read_events,
        // fs/aio.c).
        record.number = number as u16;
        record.flags = flag::EVENTS;
        let part = moved < a;
        if part {
            record.advance(moved);
        }
        return part;
    }
    let writes = matches!(number, WRITE | WRITEV | SENDTO | SENDMSG | SENDMMSG);
    let place = if number == GETRANDOM {
        Place::Spring
    } else {
        place(fd)
    };
    let flags = match number {
        SENDMSG | RECVMSG => b,
        SENDTO | RECVFROM | RECVMMSG | SENDMMSG => flags,
        _ => 0,
    };
    if !waits(number, record.args, flags, place) {
        return false;
    }
    record.number = number as u16;
    record.flags = flag::ADDS;
    record.size = 1;
    record.arg = 2;
    match number {
        GETRANDOM => record.arg = 1,
        RECVMMSG | SENDMMSG => record.size = size_of::<[u64; 8]>() as u16,
        WRITEV | READV | SENDMSG | RECVMSG => {
            record.rest = if matches!(number, WRITEV | READV) {
                [a, b]
            } else {
                // `msg_iov` and `msg_iovlen`.
                read_pair(a + 16).unwrap_or([0; 2])
            };
            record.number = match (number, writes) {
                (READV, _) => 0,
                (_, true) => WRITE,
                _ => RECVFROM,
            } as u16;
            if !skip(record, moved) {
                return false;
            }
        }
        _ => {}
    }
    if writes && place == Place::Socket && number != SENDMMSG {
        // The other end may be gone by now, and the signal of that is for the next call.
        let [.., how, address, len] = &mut record.args;
        *how = flags | MSG_NOSIGNAL;
        if number != SENDTO {
            (*address, *len) = (0, 0);
        }
        record.number = SENDTO as u16;
    } else if number == RECVMSG {
        let [.., how, address, len] = &mut record.args;
        (*how, *address, *len) = (flags, 0, 0);
    }
    if record.rest == [0; 2] && record.base == 0 {
        if moved >= record.wanted() {
            return false;
        }
        advance(record, moved);
    }
    true
}

/// Goes to the part in which `moved` ends; false if all was moved.
fn skip(record: &mut Record, moved: u64) -> bool {
    let mut left = moved;
    while record.next_part() {
        let len = record.wanted();
        if left < len {
            record.advance(left);
            record.base = moved;
            return true;
        }
        left -= len;
    }
    false
}

/// The number in `xor %eax, %eax` right before a system call, or in `mov $nr, %eax` shortly before:
/// glibc's calls in programs with threads fetch arguments in between.
pub(super) fn number_before(rip: u64) -> Option<u32> {
    const NEAR: usize = 11;
    const LAST: usize = 7;
    let last = read::<LAST>(rip.wrapping_sub(LAST as u64))?;
    if let [.., 0x31, 0xc0, _, _] = last {
        return Some(0);
    }
    // There may be nothing before the code.
    let near = read::<NEAR>(rip.wrapping_sub((NEAR + LAST) as u64)).unwrap_or([0; NEAR]);
    let mut code = [0; NEAR + LAST];
    for (to, from) in code.iter_mut().zip(near.iter().chain(&last)) {
        *to = *from;
    }
    // REX.B makes another register of it.
    code.windows(6).rev().find_map(|w| match *w {
        [rex, 0xb8, a, b, 0, 0] if rex & 0xf1 != 0x41 => Some(u32::from(a) | u32::from(b) << 8),
        _ => None,
    })
}
