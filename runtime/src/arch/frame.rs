//! Signal frames: the handler's entry, the way back, and what stands where.
#![expect(unsafe_code, reason = "signal frames are made by the kernel")]

use core::arch::naked_asm;
use core::mem::offset_of;

use crate::again::Record;

/// What the kernel calls for our signals: `handler(signal, siginfo, ucontext)`.
///
/// # Safety
///
/// Only the kernel comes here.
#[unsafe(naked)]
pub unsafe extern "C" fn handler() {
    naked_asm!(
        "endbr64",
        "cld",
        "sub rsp, 8", // rsp is 8 below a multiple of 16 at a handler's entry, as after a call
        "call {handle}",
        "lea rsp, [rax - 8]", // usually where it is: see `again`
        "jmp {again}",
        handle = sym crate::gate::handle,
        again = sym again,
    )
}

/// The end of [`handler`]. Goes back into the program; if the frame says so, the system call that
/// the signal has interrupted is made again first, and its result is what the program gets.
///
/// That is done here, beneath the open frame, for what sigreturn would undo: the kernel's note of
/// how to restart the call, and the arguments, which are not what the program has in its registers.
/// To a debugger it looks like a function without a frame that the program's signal handler is: it
/// returns to [`restorer`].
///
/// # Safety
///
/// rsp is where it is at a handler's entry, below a `struct ucontext` that is followed by a
/// [`crate::again::Record`] or the kernel's siginfo; all signals are blocked.
#[unsafe(naked)]
pub unsafe extern "C" fn again() {
    naked_asm!(
        "cmp dword ptr [rsp + {record}], {repeat}",
        "jne 3f",
        "2:",
        "mov edi, [rsp + {record} + {clock}]",
        "lea rsi, [rsp + {record} + {started}]",
        "mov eax, 228", // clock_gettime
        "syscall",
        "mov edi, 2", // SIG_SETMASK
        "lea rsi, [rsp + {record} + {mask}]",
        "xor edx, edx",
        "mov r10d, 8",
        "mov eax, 14", // rt_sigprocmask
        "syscall",
        "mov rdi, [rsp + {record} + {args}]",
        "mov rsi, [rsp + {record} + {args} + 8]",
        "mov rdx, [rsp + {record} + {args} + 16]",
        "mov r10, [rsp + {record} + {args} + 24]",
        "mov r8, [rsp + {record} + {args} + 32]",
        "mov r9, [rsp + {record} + {args} + 40]",
        "mov rax, [rsp + {record} + {nr}]",
        "syscall",
        ".globl ckpt_called",
        "ckpt_called:",
        "lea rdi, [rsp + 8]",
        "mov rsi, rax",
        "sub rsp, 8",
        "call {after}",
        "add rsp, 8",
        "test al, al",
        "jnz 2b",
        "3:",
        "ret",
        record = const 8 + offset::INFO,
        repeat = const crate::again::mark::REPEAT,
        clock = const offset_of!(Record, clock),
        started = const offset_of!(Record, started),
        mask = const offset_of!(Record, mask),
        args = const offset_of!(Record, args),
        nr = const offset_of!(Record, nr),
        after = sym crate::again::after,
    )
}

/// SA_RESTORER: where [`handler`] returns to. These very bytes are what unwinders and debuggers
/// know a signal frame by (gdb, libgcc's linux-unwind.h): 48 c7 c0 0f 00 00 00 0f 05.
///
/// # Safety
///
/// rsp is at a `struct ucontext`, as after the handler's return.
#[unsafe(naked)]
pub unsafe extern "C" fn restorer() -> ! {
    naked_asm!("mov rax, 15", "syscall")
}

