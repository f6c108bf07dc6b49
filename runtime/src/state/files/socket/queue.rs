//! What is in sockets' queues: looked at without taking it out, and sent again.
//!
//! MSG_PEEK with SO_PEEK_OFF goes through a queue from front to back. A read of a stream ends
//! where the sender's credentials change, behind bytes that descriptors came with, and before an
//! urgent byte (unix_stream_read_generic, net/unix/af_unix.c); descriptors that are peeked at are
//! duplicates. Of datagrams, one is read at a time.

use core::iter::from_fn;

use ckpt_format::limits;
use ckpt_format::record::{Message, Right, family, message_flag};
use ckpt_format::toc::kind;

use super::super::collect::Collector;
use super::super::held::Held;
use super::super::kinds::{lost, refused};
use super::{Encoded, Shown, Sock, inet, tcp, unix};
use crate::allow::Kind;
use crate::error::{Context, Result, fail};
use crate::image::output::{Output, Owner};
use crate::sys::fs;
use crate::sys::socket::{self, DATAGRAM, Name, Received, SOL_SOCKET, STREAM};
use crate::sys::{Errno, SysResult, process};
use crate::util::arena::{Arena, Plain};
use crate::util::list::List;

const PAGE: usize = 4096;
/// Room for one datagram at first: none of the Internet is longer.
const ROOM: usize = 64 << 10;
/// Room for control messages: most descriptors in one message, credentials, timestamps.
const CONTROL: usize = 2048;

/// Options of SOL_SOCKET that matter here.
pub(super) const PASSCRED: u32 = 16;
const OOBINLINE: u32 = 10;
const PEEK_OFF: u32 = 42;

/// What is in one socket.
#[derive(Clone, Copy, Debug)]
struct Queue {
    file: u32,
    /// Offset in the pool, page-aligned.
    at: usize,
    len: usize,
}

#[expect(unsafe_code, reason = "vouches for a record of integers")]
// SAFETY: a record of integers.
unsafe impl Plain for Queue {}

/// What is in all of them.
#[derive(Debug)]
pub(super) struct Queues {
    pool: List<u8>,
    queues: List<Queue>,
    messages: Encoded,
    rights: List<Right>,
    /// Names of senders to receivers by name, and the receivers' descriptors.
    senders: List<(i32, Name)>,
    held: Held,
}

impl Queues {
    pub(super) fn new() -> Self {
        let most = limits::DESCRIPTORS as usize;
        Self {
            pool: List::new(1 << 30),
            queues: List::new(most),
            messages: Encoded::new(limits::MESSAGES as usize * 64),
            rights: List::new(most),
            senders: List::new(most),
            held: Held::new(),
        }
    }

    /// Notes the queue of a socket; tells how many bytes are in it.
    #[inline(never)]
    pub(super) fn read(&mut self, collector: &mut Collector, sock: &Sock) -> Result<u64> {
        const POLLIN: u16 = 1;
        const POLLERR: u16 = 8;
        let fd = sock.fd;
        let what = format_args!("cannot look into the socket at descriptor {fd}");
        let events = fs::events(fd, POLLIN).or_fail(what)?;
        if events & POLLIN == 0 {
            return Ok(0);
        }
        // Receiving datagrams would take the error away.
        if events & POLLERR != 0 && sock.kind != STREAM && sock.family == family::UNIX {
            return Err(refused(
                fd,
                format_args!("Unix socket with an error that waits to be read"),
            ));
        }
        let saved = Saved::begin(sock).or_fail(what)?;
        let at = self.pool.as_slice().len();
        let walked = self.walk(collector, sock, saved.credentials != 0);
        let back = saved.end(sock);
        walked?;
        back.or_fail(what)?;
        self.filled(sock, at, self.pool.as_slice().len() - at)
    }

