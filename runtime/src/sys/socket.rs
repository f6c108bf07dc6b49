//! Calls on sockets.
#![expect(unsafe_code, reason = "system calls")]

use ckpt_format::record::IFNAME;

use super::address::Address;
use super::fs::{Fd, O_CLOEXEC, O_NONBLOCK, Piece};
use super::{Errno, SysResult, call};
use crate::util::arena::Plain;
use crate::util::bytes::{put, word};

/// Level of the options that all sockets have.
pub const SOL_SOCKET: u32 = 1;

/// Kinds of socket.
pub const STREAM: u32 = 1;
/// Datagrams.
pub const DATAGRAM: u32 = 2;
/// Packets with their headers.
pub const RAW: u32 = 3;

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
    number(fd, SOL_SOCKET, about as u32)
}

/// getsockopt(2) of a number.
pub fn number(fd: i32, level: u32, name: u32) -> SysResult<u32> {
    let mut value = [0; 4];
    option(fd, level, name, &mut value)?;
    Ok(u32::from_le_bytes(value))
}

/// getsockopt(2); tells how many bytes it is.
#[inline(never)]
pub fn option(fd: i32, level: u32, name: u32, value: &mut [u8]) -> SysResult<usize> {
    let mut len = value.len() as u32;
    let len_at = core::ptr::from_mut(&mut len);
    // SAFETY: the kernel writes within the buffer, and its length.
    unsafe { call!(__NR_getsockopt, fd, level, name, value.as_mut_ptr(), len_at) }?;
    Ok(len as usize)
}

/// setsockopt(2).
#[inline(never)]
pub fn set_option(fd: i32, level: u32, name: u32, value: &[u8]) -> SysResult<()> {
    // SAFETY: the kernel reads the buffer.
    unsafe {
        call!(
            __NR_setsockopt,
            fd,
            level,
            name,
            value.as_ptr(),
            value.len()
        )
    }
    .map(drop)
}

/// setsockopt(2) of a number.
pub fn set_number(fd: i32, level: u32, name: u32, value: u32) -> SysResult<()> {
    set_option(fd, level, name, &value.to_le_bytes())
}

/// SO_GET_FILTER: classic filter of a socket, eight bytes an instruction; tells their number.
pub fn filter(fd: i32, program: &mut [u8]) -> SysResult<usize> {
    const SO_GET_FILTER: u32 = 26;
    let mut count = (program.len() / 8) as u32;
    let count_at = core::ptr::from_mut(&mut count);
    // SAFETY: the kernel writes so many instructions, and their number.
    unsafe {
        call!(
            __NR_getsockopt,
            fd,
            SOL_SOCKET,
            SO_GET_FILTER,
            program.as_mut_ptr(),
            count_at
        )
    }?;
    Ok(count as usize)
}

/// SO_ATTACH_FILTER.
pub fn set_filter(fd: i32, program: &[u8]) -> SysResult<()> {
    const SO_ATTACH_FILTER: u32 = 26;
    // `struct sock_fprog`: number of instructions, address.
    let fprog = [program.len() as u64 / 8, program.as_ptr().addr() as u64];
    // SAFETY: the kernel reads the structure and the program.
    unsafe {
        call!(
            __NR_setsockopt,
            fd,
            SOL_SOCKET,
            SO_ATTACH_FILTER,
            fprog.as_ptr(),
            16
        )
    }
    .map(drop)
}

/// Bytes of `struct ifreq`: a name, and what is told of it or asked for.
const IFREQ: usize = 40;

/// SIOCGIFNAME: the name of a network interface, ended by zeros.
pub fn interface_name(fd: i32, index: u32) -> SysResult<[u8; IFNAME]> {
    const SIOCGIFNAME: u32 = 0x8910;
    let mut request = [0; IFREQ];
    put(&mut request, IFNAME, &index.to_le_bytes());
    about_interface(fd, SIOCGIFNAME, &mut request)?;
    Ok(request.first_chunk().copied().unwrap_or_default())
}

/// SIOCGIFINDEX: the index of the network interface of that name.
pub fn interface_index(fd: i32, name: &[u8]) -> SysResult<u32> {
    const SIOCGIFINDEX: u32 = 0x8933;
    let mut request = [0; IFREQ];
    put(&mut request, 0, name.get(..IFNAME).unwrap_or(name));
    about_interface(fd, SIOCGIFINDEX, &mut request)?;
    Ok(word(&request, IFNAME))
}

