//! Makes the program's descriptors of what was opened.

use ckpt_format::record::{File, Program, Vma, file_kind, prot};
use ckpt_format::toc::kind;

use super::open::{Opened, set_owner};
use super::{F_GETFL, F_SETFD, F_SETFL, FD_CLOEXEC, O_ASYNC, inotify, locks, stream, timerfd};
use crate::error::{Context, Result};
use crate::image::input::Image;
use crate::sys::fs;

impl Opened<'_> {
    /// Makes the program's descriptors.
    pub fn install(&self, image: &Image<'_>) -> Result<()> {
        let program = image.single::<Program<'_>>(kind::PROGRAM);
        let mut streams = stream::standard();
        for descriptor in image.descriptors() {
            let fd = descriptor.fd as i32;
            let place = self
                .places
                .get(descriptor.file as usize)
                .copied()
                .unwrap_or(-1);
            let cloexec = descriptor.cloexec != 0;
            let what = format_args!("cannot make descriptor {fd}");
            // A place among the program's own numbers is that of one of the description's own
            // descriptors, so nothing that is still needed is overwritten.
            if place == fd {
                let flag = if cloexec { FD_CLOEXEC } else { 0 };
                fs::control(fd, F_SETFD, flag).or_fail(what)?;
            } else {
                fs::duplicate_to(place, fd, cloexec).or_fail(what)?;
            }
        }
        for (file, &place) in image.files().zip(self.places) {
            if file.kind == file_kind::STREAM {
                set_waiting(&file, place, program.pid)?;
                stream::add(&mut streams, file.stream, place);
            }
        }
        stream::hand_over(streams, program.runtime, |from, to| {
            let holds = |v: Vma<'_>| v.start <= from && to <= v.end && v.prot & prot::WRITE != 0;
            image.vmas().any(holds)
        });
        Ok(())
    }

    /// Closes all others, the image's among them, and gives files what they have by the program's.
    pub fn settle(self, image: &Image<'_>) -> Result<()> {
        self.parking.close_others();
        let place = |file| image.descriptor_of(file);
        locks::restore(image, place, |_| true)?;
        inotify::settle(image, place)?;
        timerfd::restore(image, place)
    }
}

/// A program that does not wait for its streams, or is told by a signal, goes on that way, and the
/// other way round; what the restoring command's are otherwise like is its own affair.
fn set_waiting(file: &File<'_>, place: i32, program: u32) -> Result<()> {
    let Ok(now) = fs::control(place, F_GETFL, 0) else {
        return Ok(());
    };
    let ways = (fs::O_NONBLOCK | O_ASYNC) as usize;
    let wanted = (now & !ways) | (file.flags as usize & ways);
    if wanted != now {
        // A file that cannot signal; the program can do nothing about it, nor can a restore.
        let _ = fs::control(place, F_SETFL, wanted);
    }
    let number = u32::try_from(place).unwrap_or(0);
    if file.flags & O_ASYNC != 0 {
        set_owner(place, number, file, program)
    } else {
        Ok(())
    }
}