    /// Notes that a socket's queue begins at an offset of the pool; tells its length.
    fn filled(&mut self, sock: &Sock, at: usize, len: usize) -> Result<u64> {
        let now = self.pool.as_slice().len();
        self.pool.fill(now.next_multiple_of(PAGE) - now)?;
        if len > 0 {
            let file = sock.file;
            self.queues.push(Queue { file, at, len })?;
        }
        Ok(len as u64)
    }

    /// Notes what a connection of TCP has not read, and what still lies with its other end; tells
    /// how many bytes it is.
    #[inline(never)]
    pub(super) fn read_connection(&mut self, sock: &Sock, other: Option<i32>) -> Result<u64> {
        let what = format_args!("cannot look into the socket at descriptor {}", sock.fd);
        let saved = Saved::begin(sock).or_fail(what)?;
        let at = self.pool.as_slice().len();
        let len = self.unread(sock, other, saved.inline != 0);
        let back = saved.end(sock);
        let len = len?;
        back.or_fail(what)?;
        self.filled(sock, at, len)
    }

    fn unread(&mut self, sock: &Sock, other: Option<i32>, inline: bool) -> Result<usize> {
        let fd = sock.fd;
        let what = format_args!("cannot look into the socket at descriptor {fd}");
        // The other end is asked first: what it sends now is counted here.
        let [mut len, stuck] = match other {
            Some(other) => tcp::both_queues(other, fd)?,
            None => [fs::readable_bytes(fd).or_fail(what)? as usize, 0],
        };
        let mark = tcp::mark(fd, inline, len);
        let urgent = format_args!("TCP socket with an urgent byte behind others");
        let all = self.pool.fill(len + stuck)?;
        if let (Some(other), 1..) = (other, stuck) {
            if mark.is_some() {
                return Err(refused(fd, urgent));
            }
            // Everything has to be sent again.
            if !tcp::may_send(other)? || !tcp::has_room(other, len + stuck)? {
                let to = Shown(&sock.local);
                let what =
                    format_args!("TCP socket to{to} with {stuck} bytes that do not fit there");
                return Err(refused(other, what));
            }
            tcp::turn_over(other, fd, all)?;
            len += stuck;
        }
        let mut got = if stuck > 0 { len } else { 0 };
        while let Some(rest @ [_, ..]) = all.get_mut(got..) {
            // A read ends where the mark is (tcp_recvmsg_locked, net/ipv4/tcp.c).
            if got > 0 && socket::set_number(fd, SOL_SOCKET, PEEK_OFF, got as u32).is_err() {
                return Err(refused(fd, urgent));
            }
            match socket::receive(fd, rest, &mut [], socket::MSG_PEEK)
                .or_fail(what)?
                .len
            {
                0 => fail!("{what}: it is empty"),
                n => got += n,
            }
        }
        let mut pieces = [(len, 0), (0, message_flag::URGENT), (0, 0)];
        if let Some((at, apart)) = mark {
            pieces[0].0 = at;
            pieces[2].0 = len - at - 1;
            pieces[1].0 = usize::from(apart);
            if !apart {
                // It was taken.
                all.copy_within(at + 1..len, at);
                len -= 1;
            }
        }
        for (len, flags) in pieces.into_iter().filter(|(len, _)| *len > 0) {
            let message = Message {
                file: sock.file,
                len: len as u32,
                flags,
                rights: 0,
                from: &[],
            };
            self.messages.push(&message, 0)?;
        }
        Ok(len)
    }

