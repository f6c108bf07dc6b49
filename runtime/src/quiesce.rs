//! Brings every other thread of the process to a standstill, and lets it go.
//!
//! The thread that was asked for a checkpoint coordinates. It takes over signal 33 for as long as
//! the others need to arrive, and sends it to each of them. Why 33: the C libraries keep it
//! unblocked in every thread, whatever the program blocks; none keeps its handler, so it is taken
//! over and given back, not installed for good (measured for glibc, musl, Go, Python, the JVM and
//! node). A thread that blocks it all the same gets another one. Each thread parks in the handler,
//! having put what only it can tell into its slot, and does small jobs for the coordinator that
//! the kernel lets only the thread itself do.
//!
//! Rules that cost others a program: the handler is given back only when every signal that was
//! sent has been taken (glibc's own handler of 33 dereferences a null pointer for a stray one that
//! looks like its own); a thread may end with the signal pending; a thread may be born meanwhile,
//! so the list is read again until it has nothing new; nothing may be done in a thread whose
//! seccomp filter is not known to allow it, so that is asked before the signal is sent.
//!
//! All is linear in the number of threads: a signal names its slot, one word counts who has not
//! arrived, and lists of threads are compared in the order that the kernel keeps them in.
#![expect(
    unsafe_code,
    reason = "shares slots between threads, takes signals over"
)]

mod borrow;
mod sleep;
mod slot;
mod task;

use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering::SeqCst};

use ckpt_format::record::Thread;

use crate::arch::frame::Frame;
use crate::arch::stack;
use crate::error::{Context, Result, fail};
use crate::state::signals::{self, Waiting};
use crate::state::{calls, credentials, rseq, thread as thread_state, vdso};
use crate::sys::signal::{self, Info};
use crate::sys::{fs, process, thread};
use crate::util::arena::Arena;
use crate::util::list::List;
use crate::util::text::{Show, decimal};
use crate::{config, step};

pub use borrow::{is_borrowed, is_ours, pass_on};
pub use task::Call;

use borrow::Mark;
use slot::{Slot, state};
use task::Status;

/// The signal that brings threads here.
pub const SIGNAL: u32 = 33;
/// Milliseconds between two looks at threads that do not arrive.
const ROUND: u64 = 20;
/// Seconds without any thread's arrival after which a standstill is given up. They are counted in
/// rounds, which a stopped process has none of.
const PATIENCE: u64 = 10;
/// Most threads, `pid_max` on large hosts being the kernel's own bound.
const MOST: usize = 1 << 16;

/// The slots of the checkpoint under way; null when there is none.
static SLOTS: AtomicPtr<Slot> = AtomicPtr::new(core::ptr::null_mut());
/// How many of them are in use.
static COUNT: AtomicU32 = AtomicU32::new(0);
/// How many threads were asked and have not arrived; what the coordinator waits on.
static OPEN: AtomicU32 = AtomicU32::new(0);
/// How many threads may be using their slots; what it waits on in the end.
static INSIDE: AtomicU32 = AtomicU32::new(0);

/// The slots, for the coordinator and for threads that know of a standstill.
fn slots() -> &'static [Slot] {
    let place = SLOTS.load(SeqCst);
    if place.is_null() {
        return &[];
    }
    // SAFETY: the coordinator keeps them until no thread is inside.
    unsafe { core::slice::from_raw_parts(place, COUNT.load(SeqCst) as usize) }
}

/// The other threads, standing still for as long as this lives.
#[derive(Debug)]
pub struct Standstill {
    /// Owns the slots and the threads' stacks; `None` in a process with one thread.
    room: Option<(List<Slot>, Arena)>,
    /// Seccomp mode and filters of the coordinator.
    filters: [u64; 2],
}

/// Stack on which a thread stands still: its own must not change while it is dumped.
const STACK: usize = 16 << 10;

impl Standstill {
    /// Stops all other threads, or fails by name and lets all go.
    pub fn reach() -> Result<Self> {
        let mut all = Self {
            room: None,
            filters: [0; 2],
        };
        if thread::count() <= 1 {
            // Nobody is left for whom they were kept.
            borrow::give_back();
            return Ok(all);
        }
        let Some(own) = Status::read(thread::id()) else {
            fail!("threads without /proc: not carried");
        };
        all.filters = own.filters;
        let mut list = List::new(MOST);
        list.reserve()?;
        COUNT.store(0, SeqCst);
        OPEN.store(0, SeqCst);
        SLOTS.store(list.as_mut_slice().as_mut_ptr(), SeqCst);
        all.room = Some((list, Arena::new(MOST * STACK)?));
        borrow::take(SIGNAL)?;
        borrow::take(step::SIGNAL)?;
        if thread_state::is_of_musl() {
            let _ = signal::set_mask(!TOGETHER);
        }
        let gathered = all.gather();
        let _ = signal::set_mask(!0);
        gathered?;
        // Every signal was taken, or its thread has ended: the program has its actions back before
        // they are looked at.
        borrow::give_back();
        Ok(all)
    }

