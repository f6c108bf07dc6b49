//! inotify instances: what each watches, under which number.
//!
//! The kernel tells inodes (fdinfo of /proc), [`super::search`] finds their paths. Numbers are given
//! in a row (idr_alloc_cyclic in inotify_add_to_idr, fs/notify/inotify/inotify_user.c), so those of
//! watches that are gone are passed over by watching something else for a moment.

use ckpt_format::limits;
use ckpt_format::record::{File, Notice, file_kind};
use ckpt_format::toc::kind;

use super::F_SETFL;
use super::fdinfo;
use super::kinds::refused;
use super::known::{Book, Watched};
use super::open::c_path;
use crate::error::{Context, Result, fail};
use crate::image::input::Image;
use crate::sys::fs::{self, Fd};
use crate::util::text::{Show, Text, after, hexadecimal};

/// Bits of a mask that are the program's; older kernels show some of their own, too.
const MASK: u32 = ckpt_format::record::inotify::MASK;
const IN_ATTRIB: u32 = 4;

/// Notes what the instance at descriptor `fd`, which is file `file`, watches.
pub(super) fn collect(book: &mut Book, fd: i32, file: u32) -> Result<()> {
    let what = format_args!("cannot tell what the inotify instance at descriptor {fd} watches");
    // They cannot be put back: no call makes an event but what happens to a file.
    if fs::readable_bytes(fd).or_fail(what)? > 0 {
        return Err(refused(fd, format_args!("inotify with unread events")));
    }
    each(fd, &mut |wd, ino, device, mask| {
        if wd > limits::WATCHES {
            return Err(refused(fd, format_args!("inotify watch number {wd}")));
        }
        book.add_watched(Watched {
            file,
            wd,
            mask: mask & MASK,
            ino,
            device,
            ..Watched::default()
        })
    })
}

/// Gives `take` number, inode, device as the kernel has it, and mask of every watch.
pub(super) fn each(fd: i32, take: &mut dyn FnMut(u32, u64, u64, u32) -> Result<()>) -> Result<()> {
    let what = format_args!("cannot tell what the inotify instance at descriptor {fd} watches");
    fdinfo::lines(fd, what, &mut |line| {
        let Some(mut rest) = after(line, b"inotify ") else {
            return Ok(());
        };
        let mut numbers = [0; 4];
        let labels: [&[u8]; 4] = [b"wd:", b"ino:", b"sdev:", b"mask:"];
        for (label, number) in labels.into_iter().zip(&mut numbers) {
            let Some((value, tail)) = after(rest, label).and_then(hexadecimal) else {
                fail!("{what}");
            };
            *number = value;
            rest = after(tail, b" ").unwrap_or(tail);
        }
        let [wd, ino, device, mask] = numbers;
        take(wd as u32, ino, device, mask as u32)
    })
}

/// Makes an instance that watches nothing.
pub(super) fn open(fd: u32, file: &File<'_>) -> Result<Fd> {
    let what = format_args!("descriptor {fd}: cannot make its inotify instance again");
    let made = fs::inotify().or_fail(what)?;
    fs::control(made.number(), F_SETFL, file.flags as usize).or_fail(what)?;
    Ok(made)
}

/// Watches everything again, when all other files are open.
pub(super) fn restore(image: &Image<'_>, places: &[i32]) -> Result<()> {
    let mut notices = image.list::<Notice<'_>>(kind::NOTICES).peekable();
    if notices.peek().is_none() {
        return Ok(());
    }
    let other = fs::memory_file(c"inotify").or_fail(format_args!("cannot watch files again"))?;
    let other_name = Text::<32>::format(format_args!("/proc/thread-self/fd/{}", other.number()));
    let (mut of, mut last) = (u32::MAX, 0);
    for notice in notices {
        let fd = places.get(notice.file as usize).copied().unwrap_or(-1);
        let shown = Show(notice.path);
        let what = format_args!("cannot watch {shown} again (inotify)");
        if notice.file != of {
            (of, last) = (notice.file, 0);
        }
        while last + 1 < notice.wd {
            last = fs::inotify_watch(fd, other_name.as_c(), IN_ATTRIB).or_fail(what)?;
            fs::inotify_forget(fd, last).or_fail(what)?;
        }
        let path = c_path(notice.path);
        last = fs::inotify_watch(fd, path.as_c(), notice.mask).or_fail(what)?;
        if last != notice.wd {
            fail!("{what}: it is the same as another that is watched");
        }
    }
    Ok(())
}

/// Takes out what the restore itself has caused; `place` has a descriptor for each file.
pub(super) fn settle(image: &Image<'_>, place: impl Fn(u32) -> Option<i32>) -> Result<()> {
    let all = (0..).zip(image.files());
    for (number, _) in all.filter(|(_, file)| file.kind == file_kind::INOTIFY) {
        let Some(fd) = place(number) else {
            continue;
        };
        let what = format_args!("cannot empty the inotify instance at descriptor {fd}");
        let mut room = [0; 4096];
        while fs::readable_bytes(fd).or_fail(what)? > 0 {
            fs::read(fd, &mut room).or_fail(what)?;
        }
    }
    Ok(())
}
