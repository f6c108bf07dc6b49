//! The records of the sections: fields, order of encoding, and what values are possible.
//!
//! A section of many records is a `u32` count and the records; see [`List`].

mod attributes;
mod child;
mod credentials;
mod file;
mod job;
mod machine;
mod memory;
mod notice;
mod posix_timer;
mod segment;
mod signal;
mod socket;
mod terminal;
mod thread;

pub use attributes::{Attributes, LIMITS};
pub use child::Ended;
pub use credentials::Credentials;
pub use file::{
    Content, Descriptor, File, Lock, Packet, Queued, TimerFd, Watch, fifo, file_kind, lock_kind,
};
pub use job::Job;
pub use machine::{CPUID_LEAVES, Machine, Program};
pub use memory::{Guard, Mm, Policy, Run, TASK_END, Vdso, Vma, prot, vma_flag, vma_kind};
pub use notice::{Notice, inotify};
pub use posix_timer::{PosixTimer, notify, timer_flag};
pub use segment::{Adjustment, Segment};
pub use signal::{Action, Pending, SIGNALS, Timers};
pub use socket::{
    ADDRESS, GROUP_FILTER, IFNAME, MSFILTER, Message, NO_PEER, Right, Socket, SocketOption, family,
    message_flag, socket_flag, socket_state,
};
pub use terminal::{Terminal, terminal_flag};
pub use thread::{NO_DESCRIPTOR, OwnDescriptor, Place, Thread};

use crate::codec::Field;
use crate::{DecodeError, Reader};

/// Reads a section that is one record.
pub fn single<'a, T: Field<'a>>(section: &'static str, bytes: &'a [u8]) -> Result<T, DecodeError> {
    let mut r = Reader::new(section, bytes);
    let record = T::take(&mut r);
    r.finish()?;
    Ok(record)
}

/// A section of many records: reads them one at a time, so that nothing need be allocated.
///
/// After an error the list ends.
#[derive(Clone, Debug)]
pub struct List<'a, T> {
    rest: Rest<'a>,
    item: core::marker::PhantomData<fn() -> T>,
}

/// What is left of a list, whatever its records are.
#[derive(Clone, Debug)]
struct Rest<'a> {
    reader: Reader<'a>,
    left: u32,
}

impl<'a> Rest<'a> {
    fn new(section: &'static str, bytes: &'a [u8], limit: u32) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(section, bytes);
        let left: u32 = reader.take();
        if left > limit {
            return Err(DecodeError::Limit(section));
        }
        let rest = Self { reader, left };
        rest.check()?;
        Ok(rest)
    }

    #[inline(never)]
    fn known(bytes: &'a [u8]) -> Self {
        let mut reader = Reader::new("", bytes);
        let left = reader.take();
        Self { reader, left }
    }

    /// What has been read so far was there; after the last record nothing may follow.
    fn check(&self) -> Result<(), DecodeError> {
        if self.left == 0 {
            self.reader.finish()
        } else {
            self.reader.intact()
        }
    }
}

impl<'a, T: Field<'a>> List<'a, T> {
    /// Starts reading; refuses more than `limit` records before looking at one.
    pub fn new(section: &'static str, bytes: &'a [u8], limit: u32) -> Result<Self, DecodeError> {
        Ok(Self {
            rest: Rest::new(section, bytes, limit)?,
            item: core::marker::PhantomData,
        })
    }

    /// Records not read yet.
    #[must_use]
    pub fn left(&self) -> u32 {
        self.rest.left
    }

    /// The records of a list that is known to decode.
    #[must_use]
    pub fn known(self) -> Known<'a, T> {
        Known {
            rest: self.rest,
            item: core::marker::PhantomData,
        }
    }
}

impl<'a, T: Field<'a>> Iterator for List<'a, T> {
    type Item = Result<T, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.rest.left = self.rest.left.checked_sub(1)?;
        let item = T::take(&mut self.rest.reader);
        let checked = self.rest.check();
        if checked.is_err() {
            self.rest.left = 0;
        }
        Some(checked.map(|()| item))
    }
}

/// The records of a section that is known to decode; of another, whatever they are.
#[derive(Clone, Debug)]
pub struct Known<'a, T> {
    rest: Rest<'a>,
    item: core::marker::PhantomData<fn() -> T>,
}

/// A place in a section: what is left from there.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mark {
    bytes: usize,
    records: u32,
}

impl<'a, T: Field<'a>> Known<'a, T> {
    /// Starts reading.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: Rest::known(bytes),
            item: core::marker::PhantomData,
        }
    }

    /// A place to come back to with [`Known::at`].
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark {
            bytes: self.rest.reader.left(),
            records: self.rest.left,
        }
    }

    /// Goes on where another reader of the same section was.
    #[must_use]
    pub fn at(bytes: &'a [u8], mark: Mark) -> Self {
        let skip = bytes.len().saturating_sub(mark.bytes);
        Self {
            rest: Rest {
                reader: Reader::new("", bytes.get(skip..).unwrap_or(&[])),
                left: mark.records,
            },
            item: core::marker::PhantomData,
        }
    }

    /// Records not read yet.
    #[must_use]
    pub fn left(&self) -> u32 {
        self.rest.left
    }
}

impl<'a, T: Field<'a>> Iterator for Known<'a, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.rest.left = self.rest.left.checked_sub(1)?;
        Some(T::take(&mut self.rest.reader))
    }
}

/// A page-aligned address or length.
pub(crate) fn page_aligned(n: u64) -> bool {
    n.is_multiple_of(u64::from(crate::header::PAGE_SIZE))
}

/// Seconds and nanoseconds that the kernel takes for a time (timespec64_valid, linux/time64.h).
fn is_time([seconds, nanoseconds]: [u64; 2]) -> bool {
    seconds <= i64::MAX.cast_unsigned() && nanoseconds < 1_000_000_000
}
