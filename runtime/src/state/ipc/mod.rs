//! Interprocess communication that is neither a descriptor nor a mapping.

pub mod shm;
pub mod undo;
