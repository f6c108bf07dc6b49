//! Images as files: written whole or not at all, read with mistrust.

pub mod input;
pub mod name;
pub mod output;
