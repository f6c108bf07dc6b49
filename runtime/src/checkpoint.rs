//! Taking a checkpoint: what is collected in which order, and written.
//!
//! Everything that may refuse comes first; the file is made when nothing but the disk can fail.

use ckpt_format::limits;
use ckpt_format::record::{Ended, Program, Thread};
use ckpt_format::toc::kind;

use crate::arch::frame::Frame;
use crate::error::Result;
use crate::image::name;
use crate::image::output::Output;
use crate::request::Request;
use crate::state::signals::Waiting;
use crate::state::{
    aio, attributes, calls, children, credentials, files, ipc, job, machine, memory, mm,
    namespaces, numa, places, posix_timers, rseq, signals, thread, timers, unsupported, vdso,
};
use crate::sys::{fs, process};
use crate::trigger::Order;
use crate::util::arena::Arena;
use crate::util::list::List;
use crate::util::text::PathText;
use crate::{allow, config, log, quiesce};

/// Address space for all scratch memory but the lists, which have their own.
const ARENA: usize = 64 << 20;

/// Takes a checkpoint of the calling process; tells where the image is.
pub fn take(order: &Order) -> Result<PathText> {
    allow::grant(order.request.as_ref().map_or(0, Request::allowed));
    config::with(|c| c.first_mask = !0);
    let frame = calls::interrupted(order.frame, &order.seen());
    unsupported::refuse_filter()?;
    unsupported::refuse_root()?;
    unsupported::refuse_foreign_proc()?;
    let others = quiesce::Standstill::reach()?;
    let ended = children::collect()?;
    unsupported::refuse(&others)?;
    namespaces::refuse(&others)?;
    let sequence = config::with(|c| {
        c.sequence += 1;
        c.sequence
    });
    let asked = order.request.as_ref().map(Request::path);
    let path = match asked {
        Some(path) if !path.as_bytes().is_empty() => path,
        _ => name::from_pattern(sequence)?,
    };
    log::debug!("checkpoint to {path}");
    // What the restored program will find in its settings; taken back in the one that goes on.
    config::with(|c| c.generation += 1);
    let dumpable = attributes::Visible::make();
    let result = write(frame, path, sequence, &dumpable, &others, ended.as_slice());
    drop(dumpable);
    config::with(|c| c.generation -= 1);
    result
}

fn write(
    frame: Frame,
    path: PathText,
    sequence: u32,
    dumpable: &attributes::Visible,
    others: &quiesce::Standstill,
    ended: &[Ended],
) -> Result<PathText> {
    let arena = Arena::new(ARENA)?;
    let mut space = memory::read()?;
    aio::settle(&space)?;
    let mut places = places::collect(others)?;
    let files = files::collect(&mut places, others)?;
    memory::classify::all(&mut space, &files)?;
    let adjustments = ipc::undo::collect()?;
    let segments = ipc::shm::collect(&space)?;
    let thread = thread::collect(frame);
    rseq::refuse([&thread].into_iter().chain(others.records()))?;
    let _pause = rseq::Pause::begin(thread::rseq_of(&thread));
    let machine = machine::collect(&arena)?;
    let vdso = vdso::collect(&arena, &space)?;
    let notes = mm::collect(&arena, mm::lock_future(space.flags_of_new))?;
    let policies = numa::collect(&space)?;
    let credentials = credentials::collect(&arena)?;
    let attributes = attributes::collect(&arena, dumpable, &places)?;
    let actions = signals::actions()?;
    let program = program(&arena, sequence)?;
    let waiting = waiting(others)?;
    let timers = timers::collect()?;

    let mut out = Output::create(&arena, path)?;
    let guards = memory::dump::all(&space, &arena, &mut out)?;
    files.write_contents(&arena, &mut out)?;
    out.end_pages()?;
    out.list(kind::GUARDS, guards.as_slice())?;
    out.section(kind::VMAS, space.bound(), |w| space.encode(w))?;
    out.list(kind::ADJUSTMENTS, adjustments.as_slice())?;
    out.list(kind::SEGMENTS, segments.as_slice())?;
    out.section(kind::VDSO, vdso.bytes.len() + 64, |w| w.put(&vdso))?;
    out.section(kind::MM, notes.auxv.len() + 128, |w| w.put(&notes))?;
    out.section(kind::MACHINE, 1024, |w| w.put(&machine))?;
    out.section(kind::PROGRAM, 8192, |w| w.put(&program))?;
    out.section(kind::ATTRIBUTES, 8192, |w| w.put(&attributes))?;
    places.write(&mut out)?;
    out.list(kind::ACTIONS, &actions)?;
    out.list(kind::PENDING, waiting.signals.as_slice())?;
    out.list(kind::POSIX_TIMERS, waiting.timers.as_slice())?;
    out.section(kind::TIMERS, 128, |w| w.put(&timers))?;
    out.section(kind::JOB, 64, |w| w.put(&job::collect()))?;
    out.list(kind::ENDED, ended)?;
    out.list(kind::POLICIES, policies.as_slice())?;
    let most = 128 + credentials.groups.len();
    out.section(kind::CREDENTIALS, most, |w| w.put(&credentials))?;
    files.write(&mut out)?;
    let count = 1 + others.records().count();
    out.section(kind::THREADS, 4 + count * size_of::<Thread>(), |w| {
        w.put(&(count as u32));
        w.put(&thread);
        others.records().for_each(|record| w.put(record));
    })?;
    out.finish(config::with(|c| c.identity))
}

/// The queued signals of this thread, of the others, and of the process; and the POSIX timers,
/// which must be looked at along with them.
#[inline(never)]
fn waiting(others: &quiesce::Standstill) -> Result<Waiting> {
    let own = crate::sys::thread::id();
    let mut all = Waiting {
        signals: List::new(limits::PENDING as usize),
        timers: posix_timers::list()?,
        tids: List::new(limits::THREADS as usize),
    };
    all.tids.push(own)?;
    for record in others.records() {
        all.tids.push(record.tid)?;
    }
    posix_timers::measure(all.timers.as_mut_slice())?;
    signals::collect_pending(&mut all, own == process::id())?;
    others.pending(&mut all)?;
    posix_timers::settle(all.timers.as_mut_slice(), all.tids.as_slice())?;
    Ok(all)
}

fn program(arena: &Arena, sequence: u32) -> Result<Program<'_>> {
    let room = arena.bytes(4096, 1)?;
    // For people only; there is no /proc in an empty chroot.
    let exe = fs::read_link(c"/proc/thread-self/exe", room).unwrap_or(b"");
    let [uid, ..] = process::credentials();
    let (generation, runtime, resume) = config::with(|c| (c.generation, c.handoff, c.resume));
    Ok(Program {
        pid: process::id(),
        uid,
        generation,
        sequence,
        runtime: runtime as u64,
        resume: resume as u64,
        exe,
    })
}
