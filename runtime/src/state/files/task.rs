//! Files of other threads in /proc, which have other names in the restored process: until its
//! threads are made, the first one's stand in for them.

use ckpt_format::record::{Descriptor, Program, Thread};
use ckpt_format::toc::kind;

use super::locks;
use super::open::{c_path, open_as, set_position, set_signals};
use crate::error::{Context, Result, fail};
use crate::image::input::Image;
use crate::sys::fs;
use crate::util::text::{PathText, Show, after, decimal};

/// What the name in the image begins with; the thread's id of the time follows.
const TASK: &[u8] = b"/proc/self/task/";

/// The thread's id, and the rest of the name.
fn of_thread(path: &[u8]) -> Option<(u32, &[u8])> {
    let (id, rest) = after(path, TASK).and_then(decimal)?;
    Some((u32::try_from(id).ok()?, rest))
}

/// Whether this is a file of another thread.
pub(super) fn is_one(path: &[u8]) -> bool {
    of_thread(path).is_some()
}

/// The name of a file as it can be opened before there are other threads.
pub(super) fn name_for_now(image: &Image<'_>, fd: u32, path: &[u8]) -> Result<PathText> {
    let Some((id, rest)) = of_thread(path) else {
        return Ok(c_path(path));
    };
    if !image.list::<Thread>(kind::THREADS).any(|t| t.tid == id) {
        fail!("descriptor {fd}: {}: no such thread", Show(path));
    }
    let mut name = c_path(b"/proc/thread-self");
    name.push(rest);
    Ok(name)
}

/// Puts the threads' own files in place of those that stood in for them.
#[inline(never)]
pub fn restore(image: &Image<'_>, new_id: impl Fn(u32) -> Option<u32>) -> Result<()> {
    let program = image.single::<Program<'_>>(kind::PROGRAM).pid;
    for (number, file) in (0..).zip(image.files()) {
        let Some((id, rest)) = of_thread(file.path) else {
            continue;
        };
        let id = new_id(id).unwrap_or(0);
        let name = PathText::format(format_args!("/proc/self/task/{id}{}", Show(rest)));
        let first = image.descriptor_of(number).unwrap_or(-1) as u32;
        let opened = open_as(first, &file, &name)?;
        set_signals(opened.number(), first, &file, program)?;
        set_position(&file, opened.number())?;
        for Descriptor { fd, cloexec, .. } in image.descriptors().filter(|d| d.file == number) {
            fs::duplicate_to(opened.number(), fd as i32, cloexec != 0)
                .or_fail(format_args!("cannot make descriptor {fd}"))?;
        }
        locks::restore(
            image,
            |file| image.descriptor_of(file),
            |lock| lock.file == number,
        )?;
    }
    Ok(())
}
