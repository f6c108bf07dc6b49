//! Threads that share working directory and creation mask with no other: unshare(2), CLONE_FS.

use ckpt_format::record::Place;
use ckpt_format::toc::kind;

use super::attributes;
use crate::error::{Context, Result, fail};
use crate::image::input::Image;
use crate::image::output::Output;
use crate::quiesce::Standstill;
use crate::sys::{fs, namespace, process, thread};
use crate::util::list::List;
use crate::util::text::{PathText, ShortText, Show, labelled};

/// Such threads, in the order of the image's.
#[derive(Debug)]
pub struct Places {
    /// The thread whose place is the process's.
    home: u32,
    own: List<u32>,
}

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
    let mut own = List::new(1 << 16);
    for tid in threads().filter(|&tid| !shares(home, tid)) {
        if let Some(other) = own.as_slice().iter().find(|&&other| shares(other, tid)) {
            fail!("threads {other} and {tid} with a working directory of their own: not carried");
        }
        own.push(tid)?;
        read(tid, &mut [0; 4096])?;
    }
    Ok(Places { home, own })
}

impl Places {
    /// The process's place, if the calling thread has another.
    pub fn of_process<'a>(&self, to: &'a mut [u8]) -> Result<Option<Place<'a>>> {
        if self.own.as_slice().contains(&thread::id()) {
            read(self.home, to).map(Some)
        } else {
            Ok(None)
        }
    }

    /// Writes the section.
    pub fn write(&self, out: &mut Output<'_>) -> Result<()> {
        let own = self.own.as_slice();
        out.section(kind::PLACES, 4 + own.len() * (12 + 4096), |w| {
            w.put(&(own.len() as u32));
            for &tid in own {
                // It was read before, and the thread stands still.
                if let Ok(place) = read(tid, &mut [0; 4096]) {
                    w.put(&place);
                }
            }
        })
    }
}

fn read(tid: u32, to: &mut [u8]) -> Result<Place<'_>> {
    let of_thread = |name| {
        let name = Show::text(name);
        ShortText::format(format_args!("/proc/self/task/{tid}/{name}"))
    };
    let inode = |path: &core::ffi::CStr| fs::stat(path).map(|s| (s.st_dev, s.st_ino));
    let link = of_thread("cwd");
    let cwd = fs::read_link(link.as_c(), to).or_fail(format_args!(
        "cannot tell the working directory of thread {tid}"
    ))?;
    let mut path = PathText::new();
    path.push(cwd);
    // Its name may lead elsewhere: removed, or beneath another root.
    if inode(path.as_c()) != inode(link.as_c()) || inode(of_thread("root").as_c()) != inode(c"/") {
        let cwd = Show(cwd);
        fail!(
            "thread {tid} with working directory {cwd}, to which its name does not lead: not carried"
        );
    }
    let mut text = [0; 512];
    let text = fs::glance(of_thread("status").as_c(), &mut text);
    let Some(umask) = labelled(text, b"Umask:") else {
        fail!("cannot tell the creation mask of thread {tid}");
    };
    let octal = |value, digit: &u8| value << 3 | u32::from(digit & 7);
    Ok(Place {
        tid,
        umask: umask.iter().fold(0, octal),
        cwd,
    })
}

/// Checks that all directories are there.
pub fn prepare(image: &Image<'_>) -> Result<()> {
    for place in image.list::<Place<'_>>(kind::PLACES) {
        attributes::may_work_in(place.cwd)?;
    }
    Ok(())
}

/// Gives the calling thread, which was `then`, its own place if it had one.
pub fn restore(image: &Image<'_>, then: u32) -> Result<()> {
    const CLONE_FS: u32 = 0x200;
    for place in image
        .list::<Place<'_>>(kind::PLACES)
        .filter(|p| p.tid == then)
    {
        namespace::leave(CLONE_FS)
            .or_fail(format_args!("cannot part a thread's working directory"))?;
        attributes::work_in(place.cwd, place.umask)?;
    }
    Ok(())
}
