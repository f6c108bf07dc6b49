//! Running on another stack, and leaving a computation that cannot go on.
#![expect(unsafe_code, reason = "the stack pointer is changed")]

use core::arch::naked_asm;

/// What makes a thread of a new task: CLONE_VM | FS | FILES | SIGHAND | THREAD | SYSVSEM.
pub const THREAD: u32 = 0x100 | 0x200 | 0x400 | 0x800 | 0x1_0000 | 0x4_0000;

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

/// Calls `run(argument)` on the stack that ends at `top`, in any thread; there is no leaving it.
///
/// # Safety
///
/// As for [`call_on`], of which many can be under way in as many threads.
#[unsafe(naked)]
pub unsafe extern "C" fn call_apart(top: usize, run: extern "C" fn(usize), argument: usize) {
    naked_asm!(
        "push rbx",
        "mov rbx, rsp",
        "mov rsp, rdi",
        "mov rdi, rdx",
        "call rsi",
        "mov rsp, rbx",
        "pop rbx",
        "ret",
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
pub unsafe extern "C" fn resume_at(
    stub: usize,
    base: usize,
    len: usize,
    frame: usize,
    counter: usize,
) -> ! {
    naked_asm!(
        "mov rax, rdi",
        "mov rdi, rsi",
        "mov rsi, rdx",
        "mov rdx, rcx",
        "mov rcx, r8",
        "jmp rax",
    )
}

/// clone(2) of a thread of this process that runs `run(argument)` on the stack ending at `top`;
/// tells its id or a negative error.
///
/// # Safety
///
/// As for [`switch_to`]; `run` never returns.
#[unsafe(naked)]
pub unsafe extern "C" fn spawn(
    top: usize,
    run: unsafe extern "C" fn(usize) -> !,
    argument: usize,
) -> isize {
    naked_asm!(
        "mov r9, rsi",
        "mov rsi, rdi",
        "mov edi, {flags}",
        "push r12",
        "mov r12, rdx",
        "xor edx, edx",
        "xor r10d, r10d",
        "xor r8d, r8d",
        "mov eax, 56", // clone
        "syscall",
        "test rax, rax",
        "jz 2f",
        "pop r12",
        "ret",
        "2:", // the new thread, on its own stack
        "xor ebp, ebp",
        "mov rdi, r12",
        "call r9",
        "ud2",
        flags = const THREAD,
    )
}

/// clone3(2) of a thread of this process that runs `run(argument)` on the stack that the arguments
/// name; tells its id or a negative error.
///
/// # Safety
///
/// As for [`spawn`]; `args` points to `size` bytes of `struct clone_args` that say the same.
#[unsafe(naked)]
pub unsafe extern "C" fn spawn_as(
    args: usize,
    size: usize,
    run: unsafe extern "C" fn(usize) -> !,
    argument: usize,
) -> isize {
    naked_asm!(
        "mov r9, rdx",
        "mov r8, rcx",
        "mov eax, 435", // clone3
        "syscall",
        "test rax, rax",
        "jz 2f",
        "ret",
        "2:", // the new thread, on its own stack
        "xor ebp, ebp",
        "mov rdi, r8",
        "call r9",
        "ud2",
    )
}
