//! What sockets are, and which of them belong together.

use ckpt_format::limits;
use ckpt_format::record::{family, file_kind, socket_state};
use ckpt_format::toc::kind;

use super::super::collect::Collector;
use super::super::kinds::{lost, refuse_socket};
use super::diag::Diag;
use super::multicast::Groups;
use super::queue::Queues;
use super::{Encoded, Shown, Sock, inet, netlink, options, tcp, unix};
use crate::allow::Kind;
use crate::error::Result;
use crate::image::output::Output;
use crate::sys::socket::{self, About, Name};
use crate::util::list::List;

/// A connection that a listening socket has not taken yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    /// Inode of the end that connected.
    pub(super) end: u32,
    /// The listening socket's file.
    pub(super) listener: u32,
    /// How many come before it.
    pub(super) place: u32,
}

#[expect(unsafe_code, reason = "vouches for a record of integers")]
// SAFETY: a record of integers.
unsafe impl crate::util::arena::Plain for Waiting {}

/// All sockets of the process.
#[derive(Debug)]
pub(in super::super) struct Sockets {
    all: List<Sock>,
    options: Encoded,
    queues: Queues,
}

impl Sockets {
    pub(in super::super) fn new() -> Self {
        Self {
            all: List::new(limits::DESCRIPTORS as usize),
            options: Encoded::new(1 << 30),
            queues: Queues::new(),
        }
    }

    /// Looks at all sockets that were found, and at those that are under way in their queues.
    #[inline(never)]
    pub(in super::super) fn collect(&mut self, collector: &mut Collector) -> Result<()> {
        let mut waiting = List::new(limits::DESCRIPTORS as usize);
        let mut asked = None;
        let mut groups = Groups::new();
        let mut number = 0;
        while let Some(known) = collector.file(number) {
            if known.kind == file_kind::SOCKET {
                let diag = match &asked {
                    Some(diag) => diag,
                    None => &*asked.insert(Diag::new()?),
                };
                let mut sock = look(
                    number as u32,
                    known.fd,
                    known.ino as u32,
                    diag,
                    &mut waiting,
                )?;
                options::collect(&sock, &mut groups, &mut self.options)?;
                let queued = if tcp::is_connection(&sock) {
                    let other = tcp::other_end(collector, &sock);
                    sock.peer_ino = other.map_or(0, |(_, ino)| ino);
                    self.queues
                        .read_connection(&sock, other.map(|(fd, _)| fd))?
                } else if may_have_messages(&sock) {
                    self.queues.read(collector, &sock)?
                } else {
                    0
                };
                collector.measured(number, queued);
                self.all.push(sock)?;
            }
            number += 1;
        }
        if let Some(diag) = &asked {
            self.join(waiting.as_slice(), diag)?;
        }
        self.queues.check_senders(self.all.as_slice())
    }

    /// Finds other ends.
    fn join(&mut self, waiting: &[Waiting], diag: &Diag) -> Result<()> {
        for wait in waiting {
            let found = self
                .all
                .as_mut_slice()
                .iter_mut()
                .find(|sock| sock.ino == wait.end);
            match found {
                Some(sock) => {
                    sock.set_peer(socket_state::WAITING, Some(wait.listener));
                    sock.backlog = wait.place;
                }
                None => self.foreign(wait)?,
            }
        }
        for n in 0..self.all.as_slice().len() {
            let Some(sock) = self.all.as_slice().get(n) else {
                break;
            };
            let joined = if tcp::is_connection(sock) {
                tcp::join(sock, self.all.as_slice(), diag)?
            } else {
                unix::join(sock, self.all.as_slice())?
            };
            if let Some(slot) = self.all.as_mut_slice().get_mut(n) {
                *slot = joined;
            }
        }
        tcp::order(self.all.as_mut_slice())
    }

    #[cold]
    fn foreign(&self, wait: &Waiting) -> Result<()> {
        let listener = self
            .all
            .as_slice()
            .iter()
            .find(|sock| sock.file == wait.listener);
        let (fd, name) = listener.map_or((-1, Name::NONE), |sock| (sock.fd, sock.local));
        let shown = Shown(&name);
        let what = format_args!(
            "listening Unix socket{shown}, at which another process's connection waits"
        );
        lost(Kind::Unix, fd, what)
    }

    /// Writes the sections.
    pub(in super::super) fn write(&self, out: &mut Output<'_>) -> Result<()> {
        let mut records = Encoded::new(size_of_val(self.all.as_slice()));
        for sock in self.all.as_slice() {
            let record = sock.record();
            records.push(&record, record.local.len() + record.remote.len())?;
        }
        out.section(kind::SOCKETS, records.len(), |w| {
            records.put(w);
        })?;
        out.section(kind::SOCKET_OPTIONS, self.options.len(), |w| {
            self.options.put(w);
        })?;
        self.queues.write(out)
    }

    /// Puts what is in the queues among the image's pages.
    pub(in super::super) fn write_contents(&self, out: &mut Output<'_>) -> Result<()> {
        self.queues.write_contents(out)
    }
}

/// What a socket is by itself.
fn look(file: u32, fd: i32, ino: u32, diag: &Diag, waiting: &mut List<Waiting>) -> Result<Sock> {
    let ask = |about| socket::ask(fd, about).unwrap_or(u32::MAX);
    let sock = Sock {
        file,
        fd,
        family: ask(About::Family),
        kind: ask(About::Type),
        protocol: ask(About::Protocol),
        ino,
        local: named(socket::name(fd, false)),
        remote: named(socket::name(fd, true)),
        ..Sock::NONE
    };
    match sock.family {
        family::UNIX => unix::look(sock, diag, waiting),
        family::NETLINK => netlink::look(sock),
        family if inet::is(family) => inet::look(sock),
        _ => Err(refuse_socket(fd)),
    }
}

/// May something be in its queue?
fn may_have_messages(sock: &Sock) -> bool {
    if sock.family == family::UNIX {
        unix::may_have_messages(sock)
    } else {
        inet::is(sock.family) && inet::may_be_read(sock)
    }
}

/// An address that is one.
fn named(name: crate::sys::SysResult<Name>) -> Name {
    name.ok().filter(Name::is_some).unwrap_or(Name::NONE)
}