#[inline(never)]
fn about_interface(fd: i32, what: u32, request: &mut [u8; IFREQ]) -> SysResult<()> {
    // SAFETY: the kernel reads and writes the structure, which has that many bytes.
    unsafe { call!(__NR_ioctl, fd, what, request.as_mut_ptr()) }.map(drop)
}

/// A socket's address as the kernel has it, `struct sockaddr`.
#[derive(Clone, Copy, Debug)]
pub struct Name {
    len: u32,
    bytes: [u8; 112],
}

// SAFETY: a record of integers.
unsafe impl Plain for Name {}

impl Name {
    /// No address.
    pub const NONE: Self = Self {
        len: 0,
        bytes: [0; 112],
    };

    /// An address; what is longer than any of them is none.
    #[must_use]
    pub fn new(from: &[u8]) -> Self {
        let mut name = Self::NONE;
        if let Some(to) = name.bytes.get_mut(..from.len()) {
            to.copy_from_slice(from);
            name.len = from.len() as u32;
        }
        name
    }

    /// An Internet address as a family has it.
    #[must_use]
    pub fn at(address: &Address, family: u32) -> Self {
        let mut bytes = [0; Address::MOST];
        let len = address.encode(family, &mut bytes);
        Self::new(bytes.get(..len).unwrap_or(&[]))
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len as usize).unwrap_or(&[])
    }

    /// True if there is more than a family.
    #[must_use]
    pub fn is_some(&self) -> bool {
        self.len > 2
    }

    /// The family; zero for no address.
    #[must_use]
    pub fn family(&self) -> u32 {
        let [low, high, ..] = self.bytes;
        u16::from_le_bytes([low, high]).into()
    }

    /// What follows the family.
    #[must_use]
    pub fn rest(&self) -> &[u8] {
        self.as_bytes().get(2..).unwrap_or(&[])
    }

    /// As an Internet address.
    pub fn internet(&self) -> SysResult<Address> {
        Address::decode(&self.bytes).ok_or(Errno::INVAL)
    }
}

/// getsockname(2), or getpeername(2).
#[inline(never)]
pub fn name(fd: i32, other_end: bool) -> SysResult<Name> {
    let mut name = Name {
        len: 112,
        bytes: [0; 112],
    };
    let at = name.bytes.as_mut_ptr();
    let len_at = core::ptr::from_mut(&mut name.len);
    if other_end {
        // SAFETY: the kernel writes within the buffer, and its length.
        unsafe { call!(__NR_getpeername, fd, at, len_at) }
    } else {
        // SAFETY: likewise.
        unsafe { call!(__NR_getsockname, fd, at, len_at) }
    }?;
    name.len = name.len.min(112);
    Ok(name)
}

/// Internet address of a socket's own end.
pub fn local(fd: i32) -> SysResult<Address> {
    name(fd, false)?.internet()
}

/// Internet address of a socket's other end.
pub fn peer(fd: i32) -> SysResult<Address> {
    name(fd, true)?.internet()
}

/// socket(2), close-on-exec, never waiting.
pub fn open(family: u32, kind: u32, protocol: u32) -> SysResult<Fd> {
    let kind = kind | O_CLOEXEC | O_NONBLOCK;
    // SAFETY: no memory.
    let fd = unsafe { call!(__NR_socket, family, kind, protocol) }?;
    Ok(Fd::own(fd as i32))
}

/// socketpair(2) of Unix sockets, close-on-exec, never waiting.
pub fn pair(kind: u32) -> SysResult<[Fd; 2]> {
    const AF_UNIX: u32 = 1;
    let kind = kind | O_CLOEXEC | O_NONBLOCK;
    let mut ends = [0i32; 2];
    // SAFETY: the kernel writes both numbers.
    unsafe { call!(__NR_socketpair, AF_UNIX, kind, 0, ends.as_mut_ptr()) }?;
    Ok(ends.map(Fd::own))
}

/// bind(2).
pub fn bind(fd: i32, to: &[u8]) -> SysResult<()> {
    // SAFETY: the kernel reads the buffer.
    unsafe { call!(__NR_bind, fd, to.as_ptr(), to.len()) }.map(drop)
}

/// connect(2).
pub fn connect(fd: i32, to: &[u8]) -> SysResult<()> {
    // SAFETY: the kernel reads the buffer.
    unsafe { call!(__NR_connect, fd, to.as_ptr(), to.len()) }.map(drop)
}

