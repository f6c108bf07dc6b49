//! TCP connections of the process to itself, ends of others, and what is unread in them.
//!
//! A connection is known by the addresses of its ends. What an end has not read is looked at with
//! MSG_PEEK. What did not fit there lies with the other end, where no call shows it: only then is
//! the connection read empty, and everything sent again.

use ckpt_format::record::{family, socket_flag, socket_state};

use super::super::collect::Collector;
use super::super::kinds::{lost, refused};
use super::diag::Diag;
use super::inet::{REUSEADDR, SO_ERROR};
use super::{Shown, Sock, inet};
use crate::allow::Kind;
use crate::error::{Context, Result, fail};
use crate::sys::address::Address;
use crate::sys::fs::{self, Fd};
use crate::sys::socket::{self, Name, SOL_SOCKET, STREAM};
use crate::sys::{Errno, SysResult, process};
use crate::util::bytes;

/// Level of the options of TCP, and its number.
pub(super) const TCP: u32 = 6;
const NODELAY: u32 = 1;
const IP: u32 = 0;
const SNDBUF: u32 = 7;
/// Milliseconds that something on this host may take which mostly is done at once.
const PATIENCE: u32 = 5000;

/// `struct tcp_info`, linux/tcp.h.
#[derive(Clone, Copy)]
struct Info([u8; 256]);

impl Info {
    fn of(fd: i32) -> Result<Self> {
        const TCP_INFO: u32 = 11;
        let mut info = Self([0; 256]);
        socket::option(fd, TCP, TCP_INFO, &mut info.0)
            .or_fail(format_args!("cannot ask for the state of descriptor {fd}"))?;
        Ok(info)
    }

    fn state(&self) -> u8 {
        self.0[0]
    }

    fn options(&self) -> u8 {
        self.0[5]
    }

    fn word(&self, at: usize) -> u64 {
        bytes::word(&self.0, at).into()
    }

    fn long(&self, at: usize) -> u64 {
        self.word(at) | self.word(at + 4) << 32
    }

    /// Bytes that the program has sent, whether they have left or not. The end of a stream counts
    /// as one while it has not been sent.
    fn written(&self) -> u64 {
        let [sent, again, waiting] = [self.long(200), self.long(208), self.word(144)];
        let end = waiting > 0 && matches!(self.state(), FIN_WAIT1 | CLOSING | LAST_ACK);
        sent + waiting - again - u64::from(end)
    }

    /// Bytes that have come. The end of a stream counts as one (tcp_fin, net/ipv4/tcp_input.c).
    fn received(&self) -> u64 {
        let end = matches!(self.state(), CLOSE_WAIT | CLOSING | LAST_ACK);
        self.long(128) - u64::from(end)
    }
}

// Values of `tcpi_state`, net/tcp_states.h.
const ESTABLISHED: u8 = 1;
const SYN_SENT: u8 = 2;
const SYN_RECV: u8 = 3;
const FIN_WAIT1: u8 = 4;
const FIN_WAIT2: u8 = 5;
const CLOSE: u8 = 7;
const CLOSE_WAIT: u8 = 8;
const LAST_ACK: u8 = 9;
const LISTEN: u8 = 10;
const CLOSING: u8 = 11;

