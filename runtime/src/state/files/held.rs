//! Descriptors of the runtime's own that lead to descriptions which the process has none of: they are
//! under way in a message, or another thread's.

use ckpt_format::limits;

use crate::error::Result;
use crate::sys::fs;
use crate::util::list::List;

/// They are closed with this.
#[derive(Debug)]
pub(super) struct Held(List<i32>);

impl Held {
    pub(super) fn new() -> Self {
        Self(List::new(limits::DESCRIPTORS as usize))
    }

    pub(super) fn keep(&mut self, fd: i32) -> Result<()> {
        self.0.push(fd)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        for &fd in self.0.as_slice() {
            let _ = fs::close(fd);
        }
    }
}