/// listen(2).
pub fn listen(fd: i32, backlog: u32) -> SysResult<()> {
    // SAFETY: no memory.
    unsafe { call!(__NR_listen, fd, backlog) }.map(drop)
}

/// accept4(2), close-on-exec, never waiting.
pub fn accept(fd: i32) -> SysResult<Fd> {
    // SAFETY: no memory.
    let fd = unsafe { call!(__NR_accept4, fd, 0, 0, O_CLOEXEC | O_NONBLOCK) }?;
    Ok(Fd::own(fd as i32))
}

/// shutdown(2): 0 for reading, 1 for writing, 2 for both.
pub fn shut_down(fd: i32, how: u32) -> SysResult<()> {
    // SAFETY: no memory.
    unsafe { call!(__NR_shutdown, fd, how) }.map(drop)
}

/// Flag of recvmsg(2) and sendmsg(2): out of band.
pub const MSG_OOB: u32 = 1;
/// What is received stays there.
pub const MSG_PEEK: u32 = 2;
/// The message was longer than the buffer.
pub const MSG_TRUNC: u32 = 0x20;
/// The control messages were longer than their buffer.
pub const MSG_CTRUNC: u32 = 8;
/// Do not wait.
const MSG_DONTWAIT: u32 = 0x40;
/// No SIGPIPE.
const MSG_NOSIGNAL: u32 = 0x4000;

/// `struct msghdr`.
#[repr(C)]
struct Header {
    name: *mut u8,
    name_len: u32,
    pieces: *mut Piece,
    piece_count: usize,
    control: *mut u8,
    control_len: usize,
    flags: u32,
}

/// What recvmsg(2) tells.
#[derive(Clone, Copy, Debug)]
pub struct Received {
    /// Bytes received.
    pub len: usize,
    /// Bytes of control messages.
    pub control: usize,
    /// MSG_* flags.
    pub flags: u32,
    /// From whom.
    pub from: Name,
}

/// recvmsg(2), without waiting.
pub fn receive(fd: i32, to: &mut [u8], control: &mut [u8], flags: u32) -> SysResult<Received> {
    receive_into(fd, to, control, flags, 1)
}

/// Peeks into a buffer that is a byte shorter than it says: the part of a stream that would reach
/// there, as it was sent, is not received; tells how much was before it.
pub fn peek_before(fd: i32, to: &mut [u8]) -> SysResult<usize> {
    match receive_into(fd, to, &mut [], MSG_PEEK, 2) {
        Err(Errno::FAULT) => Ok(0),
        got => got.map(|got| got.len),
    }
}

#[inline(never)]
fn receive_into(
    fd: i32,
    to: &mut [u8],
    control: &mut [u8],
    flags: u32,
    piece_count: usize,
) -> SysResult<Received> {
    let mut from = Name::NONE;
    let mut pieces = [
        Piece {
            base: to.as_mut_ptr().addr(),
            len: to.len(),
        },
        // Nothing is mapped there (vm.mmap_min_addr), so it is never written to.
        Piece { base: 0, len: 1 },
    ];
    let mut header = Header {
        name: from.bytes.as_mut_ptr(),
        name_len: 112,
        pieces: pieces.as_mut_ptr(),
        piece_count,
        control: control.as_mut_ptr(),
        control_len: control.len(),
        flags: 0,
    };
    let at = core::ptr::from_mut(&mut header);
    // SAFETY: the kernel writes within the three buffers, and the header.
    let len = unsafe { call!(__NR_recvmsg, fd, at, flags | MSG_DONTWAIT) }?;
    from.len = header.name_len.min(112);
    Ok(Received {
        len,
        control: header.control_len,
        flags: header.flags,
        from,
    })
}

/// sendmsg(2), without waiting; tells how many bytes went.
#[inline(never)]
pub fn send(fd: i32, data: &[u8], control: &[u8], to: &[u8], flags: u32) -> SysResult<usize> {
    let mut piece = Piece {
        base: data.as_ptr().addr(),
        len: data.len(),
    };
    let header = Header {
        name: to.as_ptr().cast_mut(),
        name_len: to.len() as u32,
        pieces: core::ptr::from_mut(&mut piece),
        piece_count: 1,
        control: control.as_ptr().cast_mut(),
        control_len: control.len(),
        flags: 0,
    };
    let at = core::ptr::from_ref(&header);
    // SAFETY: the kernel reads the buffers.
    unsafe { call!(__NR_sendmsg, fd, at, flags | MSG_DONTWAIT | MSG_NOSIGNAL) }
}
