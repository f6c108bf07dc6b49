//! The records of the sections: fields, order of encoding, and what values are possible.
//!
//! A section of many records is a `u32` count and the records; see [`List`].

mod attributes;
mod file;
mod machine;
mod memory;
mod signal;
mod thread;

pub use attributes::{Attributes, LIMITS};
pub use file::{Content, Descriptor, File, Lock, file_kind, lock_kind};
pub use machine::{CPUID_LEAVES, Machine, Program};
pub use memory::{Guard, Mm, Run, TASK_END, Vdso, Vma, prot, vma_flag, vma_kind};
pub use signal::{Action, Pending, SIGNALS, Timers};
pub use thread::Thread;

use crate::codec::Field;
use crate::{DecodeError, Reader};

/// Reads a section that is one record.
pub fn single<'a, T: Field<'a>>(section: &'static str, bytes: &'a [u8]) -> Result<T, DecodeError> {
    let mut r = Reader::new(section, bytes);
    let record = T::take(&mut r)?;
    r.finish()?;
    Ok(record)
}

/// A section of many records: reads them one at a time, so that nothing need be allocated.
///
/// After an error the list ends.
#[derive(Clone, Debug)]
pub struct List<'a, T> {
    reader: Reader<'a>,
    left: u32,
    item: core::marker::PhantomData<fn() -> T>,
}

/// A place in a section: what is left from there.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mark {
    bytes: usize,
    records: u32,
}

impl<'a, T: Field<'a>> List<'a, T> {
    /// Starts reading; refuses more than `limit` records before looking at one.
    pub fn new(section: &'static str, bytes: &'a [u8], limit: u32) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(section, bytes);
        let left: u32 = reader.take()?;
        if left > limit {
            return Err(DecodeError::Limit(section));
        }
        if left == 0 {
            reader.finish()?;
        }
        Ok(Self {
            reader,
            left,
            item: core::marker::PhantomData,
        })
    }

    /// A place to come back to with [`List::at`].
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark {
            bytes: self.reader.left(),
            records: self.left,
        }
    }

    /// Goes on where another list over the same section was.
    #[must_use]
    pub fn at(section: &'static str, bytes: &'a [u8], mark: Mark) -> Self {
        let skip = bytes.len().saturating_sub(mark.bytes);
        Self {
            reader: Reader::new(section, bytes.get(skip..).unwrap_or(&[])),
            left: mark.records,
            item: core::marker::PhantomData,
        }
    }

    /// Records not read yet.
    #[must_use]
    pub fn left(&self) -> u32 {
        self.left
    }
}

impl<'a, T: Field<'a>> Iterator for List<'a, T> {
    type Item = Result<T, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.left.checked_sub(1)?;
        self.left = rest;
        let mut item = self.reader.take();
        if rest == 0 && item.is_ok() {
            // The last record: nothing may follow it.
            if let Err(e) = self.reader.finish() {
                item = Err(e);
            }
        }
        if item.is_err() {
            self.left = 0;
        }
        Some(item)
    }
}

/// A page-aligned address or length.
pub(crate) fn page_aligned(n: u64) -> bool {
    n.is_multiple_of(u64::from(crate::header::PAGE_SIZE))
}
