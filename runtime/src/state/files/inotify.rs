//! inotify instances: what each watches, under which number.
//!
//! The kernel tells inodes (fdinfo of /proc), [`super::search`] finds their paths. Numbers are given
//! in a row (idr_alloc_cyclic in inotify_add_to_idr, fs/notify/inotify/inotify_user.c), so those of
//! watches that are gone are passed over by watching something else for a moment.
//!
//! Events that wait cannot be saved: reading takes them, from all descriptors of the instance at once
//! (forked processes, too), there is neither another way to see them nor one to put them back, and
//! even a read that fails has taken one. So they are refused. Who allows their loss gets a program
//! that is told of it as the kernel does it when a queue is full, by IN_Q_OVERFLOW.

use core::ffi::CStr;

use ckpt_format::limits;
use ckpt_format::record::{File, Notice, file_kind};
use ckpt_format::toc::kind;

use super::fdinfo;
use super::kinds::{lost, refused};
use super::known::{Book, Watched};
use super::open::c_path;
use super::{F_SETFL, proc_link};
use crate::allow::Kind;
use crate::error::{Context, Result, fail};
use crate::image::input::Image;
use crate::sys::fs::{self, Fd};
use crate::sys::{Errno, SysResult};
use crate::util::text::{Show, after, hexadecimal};

/// Bits of a mask that are the program's; older kernels show some of their own, too.
const MASK: u32 = ckpt_format::record::inotify::MASK;
const IN_ACCESS: u32 = 1;
const IN_MODIFY: u32 = 2;
const IN_ATTRIB: u32 = 4;
/// Bytes of an event without a name.
const EVENT: u32 = 16;

/// Bytes of the events that wait in the instance at descriptor `fd`, which are lost.
pub(super) fn measure(fd: i32) -> Result<u64> {
    let unread = fs::readable_bytes(fd).or_fail(format_args!("cannot look at descriptor {fd}"))?;
    if unread > 0 {
        let what = format_args!("inotify with unread events ({unread} bytes)");
        lost(Kind::Inotify, fd, what)?;
    }
    Ok(u64::from(unread))
}

/// Notes what the instance at descriptor `fd`, which is file `file`, watches.
pub(super) fn collect(book: &mut Book, fd: i32, file: u32) -> Result<()> {
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
    let place = |file: u32| places.get(file as usize).copied().unwrap_or(-1);
    if all(image).next().is_none() {
        return Ok(());
    }
    let other = fs::memory_file(c"inotify").or_fail(format_args!("cannot watch files again"))?;
    let other_name = proc_link(other.number());
    let (mut of, mut last) = (u32::MAX, 0);
    for notice in image.list::<Notice<'_>>(kind::NOTICES) {
        let fd = place(notice.file);
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
    let has_number = |file| image.descriptors().any(|d| d.file == file);
    for (number, _) in all(image).filter(|(n, file)| file.size > 0 && has_number(*n)) {
        overflow(place(number), &other, other_name.as_c()).or_fail(format_args!(
            "cannot tell a program of events that are lost (inotify)"
        ))?;
    }
    Ok(())
}

/// The instances and their numbers.
fn all<'a>(image: &Image<'a>) -> impl Iterator<Item = (u32, File<'a>)> {
    (0..)
        .zip(image.files())
        .filter(|(_, file)| file.kind == file_kind::INOTIFY)
}

/// Fills the queue of an instance, until IN_Q_OVERFLOW is the last in it. From then on it takes no
/// more (fsnotify_insert_event, fs/notify/notification.c) until [`settle`] makes room.
fn overflow(fd: i32, other: &Fd, name: &CStr) -> SysResult<()> {
    /// More than `fs.inotify.max_queued_events` is likely to be.
    const EVENTS: u64 = 1 << 21;
    fs::truncate(other.number(), EVENTS)?;
    // What memfd_create(2) gives makes no events itself.
    let other = fs::open(name, fs::O_RDWR, 0)?;
    let watch = fs::inotify_watch(fd, name, IN_ACCESS | IN_MODIFY)?;
    let mut before = 0;
    loop {
        // Two of a kind in a row would be one.
        for _ in 0..128 {
            fs::write_all(other.number(), b"x")?;
            if fs::read(other.number(), &mut [0])? == 0 {
                return Err(Errno::AGAIN);
            }
        }
        let now = fs::readable_bytes(fd)?;
        if now == before {
            return fs::inotify_forget(fd, watch);
        }
        before = now;
    }
}

/// Takes out what the restore itself has caused; `place` has a descriptor for each file.
pub(super) fn settle(image: &Image<'_>, place: impl Fn(u32) -> Option<i32>) -> Result<()> {
    for (number, file) in all(image) {
        let Some(fd) = place(number) else {
            continue;
        };
        let what = format_args!("cannot empty the inotify instance at descriptor {fd}");
        let stays = if file.size > 0 { EVENT } else { 0 };
        let waiting = fs::readable_bytes(fd).or_fail(what)?;
        let mut left = waiting.saturating_sub(stays) as usize;
        let mut room = [0; 4096];
        while left > 0 {
            let most = left.min(room.len());
            let piece = room.get_mut(..most).unwrap_or(&mut []);
            left -= fs::read(fd, piece).or_fail(what)?.min(left);
        }
    }
    Ok(())
}
