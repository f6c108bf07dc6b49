//! The resident part: what a patched program has in memory, and what the compiler wants of a
//! program without a libc.
#![no_std]
#![no_main]

use ckpt_runtime as _;

#[path = "symbols.rs"]
mod symbols;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    ckpt_runtime::fault::gave_up()
}