/// Asks the kernel about a socket whose names are known.
#[inline(never)]
pub(super) fn look(mut sock: Sock) -> Result<Sock> {
    const POLLRDHUP: u16 = 0x2000;
    const POLLERR: u16 = 8;
    const ULP: u32 = 31;
    let info = Info::of(sock.fd)?;
    let events = fs::events(sock.fd, POLLRDHUP).unwrap_or(POLLERR);
    sock.phase = info.state();
    match info.state() {
        LISTEN => {
            // Of one that listens, these are sk_ack_backlog and sk_max_ack_backlog (tcp_get_info,
            // net/ipv4/tcp.c).
            (sock.waiting, sock.backlog) = (info.word(24) as u32, info.word(28) as u32);
            sock.state = socket_state::LISTENING;
            return Ok(sock);
        }
        SYN_SENT | SYN_RECV => {
            let what = format_args!("TCP socket whose connection is being made");
            lost(Kind::Tcp, sock.fd, what)?;
            return Ok(reset(sock));
        }
        CLOSE if events & (POLLRDHUP | POLLERR) == 0 => return Ok(sock),
        // One that was connected has both directions shut down (tcp_done, net/ipv4/tcp.c). No call
        // tells which error there is without taking it; of those that have spoken, it is a reset.
        CLOSE if events & POLLERR != 0 => {
            // Nothing was agreed on with another end.
            if info.options() == 0 && info.written() + info.received() == 0 {
                let what = format_args!("TCP socket with an error that waits to be read");
                lost(Kind::Tcp, sock.fd, what)?;
            }
            return Ok(reset(sock));
        }
        CLOSE => {
            sock.state = socket_state::CLOSED;
            sock.flags = socket_flag::NO_WRITING;
            return Ok(sock);
        }
        _ => {}
    }
    sock.state = socket_state::CONNECTED;
    let mut name = [0; 16];
    let upper = socket::option(sock.fd, TCP, ULP, &mut name).unwrap_or(0);
    if upper > 0 || sock.protocol != TCP {
        let to = Shown(&sock.remote);
        let what = format_args!("TCP socket to{to} with more than plain TCP");
        lost(Kind::Tcp, sock.fd, what)?;
        return Ok(reset(sock));
    }
    let ended = matches!(info.state(), FIN_WAIT1 | FIN_WAIT2 | LAST_ACK | CLOSING);
    let heard = matches!(info.state(), CLOSE_WAIT | LAST_ACK | CLOSING);
    if ended {
        sock.flags |= socket_flag::NO_WRITING;
    }
    if events & POLLRDHUP != 0 && !heard {
        sock.flags |= socket_flag::NO_READING;
    }
    Ok(sock)
}

/// What is restored as a connection that was reset.
fn reset(mut sock: Sock) -> Sock {
    sock.set_peer(socket_state::RESET, None);
    sock.flags = socket_flag::ERROR;
    sock.remote = Name::NONE;
    sock
}

/// True of a connection, or what is left of one.
pub(super) fn is_connection(sock: &Sock) -> bool {
    sock.kind == STREAM
        && inet::is(sock.family)
        && matches!(
            sock.state,
            socket_state::CONNECTED
                | socket_state::CLOSED
                | socket_state::RESET
                | socket_state::WAITING
        )
}

fn faces(sock: &Sock, local: &Name, remote: &Name) -> bool {
    let same = |a: &Name, b: &Name| matches!((a.internet(), b.internet()), (Ok(a), Ok(b)) if a.is_same(&b));
    same(&sock.local, remote) && same(&sock.remote, local)
}

/// Finds the other end of a connection.
pub(super) fn join(sock: &Sock, all: &[Sock], diag: &Diag) -> Result<Sock> {
    let mut sock = *sock;
    if sock.state != socket_state::CONNECTED {
        return Ok(sock);
    }
    let other = |other: &&Sock| {
        other.ino != sock.ino && is_connection(other) && faces(other, &sock.local, &sock.remote)
    };
    if let Some(other) = all.iter().find(other) {
        // One that was found too late is not read together with its other end.
        if sock.peer_ino == 0 && on_its_way(other.fd, sock.fd)? > 0 {
            let to = Shown(&sock.remote);
            let what = format_args!("connected TCP socket to{to}, whose other end is under way");
            return Err(refused(sock.fd, what));
        }
        sock.set_peer(socket_state::CONNECTED, Some(other.file));
        return Ok(sock);
    }
    let (Ok(local), Ok(remote)) = (sock.local.internet(), sock.remote.internet()) else {
        return Ok(sock);
    };
    let takes = |other: &&Sock| {
        let listens = other.state == socket_state::LISTENING && inet::is(other.family);
        listens && other.local.internet().is_ok_and(|at| at.includes(&remote))
    };
    let owner = diag.tcp(&remote, &local)?;
    match (sock.phase, owner) {
        (ESTABLISHED, Some(0)) if let Some(listener) = all.iter().find(takes) => {
            if Info::of(sock.fd)?.written() > 0 {
                let to = Shown(&sock.remote);
                let what = format_args!(
                    "connected TCP socket to{to} with something sent before it was accepted"
                );
                lost(Kind::Tcp, sock.fd, what)?;
                return Ok(reset(sock));
            }
            sock.set_peer(socket_state::WAITING, Some(listener.file));
        }
        // What is closed has no inode any more, and soon is not there at all.
        (CLOSE_WAIT, Some(0)) => sock.state = socket_state::CLOSED,
        (CLOSE_WAIT, None) if diag.answers() && inet::is_here(&remote) => {
            sock.state = socket_state::CLOSED;
        }
        _ => {
            let to = Shown(&sock.remote);
            lost(
                Kind::Tcp,
                sock.fd,
                format_args!("connected TCP socket to{to}"),
            )?;
            return Ok(reset(sock));
        }
    }
    Ok(sock)
}

