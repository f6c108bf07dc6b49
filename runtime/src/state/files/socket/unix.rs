//! Unix sockets: names, pairs, connections by name, and those that wait to be accepted.

use ckpt_format::record::{socket_flag, socket_state};

use super::super::kinds::{lost, refused};
use super::super::{S_IFMT, S_IFSOCK};
use super::diag::Diag;
use super::dump::Waiting;
use super::{Shown, Sock};
use crate::allow::Kind;
use crate::error::Result;
use crate::sys::socket::{self, About, DATAGRAM, Name, SOL_SOCKET};
use crate::sys::{fs, process};
use crate::util::list::List;
use crate::util::text::{PathText, until_nul};

/// The path that is the name; `None` for an abstract name or none.
pub(super) fn path(name: &Name) -> Option<PathText> {
    match name.rest() {
        [] | [0, ..] => None,
        path => {
            let mut text = PathText::new();
            text.push(until_nul(path));
            Some(text)
        }
    }
}

/// Asks the kernel about a socket whose names are known.
#[inline(never)]
pub(super) fn look(mut sock: Sock, diag: &Diag, waiting: &mut List<Waiting>) -> Result<Sock> {
    let fd = sock.fd;
    let shown = Shown(&sock.local);
    let listening = socket::ask(fd, About::Listening) == Ok(1);
    // One without a name has no address to tell, but it is there.
    let connected = socket::name(fd, true).is_ok();
    let facts = diag.unix(sock.ino)?;
    let Some(facts) = facts else {
        if listening || connected || sock.local.is_some() {
            let what = format_args!("Unix socket{shown}, of which nothing is told (no sock_diag)");
            return Err(refused(fd, what));
        }
        return Ok(sock);
    };
    sock.flags = facts.shut;
    if let (Some(path), Some(file)) = (path(&sock.local), facts.file) {
        let there = fs::stat(path.as_c());
        match there {
            Ok(stat) if stat.st_mode & S_IFMT == S_IFSOCK && stat.st_ino as u32 == file => {
                sock.mode = stat.st_mode & 0o7777;
            }
            _ if path.as_bytes().first() != Some(&b'/') => {
                let what = format_args!("Unix socket{shown}, to which its name does not lead");
                return Err(refused(fd, what));
            }
            _ => sock.flags |= socket_flag::UNLINKED,
        }
    }
    if listening {
        sock.state = socket_state::LISTENING;
        sock.backlog = facts.backlog;
        let (ends, _) = facts.ends.as_chunks();
        for (place, end) in (0..).zip(ends) {
            waiting.push(Waiting {
                end: u32::from_le_bytes(*end),
                listener: sock.file,
                place,
            })?;
        }
        if ends.len() < facts.waiting as usize {
            let count = facts.waiting;
            let what =
                format_args!("listening Unix socket{shown} with {count} waiting connections");
            return Err(refused(fd, what));
        }
    } else if connected {
        const POLLERR: u16 = 8;
        sock.state = socket_state::CONNECTED;
        sock.peer_ino = facts.peer.unwrap_or(0);
        if fs::events(fd, 0).is_ok_and(|events| events & POLLERR != 0) {
            sock.flags |= socket_flag::ERROR;
        }
    }
    Ok(sock)
}

/// May something be in its queue?
pub(super) fn may_have_messages(sock: &Sock) -> bool {
    sock.kind == DATAGRAM || sock.state == socket_state::CONNECTED
}

/// Does whatever is in it come from its other end?
pub(super) fn has_one_sender(sock: &Sock) -> bool {
    sock.state == socket_state::CONNECTED && !(sock.local.is_some() && sock.remote.is_some())
}

/// Finds the other end.
pub(super) fn join(sock: &Sock, all: &[Sock]) -> Result<Sock> {
    let mut sock = *sock;
    match sock.state {
        socket_state::CONNECTED => {}
        socket_state::WAITING => return sent_nothing(&sock).map(|()| sock),
        _ => return Ok(sock),
    }
    let datagrams = sock.kind == DATAGRAM;
    let both = socket_flag::NO_READING | socket_flag::NO_WRITING;
    match all.iter().find(|other| other.ino == sock.peer_ino) {
        Some(other) if other.peer_ino == sock.ino => {
            sock.set_peer(socket_state::CONNECTED, Some(other.file));
        }
        Some(other) if datagrams => sock.set_peer(socket_state::DIRECTED, Some(other.file)),
        None if sock.peer_ino == 0 && (datagrams || sock.flags & both == both) => {
            sock.state = socket_state::CLOSED;
        }
        // A service that takes datagrams, such as the system's log.
        None if datagrams && sock.remote.is_some() => sock.state = socket_state::ADDRESSED,
        _ => {
            foreign(&sock)?;
            sock.state = socket_state::CLOSED;
        }
    }
    Ok(sock)
}

fn sent_nothing(sock: &Sock) -> Result<()> {
    match fs::unsent_bytes(sock.fd) {
        Ok(0) => Ok(()),
        _ => {
            let shown = Shown(&sock.remote);
            let what = format_args!(
                "Unix socket to{shown} with something sent before the connection was accepted"
            );
            Err(refused(sock.fd, what))
        }
    }
}

#[cold]
fn foreign(sock: &Sock) -> Result<()> {
    const SO_PEERCRED: u32 = 17;
    let shown = Shown(&sock.remote);
    let mut credentials = [0; 12];
    let got = socket::option(sock.fd, SOL_SOCKET, SO_PEERCRED, &mut credentials);
    let pid = credentials
        .first_chunk()
        .map_or(0, |pid| u32::from_le_bytes(*pid));
    // Of a pair, both ends have the credentials of the process that made it.
    if got.is_ok() && pid != 0 && pid != process::id() {
        let what = format_args!("Unix socket to process {pid}{shown}");
        return lost(Kind::Unix, sock.fd, what);
    }
    let what = format_args!("Unix socket to another process{shown}");
    lost(Kind::Unix, sock.fd, what)
}
