//! Calls about sockets: only what it takes to name one.
#![expect(unsafe_code, reason = "system calls")]

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

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
pub fn local(fd: i32) -> SysResult<SocketAddr> {
    let mut address = [0u8; 128];
    let mut len = 128u32;
    let len_at = core::ptr::from_mut(&mut len);
    // SAFETY: the kernel writes within the buffer, and its length.
    unsafe { call!(__NR_getsockname, fd, address.as_mut_ptr(), len_at) }?;
    internet(&address)
}

/// Internet address of a socket's other end.
pub fn peer(fd: i32) -> SysResult<SocketAddr> {
    let mut address = [0u8; 128];
    let mut len = 128u32;
    let len_at = core::ptr::from_mut(&mut len);
    // SAFETY: the kernel writes within the buffer, and its length.
    unsafe { call!(__NR_getpeername, fd, address.as_mut_ptr(), len_at) }?;
    internet(&address)
}

/// `struct sockaddr_in` or `struct sockaddr_in6`.
fn internet(address: &[u8; 128]) -> SysResult<SocketAddr> {
    let [f0, f1, p0, p1, rest @ ..] = address;
    let port = u16::from_be_bytes([*p0, *p1]);
    let ip = match u16::from_le_bytes([*f0, *f1]) {
        2 => rest
            .first_chunk::<4>()
            .map(|&bytes| IpAddr::V4(Ipv4Addr::from(bytes))),
        10 => rest
            .get(4..)
            .and_then(|r| r.first_chunk::<16>())
            .map(|&bytes| IpAddr::V6(Ipv6Addr::from(bytes))),
        _ => None,
    };
    ip.map(|ip| SocketAddr::new(ip, port)).ok_or(Errno::INVAL)
}
