//! Contents of files that have a name and are open for writing, if the user wants them in the image
//! (`--files`), and how they come back.
//!
//! They are written over what the file has by then, so that it stays the same file for whoever else
//! has it open or has linked it. That is the last thing before a restore cannot be given up any
//! more; only pages that differ are written, and a restore that is cut off there leaves a mixture
//! that the next one mends. A file that is gone gets its name when it is complete.
#![expect(
    unsafe_code,
    reason = "vouches that a record of integers may be all zeroes"
)]

use ckpt_format::limits;
use ckpt_format::record::{Content, File, Lock, file_kind, lock_kind};

use super::known::{Book, Known};
use super::open::{c_path, cannot_open, open_as, open_named};
use super::{S_IFMT, S_IFREG, proc_link};
use crate::config;
use crate::error::{Context, Result, fail};
use crate::image::input::Image;
use crate::sys::fs::{self, Fd};
use crate::sys::{Errno, SysResult, process};
use crate::util::arena::{Arena, Plain};
use crate::util::text::{PathText, Show, after};

const PAGE: usize = 4096;
const RUN: usize = limits::RUN_PAGES as usize * PAGE;
const SEEK_DATA: u32 = 3;

fn same_file(a: &Known, b: &Known) -> bool {
    (a.kind, a.dev, a.ino) == (b.kind, b.dev, b.ino)
}

/// Tells files that the program writes from those that it only reads, when all are known, and marks
/// those whose contents are to be saved.
pub(super) fn mark(book: &mut Book) {
    let wanted = config::with(|c| c.files);
    for number in 0..book.files().len() {
        let Some(known) = book.files().get(number).copied() else {
            return;
        };
        let path = book.path(&known);
        // What is read there is made while it is read.
        let made_up = after(path, b"/proc/").is_some() || after(path, b"/sys/").is_some();
        let writes = |o: &&Known| same_file(&known, o) && o.flags & fs::O_ACCMODE != fs::O_RDONLY;
        let written = book.files().iter().any(|o| writes(&o));
        if written || made_up {
            book.may_change(number);
        }
        if wanted && written && !made_up && known.kind == file_kind::REGULAR {
            book.mark(number, 1);
        }
    }
}

/// A descriptor of the program's own to read the file by, if there is a reason not to open it again:
/// that breaks a lease, and closing a file that has a name gives up the locks that the process has
/// on it (fcntl(2)), so that others may take them.
pub(super) fn locked(book: &Book, known: &Known) -> Option<Result<i32>> {
    let has_lock = |lock: &Lock| {
        let of = book.files().get(lock.file as usize);
        let matters = match lock.kind {
            lock_kind::PROCESS => book.record(known).is_saved(),
            kind => kind == lock_kind::LEASE,
        };
        matters && of.is_some_and(|o| same_file(known, o))
    };
    if !book.locks().iter().any(has_lock) {
        return None;
    }
    let reads = |o: &&Known| same_file(known, o) && o.flags & fs::O_ACCMODE != fs::O_WRONLY;
    Some(match book.files().iter().find(reads) {
        Some(reader) => Ok(reader.fd),
        None => Err(super::kinds::refused(
            known.fd,
            format_args!(
                "contents of {}, which is locked and open for writing only",
                Show(book.path(known))
            ),
        )),
    })
}

/// A file whose contents come back.
#[derive(Clone, Copy, Debug)]
struct One {
    /// 1 if it is one.
    is: u32,
    /// 1 if it was gone, and is under another name so far.
    fresh: u32,
    /// A descriptor of our own; -1 if another number has it, or if the file is to be left alone.
    fd: i32,
    dev: u64,
    ino: u64,
    size: u64,
    /// Where the contents end that were read so far.
    end: u64,
}

// SAFETY: a record of integers.
unsafe impl Plain for One {}

impl One {
    /// Is it by this number that the contents come back?
    fn is_ours(&self) -> bool {
        self.is == 1 && self.fd >= 0
    }
}

/// All of them, by the numbers of their descriptions.
#[derive(Debug)]
pub(super) struct Saved<'a>(&'a mut [One]);

impl<'a> Saved<'a> {
    pub(super) fn new(arena: &'a Arena, count: usize) -> Result<Self> {
        Ok(Self(arena.records(count)?))
    }

    /// Opens description `number`; nothing is written yet.
    pub(super) fn open(&mut self, number: usize, fd: u32, file: &File<'_>) -> Result<Fd> {
        let keep = config::with(|c| c.keep_files);
        let same = |o: &&One| o.is == 1 && (o.dev, o.ino) == (file.dev, file.ino);
        let known = self.0.iter().find(same).copied();
        let mut one = One {
            is: 1,
            fresh: known.map_or(0, |o| o.fresh),
            fd: -1,
            dev: file.dev,
            ino: file.ino,
            size: file.size,
            end: 0,
        };
        if known.is_none() && !keep {
            (one.fd, one.fresh) = writable(fd, file)?;
        }
        if let Some(slot) = self.0.get_mut(number) {
            *slot = one;
        }
        if keep {
            return open_named(fd, file, &c_path(file.path));
        }
        let name = if one.fresh == 1 {
            meanwhile(file)
        } else {
            c_path(file.path)
        };
        open_as(fd, file, &name)
    }

