//! POSIX message queues, mq_open(3).
//!
//! One with a name belongs to the system, with all that is in it. One that has lost its name is
//! made again, with its messages. These can only be looked at by taking them: they are put back at
//! once and in their order, while the program's threads stand still.

use core::ffi::CStr;

use ckpt_format::record::{File, Queued, file_kind};
use ckpt_format::toc::kind;

use super::classify::Fate;
use super::kinds::refused;
use super::known::Book;
use super::open::c_path;
use super::proc_link;
use crate::error::{Context, Result, fail};
use crate::image::input::Image;
use crate::image::output::Output;
use crate::sys::fs::{self, Fd, Stat};
use crate::sys::queue::{self, Shape};
use crate::sys::{Errno, SysResult, process};
use crate::util::list::List;
use crate::util::text::{Show, Text, after, before, decimal, split};

const OWNER: u32 = 0o600;
const PERMISSIONS: u32 = 0o7777;

/// What becomes of one; refuses one that tells the process when messages come.
pub(super) fn fate(fd: i32, stat: &Stat, link: &[u8]) -> Result<Fate> {
    let path = before(link, b" (deleted)").filter(|_| stat.st_nlink == 0);
    let path = path.unwrap_or(link);
    let shown = Show(path);
    let mut buffer = [0; 128];
    // Through the program's own descriptor: what closes any other one of the queue ends the
    // notification (mqueue_flush_file, ipc/mqueue.c).
    let tells = match fs::read_at(fd, &mut buffer, 0) {
        Ok(got) => {
            // QSIZE:0 NOTIFY:0 SIGNO:10 NOTIFY_PID:4711 (mqueue_read_file).
            let told = split(buffer.get(..got).unwrap_or(&[]), b' ')
                .find_map(|word| after(word, b"NOTIFY_PID:"))
                .and_then(decimal);
            told.is_some_and(|(pid, _)| pid == u64::from(process::id()))
        }
        // It may only be written to.
        Err(_) => queue::tells(fd),
    };
    if tells {
        let what = format_args!("message queue {shown} with a notification (mq_notify)");
        return Err(refused(fd, what));
    }
    Ok(Fate::new(file_kind::QUEUE, path))
}

/// Most messages, and most bytes of one.
pub(super) fn measure(fd: i32) -> Result<(u64, u64)> {
    let what = format_args!("cannot look at the message queue at descriptor {fd}");
    let (shape, _) = queue::shape(fd).or_fail(what)?;
    Ok((shape.messages, shape.bytes))
}

/// A description of our own.
fn reopen(fd: i32, flags: u32) -> SysResult<Fd> {
    let name = proc_link(fd);
    let open = || fs::open(name.as_c(), flags, 0);
    open().or_else(|e| {
        // Its mode may forbid what a descriptor of whoever made it allows.
        let mode = fs::stat_fd(fd)?.st_mode & PERMISSIONS;
        fs::set_mode(fd, mode | OWNER).map_err(|_| e)?;
        let opened = open();
        fs::set_mode(fd, mode)?;
        opened
    })
}

/// Messages of queues without a name.
#[derive(Debug)]
pub(super) struct Messages {
    /// Of each: file, priority, place of its text, bytes.
    heads: List<u32>,
    texts: List<u8>,
}

impl Messages {
    pub(super) fn new() -> Self {
        Self {
            heads: List::new(1 << 24),
            texts: List::new(1 << 30),
        }
    }

