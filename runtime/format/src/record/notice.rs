//! What inotify instances watch.

use crate::codec::record;
use crate::{DecodeError, limits};

/// Bits of [`Notice::mask`].
pub mod inotify {
    /// All that a program can choose and the kernel tells: IN_ALL_EVENTS, IN_EXCL_UNLINK,
    /// IN_ONESHOT (inotify_mark_user_mask, fs/notify/inotify/inotify.h).
    pub const MASK: u32 = 0x8400_0fff;
    /// IN_DONT_FOLLOW: a symbolic link itself is watched.
    pub const DONT_FOLLOW: u32 = 0x200_0000;
}

record! {
    /// What an inotify instance watches.
    Notice<'a> {
        /// Place of the instance in the files section.
        file: u32,
        /// Number of the watch, as inotify_add_watch(2) gave it.
        wd: u32,
        /// IN_* bits, of those in [`inotify`].
        mask: u32,
        /// Path of what is watched.
        path: &'a [u8],
    }
}

impl Notice<'_> {
    /// Checks number, mask and path.
    pub fn check(&self) -> Result<(), DecodeError> {
        let number = self.wd > 0 && self.wd <= limits::WATCHES;
        let known = inotify::MASK | inotify::DONT_FOLLOW;
        let mask = self.mask & 0xfff != 0 && self.mask & !known == 0;
        let path = self.path.first() == Some(&b'/')
            && self.path.len() <= limits::PATH
            && !self.path.contains(&0);
        if number && mask && path {
            Ok(())
        } else {
            Err(DecodeError::Value("watch of an inotify instance"))
        }
    }
}
