//! `--pid same`: the program gets its old process id and thread ids, in a process id namespace.
//!
//! ```text
//! restoring command ── monitor: passes signals, stops and the end on     (host's namespaces for
//!   │                                                                     processes and mounts)
//!   ├── reaper: process 1 of the new namespace, takes in orphans
//!   └── the program, with its old id: restores itself as without the option
//! ```
//!
//! A plain user may make such a namespace within a user namespace (user_namespaces(7)), whose only
//! ids are the user's own; somebody with CAP_SYS_ADMIN needs none. The capabilities that come with
//! it serve for choosing ids (clone(2), "set_tid") and mounting a /proc of the new namespace; the
//! program has those of the restoring command again before it runs.
#![expect(unsafe_code, reason = "sets a signal's action")]

use ckpt_format::record::{Action, Ended, Job, Program, Thread};
use ckpt_format::toc::kind;

use super::monitor::{self, Monitor};
use crate::error::{Context, Error, Result, fail};
use crate::image::input::Image;
use crate::log;
use crate::sys::namespace::{self, Capabilities, Fate};
use crate::sys::{Errno, fs, process, signal};
use crate::trigger;
use crate::util::arena::Arena;
use crate::util::cell::Global;
use crate::util::sort::sort;
use crate::util::text::ShortText;

/// CAP_SYS_ADMIN and CAP_CHECKPOINT_RESTORE: each of them allows to choose ids.
const CHOOSING: u64 = 1 << 21 | 1 << 40;
/// What the program may again once its threads have their ids.
static RIGHTS: Global<Option<Capabilities>> = Global::new(None);

/// What a process may beside its capabilities.
struct Bounds {
    rights: Capabilities,
    bounding: u64,
    secure: usize,
}

const CAPBSET_READ: u32 = 23;
const CAPBSET_DROP: u32 = 24;
const GET_SECUREBITS: u32 = 27;
const SET_SECUREBITS: u32 = 28;

/// Is this capability in the bounding set?
fn bounded(capability: usize) -> bool {
    process::control(CAPBSET_READ, capability, 0) == Ok(1)
}

impl Bounds {
    fn get() -> Result<Self> {
        let what = format_args!("cannot tell the capabilities");
        Ok(Self {
            rights: Capabilities::get().or_fail(what)?,
            bounding: (0..64).filter(|&n| bounded(n)).map(|n| 1 << n).sum(),
            secure: process::control(GET_SECUREBITS, 0, 0).or_fail(what)?,
        })
    }

    /// Gives up what a new user namespace brought beyond these, but for what choosing ids takes.
    fn set(&self) -> Result<()> {
        let what = format_args!("cannot give up capabilities");
        for n in (0..64).filter(|&n| self.bounding >> n & 1 == 0 && bounded(n)) {
            process::control(CAPBSET_DROP, n, 0).or_fail(what)?;
        }
        if process::control(GET_SECUREBITS, 0, 0) != Ok(self.secure) {
            process::control(SET_SECUREBITS, self.secure, 0).or_fail(what)?;
        }
        let Capabilities([_, now, _]) = Capabilities::get().or_fail(what)?;
        let Capabilities([effective, permitted, inheritable]) = self.rights;
        let more = now & CHOOSING;
        Capabilities([effective | more, permitted | more, inheritable])
            .set()
            .or_fail(what)?;
        RIGHTS.set(Some(self.rights));
        Ok(())
    }
}

/// Gives the calling thread the capabilities back that the restoring command had.
pub(super) fn drop_rights() -> Result<()> {
    let rights = RIGHTS.get();
    rights.map_or(Ok(()), |rights| {
        rights
            .set()
            .or_fail(format_args!("cannot give up capabilities"))
    })
}

/// Are threads to get the ids they had?
pub(super) fn keeps_ids() -> bool {
    RIGHTS.get().is_some()
}

