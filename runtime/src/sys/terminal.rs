//! Calls about terminals, ioctl_tty(2).
#![expect(unsafe_code, reason = "system calls")]

use super::fs::{Fd, O_NOCTTY};
use super::{SysResult, call};

/// Modes of a terminal, `struct termios2` (asm-generic/termbits.h).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Modes {
    /// `c_iflag`.
    pub input: u32,
    /// `c_oflag`.
    pub output: u32,
    /// `c_cflag`.
    pub control: u32,
    /// `c_lflag`.
    pub local: u32,
    /// `c_line`.
    pub line: u8,
    /// `c_cc`.
    pub keys: [u8; 19],
    /// Bits a second.
    pub input_speed: u32,
    /// Likewise.
    pub output_speed: u32,
}

/// Input by lines.
pub const ICANON: u32 = 2;
/// Its special keys, LNEXT among them.
pub const IEXTEN: u32 = 0o100_000;
/// Places in [`Modes::keys`].
pub const VEOF: usize = 4;
/// Likewise.
pub const VTIME: usize = 5;
/// Likewise.
pub const VMIN: usize = 6;
/// Likewise.
pub const VLNEXT: usize = 15;

/// TCGETS2.
pub fn modes(fd: i32) -> SysResult<Modes> {
    const TCGETS2: u32 = 0x802c_542a;
    let mut modes = Modes {
        input: 0,
        output: 0,
        control: 0,
        local: 0,
        line: 0,
        keys: [0; 19],
        input_speed: 0,
        output_speed: 0,
    };
    let to = core::ptr::from_mut(&mut modes);
    // SAFETY: the kernel writes the structure.
    unsafe { call!(__NR_ioctl, fd, TCGETS2, to) }?;
    Ok(modes)
}

/// TCSETS2: at once, nothing waited for or thrown away.
pub fn set_modes(fd: i32, modes: &Modes) -> SysResult<()> {
    const TCSETS2: u32 = 0x402c_542b;
    let from = core::ptr::from_ref(modes);
    // SAFETY: the kernel reads the structure.
    unsafe { call!(__NR_ioctl, fd, TCSETS2, from) }.map(drop)
}

/// Rows, columns, width and height in pixels: `struct winsize`.
pub type Size = [u16; 4];

/// TIOCGWINSZ.
pub fn size(fd: i32) -> SysResult<Size> {
    const TIOCGWINSZ: u32 = 0x5413;
    let mut size = [0; 4];
    // SAFETY: the kernel writes the four numbers.
    unsafe { call!(__NR_ioctl, fd, TIOCGWINSZ, size.as_mut_ptr()) }?;
    Ok(size)
}

/// TIOCSWINSZ.
pub fn set_size(fd: i32, size: Size) -> SysResult<()> {
    const TIOCSWINSZ: u32 = 0x5414;
    // SAFETY: the kernel reads the four numbers.
    unsafe { call!(__NR_ioctl, fd, TIOCSWINSZ, size.as_ptr()) }.map(drop)
}

/// What can be asked with [`ask`].
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
pub enum About {
    /// A master's number, TIOCGPTN.
    Number = 0x8004_5430,
    /// Is a master's slave locked? TIOCGPTLCK.
    Locked = 0x8004_5439,
    /// Is a master in packet mode? TIOCGPKT.
    Packets = 0x8004_5438,
    /// May nobody else open it? TIOCGEXCL.
    Exclusive = 0x8004_5440,
    /// The line discipline, TIOCGETD.
    Discipline = 0x5424,
    /// The session that it controls, TIOCGSID.
    Session = 0x5429,
}

/// An ioctl(2) that tells a number.
pub fn ask(fd: i32, about: About) -> SysResult<u32> {
    let mut value = 0u32;
    let to = core::ptr::from_mut(&mut value);
    // SAFETY: the kernel writes the number.
    unsafe { call!(__NR_ioctl, fd, about as u32, to) }?;
    Ok(value)
}

/// TIOCSPTLCK of a master.
pub fn lock(fd: i32, locked: bool) -> SysResult<()> {
    const TIOCSPTLCK: u32 = 0x4004_5431;
    set(fd, TIOCSPTLCK, locked)
}

/// TIOCPKT of a master.
pub fn set_packets(fd: i32, packets: bool) -> SysResult<()> {
    const TIOCPKT: u32 = 0x5420;
    set(fd, TIOCPKT, packets)
}

fn set(fd: i32, what: u32, value: bool) -> SysResult<()> {
    let value = u32::from(value);
    // SAFETY: the kernel reads the number.
    unsafe { call!(__NR_ioctl, fd, what, core::ptr::from_ref(&value)) }.map(drop)
}

/// TIOCEXCL or TIOCNXCL.
pub fn set_exclusive(fd: i32, exclusive: bool) -> SysResult<()> {
    const TIOCEXCL: u32 = 0x540c;
    const TIOCNXCL: u32 = 0x540d;
    let what = if exclusive { TIOCEXCL } else { TIOCNXCL };
    // SAFETY: no memory.
    unsafe { call!(__NR_ioctl, fd, what, 0) }.map(drop)
}

/// TCXONC: lets output go on, or stops it.
pub fn set_flow(fd: i32, on: bool) -> SysResult<()> {
    const TCXONC: u32 = 0x540a;
    // TCOOFF is 0, TCOON is 1.
    // SAFETY: no memory.
    unsafe { call!(__NR_ioctl, fd, TCXONC, u32::from(on)) }.map(drop)
}

/// TIOCGPTPEER of a master: opens its slave. Unlike those of open(2), O_CLOEXEC would stay among the
/// file's flags.
pub fn open_slave(master: i32, flags: u32) -> SysResult<Fd> {
    const TIOCGPTPEER: u32 = 0x5441;
    let flags = flags | O_NOCTTY;
    // SAFETY: no memory.
    unsafe { call!(__NR_ioctl, master, TIOCGPTPEER, flags) }.map(|fd| Fd::own(fd as i32))
}
