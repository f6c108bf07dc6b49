//! Signal frames: the handler's entry, the way back, and what stands where.
#![expect(unsafe_code, reason = "signal frames are made by the kernel")]

use core::arch::naked_asm;

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
        "add rsp, 8",
        "ret",
        handle = sym crate::gate::handle,
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
        "mov rax, 15", // rt_sigreturn
        "syscall",
        "ud2",
        "4:",
        "xor edi, edi",
        "mov eax, 60", // exit, of this thread
        "syscall",
        "ud2",
    )
}

/// Addresses of [`handler`], [`restorer`] and [`resume`], which are the resident part's; all others
/// find them in its settings.
#[must_use]
pub fn addresses() -> [usize; 3] {
    let (a, b, c): (usize, usize, usize);
    // SAFETY: takes addresses only.
    unsafe {
        core::arch::asm!(
            "lea {}, [rip + {handler}]",
            "lea {}, [rip + {restorer}]",
            "lea {}, [rip + {resume}]",
            out(reg) a, out(reg) b, out(reg) c,
            handler = sym handler, restorer = sym restorer, resume = sym resume,
            options(nomem, nostack, preserves_flags)
        );
    };
    [a, b, c]
}

/// Offsets in the kernel's `struct ucontext` (asm/ucontext.h, asm/sigcontext.h).
pub mod offset {
    /// The six arguments of a system call: `uc_mcontext.rdi, rsi, rdx, r10, r8, r9`.
    pub const ARGUMENTS: [usize; 6] = [104, 112, 136, 56, 40, 48];
    /// `uc_mcontext.rsp`.
    pub const RSP: usize = 160;
    /// `uc_mcontext.rax`.
    pub const RAX: usize = 144;
    /// `uc_mcontext.rip`.
    pub const RIP: usize = 168;
    /// `uc_mcontext.eflags`.
    pub const EFLAGS: usize = 176;
    /// `uc_mcontext.fpstate`.
    pub const FPSTATE: usize = 224;
    /// `uc_sigmask`.
    pub const SIGMASK: usize = 296;
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