/// Goes on as the child that has the program's old id; the caller becomes its monitor and never
/// returns. Nothing is lost when it fails.
pub(super) fn enter(arena: &Arena, image: &Image<'_>) -> Result<()> {
    let program: Program<'_> = image.single(kind::PROGRAM);
    let job: Job = image.single(kind::JOB);
    let highest = highest(arena, image, program.pid)?;
    if program.pid == process::id() && highest == program.pid {
        return Ok(());
    }
    let bounds = Bounds::get()?;
    let place = monitor::Place::of(&job, program.pid);
    make()?;
    let mask = signal::set_mask(!0).or_fail(format_args!("cannot block signals"))?;
    // Ignored, it would take the end of children away from who waits for it.
    // SAFETY: the default.
    unsafe { signal::set_action(monitor::CHILD, &Action::DEFAULT) }
        .or_fail(format_args!("cannot wait for children"))?;
    let (ours, theirs) = fs::socket_pair().or_fail(format_args!("cannot make a socket pair"))?;
    if child(None)? == 0 {
        drop(ours);
        super::reaper::run(&theirs);
    }
    drop(theirs);
    // Threads are made when it is too late for an error, so the last of their ids is tried now.
    let probe = child(Some(highest))?;
    if probe == 0 {
        process::exit(0);
    }
    if namespace::wait(probe, false) != Ok(Some(Fate::Exited(0))) {
        fail!("--pid same: a process of the new namespace does not come to its end");
    }
    let pid = child(Some(program.pid))?;
    if pid != 0 {
        let monitor = Monitor::new(pid, place, ours);
        monitor.run();
    }
    drop(ours);
    become_program(place, &bounds)?;
    // What asks for a checkpoint waits until the program is there to take it.
    let asking = trigger::signals().fold(0, |set, n| set | 1 << (n - 1));
    signal::set_mask(mask | asking)
        .map(drop)
        .or_fail(format_args!("cannot set the signal mask"))
}

/// The highest of all ids, which are checked to be different.
fn highest(arena: &Arena, image: &Image<'_>, pid: u32) -> Result<u32> {
    let threads = image.list::<Thread>(kind::THREADS);
    let ended = image.list::<Ended>(kind::ENDED);
    let ids: &mut [u32] = arena.records((threads.left() + ended.left()) as usize)?;
    let all = threads.map(|t| t.tid).chain(ended.map(|e| e.pid));
    for (slot, id) in ids.iter_mut().zip(all) {
        *slot = id;
    }
    sort(ids);
    let twice = ids.windows(2).any(|two| matches!(two, [a, b] if a == b));
    if twice || pid == 1 || ids.first() == Some(&1) {
        let path = &image.path;
        fail!("{path}: --pid same: its ids cannot be had: process 1, or one id twice");
    }
    Ok(ids.last().copied().unwrap_or(0).max(pid))
}

/// Makes the namespaces; the caller's children will be in the new one for processes.
fn make() -> Result<()> {
    if namespace::leave(namespace::PROCESSES).is_ok() {
        return Ok(());
    }
    let [_, user, _, group] = process::credentials();
    match namespace::leave(namespace::USERS | namespace::PROCESSES) {
        Ok(()) => {}
        // ENOSPC: user_namespaces(7), "limits"; EUSERS before Linux 4.9.
        Err(Errno(28 | 87)) => {
            fail!(
                "--pid same takes a user namespace: the limit user.max_user_namespaces forbids it"
            )
        }
        Err(e) => {
            fail!("--pid same takes a user namespace, which this host does not let you make: {e}")
        }
    }
    let map = |path, id: u32| {
        let line = ShortText::format(format_args!("{id} {id} 1"));
        namespace::put(path, line.as_bytes())
    };
    namespace::put(c"/proc/self/setgroups", b"deny")
        .and_then(|()| map(c"/proc/self/uid_map", user))
        .and_then(|()| map(c"/proc/self/gid_map", group))
        .or_fail(format_args!("--pid same: cannot set up a user namespace"))
}

/// A child in the new namespace.
fn child(id: Option<u32>) -> Result<u32> {
    namespace::fork(id).map_err(|e| {
        let id = id.unwrap_or(1);
        Error::new(format_args!(
            "--pid same: cannot make a process of id {id} in a new namespace: {e}"
        ))
    })
}

/// What the child with the program's id sees to before it restores itself.
fn become_program(place: monitor::Place, bounds: &Bounds) -> Result<()> {
    let proc = namespace::leave(namespace::MOUNTS)
        .and_then(|()| namespace::cut_mounts_off())
        .and_then(|()| namespace::mount_proc());
    if let Err(e) = proc {
        log::info!(
            "--pid same: no /proc of the new namespace can be mounted ({e}): process ids in /proc are \
             those of the host, and there will be no further checkpoints"
        );
    }
    place.take()?;
    bounds.set()
}
