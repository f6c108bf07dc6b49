//! The note of the descriptors, the root directory and the namespaces that the program was started with;
//! `state::files::stream` makes it, and uses it with `state::namespaces`.

/// How many can be noted beside the standard ones. Those beyond are refused by name.
const MORE: usize = 13;

/// How many kinds of namespaces there are.
pub const NAMESPACES: usize = 8;

/// A descriptor at start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Its number; -1 for none.
    pub fd: i32,
    /// Device and inode.
    pub file: (u64, u64),
    /// How it was open, of O_ACCMODE.
    pub mode: u32,
}

/// What is noted.
#[derive(Clone, Copy, Debug)]
pub struct Streams {
    /// The descriptors.
    pub descriptors: [Origin; 3 + MORE],
    /// Device and inode of the root directory.
    pub root: (u64, u64),
    /// Inodes of the namespaces.
    pub namespaces: [u32; NAMESPACES],
}

impl Streams {
    /// No descriptor.
    pub const NONE: Self = Self {
        descriptors: [Origin {
            fd: -1,
            file: (0, 0),
            mode: 0,
        }; 3 + MORE],
        root: (0, 0),
        namespaces: [0; NAMESPACES],
    };
}

/// The note as it lies in memory.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Note {
    /// [`MARK`], by which the note is known in a restored program's memory.
    pub mark: u64,
    /// What is noted.
    pub streams: Streams,
}

impl Note {
    /// Nothing yet.
    pub const NEW: Self = Self {
        mark: MARK,
        streams: Streams::NONE,
    };
}

/// `streams`, and a number that changes with the note's layout.
pub const MARK: u64 = u64::from_le_bytes(*b"streams\x01") ^ ((size_of::<Note>() as u64) << 32);