    fn walk(&mut self, collector: &mut Collector, sock: &Sock, asked: bool) -> Result<()> {
        let fd = sock.fd;
        let what = format_args!("cannot look into the socket at descriptor {fd}");
        let stream = sock.kind == STREAM;
        let filled = fs::readable_bytes(fd).or_fail(what)? as usize;
        let mut urgent = if stream { urgent_byte(fd) } else { None };
        let room = filled.max(ROOM);
        let mut scratch = Arena::new(room)?;
        let mut buffer = scratch.bytes(room, 1)?;
        let spare_room = Arena::new(room)?;
        let spare = spare_room.bytes(room, 1)?;
        let mut control = [0; CONTROL];
        // An empty datagram is passed over once it was looked at (__skb_try_recv_from_queue,
        // net/core/datagram.c), so the first is looked at without an offset.
        let mut at = if stream { 0 } else { -1 };
        // At the end of a stream, receiving might take an error away.
        while !stream || (at as usize) < filled {
            socket::set_number(fd, SOL_SOCKET, PEEK_OFF, at as u32).or_fail(what)?;
            let got = match socket::receive(fd, buffer, &mut control, socket::MSG_PEEK) {
                Err(Errno::AGAIN) => return Ok(()),
                got => got.or_fail(what)?,
            };
            let seen = Control(control.get(..got.control).unwrap_or(&[]));
            if !stream && got.flags & socket::MSG_TRUNC != 0 {
                seen.close();
                let room = buffer.len() * 2;
                scratch = Arena::new(room)?;
                buffer = scratch.bytes(room, 1)?;
                continue;
            }
            whole(sock, &got, seen)?;
            // The end of what was sent, and no message: those have credentials.
            if got.len == 0 && sock.family == family::UNIX && seen.sender().is_none() {
                return Ok(());
            }
            if at < 0 && got.len > 0 {
                seen.close();
                at = 0;
                continue;
            }
            let data = buffer.get(..got.len).unwrap_or(&[]);
            let piece = Piece {
                sock,
                seen,
                from: got.from,
                sender: seen.sender(),
                asked,
                flags: 0,
            };
            let noted = self.rights.as_slice().len();
            let added = self.pieces(collector, piece, data, at, spare, &mut urgent);
            if added.is_err() {
                // Those that were noted are closed in time; the program keeps none of the others.
                let more = self.rights.as_slice().len() - noted;
                for passed in seen.rights().skip(more) {
                    let _ = fs::close(passed);
                }
            }
            seen.close_sender();
            added?;
            at = at.max(0) + got.len as i32;
        }
        Ok(())
    }

    /// Notes what was looked at: one message, or what a stream has from `at` on.
    fn pieces(
        &mut self,
        collector: &mut Collector,
        mut piece: Piece<'_>,
        data: &[u8],
        at: i32,
        spare: &mut [u8],
        urgent: &mut Option<u8>,
    ) -> Result<()> {
        let fd = piece.sock.fd;
        let mut skip = 0;
        if piece.sock.kind == STREAM && piece.seen.rights().next().is_some() {
            // One that looks at fewer bytes is shown the descriptors as well, as it looks on to
            // the next part when its buffer is full.
            let what = format_args!("cannot look into the socket at descriptor {fd}");
            let but_one = spare.get_mut(..data.len() - 1).unwrap_or(&mut []);
            socket::set_number(fd, SOL_SOCKET, PEEK_OFF, at as u32).or_fail(what)?;
            skip = socket::peek_before(fd, but_one).or_fail(what)?;
            let before = Piece {
                seen: Control(&[]),
                ..piece
            };
            self.add(collector, &before, data.get(..skip).unwrap_or(&[]))?;
        } else if let Some(byte) = *urgent
            && data.first() == Some(&byte)
            && (at > 0 || fs::at_mark(fd))
        {
            piece.flags = message_flag::URGENT;
            self.add(collector, &piece, data.get(..1).unwrap_or(&[]))?;
            piece.flags = 0;
            *urgent = None;
            skip = 1;
        }
        self.add(collector, &piece, data.get(skip..).unwrap_or(&[]))
    }

