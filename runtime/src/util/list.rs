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
    /// Address space, reserved when the first record comes.
    arena: Option<Arena>,
    /// Bytes of it.
    most: usize,
    /// Address of the first record; of an empty list, one that is aligned.
    base: usize,
    len: usize,
}

impl Raw {
    /// Room for `count` more records, all zero; tells where. A record's size is a multiple of its
    /// alignment and nothing else is taken from the arena, so they lie one behind the other.
    #[inline(never)]
    fn more(&mut self, count: usize, size: usize) -> Result<*mut u8> {
        let arena = match &mut self.arena {
            Some(arena) => arena,
            none => none.insert(Arena::new(self.most.next_multiple_of(4096))?),
        };
        let room = arena.bytes(count.saturating_mul(size), 1)?;
        (self.base, _) = arena.range();
        self.len += count;
        Ok(room.as_mut_ptr())
    }
}

impl<T: Plain> List<T> {
    /// An empty list with address space for `most` records.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            raw: Raw {
                arena: None,
                most: most * size_of::<T>(),
                base: 4096,
                len: 0,
            },
            item: core::marker::PhantomData,
        }
    }

    /// Reserves the address space now, for where no mapping may come later.
    pub fn reserve(&mut self) -> Result<()> {
        self.fill(0).map(drop)
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
        // SAFETY: as for `as_slice`; the borrow is exclusive.
        unsafe { core::slice::from_raw_parts_mut(self.raw.base as *mut T, self.raw.len) }
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
        // SAFETY: the arena's first `len` records were handed out by `more`.
        unsafe { core::slice::from_raw_parts(self.raw.base as *const T, self.raw.len) }
    }
}
