//! What the signals of a checkpoint do, once the body is there.
#![expect(unsafe_code, reason = "is a part of a signal handler")]

use core::sync::atomic::{AtomicBool, Ordering::SeqCst};

use crate::arch::frame::Frame;
use crate::arch::stack;
use crate::body::{FINISHED, FOREIGN, LATER};
use crate::error::Result;
use crate::quiesce::Call;
use crate::request::{self, Request};
use crate::state::room;
use crate::sys::signal::Info;
use crate::sys::{mm, process, thread};
use crate::util::own;
use crate::util::text::PathText;
use crate::{checkpoint, config, error, log, quiesce, step};

/// The signals of `--checkpoint`. First the C libraries' first internal one, which they keep
/// unblocked and which no program may use by their rules; it survives longest of all (measured for
/// glibc, musl, Go, Python, the JVM and node). They take it for themselves when a thread is
/// cancelled (glibc) or a timer has a thread of its own (musl): then it is SIGURG, which is ignored
/// where nobody handles it, so that it never does harm.
pub const REQUEST_SIGNALS: [u32; 2] = [32, 23];

/// All signals that ask for a checkpoint: the chosen one, if there is one, and those.
pub fn signals() -> impl Iterator<Item = u32> {
    let chosen = config::with(|c| c.signal);
    let [first, second] = REQUEST_SIGNALS;
    [chosen, first, second].into_iter().filter(|&n| n != 0)
}

/// Stack of a checkpoint: deep enough for its paths and buffers, of which the largest is one
/// formatted path a level.
const STACK: usize = 256 << 10;

/// Set while a checkpoint is under way: from when it is known who asks until that one is told, who
/// may ask for another then. A request may come by two signals, and must not be taken for another.
static BUSY: AtomicBool = AtomicBool::new(false);

/// One checkpoint to take.
#[derive(Debug)]
pub struct Order {
    /// The interrupted thread's frame.
    pub frame: Frame,
    /// Who asked, if it was `--checkpoint`.
    pub request: Option<Request>,
    /// How often the thread had gone to sleep when the signal came; none, if that is not known.
    pub sleeps: u64,
}

impl Order {
    /// What the thread was seen in before the signal came, if it was: the requester looks at the
    /// first one.
    #[must_use]
    pub fn seen(&self) -> Call {
        let mut call = match &self.request {
            Some(request) if thread::id() == process::id() => request.seen(),
            _ => Call::default(),
        };
        call.valid &= call.sleeps == self.sleeps;
        call.sleeps = thread::sleeps();
        call
    }
}

/// The first signal of a checkpoint: finds out who asks. Tells [`FINISHED`], or zero if there is
/// more to come.
///
/// # Safety
///
/// Called in a signal handler, with its arguments.
pub unsafe fn take(number: u32, info: *const Info, context: usize) -> usize {
    let sleeps = thread::sleeps();
    room::make();
    // SAFETY: SA_SIGINFO: the kernel put it there.
    let request = Request::received(unsafe { &*info });
    BUSY.store(true, SeqCst);
    if request.is_none() && number != config::with(|c| c.signal) {
        // Given up meanwhile.
        return end();
    }
    let frame = Frame(context);
    step::begin(frame, request).map_or(0, |request| {
        run(&Order {
            frame,
            request,
            sleeps,
        })
    })
}

/// A signal while a checkpoint is under way: in another thread, or another one in this.
///
/// # Safety
///
/// As for [`take`].
pub unsafe fn attend(number: u32, info: *const Info, context: usize) -> usize {
    let frame = Frame(context);
    // SAFETY: SA_SIGINFO: the kernel put it there.
    let info = unsafe { &*info };
    // SAFETY: the kernel's frame.
    if unsafe { quiesce::took(number, info, frame) } {
        return 0;
    }
    if number == step::SIGNAL && step::is_under_way() {
        if let Some(request) = step::proceed(frame) {
            return run(&Order {
                frame,
                request,
                sleeps: 0,
            });
        }
    } else if quiesce::is_borrowed(number) {
        return FOREIGN;
    } else if !BUSY.load(SeqCst) && request::is_one(info) {
        return LATER;
    } else if let Some(request) = Request::received(info) {
        request.answer(Err(b"another checkpoint is under way"));
    }
    0
}

/// Takes the checkpoint on a stack of its own, and tells who asked.
fn run(order: &Order) -> usize {
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
    let argument = core::ptr::from_ref(order).addr();
    // SAFETY: the stack was just mapped; the order outlives the call.
    let status = unsafe { stack::call_on(base + STACK, on_own_stack, argument) };
    own::release(base);
    // SAFETY: nothing runs on it any more.
    let _ = unsafe { mm::unmap(base, STACK) };
    if status == stack::LEFT {
        tell(order, Err(error::Error::again()));
    }
    if status == STOP {
        process::exit(0);
    }
    end()
}

fn end() -> usize {
    BUSY.store(false, SeqCst);
    room::give_back();
    FINISHED
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
    BUSY.store(false, SeqCst);
    match (&order.request, result) {
        (Some(request), Ok(path)) => request.answer(Ok(path.as_bytes())),
        (Some(request), Err(_)) => request.answer(Err(error::message().as_bytes())),
        (None, Ok(path)) => log::info!("checkpoint {path}"),
        (None, Err(_)) => log::error!("{}", error::message()),
    }
}