    /// The messages from number `from` on: file, priority, text.
    fn all(&self, from: usize) -> impl Iterator<Item = Queued<'_>> {
        let (heads, _) = self.heads.as_slice().as_chunks::<4>();
        heads.iter().skip(from).map(|&[file, priority, at, len]| {
            let text = self.texts.as_slice().get(at as usize..).unwrap_or(&[]);
            Queued {
                file,
                priority,
                text: text.get(..len as usize).unwrap_or(&[]),
            }
        })
    }

    /// Notes those of file `file`, a queue without a name.
    fn look(&mut self, fd: i32, file: u32) -> Result<()> {
        let what = format_args!("cannot look at the messages of descriptor {fd}");
        let (shape, _) = queue::shape(fd).or_fail(what)?;
        let ours = reopen(fd, fs::O_RDWR | fs::O_NONBLOCK).or_fail(what)?;
        let mut room: List<u8> = List::new(shape.bytes as usize);
        let room = room.fill(shape.bytes as usize)?;
        let from = self.heads.as_slice().len() / 4;
        let taken = loop {
            let (len, priority) = match queue::receive(ours.number(), room) {
                Ok(message) => message,
                Err(Errno::AGAIN) => break Ok(()),
                Err(e) => break Err(e).or_fail(what),
            };
            let head = [
                file,
                priority,
                self.texts.as_slice().len() as u32,
                len as u32,
            ];
            let text = room.get(..len).unwrap_or(&[]);
            let noted = self
                .texts
                .append(text)
                .and_then(|()| self.heads.append(&head));
            if noted.is_err() {
                queue::send(ours.number(), text, priority).or_fail(what)?;
                break noted;
            }
        };
        for message in self.all(from) {
            queue::send(ours.number(), message.text, message.priority)
                .or_fail(format_args!("cannot put a message of descriptor {fd} back"))?;
        }
        taken
    }

    pub(super) fn write(&self, out: &mut Output<'_>) -> Result<()> {
        let count = self.heads.as_slice().len() / 4;
        let most = 4 + count * 12 + self.texts.as_slice().len();
        out.section(kind::QUEUED, most, |w| {
            w.put(&(count as u32));
            self.all(0).for_each(|message| w.put(&message));
        })
    }
}

/// Notes the messages of a queue without a name, once for all its descriptions.
pub(super) fn collect(book: &mut Book, fd: i32, number: u32, stat: &Stat) -> Result<()> {
    let same = |known: &super::known::Known| {
        known.kind == file_kind::QUEUE && (known.dev, known.ino) == (stat.st_dev, stat.st_ino)
    };
    let first = book.files().iter().position(same) == Some(number as usize);
    if stat.st_nlink == 0 && first {
        book.messages_mut().look(fd, number)?;
    }
    Ok(())
}

/// Opens description `number`. `ahead` has a descriptor, plus one, for each that was opened already.
pub(super) fn open(
    image: &Image<'_>,
    number: usize,
    fd: u32,
    file: &File<'_>,
    ahead: &mut [i32],
) -> Result<Fd> {
    let shown = Show(file.path);
    let what = format_args!("descriptor {fd}: cannot open message queue {shown}");
    if let Some(opened @ 1..) = ahead.get(number).copied() {
        return Ok(Fd::own(opened - 1));
    }
    let name = c_path(after(file.path, b"/").unwrap_or(file.path));
    if file.rdev == 0 {
        let opened = queue::open(name.as_c(), file.flags, 0, None).or_fail(what)?;
        let (now, _) = queue::shape(opened.number()).or_fail(what)?;
        if (now.messages, now.bytes) != (file.pos as u64, file.size) {
            fail!("descriptor {fd}: message queue {shown} is another by now");
        }
        return Ok(opened);
    }
    let other = Text::<40>::format(format_args!("ckpt-{}-{number}", process::id()));
    make(image, number, file, name.as_c(), ahead)
        .or_else(|_| make(image, number, file, other.as_c(), ahead))
        .or_fail(what)
}

/// Makes a queue again that has no name, and opens all descriptions of it while it has one: a
/// descriptor that is opened through /proc would have the flag O_LARGEFILE.
fn make(
    image: &Image<'_>,
    number: usize,
    file: &File<'_>,
    name: &CStr,
    ahead: &mut [i32],
) -> SysResult<Fd> {
    let shape = Shape {
        messages: file.pos as u64,
        bytes: file.size,
    };
    let flags = fs::O_RDWR | fs::O_CREAT | fs::O_EXCL | fs::O_NONBLOCK;
    let made = queue::open(name, flags, OWNER, Some(shape))?;
    let result = fill(image, number, &made).and_then(|()| {
        for (n, other) in image.files().enumerate().skip(number + 1) {
            let same = (other.kind, other.dev, other.ino) == (file.kind, file.dev, file.ino);
            if same && let Some(slot) = ahead.get_mut(n) {
                *slot = queue::open(name, other.flags, 0, None)?.release() + 1;
            }
        }
        queue::open(name, file.flags, 0, None)
    });
    queue::unlink(name)?;
    fs::set_mode(made.number(), file.mode & PERMISSIONS)?;
    result
}

fn fill(image: &Image<'_>, number: usize, made: &Fd) -> SysResult<()> {
    let all = image.list::<Queued<'_>>(kind::QUEUED);
    for message in all.filter(|message| message.file as usize == number) {
        queue::send(made.number(), message.text, message.priority)?;
    }
    Ok(())
}
