//! Which calls wait, and how each is told for how long.

use super::read_pair;
use crate::again::Time;
use crate::sys::socket;

/// A call that waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub(super) number: u16,
    pub(super) time: Time,
    pub(super) arg: u8,
    /// See [`crate::again::Record::left`].
    pub(super) left: u8,
    /// The kernel notes when it is to end, for restart_syscall(2).
    pub(super) noted: bool,
    /// What poll(2) calls the event that it waits for, if its time is the socket's.
    pub(super) event: u16,
}

const fn kind(number: u16, time: Time, arg: u8) -> Kind {
    Kind {
        number,
        time,
        arg,
        left: 0,
        noted: false,
        event: 0,
    }
}

const fn noted(number: u16, time: Time, arg: u8, left: u8) -> Kind {
    Kind {
        left,
        noted: true,
        ..kind(number, time, arg)
    }
}

const FUTEX: u16 = 202;
pub(super) const CLOCK_NANOSLEEP: u16 = 230;

/// Calls that return EINTR whatever SA_RESTART says.
const ALWAYS: [Kind; 21] = [
    noted(7, Time::Milliseconds, 2, 0), // poll
    kind(23, Time::Value, 4),           // select
    kind(34, Time::None, 0),            // pause
    noted(35, Time::Constant, 0, 1),    // nanosleep
    kind(65, Time::None, 0),            // semop
    kind(69, Time::None, 0),            // msgsnd
    kind(70, Time::None, 0),            // msgrcv
    kind(128, Time::Constant, 2),       // rt_sigtimedwait
    kind(130, Time::None, 0),           // rt_sigsuspend
    noted(FUTEX, Time::Constant, 3, 0),
    kind(208, Time::Constant, 4), // io_getevents
    kind(220, Time::Constant, 3), // semtimedop
    noted(CLOCK_NANOSLEEP, Time::Constant, 2, 3),
    kind(232, Time::Milliseconds, 3), // epoll_wait
    kind(270, Time::Spec, 4),         // pselect6
    kind(271, Time::Spec, 2),         // ppoll
    kind(281, Time::Milliseconds, 3), // epoll_pwait
    kind(333, Time::Constant, 4),     // io_pgetevents
    kind(426, Time::None, 0),         // io_uring_enter
    kind(441, Time::Constant, 3),     // epoll_pwait2
    kind(449, Time::None, 0),         // futex_waitv
];

/// Calls that wait and that the kernel restarts: on files, sockets, children, locks, queues.
const RESTARTED: [u16; 24] = [
    0, 1, 17, 18, 19, 20, 42, 43, 44, 45, 46, 47, 61, 72, 73, FUTEX, 242, 243, 247, 288, 295, 296,
    299, 307,
];

/// Is a call one that waits and that the kernel restarts?
pub(super) fn is_restarted(number: u64) -> bool {
    RESTARTED.iter().any(|&n| u64::from(n) == number)
}

/// Calls on sockets that wait for something to arrive (read, readv, accept, recvfrom, recvmsg,
/// accept4, recvmmsg), and for room or to be connected (write, writev, connect, sendto, sendmsg,
/// sendmmsg).
const RECEIVE: [u64; 7] = [0, 19, 43, 45, 47, 288, 299];
const SEND: [u64; 6] = [1, 20, 42, 44, 46, 307];

/// A call on a socket with SO_RCVTIMEO or SO_SNDTIMEO, which returns EINTR (sock_intr_errno,
/// include/net/sock.h).
fn socket_kind(number: u64, fd: u64) -> Option<(Kind, Option<[u64; 2]>)> {
    /// Level, options and events.
    const SOL_SOCKET: u32 = 1;
    const SO_RCVTIMEO: u32 = 20;
    const SO_SNDTIMEO: u32 = 21;
    const POLLIN: u16 = 1;
    const POLLOUT: u16 = 4;
    let (option, event) = if RECEIVE.contains(&number) {
        (SO_RCVTIMEO, POLLIN)
    } else if SEND.contains(&number) {
        (SO_SNDTIMEO, POLLOUT)
    } else {
        return None;
    };
    let mut value = [0; 16];
    socket::option(fd as i32, SOL_SOCKET, option, &mut value).ok()?;
    let (halves, _) = value.as_chunks::<8>();
    let mut halves = halves.iter().map(|half| u64::from_le_bytes(*half));
    let span = [halves.next()?, halves.next()? * 1000];
    let kind = Kind {
        event,
        ..kind(number as u16, Time::Milliseconds, 2)
    };
    (span != [0, 0]).then_some((kind, Some(span)))
}

/// The kind of a call that a signal ends whatever SA_RESTART says, and for how long it was told to
/// wait: `None` for without an end, and for a time that is absolute.
pub(super) fn kind_of(number: u64, args: &[u64; 6]) -> Option<(Kind, Option<[u64; 2]>)> {
    let [fd, second, ..] = *args;
    let Some(&kind) = ALWAYS.iter().find(|k| u64::from(k.number) == number) else {
        return socket_kind(number, fd);
    };
    // FUTEX_WAIT alone takes a relative time; its command is in the lower bits.
    let absolute = match kind.number {
        FUTEX => second & 0x7f != 0,
        CLOCK_NANOSLEEP => second & 1 != 0,
        _ => false,
    };
    let value = args.get(usize::from(kind.arg)).copied().unwrap_or(0);
    let span = match kind.time {
        _ if absolute => None,
        Time::None => None,
        Time::Milliseconds => u64::try_from(value as i32)
            .ok()
            .map(|ms| [ms / 1000, ms % 1000 * 1_000_000]),
        Time::Constant | Time::Spec => read_pair(value),
        Time::Value => read_pair(value).map(|[s, us]| [s, us * 1000]),
    };
    Some((kind, span))
}

/// Does a call wait for a time of which only the thread's sleep can tell what is left?
#[must_use]
pub fn is_timed(number: u64, args: &[u64; 6]) -> bool {
    kind_of(number, args).is_some_and(|(kind, span)| {
        let kept = matches!(kind.time, Time::Milliseconds | Time::Constant);
        span.is_some() && kept && place_of_rest(number, args) == 0
    })
}

/// Where a call writes what is left of its time if a signal ends it; zero for nowhere.
#[must_use]
pub fn place_of_rest(number: u64, args: &[u64; 6]) -> u64 {
    let kind = ALWAYS.iter().find(|k| u64::from(k.number) == number);
    let left = kind.map_or(0, |k| usize::from(k.left));
    args.get(left).copied().filter(|_| left > 0).unwrap_or(0)
}
