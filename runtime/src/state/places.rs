//! Threads that share working directory and creation mask with no other: unshare(2), CLONE_FS.
#![expect(
    unsafe_code,
    reason = "vouches that a record of integers may be all zeroes"
)]

use core::ffi::CStr;

use ckpt_format::record::{Attributes, Place};
use ckpt_format::toc::kind;

use super::attributes;
use crate::error::{Context, Result, fail};
use crate::image::input::Image;
use crate::image::output::Output;
use crate::quiesce::Standstill;
use crate::sys::{SysResult, fs, namespace, process, thread};
use crate::util::arena::Plain;
use crate::util::list::List;
use crate::util::text::{PathText, ShortText, Show, before, labelled, octal};

/// Where a thread works.
#[derive(Clone, Copy, Debug)]
pub struct Spot {
    /// Its id.
    pub tid: u32,
    /// 1 if the directory was removed; once that is among the open files, as [`Place`] has it.
    pub removed: u32,
}

// SAFETY: integers.
unsafe impl Plain for Spot {}

/// The thread whose place is the process's; then those that have one of their own, in the order of
/// the image's.
#[derive(Debug)]
pub struct Places(List<Spot>);

/// Finds them. Without kcmp(2) there is no telling; threads hardly ever unshare.
pub fn collect(others: &Standstill) -> Result<Places> {
    let shares = |a, b| {
        const KCMP_FS: u32 = 3;
        thread::share(a, b, KCMP_FS) != Ok(false)
    };
    let threads = || {
        [thread::id()]
            .into_iter()
            .chain(others.records().map(|r| r.tid))
    };
    // The first thread may have ended.
    let first = process::id();
    let home = threads().find(|&t| t == first).unwrap_or_else(thread::id);
    let mut places = Places(List::new(1 << 16));
    let gone = inode(of_thread(home, "cwd").as_c()).is_ok_and(|(links, ..)| links == 0);
    places.0.push(Spot {
        tid: home,
        removed: u32::from(gone),
    })?;
    for tid in threads().filter(|&tid| !shares(home, tid)) {
        if let Some(Spot { tid: other, .. }) = places.own().iter().find(|own| shares(own.tid, tid))
        {
            fail!("threads {other} and {tid} with a working directory of their own: not carried");
        }
        let Place { removed, .. } = read(tid, &mut [0; 4096])?;
        places.0.push(Spot { tid, removed })?;
    }
    Ok(places)
}

fn of_thread(tid: u32, name: &str) -> ShortText {
    let name = Show::text(name);
    ShortText::format(format_args!("/proc/self/task/{tid}/{name}"))
}

/// How many links it has, and which it is.
fn inode(path: &CStr) -> SysResult<(u64, u64, u64)> {
    fs::stat(path).map(|s| (s.st_nlink, s.st_dev, s.st_ino))
}

impl Places {
    /// The process's.
    #[must_use]
    pub fn home(&self) -> Spot {
        let home = self.0.as_slice().first();
        home.copied().unwrap_or(Spot { tid: 0, removed: 0 })
    }

    fn own(&self) -> &[Spot] {
        self.0.as_slice().get(1..).unwrap_or(&[])
    }

    /// Those where the directory was removed.
    pub fn removed(&mut self) -> impl Iterator<Item = &mut Spot> {
        let all = self.0.as_mut_slice().iter_mut();
        all.filter(|spot| spot.removed != 0)
    }

    /// The process's place, if it cannot be asked for: the calling thread has another, or it was
    /// removed.
    pub fn of_process<'a>(&self, to: &'a mut [u8]) -> Result<Option<Place<'a>>> {
        let home = self.home();
        if home.removed != 0 || self.own().iter().any(|own| own.tid == thread::id()) {
            read(home.tid, to).map(Some)
        } else {
            Ok(None)
        }
    }

    /// Writes the section.
    pub fn write(&self, out: &mut Output<'_>) -> Result<()> {
        let own = self.own();
        out.section(kind::PLACES, 4 + own.len() * (16 + 4096), |w| {
            w.put(&(own.len() as u32));
            for &Spot { tid, removed } in own {
                // It was read before, and the thread stands still.
                if let Ok(place) = read(tid, &mut [0; 4096]) {
                    w.put(&Place { removed, ..place });
                }
            }
        })
    }
}

fn read(tid: u32, to: &mut [u8]) -> Result<Place<'_>> {
    let link = of_thread(tid, "cwd");
    let here = inode(link.as_c());
    let cwd = fs::read_link(link.as_c(), to).or_fail(format_args!(
        "cannot tell the working directory of thread {tid}"
    ))?;
    let mut path = PathText::new();
    path.push(cwd);
    let last = before(cwd, b" (deleted)").filter(|_| here.is_ok_and(|(links, ..)| links == 0));
    // Its name may lead elsewhere, beneath another root.
    let lost = last.is_none() && inode(path.as_c()) != here;
    if lost || inode(of_thread(tid, "root").as_c()) != inode(c"/") {
        let cwd = Show(cwd);
        fail!(
            "thread {tid} with working directory {cwd}, to which its name does not lead: not carried"
        );
    }
    let mut text = [0; 512];
    let text = fs::glance(of_thread(tid, "status").as_c(), &mut text);
    let Some(umask) = labelled(text, b"Umask:") else {
        fail!("cannot tell the creation mask of thread {tid}");
    };
    Ok(Place {
        tid,
        umask: octal(umask),
        removed: u32::from(last.is_some()),
        cwd: last.unwrap_or(cwd),
    })
}

/// Checks that all directories are there.
pub fn prepare(image: &Image<'_>) -> Result<()> {
    for place in image.list::<Place<'_>>(kind::PLACES) {
        attributes::may_work_in(place.cwd, place.removed)?;
    }
    Ok(())
}

/// Checks that directories that were removed may be entered, now that they are made again: `open`
/// has the descriptors of the image's open files.
pub fn check_removed(image: &Image<'_>, open: &[i32]) -> Result<()> {
    let Attributes { removed, cwd, .. } = image.single(kind::ATTRIBUTES);
    let own = image.list::<Place<'_>>(kind::PLACES);
    let own = own.map(|place| (place.removed, place.cwd));
    for (removed, cwd) in [(removed, cwd)].into_iter().chain(own) {
        if let Some(fd) = open.get((removed as usize).wrapping_sub(1)) {
            let name = ShortText::format(format_args!("/proc/thread-self/fd/{fd}"));
            fs::may_enter(name.as_c()).or_fail(format_args!("working directory {}", Show(cwd)))?;
        }
    }
    Ok(())
}

/// Gives the calling thread, which was `then`, its own place if it had one. `open` has the
/// descriptors of the image's open files.
pub fn restore(image: &Image<'_>, then: u32, open: &[i32]) -> Result<()> {
    const CLONE_FS: u32 = 0x200;
    for place in image
        .list::<Place<'_>>(kind::PLACES)
        .filter(|p| p.tid == then)
    {
        namespace::leave(CLONE_FS)
            .or_fail(format_args!("cannot part a thread's working directory"))?;
        attributes::work_in(place.cwd, place.removed, place.umask, open)?;
    }
    Ok(())
}
