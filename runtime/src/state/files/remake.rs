//! Files without a name, made anew at a restore.

use ckpt_format::record::{File, file_kind};

use super::memfd;
use super::open::c_path;
use super::proc_link;
use crate::error::{Context, Error, Result};
use crate::sys::fs::{self, Fd};
use crate::sys::{Errno, SysResult};
use crate::util::arena::{Arena, Plain};
use crate::util::text::{Show, find_last};

/// One file, whose descriptions each open it for themselves.
#[derive(Clone, Copy, Debug)]
struct Made {
    /// 1 if it is one.
    is: u32,
    /// As the record has it.
    kind: u32,
    /// A descriptor to read and write by; -1 if another number has it.
    fd: i32,
    mode: u32,
    dev: u64,
    ino: u64,
    size: u64,
    seals: u64,
}

#[expect(unsafe_code, reason = "vouches for a record of integers")]
// SAFETY: a record of integers.
unsafe impl Plain for Made {}

/// All of them, by the numbers of their descriptions.
#[derive(Debug)]
pub(super) struct Remade<'a>(&'a mut [Made]);

impl<'a> Remade<'a> {
    pub(super) fn new(arena: &'a Arena, count: usize) -> Result<Self> {
        Ok(Self(arena.records(count)?))
    }

    /// Opens description `number`, making the file if this is the first of it.
    pub(super) fn open(&mut self, number: usize, fd: u32, file: &File<'_>) -> Result<Fd> {
        let shown = Show(file.path);
        let (master, opened) = match self.of(file) {
            Some(made) => (None, reopen(made.fd, file.flags)),
            None => match make(file).map(|(made, direct)| (made.number(), made, direct)) {
                Ok((n, made, Some(direct))) => (Some((n, made)), Ok(direct)),
                Ok((n, made, None)) => (Some((n, made)), reopen(n, file.flags)),
                Err(e) => (None, Err(e)),
            },
        };
        let opened = opened.map_err(|e| {
            Error::new(format_args!(
                "descriptor {fd}: cannot make {shown} again: {e}"
            ))
        })?;
        if let (Some((_, master)), Some(slot)) = (master, self.0.get_mut(number)) {
            fs::truncate(master.number(), file.size)
                .or_fail(format_args!("descriptor {fd}: cannot make {shown} again"))?;
            *slot = Made {
                is: 1,
                kind: file.kind,
                fd: master.release(),
                mode: file.mode,
                dev: file.dev,
                ino: file.ino,
                size: file.size,
                seals: file.rdev,
            };
        }
        Ok(opened)
    }

    /// Where the contents of file `number` go, and how many bytes they are.
    pub(super) fn place(&self, number: u32) -> Option<(i32, u64)> {
        let made = self.0.get(number as usize).filter(|m| m.is == 1)?;
        Some((made.fd, made.size))
    }

    /// What was made for a file of the image.
    fn of(&self, file: &File<'_>) -> Option<&Made> {
        let same =
            |m: &&Made| m.is == 1 && (m.kind, m.dev, m.ino) == (file.kind, file.dev, file.ino);
        self.0.iter().find(same)
    }

    /// The file for a mapping to show, by a descriptor that allows no more than it has to.
    pub(super) fn view(&self, file: &File<'_>, writable: bool) -> SysResult<Fd> {
        let made = self.of(file).ok_or(Errno::NOENT)?;
        reopen(made.fd, if writable { fs::O_RDWR } else { fs::O_RDONLY })
    }

    /// Sets permissions and seals, after contents and mappings: they may forbid what was open and
    /// mapped already.
    pub(super) fn finish(&self) -> Result<()> {
        const PERMISSIONS: u32 = 0o7777;
        for made in self.0.iter().filter(|m| m.is == 1) {
            fs::set_mode(made.fd, made.mode & PERMISSIONS)
                .or_fail(format_args!("cannot set a deleted file's permissions"))?;
            if made.kind == file_kind::MEMORY {
                memfd::seal(made.fd, made.seals)
                    .or_fail(format_args!("cannot seal a memory file"))?;
            }
            drop(Fd::own(made.fd));
        }
        Ok(())
    }
}

/// A description of its own, through /proc.
pub(super) fn reopen(fd: i32, flags: u32) -> SysResult<Fd> {
    const ACT: u32 = fs::O_CREAT | fs::O_EXCL | fs::O_TRUNC | fs::O_TMPFILE | fs::O_NOFOLLOW;
    let name = proc_link(fd);
    fs::open(name.as_c(), (flags & !ACT) | fs::O_NOCTTY, 0)
}

/// A file without a name, open for reading and writing; and the description itself where its flags
/// can only come from opening it: O_TMPFILE and O_NOFOLLOW, which it shows for good.
///
/// Where the old name is free, it is made under it, so that /proc shows the same as before; else
/// without one in that directory; else where one can be made at all.
fn make(file: &File<'_>) -> SysResult<(Fd, Option<Fd>)> {
    const PRIVATE: u32 = 0o600;
    const ONCE: u32 = fs::O_CREAT | fs::O_EXCL | fs::O_TRUNC;
    const HIDDEN: u32 = fs::O_RDWR | fs::O_TMPFILE;
    if file.kind == file_kind::MEMORY {
        return Ok((memfd::make(file)?, None));
    }
    let folder = find_last(file.path, b'/').unwrap_or(0);
    let folder = c_path(file.path.get(..folder.max(1)).unwrap_or(b"/"));
    if file.flags & fs::O_TMPFILE == fs::O_TMPFILE {
        let flags = file.flags & !ONCE;
        if let Ok(direct) = fs::open(folder.as_c(), flags, PRIVATE) {
            let made = reopen(direct.number(), fs::O_RDWR)?;
            return Ok((made, Some(direct)));
        }
    } else {
        let path = c_path(file.path);
        let flags = fs::O_RDWR | fs::O_CREAT | fs::O_EXCL | fs::O_NOFOLLOW;
        if let Ok(made) = fs::open(path.as_c(), flags, PRIVATE) {
            // Through /proc, O_NOFOLLOW, which shm_open(3) sets, would have another meaning.
            let direct = (file.flags & fs::O_NOFOLLOW != 0)
                .then(|| fs::open(path.as_c(), file.flags & !ONCE, 0));
            fs::unlink(path.as_c())?;
            return Ok((made, direct.transpose()?));
        }
    }
    let made = fs::open(folder.as_c(), HIDDEN, PRIVATE)
        .or_else(|_| fs::open(c"/tmp", HIDDEN, PRIVATE))
        .or_else(|_| fs::memory_file(c"deleted"))?;
    Ok((made, None))
}
