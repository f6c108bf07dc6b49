//! A mistake of our own: the checkpoint is given up, the program goes on.

use crate::arch::stack;
use crate::sys::process;

/// Where a panic ends. In a checkpoint the program goes on as if it had been refused; elsewhere
/// there is no program yet, or none any more, and the process ends as a failed restore does.
pub fn panicked() -> ! {
    let _ = crate::error::Error::new(format_args!("internal error in the checkpoint runtime"));
    stack::leave();
    crate::log::error!("{}", crate::error::message());
    process::exit(125)
}

/// Where one of the resident part ends, which has no words.
pub fn gave_up() -> ! {
    process::exit(125)
}
