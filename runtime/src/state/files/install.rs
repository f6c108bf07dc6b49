//! Makes the program's descriptors of what was opened.

use ckpt_format::record::{File, file_kind};

use super::open::Opened;
use super::{F_GETFL, F_SETFD, F_SETFL, FD_CLOEXEC, locks};
use crate::error::{Context, Result};
use crate::image::input::Image;
use crate::sys::fs;

impl Opened<'_> {
    /// Makes the program's descriptors and closes all others, the image's among them.
    pub fn install(self, image: &Image<'_>) -> Result<()> {
        for descriptor in image.descriptors()? {
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
        for (file, &place) in image.files()?.zip(self.places) {
            if file.kind == file_kind::STREAM {
                set_blocking(&file, place);
            }
        }
        self.parking.close_others();
        locks::restore(image, |file| {
            let mut descriptors = image.descriptors().ok()?;
            descriptors.find(|d| d.file == file).map(|d| d.fd as i32)
        })
    }
}

/// A program that does not wait for its streams goes on that way, and the other way round; what
/// the restoring command's are otherwise like is its own affair.
fn set_blocking(file: &File<'_>, place: i32) {
    let Ok(now) = fs::control(place, F_GETFL, 0) else {
        return;
    };
    let nonblocking = fs::O_NONBLOCK as usize;
    let wanted = (now & !nonblocking) | (file.flags as usize & nonblocking);
    if wanted != now {
        // The program can do nothing about it, and neither can a restore.
        let _ = fs::control(place, F_SETFL, wanted);
    }
}
