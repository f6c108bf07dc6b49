//! `./app.ckpt --restore IMG`: a fresh process becomes the one of the image.
//!
//! The order, and why (docs/RESTORE.md tells more):
//!
//! | stage | what | can it be given up? |
//! | --- | --- | --- |
//! | open | all metadata is read and checked | yes |
//! | ids | with `--pid same`, a child in a namespace of its own goes on, with the old id | yes |
//! | refuge | the runtime copies itself to where neither process nor image has anything | yes |
//! | check | program, owner, processor, limits, working directory, vDSO | yes |
//! | files | every file is opened and checked, at numbers out of the way | yes |
//! | memory | everything is mapped, filled, compared with its checksums | yes |
//! | clear | the thread is detached, the vDSO parked, the old address space unmapped | no more |
//! | place | what was staged elsewhere moves to its address; vDSO, break, arguments | |
//! | attributes | descriptors, umask, directory, name, thread | |
//! | signals | all blocked; actions, queued signals; timers and limits last | |
//! | resume | the program's own copy of the runtime unmaps the refuge and returns through the frame | |
//!
//! Signals keep their default actions until the signals stage, so that a restore that hangs can
//! be ended from the terminal.
#![expect(unsafe_code, reason = "replaces the process")]

mod crew;
mod monitor;
mod namespace;
mod options;
mod reaper;
mod refuge;
mod remap;

use core::cell::UnsafeCell;

use ckpt_format::record::{Attributes, Machine, Mm, Program, Thread, Timers, Vdso};
use ckpt_format::toc::kind;

use crate::config::{self, Config};
use crate::entry::{AT_SYSINFO_EHDR, InitialStack};
use crate::error::{Context, Result, fail};
use crate::image::input::Image;
use crate::state::credentials::Rights;
use crate::state::memory::{place, stage};
use crate::state::{
    attributes, children, files, ipc, machine, mm, numa, places, posix_timers, signals, thread,
    timers, vdso,
};
use crate::sys::fs::Fd;
use crate::sys::{fs, process, signal};
use crate::util::arena::Arena;
use crate::util::text::PathText;
use crate::{error, log};

use crew::Crew;
use options::Options;
use refuge::Refuge;

/// Exit status of a restore that failed, as of `env` and `timeout` that could not run a command.
const FAILED: i32 = 125;

/// What crosses from the process as it started to the copy of the runtime in the refuge.
#[derive(Debug)]
struct Passage {
    path: PathText,
    image: i32,
    force: bool,
    /// The command line, which is there until the old address space goes.
    stack: InitialStack,
    vdso: usize,
    refuge: Refuge,
    /// The settings: the resident part's own go with the old address space.
    config: UnsafeCell<Config>,
}

/// Restores, or ends the process with status 125 and one line that says why.
pub fn run(stack: &InitialStack) -> ! {
    // On success this never returns.
    let _ = begin(stack);
    give_up()
}

fn give_up() -> ! {
    log::error!("{}", error::message());
    process::exit(FAILED)
}

/// Stages open, ids and refuge.
fn begin(stack: &InitialStack) -> Result<()> {
    let options = Options::parse(stack)?;
    config::with(|c| {
        c.keep_files = options.keep_files;
        c.allow |= options.allow;
        c.level = options.level.unwrap_or(c.level);
    });
    if crate::sys::thread::count() > 1 {
        fail!("a library of this program has started threads before its first instruction");
    }
    let arena = Arena::new(1 << 30)?;
    let image = Image::open(&arena, options.image)?;
    if options.same_ids {
        namespace::enter(&arena, &image)?;
    }
    let refuge = Refuge::prepare(&image)?;
    let passage = Passage {
        path: image.path,
        image: image.fd.number(),
        force: options.force,
        stack: *stack,
        vdso: stack.auxiliary(AT_SYSINFO_EHDR).unwrap_or(0),
        refuge,
        config: UnsafeCell::new(config::with(|c| *c)),
    };
    // SAFETY: the refuge is ready; what is left behind is never used again.
    unsafe { refuge.enter(passage) }
}

/// Where the copy in the refuge begins.
///
/// # Safety
///
/// Called once, on the refuge's stack, with a passage that lies in the refuge.
unsafe extern "C" fn in_refuge(passage: *const Passage) -> ! {
    // SAFETY: `Refuge::enter` put it there.
    let passage = unsafe { &*passage };
    // SAFETY: it stays until this process is another one.
    unsafe { config::use_place(passage.config.get()) };
    let _ = restore(passage);
    give_up()
}

