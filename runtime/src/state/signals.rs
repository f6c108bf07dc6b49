//! What signals do, and which wait.
#![expect(unsafe_code, reason = "installs the program's signal handlers")]

use ckpt_format::limits;
use ckpt_format::record::{Action, Pending, PosixTimer, Program, Thread};
use ckpt_format::toc::kind;

use super::children::Born;
use super::posix_timers;
use crate::arch::frame::{Frame, offset};
use crate::error::{Context, Result, fail};
use crate::image::input::Image;
use crate::sys::{fs, mm, process, signal, thread};
use crate::util::list::List;
use crate::util::text::{hexadecimal, labelled};
use crate::{config, quiesce, trigger};

/// SIGKILL and SIGSTOP, whose action is fixed.
const FIXED: [u32; 2] = [9, 19];

const SIGCHLD: u32 = 17;
/// Where `siginfo_t` has the process.
const SI_PID: usize = 16;

/// The signals that wait, and what the looking at them needs to know.
#[derive(Debug)]
pub struct Waiting {
    /// Those of the process, and of each thread.
    pub signals: List<Pending>,
    /// The POSIX timers, which may have sent some.
    pub timers: List<PosixTimer>,
    /// Ids of all threads.
    pub tids: List<u32>,
}

/// The action of each signal; signal *n* is at *n* - 1.
pub fn actions() -> Result<[Action; 64]> {
    let mut all = [Action::DEFAULT; 64];
    for (number, slot) in (1..).zip(all.iter_mut()) {
        if !FIXED.contains(&number) {
            *slot = signal::action(number)
                .or_fail(format_args!("cannot tell the action of signal {number}"))?;
        }
    }
    Ok(all)
}

/// Sets the actions of the image. All signals are blocked meanwhile.
pub fn restore_actions(image: &Image<'_>) -> Result<()> {
    for (number, action) in (1..).zip(image.list::<Action>(kind::ACTIONS)) {
        if FIXED.contains(&number) {
            continue;
        }
        // SAFETY: the signal is blocked until the program's code is there.
        unsafe { signal::set_action(number, &action) }
            .or_fail(format_args!("cannot set the action of signal {number}"))?;
    }
    Ok(())
}

/// The signals that wait for the calling thread, and with `shared` those that wait for the
/// process, in the order in which they would be taken.
///
/// They can only be looked at by taking them off the queue; each is queued again. All signals are
/// blocked meanwhile. Those of the process are for the first thread to collect: others may not
/// queue a signal again as the kernel or kill(2) sent it (do_rt_sigqueueinfo, kernel/signal.c).
/// To be called before [`super::timers::collect`]: taking SIGALRM starts an interval timer anew.
pub fn collect_pending(into: &mut Waiting, shared: bool) -> Result<()> {
    let mut taken = List::new(limits::PENDING as usize);
    let mut result = take_all(&mut taken, into, shared);
    let timers = into.timers.as_mut_slice();
    for pending in taken.as_slice() {
        let queued = match posix_timers::send_again(timers, pending) {
            Ok(false) => queue(pending),
            other => other.map(drop),
        };
        // If one is not to be had again, the others are.
        result = result.and(queued);
    }
    result?;
    for pending in taken.as_slice().iter().filter(|p| !is_ours(p)) {
        into.signals.push(*pending)?;
    }
    Ok(())
}

fn take_all(taken: &mut List<Pending>, known: &mut Waiting, shared: bool) -> Result<()> {
    let tid = thread::id();
    loop {
        // What is for this thread is taken first (kernel/signal.c, dequeue_signal).
        let own = thread_queue();
        let set = if own != 0 {
            own
        } else if shared {
            signal::pending().or_fail(format_args!("cannot tell which signals wait"))?
        } else {
            0
        };
        if set == 0 {
            return Ok(());
        }
        if taken.as_slice().len() >= limits::PENDING as usize {
            fail!("more than {} signals wait", limits::PENDING);
        }
        let Ok(info) = signal::take(set) else {
            return Ok(());
        };
        let pending = Pending {
            tid: if own == 0 { 0 } else { tid },
            info,
        };
        if let Err(e) = taken.push(pending) {
            queue(&pending)?;
            return Err(e);
        }
        posix_timers::stop(known.timers.as_mut_slice(), known.tids.as_slice(), &pending)?;
    }
}

/// `SigPnd` of /proc: signals that wait for this thread alone. Without /proc, none are known.
#[must_use]
pub fn thread_queue() -> u64 {
    // Most often nothing waits at all, and that is quickly asked.
    if signal::pending() == Ok(0) {
        return 0;
    }
    let mut text = [0; 4096];
    let text = fs::glance(c"/proc/thread-self/status", &mut text);
    labelled(text, b"SigPnd:")
        .and_then(hexadecimal)
        .map_or(0, |(set, _)| set)
}