/// The last code of a restore and the first of the restored program's own memory: returns through
/// a thread's signal frame. Its address stands in the image (`Program::resume`), so this
/// convention is part of the format: rdi and rsi are address and length of the restorer, which is
/// unmapped unless the length is zero; rdx is the thread's `struct ucontext`, or zero for a thread
/// that has ended and is to end again; rcx is the address of a counter that is decremented when
/// the restorer's memory is not needed any more by this thread, or zero.
///
/// # Safety
///
/// All state is restored; signals are blocked.
#[unsafe(naked)]
pub unsafe extern "C" fn resume() -> ! {
    naked_asm!(
        "mov rsp, rdx",
        "test rcx, rcx",
        "jz 2f",
        "lock dec dword ptr [rcx]",
        "2:",
        "test rsi, rsi",
        "jz 3f",
        "mov eax, 11", // munmap
        "syscall",
        "3:",
        "test rsp, rsp",
        "jz 4f",
        "mov rdi, rsp",
        "sub rsp, 16",
        "call {restored}",
        "lea rsp, [rax - 8]",
        "jmp {again}",
        "4:",
        "xor edi, edi",
        "mov eax, 60", // exit, of this thread
        "syscall",
        "ud2",
        restored = sym crate::again::restored,
        again = sym again,
    )
}

/// Addresses of [`handler`], [`restorer`], [`resume`] and [`again`], and of what follows the
/// repeated call in the last. They are the resident part's; all others find them in its settings.
#[must_use]
pub fn addresses() -> [usize; 5] {
    let (a, b, c, d, e): (usize, usize, usize, usize, usize);
    // SAFETY: takes addresses only.
    unsafe {
        core::arch::asm!(
            "lea {}, [rip + {handler}]",
            "lea {}, [rip + {restorer}]",
            "lea {}, [rip + {resume}]",
            "lea {}, [rip + {again}]",
            "lea {}, [rip + ckpt_called]",
            out(reg) a, out(reg) b, out(reg) c, out(reg) d, out(reg) e,
            handler = sym handler, restorer = sym restorer, resume = sym resume, again = sym again,
            options(nomem, nostack, preserves_flags)
        );
    };
    [a, b, c, d, e]
}

/// Offsets in the kernel's `struct ucontext` (asm/ucontext.h, asm/sigcontext.h).
pub mod offset {
    /// The six arguments of a system call: `uc_mcontext.rdi, rsi, rdx, r10, r8, r9`.
    pub const ARGUMENTS: [usize; 6] = [104, 112, 136, 56, 40, 48];
    /// `uc_mcontext.rsp`.
    pub const RSP: usize = 160;
    /// `uc_mcontext.rax`.
    pub const RAX: usize = 144;
    /// `uc_mcontext.rcx`.
    pub const RCX: usize = 152;
    /// `uc_mcontext.rip`.
    pub const RIP: usize = 168;
    /// `uc_mcontext.eflags`.
    pub const EFLAGS: usize = 176;
    /// `uc_mcontext.fpstate`.
    pub const FPSTATE: usize = 224;
    /// `uc_sigmask`.
    pub const SIGMASK: usize = 296;
    /// The siginfo, which follows it in the frame (`struct rt_sigframe`, asm/sigframe.h).
    pub const INFO: usize = 304;
}

/// A `struct ucontext` on a stack.
#[derive(Clone, Copy, Debug)]
pub struct Frame(pub usize);

impl Frame {
    /// A 64-bit word of the frame.
    ///
    /// # Safety
    ///
    /// The frame is one that the kernel made and `at` one of [`offset`].
    #[must_use]
    pub unsafe fn get(self, at: usize) -> u64 {
        let place = (self.0 + at) as *const u64;
        // SAFETY: inside the frame by the caller's promise; frames are 8-byte aligned.
        unsafe { place.read_volatile() }
    }

    /// Changes a word of the frame.
    ///
    /// # Safety
    ///
    /// As for [`Frame::get`]; the thread goes on with what is written.
    pub unsafe fn set(self, at: usize, value: u64) {
        let place = (self.0 + at) as *mut u64;
        // SAFETY: as above.
        unsafe { place.write_volatile(value) };
    }
}
