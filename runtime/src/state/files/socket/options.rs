//! Options of sockets, by one table: what getsockopt(2) gives, setsockopt(2) takes.

use ckpt_format::limits;
use ckpt_format::record::{SocketOption, family, socket_state};

use super::super::kinds::refused;
use super::multicast::{self, Groups};
use super::{Encoded, Sock, inet, netlink, tcp};
use crate::error::{Context, Result};
use crate::sys::socket::{self, SOL_SOCKET, STREAM};
use crate::sys::{Errno, SysResult};
use crate::util::arena::Arena;

const IP: u16 = 0;
const TCP: u16 = 6;
const UDP: u16 = 17;
const IPV6: u16 = 41;
const SOCKET: u16 = SOL_SOCKET as u16;
const NETLINK: u16 = 270;
const RAW: u16 = 255;
const ICMPV6: u16 = 58;

/// Set before the socket gets a name or another end.
const EARLY: u8 = 1;
/// Of a connection last of all: how much it takes depends on its congestion control.
const LATE: u8 = 4;
/// Not of a connection, where the kernel changes it by itself.
const IDLE: u8 = 2;
/// Not of a stream, where it cannot be set and means nothing: it shows how many hops a packet of
/// the other end had left, and by which interface it came (tcp_v4_syn_recv_sock,
/// net/ipv4/tcp_ipv4.c; tcp_v6_syn_recv_sock, net/ipv6/tcp_ipv6.c).
const PACKETS: u8 = 8;
/// The index of an interface, whose name is noted before it; zero for none.
const INDEX: u8 = 16;
/// Not later: the kernel sets it by itself with an address of one family, and then nobody may change
/// it (__inet6_bind, net/ipv6/af_inet6.c), though a socket that was merely connected did not have it.
const ONCE: u8 = 32;

const SNDBUF: u16 = 7;
const RCVBUF: u16 = 8;

