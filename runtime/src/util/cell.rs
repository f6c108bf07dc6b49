//! State of the runtime that outlives a call.
#![expect(unsafe_code, reason = "a static that is written to")]

use core::cell::UnsafeCell;

/// A static that one thread at a time uses.
///
/// That holds because the runtime's code runs only before the program's first instruction, or in a
/// checkpoint with all signals blocked and the other threads standing still, or in a restore that
/// has one thread.
#[derive(Debug)]
pub struct Global<T>(UnsafeCell<T>);

// SAFETY: one thread at a time, as the type's documentation argues.
unsafe impl<T> Sync for Global<T> {}

impl<T> Global<T> {
    /// A static with its first value.
    pub const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// Where the value lies.
    pub fn place(&self) -> *mut T {
        self.0.get()
    }

    /// Runs `f` with the value; must not be called again from within `f`.
    pub fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: one thread at a time, and `f` does not come back here.
        f(unsafe { &mut *self.0.get() })
    }
}

impl<T: Copy> Global<T> {
    /// The value.
    pub fn get(&self) -> T {
        self.with(|v| *v)
    }

    /// Replaces the value.
    pub fn set(&self, value: T) {
        self.with(|v| *v = value);
    }
}
