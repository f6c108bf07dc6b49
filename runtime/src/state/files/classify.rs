//! What a description is, and by what name its file is found again.

use ckpt_format::record::file_kind;

use super::kinds::{refuse, refused, special};
use super::memfd;
use super::pidfd;
use super::pty;
use super::queue;
use super::search;
use super::stream;
use super::{S_IFCHR, S_IFDIR, S_IFIFO, S_IFMT, S_IFREG, S_IFSOCK, plain_device};
use super::{epoll, eventfd, fifo};
use crate::config::Streams;
use crate::error::{Result, fail};
use crate::sys::fs::{self, Stat};
use crate::sys::{process, thread};
use crate::util::text::{PathText, Show, after, before, decimal};

const PIPEFS: u64 = 0x5049_5045;
const MQUEUE: u64 = 0x1980_0202;
const SECRETMEM: u64 = 0x5345_434d;
const DMA_BUF: u64 = 0x444d_4142;

/// What is known of a descriptor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen<'a> {
    pub(super) fd: i32,
    pub(super) stat: Stat,
    pub(super) flags: u32,
    /// What /proc/self/fd tells; `None` without /proc.
    pub(super) link: Option<&'a [u8]>,
}

/// What becomes of it.
#[derive(Debug)]
pub(super) struct Fate {
    pub(super) kind: u32,
    pub(super) stream: u32,
    pub(super) path: PathText,
}

impl Fate {
    pub(super) fn new(kind: u32, path: &[u8]) -> Self {
        let mut text = PathText::new();
        text.push(path);
        Self {
            kind,
            stream: 0,
            path: text,
        }
    }

    fn stream(n: u32, link: Option<&[u8]>) -> Self {
        Self {
            stream: n,
            ..Self::new(file_kind::STREAM, link.unwrap_or(b""))
        }
    }
}