/// Level, name, bytes, when; in the order in which they are set. What is not here is read only,
/// changes by itself, cannot be asked for, or is no state: linux/socket.h, in.h, in6.h, tcp.h,
/// udp.h, netlink.h, icmp.h, icmpv6.h.
#[rustfmt::skip]
const TABLE: [(u16, u16, u8, u8); 130] = [
    (SOCKET, 2, 4, EARLY), (SOCKET, 15, 4, EARLY), (SOCKET, 25, 16, EARLY), (SOCKET, SNDBUF, 4, EARLY), (SOCKET, RCVBUF, 4, EARLY),
    (IP, 15, 4, EARLY), (IP, 19, 4, EARLY), (IP, 24, 4, EARLY), (IP, 51, 4, EARLY),
    (IPV6, 26, 4, EARLY | IDLE | ONCE), (IPV6, 75, 4, EARLY), (IPV6, 78, 4, EARLY),
    (TCP, 2, 4, EARLY | IDLE), (TCP, 13, 16, EARLY | LATE),
    (IP, 1, 4, 0), (IP, 2, 4, 0), (IP, 6, 4, 0), (IP, 7, 4, 0), (IP, 8, 4, 0), (IP, 10, 4, 0), (IP, 11, 4, 0),
    (IP, 12, 4, 0), (IP, 13, 4, 0), (IP, 18, 4, 0), (IP, 20, 4, 0), (IP, 21, 4, 0), (IP, 23, 4, 0),
    (IP, 25, 4, 0), (IP, 26, 4, 0), (IP, 32, 4, EARLY), (IP, 33, 4, PACKETS), (IP, 34, 4, 0), (IP, 49, 4, 0),
    (IP, 50, 4, INDEX),
    (IPV6, 16, 4, 0), (IPV6, 17, 4, EARLY | INDEX | PACKETS), (IPV6, 18, 4, PACKETS), (IPV6, 19, 4, 0), (IPV6, 23, 4, 0),
    (IPV6, 25, 4, 0), (IPV6, 29, 4, 0), (IPV6, 31, 4, 0), (IPV6, 33, 4, 0), (IPV6, 49, 4, 0),
    (IPV6, 51, 4, 0), (IPV6, 53, 4, 0), (IPV6, 56, 4, 0), (IPV6, 58, 4, 0), (IPV6, 60, 4, 0),
    (IPV6, 62, 4, 0), (IPV6, 66, 4, 0), (IPV6, 67, 4, 0), (IPV6, 70, 4, 0), (IPV6, 72, 4, 0),
    (IPV6, 73, 4, 0), (IPV6, 74, 4, 0), (IPV6, 76, 4, INDEX), (IPV6, 77, 4, 0),
    (TCP, 1, 4, 0), (TCP, 4, 4, 0), (TCP, 5, 4, 0), (TCP, 6, 4, 0), (TCP, 7, 4, 0), (TCP, 8, 4, 0),
    (TCP, 9, 4, 0), (TCP, 10, 4, IDLE), (TCP, 16, 4, 0), (TCP, 18, 4, 0), (TCP, 23, 4, 0), (TCP, 25, 4, 0),
    (TCP, 27, 4, 0), (TCP, 30, 4, 0), (TCP, 34, 4, 0), (TCP, 36, 4, 0), (TCP, 37, 4, 0), (TCP, 3, 4, 0),
    (UDP, 1, 4, 0), (UDP, 100, 4, 0), (UDP, 101, 4, 0), (UDP, 102, 4, 0), (UDP, 103, 4, 0), (UDP, 104, 4, 0),
    (NETLINK, 3, 4, 0), (NETLINK, 4, 4, 0), (NETLINK, 5, 4, 0), (NETLINK, 8, 4, 0), (NETLINK, 10, 4, 0),
    (NETLINK, 11, 4, 0), (NETLINK, 12, 4, 0),
    (SOCKET, 1, 4, 0), (IP, 3, 4, 0), (IPV6, 7, 4, 0), (RAW, 1, 4, 0), (ICMPV6, 1, 32, 0), (SOCKET, 5, 4, 0), (SOCKET, 6, 4, 0), (SOCKET, 9, 4, 0),
    (SOCKET, 10, 4, 0), (SOCKET, 11, 4, 0), (SOCKET, 12, 4, 0), (SOCKET, 13, 8, 0), (SOCKET, 16, 4, 0),
    (SOCKET, 18, 4, 0), (SOCKET, 20, 16, 0), (SOCKET, 21, 16, 0), (SOCKET, 29, 4, 0), (SOCKET, 34, 4, 0),
    (SOCKET, 35, 4, 0), (SOCKET, 36, 4, 0), (SOCKET, 37, 8, 0), (SOCKET, 40, 4, 0), (SOCKET, 41, 4, 0),
    (SOCKET, 42, 4, 0), (SOCKET, 43, 4, 0), (SOCKET, 45, 4, 0), (SOCKET, 46, 4, 0), (SOCKET, 47, 8, 0),
    (SOCKET, 60, 4, 0), (SOCKET, 61, 8, 0), (SOCKET, 63, 4, 0), (SOCKET, 64, 4, 0), (SOCKET, 69, 4, 0),
    (SOCKET, 70, 4, 0), (SOCKET, 72, 4, 0), (SOCKET, 73, 4, 0), (SOCKET, 74, 4, 0), (SOCKET, 75, 4, 0),
    (SOCKET, 76, 4, 0), (SOCKET, 82, 4, 0), (SOCKET, 83, 4, 0),
];

/// The filter of a socket, as `struct sock_filter`s; asked for by their number.
const FILTER: u16 = 26;
/// Nobody may change the filter any more.
const LOCK_FILTER: u16 = 44;

fn is_connection(sock: &Sock) -> bool {
    matches!(
        sock.state,
        socket_state::CONNECTED | socket_state::CLOSED | socket_state::RESET
    )
}

/// Notes all options of a socket.
#[inline(never)]
pub(super) fn collect(sock: &Sock, groups: &mut Groups, out: &mut Encoded) -> Result<()> {
    const BUF_LOCK: u32 = 72;
    const SNDBUF_LOCK: u32 = 1;
    const RCVBUF_LOCK: u32 = 2;
    let locks = socket::number(sock.fd, SOL_SOCKET, BUF_LOCK).unwrap_or(0);
    for (level, name, len, when) in TABLE {
        let unix = sock.family == family::UNIX && level != SOCKET;
        if unix || (sock.kind == STREAM && when & PACKETS != 0) {
            continue;
        }
        // Buffers of TCP grow by themselves, if the program has not said how large they are to be.
        let lock = match (level, name) {
            (SOCKET, SNDBUF) => SNDBUF_LOCK,
            (SOCKET, RCVBUF) => RCVBUF_LOCK,
            _ => 0,
        };
        if tcp::is_connection(sock) && lock & !locks != 0 {
            continue;
        }
        let mut value = [0; 32];
        let room = value.get_mut(..usize::from(len)).unwrap_or(&mut []);
        // One that this family or kernel does not have.
        let Ok(got) = socket::option(sock.fd, level.into(), name.into(), room) else {
            continue;
        };
        let mut value = value.get(..got).unwrap_or(&[]);
        let (bytes, len);
        if when & INDEX != 0 {
            (bytes, len) = multicast::named(sock.fd, name.into(), value);
            value = bytes.get(..len).unwrap_or(&[]);
        }
        note(sock, level, name, value, out)?;
    }
    if inet::is(sock.family) {
        groups.collect(sock, out)?;
    }
    if sock.family == family::NETLINK {
        netlink::collect(sock, out)?;
    }
    collect_filter(sock, out)
}

