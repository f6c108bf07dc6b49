//! What passes between the coordinator and one thread.
#![expect(
    unsafe_code,
    reason = "one side writes at a time, as the state says whose turn it is"
)]

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU32, Ordering::SeqCst};

use ckpt_format::record::Thread;

use super::Call;
use crate::arch::frame::{Frame, offset};
use crate::error::Result;
use crate::state::signals::{self, Waiting};
use crate::step;
use crate::sys::thread;
use crate::util::arena::Plain;

/// Values of a slot's state.
pub(super) mod state {
    /// The signal was sent.
    pub(in crate::quiesce) const ASKED: u32 = 0;
    /// The thread is inside the vDSO and steps out of it.
    pub(in crate::quiesce) const STEPPING: u32 = 1;
    /// The thread is on its way to a standstill.
    pub(in crate::quiesce) const ARRIVING: u32 = 2;
    /// The thread stands still; its record is there.
    pub(in crate::quiesce) const PARKED: u32 = 3;
    /// The thread is to collect its queued signals.
    pub(in crate::quiesce) const COLLECT: u32 = 4;
    /// The thread may go.
    pub(in crate::quiesce) const RELEASED: u32 = 5;
    /// The thread had ended before it could be stopped.
    pub(in crate::quiesce) const ENDED: u32 = 6;
    /// Nobody waits for the thread any more.
    pub(in crate::quiesce) const GIVEN_UP: u32 = 7;
    /// Likewise, but it is to end its steps.
    pub(in crate::quiesce) const STRAY: u32 = 8;
    /// The thread is to look whether signals wait for it.
    pub(in crate::quiesce) const LOOK: u32 = 9;
}

/// A thread's slot.
#[derive(Debug)]
pub(super) struct Slot {
    state: AtomicU32,
    tid: u32,
    /// The signal that was sent.
    number: u32,
    /// Where a stack for the thread ends.
    stack: usize,
    call: Call,
    inner: UnsafeCell<Inner>,
}

/// No thread's record.
const NOBODY: Thread = Thread {
    tid: 0,
    timer_slack: 0,
    frame: 0,
    fs_base: 0,
    gs_base: 0,
    robust: 0,
    robust_len: 0,
    clear_tid: 0,
    rseq: 0,
    rseq_len: 0,
    rseq_sig: 0,
    tid_words: [0; 4],
    name: [0; 16],
    policy: 0,
    priority: 0,
    nice: 0,
    io_priority: 0,
    death_signal: 0,
    affinity: [0; 16],
    time_stamp: 0,
    machine_check: 0,
    io_flusher: 0,
    speculation: [0; 3],
    policy_mode: 0,
    policy_nodes: [0; 16],
};

/// What the side whose turn it is may change.
#[derive(Clone, Copy, Debug)]
struct Inner {
    record: Thread,
    mask: u64,
    queue: bool,
    rights: u32,
    into: usize,
    shared: bool,
    failed: bool,
}

// SAFETY: `inner` is used by one side at a time, as `state` says.
unsafe impl Sync for Slot {}

impl Slot {
    /// A slot of a thread that is about to be asked.
    pub(super) fn asking(tid: u32, number: u32, stack: usize, call: Call) -> Self {
        Self {
            state: AtomicU32::new(state::ASKED),
            tid,
            number,
            stack,
            call,
            inner: UnsafeCell::new(Inner {
                record: NOBODY,
                mask: 0,
                queue: false,
                rights: 0,
                into: 0,
                shared: false,
                failed: false,
            }),
        }
    }

    fn inner(&self) -> *mut Inner {
        self.inner.get()
    }

    pub(super) fn tid(&self) -> u32 {
        self.tid
    }

    pub(super) fn number(&self) -> u32 {
        self.number
    }

    pub(super) fn stack(&self) -> usize {
        self.stack
    }

    pub(super) fn call(&self) -> &Call {
        &self.call
    }

    fn get(&self) -> u32 {
        self.state.load(SeqCst)
    }

    fn set(&self, to: u32) {
        self.state.store(to, SeqCst);
    }

    /// Changes the state if it is `from`.
    pub(super) fn change(&self, from: u32, to: u32) -> bool {
        self.state
            .compare_exchange(from, to, SeqCst, SeqCst)
            .is_ok()
    }

    pub(super) fn word(&self) -> *const u32 {
        self.state.as_ptr()
    }

    pub(super) fn is_asked(&self) -> bool {
        self.get() == state::ASKED
    }

    pub(super) fn is_stepping(&self) -> bool {
        self.get() == state::STEPPING
    }

