//! Internet sockets: where they are bound, to whom they are connected, and datagrams that wait.

use ckpt_format::record::{family, socket_state};

use super::super::collect::Collector;
use super::super::kinds::{lost, refuse_socket};
use super::tcp::{self, TCP};
use super::{Made, Shown, Sock};
use crate::allow::Kind;
use crate::error::{Context, Result, fail};
use crate::sys::address::Address;
use crate::sys::socket::{self, About, DATAGRAM, Name, RAW, SOL_SOCKET, STREAM};
use crate::sys::{Errno, SysResult, fs, process};

/// A protocol that is TCP over several ways.
const MPTCP: u32 = 262;

/// Options of SOL_SOCKET that matter here.
pub(super) const REUSEADDR: u32 = 2;
pub(super) const SO_ERROR: u32 = 4;

/// True of the families that this file is about.
pub(super) fn is(family: u32) -> bool {
    matches!(family, family::INET | family::INET6)
}

/// Asks the kernel about a socket whose names are known.
#[inline(never)]
pub(super) fn look(mut sock: Sock) -> Result<Sock> {
    // A socket that was not bound tells zeros.
    sock.local = Name::new(match sock.local.internet() {
        Ok(at) if at.is_some() => sock.local.as_bytes(),
        _ => &[],
    });
    match (sock.kind, sock.protocol) {
        (STREAM, TCP | MPTCP) => tcp::look(sock),
        (DATAGRAM | RAW, _) => datagrams(sock),
        _ => Err(refuse_socket(sock.fd)),
    }
}

fn datagrams(mut sock: Sock) -> Result<Sock> {
    const POLLIN: u16 = 1;
    const POLLERR: u16 = 8;
    let name = kind_name(&sock);
    let events = fs::events(sock.fd, POLLIN).unwrap_or(POLLERR);
    if events & POLLERR != 0 {
        let what = format_args!("{name} socket with an error that waits to be read");
        lost(Kind::Udp, sock.fd, what)?;
        // Looking at messages would find it instead of them.
        let _ = socket::number(sock.fd, SOL_SOCKET, SO_ERROR);
    }
    // Only those of UDP can be looked at one by one (inet_sockraw_ops, net/ipv4/af_inet.c).
    if events & POLLIN != 0 && !may_be_read(&sock) {
        let what = format_args!("{name} socket, at which something waits to be read");
        lost(Kind::Udp, sock.fd, what)?;
    }
    if sock.remote.is_some() {
        sock.state = socket_state::ADDRESSED;
    }
    Ok(sock)
}

/// What a kind of socket is called.
fn kind_name(sock: &Sock) -> &'static str {
    match (sock.kind, sock.protocol) {
        (RAW, _) => "raw",
        (_, 1 | 58) => "ping",
        (_, 136) => "UDP-Lite",
        _ => "UDP",
    }
}

/// Can its queue be looked at?
pub(super) fn may_be_read(sock: &Sock) -> bool {
    const UDP: u32 = 17;
    const UDPLITE: u32 = 136;
    sock.kind == DATAGRAM && matches!(sock.protocol, UDP | UDPLITE)
}

/// Can what has this address send again, to this socket alone? A socket of the program's own has
/// it, or nobody, and it is one of this host. What is bound to a group's address is reached by what
/// all of the group hear.
#[inline(never)]
pub(super) fn may_speak(collector: &Collector, sock: &Sock, from: &Name) -> bool {
    let Ok(address) = from.internet() else {
        return false;
    };
    if sock.local.internet().is_ok_and(|own| own.is_group()) {
        return false;
    }
    let mut number = 0;
    while let Some(known) = collector.file(number) {
        let datagrams = || socket::ask(known.fd, About::Type) == Ok(DATAGRAM);
        if socket::local(known.fd).is_ok_and(|own| own.includes(&address)) && datagrams() {
            return true;
        }
        number += 1;
    }
    socket::open(sock.family, sock.kind, sock.protocol)
        .and_then(|probe| socket::bind(probe.number(), from.as_bytes()))
        .is_ok()
}