impl Seen<'_> {
    fn is(&self, file_type: u32) -> bool {
        self.stat.st_mode & S_IFMT == file_type
    }

    /// A terminal, pipe or socket.
    pub(super) fn may_be_stream(&self) -> bool {
        let terminal = self.is(S_IFCHR) && self.flags & fs::O_PATH == 0;
        self.is(S_IFIFO) || self.is(S_IFSOCK) || (terminal && fs::is_terminal(self.fd))
    }

    fn standard(&self) -> Option<u32> {
        u32::try_from(self.fd).ok().filter(|&n| n <= 2)
    }

    /// Does the path lead to this very file?
    fn leads_here(&self, path: &[u8]) -> bool {
        let mut text = PathText::new();
        text.push(path);
        let there = if self.flags & fs::O_PATH != 0 {
            // The descriptor may be one of a symbolic link itself.
            fs::open(text.as_c(), fs::O_PATH | (self.flags & fs::O_NOFOLLOW), 0)
                .and_then(|fd| fs::stat_fd(fd.number()))
        } else {
            fs::stat(text.as_c())
        };
        let here = (self.stat.st_dev, self.stat.st_ino);
        !text.is_cut() && there.is_ok_and(|s| (s.st_dev, s.st_ino) == here)
    }

    /// The last name of what has none any more.
    fn lost_name<'l>(&self, link: &'l [u8]) -> Option<&'l [u8]> {
        let path = before(link, b" (deleted)")?;
        (self.stat.st_nlink == 0 && path.first() == Some(&b'/')).then_some(path)
    }

    /// Decides, or refuses by name.
    #[inline(never)]
    pub(super) fn fate(&self, streams: Streams) -> Result<Fate> {
        if self.is(S_IFCHR)
            && self.flags & fs::O_PATH == 0
            && let Some(fate) = self.terminal(streams)
        {
            return Ok(fate);
        }
        if self.may_be_stream() {
            let which = stream::which(self.fd, &self.stat, self.flags, streams);
            if let Some(n) = which {
                return Ok(Fate::stream(n, self.link));
            }
        }
        if self.is(S_IFIFO)
            && self.flags & fs::O_PATH == 0
            && fs::file_system(self.fd) == Ok(PIPEFS)
        {
            return Ok(Fate::new(file_kind::PIPE, self.link.unwrap_or(b"pipe")));
        }
        if self.is(S_IFSOCK) && self.flags & fs::O_PATH == 0 {
            return Ok(Fate::new(file_kind::SOCKET, self.link.unwrap_or(b"socket")));
        }
        let Some(link) = self.link else {
            return self.nameless();
        };
        if self.flags & fs::O_PATH != 0 {
            if self.leads_here(link) {
                let path = own_proc(self.fd, link)?;
                return Ok(Fate::new(file_kind::PATH, path.as_bytes()));
            }
            // A memory file is told from others by what an O_PATH descriptor cannot be asked.
            let file = self.is(S_IFREG) && after(link, b"/memfd:").is_none();
            return match self.lost_name(link) {
                Some(path) if file || self.is(S_IFDIR) => Ok(Fate::new(file_kind::DELETED, path)),
                _ => Err(refused(self.fd, format_args!("path {}", Show(link)))),
            };
        }
        if self.is(S_IFDIR)
            && let Some(path) = self.lost_name(link)
        {
            return Ok(Fate::new(file_kind::DELETED, path));
        }
        match self.stat.st_mode & S_IFMT {
            S_IFREG => self.regular(link),
            S_IFDIR if self.leads_here(link) => Ok(Fate::new(
                file_kind::DIRECTORY,
                own_proc(self.fd, link)?.as_bytes(),
            )),
            S_IFCHR => self.device(link),
            S_IFIFO => fifo::fate(self.fd, &self.stat, link, self.leads_here(link)),
            0 => self.anonymous(link),
            _ => Err(refuse(self.fd, &self.stat, self.link)),
        }
    }

    /// A pseudoterminal of the program's own; a terminal that it has opened by name.
    #[inline(never)]
    fn terminal(&self, streams: Streams) -> Option<Fate> {
        let path = self.link.unwrap_or(b"terminal");
        if pty::is_master(&self.stat) {
            return Some(Fate::new(file_kind::MASTER, path));
        }
        let number = pty::slave(&self.stat)?;
        if pty::has_master(number) {
            return Some(Fate::new(file_kind::SLAVE, path));
        }
        let which = stream::which(self.fd, &self.stat, self.flags, streams);
        if pty::is_dead(self.fd) {
            return Some(match which {
                Some(n) => Fate::stream(n, self.link),
                None => Fate::new(file_kind::SLAVE, path),
            });
        }
        let controls = || thread::terminal() == self.stat.st_rdev;
        if self.fd <= 2 || which == Some(self.fd as u32) || which.is_none() && !controls() {
            return None;
        }
        Some(Fate {
            stream: which.unwrap_or(0),
            ..Fate::new(file_kind::TERMINAL, path)
        })
    }

    /// What has no file at all.
    fn anonymous(&self, link: &[u8]) -> Result<Fate> {
        let kind = match after(link, b"anon_inode:") {
            _ if link == eventfd::LINK => file_kind::EVENTFD,
            _ if link == epoll::LINK => file_kind::EPOLL,
            Some(b"[timerfd]") => file_kind::TIMERFD,
            Some(b"[signalfd]") => file_kind::SIGNALFD,
            Some(b"inotify") => file_kind::INOTIFY,
            Some(b"[pidfd]") => {
                pidfd::look(self.fd, self.flags)?;
                file_kind::PIDFD
            }
            _ => return Err(refuse(self.fd, &self.stat, self.link)),
        };
        Ok(Fate::new(kind, link))
    }

    /// Without /proc: what can be told nevertheless.
    fn nameless(&self) -> Result<Fate> {
        if let Some(n) = self.standard() {
            return Ok(Fate::stream(n, None));
        }
        if self.is(S_IFCHR) && plain_device(self.stat.st_rdev).is_some() {
            return self.device(b"");
        }
        if !self.is(S_IFREG) && !self.is(S_IFDIR) {
            return Err(refuse(self.fd, &self.stat, None));
        }
        fail!(
            "descriptor {}: its path cannot be known without /proc",
            self.fd
        )
    }

    fn device(&self, link: &[u8]) -> Result<Fate> {
        match plain_device(self.stat.st_rdev) {
            Some(_) if self.leads_here(link) => Ok(Fate::new(file_kind::DEVICE, link)),
            Some(usual) => Ok(Fate::new(file_kind::DEVICE, usual)),
            None => Err(refuse(self.fd, &self.stat, self.link)),
        }
    }

    fn regular(&self, link: &[u8]) -> Result<Fate> {
        if self.leads_here(link) {
            let path = own_proc(self.fd, link)?;
            return Ok(Fate::new(file_kind::REGULAR, path.as_bytes()));
        }
        let shown = Show(link);
        // What looks like a file and is none, by linux/magic.h.
        match fs::file_system(self.fd) {
            Ok(MQUEUE) => return queue::fate(self.fd, &self.stat, link),
            Ok(SECRETMEM) => return Err(refused(self.fd, format_args!("secret memory"))),
            Ok(DMA_BUF) => return Err(refused(self.fd, format_args!("device memory {shown}"))),
            _ => {}
        }
        if let Some(name) = memfd::name(self.fd, link)? {
            return Ok(Fate::new(file_kind::MEMORY, name));
        }
        if let Some(path @ [b'/', ..]) = before(link, b" (deleted)") {
            let ino = self.stat.st_ino;
            if self.stat.st_nlink > 0
                && let Some(other) = search::beside(path, ino, |path| self.leads_here(path))
            {
                return Ok(Fate::new(file_kind::REGULAR, other.as_bytes()));
            }
            if self.stat.st_nlink > 0 && self.flags & fs::O_ACCMODE != fs::O_RDONLY {
                // Written to a copy, it would not show under the names that are left.
                let shown = Show(path);
                let what = format_args!("file {shown}, which has lost this name but not all");
                return Err(refused(self.fd, what));
            }
            return Ok(Fate::new(file_kind::DELETED, path));
        }
        // It has a name that does not lead to it: outside of a chroot, on a file system that is
        // covered or not mounted here.
        if let Some(n) = self.standard() {
            return Ok(Fate::stream(n, self.link));
        }
        if link.first() != Some(&b'/') {
            return Err(special(self.fd, link));
        }
        if self.flags & fs::O_ACCMODE == fs::O_RDONLY {
            // What is only read may as well be a copy.
            return Ok(Fate::new(file_kind::DELETED, link));
        }
        Err(refused(
            self.fd,
            format_args!("file {shown}, to which its name does not lead"),
        ))
    }
}

/// The path of a file of the process's own in /proc, which has another number after a restore;
/// refuses those of other processes, whose numbers would mean others or nobody.
fn own_proc(fd: i32, path: &[u8]) -> Result<PathText> {
    let mut text = PathText::new();
    let Some((id, rest)) = after(path, b"/proc/").and_then(decimal) else {
        text.push(path);
        return Ok(text);
    };
    let own = u64::from(process::id());
    let shown = Show(path);
    if id != own {
        let what = format_args!("{shown}, which is of another process");
        return Err(refused(fd, what));
    }
    match after(rest, b"/task/").and_then(decimal) {
        // The restoring thread becomes the first.
        Some((task, rest)) if task == own => {
            text.push(b"/proc/thread-self");
            text.push(rest);
        }
        // A watch on one of these would be on the file that stands in for it.
        Some(_)
            if [&b"/mounts"[..], b"/mountinfo"]
                .iter()
                .any(|end| path.ends_with(end)) =>
        {
            let what = format_args!("{shown}, which is of another thread");
            return Err(refused(fd, what));
        }
        _ => {
            text.push(b"/proc/self");
            text.push(rest);
        }
    }
    Ok(text)
}
