//! The resident part's signal handler, and the way from it into the body.
//!
//! The body, which is nearly all of the runtime, is not there until a checkpoint or a restore is
//! asked for: it is packed behind the resident part in the program's file. The first signal of a
//! checkpoint unpacks it, every further one finds it, and the last thread to leave it takes it
//! away: between checkpoints the process has nothing of it.
#![expect(
    unsafe_code,
    reason = "is a signal handler, calls what it has unpacked"
)]

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};

use crate::arch::frame::{self, Frame};
use crate::body::{Entry, FINISHED, FOREIGN, LATER, Task};
use crate::sys::signal::{self, Info};
use crate::sys::{process, thread};
use crate::{again, config, golang, log, quiesce, request, step, trigger, unpack};

/// Whose checkpoint is under way; zero if none is. See [`mark`].
static CLAIMED: AtomicU32 = AtomicU32::new(0);
/// The same, once the body is there.
static READY: AtomicU32 = AtomicU32::new(0);
/// In the upper half the same, in the lower how many threads are in the gate.
static USERS: AtomicU64 = AtomicU64::new(0);

/// What marks these variables as set by this process since its last restore: a forked child has its
/// parent's, and an image has those of the process that wrote it. A process id has 22 bits at most
/// (PID_MAX_LIMIT, linux/threads.h).
fn mark() -> u32 {
    process::id() | (config::with(|c| c.generation) << 22)
}

/// The signals of a checkpoint under way, which mean nothing without one.
fn is_inner(number: u32) -> bool {
    number == quiesce::SIGNAL || number == step::SIGNAL || quiesce::is_borrowed(number)
}

/// Does a signal ask for a checkpoint? Those of the command have other uses, too.
fn asks(number: u32, info: &Info) -> bool {
    let chosen = number == config::with(|c| c.signal) && !quiesce::is_ours(info);
    chosen || request::is_one(info)
}

/// Addresses of the code that the kernel, images and stacks know.
#[must_use]
pub fn addresses() -> [usize; 5] {
    frame::addresses()
}

/// Installs our action for the signals that ask; tells whether that went well. All signals wait while the
/// handler runs. SA_RESTART, so that a system call that can be restarted is. The alternate stack is
/// used only where the program's own stack is too small (Go): others may have registered one that
/// is too small for this processor's registers, and the kernel kills for that.
pub fn install() -> bool {
    let action = config::with(|c| {
        c.action.flags = signal::SA_SIGINFO | signal::SA_RESTORER | signal::SA_RESTART;
        if c.go {
            c.action.flags |= signal::SA_ONSTACK;
        }
        c.action.mask = !0;
        golang::set_apart(c);
        c.action
    });
    let mut done = true;
    for number in trigger::signals() {
        // SAFETY: the handler may run at any time: it uses its own stack and data.
        done &= unsafe { signal::set_action(number, &action) }.is_ok();
    }
    done
}

/// The handler, called on the program's stack; tells through which frame it is left.
///
/// # Safety
///
/// Called by the kernel's signal delivery, through [`frame::handler`].
pub unsafe extern "C" fn handle(number: u32, info: *const Info, context: usize) -> usize {
    // SAFETY: as this function.
    unsafe { attend(number, info, context) };
    // SAFETY: the kernel's frame.
    unsafe { again::finish(Frame(context), false) }.0
}

/// # Safety
///
/// As for [`handle`].
unsafe fn attend(number: u32, info: *const Info, context: usize) {
    let mark = mark();
    let status = loop {
        enter(mark);
        let mut task = None;
        // SAFETY: SA_SIGINFO: the kernel put it there.
        let asks = || !is_inner(number) && asks(number, unsafe { &*info });
        if READY.load(SeqCst) == mark {
            task = Some(Task::Attend);
        } else if !asks() {
            // Late, after a checkpoint was given up, or not ours.
            leave();
            // SAFETY: as this function.
            return unsafe { pass_on(number, info, context) };
        } else if claim(mark) {
            if !unpack::unpack(Task::Take) {
                hopeless();
                CLAIMED.store(0, SeqCst);
                return leave();
            }
            task = Some(Task::Take);
            READY.store(mark, SeqCst);
        }
        if let Some(task) = task {
            // SAFETY: unpacked, and not taken away while this thread is in the gate.
            let status = unsafe { call(task, number as usize, info.addr(), context) };
            if status != LATER {
                break status;
            }
        }
        // Another thread brings the body or takes it away.
        leave();
        thread::give_way();
    };
    if status == FOREIGN {
        leave();
        // SAFETY: as this function.
        return unsafe { pass_on(number, info, context) };
    }
    if status == FINISHED {
        READY.store(0, SeqCst);
        // The others were let go and are on their way out.
        let mut patience = 100;
        while USERS.load(SeqCst) as u32 != 1 {
            if patience > 0 {
                patience -= 1;
                thread::give_way();
            } else {
                process::sleep(1);
            }
        }
        unpack::take_away();
        CLAIMED.store(0, SeqCst);
    }
    leave();
}

/// Is the next checkpoint this thread's to take?
fn claim(mark: u32) -> bool {
    let before = CLAIMED.load(SeqCst);
    let claimed = || CLAIMED.compare_exchange(before, mark, SeqCst, SeqCst);
    before != mark && claimed().is_ok()
}

/// Hands a signal to the program, outside of the gate: the thread may end in there.
///
/// # Safety
///
/// As for [`handle`].
unsafe fn pass_on(number: u32, info: *const Info, context: usize) {
    // SAFETY: SA_SIGINFO: the kernel put it there.
    let info = unsafe { &*info };
    if !quiesce::is_ours(info) {
        // SAFETY: as for the handler.
        unsafe { quiesce::pass_on(number, info, context) };
    }
}

/// Notes a thread in the gate. Before it looks for the body: who takes that away looks for threads
/// after it has said that it is gone.
fn enter(mark: u32) {
    let mut before = USERS.load(SeqCst);
    loop {
        let fresh = u64::from(mark) << 32 | 1;
        let after = if before >> 32 == u64::from(mark) {
            before + 1
        } else {
            fresh
        };
        match USERS.compare_exchange(before, after, SeqCst, SeqCst) {
            Ok(_) => return,
            Err(now) => before = now,
        }
    }
}

fn leave() {
    USERS.fetch_sub(1, SeqCst);
}

/// Has the body do something at the program's start, and takes it away again. `sp` is the initial
/// stack pointer.
pub fn call_once(task: Task, sp: usize) {
    if !unpack::unpack(task) {
        return hopeless();
    }
    // SAFETY: just unpacked; nobody else is here.
    unsafe { call(task, sp, 0, 0) };
    unpack::take_away();
}

/// # Safety
///
/// The body is there and stays; the arguments are the task's.
unsafe fn call(task: Task, a: usize, b: usize, c: usize) -> usize {
    let address = config::with(|c| c.body.entry);
    // SAFETY: the body's entry point has this type.
    let entry = unsafe { core::mem::transmute::<usize, Entry>(address) };
    // SAFETY: the caller's promise.
    unsafe { entry(config::place_in_use(), task, a, b, c) }
}

/// There is no body that could say it better.
fn hopeless() {
    log::plain(b"ckpt: error: no memory for the checkpoint runtime\n");
}
