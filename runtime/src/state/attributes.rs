//! Attributes of the process: creation mask, working directory, limits and switches.

use core::fmt;

use ckpt_format::record::{Attributes, LIMITS};

use super::places::Places;
use super::{room, tuning};
use crate::error::{Context, Result, fail};
use crate::log;
use crate::sys::{Errno, fs, process};
use crate::util::arena::Arena;
use crate::util::text::{PathText, Show, Words};

/// prctl(2) options, each "set" with its "get".
const SET_DUMPABLE: u32 = 4;
const GET_DUMPABLE: u32 = 3;
const SET_SUBREAPER: u32 = 36;
const GET_SUBREAPER: u32 = 37;
const SET_NO_NEW_PRIVS: u32 = 38;
const GET_NO_NEW_PRIVS: u32 = 39;
const SET_THP_DISABLE: u32 = 41;
const GET_THP_DISABLE: u32 = 42;
const SET_MEMORY_MERGE: u32 = 67;
const GET_MEMORY_MERGE: u32 = 68;

/// Names of the limits by number (asm-generic/resource.h).
const NAMES: Words = Words(
    "CPU FSIZE DATA STACK CORE RSS NPROC NOFILE MEMLOCK AS LOCKS SIGPENDING MSGQUEUE NICE RTPRIO \
     RTTIME",
);
const DATA: usize = 2;
const NPROC: usize = 6;
const NOFILE: usize = 7;
const MEMLOCK: usize = 8;
const AS: usize = 9;
const SIGPENDING: usize = 11;

/// Limits whose usual value is the host's memory divided by something: an image of a larger host
/// gets what this one allows.
const OF_HOST: [usize; 2] = [NPROC, SIGPENDING];

/// A process that is not dumpable (a service that keeps secrets) may not read half of its own
/// /proc; it is made so for the moment of a checkpoint.
#[derive(Debug)]
pub struct Visible(u32);

impl Visible {
    /// Makes the process dumpable, and notes what it was.
    #[must_use]
    pub fn make() -> Self {
        let was = process::control(GET_DUMPABLE, 0, 0).unwrap_or(1) as u32;
        if was != 1 {
            // What stays unreadable shows where it is read.
            let _ = process::control(SET_DUMPABLE, 1, 0);
        }
        Self(was)
    }
}

impl Drop for Visible {
    fn drop(&mut self) {
        if self.0 != 1 {
            // 2 cannot be set by a process; 0 is the stricter of what can.
            let _ = process::control(SET_DUMPABLE, 0, 0);
        }
    }
}

/// Reads them. `arena` holds the working directory's name.
#[inline(never)]
pub fn collect<'a>(arena: &'a Arena, visible: &Visible, places: &Places) -> Result<Attributes<'a>> {
    let (umask, cwd) = if let Some(place) = places.of_process(arena.bytes(4096, 1)?)? {
        (place.umask, place.cwd)
    } else {
        let umask = process::set_umask(0);
        process::set_umask(umask);
        (umask, working_directory(arena)?)
    };
    let mut soft = [0; LIMITS];
    let mut hard = [0; LIMITS];
    for (n, (soft, hard)) in soft.iter_mut().zip(hard.iter_mut()).enumerate() {
        (*soft, *hard) =
            process::limit(n).or_fail(format_args!("cannot read limit {}", name(n)))?;
        if n == room::NOFILE
            && let Some(limit) = room::put_aside()
        {
            (*soft, *hard) = limit;
        }
    }
    // Those that a kernel does not know are off.
    let ask = |option| process::ask(option).unwrap_or(0);
    let get = |option| process::control(option, 0, 0).unwrap_or(0) as u32;
    Ok(Attributes {
        umask,
        personality: process::personality(!0).or_fail(format_args!("cannot read personality"))?,
        subreaper: ask(GET_SUBREAPER),
        no_new_privs: get(GET_NO_NEW_PRIVS),
        dumpable: visible.0,
        thp_disable: get(GET_THP_DISABLE),
        oom_score: tuning::oom_score(),
        core_filter: tuning::core_filter(),
        barriers: tuning::barriers(),
        memory_merge: get(GET_MEMORY_MERGE),
        soft,
        hard,
        removed: places.home().removed,
        cwd,
    })
}

fn working_directory(arena: &Arena) -> Result<&[u8]> {
    let buffer = arena.bytes(4096, 1)?;
    match fs::working_directory(buffer) {
        Ok(path @ [b'/', ..]) => Ok(path),
        Ok(path) => fail!("working directory {}: not carried", Show(path)),
        Err(Errno::NOENT) => fail!("working directory that was removed: not carried"),
        Err(e) => fail!("cannot tell the working directory: {e}"),
    }
}

/// Checks all that can fail, and changes nothing.
pub fn prepare(attributes: &Attributes<'_>) -> Result<()> {
    may_work_in(attributes.cwd, attributes.removed)?;
    for (n, &wanted) in attributes.hard.iter().enumerate() {
        let (soft, hard) =
            process::limit(n).or_fail(format_args!("cannot read limit {}", name(n)))?;
        if wanted <= hard || may_raise(n, soft, hard, wanted) {
            continue;
        }
        if !OF_HOST.contains(&n) {
            fail!(
                "limit {}: the image has {}, here at most {}",
                name(n),
                Amount(wanted),
                Amount(hard)
            );
        }
    }
    Ok(())
}

