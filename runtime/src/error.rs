//! Errors: a message made where it happens, kept in one place, and a token that travels up.

use core::fmt;

use crate::sys::{Errno, SysResult};
use crate::util::cell::Global;
use crate::util::text::Text;

/// Longest message; a path and what is wrong with it.
pub const MESSAGE: usize = 640;

static LAST: Global<Text<MESSAGE>> = Global::new(Text::new());

/// Something could not be done; [`message`] says what.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Error(());

/// The runtime's results.
pub type Result<T> = core::result::Result<T, Error>;

impl Error {
    /// Notes the message of the one error under way.
    #[cold]
    #[inline(never)]
    pub fn new(args: fmt::Arguments<'_>) -> Self {
        // Formatted apart first: an argument may be the message before this one.
        let text = Text::format(args);
        LAST.set(text);
        Self(())
    }

    /// The error whose message is noted already, where its token was lost.
    pub fn again() -> Self {
        Self(())
    }
}

/// The message of the last error, without `ckpt: error: `.
#[must_use]
pub fn message() -> Text<MESSAGE> {
    LAST.get()
}

/// Returns from the function with an error whose message is formatted from the arguments.
macro_rules! fail {
    ($($arg:tt)*) => {
        return Err($crate::error::Error::new(format_args!($($arg)*)))
    };
}
pub(crate) use fail;

/// What to tell when a system call failed: `.or_fail(format_args!("…"))`.
pub trait Context<T> {
    /// Makes the message "WHAT: REASON".
    fn or_fail(self, what: fmt::Arguments<'_>) -> Result<T>;
}

impl<T> Context<T> for SysResult<T> {
    fn or_fail(self, what: fmt::Arguments<'_>) -> Result<T> {
        match self {
            Ok(value) => Ok(value),
            Err(e) => Err(because(what, e)),
        }
    }
}

/// Out of line: there are many callers, and none is in a hurry.
#[cold]
#[inline(never)]
fn because(what: fmt::Arguments<'_>, e: Errno) -> Error {
    Error::new(format_args!("{what}: {e}"))
}
