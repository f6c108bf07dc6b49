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

impl Task {
    /// Which of the entry points it has; what only the others need is not unpacked.
    #[must_use]
    pub fn way(self) -> usize {
        match self {
            Self::Take | Self::Attend => 0,
            Self::Restore => 1,
            _ => 2,
        }
    }
}

/// Type of the entry points.
pub type Entry = unsafe extern "C" fn(*mut Config, Task, usize, usize, usize) -> usize;

/// Returned when the checkpoint is over and the body is not needed any more.
pub const FINISHED: usize = 1;
/// Returned when the signal is for the program's own handler, whose place is taken.
pub const FOREIGN: usize = 2;
/// Returned when the signal asks for a checkpoint and one has just been taken: it is to be looked at
/// again when the body is gone.
pub const LATER: usize = 3;

/// What is asked for during a checkpoint.
///
/// # Safety
///
/// Only the resident part comes here, with its settings and the task's arguments.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ckpt_checkpoint(
    config: *mut Config,
    task: Task,
    number: usize,
    info: usize,
    context: usize,
) -> usize {
    // SAFETY: the resident part's, which stays.
    unsafe { config::use_place(config) };
    let (number, info) = (number as u32, info as *const Info);
    if task == Task::Attend {
        // SAFETY: the caller's promise.
        return unsafe { trigger::attend(number, info, context) };
    }
    let body = config::with(|c| c.body);
    own::claim(body.base, body.len);
    // SAFETY: the caller's promise.
    unsafe { trigger::take(number, info, context) }
}

/// Restores. Does not return.
///
/// # Safety
///
/// As for [`ckpt_checkpoint`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ckpt_restore(config: *mut Config, _: Task, sp: *const usize) -> usize {
    // SAFETY: the resident part's, which stays.
    unsafe { config::use_place(config) };
    // SAFETY: the caller's promise.
    restore::run(&unsafe { InitialStack::read(sp) })
}

/// Whatever else is asked for at the program's start.
///
/// # Safety
///
/// As for [`ckpt_checkpoint`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ckpt_request(config: *mut Config, task: Task, sp: *const usize) -> usize {
    // SAFETY: the resident part's, which stays.
    unsafe { config::use_place(config) };
    // SAFETY: the caller's promise.
    let stack = unsafe { InitialStack::read(sp) };
    match task {
        Task::Request => request::run(&stack),
        Task::Complain => complain(&stack),
        _ => log::error!("not offered to a program that runs with more rights than its user"),
    }
    FINISHED
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
