//! Brings every other thread of the process to a standstill, and lets it go.
//!
//! The thread that was asked for a checkpoint coordinates. It takes over signal 33 for as long as
//! the others need to arrive, and sends it to each of them. Why 33: the C libraries keep it
//! unblocked in every thread, whatever the program blocks; none keeps its handler, so it is taken
//! over and given back, not installed for good (measured for glibc, musl, Go, Python, the JVM and
//! node). Each thread parks in the handler, having put what only it can tell into its slot, and
//! does small jobs for the coordinator that the kernel lets only the thread itself do.
//!
//! Rules that cost others a program: the handler is given back only when every signal that was
//! sent has been taken (glibc's own handler of 33 dereferences a null pointer for a stray one); a
//! thread may end with the signal pending; a thread may be born meanwhile, so the list is read
//! again until it has nothing new.
#![expect(
    unsafe_code,
    reason = "shares slots between threads, takes a signal over"
)]

mod slot;

use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering::SeqCst};

use ckpt_format::record::{Pending, Thread};

use crate::arch::frame::Frame;
use crate::arch::stack;
use crate::error::{Context, Error, Result, fail};
use crate::state::{rseq, signals, thread as thread_state, vdso};
use crate::sys::signal;
use crate::sys::{Errno, fs, process, thread};
use crate::util::arena::Arena;
use crate::util::list::List;
use crate::util::text::{Show, Text, after, decimal, find_last};
use crate::{config, step};

use slot::{Slot, state};

/// The signal that brings threads here.
pub const SIGNAL: u32 = 33;
/// How long a thread may take; longer only if it is in uninterruptible sleep.
const PATIENCE: u64 = 10_000;
/// Most threads, `pid_max` on large hosts being the kernel's own bound.
const MOST: usize = 1 << 16;

/// The slots of the checkpoint under way; null when there is none.
static SLOTS: AtomicPtr<Slot> = AtomicPtr::new(core::ptr::null_mut());
/// How many of them are in use.
static COUNT: AtomicU32 = AtomicU32::new(0);
/// Changes whenever a thread has done something; what the coordinator waits on.
static NEWS: AtomicU32 = AtomicU32::new(0);

/// The slots, for the coordinator and for threads that have one.
fn slots() -> &'static [Slot] {
    let place = SLOTS.load(SeqCst);
    if place.is_null() {
        return &[];
    }
    // SAFETY: the coordinator keeps them until every thread has left.
    unsafe { core::slice::from_raw_parts(place, COUNT.load(SeqCst) as usize) }
}

/// The calling thread's slot, if there is a standstill under way.
fn own_slot() -> Option<&'static Slot> {
    let tid = thread::id();
    slots().iter().find(|s| s.tid() == tid)
}

fn tell_news() {
    NEWS.fetch_add(1, SeqCst);
    thread::wake(NEWS.as_ptr());
}

/// The other threads, standing still for as long as this lives.
#[derive(Debug)]
pub struct Standstill {
    /// Owns the slots and the threads' stacks; `None` in a process with one thread.
    room: Option<(List<Slot>, Arena)>,
}

/// Stack on which a thread stands still: its own must not change while it is dumped.
const STACK: usize = 16 << 10;

impl Standstill {
    /// Stops all other threads, or fails by name and lets all go.
    pub fn reach() -> Result<Self> {
        let mut all = Self { room: None };
        if thread::count() <= 1 {
            return Ok(all);
        }
        if !fs::has_proc() {
            fail!("threads without /proc: not carried");
        }
        let mut list = List::new(MOST);
        list.reserve()?;
        SLOTS.store(list.as_mut_slice().as_mut_ptr(), SeqCst);
        COUNT.store(0, SeqCst);
        all.room = Some((list, Arena::new(MOST * STACK)?));
        take_over()?;
        all.gather()?;
        // Every signal was taken, or its thread has ended: the program has its actions back before
        // they are looked at.
        give_back();
        Ok(all)
    }

