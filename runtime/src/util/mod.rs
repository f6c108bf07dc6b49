//! Text, scratch memory, checksums: what the rest is written with.

pub mod arena;
pub mod bytes;
pub mod cell;
pub mod crc;
pub mod list;
pub mod own;
pub mod sort;
pub mod text;