/// Puts those that wait in the order in which their sockets were made, since nothing tells in
/// which they came, and looks whether they are all that wait.
pub(super) fn order(all: &mut [Sock]) -> Result<()> {
    for n in 0..all.len() {
        let Some(sock) = all.get(n).copied() else {
            break;
        };
        if !inet::is(sock.family) || sock.kind != STREAM {
            continue;
        }
        let with_peer = |peer: u32, before: u32| {
            all.iter()
                .filter(|s| (s.state, s.peer) == (socket_state::WAITING, peer) && s.ino < before)
                .count() as u32
        };
        match sock.state {
            socket_state::WAITING => {
                let place = with_peer(sock.peer, sock.ino);
                if let Some(slot) = all.get_mut(n) {
                    slot.backlog = place;
                }
            }
            socket_state::LISTENING => {
                let others = sock.waiting - sock.waiting.min(with_peer(sock.file, u32::MAX));
                if others > 0 {
                    let at = Shown(&sock.local);
                    let what = format_args!(
                        "listening TCP socket on{at} with connections that were not accepted yet ({others})"
                    );
                    lost(Kind::Tcp, sock.fd, what)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// The process's own other end of a connection: a descriptor, and the inode.
pub(super) fn other_end(collector: &Collector, sock: &Sock) -> Option<(i32, u32)> {
    let mut number = 0;
    while let Some(known) = collector.file(number) {
        let names = [false, true].map(|end| socket::name(known.fd, end).unwrap_or(Name::NONE));
        let end = Sock {
            local: names[0],
            remote: names[1],
            ..Sock::NONE
        };
        if known.ino as u32 != sock.ino && faces(&end, &sock.local, &sock.remote) {
            return Some((known.fd, known.ino as u32));
        }
        number += 1;
    }
    None
}

/// Bytes that one end has sent and the other has not received.
pub(super) fn on_its_way(from: i32, to: i32) -> Result<u64> {
    let (from, to) = (Info::of(from)?, Info::of(to)?);
    Ok(from.written().saturating_sub(to.received()))
}

/// Bytes that an end has and has not read, and those that do not fit there and are still with the
/// other end, `from`. What is merely held back (TCP_CORK, MSG_MORE, Nagle's algorithm) is sent.
pub(super) fn both_queues(from: i32, to: i32) -> Result<[usize; 2]> {
    /// Times that it is looked at, a millisecond between them.
    const MOMENTS: u32 = 20;
    let filled = || fs::readable_bytes(to).or_fail(format_args!("cannot look at descriptor {to}"));
    if on_its_way(from, to)? > 0 {
        // Setting it sends what is held back, even if it was set, and by TCP_CORK too
        // (tcp_sock_set_nodelay, net/ipv4/tcp.c).
        let before = socket::number(from, TCP, NODELAY).unwrap_or(0);
        let _ = socket::set_number(from, TCP, NODELAY, 1);
        let _ = socket::set_number(from, TCP, NODELAY, before);
        for _ in 0..MOMENTS {
            if on_its_way(from, to)? == 0 {
                break;
            }
            process::sleep(1);
        }
    }
    let mut here = filled()?;
    loop {
        let there = on_its_way(from, to)?;
        match filled()? {
            // Nothing has come in between.
            same if same == here => return Ok([here as usize, there as usize]),
            more => here = more,
        }
    }
}

/// May more be sent after what is under way?
pub(super) fn may_send(fd: i32) -> Result<bool> {
    Ok(matches!(Info::of(fd)?.state(), ESTABLISHED | CLOSE_WAIT))
}

/// How large a program may make a buffer of its own.
fn largest_buffer() -> SysResult<u32> {
    let probe = socket::open(family::INET, STREAM, 0)?;
    socket::set_number(probe.number(), SOL_SOCKET, SNDBUF, 1 << 29)?;
    socket::number(probe.number(), SOL_SOCKET, SNDBUF)
}

/// Is there room for so many bytes at an end that sends, whatever the other end takes?
pub(super) fn has_room(fd: i32, len: usize) -> Result<bool> {
    let what = format_args!("cannot ask for the buffer of descriptor {fd}");
    let now = socket::number(fd, SOL_SOCKET, SNDBUF).or_fail(what)?;
    let most = largest_buffer().or_fail(what)?.max(now) as usize;
    // What the kernel keeps beside the bytes, at large pieces (sk_stream_alloc_skb).
    Ok(len + len / 16 + (64 << 10) <= most)
}

/// Sends everything, from a buffer that is as large as may be meanwhile.
pub(super) fn send_all(fd: i32, data: &[u8]) -> SysResult<()> {
    const BUF_LOCK: u32 = 72;
    let before = socket::number(fd, SOL_SOCKET, SNDBUF)?;
    let larger = largest_buffer()? > before;
    let locks = socket::number(fd, SOL_SOCKET, BUF_LOCK).unwrap_or(1);
    if larger {
        socket::set_number(fd, SOL_SOCKET, SNDBUF, 1 << 29)?;
    }
    let sent = send(fd, data);
    if larger {
        // The kernel doubles what it is given (sock_setsockopt, net/core/sock.c).
        socket::set_number(fd, SOL_SOCKET, SNDBUF, before / 2)?;
        let _ = socket::set_number(fd, SOL_SOCKET, BUF_LOCK, locks);
    }
    sent
}

/// Reads all that one end has and the other will send, and sends it again: the other end must have
/// room for it.
pub(super) fn turn_over(from: i32, to: i32, all: &mut [u8]) -> Result<()> {
    let what = format_args!("cannot empty the TCP connection at descriptor {to}");
    let mut got = 0;
    while let Some(rest @ [_, ..]) = all.get_mut(got..) {
        got +=
            patiently(|| socket::receive(to, rest, &mut [], 0).map(|got| got.len)).or_fail(what)?;
    }
    send_all(from, all).or_fail(format_args!(
        "cannot fill the TCP connection at descriptor {to}"
    ))
}

/// Sends and reads, so that the buffers of both ends grow as they do in use.
pub(super) fn warm_up(from: i32, to: i32, buffer: &mut [u8]) -> SysResult<()> {
    /// Rounds; the first few change something (tcp_rcv_space_adjust, net/ipv4/tcp_input.c).
    const ROUNDS: usize = 16;
    for _ in 0..ROUNDS {
        let mut left = 0;
        while let Ok(sent) = socket::send(from, buffer, &[], &[], 0) {
            left += sent;
        }
        while left > 0 {
            left -= patiently(|| socket::receive(to, buffer, &mut [], 0))?.len;
        }
    }
    Ok(())
}

/// Sends everything.
fn send(fd: i32, mut data: &[u8]) -> SysResult<()> {
    while !data.is_empty() {
        let sent = patiently(|| socket::send(fd, data, &[], &[], 0))?;
        data = data.get(sent..).unwrap_or(&[]);
    }
    Ok(())
}

/// Does something again for as long as it would have to wait.
fn patiently<T>(mut work: impl FnMut() -> SysResult<T>) -> SysResult<T> {
    for _ in 0..PATIENCE {
        match work() {
            Err(Errno::AGAIN) => process::sleep(1),
            done => return done,
        }
    }
    Err(Errno::AGAIN)
}

/// Options of how many routers may have let a packet through, of version 4 and 6: what is sent
/// (IP_TTL, IPV6_UNICAST_HOPS), and what is taken (IP_MINTTL, IPV6_MINHOPCOUNT).
const SENT: [u32; 2] = [2, 16];
const TAKEN: [u32; 2] = [21, 73];

/// Sets such a pair; what a family does not have is left.
fn set_hops(fd: i32, [short, long]: [u32; 2], hops: u32) {
    const IPV6: u32 = 41;
    let _ = socket::set_number(fd, IP, short, hops);
    let _ = socket::set_number(fd, IPV6, long, hops);
}

/// Makes a new socket listen for one connection, where the end `sock` was.
///
/// Clients of the program may try to connect there. Were they let in, they would be reset. So only
/// what is sent with the largest TTL is taken, as [`connect`] does and hardly anybody else. Other
/// packets are dropped (tcp_v4_rcv, net/ipv4/tcp_ipv4.c) and sent again a second later, when the
/// program listens. A filter (SO_ATTACH_FILTER) takes CAP_NET_ADMIN for TCP, by now.
pub(super) fn listen(fd: Fd, sock: &Sock, number: u32) -> Result<Fd> {
    let what = format_args!("descriptor {number}: cannot listen");
    inet::bind(fd.number(), sock, number)?;
    set_hops(fd.number(), TAKEN, 255);
    socket::listen(fd.number(), 8).or_fail(what)?;
    Ok(fd)
}

/// Makes a connection whose other end is lost: the end that is left, at its place or, if that is not
/// to be had as on another host, at another; and what it is connected to.
pub(super) fn severed(
    make: &mut dyn FnMut() -> Result<Fd>,
    sock: &Sock,
    number: u32,
) -> Result<[Fd; 2]> {
    let what = format_args!("descriptor {number}: cannot make its connection again");
    let own = sock.local.internet();
    let is_here = own.is_ok_and(|own| inet::is_here(&own));
    let mut host = Address::loopback(sock.family);
    if let (Ok(own), true) = (own, is_here) {
        host = own.or_host_of(&host);
    }
    let listener = make()?;
    inet::bind_to(listener.number(), &host.with_port(0), sock.family).or_fail(what)?;
    socket::listen(listener.number(), 8).or_fail(what)?;
    let at = socket::name(listener.number(), false).or_fail(what)?;
    let bound = make()?;
    let end = if is_here && inet::bind(bound.number(), sock, number).is_err() {
        // What is left of the killed process's connection is in the way.
        connect(make, &sock.local, &at, number)?
    } else {
        finish(bound.number(), &at).or_fail(what)?;
        bound
    };
    let other = accept(listener.number(), end.number()).or_fail(what)?;
    Ok([end, other])
}

/// Connects a new socket to an address, from another.
///
/// The port is asked for as the only one to be chosen (IP_LOCAL_PORT_RANGE): so a connection is
/// no obstacle that the killed process had from there and that lingers, and whose place the kernel
/// gives away a second after the end (twsk_unique, tcp_twsk_unique in net/ipv4/tcp_ipv4.c). It has
/// to be one of those that the kernel chooses from; others are bound.
#[inline(never)]
pub(super) fn connect(
    make: &mut dyn FnMut() -> Result<Fd>,
    from: &Name,
    to: &Name,
    number: u32,
) -> Result<Fd> {
    const NO_PORT: u32 = 24;
    const PORT_RANGE: u32 = 51;
    const NOT_AVAILABLE: Errno = Errno(99);
    const IN_USE: Errno = Errno(98);
    let what = format_args!(
        "descriptor {number}: cannot connect{} to{} again",
        Shown(from),
        Shown(to)
    );
    let own = from.internet();
    let family = from.family();
    for moment in 0..PATIENCE {
        let fd = make()?;
        let at = fd.number();
        let choose = |own: &Address| {
            socket::set_number(at, IP, NO_PORT, 1)?;
            inet::bind_to(at, &own.with_port(0), family)?;
            let port = u32::from(own.port());
            socket::set_number(at, IP, PORT_RANGE, port | port << 16)
        };
        let chosen = own.is_ok_and(|own| moment % 2 == 0 && choose(&own).is_ok());
        let mut done = Ok(());
        if let (Ok(own), false) = (&own, chosen) {
            let _ = socket::set_number(at, SOL_SOCKET, REUSEADDR, 1);
            done = inet::bind_to(at, own, family);
        }
        set_hops(at, SENT, 255);
        let done = done.and_then(|()| finish(at, to));
        // As the host has it.
        set_hops(at, SENT, !0);
        match done {
            Err(NOT_AVAILABLE | IN_USE) => {}
            done => {
                done.or_fail(what)?;
                let here = socket::local(at);
                if !matches!((&here, &own), (Ok(here), Ok(own)) if !here.is_same(own)) {
                    return Ok(fd);
                }
            }
        }
        process::sleep(1);
    }
    fail!("{what}: the connection before it is not over yet, or another process has the port")
}

/// Connects and waits until that is done.
fn finish(fd: i32, to: &Name) -> SysResult<()> {
    const IN_PROGRESS: Errno = Errno(115);
    const POLLOUT: u16 = 4;
    match socket::connect(fd, to.as_bytes()) {
        Err(IN_PROGRESS) => {}
        done => return done,
    }
    patiently(|| match fs::events(fd, POLLOUT)? {
        0 => Err(Errno::AGAIN),
        _ => Ok(()),
    })?;
    match socket::number(fd, SOL_SOCKET, SO_ERROR)? {
        0 => Ok(()),
        e => Err(Errno(e as i32)),
    }
}

/// Takes the connection of `client`, and of nobody else.
pub(super) fn accept(listener: i32, client: i32) -> SysResult<Fd> {
    let wanted = socket::local(client)?;
    loop {
        let taken = patiently(|| socket::accept(listener))?;
        if socket::peer(taken.number()).is_ok_and(|from| from.is_same(&wanted)) {
            // As the socket that listened has it (sk_clone_lock, net/core/sock.c).
            set_hops(taken.number(), TAKEN, 0);
            return Ok(taken);
        }
    }
}

/// Ends the other end of a connection so that this one is reset; with the error, or without.
pub(super) fn break_off(other: Fd, fd: i32, with_error: bool) -> SysResult<()> {
    const LINGER: u32 = 13;
    const POLLHUP: u16 = 0x10;
    // On, for no time: closing sends a reset (__tcp_close, net/ipv4/tcp.c).
    socket::set_option(
        other.number(),
        SOL_SOCKET,
        LINGER,
        &[1, 0, 0, 0, 0, 0, 0, 0],
    )?;
    drop(other);
    patiently(|| match fs::events(fd, 0)? & POLLHUP {
        0 => Err(Errno::AGAIN),
        _ => Ok(()),
    })?;
    if !with_error {
        socket::number(fd, SOL_SOCKET, SO_ERROR)?;
    }
    Ok(())
}

/// Where the urgent byte is among the unread ones, and whether it is there to be read apart.
pub(super) fn mark(fd: i32, inline: bool, filled: usize) -> Option<(usize, bool)> {
    const OOBINLINE: u32 = 10;
    socket::set_number(fd, SOL_SOCKET, OOBINLINE, 0).ok()?;
    let before = fs::readable_bytes(fd);
    let mut byte = [0];
    let flags = socket::MSG_OOB | socket::MSG_PEEK;
    let got = socket::receive(fd, &mut byte, &mut [], flags);
    socket::set_number(fd, SOL_SOCKET, OOBINLINE, 1).ok()?;
    let at = before.ok()? as usize;
    (at < filled).then_some((at, inline || got.is_ok_and(|got| got.len == 1)))
}
