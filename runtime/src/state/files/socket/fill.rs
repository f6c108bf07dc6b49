//! Sends what was in the queues again.

use ckpt_format::DecodeError;
use ckpt_format::record::{Message, Right, family, message_flag};
use ckpt_format::toc::kind;

use super::queue::PASSCRED;
use super::restore::{Made, number, stands_alone};
use super::{Sock, inet, tcp};
use crate::error::{Context, Result, fail};
use crate::image::input::{Image, InImage};
use crate::sys::SysResult;
use crate::sys::fs::{self, Fd};
use crate::sys::socket::{self, DATAGRAM, MSG_OOB, Name, SOL_SOCKET, STREAM};
use crate::util::arena::Arena;

/// Bytes of a stream sent at a time.
const CHUNK: usize = 64 << 10;
/// Descriptors in one message, SCM_MAX_FD.
const RIGHTS: usize = 253;
const SO_SNDBUF: u32 = 7;
/// Bytes that a connection of TCP takes at once.
const FRESH: u64 = 1 << 20;

/// Fills all queues; `places` has a descriptor for every file.
pub(super) fn all(made: &Made<'_>, arena: &Arena, image: &Image<'_>, places: &[i32]) -> Result<()> {
    let messages = || image.list::<Message<'_>>(kind::MESSAGES);
    let longest = messages().map(|message| message.len as usize).max();
    let Some(longest) = longest else {
        return Ok(());
    };
    let buffer = arena.bytes(longest.max(CHUNK), 1)?;
    let mut rights = image.list::<Right>(kind::RIGHTS);
    let mut at = 0;
    let mut current = u32::MAX;
    for message in messages() {
        let begins = message.file != current;
        if begins {
            (current, at) = (message.file, 0);
        }
        let Some(n) = made.find(message.file) else {
            return Err(DecodeError::Value("message in a socket")).within(&image.path);
        };
        let mut control = Rights::new();
        for right in rights.by_ref().take(message.rights as usize) {
            control.push(places.get(right.file as usize).copied().unwrap_or(-1));
        }
        let what = format_args!(
            "descriptor {}: cannot put a message of {} bytes in its queue",
            number(image, message.file),
            message.len
        );
        let (sender, to) = sender(made, n, &message, places).or_fail(what)?;
        let sock = made.sock(n);
        let receiver = place(places, &sock);
        prepare(&sock, &message, [sender.number(), receiver]).or_fail(what)?;
        let is_tcp = tcp::is_connection(&sock);
        if is_tcp && begins && made.slot(n).len > FRESH {
            tcp::warm_up(sender.number(), receiver, buffer).or_fail(what)?;
        }
        let flags = if message.flags & message_flag::URGENT != 0 {
            MSG_OOB
        } else {
            0
        };
        let end = at + u64::from(message.len);
        let mut first = true;
        while first || at < end {
            let most = if sock.kind == STREAM { CHUNK } else { longest };
            let len = usize::try_from(end - at).unwrap_or(most).min(most);
            let piece = buffer.get_mut(..len).unwrap_or(&mut []);
            let got = fs::read_at(made.slot(n).contents, piece, at).or_fail(what)?;
            let piece = piece.get(..got).unwrap_or(&[]);
            let control = if first { control.as_bytes() } else { &[] };
            let to = to.as_ref().map_or(&[][..], |name| name.as_bytes());
            let send = || socket::send(sender.number(), piece, control, to, flags);
            let sent = if inet::may_be_read(&sock) {
                inet::deliver(receiver, &sock, message.from, send)
            } else if is_tcp && flags == 0 {
                tcp::send_all(sender.number(), piece).map(|()| piece.len())
            } else {
                send()
            };
            let sent = sent.or_fail(what)?;
            if sent == 0 && len > 0 {
                fail!("{what}");
            }
            at += sent as u64;
            first = false;
        }
    }
    Ok(())
}

/// Sets what a message takes, at its sender and its receiver.
fn prepare(sock: &Sock, message: &Message<'_>, [sender, receiver]: [i32; 2]) -> SysResult<()> {
    if sock.family == family::UNIX {
        let credentials = message.flags & message_flag::CREDENTIALS;
        socket::set_number(receiver, SOL_SOCKET, PASSCRED, credentials)?;
    }
    if tcp::is_connection(sock) {
        // Its buffers grow by themselves.
        return Ok(());
    }
    // As much as is allowed; the program's own setting follows.
    socket::set_number(sender, SOL_SOCKET, SO_SNDBUF, 1 << 29)
}

fn place(places: &[i32], sock: &Sock) -> i32 {
    places.get(sock.file as usize).copied().unwrap_or(-1)
}

/// Who sends.
enum Sender {
    /// A socket of the program's, or the other end of one.
    There(i32),
    /// One for this message.
    New(Fd),
}

impl Sender {
    fn number(&self) -> i32 {
        match self {
            Self::There(fd) => *fd,
            Self::New(fd) => fd.number(),
        }
    }
}

/// Who sends a message to the n-th socket, and to which name if it has to say so.
fn sender(
    made: &Made<'_>,
    n: usize,
    message: &Message<'_>,
    places: &[i32],
) -> SysResult<(Sender, Option<Name>)> {
    let sock = made.sock(n);
    if !stands_alone(&sock) {
        let helper = Some(made.slot(n).other).filter(|&fd| fd >= 0);
        let peer = || made.find(sock.peer).map(|m| place(places, &made.sock(m)));
        return Ok((Sender::There(helper.or_else(peer).unwrap_or(-1)), None));
    }
    if inet::is(sock.family)
        && let Some(other) = inet::own_sender(made, message.from)
    {
        let other = made.sock(other);
        let to = inet::reach(&sock, message.from, other.family);
        return Ok((Sender::There(place(places, &other)), Some(to)));
    }
    let of = |other: &&Sock| other.kind == DATAGRAM && other.local.as_bytes() == message.from;
    if !message.from.is_empty()
        && let Some(other) = made.all.iter().find(of)
    {
        return Ok((Sender::There(place(places, other)), Some(sock.local)));
    }
    let new = socket::open(sock.family, sock.kind, sock.protocol)?;
    if !message.from.is_empty() {
        socket::bind(new.number(), message.from)?;
    }
    let to = if inet::is(sock.family) {
        inet::reach(&sock, message.from, sock.family)
    } else {
        sock.local
    };
    Ok((Sender::New(new), Some(to)))
}

/// A control message with descriptors.
struct Rights {
    bytes: [u8; 16 + 4 * RIGHTS],
    len: usize,
}

impl Rights {
    fn new() -> Self {
        Self {
            bytes: [0; 16 + 4 * RIGHTS],
            len: 16,
        }
    }

    fn push(&mut self, fd: i32) {
        if let Some(to) = self.bytes.get_mut(self.len..self.len + 4) {
            to.copy_from_slice(&fd.to_le_bytes());
            self.len += 4;
        }
        // Length, level SOL_SOCKET, type SCM_RIGHTS.
        let head = [self.len as u64, 1 << 32 | u64::from(SOL_SOCKET)];
        for (to, word) in self.bytes.chunks_exact_mut(8).zip(head) {
            to.copy_from_slice(&word.to_le_bytes());
        }
    }

    /// Nothing if there are none.
    fn as_bytes(&self) -> &[u8] {
        let len = if self.len > 16 { self.len } else { 0 };
        self.bytes.get(..len).unwrap_or(&[])
    }
}
