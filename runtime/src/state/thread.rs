//! One thread: what the kernel keeps for it beside its signal frame.
#![expect(unsafe_code, reason = "reads and writes the thread's own memory")]

use ckpt_format::record::Thread;

use super::rseq::{self, Rseq};
use super::{golang, owners};
use crate::arch::frame::Frame;
use crate::config;
use crate::error::{Context, Result};
use crate::sys::{SysResult, mm, process, thread};

const PR_GET_TIMERSLACK: u32 = 30;
const PR_SET_TIMERSLACK: u32 = 29;
const PR_GET_PDEATHSIG: u32 = 2;
const PR_GET_TSC: u32 = 25;
const PR_MCE_KILL_GET: u32 = 34;
const PR_GET_SPECULATION_CTRL: u32 = 52;
const PR_GET_IO_FLUSHER: u32 = 58;
const PR_SET_PDEATHSIG: u32 = 1;

/// The calling thread. What the kernel does not tell is left at nothing: other threads may be in
/// here at the same time, so there is no error to be made.
#[must_use]
pub fn collect(frame: Frame) -> Thread {
    let tid = thread::id();
    let (fs_base, gs_base) = thread::bases().unwrap_or((0, 0));
    let (robust, robust_len) = thread::robust_list(tid).unwrap_or((0, 0));
    // Without CONFIG_CHECKPOINT_RESTORE the kernel does not tell; a thread that joins this one
    // would then wait for ever after a restore, but the first thread is not joined.
    let clear_tid = thread::clear_tid_address().unwrap_or(0);
    let Rseq {
        area,
        len,
        signature,
    } = rseq::find(fs_base);
    let (policy, priority) = thread::scheduling().unwrap_or((0, 0));
    // What a kernel does not know is off.
    let get = |option, which| process::control(option, which, 0).unwrap_or(0) as u32;
    let (policy_mode, policy_nodes) = mm::policy(None).unwrap_or_default();
    Thread {
        tid,
        timer_slack: process::control(PR_GET_TIMERSLACK, 0, 0).unwrap_or(0) as u64,
        frame: frame.0 as u64,
        fs_base,
        gs_base,
        robust,
        robust_len,
        clear_tid,
        rseq: area,
        rseq_len: len,
        rseq_sig: signature,
        tid_words: tid_words(tid, fs_base, clear_tid),
        name: thread::name().unwrap_or([0; 16]),
        policy,
        priority,
        nice: process::nice().unwrap_or(0),
        io_priority: thread::io_priority().unwrap_or(0),
        death_signal: process::ask(PR_GET_PDEATHSIG).unwrap_or(0),
        affinity: thread::affinity(),
        time_stamp: process::ask(PR_GET_TSC).unwrap_or(0),
        machine_check: get(PR_MCE_KILL_GET, 0),
        io_flusher: get(PR_GET_IO_FLUSHER, 0),
        speculation: [0, 1, 2].map(|kind| get(PR_GET_SPECULATION_CTRL, kind) as u8),
        policy_mode,
        policy_nodes,
    }
}

/// The registration of restartable sequences in a record.
#[must_use]
pub fn rseq_of(record: &Thread) -> Rseq {
    Rseq {
        area: record.rseq,
        len: record.rseq_len,
        signature: record.rseq_sig,
    }
}

/// Where the C library keeps the thread's id, by evidence: a word that holds it now. glibc gives
/// the kernel the address of its `tid` as the one to clear; musl keeps it at offset 48 of the
/// thread descriptor, whose first word points to itself; Go has one of its own.
fn tid_words(tid: u32, fs_base: u64, clear_tid: u64) -> [u64; 4] {
    let first = if clear_tid != 0 && holds(clear_tid, tid) {
        clear_tid
    } else {
        0
    };
    let second = musl_word(tid, fs_base);
    let third = if config::with(|c| c.go) {
        golang::tid_word(tid, fs_base)
    } else {
        0
    };
    [first, second, third, 0]
}

fn holds(place: u64, tid: u32) -> bool {
    read(place).map(u32::from_le_bytes) == Some(tid)
}

/// Where musl keeps the thread's id; zero if it is not musl.
fn musl_word(tid: u32, fs_base: u64) -> u64 {
    const MUSL_TID: u64 = 48;
    let place = fs_base.wrapping_add(MUSL_TID);
    if read(fs_base).map(u64::from_le_bytes) == Some(fs_base) && holds(place, tid) {
        place
    } else {
        0
    }
}

/// Is the calling thread one of musl's?
#[must_use]
pub fn is_of_musl() -> bool {
    thread::bases().is_ok_and(|(fs_base, _)| musl_word(thread::id(), fs_base) != 0)
}

/// Bytes of the program's, if they can be read.
pub(super) fn read<const N: usize>(place: u64) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    (mm::read_own(place as usize, &mut bytes) == Ok(N)).then_some(bytes)
}

/// Cuts the restoring thread's ties to its memory, which is about to go.
pub fn detach() {
    let fs_base = thread::bases().map_or(0, |(fs, _)| fs);
    rseq::give_up(fs_base);
    // SAFETY: no list, nothing to clear.
    let _ = unsafe { thread::set_robust_list(0, 24) };
    // SAFETY: likewise.
    unsafe { thread::set_clear_tid_address(0) };
}

