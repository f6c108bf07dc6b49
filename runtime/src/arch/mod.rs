//! All assembly of the runtime but the system call instruction itself.

pub mod cpu;
pub mod entry;
pub mod frame;
pub mod mem;
pub mod stack;