    fn gather(&mut self) -> Result<()> {
        // The list that ends it is read when all have settled: a thread that still runs while it
        // is may start another behind the reader's back. And it is a whole one: where a thread ends
        // just when the kernel has come to it, the list ends there, too (next_tid, fs/proc/base.c;
        // one of some thousand lists while threads come and go), and what it lacks runs on.
        for _ in 0..PATIENCE * 1000 {
            let count = thread::count();
            let (fresh, listed) = self.ask_new()?;
            if fresh != 0 {
                settle(look_after)?;
            } else if listed >= count {
                return Ok(());
            } else {
                process::sleep(1);
            }
        }
        fail!("cannot list the threads: they do not stop to come and go")
    }

    /// Sends the signal to every thread that has not been asked yet; tells how many those were, and
    /// how many there are.
    fn ask_new(&mut self) -> Result<(usize, usize)> {
        let what = format_args!("cannot list the threads");
        let flags = fs::O_RDONLY | fs::O_DIRECTORY;
        let folder = fs::open(c"/proc/self/task", flags, 0).or_fail(what)?;
        let mut known = Known::new();
        let (mut fresh, mut listed) = (0, 0);
        let mut buffer = [0; 4096];
        loop {
            let got = fs::entries(folder.number(), &mut buffer).or_fail(what)?;
            if got == 0 {
                return Ok((fresh, listed));
            }
            let names = fs::names(buffer.get(..got).unwrap_or(&[]));
            for (tid, _) in names.filter_map(decimal) {
                listed += 1;
                if tid as u32 != thread::id() && !known.has(tid as u32) {
                    fresh += usize::from(self.ask(tid as u32)?);
                }
            }
        }
    }

    /// Sends the signal to a thread; false if it has ended.
    fn ask(&mut self, tid: u32) -> Result<bool> {
        let Some((list, stacks)) = &mut self.room else {
            return Ok(false);
        };
        let Some(status) = Status::read(tid) else {
            return Ok(false);
        };
        if status.filters != self.filters {
            let thread = task::describe(tid);
            fail!("{thread} with a seccomp filter of its own: not carried");
        }
        if list.as_slice().len() == MOST {
            fail!("more than {MOST} threads");
        }
        let call = Call::read(tid, status.sleeps);
        let Some(number) = status.signal(&call) else {
            let thread = task::describe(tid);
            fail!("{thread} waits for all signals itself and cannot be stopped");
        };
        borrow::take(number)?;
        let stack = stacks.bytes(STACK, 16)?.as_mut_ptr_range();
        let slot = Slot::asking(tid, number, stack.end.expose_provenance(), call);
        list.push(slot)?;
        COUNT.fetch_add(1, SeqCst);
        if let Some(slot) = slots().last() {
            OPEN.fetch_add(1, SeqCst);
            if send(slot).is_err() {
                end(slot);
            }
        }
        Ok(true)
    }

    /// A thread that may other things than what this mark stands for.
    #[must_use]
    pub fn of_other_rights(&self, mark: u32) -> Option<u32> {
        let other = |slot: &&Slot| slot.is_parked() && slot.rights() != mark;
        slots().iter().find(other).map(Slot::tid)
    }

    /// What the threads told of themselves.
    pub fn records(&self) -> impl Iterator<Item = &Thread> {
        slots().iter().filter(|s| s.is_parked()).map(Slot::record)
    }

    /// Collects the queued signals of all threads but the caller, and those of the process if the
    /// first thread is among them: only that one may queue them again as they were.
    pub fn pending(&self, into: &mut Waiting) -> Result<()> {
        let pid = process::id();
        // Only now, when nobody is left to send any.
        for slot in slots().iter().filter(|s| s.is_parked()) {
            OPEN.fetch_add(1, SeqCst);
            slot.look();
        }
        settle(|_| Ok(()))?;
        for slot in slots().iter().filter(|s| s.is_parked()) {
            // A timer may have sent its signal since.
            let mut timers = into.timers.as_slice().iter();
            if slot.tid() == pid || slot.has_queue() || timers.any(|t| t.target == slot.tid()) {
                slot.collect(into, slot.tid() == pid);
                while slot.is_collecting() {
                    thread::wait(slot.word(), state::COLLECT, 1000);
                }
                slot.outcome()?;
            }
        }
        Ok(())
    }
}