/// Checks that a working directory is there and may be entered; one that was removed will be.
pub fn may_work_in(path: &[u8], removed: u32) -> Result<()> {
    if removed != 0 {
        return Ok(());
    }
    let what = format_args!("working directory {}", Show(path));
    let mut cwd = PathText::new();
    cwd.push(path);
    let flags = fs::O_PATH | fs::O_DIRECTORY;
    fs::open(cwd.as_c(), flags, 0).map(drop).or_fail(what)?;
    fs::may_enter(cwd.as_c()).or_fail(what)
}

/// Makes the calling thread, and those that share with it, work there with that creation mask.
/// `open` has the descriptors of the image's open files.
pub fn work_in(path: &[u8], removed: u32, umask: u32, open: &[i32]) -> Result<()> {
    process::set_umask(umask);
    let mut cwd = PathText::new();
    cwd.push(path);
    match open.get((removed as usize).wrapping_sub(1)) {
        Some(&fd) => fs::change_directory_to(fd),
        None => fs::change_directory(cwd.as_c()),
    }
    .or_fail(format_args!("working directory {}", Show(path)))
}

/// True if the hard limit can be raised, which takes CAP_SYS_RESOURCE. Tried and taken back.
fn may_raise(n: usize, soft: u64, hard: u64, wanted: u64) -> bool {
    process::set_limit(n, soft, wanted).is_ok() && process::set_limit(n, soft, hard).is_ok()
}

/// Sets what cannot get in the way of the rest of a restore.
pub fn restore(attributes: &Attributes<'_>, open: &[i32]) -> Result<()> {
    let Attributes {
        cwd,
        removed,
        umask,
        ..
    } = *attributes;
    work_in(cwd, removed, umask, open)?;
    switch(SET_SUBREAPER, attributes.subreaper, "child subreaper")?;
    // Cannot be taken back; a restoring command that has it keeps it.
    if attributes.no_new_privs != 0 {
        switch(SET_NO_NEW_PRIVS, 1, "no_new_privs")?;
    }
    tuning::restore(attributes);
    let merge = attributes.memory_merge as usize;
    if process::control(GET_MEMORY_MERGE, 0, 0).unwrap_or(0) != merge
        && process::control(SET_MEMORY_MERGE, merge, 0).is_err()
    {
        log::info!("merging of all memory (PR_SET_MEMORY_MERGE) is not to be had here");
    }
    let [on, flags] = [attributes.thp_disable & 1, attributes.thp_disable & !1];
    if process::control(GET_THP_DISABLE, 0, 0).unwrap_or(0) as u32 != attributes.thp_disable {
        process::control(SET_THP_DISABLE, on as usize, flags as usize)
            .or_fail(format_args!("cannot set the huge page switch"))?;
    }
    Ok(())
}

fn switch(option: u32, value: u32, what: &str) -> Result<()> {
    process::control(option, value as usize, 0)
        .map(drop)
        .or_fail(format_args!("cannot set {}", Show::text(what)))
}

/// Sets what could: the personality (READ_IMPLIES_EXEC changes what mmap(2) does), and the limits.
pub fn restore_limits(attributes: &Attributes<'_>) -> Result<()> {
    process::personality(attributes.personality).or_fail(format_args!("cannot set personality"))?;
    for (n, (&soft, &hard)) in attributes.soft.iter().zip(&attributes.hard).enumerate() {
        if process::set_limit(n, soft, hard).is_ok() {
            continue;
        }
        let (_, here) = process::limit(n).or_fail(format_args!("cannot read limit {}", name(n)))?;
        if !OF_HOST.contains(&n) || here >= hard {
            fail!("cannot set limit {}", name(n));
        }
        log::info!(
            "limit {}: the image has {}, here {}",
            name(n),
            Amount(hard),
            Amount(here)
        );
        process::set_limit(n, soft.min(here), here)
            .or_fail(format_args!("cannot set limit {}", name(n)))?;
    }
    Ok(())
}

/// What closes /proc to the process: the very end.
pub fn restore_dumpable(attributes: &Attributes<'_>) -> Result<()> {
    // 2 ("as the host wants it") cannot be set; it is what a program gets that runs with more
    // rights than its user, and such a one is not restored.
    if attributes.dumpable <= 1 {
        switch(SET_DUMPABLE, attributes.dumpable, "dumpable")?;
    }
    Ok(())
}

fn name(n: usize) -> Show<'static> {
    Show(NAMES.get(n).unwrap_or(b"of unknown name"))
}

/// A limit's value.
struct Amount(u64);

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            u64::MAX => f.write_str("unlimited"),
            n => n.fmt(f),
        }
    }
}

/// Raises the soft limits that could hinder a restore as far as they go; the image's own limits
/// come at its end ([`restore_limits`]).
pub fn raise_limits() {
    for n in [DATA, NOFILE, MEMLOCK, AS] {
        if let Ok((_, hard)) = process::limit(n) {
            // What cannot be raised shows where it is needed.
            let _ = process::set_limit(n, hard, hard);
        }
    }
}
