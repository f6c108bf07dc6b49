//! The kernel's calls, one typed wrapper each; the only `syscall` instructions outside `arch`.
//!
//! A wrapper is `unsafe` when the call can change memory that Rust knows of: mapping, unmapping,
//! handing the kernel an address to keep. All others are safe.
#![expect(unsafe_code, reason = "system calls")]

pub mod address;
pub mod aio;
pub mod credentials;
pub mod fs;
pub mod handover;
pub mod ipc;
pub mod mm;
pub mod namespace;
pub mod process;
pub mod queue;
pub mod signal;
pub mod socket;
pub mod terminal;
pub mod thread;
pub mod timer;

use core::fmt;

use crate::util::text::{Show, decimal, split, trim_start};

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
    /// No such descriptor.
    pub const BADF: Self = Self(9);
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
    /// A name is too long.
    pub const NAMETOOLONG: Self = Self(36);
}

/// Numbers and what they mean: one text, as a table of texts takes half as much again.
const TEXTS: &str = "\
1 operation not permitted;\
2 no such file or directory;\
3 no such process;\
5 input/output error;\
6 no such device or address;\
9 bad file descriptor;\
11 resource temporarily unavailable;\
12 out of memory;\
13 permission denied;\
14 bad address;\
16 device or resource busy;\
17 file exists;\
20 not a directory;\
21 is a directory;\
22 invalid argument;\
23 too many open files in system;\
24 too many open files;\
26 text file busy;\
27 file too large;\
28 no space left on device;\
30 read-only file system;\
36 file name too long;\
38 not offered by this kernel;\
40 is a symbolic link;\
122 disk quota exceeded";

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut texts = split(TEXTS.as_bytes(), b';').filter_map(decimal);
        match texts.find(|(number, _)| *number == u64::from(self.0.unsigned_abs())) {
            Some((_, text)) => Show(trim_start(text)).fmt(f),
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

/// System calls by number of arguments: only registers that are used are set.
///
/// # Safety
///
/// Of each: the call may not break what Rust assumes of memory; see the wrapper that makes it.
macro_rules! raw {
    ($name:ident $(, $arg:ident $reg:tt)*) => {
        #[inline(always)]
        pub(crate) unsafe fn $name(nr: u32 $(, $arg: usize)*) -> SysResult<usize> {
            let ret: isize;
            // SAFETY: the convention of syscall(2); the effect is the caller's to answer for.
            unsafe {
                core::arch::asm!(
                    "syscall",
                    inlateout("rax") nr as usize => ret,
                    $(in($reg) $arg,)*
                    lateout("rcx") _, lateout("r11") _,
                    options(nostack)
                );
            };
            result(ret)
        }
    };
}
raw!(raw0);
raw!(raw1, a "rdi");
raw!(raw2, a "rdi", b "rsi");
raw!(raw3, a "rdi", b "rsi", c "rdx");
raw!(raw4, a "rdi", b "rsi", c "rdx", d "r10");
raw!(raw5, a "rdi", b "rsi", c "rdx", d "r10", e "r8");
raw!(raw6, a "rdi", b "rsi", c "rdx", d "r10", e "r8", f "r9");

/// Tells errors from values. The last page of numbers is errors (syscalls(2)); no call made here
/// has another negative value.
fn result(ret: isize) -> SysResult<usize> {
    if ret < 0 {
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

/// `call!(NAME, arguments…)`: a system call by name.
macro_rules! call {
    (@ $raw:ident $nr:ident $(, $arg:expr)*) => {
        $crate::sys::$raw($crate::sys::k::$nr $(, $crate::sys::Word::word($arg))*)
    };
    ($nr:ident) => { $crate::sys::call!(@ raw0 $nr) };
    ($nr:ident, $a:expr) => { $crate::sys::call!(@ raw1 $nr, $a) };
    ($nr:ident, $a:expr, $b:expr) => { $crate::sys::call!(@ raw2 $nr, $a, $b) };
    ($nr:ident, $a:expr, $b:expr, $c:expr) => { $crate::sys::call!(@ raw3 $nr, $a, $b, $c) };
    ($nr:ident, $a:expr, $b:expr, $c:expr, $d:expr) => {
        $crate::sys::call!(@ raw4 $nr, $a, $b, $c, $d)
    };
    ($nr:ident, $a:expr, $b:expr, $c:expr, $d:expr, $e:expr) => {
        $crate::sys::call!(@ raw5 $nr, $a, $b, $c, $d, $e)
    };
    ($nr:ident, $a:expr, $b:expr, $c:expr, $d:expr, $e:expr, $f:expr) => {
        $crate::sys::call!(@ raw6 $nr, $a, $b, $c, $d, $e, $f)
    };
}
pub(crate) use call;