impl Drop for Standstill {
    fn drop(&mut self) {
        if self.room.is_none() {
            return;
        }
        for slot in slots() {
            slot.change(state::ASKED, state::GIVEN_UP);
            // Nothing keeps these for long.
            while slot.is_moving() && !is_gone(slot) {
                slot.change(state::STEPPING, state::STRAY);
                thread::give_way();
            }
            slot.release();
        }
        // A thread that could not be stopped finds nothing to do when it comes, and goes on; the
        // handler stays for it.
        if !slots().iter().any(Slot::is_given_up) {
            borrow::give_back();
        }
        // All others still use their slots on the way out.
        loop {
            let inside = INSIDE.load(SeqCst);
            if inside == 0 {
                break;
            }
            thread::wait(INSIDE.as_ptr(), inside, ROUND);
        }
        SLOTS.store(core::ptr::null_mut(), SeqCst);
        COUNT.store(0, SeqCst);
    }
}

/// The threads of a list of /proc that have slots from lists before. The kernel lists threads in
/// the order in which they were made (next_tid, fs/proc/base.c), so the known ones come first and
/// in the order of the slots.
struct Known {
    /// How many slots there were when the list was begun.
    before: usize,
    /// How many of these have been passed.
    at: usize,
}

impl Known {
    fn new() -> Self {
        Self {
            before: slots().len(),
            at: 0,
        }
    }

    fn has(&mut self, tid: u32) -> bool {
        let old = slots().get(..self.before).unwrap_or(&[]);
        let (passed, ahead) = old.split_at_checked(self.at).unwrap_or((old, &[]));
        let is_its = |slot: &Slot| slot.tid() == tid;
        let slot = if let Some(n) = ahead.iter().position(is_its) {
            self.at += n + 1;
            ahead.get(n)
        } else {
            passed.iter().find(|slot| is_its(slot))
        };
        // One that has ended may have left its number to another.
        slot.is_some_and(|slot| !slot.has_ended() || is_gone(slot))
    }
}

fn send(slot: &Slot) -> crate::sys::SysResult<()> {
    let place = core::ptr::from_ref(slot).expose_provenance();
    borrow::send(slot.tid(), slot.number(), place)
}

/// Waits until no thread is open any more; `look` is told rounds without a change.
fn settle(mut look: impl FnMut(u64) -> Result<()>) -> Result<()> {
    let mut idle = 0;
    loop {
        let open = OPEN.load(SeqCst);
        if open == 0 {
            return Ok(());
        }
        thread::wait(OPEN.as_ptr(), open, ROUND);
        if OPEN.load(SeqCst) == open {
            idle += 1;
            look(idle)?;
        } else {
            idle = 0;
        }
    }
}

/// Does what is needed for threads that do not arrive.
fn look_after(idle: u64) -> Result<()> {
    // A library may have installed its handler in the place of ours: what was sent is lost.
    let again = borrow::take(SIGNAL)?;
    for slot in slots().iter().filter(|s| !s.is_settled()) {
        if is_gone(slot) {
            end(slot);
        } else if idle * ROUND >= PATIENCE * 1000 {
            let thread = task::describe(slot.tid());
            let blocks = Status::read(slot.tid()).is_some_and(|s| s.blocks(slot.number()));
            let why = Show::text(if blocks {
                "blocks all signals and "
            } else {
                ""
            });
            fail!("{thread} {why}cannot be stopped within {PATIENCE} s");
        } else if again && slot.is_asked() {
            // The thread drops what it has too many of.
            let _ = send(slot);
        }
    }
    Ok(())
}

fn is_gone(slot: &Slot) -> bool {
    task::is_out_of_reach(slot.tid())
}

/// The slot's thread has ended.
fn end(slot: &Slot) {
    if slot.change(state::ASKED, state::ENDED) || slot.change(state::STEPPING, state::ENDED) {
        OPEN.fetch_sub(1, SeqCst);
    }
}

/// One less; who waits for none is woken.
fn count_down(word: &AtomicU32) {
    if word.fetch_sub(1, SeqCst) == 1 {
        thread::wake(word.as_ptr());
    }
}

