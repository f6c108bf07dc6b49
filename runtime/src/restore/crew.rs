//! The threads beside the first: made in the refuge, each makes itself the image's, and all leave
//! together when the first is ready.
#![expect(unsafe_code, reason = "makes threads")]

use core::sync::atomic::{AtomicU32, Ordering::SeqCst};

use ckpt_format::record::{Program, Thread};
use ckpt_format::toc::kind;

use super::namespace;
use crate::arch::stack;
use crate::error::{Result, fail};
use crate::image::input::Image;
use crate::state::children::Born;
use crate::state::credentials::Rights;
use crate::state::owners::Owners;
use crate::state::{files, places, posix_timers, signals, thread as thread_state};
use crate::sys::namespace::CloneArgs;
use crate::sys::{process, thread};
use crate::util::arena::{Arena, Plain};

/// Stack of a thread while it is made: enough for formatting a path in an error message.
pub(super) const STACK: usize = 24 << 10;

/// What a new thread is given.
#[repr(C)]
struct Task {
    record: Thread,
    image: usize,
    crew: usize,
    rights: usize,
    resume: u64,
}

// SAFETY: integers.
unsafe impl Plain for Task {}

/// Words to the threads, in their order.
const WAIT: u32 = 0;
const QUEUE: u32 = 1;
const LEAVE: u32 = 2;

/// The threads that are being made.
#[derive(Debug)]
pub(super) struct Crew<'a> {
    made: u32,
    /// How many are ready, and how many have queued their signals after that.
    ready: AtomicU32,
    /// What all are to do next: [`WAIT`], [`QUEUE`], [`LEAVE`].
    next: AtomicU32,
    /// Held by the one that queues its signals.
    turn: AtomicU32,
    /// How many have not left yet.
    here: AtomicU32,
    /// Descriptors of the image's open files, for threads in a directory that was removed.
    open: &'a [i32],
}

impl<'a> Crew<'a> {
    /// Nobody yet.
    pub(super) fn new(open: &'a [i32]) -> Self {
        Self {
            made: 0,
            ready: AtomicU32::new(0),
            next: AtomicU32::new(WAIT),
            turn: AtomicU32::new(0),
            here: AtomicU32::new(0),
            open,
        }
    }

    /// Makes all threads of the image but the one that the caller is to be, and waits until each
    /// is ready. Signals are blocked, which the threads inherit.
    pub(super) fn assemble(
        &mut self,
        arena: &Arena,
        image: &Image<'_>,
        program: &Program<'_>,
        owners: &mut Owners<'_>,
        rights: &Rights<'_>,
    ) -> Result<()> {
        owners.learn(program.pid, process::id());
        let all = image.list::<Thread>(kind::THREADS);
        for record in all.filter(|t| t.tid != program.pid) {
            let [task] = arena.records::<Task>(1)? else {
                continue;
            };
            *task = Task {
                record,
                image: core::ptr::from_ref(image).expose_provenance(),
                crew: core::ptr::from_ref(self).expose_provenance(),
                rights: core::ptr::from_ref(rights).expose_provenance(),
                resume: program.resume,
            };
            let room = arena.bytes(STACK, 16)?;
            let top = room.as_mut_ptr_range().end.expose_provenance() & !15;
            self.here.fetch_add(1, SeqCst);
            let argument = core::ptr::from_ref(task).expose_provenance();
            let made = if namespace::keeps_ids() {
                let mut args = CloneArgs::with_id(Some(&record.tid));
                args.flags = u64::from(stack::THREAD);
                args.stack = (top - STACK) as u64;
                args.stack_size = STACK as u64;
                let at = core::ptr::from_ref(&args).expose_provenance();
                // SAFETY: likewise.
                unsafe { stack::spawn_as(at, size_of::<CloneArgs>(), live, argument) }
            } else {
                // SAFETY: the stack is the thread's alone; `live` never returns.
                unsafe { stack::spawn(top, live, argument) }
            };
            if made < 0 {
                fail!(
                    "cannot make thread {}: {}",
                    record.tid,
                    crate::sys::Errno(-made as i32)
                );
            }
            owners.learn(record.tid, made as u32);
            self.made += 1;
            // One after the other: they share the place of error messages.
            self.await_ready(self.made);
        }
        Ok(())
    }

    fn await_ready(&self, count: u32) {
        loop {
            let now = self.ready.load(SeqCst);
            if now >= count {
                break;
            }
            thread::wait(self.ready.as_ptr(), now, 1000);
        }
    }

    fn is_ready(&self) {
        self.ready.fetch_add(1, SeqCst);
        thread::wake(self.ready.as_ptr());
    }

    fn tell(&self, next: u32) {
        self.next.store(next, SeqCst);
        thread::wake(self.next.as_ptr());
    }

    /// In a thread: waits for a word after `now`.
    fn await_word(&self, now: u32) {
        while self.next.load(SeqCst) == now {
            thread::wait(self.next.as_ptr(), now, 60_000);
        }
    }

    /// Has each queue its signals, when all threads and timers are there.
    pub(super) fn queue_signals(&self) {
        self.tell(QUEUE);
        self.await_ready(self.made * 2);
    }

    /// Lets all go and waits until none needs the refuge.
    pub(super) fn dismiss(&self) {
        self.tell(LEAVE);
        while self.here.load(SeqCst) > 0 {
            thread::give_way();
        }
    }
}

/// A thread's life until it is the program's.
unsafe extern "C" fn live(task: usize) -> ! {
    // SAFETY: `assemble` passes a task, an image and a crew that stay until all have left.
    let task = unsafe { &*(task as *const Task) };
    // SAFETY: likewise.
    let image = unsafe { &*(task.image as *const Image<'_>) };
    // SAFETY: likewise; only its atomic members are used, and what never changes.
    let crew = unsafe { &*(task.crew as *const Crew<'_>) };
    // SAFETY: likewise.
    let rights = unsafe { &*(task.rights as *const Rights<'_>) };
    // SAFETY: memory is in place.
    let done = unsafe { thread_state::restore(&task.record) };
    // SAFETY: likewise; the thread is this one.
    unsafe { signals::rename_senders(image, &task.record) };
    if done.is_err()
        || places::restore(image, task.record.tid, crew.open).is_err()
        || files::restore_own(image, task.record.tid, crew.open).is_err()
        || namespace::drop_rights().is_err()
        || rights.give(&task.record).is_err()
    {
        super::give_up();
    }
    crew.is_ready();
    crew.await_word(WAIT);
    // Likewise one after the other.
    while crew.turn.swap(1, SeqCst) == 1 {
        thread::give_way();
    }
    let tid = task.record.tid;
    if signals::restore_pending(image, tid, false, Born::NONE).is_err()
        || posix_timers::start(image, tid, false).is_err()
    {
        super::give_up();
    }
    crew.turn.store(0, SeqCst);
    crew.is_ready();
    crew.await_word(QUEUE);
    let counter = crew.here.as_ptr().expose_provenance();
    let (stub, frame) = (task.resume as usize, task.record.frame as usize);
    // SAFETY: everything is as it was; the counter is in the refuge, which stays until it is zero.
    unsafe { stack::resume_at(stub, 0, 0, frame, counter) }
}
