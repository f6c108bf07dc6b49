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
use crate::state::owners::Owners;
use crate::state::{signals, thread as thread_state};
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
    resume: u64,
}

// SAFETY: integers.
unsafe impl Plain for Task {}

/// The threads that are being made.
#[derive(Debug)]
pub(super) struct Crew {
    made: u32,
    /// How many are ready.
    ready: AtomicU32,
    /// Set when all may leave.
    leave: AtomicU32,
    /// How many have not left yet.
    here: AtomicU32,
}

impl Crew {
    /// Nobody yet.
    pub(super) fn new() -> Self {
        Self {
            made: 0,
            ready: AtomicU32::new(0),
            leave: AtomicU32::new(0),
            here: AtomicU32::new(0),
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
            while self.ready.load(SeqCst) < self.made {
                let now = self.ready.load(SeqCst);
                if now < self.made {
                    thread::wait(self.ready.as_ptr(), now, 1000);
                }
            }
        }
        Ok(())
    }

    /// Lets all go and waits until none needs the refuge.
    pub(super) fn dismiss(&self) {
        self.leave.store(1, SeqCst);
        thread::wake(self.leave.as_ptr());
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
    // SAFETY: likewise; only its atomic members are used.
    let crew = unsafe { &*(task.crew as *const Crew) };
    // SAFETY: memory is in place.
    let done = unsafe { thread_state::restore(&task.record) };
    if done.is_err()
        || namespace::drop_rights().is_err()
        || signals::restore_pending(image, task.record.tid, false).is_err()
    {
        super::give_up();
    }
    crew.ready.fetch_add(1, SeqCst);
    thread::wake(crew.ready.as_ptr());
    while crew.leave.load(SeqCst) == 0 {
        thread::wait(crew.leave.as_ptr(), 0, 60_000);
    }
    let counter = crew.here.as_ptr().expose_provenance();
    let (stub, frame) = (task.resume as usize, task.record.frame as usize);
    // SAFETY: everything is as it was; the counter is in the refuge, which stays until it is zero.
    unsafe { stack::resume_at(stub, 0, 0, frame, counter) }
}