/// Our handler in a thread: true if the signal was sent by us. It means nothing to a thread that
/// was not asked, or that comes late, after a checkpoint was given up.
///
/// # Safety
///
/// Called by the handler, with what the kernel gave it.
#[must_use]
pub unsafe fn took(number: u32, info: &Info, frame: Frame) -> bool {
    let mark = borrow::mark(info);
    if number == step::SIGNAL && step::is_under_way() {
        return false;
    }
    INSIDE.fetch_add(1, SeqCst);
    // SAFETY: the caller's promise.
    let done = unsafe { receive(number, mark, frame) };
    count_down(&INSIDE);
    done
}

/// # Safety
///
/// As for [`took`].
unsafe fn receive(number: u32, mark: Option<Mark>, frame: Frame) -> bool {
    let tid = thread::id();
    let all = slots();
    let slot = if let Some(Mark::Slot(place)) = mark {
        let base = all.as_ptr().expose_provenance();
        all.get(place.wrapping_sub(base) / size_of::<Slot>())
    } else {
        all.iter().find(|slot| slot.tid() == tid)
    };
    let Some(slot) = slot.filter(|slot| slot.tid() == tid) else {
        return matches!(mark, Some(Mark::Slot(_)));
    };
    if number == step::SIGNAL {
        // SAFETY: the kernel's frame.
        return unsafe { stepped(slot, frame) };
    }
    if mark.is_none() || number != slot.number() {
        return false;
    }
    if inside_vdso(frame) {
        if slot.change(state::ASKED, state::STEPPING) {
            // SAFETY: the kernel's frame.
            unsafe { slot.begin_steps(frame) };
        }
    } else if slot.change(state::ASKED, state::ARRIVING) {
        park(slot, frame);
    }
    true
}

/// SIGTRAP in a thread with a slot: true if it was stepping out of the vDSO for us.
///
/// # Safety
///
/// As for [`took`].
unsafe fn stepped(slot: &Slot, frame: Frame) -> bool {
    let stray = slot.change(state::STRAY, state::ENDED);
    if !stray && (!slot.is_stepping() || inside_vdso(frame)) {
        return slot.is_stepping();
    }
    // SAFETY: the kernel's frame.
    unsafe { slot.end_steps(frame) };
    if slot.change(state::STEPPING, state::ARRIVING) {
        park(slot, frame);
    } else {
        slot.change(state::STRAY, state::ENDED);
    }
    true
}

fn inside_vdso(frame: Frame) -> bool {
    let base = config::with(|c| c.vdso);
    let at = step::address(frame);
    if base == 0 || at < base || at - base > ckpt_format::limits::VDSO {
        return false;
    }
    let [_, start, end] = vdso::bounds(base);
    (start..end).contains(&at)
}

/// SIGSYNCCALL of musl, which threads do not block while they wait for others to come to the
/// standstill. Its setuid(2) waits for the handlers of all other threads with all signals blocked:
/// the thread that calls it would not come before they have done their part. When all stand still
/// nobody is left to send the signal.
const TOGETHER: u64 = 1 << (34 - 1);

/// Stands still, doing jobs, until released: on another stack, since the thread's own is dumped
/// meanwhile.
fn park(slot: &Slot, frame: Frame) {
    let frame = calls::interrupted(frame, slot.call());
    let what = (slot, frame);
    let argument = core::ptr::from_ref(&what).expose_provenance();
    // SAFETY: the stack is this thread's alone; `what` outlives the call.
    unsafe { stack::call_apart(slot.stack(), stand_still, argument) };
    // What was sent a second time would go to the program.
    while let Ok(info) = signal::take(1 << (slot.number() - 1)) {
        if !is_ours(&info) {
            let _ = signal::queue_thread(process::id(), slot.tid(), slot.number(), &info);
            break;
        }
    }
}

extern "C" fn stand_still(what: usize) {
    // SAFETY: `park` passes it and waits.
    let (slot, frame) = unsafe { *(what as *const (&Slot, Frame)) };
    let record = thread_state::collect(frame);
    let pause = rseq::Pause::begin(thread_state::rseq_of(&record));
    let [_, musl, ..] = record.tid_words;
    slot.park(record, credentials::mark());
    if musl != 0 {
        let _ = signal::set_mask(!TOGETHER);
    }
    count_down(&OPEN);
    loop {
        match slot.wait() {
            state::LOOK => {
                // Also where the program's handlers ran in here.
                let _ = signal::set_mask(!0);
                slot.run_look(signals::thread_queue() != 0);
                count_down(&OPEN);
            }
            state::COLLECT => {
                slot.run_collect();
                thread::wake(slot.word());
            }
            state::RELEASED => break,
            _ => {}
        }
    }
    let _ = signal::set_mask(!0);
    drop(pause);
}
