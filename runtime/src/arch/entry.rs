//! The way in from the kernel or the dynamic linker, and the way on into the program.
#![expect(unsafe_code, reason = "the entry point of a process is not a function")]

use core::arch::naked_asm;

/// Where the program's own code is to be entered; read by the last instruction of [`ckpt_start`].
static mut TARGET: usize = 0;

/// `e_entry` of a patched program.
///
/// On entry rsp points to argc, and rdx is the dynamic linker's exit function (psABI 3.4.1,
/// "Process Initialization"); everything is handed on as it came, flags included. `endbr64` first
/// and `notrack` last keep it valid under indirect-branch tracking; nothing returns through a
/// pushed address, so a shadow stack stays right too.
///
/// # Safety
///
/// Only the kernel or the dynamic linker may come here, once, with a process's initial stack.
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub unsafe extern "C" fn ckpt_start() -> ! {
    naked_asm!(
        "endbr64",
        "pushfq",
        "push rax",
        "push rbx",
        "push rcx",
        "push rdx",
        "push rsi",
        "push rdi",
        "push rbp",
        "push r8",
        "push r9",
        "push r10",
        "push r11",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "cld",
        "lea rdi, [rsp + 128]",           // the initial stack pointer: 16 words were pushed
        "lea rsi, [rip + ckpt_payload]",  // the payload, behind the handoff page
        "mov rbp, rsp",
        "and rsp, -16",
        "call {start}",
        "mov [rip + {target}], rax",
        "mov rsp, rbp",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop r11",
        "pop r10",
        "pop r9",
        "pop r8",
        "pop rbp",
        "pop rdi",
        "pop rsi",
        "pop rdx",
        "pop rcx",
        "pop rbx",
        "pop rax",
        "popfq",
        "notrack jmp qword ptr [rip + {target}]",
        start = sym crate::entry::start,
        target = sym TARGET,
    )
}

/// An `Elf64_Rela`.
#[repr(C)]
struct Rela {
    offset: usize,
    info: u64,
    addend: usize,
}

/// The only relocation type there is; the tool's build refuses others.
const R_X86_64_RELATIVE: u64 = 8;

/// Bounds of this program's own relocations.
#[must_use]
pub fn table() -> [usize; 2] {
    let (start, end): (usize, usize);
    // SAFETY: both symbols are of the linker script; only their addresses are taken.
    unsafe {
        core::arch::asm!(
            "lea {}, [rip + ckpt_rela]",
            "lea {}, [rip + ckpt_rela_end]",
            out(reg) start, out(reg) end, options(nomem, nostack, preserves_flags)
        );
    };
    [start, end]
}

/// Makes the data of a program point to where it lies.
///
/// Code of that program that runs before this may not use any address stored in data: no tables of
/// strings, no formatting, no trait objects. It is written without calls so that none is made by
/// accident.
///
/// # Safety
///
/// `base` is the first byte of a program whose data pages are writable and as linked, or as
/// relocated for another base: the addend, not the old value, is used. The table is its own, or
/// that of another copy of it.
pub unsafe fn relocate(base: usize, [start, end]: [usize; 2]) {
    let mut at = start;
    while at < end {
        // SAFETY: `at` is inside the table, which is read-only data of the program.
        let rela = unsafe { &*(at as *const Rela) };
        if rela.info == R_X86_64_RELATIVE {
            let place = (base + rela.offset) as *mut usize;
            // SAFETY: the linker made the offset, it lies in the data pages; aligned by the linker.
            unsafe { place.write(base + rela.addend) };
        }
        at += size_of::<Rela>();
    }
}

/// Where the part begins that runs here, where its writable pages do, and where it ends: with all
/// that is written to, not with a page.
#[must_use]
pub fn extent() -> (usize, usize, usize) {
    let (base, data, end): (usize, usize, usize);
    // SAFETY: only addresses of the linker script's symbols are taken.
    unsafe {
        core::arch::asm!(
            "lea {}, [rip + ckpt_payload]",
            "lea {}, [rip + ckpt_data]",
            "lea {}, [rip + ckpt_end]",
            out(reg) base, out(reg) data, out(reg) end, options(nomem, nostack, preserves_flags)
        );
    };
    (base, data, end.next_multiple_of(ckpt_packed::ALIGN))
}
