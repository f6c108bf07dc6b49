//! The signals that ask for a checkpoint, and what their handler does.
#![expect(unsafe_code, reason = "installs and is a signal handler")]

use core::sync::atomic::{AtomicU32, Ordering::SeqCst};

use ckpt_format::record::Action;

use crate::arch::frame::{self, Frame};
use crate::arch::stack;
use crate::error::Result;
use crate::request::Request;
use crate::state::room;
use crate::sys::signal::{self, Info};
use crate::sys::{mm, process};
use crate::util::own;
use crate::util::text::PathText;
use crate::{checkpoint, config, error, log, quiesce, step};

/// The signal of `--checkpoint`: the C libraries' first internal one, which they keep unblocked
/// and which no program may use by their rules; it survives longest of all (measured for glibc,
/// musl, Go, Python, the JVM and node).
pub const REQUEST_SIGNAL: u32 = 32;

/// Stack of a checkpoint: deep enough for its paths and buffers, of which the largest is one
/// formatted path a level.
const STACK: usize = 256 << 10;

/// Our action for both signals. All signals wait while the handler runs. SA_RESTART, so that a
/// system call that can be restarted is. The alternate stack is used only where the program's own
/// stack is too small (Go): others may have registered one that is too small for this processor's
/// registers, and the kernel kills for that.
pub fn install() {
    let chosen = config::with(|c| c.signal);
    let action = action();
    for number in [chosen, REQUEST_SIGNAL] {
        if number != 0 {
            // SAFETY: the handler may run at any time: it uses its own stack and data.
            if let Err(e) = unsafe { signal::set_action(number, &action) } {
                log::error!("signal {number} cannot ask for checkpoints: {e}");
            }
        }
    }
}

/// What [`install`] installs.
#[must_use]
pub fn action() -> Action {
    let mut flags = signal::SA_SIGINFO | signal::SA_RESTORER | signal::SA_RESTART;
    if config::with(|c| c.go) {
        flags |= signal::SA_ONSTACK;
    }
    let [handler, restorer, _] = frame::addresses();
    Action {
        handler: handler as u64,
        flags,
        restorer: restorer as u64,
        mask: !0,
    }
}

/// Address of our handler, by which our own actions are known among the program's.
#[must_use]
pub fn handler_address() -> u64 {
    let [handler, ..] = frame::addresses();
    handler as u64
}

/// One checkpoint to take.
#[derive(Debug)]
pub struct Order {
    /// The interrupted thread's frame.
    pub frame: Frame,
    /// Who asked, if it was `--checkpoint`.
    pub request: Option<Request>,
}

/// The handler, called on the program's stack: finds out who asks and goes on a stack of its own.
///
/// # Safety
///
/// Called by the kernel's signal delivery, through [`frame::handler`].
pub unsafe extern "C" fn handle(number: u32, info: *const Info, context: usize) {
    let frame = Frame(context);
    // SAFETY: SA_SIGINFO: the kernel put it there.
    let about = unsafe { &*info };
    if number == quiesce::SIGNAL {
        // SAFETY: the kernel's frame.
        return unsafe { quiesce::arrived(frame) };
    }
    // SAFETY: likewise.
    if number == step::SIGNAL && unsafe { quiesce::stepped(frame) } {
        return;
    }
    let now = if number == step::SIGNAL {
        step::proceed(frame)
    } else {
        if !begin() {
            if number == REQUEST_SIGNAL
                && let Some(request) = Request::received(about)
            {
                request.answer(Err(b"another checkpoint is under way"));
            }
            return;
        }
        own::renew(config::with(|c| c.generation));
        let request = if number == REQUEST_SIGNAL {
            let request = Request::received(about);
            if request.is_none() {
                // The number is the C libraries' own: it may be meant for them.
                return end();
            }
            request
        } else {
            None
        };
        step::begin(frame, request)
    };
    let Some(request) = now else {
        return;
    };
    let order = Order { frame, request };
    // SAFETY: a new range.
    let place = unsafe {
        mm::map(
            0,
            STACK,
            mm::RW,
            mm::PRIVATE | mm::ANON | mm::NORESERVE,
            None,
        )
    };
    let Ok(base) = place else {
        log::error!("no memory for a checkpoint");
        if let Some(request) = &order.request {
            request.answer(Err(b"no memory for a checkpoint"));
        }
        return end();
    };
    own::claim(base, STACK);
    let argument = core::ptr::from_ref(&order).addr();
    // SAFETY: the stack was just mapped; the order outlives the call.
    let status = unsafe { stack::call_on(base + STACK, on_own_stack, argument) };
    own::release(base);
    // SAFETY: nothing runs on it any more.
    let _ = unsafe { mm::unmap(base, STACK) };
    if status == stack::LEFT {
        tell(&order, Err(error::Error::again()));
    }
    if status == STOP {
        process::exit(0);
    }
    end();
}

/// One more than the number of restores that lie behind the process that takes a checkpoint; zero
/// while none is taken. An image, which is made meanwhile, has it set, but for one restore less.
static BUSY: AtomicU32 = AtomicU32::new(0);

/// Makes this thread the one that takes a checkpoint; false if another one does.
fn begin() -> bool {
    let now = config::with(|c| c.generation) + 1;
    let before = BUSY.load(SeqCst);
    let first = before != now && BUSY.compare_exchange(before, now, SeqCst, SeqCst).is_ok();
    if first {
        room::make();
    }
    first
}

fn end() {
    room::give_back();
    BUSY.store(0, SeqCst);
}

/// What [`on_own_stack`] returns when the process is to end.
const STOP: usize = 1;

extern "C" fn on_own_stack(order: usize) -> usize {
    // SAFETY: `handle` passes its own order and waits.
    let order = unsafe { &*(order as *const Order) };
    let result = checkpoint::take(order);
    let done = result.is_ok();
    tell(order, result);
    usize::from(done && order.request.as_ref().is_some_and(|r| r.stop)) * STOP
}

/// Tells the requester, or the log.
fn tell(order: &Order, result: Result<PathText>) {
    match (&order.request, result) {
        (Some(request), Ok(path)) => request.answer(Ok(path.as_bytes())),
        (Some(request), Err(_)) => request.answer(Err(error::message().as_bytes())),
        (None, Ok(path)) => log::info!("checkpoint {path}"),
        (None, Err(_)) => log::error!("{}", error::message()),
    }
}
