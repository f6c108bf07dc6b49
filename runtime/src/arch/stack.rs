//! Running on another stack, and leaving a computation that cannot go on.
#![expect(unsafe_code, reason = "the stack pointer is changed")]

use core::arch::naked_asm;

/// Stack pointer to come back to; zero when there is nothing to come back to.
static mut RECOVER: usize = 0;

/// Calls `run(argument)` on the stack that ends at `top`; tells what it returns, or
/// [`LEFT`] if it was left by [`leave`].
///
/// # Safety
///
/// `top` is 16-byte aligned and the end of a writable area that nobody else uses, large enough for
/// `run`. Calls do not nest.
#[unsafe(naked)]
pub unsafe extern "C" fn call_on(
    top: usize,
    run: extern "C" fn(usize) -> usize,
    argument: usize,
) -> usize {
    naked_asm!(
        "push rbx",
        "push rbp",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "mov [rip + {recover}], rsp",
        "mov rsp, rdi",
        "mov rdi, rdx",
        "call rsi",
        "2:",
        "mov rsp, [rip + {recover}]",
        "mov qword ptr [rip + {recover}], 0",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbp",
        "pop rbx",
        "ret",
        recover = sym RECOVER,
    )
}

/// What [`call_on`] tells of a computation that was left.
pub const LEFT: usize = usize::MAX;

/// Leaves the computation that [`call_on`] runs; returns if there is none.
#[unsafe(naked)]
pub extern "C" fn leave() {
    naked_asm!(
        "cmp qword ptr [rip + {recover}], 0",
        "je 2f",
        "mov rax, -1",
        "mov rsp, [rip + {recover}]",
        "mov qword ptr [rip + {recover}], 0",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbp",
        "pop rbx",
        "2:",
        "ret",
        recover = sym RECOVER,
    )
}

/// Goes on at `to(argument)` on another stack, for good.
///
/// # Safety
///
/// As for [`call_on`]; `to` is code that will stay mapped.
#[unsafe(naked)]
pub unsafe extern "C" fn switch_to(top: usize, to: usize, argument: usize) -> ! {
    naked_asm!(
        "mov rsp, rdi",
        "mov rdi, rdx",
        "xor ebp, ebp",
        "call rsi",
        "ud2"
    )
}

/// Goes on at an image's resume stub; see [`super::frame::resume`] for the convention.
///
/// # Safety
///
/// As for the stub.
#[unsafe(naked)]
pub unsafe extern "C" fn resume_at(stub: usize, base: usize, len: usize, frame: usize) -> ! {
    naked_asm!(
        "mov rax, rdi",
        "mov rdi, rsi",
        "mov rsi, rdx",
        "mov rdx, rcx",
        "jmp rax",
    )
}
