//! The body: what is unpacked for a checkpoint or a restore.
#![no_std]

use ckpt_runtime as _;

#[path = "../../src/symbols.rs"]
mod symbols;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    ckpt_runtime::fault::panicked()
}
