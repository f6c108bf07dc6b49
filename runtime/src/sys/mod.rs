//! The kernel's calls, one typed wrapper each; the only `syscall` instructions outside `arch`.
//!
//! A wrapper is `unsafe` when the call can change memory that Rust knows of: mapping, unmapping,
//! handing the kernel an address to keep. All others are safe.
#![expect(unsafe_code, reason = "system calls")]

pub mod fs;
pub mod mm;
pub mod process;
pub mod signal;
pub mod socket;
pub mod thread;

use core::fmt;

/// Numbers and constants of the kernel.
pub(crate) use linux_raw_sys::general as k;

/// An error number of the kernel.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Errno(pub i32);

impl Errno {
    /// No such file or directory.
    pub const NOENT: Self = Self(2);
    /// No such process.
    pub const SRCH: Self = Self(3);
    /// Interrupted by a signal.
    pub const INTR: Self = Self(4);
    /// No child processes.
    pub const CHILD: Self = Self(10);
    /// Try again.
    pub const AGAIN: Self = Self(11);
    /// Out of memory, or not mapped.
    pub const NOMEM: Self = Self(12);
    /// Permission denied.
    pub const ACCES: Self = Self(13);
    /// Bad address.
    pub const FAULT: Self = Self(14);
    /// Busy.
    pub const BUSY: Self = Self(16);
    /// Exists already.
    pub const EXIST: Self = Self(17);
    /// Invalid argument.
    pub const INVAL: Self = Self(22);
    /// Operation not permitted.
    pub const PERM: Self = Self(1);
    /// No such system call.
    pub const NOSYS: Self = Self(38);

    fn text(self) -> Option<&'static str> {
        Some(match self.0 {
            1 => "operation not permitted",
            2 => "no such file or directory",
            3 => "no such process",
            5 => "input/output error",
            6 => "no such device or address",
            9 => "bad file descriptor",
            11 => "resource temporarily unavailable",
            12 => "out of memory",
            13 => "permission denied",
            14 => "bad address",
            16 => "device or resource busy",
            17 => "file exists",
            20 => "not a directory",
            21 => "is a directory",
            22 => "invalid argument",
            23 => "too many open files in system",
            24 => "too many open files",
            26 => "text file busy",
            27 => "file too large",
            28 => "no space left on device",
            30 => "read-only file system",
            36 => "file name too long",
            38 => "not offered by this kernel",
            40 => "is a symbolic link",
            122 => "disk quota exceeded",
            _ => return None,
        })
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.text() {
            Some(text) => f.write_str(text),
            None => write!(f, "error {}", self.0),
        }
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A system call's result.
pub type SysResult<T> = Result<T, Errno>;

/// Makes a system call.
///
/// # Safety
///
/// The call may not break what Rust assumes of memory; see the wrapper that makes it.
pub(crate) unsafe fn raw(nr: u32, args: [usize; 6]) -> SysResult<usize> {
    let [a, b, c, d, e, f] = args;
    let ret: isize;
    // SAFETY: the convention of syscall(2) for x86-64; the effect is the caller's to answer for.
    unsafe {
        core::arch::asm!(
            "syscall",
            inlateout("rax") nr as usize => ret,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e, in("r9") f,
            lateout("rcx") _, lateout("r11") _,
            options(nostack)
        );
    };
    if (-4095..0).contains(&ret) {
        Err(Errno(-(ret as i32)))
    } else {
        Ok(ret as usize)
    }
}

/// What a system call takes in a register.
pub(crate) trait Word {
    /// The register's value; signed numbers are extended.
    fn word(self) -> usize;
}
macro_rules! word {
    ($($t:ty),*) => {$(
        impl Word for $t {
            fn word(self) -> usize {
                self as usize
            }
        }
    )*};
}
word!(u32, u64, i32, i64);
impl Word for usize {
    fn word(self) -> usize {
        self
    }
}
impl<T> Word for *const T {
    fn word(self) -> usize {
        self.expose_provenance()
    }
}
impl<T> Word for *mut T {
    fn word(self) -> usize {
        self.expose_provenance()
    }
}

/// `call!(NAME, arguments…)`: a system call by name, missing arguments zero.
macro_rules! call {
    ($nr:ident $(, $arg:expr)* $(,)?) => {{
        let given: &[usize] = &[$($crate::sys::Word::word($arg)),*];
        let mut args = [0usize; 6];
        for (slot, value) in args.iter_mut().zip(given) {
            *slot = *value;
        }
        $crate::sys::raw($crate::sys::k::$nr, args)
    }};
}
pub(crate) use call;