    fn gather(&mut self) -> Result<()> {
        let begin = process::ticks();
        loop {
            // Before the list is read: a thread that still runs while it is may start another behind
            // the reader's back, and park before anybody looks.
            let still = slots().iter().all(Slot::is_settled);
            if self.ask_new()? == 0 && still {
                return Ok(());
            }
            let news = NEWS.load(SeqCst);
            if !slots().iter().all(Slot::is_settled) {
                thread::wait(NEWS.as_ptr(), news, 20);
            }
            for slot in slots().iter().filter(|s| !s.is_settled()) {
                if NEWS.load(SeqCst) == news && has_ended(slot.tid()) {
                    slot.set(state::ENDED);
                } else if process::ticks() - begin > PATIENCE {
                    return Err(cannot_stop(slot.tid()));
                }
            }
        }
    }

    /// Sends the signal to every thread that has not been asked yet; tells how many those were.
    fn ask_new(&mut self) -> Result<usize> {
        let Some((list, stacks)) = &mut self.room else {
            return Ok(0);
        };
        let folder = fs::open(c"/proc/self/task", fs::O_RDONLY | fs::O_DIRECTORY, 0)
            .or_fail(format_args!("cannot list the threads"))?;
        let (pid, own) = (process::id(), thread::id());
        let mut fresh = 0;
        let mut buffer = [0; 4096];
        loop {
            let got = fs::entries(folder.number(), &mut buffer)
                .or_fail(format_args!("cannot list the threads"))?;
            if got == 0 {
                return Ok(fresh);
            }
            for name in fs::names(buffer.get(..got).unwrap_or(&[])) {
                let Some((tid, [])) = decimal(name) else {
                    continue;
                };
                let tid = tid as u32;
                if tid == own || slots().iter().any(|s| s.tid() == tid) {
                    continue;
                }
                if list.as_slice().len() == MOST {
                    fail!("more than {MOST} threads");
                }
                let stack = stacks
                    .bytes(STACK, 16)?
                    .as_mut_ptr_range()
                    .end
                    .expose_provenance();
                list.push(Slot::asking(tid, stack, Call::read(tid)))?;
                COUNT.fetch_add(1, SeqCst);
                match signal::send_thread(pid, tid, SIGNAL) {
                    Ok(()) => fresh += 1,
                    Err(_) => slots().last().map_or((), |s| s.set(state::ENDED)),
                }
            }
        }
    }

    /// What the threads told of themselves.
    pub fn records(&self) -> impl Iterator<Item = &Thread> {
        slots().iter().filter(|s| s.is_parked()).map(Slot::record)
    }