    /// The thread is about to change the state itself.
    pub(super) fn is_moving(&self) -> bool {
        matches!(self.get(), state::STEPPING | state::ARRIVING | state::STRAY)
    }

    pub(super) fn has_ended(&self) -> bool {
        self.get() == state::ENDED
    }

    pub(super) fn is_given_up(&self) -> bool {
        self.get() == state::GIVEN_UP
    }

    pub(super) fn is_parked(&self) -> bool {
        matches!(self.get(), state::PARKED | state::COLLECT | state::LOOK)
    }

    pub(super) fn is_collecting(&self) -> bool {
        self.get() == state::COLLECT
    }

    /// The thread will not take the signal any more.
    pub(super) fn is_settled(&self) -> bool {
        self.get() >= state::PARKED
    }

    /// Notes the mask and steps with all signals blocked but the step's.
    ///
    /// # Safety
    ///
    /// The caller is the slot's thread in its handler, with the kernel's frame.
    pub(super) unsafe fn begin_steps(&self, frame: Frame) {
        // SAFETY: the caller's promise.
        let mask = unsafe { frame.get(offset::SIGMASK) };
        // SAFETY: the thread's turn.
        unsafe { (*self.inner()).mask = mask };
        // SAFETY: as above; taken back in `end_steps`.
        unsafe { frame.set(offset::SIGMASK, !(1 << (step::SIGNAL - 1))) };
        step::trap(frame, true);
    }

    /// # Safety
    ///
    /// As for [`Slot::begin_steps`].
    pub(super) unsafe fn end_steps(&self, frame: Frame) {
        step::trap(frame, false);
        // SAFETY: the thread's turn.
        let mask = unsafe { (*self.inner()).mask };
        // SAFETY: as it was.
        unsafe { frame.set(offset::SIGMASK, mask) };
    }

    /// The thread stands still from here on; `rights` marks what it may.
    pub(super) fn park(&self, record: Thread, rights: u32) {
        // SAFETY: the thread's turn.
        let inner = unsafe { &mut *self.inner() };
        inner.record = record;
        inner.rights = rights;
        self.set(state::PARKED);
    }

    /// The coordinator asks whether signals wait.
    pub(super) fn look(&self) {
        self.set(state::LOOK);
        thread::wake(self.word());
    }

    /// The thread tells.
    pub(super) fn run_look(&self, queue: bool) {
        // SAFETY: the thread's turn.
        unsafe { (*self.inner()).queue = queue };
        self.set(state::PARKED);
    }

    /// Waits for a change; tells the state.
    pub(super) fn wait(&self) -> u32 {
        thread::wait_long(self.word(), state::PARKED);
        self.get()
    }

    /// What the thread told. Only of parked threads.
    pub(super) fn record(&self) -> &Thread {
        // SAFETY: the thread is parked and does not write.
        unsafe { &(*self.inner()).record }
    }

    /// Likewise.
    pub(super) fn rights(&self) -> u32 {
        // SAFETY: the thread is parked and does not write.
        unsafe { (*self.inner()).rights }
    }

    pub(super) fn has_queue(&self) -> bool {
        // SAFETY: the thread is parked and does not write.
        unsafe { (*self.inner()).queue }
    }

    /// The coordinator asks for the queued signals.
    pub(super) fn collect(&self, into: &mut Waiting, shared: bool) {
        // SAFETY: the coordinator's turn.
        let inner = unsafe { &mut *self.inner() };
        inner.into = core::ptr::from_mut(into).expose_provenance();
        inner.shared = shared;
        self.set(state::COLLECT);
        thread::wake(self.word());
    }

    /// The thread does it.
    pub(super) fn run_collect(&self) {
        // SAFETY: the thread's turn.
        let inner = unsafe { &mut *self.inner() };
        // SAFETY: the coordinator lends it until the state changes.
        let into = unsafe { &mut *(inner.into as *mut Waiting) };
        inner.failed = signals::collect_pending(into, inner.shared).is_err();
        self.set(state::PARKED);
    }

    /// How that went.
    pub(super) fn outcome(&self) -> Result<()> {
        // SAFETY: the thread is parked and does not write.
        if unsafe { (*self.inner()).failed } {
            return Err(crate::error::Error::again());
        }
        Ok(())
    }

    /// The coordinator lets the thread go.
    pub(super) fn release(&self) {
        if self.is_parked() {
            self.set(state::RELEASED);
            thread::wake(self.word());
        }
    }
}

// SAFETY: integers, a bool and an atomic integer.
unsafe impl Plain for Slot {}
