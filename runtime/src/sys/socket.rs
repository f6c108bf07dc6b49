//! Calls about sockets: only what it takes to name one.
#![expect(unsafe_code, reason = "system calls")]

use core::fmt;

use super::{Errno, SysResult, call};

/// Options of SOL_SOCKET.
#[derive(Clone, Copy, Debug)]
pub enum About {
    /// SO_TYPE.
    Type = 3,
    /// SO_ACCEPTCONN.
    Listening = 30,
    /// SO_PROTOCOL.
    Protocol = 38,
    /// SO_DOMAIN.
    Family = 39,
}

/// getsockopt(2) of a number.
pub fn ask(fd: i32, about: About) -> SysResult<u32> {
    const SOL_SOCKET: u32 = 1;
    let mut value = 0u32;
    let mut len = 4u32;
    let value_at = core::ptr::from_mut(&mut value);
    let len_at = core::ptr::from_mut(&mut len);
    // SAFETY: the kernel writes both numbers.
    unsafe {
        call!(
            __NR_getsockopt,
            fd,
            SOL_SOCKET,
            about as u32,
            value_at,
            len_at
        )
    }?;
    Ok(value)
}

/// Internet address of a socket's own end.
pub fn local(fd: i32) -> SysResult<Address> {
    let mut address = [0u8; 128];
    let mut len = 128u32;
    let len_at = core::ptr::from_mut(&mut len);
    // SAFETY: the kernel writes within the buffer, and its length.
    unsafe { call!(__NR_getsockname, fd, address.as_mut_ptr(), len_at) }?;
    internet(&address)
}

/// Internet address of a socket's other end.
pub fn peer(fd: i32) -> SysResult<Address> {
    let mut address = [0u8; 128];
    let mut len = 128u32;
    let len_at = core::ptr::from_mut(&mut len);
    // SAFETY: the kernel writes within the buffer, and its length.
    unsafe { call!(__NR_getpeername, fd, address.as_mut_ptr(), len_at) }?;
    internet(&address)
}

/// An Internet address with its port. Shown as by `core::net::SocketAddr`, whose code is several
/// times as long.
#[derive(Clone, Copy, Debug)]
pub struct Address {
    ip: Ip,
    port: u16,
}

#[derive(Clone, Copy, Debug)]
enum Ip {
    V4([u8; 4]),
    V6([u8; 16]),
}

/// `struct sockaddr_in` or `struct sockaddr_in6`.
fn internet(address: &[u8; 128]) -> SysResult<Address> {
    let [f0, f1, p0, p1, rest @ ..] = address;
    let port = u16::from_be_bytes([*p0, *p1]);
    let ip = match u16::from_le_bytes([*f0, *f1]) {
        2 => rest.first_chunk().copied().map(Ip::V4),
        10 => rest
            .get(4..)
            .and_then(|r| r.first_chunk())
            .copied()
            .map(Ip::V6),
        _ => None,
    };
    ip.map(|ip| Address { ip, port }).ok_or(Errno::INVAL)
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ip {
            Ip::V4(ip) => dotted(f, ip)?,
            Ip::V6([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d]) => {
                f.write_str("[::ffff:")?;
                dotted(f, [a, b, c, d])?;
                f.write_str("]")?;
            }
            Ip::V6(ip) => groups(f, ip)?,
        }
        write!(f, ":{}", u32::from(self.port))
    }
}

fn dotted(f: &mut fmt::Formatter<'_>, ip: [u8; 4]) -> fmt::Result {
    let [a, b, c, d] = ip.map(u32::from);
    write!(f, "{a}.{b}.{c}.{d}")
}

/// RFC 5952: the first of the longest runs of zero groups, if it is longer than one, as `::`.
fn groups(f: &mut fmt::Formatter<'_>, ip: [u8; 16]) -> fmt::Result {
    let zeros = |from: usize| {
        let (pairs, _) = ip.as_chunks::<2>();
        pairs
            .iter()
            .skip(from)
            .take_while(|&&p| p == [0, 0])
            .count()
    };
    let (mut run, mut len) = (8, 1);
    for from in 0..8 {
        if zeros(from) > len {
            (run, len) = (from, zeros(from));
        }
    }
    f.write_str("[")?;
    let (pairs, _) = ip.as_chunks::<2>();
    for (n, &pair) in pairs.iter().enumerate() {
        if n == run {
            f.write_str("::")?;
        } else if !(run..run + len).contains(&n) {
            if n != 0 && n != run + len {
                f.write_str(":")?;
            }
            write!(f, "{:x}", u64::from(u16::from_be_bytes(pair)))?;
        }
    }
    f.write_str("]")
}
