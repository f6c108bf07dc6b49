//! A list whose length is not known beforehand, in address space of its own.
#![expect(unsafe_code, reason = "hands out mapped memory")]

use super::arena::{Arena, Plain};
use crate::error::Result;

/// Records appended one at a time.
#[derive(Debug)]
pub struct List<T> {
    raw: Raw,
    item: core::marker::PhantomData<T>,
}

/// What a list is, whatever its records are.
#[derive(Debug)]
struct Raw {
    arena: Arena,
    len: usize,
}

impl Raw {
    #[inline(never)]
    fn new(most: usize, size: usize) -> Result<Self> {
        let arena = Arena::new((most * size).next_multiple_of(4096))?;
        Ok(Self { arena, len: 0 })
    }

    /// Room for `count` more records, all zero; tells where. A record's size is a multiple of its
    /// alignment and nothing else is taken from the arena, so they lie one behind the other.
    #[inline(never)]
    fn more(&mut self, count: usize, size: usize) -> Result<*mut u8> {
        let room = self.arena.bytes(count.saturating_mul(size), 1)?;
        self.len += count;
        Ok(room.as_mut_ptr())
    }
}

impl<T: Plain> List<T> {
    /// An empty list with address space for `most` records.
    pub fn new(most: usize) -> Result<Self> {
        Ok(Self {
            raw: Raw::new(most, size_of::<T>())?,
            item: core::marker::PhantomData,
        })
    }

    /// Appends a record.
    pub fn push(&mut self, item: T) -> Result<()> {
        let place = self.raw.more(1, size_of::<T>())?.cast::<T>();
        // SAFETY: room for one, as just asked.
        unsafe { place.write(item) };
        Ok(())
    }

    /// Sets the list to `count` zero records, for use as a buffer.
    pub fn fill(&mut self, count: usize) -> Result<&mut [T]> {
        let place = self.raw.more(count, size_of::<T>())?.cast::<T>();
        // SAFETY: room for so many, as just asked; zeroes are a valid `T` by `Plain`.
        Ok(unsafe { core::slice::from_raw_parts_mut(place, count) })
    }

    /// All records so far, to be changed in place.
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        let (base, _) = self.raw.arena.range();
        // SAFETY: as for `as_slice`; the borrow is exclusive.
        unsafe { core::slice::from_raw_parts_mut(base as *mut T, self.raw.len) }
    }

    /// Appends records.
    pub fn append(&mut self, items: &[T]) -> Result<()>
    where
        T: Copy,
    {
        self.fill(items.len())?.copy_from_slice(items);
        Ok(())
    }

    /// All records so far.
    #[must_use]
    pub fn as_slice(&self) -> &[T] {
        let (base, _) = self.raw.arena.range();
        // SAFETY: the arena's first `len` records were handed out by `more`.
        unsafe { core::slice::from_raw_parts(base as *const T, self.raw.len) }
    }

    /// Address space to leave out of an image.
    #[must_use]
    pub fn range(&self) -> (usize, usize) {
        self.raw.arena.range()
    }
}
