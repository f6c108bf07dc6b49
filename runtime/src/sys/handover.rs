//! Passing a descriptor to a process that cannot look at the caller's: through a Unix socket whose
//! name, in the abstract namespace, is a number that the kernel chooses.
#![expect(unsafe_code, reason = "system calls")]

use super::fs::{Fd, O_CLOEXEC, O_NONBLOCK};
use super::{Errno, SysResult, call};
use crate::util::text::{Text, hexadecimal};

const AF_UNIX: u16 = 1;
const SOCK_STREAM: u32 = 1;
const SOL_SOCKET: u32 = 1;
/// Family, the NUL that says "abstract", and the five digits of a name that the kernel chooses
/// (unix_autobind, net/unix/af_unix.c).
const ADDRESS: usize = 2 + 1 + 5;

fn socket(flags: u32) -> SysResult<Fd> {
    let kind = SOCK_STREAM | O_CLOEXEC | flags;
    // SAFETY: no memory.
    let fd = unsafe { call!(__NR_socket, u32::from(AF_UNIX), kind, 0) }?;
    Ok(Fd::own(fd as i32))
}

/// A socket to be called at, which does not wait, and its name: 20 bits.
pub fn listen() -> SysResult<(Fd, u32)> {
    let fd = socket(O_NONBLOCK)?;
    let mut address = [0u8; 16];
    if let Some(family) = address.first_chunk_mut() {
        *family = AF_UNIX.to_le_bytes();
    }
    // The family alone asks the kernel to choose a name.
    // SAFETY: the kernel reads two bytes.
    unsafe { call!(__NR_bind, fd.number(), address.as_ptr(), 2) }?;
    let mut len = 16u32;
    let len_at = core::ptr::from_mut(&mut len);
    // SAFETY: the kernel writes within the buffer, and its length.
    unsafe { call!(__NR_getsockname, fd.number(), address.as_mut_ptr(), len_at) }?;
    // SAFETY: no memory.
    unsafe { call!(__NR_listen, fd.number(), 1) }?;
    let digits = address.get(3..ADDRESS).unwrap_or(&[]);
    match hexadecimal(digits) {
        Some((name, [])) => Ok((fd, name as u32)),
        _ => Err(Errno::INVAL),
    }
}

/// Gives a descriptor to whoever has called, if it is a process of that user.
pub fn serve(listening: &Fd, user: u32, fd: i32) -> SysResult<()> {
    const SO_PEERCRED: u32 = 17;
    // SAFETY: no address is asked for.
    let caller = unsafe { call!(__NR_accept4, listening.number(), 0, 0, O_CLOEXEC) }?;
    let caller = Fd::own(caller as i32);
    let mut about = [0u32; 3];
    let mut len = 12u32;
    let (about_at, len_at) = (about.as_mut_ptr(), core::ptr::from_mut(&mut len));
    // SAFETY: the kernel writes process, user and group, and their length.
    unsafe {
        call!(
            __NR_getsockopt,
            caller.number(),
            SOL_SOCKET,
            SO_PEERCRED,
            about_at,
            len_at
        )
    }?;
    let [_, peer, _] = about;
    if peer != user {
        return Err(Errno::PERM);
    }
    let mut message = Message::new();
    message.descriptor = fd;
    // SAFETY: the message is whole and lives through the call.
    unsafe { call!(__NR_sendmsg, caller.number(), message.header(), 0) }.map(drop)
}

/// Calls at a name, and takes the descriptor that comes within some seconds.
pub fn fetch(name: u32, seconds: u64) -> SysResult<Fd> {
    const SO_RCVTIMEO: u32 = 20;
    const MSG_CMSG_CLOEXEC: u32 = 0x4000_0000;
    let fd = socket(0)?;
    let time = [seconds, 0];
    let (time_at, size) = (time.as_ptr(), size_of_val(&time));
    // SAFETY: the kernel reads the time.
    unsafe {
        call!(
            __NR_setsockopt,
            fd.number(),
            SOL_SOCKET,
            SO_RCVTIMEO,
            time_at,
            size
        )
    }?;
    let [low, high] = AF_UNIX.to_le_bytes();
    let mut address = Text::<16>::new();
    address.push(&[low, high, 0]);
    // One more digit than the name has, and that taken away, keeps the zeros in front.
    let digits = Text::<16>::format(format_args!("{:x}", u64::from(name) | 1 << 20));
    address.push(digits.as_bytes().get(1..).unwrap_or(&[]));
    let bytes = address.as_bytes();
    // SAFETY: the kernel reads the address.
    unsafe { call!(__NR_connect, fd.number(), bytes.as_ptr(), bytes.len()) }?;
    let mut message = Message::new();
    // SAFETY: the kernel writes within the message's own parts.
    unsafe {
        call!(
            __NR_recvmsg,
            fd.number(),
            message.header(),
            MSG_CMSG_CLOEXEC
        )
    }?;
    if message.control == Message::new().control && message.descriptor >= 0 {
        Ok(Fd::own(message.descriptor))
    } else {
        Err(Errno::INVAL)
    }
}

/// `struct msghdr` with all that it points to: a byte, and one SCM_RIGHTS of one descriptor.
#[repr(C)]
struct Message {
    name: [u64; 2],
    pieces: *const [u64; 2],
    count: u64,
    control_at: *const u64,
    control_len: u64,
    flags: u64,
    piece: [u64; 2],
    byte: u64,
    /// `struct cmsghdr`: length, then level and type.
    control: [u64; 2],
    descriptor: i32,
    rest: i32,
}

impl Message {
    fn new() -> Self {
        const SCM_RIGHTS: u64 = 1;
        Self {
            name: [0; 2],
            pieces: core::ptr::null(),
            count: 1,
            control_at: core::ptr::null(),
            control_len: 24,
            flags: 0,
            piece: [0, 1],
            byte: 0,
            control: [20, u64::from(SOL_SOCKET) | SCM_RIGHTS << 32],
            descriptor: -1,
            rest: 0,
        }
    }

    /// Points to its parts, which must not move from here on.
    fn header(&mut self) -> *mut Self {
        self.piece = [
            core::ptr::from_mut(&mut self.byte).expose_provenance() as u64,
            1,
        ];
        self.pieces = core::ptr::from_ref(&self.piece);
        self.control_at = self.control.as_ptr();
        core::ptr::from_mut(self)
    }
}