    /// Notes a message, or a part of a stream.
    fn add(&mut self, collector: &mut Collector, piece: &Piece<'_>, data: &[u8]) -> Result<()> {
        let fd = piece.sock.fd;
        if data.is_empty() && piece.sock.kind == STREAM {
            return Ok(());
        }
        let datagram = piece.sock.kind == DATAGRAM;
        let from = if datagram { piece.from } else { Name::NONE };
        if inet::is(piece.sock.family) && !inet::may_speak(collector, piece.sock, &from) {
            return inet::lose_message(piece.sock, &from);
        }
        let mut flags = piece.flags;
        match piece.sender {
            None | Some(0) => {}
            Some(pid) if pid == process::id() => flags |= message_flag::CREDENTIALS,
            // Nobody could say so again. It matters if the program wants to know.
            Some(pid) if piece.asked => {
                let what = format_args!("message of process {pid}, which waits to be read");
                lost(Kind::Unix, fd, what)?;
            }
            Some(_) => {}
        }
        let mut rights = 0;
        for passed in piece.seen.rights() {
            let (file, new) = collector.under_way(passed)?;
            self.rights.push(Right { file })?;
            if new {
                self.held.keep(passed)?;
            } else {
                let _ = fs::close(passed);
            }
            rights += 1;
        }
        self.pool.append(data)?;
        if from.is_some() && piece.sock.family == family::UNIX && !unix::has_one_sender(piece.sock)
        {
            self.senders.push((fd, from))?;
        }
        let message = Message {
            file: piece.sock.file,
            len: data.len() as u32,
            flags,
            rights,
            from: from.as_bytes(),
        };
        self.messages.push(&message, message.from.len())
    }

    /// Whoever has sent something under a name must be able to do so again.
    pub(super) fn check_senders(&self, all: &[Sock]) -> Result<()> {
        for (fd, from) in self.senders.as_slice() {
            if !all
                .iter()
                .any(|sock| sock.local.as_bytes() == from.as_bytes())
            {
                let shown = Shown(from);
                return Err(refused(
                    *fd,
                    format_args!("message from{shown}, which waits to be read"),
                ));
            }
        }
        Ok(())
    }

    /// Writes the sections.
    pub(super) fn write(&self, out: &mut Output<'_>) -> Result<()> {
        out.section(kind::MESSAGES, self.messages.len(), |w| {
            self.messages.put(w);
        })?;
        out.list(kind::RIGHTS, self.rights.as_slice())
    }

    /// Puts what is in the queues among the image's pages.
    pub(super) fn write_contents(&self, out: &mut Output<'_>) -> Result<()> {
        for queue in self.queues.as_slice() {
            let end = queue.at + queue.len.next_multiple_of(PAGE);
            let pages = self.pool.as_slice().get(queue.at..end).unwrap_or(&[]);
            out.buffered(Owner::File(queue.file), pages, 0)?;
        }
        Ok(())
    }
}

/// What was peeked at.
#[derive(Clone, Copy)]
struct Piece<'a> {
    sock: &'a Sock,
    seen: Control<'a>,
    /// Who sent it; zero if the kernel did not note it.
    sender: Option<u32>,
    from: Name,
    /// The program wants to know who sends.
    asked: bool,
    flags: u32,
}

/// Options as the program has set them.
struct Saved {
    offset: u32,
    inline: u32,
    credentials: u32,
}

impl Saved {
    /// Sets those that looking takes: an offset, no byte left out, senders told.
    fn begin(sock: &Sock) -> SysResult<Self> {
        let ask = |name| socket::number(sock.fd, SOL_SOCKET, name);
        let saved = Self {
            // Before 6.9 TCP has none.
            offset: ask(PEEK_OFF).unwrap_or(u32::MAX),
            inline: ask(OOBINLINE)?,
            credentials: ask(PASSCRED).unwrap_or(0),
        };
        if sock.family == family::UNIX {
            socket::set_number(sock.fd, SOL_SOCKET, PASSCRED, 1)?;
        }
        if sock.kind == STREAM {
            socket::set_number(sock.fd, SOL_SOCKET, OOBINLINE, 1)?;
            if saved.offset != u32::MAX {
                socket::set_number(sock.fd, SOL_SOCKET, PEEK_OFF, u32::MAX)?;
            }
        }
        Ok(saved)
    }

