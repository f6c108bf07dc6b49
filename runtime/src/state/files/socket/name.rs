//! Names of sockets at a restore: given to new sockets, also where the old process has left
//! its file behind.

use ckpt_format::record::{family, socket_flag};

use super::super::{S_IFMT, S_IFSOCK};
use super::unix::path;
use super::{Shown, Sock, inet, netlink};
use crate::error::{Context, Result, fail};
use crate::sys::socket::{self, DATAGRAM};
use crate::sys::{Errno, fs};

const TAKEN: Errno = Errno(98);
const REFUSED: Errno = Errno(111);

/// Gives a new socket the name of `sock`, whose descriptor is `number` for messages.
///
/// The file of a process that was killed stays, and nothing listens there. It is replaced if it is
/// a socket that no process has: connecting a datagram socket finds any socket that has the file
/// (EPROTOTYPE if it is of another kind), does it no harm, and is refused only where there is none
/// (unix_find_bsd, net/unix/af_unix.c).
#[inline(never)]
pub(super) fn give(fd: i32, sock: &Sock, number: u32) -> Result<()> {
    if !sock.local.is_some() {
        return Ok(());
    }
    if sock.family == family::NETLINK {
        return netlink::bind(fd, sock, number);
    }
    if inet::is(sock.family) {
        return inet::bind(fd, sock, number);
    }
    let shown = Shown(&sock.local);
    let name = sock.local.as_bytes();
    let what = format_args!("descriptor {number}: cannot bind{shown}");
    let path = path(&sock.local);
    match (socket::bind(fd, name), &path) {
        (Err(TAKEN), Some(path)) => {
            let there = fs::stat(path.as_c()).or_fail(what)?;
            if there.st_mode & S_IFMT != S_IFSOCK {
                fail!("descriptor {number}: the name{shown} of its socket is another file's now");
            }
            let probe = socket::open(family::UNIX, DATAGRAM, 0).or_fail(what)?;
            if socket::connect(probe.number(), name) != Err(REFUSED) {
                return taken(sock, number);
            }
            fs::unlink(path.as_c()).or_fail(what)?;
            socket::bind(fd, name).or_fail(what)?;
        }
        (Err(TAKEN), None) => return taken(sock, number),
        (done, _) => done.or_fail(what)?,
    }
    match path {
        // The creation mask is this process's.
        Some(path) if !sock.has(socket_flag::UNLINKED) => {
            fs::set_mode_of(path.as_c(), sock.mode).or_fail(what)
        }
        _ => Ok(()),
    }
}

#[cold]
fn taken(sock: &Sock, number: u32) -> Result<()> {
    let shown = Shown(&sock.local);
    fail!("descriptor {number}: the name{shown} of its socket is taken by another process")
}