fn restore(passage: &Passage) -> Result<()> {
    let (base, len) = passage.refuge.scratch();
    let arena = Arena::over(base, len);
    let mut image = Image::read(&arena, Fd::own(passage.image), passage.path)?;
    remap::all(&arena, &mut image, &passage.stack)?;
    let records = Records::read(&image);
    check(&arena, &image, &records, passage.force)?;
    let rights = Rights::prepare(&arena, image.single(kind::CREDENTIALS), passage.force)?;
    vdso::check(&records.vdso, passage.vdso)?;
    let born = children::restore(&arena, &image, namespace::keeps_ids())?;
    let mut opened = files::open(&arena, &image)?;
    let open = opened.places();
    places::check_removed(&image, open)?;
    ipc::undo::restore(&image)?;
    attributes::raise_limits();
    let mut staged = stage::all(&arena, &image, &opened)?;
    opened.finish(&arena, &image)?;
    log::debug!("everything is checked and staged; the old process ends here");

    thread::detach();
    let parked = vdso::park(&image, passage.vdso)?;
    let keep = [passage.refuge.range(), parked.range()];
    // SAFETY: this code, its stack and its data are in the refuge.
    unsafe { place::clear(&arena, &image, &staged, &keep)? };
    // SAFETY: cleared.
    unsafe { place::all(&image, &staged)? };
    // SAFETY: cleared, and the image has no mapping there.
    unsafe { vdso::restore(&records.vdso, &parked)? };
    // SAFETY: memory is in place.
    unsafe { mm::restore(&records.mm)? };
    numa::restore(&image);
    place::seal(&image)?;

    attributes::restore(&records.attributes, open)?;
    signal::set_mask(!0).or_fail(format_args!("cannot block signals"))?;
    opened.install(&image)?;
    if let Some(first) = &records.thread {
        // SAFETY: memory is in place.
        unsafe { thread::restore(first)? };
        // SAFETY: likewise.
        unsafe { signals::rename_senders(&image, first) };
    }
    signals::restore_actions(&image)?;
    let mut crew = Crew::new(open);
    crew.assemble(
        &arena,
        &image,
        &records.program,
        &mut staged.owners,
        &rights,
    )?;
    opened.settle(&image)?;
    namespace::drop_rights()?;
    // SAFETY: memory is in place; the threads wait.
    unsafe { staged.owners.repair(&image) };
    files::restore_tasks(&image, |tid| staged.owners.new_id(tid))?;
    posix_timers::restore(&image, |tid| staged.owners.new_id(tid))?;
    crew.queue_signals();
    signals::restore_pending(&image, records.program.pid, true, born)?;
    files::restore_terminals(&image)?;
    attributes::restore_limits(&records.attributes)?;
    if let Some(first) = &records.thread {
        rights.give(first)?;
    }
    attributes::restore_dumpable(&records.attributes)?;
    timers::restore(&records.timers)?;
    posix_timers::start(&image, records.program.pid, true)?;
    crew.dismiss();
    let frame = records.thread.map_or(0, |first| first.frame);
    // SAFETY: everything is as it was.
    unsafe { passage.refuge.leave(records.program.resume, frame) }
}

/// The records that there is one of.
struct Records<'a> {
    program: Program<'a>,
    machine: Machine<'a>,
    mm: Mm<'a>,
    vdso: Vdso<'a>,
    attributes: Attributes<'a>,
    timers: Timers,
    /// The first thread; `None` if it had ended.
    thread: Option<Thread>,
}

impl<'a> Records<'a> {
    fn read(image: &Image<'a>) -> Self {
        let program: Program<'a> = image.single(kind::PROGRAM);
        let mut threads = image.list::<Thread>(kind::THREADS);
        let thread = threads.find(|t| t.tid == program.pid);
        Self {
            program,
            machine: image.single(kind::MACHINE),
            mm: image.single(kind::MM),
            vdso: image.single(kind::VDSO),
            attributes: image.single(kind::ATTRIBUTES),
            timers: image.single(kind::TIMERS),
            thread,
        }
    }
}

/// Stage check.
fn check(arena: &Arena, image: &Image<'_>, records: &Records<'_>, force: bool) -> Result<()> {
    let path = &image.path;
    if image.header.identity != config::with(|c| c.identity) {
        fail!(
            "{path}: image of another program ({})",
            crate::util::text::Show(records.program.exe)
        );
    }
    if let Ok(stat) = fs::stat_fd(image.fd.number()) {
        let [_, user, ..] = process::credentials();
        if stat.st_uid != user && !force {
            fail!(
                "{path}: belongs to user {}, not to you ({user}); restoring runs what is in it: --force if you trust it",
                stat.st_uid
            );
        }
    }
    machine::check(&records.machine, &machine::collect(arena)?)?;
    posix_timers::check(image)?;
    places::prepare(image)?;
    ipc::shm::check(image)?;
    attributes::prepare(&records.attributes)
}