/// Makes the calling thread the image's, but for its registers.
///
/// # Safety
///
/// The program's memory is back.
pub unsafe fn restore(record: &Thread) -> Result<()> {
    // SAFETY: the runtime uses no thread-local storage.
    unsafe { thread::set_bases(record.fs_base, record.gs_base) }
        .or_fail(format_args!("cannot set the segment bases"))?;
    if record.robust_len != 0 {
        // SAFETY: the list is in the program's memory.
        unsafe { thread::set_robust_list(record.robust, record.robust_len) }
            .or_fail(format_args!("cannot set the robust futex list"))?;
    }
    // SAFETY: the word is in the program's memory.
    unsafe { thread::set_clear_tid_address(record.clear_tid) };
    rseq::restore(&rseq_of(record))?;
    let tid = thread::id();
    for place in record.tid_words.into_iter().filter(|&p| p != 0) {
        let place = place as *mut u32;
        // SAFETY: a word that held the thread's id when the image was taken.
        unsafe { place.write(tid) };
    }
    // SAFETY: memory is in place, and this is the thread.
    unsafe { owners::repair_lists(record, tid) };
    // SAFETY: likewise; it stays in here.
    unsafe { owners::repair_waiter(record, tid) };
    thread::set_name(&record.name).or_fail(format_args!("cannot set the thread's name"))?;
    process::control(PR_SET_TIMERSLACK, record.timer_slack as usize, 0)
        .or_fail(format_args!("cannot set the timer slack"))?;
    set_death_signal(record)?;
    place_on_cpus(record);
    set_switches(record);
    Ok(())
}

/// The signal that tells of the parent's end.
pub(super) fn set_death_signal(record: &Thread) -> Result<()> {
    process::control(PR_SET_PDEATHSIG, record.death_signal as usize, 0)
        .map(drop)
        .or_fail(format_args!("cannot set the parent-death signal"))
}

/// Switches of prctl(2) that a thread has for itself, and its memory policy.
fn set_switches(record: &Thread) {
    const PR_SET_TSC: u32 = 26;
    const PR_MCE_KILL: u32 = 33;
    const PR_MCE_KILL_SET: usize = 1;
    const PR_SET_IO_FLUSHER: u32 = 57;
    const PR_SET_SPECULATION_CTRL: u32 = 53;
    /// The thread may change it.
    const PR_SPEC_PRCTL: usize = 1;
    let get = |option, which| process::control(option, which, 0).unwrap_or(0);
    let told = |what, done: SysResult<()>| {
        if let Err(e) = done {
            let what = crate::util::text::Show::text(what);
            crate::log::info!("{what} is not to be had here: {e}");
        }
    };
    let set = |option, a, b| process::control(option, a, b).map(drop);
    if process::ask(PR_GET_TSC) != Ok(record.time_stamp) && record.time_stamp != 0 {
        let value = record.time_stamp as usize;
        told("the time stamp counter's switch", set(PR_SET_TSC, value, 0));
    }
    let value = record.machine_check as usize;
    if get(PR_MCE_KILL_GET, 0) != value {
        told(
            "the switch for broken memory",
            set(PR_MCE_KILL, PR_MCE_KILL_SET, value),
        );
    }
    let value = record.io_flusher as usize;
    if get(PR_GET_IO_FLUSHER, 0) != value {
        told("PR_SET_IO_FLUSHER", set(PR_SET_IO_FLUSHER, value, 0));
    }
    for (kind, value) in record
        .speculation
        .iter()
        .map(|&v| usize::from(v))
        .enumerate()
    {
        let (now, wanted) = (get(PR_GET_SPECULATION_CTRL, kind), value & !PR_SPEC_PRCTL);
        if now != value && value & PR_SPEC_PRCTL != 0 {
            told(
                "a speculation control",
                set(PR_SET_SPECULATION_CTRL, kind, wanted),
            );
        }
    }
    let policy = (record.policy_mode, record.policy_nodes);
    if mm::policy(None).is_ok_and(|now| now != policy) {
        told("the memory policy", mm::set_policy(&policy, None));
    }
}

/// Scheduling is asked for, not insisted on: the restoring host may have other processors, and a
/// lower nice value or a real-time policy may need rights that the user does not have here.
fn place_on_cpus(record: &Thread) {
    if record.affinity != [0; 16] && thread::set_affinity(&record.affinity).is_err() {
        crate::log::info!("the processors that the program was bound to are not here");
    }
    let now = thread::scheduling();
    if now != Ok((record.policy, record.priority))
        && thread::set_scheduling(record.policy, record.priority).is_err()
    {
        crate::log::info!("scheduling policy {} is not permitted here", record.policy);
    }
    if process::nice() != Ok(record.nice) && process::set_nice(record.nice).is_err() {
        crate::log::info!("nice value {} is not permitted here", record.nice);
    }
    if thread::io_priority() != Ok(record.io_priority)
        && thread::set_io_priority(record.io_priority).is_err()
    {
        crate::log::info!(
            "I/O priority {:#x} is not permitted here",
            u64::from(record.io_priority)
        );
    }
}