    fn end(&self, sock: &Sock) -> SysResult<()> {
        let set = |name, value| socket::set_number(sock.fd, SOL_SOCKET, name, value);
        let offset = set(PEEK_OFF, self.offset);
        if sock.family == family::UNIX {
            set(PASSCRED, self.credentials)?;
        } else if sock.kind == STREAM {
            return set(OOBINLINE, self.inline);
        }
        offset.and_then(|()| set(OOBINLINE, self.inline))
    }
}

/// Control messages: length with the head, level, type, value; each aligned to eight.
#[derive(Clone, Copy)]
struct Control<'a>(&'a [u8]);

impl<'a> Control<'a> {
    /// The values of a type of SOL_SOCKET.
    fn values(self, wanted: u32) -> impl Iterator<Item = &'a [u8]> {
        let mut rest = self.0;
        from_fn(move || {
            loop {
                let head = rest.first_chunk::<16>()?;
                let [len, level_and_type] = [0, 8].map(|at| word(head, at));
                let len = (len as usize).max(16);
                let value = rest.get(16..len).unwrap_or(&[]);
                rest = rest.get(len.next_multiple_of(8)..).unwrap_or(&[]);
                if level_and_type == u64::from(SOL_SOCKET) | u64::from(wanted) << 32 {
                    return Some(value);
                }
            }
        })
    }

    /// Descriptors that came with the message.
    fn rights(self) -> impl Iterator<Item = i32> + use<'a> {
        const SCM_RIGHTS: u32 = 1;
        let all = self.values(SCM_RIGHTS);
        all.flat_map(|value| value.as_chunks().0)
            .map(|fd| i32::from_le_bytes(*fd))
    }

    /// Who sent it.
    fn sender(self) -> Option<u32> {
        const SCM_CREDENTIALS: u32 = 2;
        let first = self.values(SCM_CREDENTIALS).next()?;
        first.first_chunk().map(|pid| u32::from_le_bytes(*pid))
    }

    /// Closes the descriptors that came: those passed, and one of the sender (SCM_PIDFD).
    fn close(self) {
        for fd in self.rights() {
            let _ = fs::close(fd);
        }
        self.close_sender();
    }

    fn close_sender(self) {
        const SCM_PIDFD: u32 = 4;
        for value in self.values(SCM_PIDFD) {
            let fd = value.first_chunk().map_or(-1, |fd| i32::from_le_bytes(*fd));
            let _ = fs::close(fd);
        }
    }
}

fn word(bytes: &[u8; 16], at: usize) -> u64 {
    let eight = bytes.get(at..).and_then(|rest| rest.first_chunk());
    u64::from_le_bytes(eight.copied().unwrap_or_default())
}

/// Everything that came with a message is there.
fn whole(sock: &Sock, got: &Received, seen: Control<'_>) -> Result<()> {
    if got.flags & socket::MSG_CTRUNC == 0 {
        return Ok(());
    }
    seen.close();
    let what = format_args!("socket with more descriptors under way than can be looked at");
    Err(refused(sock.fd, what))
}

/// The urgent byte that waits in a stream, if it is not to be read in line.
fn urgent_byte(fd: i32) -> Option<u8> {
    let inline = socket::set_number(fd, SOL_SOCKET, OOBINLINE, 0);
    let mut byte = [0];
    let got = socket::receive(fd, &mut byte, &mut [], socket::MSG_OOB | socket::MSG_PEEK);
    let back = socket::set_number(fd, SOL_SOCKET, OOBINLINE, 1);
    let whole = inline.is_ok() && back.is_ok() && got.is_ok_and(|got| got.len == 1);
    whole.then_some(byte[0])
}