    /// Collects the queued signals of all threads but the caller, and those of the process if the
    /// first thread is among them: only that one may queue them again as they were.
    pub fn pending(&self, into: &mut List<Pending>) -> Result<()> {
        let pid = process::id();
        for slot in slots().iter().filter(|s| s.is_parked()) {
            if slot.tid() == pid || slot.has_queue() {
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
        for slot in slots() {
            slot.release();
        }
        // They still use their slots on the way out.
        while slots().iter().any(Slot::is_leaving) {
            let news = NEWS.load(SeqCst);
            if slots().iter().any(Slot::is_leaving) {
                thread::wait(NEWS.as_ptr(), news, 20);
            }
        }
        if slots().iter().all(Slot::is_settled) {
            give_back();
        }
        // A thread that could not be stopped finds no slot when it comes, and goes on; the handler
        // stays for it.
        SLOTS.store(core::ptr::null_mut(), SeqCst);
        COUNT.store(0, SeqCst);
    }
}

/// Our two signals are ours; what the program had is kept. Left as it is if they still are.
fn take_over() -> Result<()> {
    let what = format_args!("cannot take signal {SIGNAL} over");
    let saved = [
        signal::action(SIGNAL).or_fail(what)?,
        signal::action(step::SIGNAL).or_fail(what)?,
    ];
    let [quiesce, _] = saved;
    let action = config::with(|c| {
        if quiesce.handler != c.action.handler {
            c.saved = Some(saved);
        }
        c.action
    });
    for number in [SIGNAL, step::SIGNAL] {
        // SAFETY: the handler may run in any thread at any time.
        unsafe { signal::set_action(number, &action) }.or_fail(what)?;
    }
    Ok(())
}

fn give_back() {
    let Some([quiesce, trap]) = config::with(|c| c.saved.take()) else {
        return;
    };
    for (number, action) in [(SIGNAL, quiesce), (step::SIGNAL, trap)] {
        // SAFETY: the program's own.
        let _ = unsafe { signal::set_action(number, &action) };
    }
}

/// Signal 33 in a thread: one that was asked parks, in any other it means nothing. That is so for
/// one that comes late, after a checkpoint was given up. It is also so for one of the C library's
/// own (setuid in another thread) that reaches a thread before that was asked: the two cannot be
/// told apart by what the kernel says of them, and the library's is lost then.
///
/// # Safety
///
/// Called by the handler, with the kernel's frame.
pub unsafe fn arrived(frame: Frame) {
    match own_slot().filter(|s| s.is_asked()) {
        Some(slot) if inside_vdso(frame) => {
            // SAFETY: the kernel's frame.
            unsafe { slot.begin_steps(frame) };
        }
        Some(slot) => park(slot, frame),
        None => {}
    }
}

/// SIGTRAP in a thread: true if it was stepping out of the vDSO for us.
///
/// # Safety
///
/// As for [`arrived`].
#[must_use]
pub unsafe fn stepped(frame: Frame) -> bool {
    let Some(slot) = own_slot().filter(|s| s.is_stepping()) else {
        return false;
    };
    if !inside_vdso(frame) {
        // SAFETY: the kernel's frame.
        unsafe { slot.end_steps(frame) };
        park(slot, frame);
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

/// Stands still, doing jobs, until released: on another stack, since the thread's own is dumped
/// meanwhile.
fn park(slot: &Slot, frame: Frame) {
    thread_state::undisturb(frame, slot.call());
    let what = (slot, frame);
    let argument = core::ptr::from_ref(&what).expose_provenance();
    // SAFETY: the stack is this thread's alone; `what` outlives the call.
    unsafe { stack::call_apart(slot.stack(), stand_still, argument) };
    slot.set(state::LEFT);
    tell_news();
}

extern "C" fn stand_still(what: usize) {
    // SAFETY: `park` passes it and waits.
    let (slot, frame) = unsafe { *(what as *const (&Slot, Frame)) };
    let record = thread_state::collect(frame);
    let pause = rseq::Pause::begin(thread_state::rseq_of(&record));
    slot.park(record, signals::thread_queue() != 0);
    tell_news();
    loop {
        match slot.wait() {
            state::COLLECT => {
                slot.run_collect();
                thread::wake(slot.word());
            }
            state::RELEASED => break,
            _ => {}
        }
    }
    drop(pause);
}

/// A system call that a thread is in: number, arguments, stack pointer, instruction pointer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Call {
    /// All nine numbers; zeroes for a thread that runs.
    pub words: [u64; 9],
    /// The thread is in a call.
    pub valid: bool,
}

impl Call {
    /// Reads /proc/self/task/TID/syscall, `nr a0 … a5 sp pc` or `running`.
    fn read(tid: u32) -> Self {
        let name = Text::<64>::format(format_args!("/proc/self/task/{tid}/syscall"));
        let mut text = [0; 256];
        let text = fs::glance(name.as_c(), &mut text);
        let mut call = Self::default();
        let mut fields = text.split(|&b| b == b' ' || b == b'\n');
        let mut count = 0;
        for (word, field) in call.words.iter_mut().zip(&mut fields) {
            let digits = after(field, b"0x");
            let number = match digits {
                Some(hex) => crate::util::text::hexadecimal(hex),
                None => decimal(field),
            };
            let Some((value, [])) = number else {
                break;
            };
            *word = value;
            count += 1;
        }
        call.valid = count == call.words.len();
        call
    }
}

/// Has the thread ended, or is it a first thread that waits for the others to?
fn has_ended(tid: u32) -> bool {
    signal::ask_thread(process::id(), tid) == Err(Errno::SRCH)
        || matches!(state_of(tid), b'Z' | b'X')
}

fn state_of(tid: u32) -> u8 {
    let name = Text::<64>::format(format_args!("/proc/self/task/{tid}/stat"));
    let mut text = [0; 256];
    let text = fs::glance(name.as_c(), &mut text);
    let after = find_last(text, b')').map_or(0, |n| n + 2);
    text.get(after).copied().unwrap_or(b'X')
}

fn cannot_stop(tid: u32) -> Error {
    let name = Text::<64>::format(format_args!("/proc/self/task/{tid}/comm"));
    let mut text = [0; 64];
    let comm = fs::glance(name.as_c(), &mut text).trim_ascii_end();
    Error::new(format_args!(
        "thread {tid} ({}) cannot be stopped within {} s: state {}",
        Show(comm),
        PATIENCE / 1000,
        Show(&[state_of(tid)])
    ))
}