/// Refuses a datagram that nobody here could send again.
#[cold]
pub(super) fn lose_message(sock: &Sock, from: &Name) -> Result<()> {
    let (name, from) = (kind_name(sock), Shown(from));
    let what = format_args!("{name} socket with a message from{from}, which waits to be read");
    lost(Kind::Udp, sock.fd, what)
}

/// Binds a new socket to the address of `sock`, whose descriptor is `number` for messages.
#[inline(never)]
pub(super) fn bind(fd: i32, sock: &Sock, number: u32) -> Result<()> {
    const IN_USE: Errno = Errno(98);
    let at = Shown(&sock.local);
    let what = format_args!("descriptor {number}: cannot bind to{at}");
    if sock.kind == STREAM {
        // Connections of the process that was killed may linger for a minute.
        socket::set_number(fd, SOL_SOCKET, REUSEADDR, 1).or_fail(what)?;
    }
    match socket::bind(fd, sock.local.as_bytes()) {
        Err(IN_USE) => {
            fail!(
                "{what}: it is taken by another process, which has to end first, or --remap{at}=HOST:PORT"
            )
        }
        done => done.or_fail(what),
    }
}

/// Who sends a datagram that came from an address to the n-th socket: a socket of the program's.
pub(super) fn own_sender(made: &Made<'_>, from: &[u8]) -> Option<usize> {
    let from = Name::new(from).internet().ok()?;
    let has = |sock: &Sock| {
        let own = sock.local.internet();
        sock.kind == DATAGRAM && own.is_ok_and(|own| own.includes(&from))
    };
    made.all.iter().position(has)
}

/// Where a sender of this family reaches a socket: one that is bound to no address, at the one
/// that the sender has, which makes the kernel take that for the sender's as well.
pub(super) fn reach(sock: &Sock, from: &[u8], family: u32) -> Name {
    let (Ok(to), Ok(from)) = (sock.local.internet(), Name::new(from).internet()) else {
        return Name::NONE;
    };
    Name::at(&to.or_host_of(&from), family)
}

/// Sends a datagram to a socket and waits until it is in its queue. Meanwhile one of version 4 takes
/// only what comes `from` there, and no other socket of its port does. One of version 6 that is not
/// connected any more would keep the address and take nothing from others ever after
/// (__udp_disconnect, net/ipv4/udp.c, leaves it; compute_score, net/ipv6/udp.c, looks at it).
pub(super) fn deliver(
    receiver: i32,
    sock: &Sock,
    from: &[u8],
    send: impl FnOnce() -> SysResult<usize>,
) -> SysResult<usize> {
    /// Times that it is looked at, a millisecond between them.
    const PATIENCE: u32 = 5000;
    const UNSPECIFIED: &[u8] = &[0; 16];
    let only = |from| match sock.family {
        family::INET => socket::connect(receiver, from),
        _ => Ok(()),
    };
    only(from)?;
    let before = queued(receiver);
    let sent = send()?;
    for _ in 0..PATIENCE {
        if queued(receiver) != before {
            return only(UNSPECIFIED).map(|()| sent);
        }
        process::sleep(1);
    }
    Err(Errno::AGAIN)
}

/// Bytes of memory that a queue takes, by SK_MEMINFO_RMEM_ALLOC: an empty message takes some.
fn queued(fd: i32) -> u32 {
    const MEMINFO: u32 = 55;
    let mut all = [0; 36];
    let _ = socket::option(fd, SOL_SOCKET, MEMINFO, &mut all);
    let [a, b, c, d, ..] = all;
    u32::from_le_bytes([a, b, c, d])
}

/// Is this an address of this host?
pub(super) fn is_here(address: &Address) -> bool {
    let family = if address.is_short() {
        family::INET
    } else {
        family::INET6
    };
    socket::open(family, DATAGRAM, 0)
        .and_then(|probe| bind_to(probe.number(), &address.with_port(0), family))
        .is_ok()
}

/// Binds a socket of a family.
pub(super) fn bind_to(fd: i32, at: &Address, family: u32) -> SysResult<()> {
    socket::bind(fd, Name::at(at, family).as_bytes())
}
