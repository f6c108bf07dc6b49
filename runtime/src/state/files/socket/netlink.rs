//! Netlink sockets, which talk to the kernel: port, groups, and nothing that waits.

use super::super::kinds::{refuse_socket, refused};
use super::{Encoded, Sock, options};
use crate::error::{Context, Result};
use crate::sys::socket::{self, Name};
use crate::sys::{Errno, fs};

/// Level of the options.
const NETLINK: u16 = 270;

/// Those whose sockets have no more state than this: ROUTE, SOCK_DIAG, KOBJECT_UEVENT, GENERIC.
const PLAIN: [u32; 4] = [0, 4, 15, 16];

/// Asks the kernel about a socket.
#[inline(never)]
pub(super) fn look(mut sock: Sock) -> Result<Sock> {
    const POLLIN: u16 = 1;
    const POLLERR: u16 = 8;
    // `struct sockaddr_nl`: port and groups, of another process if they are not zero.
    let is_kernel = |name: &Name| name.rest().iter().all(|&byte| byte == 0);
    if !PLAIN.contains(&sock.protocol) || !is_kernel(&sock.remote) {
        return Err(refuse_socket(sock.fd));
    }
    if fs::events(sock.fd, POLLIN).unwrap_or(POLLERR) & (POLLIN | POLLERR) != 0 {
        let what = format_args!("netlink socket, at which something waits to be read");
        return Err(refused(sock.fd, what));
    }
    sock.remote = Name::NONE;
    if is_kernel(&sock.local) {
        sock.local = Name::NONE;
    }
    Ok(sock)
}

/// Notes the groups that a socket is in, each as the option that joins it.
pub(super) fn collect(sock: &Sock, out: &mut Encoded) -> Result<()> {
    const ADD_MEMBERSHIP: u16 = 1;
    const LIST_MEMBERSHIPS: u32 = 9;
    let mut groups = [0; 128];
    let got = socket::option(sock.fd, NETLINK.into(), LIST_MEMBERSHIPS, &mut groups).or_fail(
        format_args!("cannot ask for the groups of descriptor {}", sock.fd),
    )?;
    for group in 0..8 * got.min(groups.len()) {
        let byte = groups.get(group / 8).copied().unwrap_or(0);
        if byte >> (group % 8) & 1 != 0 {
            let number = group as u32 + 1;
            options::note(sock, NETLINK, ADD_MEMBERSHIP, &number.to_le_bytes(), out)?;
        }
    }
    Ok(())
}

/// Gives a new socket its port: the old one, which the program may know, or one that is free. Its
/// groups are joined later.
pub(super) fn bind(fd: i32, sock: &Sock, number: u32) -> Result<()> {
    const IN_USE: Errno = Errno(98);
    let mut name = [0; 12];
    for (to, byte) in name.iter_mut().zip(sock.local.as_bytes().iter().take(8)) {
        *to = *byte;
    }
    let done = match socket::bind(fd, &name) {
        Err(IN_USE) => {
            name[4..].fill(0);
            socket::bind(fd, &name)
        }
        done => done,
    };
    done.or_fail(format_args!(
        "descriptor {number}: cannot bind its netlink socket"
    ))
}