/// A request for a checkpoint, or for standing still, which is not the program's: nothing that a
/// restored one should see.
fn is_ours(pending: &Pending) -> bool {
    let number = pending.signal();
    quiesce::is_ours(&pending.info)
        || trigger::signals().any(|n| n == number)
            && !posix_timers::sent(pending)
            && signal::action(number).is_ok_and(|a| a.handler == config::with(|c| c.action.handler))
}

/// Queues a signal for this thread or process, as it was.
fn queue(pending: &Pending) -> Result<()> {
    let number = pending.signal();
    let pid = process::id();
    if pending.tid == 0 {
        signal::queue(pid, number, &pending.info)
    } else {
        signal::queue_thread(pid, thread::id(), number, &pending.info)
    }
    .or_fail(format_args!("cannot queue signal {number} again"))
}

/// Has process `then` sent the signal? A signal that the process has sent itself names it as the
/// sender, and who looks, as the C libraries do when a thread is cancelled or changes its user, must
/// find the process.
fn is_from(info: &signal::Info, then: u32) -> bool {
    /// SI_USER, SI_QUEUE, SI_MESGQ and SI_TKILL: codes of signals that have a sender.
    const SENT: [u32; 4] = [0, -1i32 as u32, -3i32 as u32, -6i32 as u32];
    let (_, code, sender, _) = signal::fields(info);
    SENT.contains(&code) && sender == then
}

fn renamed(pending: &Pending, then: u32) -> Pending {
    let mut new = *pending;
    if is_from(&new.info, then)
        && let Some(place) = new.info.get_mut(SI_PID..SI_PID + 4)
    {
        place.copy_from_slice(&process::id().to_le_bytes());
    }
    new
}

/// Likewise for the handlers that a thread is in: of two signals that come at once, the second's
/// handler, ours, interrupts the first's before that has looked. Their frames are on the stack, each
/// begins with the address that its handler returns to (`struct rt_sigframe`, asm/sigframe.h).
///
/// # Safety
///
/// The program's memory is in place; the thread does not run.
pub unsafe fn rename_senders(image: &Image<'_>, record: &Thread) {
    /// How far they are looked for: some handlers within one another.
    const REACH: usize = 32 << 10;
    /// From a frame's beginning to the signal's information.
    const INFO: usize = 8 + 304;
    let program: Program<'_> = image.single(kind::PROGRAM);
    let mut returns = [0; 4];
    for action in image.list::<Action>(kind::ACTIONS) {
        let fits = |n: &&mut u64| **n == 0 || **n == action.restorer;
        if let Some(place) = returns.iter_mut().find(fits) {
            *place = action.restorer;
        }
    }
    // SAFETY: the frame is in the program's memory.
    let start = unsafe { Frame(record.frame as usize).get(offset::RSP) } as usize;
    let mut piece = [0; 1024];
    for start in (start..start.wrapping_add(REACH)).step_by(piece.len()) {
        let got = mm::read_own(start, &mut piece).unwrap_or(0);
        let (words, _) = piece.get(..got).unwrap_or(&[]).as_chunks();
        for (word, at) in words.iter().zip((start..).step_by(8)) {
            let word = u64::from_le_bytes(*word);
            let mut info = [0; 128];
            if word != 0
                && returns.contains(&word)
                && mm::read_own(at + INFO, &mut info) == Ok(info.len())
                && is_from(&info, program.pid)
            {
                // SAFETY: the signal's information in a frame of the thread's.
                unsafe { ((at + INFO + SI_PID) as *mut u32).write(process::id()) };
            }
        }
    }
}

/// Queues the image's signals for the calling thread, which was `tid` then, and with `shared`
/// those for the process. All signals are blocked meanwhile.
///
/// What tells of a child's end tells of the one that has been made in its place.
pub fn restore_pending(image: &Image<'_>, tid: u32, shared: bool, born: Born<'_>) -> Result<()> {
    let program: Program<'_> = image.single(kind::PROGRAM);
    let all = image.list::<Pending>(kind::PENDING);
    for mut pending in all {
        let ours = pending.tid == tid || (pending.tid == 0 && shared);
        if pending.signal() == SIGCHLD
            && let (_, _, pid, _) = signal::fields(&pending.info)
            && let Some(new) = born.id(image, pid)
            && let Some(place) = pending.info.get_mut(SI_PID..SI_PID + 4)
        {
            place.copy_from_slice(&new.to_le_bytes());
        }
        if ours && !posix_timers::requeue(image, &pending)? {
            queue(&renamed(&pending, program.pid))?;
        }
    }
    Ok(())
}