/// Notes one option.
pub(super) fn note(
    sock: &Sock,
    level: u16,
    name: u16,
    value: &[u8],
    out: &mut Encoded,
) -> Result<()> {
    let option = SocketOption {
        file: sock.file,
        level: level.into(),
        name: name.into(),
        value,
    };
    out.push(&option, value.len())
}

/// The filter comes last, after messages that it might not let through.
fn collect_filter(sock: &Sock, out: &mut Encoded) -> Result<()> {
    const INSTRUCTION: usize = 8;
    // The length is a number of instructions (sk_get_filter, net/core/filter.c).
    let count = match socket::filter(sock.fd, &mut []) {
        Ok(count) => count,
        // A program of bpf(2) cannot be asked for.
        Err(Errno::ACCES) => {
            return Err(refused(sock.fd, format_args!("socket with a BPF program")));
        }
        Err(_) => 0,
    };
    if count > 0 {
        let scratch = Arena::new(64 << 10)?;
        let program = scratch.bytes(count * INSTRUCTION, 8)?;
        socket::filter(sock.fd, program).or_fail(format_args!(
            "cannot read the filter of descriptor {}",
            sock.fd
        ))?;
        if program.len() > limits::OPTION {
            return Err(refused(
                sock.fd,
                format_args!("socket with a filter of {count} instructions"),
            ));
        }
        note(sock, SOCKET, FILTER, program, out)?;
        let locked = socket::number(sock.fd, SOL_SOCKET, LOCK_FILTER.into()).unwrap_or(0);
        if locked != 0 {
            note(sock, SOCKET, LOCK_FILTER, &locked.to_le_bytes(), out)?;
        }
    }
    Ok(())
}

/// Sets an option of the image if it is not so already: `early` before the socket has a name, or
/// last of all.
#[inline(never)]
pub(super) fn restore(
    fd: i32,
    option: &SocketOption<'_>,
    sock: &Sock,
    early: bool,
) -> SysResult<()> {
    let of = |row: &&(u16, u16, u8, u8)| {
        (u32::from(row.0), u32::from(row.1)) == (option.level, option.name)
    };
    let when = TABLE.iter().find(of).map_or(0, |row| row.3);
    let mut never = if early { 0 } else { ONCE };
    if is_connection(sock) {
        never |= if early { IDLE | LATE } else { IDLE };
    }
    if sock.kind == STREAM {
        never |= PACKETS;
    }
    if (early && when & EARLY == 0) || when & never != 0 {
        return Ok(());
    }
    if (option.level, option.name) == (SOL_SOCKET, u32::from(FILTER)) {
        return socket::set_filter(fd, option.value);
    }
    let mut now = [0; 32];
    // Of a name, the kernel wants room for the longest (sock_getbindtodevice, net/core/sock.c).
    let room = now.get_mut(..option.value.len().max(16)).unwrap_or(&mut []);
    let got = socket::option(fd, option.level, option.name, room);
    if got.is_ok_and(|got| now.get(..got) == Some(option.value)) {
        return Ok(());
    }
    let buffer = option.level == SOL_SOCKET && [SNDBUF, RCVBUF].contains(&(option.name as u16));
    match option.value.first_chunk() {
        // The kernel doubles what it is given (sock_setsockopt, net/core/sock.c).
        Some(size) if buffer => {
            let half = u32::from_le_bytes(*size) / 2;
            socket::set_number(fd, option.level, option.name, half)
        }
        _ => socket::set_option(fd, option.level, option.name, option.value),
    }
}
