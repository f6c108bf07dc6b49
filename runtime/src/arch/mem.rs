//! The memory functions that the compiler calls by name.
//!
//! In assembly, so that the compiler cannot turn their loops into calls of themselves. `rep movsb`
//! is as fast as anything for the sizes copied here (ERMS, all processors since 2013).
#![expect(unsafe_code, reason = "symbols that the compiler calls")]

use core::arch::naked_asm;

/// memcpy(3).
///
/// # Safety
///
/// As in C: `n` bytes at both, not overlapping.
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, n: usize) -> *mut u8 {
    naked_asm!("mov rax, rdi", "mov rcx, rdx", "rep movsb", "ret")
}

/// memmove(3).
///
/// # Safety
///
/// As in C: `n` bytes at both.
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, n: usize) -> *mut u8 {
    naked_asm!(
        "mov rax, rdi",
        "mov rcx, rdx",
        "mov r8, rdi",
        "sub r8, rsi",
        "cmp r8, rdx", // unsigned: to is in [from, from + n)
        "jb 2f",
        "rep movsb",
        "ret",
        "2:", // overlapping upwards: from the end, backwards
        "lea rdi, [rdi + rdx - 1]",
        "lea rsi, [rsi + rdx - 1]",
        "std",
        "rep movsb",
        "cld",
        "ret",
    )
}

/// memset(3).
///
/// # Safety
///
/// As in C: `n` bytes.
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub unsafe extern "C" fn memset(to: *mut u8, byte: i32, n: usize) -> *mut u8 {
    naked_asm!(
        "mov r8, rdi",
        "mov eax, esi",
        "mov rcx, rdx",
        "rep stosb",
        "mov rax, r8",
        "ret"
    )
}

/// memcmp(3).
///
/// # Safety
///
/// As in C: `n` bytes at both.
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub unsafe extern "C" fn memcmp(a: *const u8, b: *const u8, n: usize) -> i32 {
    naked_asm!(
        "xor eax, eax",
        "mov rcx, rdx",
        "cmp rax, rax", // equal, should there be nothing to compare
        "repe cmpsb",
        "je 2f",
        "movzx eax, byte ptr [rdi - 1]",
        "movzx ecx, byte ptr [rsi - 1]",
        "sub ecx, eax",
        "mov eax, ecx",
        "2:",
        "ret",
    )
}

/// bcmp(3).
///
/// # Safety
///
/// As in C: `n` bytes at both.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bcmp(a: *const u8, b: *const u8, n: usize) -> i32 {
    // SAFETY: the caller's promise is the callee's.
    unsafe { memcmp(a, b, n) }
}

/// strlen(3).
///
/// # Safety
///
/// As in C: a NUL-terminated string.
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub unsafe extern "C" fn strlen(s: *const u8) -> usize {
    naked_asm!(
        "lea rax, [rdi - 1]",
        "2:",
        "inc rax",
        "cmp byte ptr [rax], 0",
        "jne 2b",
        "sub rax, rdi",
        "ret",
    )
}
