//! The body: what is unpacked for a checkpoint or a restore.
#![no_std]
#![expect(
    unsafe_code,
    reason = "symbols that the linker and `core` look for by name"
)]

use ckpt_runtime as _;

/// `core` was built to unwind and names this; nothing here unwinds.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

/// Likewise.
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() {}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    ckpt_runtime::fault::panicked()
}
