//! A list whose length is not known beforehand, in address space of its own.
#![expect(unsafe_code, reason = "hands out mapped memory")]

use super::arena::{Arena, Plain};
use crate::error::Result;

/// Records appended one at a time.
#[derive(Debug)]
pub struct List<T> {
    arena: Arena,
    len: usize,
    item: core::marker::PhantomData<T>,
}

impl<T: Plain> List<T> {
    /// An empty list with address space for `most` records.
    pub fn new(most: usize) -> Result<Self> {
        let arena = Arena::new((most * size_of::<T>()).next_multiple_of(4096))?;
        Ok(Self {
            arena,
            len: 0,
            item: core::marker::PhantomData,
        })
    }

    /// Appends a record.
    pub fn push(&mut self, item: T) -> Result<()> {
        if let [slot] = self.arena.records::<T>(1)? {
            *slot = item;
            self.len += 1;
        }
        Ok(())
    }

    /// Sets the list to `count` zero records, for use as a buffer.
    pub fn fill(&mut self, count: usize) -> Result<&mut [T]> {
        self.len += count;
        self.arena.records(count)
    }

    /// All records so far, to be changed in place.
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        let (base, _) = self.arena.range();
        // SAFETY: as for `as_slice`; the borrow is exclusive.
        unsafe { core::slice::from_raw_parts_mut(base as *mut T, self.len) }
    }

    /// Appends records.
    pub fn append(&mut self, items: &[T]) -> Result<()>
    where
        T: Copy,
    {
        self.arena.records::<T>(items.len())?.copy_from_slice(items);
        self.len += items.len();
        Ok(())
    }

    /// All records so far.
    #[must_use]
    pub fn as_slice(&self) -> &[T] {
        let (base, _) = self.arena.range();
        // SAFETY: the arena's first `len` records were written by `push`, one behind the other:
        // a record's size is a multiple of its alignment and nothing else is taken from the arena.
        unsafe { core::slice::from_raw_parts(base as *const T, self.len) }
    }

    /// Address space to leave out of an image.
    #[must_use]
    pub fn range(&self) -> (usize, usize) {
        self.arena.range()
    }
}