    /// Where contents go at once, -1 for nowhere yet, and how many bytes the file has. They come in
    /// the order of their offsets.
    pub(super) fn place(&mut self, content: &Content) -> Option<(i32, u64)> {
        let one = self.0.get_mut(content.index as usize)?;
        if one.is == 0 || content.offset < one.end {
            return None;
        }
        one.end = content.offset.saturating_add(content.len());
        Some((if one.fresh == 1 { one.fd } else { -1 }, one.size))
    }

    /// Brings the contents back, of which all were read and compared with their checksums before.
    pub(super) fn bring_back(&mut self, arena: &Arena, image: &Image<'_>) -> Result<()> {
        let files = image.files().zip(self.0.iter_mut());
        let mut buffers: Option<[&mut [u8]; 2]> = None;
        for (number, (file, one)) in (0..).zip(files).filter(|(_, (_, one))| one.is_ours()) {
            let what = format_args!("cannot bring back the contents of {}", Show(file.path));
            if one.fresh == 1 {
                fs::set_mode(one.fd, file.mode & 0o7777).or_fail(what)?;
                fs::rename(meanwhile(&file).as_c(), c_path(file.path).as_c()).or_fail(what)?;
                one.fresh = 0;
                continue;
            }
            let [new, old] = match &mut buffers {
                Some(buffers) => buffers,
                none => none.insert([arena.bytes(RUN, PAGE)?, arena.bytes(RUN, PAGE)?]),
            };
            let mut at = 0;
            let stat = fs::stat_fd(one.fd).or_fail(what)?;
            if stat.st_size as u64 != file.size {
                fs::truncate(one.fd, file.size).or_fail(what)?;
            }
            for (content, from) in image.contents() {
                if content.of != 0 || content.index != number {
                    continue;
                }
                clear(one.fd, at, content.offset).or_fail(what)?;
                at = content.offset + content.len();
                let pages = new.get_mut(..content.len() as usize).unwrap_or(&mut []);
                image.pages(pages, from)?;
                let len = (file.size - content.offset).min(content.len()) as usize;
                let (new, old) = (new.get(..len), old.get_mut(..len));
                let (new, old) = (new.unwrap_or(&[]), old.unwrap_or(&mut []));
                let there = fs::read_at(one.fd, old, content.offset);
                if there != Ok(len) || new != old {
                    fs::write_at(one.fd, new, content.offset).or_fail(what)?;
                }
            }
            clear(one.fd, at, file.size).or_fail(what)?;
        }
        Ok(())
    }
}

impl Drop for Saved<'_> {
    fn drop(&mut self) {
        for one in self.0.iter().filter(|one| one.fresh == 1 && one.is_ours()) {
            let link = proc_link(one.fd);
            let mut room = [0; limits::PATH];
            if let Ok(name) = fs::read_link(link.as_c(), &mut room) {
                // The restore has failed for another reason, which is told.
                let _ = fs::unlink(c_path(name).as_c());
            }
        }
    }
}

/// Will the file of this name get its size back, whatever it is now?
pub fn will_be_back(image: &Image<'_>, path: &[u8]) -> bool {
    let saved = |file: File<'_>| file.is_saved() && file.path == path;
    !config::with(|c| c.keep_files) && image.files().any(saved)
}

/// The name of a file that was gone until it is complete.
fn meanwhile(file: &File<'_>) -> PathText {
    let mut name = c_path(file.path);
    name.push_fmt(format_args!(".{}.tmp", process::id()));
    name
}

/// A descriptor to bring the contents back by, and 1 if the file was gone and is made again.
fn writable(fd: u32, file: &File<'_>) -> Result<(i32, u32)> {
    let path = c_path(file.path);
    let cannot = |e| cannot_open(fd, file.path, e);
    match fs::stat(path.as_c()) {
        Ok(there) if there.st_mode & S_IFMT != S_IFREG => {
            fail!(
                "descriptor {fd}: {} is of another kind now",
                Show(file.path)
            )
        }
        Ok(_) => {
            let opened = fs::open(path.as_c(), fs::O_RDWR, 0)
                .or_else(|_| fs::open(path.as_c(), fs::O_WRONLY, 0));
            Ok((opened.map_err(cannot)?.release(), 0))
        }
        Err(Errno::NOENT) => {
            let flags = fs::O_RDWR | fs::O_CREAT | fs::O_EXCL | fs::O_NOFOLLOW;
            let name = meanwhile(file);
            let made = fs::open(name.as_c(), flags, 0o600).map_err(cannot)?;
            let sized = fs::truncate(made.number(), file.size);
            if sized.is_err() {
                let _ = fs::unlink(name.as_c());
            }
            sized.map_err(cannot)?;
            Ok((made.release(), 1))
        }
        Err(e) => Err(cannot(e)),
    }
}

/// Makes zeros of what the image has nothing of.
fn clear(fd: i32, at: u64, end: u64) -> SysResult<()> {
    let mut at = match fs::seek(fd, at as i64, SEEK_DATA) {
        Ok(data) => data.max(at),
        // No data from there on (ENXIO).
        Err(Errno(6)) => return Ok(()),
        Err(_) => at,
    };
    if at >= end || fs::punch_hole(fd, at, end - at).is_ok() {
        return Ok(());
    }
    let zeros = [0; PAGE];
    while at < end {
        let len = (end - at).min(PAGE as u64);
        fs::write_at(fd, zeros.get(..len as usize).unwrap_or(&[]), at)?;
        at += len;
    }
    Ok(())
}
