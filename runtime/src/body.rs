//! The body's way in: what the resident part can ask of it.
#![expect(unsafe_code, reason = "takes over what another program hands it")]

use crate::config::{self, Config};
use crate::entry::InitialStack;
use crate::sys::signal::{self, Info};
use crate::util::own;
use crate::util::text::Show;
use crate::{log, request, restore, trigger};

/// What is asked, and what its arguments are. The numbers pass between two programs that are always
/// built together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Task {
    /// Take a checkpoint: signal, siginfo, ucontext.
    Take,
    /// A signal during a checkpoint: likewise.
    Attend,
    /// `--restore`: initial stack pointer. Does not return.
    Restore,
    /// `--checkpoint`: likewise.
    Request,
    /// Tell which settings were not understood, and which signals cannot be had: likewise.
    Complain,
    /// Tell that a secure execution is offered nothing.
    RefuseSecure,
}

/// Type of [`ckpt_body`].
pub type Entry = unsafe extern "C" fn(*mut Config, Task, usize, usize, usize) -> usize;

/// Returned when the checkpoint is over and the body is not needed any more.
pub const FINISHED: usize = 1;
/// Returned when the signal is for the program's own handler, whose place is taken.
pub const FOREIGN: usize = 2;
/// Returned when the signal asks for a checkpoint and one has just been taken: it is to be looked at
/// again when the body is gone.
pub const LATER: usize = 3;

/// The body's entry point.
///
/// # Safety
///
/// Only the resident part comes here, with its settings and the task's arguments.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ckpt_body(
    config: *mut Config,
    task: Task,
    a: usize,
    b: usize,
    c: usize,
) -> usize {
    // SAFETY: the resident part's, which stays.
    unsafe { config::use_place(config) };
    match task {
        Task::Take => {
            let body = config::with(|c| c.body);
            own::claim(body.base, body.len);
            // SAFETY: the caller's promise.
            unsafe { trigger::take(a as u32, b as *const Info, c) }
        }
        // SAFETY: the caller's promise.
        Task::Attend => unsafe { trigger::attend(a as u32, b as *const Info, c) },
        // SAFETY: the caller's promise.
        Task::Restore => restore::run(&unsafe { InitialStack::read(a as *const usize) }),
        // SAFETY: the caller's promise.
        Task::Request => request::run(&unsafe { InitialStack::read(a as *const usize) }),
        Task::Complain => {
            // SAFETY: the caller's promise.
            complain(&unsafe { InitialStack::read(a as *const usize) });
            FINISHED
        }
        Task::RefuseSecure => {
            log::error!("not offered to a program that runs with more rights than its user");
            FINISHED
        }
    }
}

/// Tells what the resident part has found wrong at the start.
fn complain(stack: &InitialStack) {
    let mut place = config::Place::new(&[]);
    for variable in stack.variables() {
        if !place.take_variable(variable)
            && let Some((key, value)) = config::parts(variable)
        {
            let (key, value) = (Show(key), Show(value));
            log::error!("CKPT_{key}={value} is not understood and not used");
        }
    }
    let action = config::with(|c| c.action);
    if action.flags == 0 {
        // None was to be installed.
        return;
    }
    for number in trigger::signals() {
        // SAFETY: as at the first try.
        if let Err(e) = unsafe { signal::set_action(number, &action) } {
            log::error!("signal {number} cannot ask for checkpoints: {e}");
        }
    }
}
