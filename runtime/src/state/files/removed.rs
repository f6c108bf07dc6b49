//! Directories that were removed while they were open or worked in: nothing is in them and nothing
//! can be made there, but they have permissions, a name in /proc, and `..`.
//!
//! A restore makes all of them, opens them and removes them again, in one go, so that they stay to
//! each other what they were: one directory that is opened twice, one that lies above another.

use ckpt_format::limits;
use ckpt_format::record::File;

use super::open::{ACT, c_path};
use super::proc_link;
use crate::error::{Context, Result};
use crate::image::input::Image;
use crate::sys::fs;
use crate::sys::{Errno, SysResult};
use crate::util::arena::Arena;
use crate::util::list::List;
use crate::util::sort::sort;
use crate::util::text::{PathText, Show, find_last, split};

const SEEK_SET: u32 = 0;

/// Bytes of names of directories that are made.
const NAMES: usize = 16 << 20;

/// Makes those of an image; tells each descriptor by the number of its description.
#[inline(never)]
pub(super) fn make<'a>(arena: &'a Arena, image: &Image<'_>) -> Result<&'a [i32]> {
    let opened = arena.records(image.files().left() as usize)?;
    opened.fill(-1);
    let mut order = List::new(opened.len());
    for (number, file) in (0..).zip(image.files()) {
        if file.is_removed() {
            // What lies above another has the shorter path, and comes first.
            order.push((file.path.len() as u32) << 20 | number)?;
        }
    }
    sort(order.as_mut_slice());
    let mut made = List::new(NAMES);
    let done = open(image, order.as_slice(), opened, &mut made);
    // The last one first: it may lie in one before it.
    let mut names = made.as_slice();
    while let [before @ .., 0] = names {
        let (rest, name) = before.split_at(find_last(before, 0).map_or(0, |at| at + 1));
        let _ = fs::remove_directory(c_path(name).as_c());
        names = rest;
    }
    done?;
    for (file, &fd) in image.files().zip(opened.iter()).filter(|(_, fd)| **fd >= 0) {
        again(&file, settle(&file, fd))?;
    }
    Ok(opened)
}

#[inline(never)]
fn open(image: &Image<'_>, order: &[u32], opened: &mut [i32], made: &mut List<u8>) -> Result<()> {
    let all = || {
        order.iter().filter_map(|key| {
            let number = (key % limits::DESCRIPTORS) as usize;
            Some((number, image.files().nth(number)?))
        })
    };
    for (number, next) in all() {
        if opened.get(number).is_none_or(|&fd| fd >= 0) {
            continue;
        }
        let path = again(&next, place(&next, made))?;
        for (number, file) in all().filter(|(_, f)| (f.dev, f.ino) == (next.dev, next.ino)) {
            let flags = (file.flags & !ACT) | fs::O_NOCTTY;
            let fd = again(&file, fs::open(path.as_c(), flags, 0))?.release();
            // ext4 takes a directory's position only while that has a size (ext4_dir_llseek,
            // fs/ext4/dir.c). Another file system's may mean nothing; but then, there is
            // nothing to be read any more.
            let _ = fs::seek(fd, file.pos, SEEK_SET);
            if let Some(slot) = opened.get_mut(number) {
                *slot = fd;
            }
        }
    }
    Ok(())
}

#[inline(never)]
fn again<T>(file: &File<'_>, done: SysResult<T>) -> Result<T> {
    done.or_fail(format_args!(
        "cannot make directory {} again",
        Show(file.path)
    ))
}

/// Makes a directory and what is missing above it, under its old name or, if that is taken, with
/// its inode's number behind it. If that cannot be, the same in /tmp: what lies above it is then as
/// if it had been removed as well.
fn place(file: &File<'_>, made: &mut List<u8>) -> SysResult<PathText> {
    chain(b"", file, made).or_else(|_| chain(b"/tmp", file, made))
}

#[inline(never)]
fn chain(home: &[u8], file: &File<'_>, made: &mut List<u8>) -> SysResult<PathText> {
    let mut path = c_path(home);
    let mut names = split(file.path, b'/').skip(1).peekable();
    while let Some(name) = names.next() {
        path.push(b"/");
        path.push(name);
        let mut done = fs::make_directory(path.as_c(), 0o700);
        if done == Err(Errno::EXIST) {
            if names.peek().is_some() {
                continue;
            }
            path.push_fmt(format_args!(".{}", file.ino));
            done = fs::make_directory(path.as_c(), 0o700);
        }
        done?;
        let noted = made.append(path.as_bytes()).and_then(|()| made.push(0));
        noted.map_err(|_| Errno::NOMEM)?;
    }
    Ok(path)
}

/// Gives a directory its permissions, if it is the one that was made and removed: another may have
/// been put in its place.
#[inline(never)]
fn settle(file: &File<'_>, fd: i32) -> SysResult<()> {
    const PERMISSIONS: u32 = 0o7777;
    if fs::stat_fd(fd)?.st_nlink != 0 {
        return Err(Errno::EXIST);
    }
    let name = proc_link(fd);
    fs::set_mode_of(name.as_c(), file.mode & PERMISSIONS)
}
