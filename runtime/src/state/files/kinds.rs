//! Names of the kinds of descriptor that are not carried.

use core::fmt;

use super::fdinfo;
use super::{S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFMT, S_IFSOCK};
use crate::allow;
use crate::error::{Error, Result};
use crate::sys::fs::{self, Stat};
use crate::sys::socket::{self, About};
use crate::util::text::{Show, after, before, hexadecimal, labelled};

/// The error of a descriptor that is not carried.
#[cold]
pub(super) fn refused(fd: i32, kind: fmt::Arguments<'_>) -> Error {
    Error::new(format_args!("descriptor {fd}: {kind}: not carried"))
}

/// Refuses a descriptor, unless the user accepts the loss.
#[inline(never)]
pub(super) fn lost(kind: allow::Kind, fd: i32, what: fmt::Arguments<'_>) -> Result<()> {
    if allow::accepts(kind, format_args!("descriptor {fd}: {what}")) {
        Ok(())
    } else {
        Err(refused(fd, what))
    }
}

/// The error of a descriptor that is not carried, whatever it is.
#[cold]
pub(super) fn refuse(fd: i32, stat: &Stat, link: Option<&[u8]>) -> Error {
    let path = Show(link.unwrap_or(b"of unknown name"));
    let named = link.is_some_and(|link| link.first() == Some(&b'/'));
    match stat.st_mode & S_IFMT {
        S_IFSOCK => refuse_socket(fd),
        S_IFIFO if named => refused(fd, format_args!("FIFO {path}")),
        S_IFIFO => refused(fd, format_args!("pipe to another process")),
        S_IFCHR if fs::is_terminal(fd) => refused(fd, format_args!("terminal {path}")),
        S_IFCHR | S_IFBLK => refused(fd, format_args!("device {path}")),
        S_IFDIR => refused(fd, format_args!("directory {path}")),
        0 => anonymous(fd, link.unwrap_or(b"anonymous file")),
        _ => special(fd, link.unwrap_or(b"file of unknown name")),
    }
}

/// A regular file that has no path: a namespace is `net:[4026531840]`.
pub(super) fn special(fd: i32, link: &[u8]) -> Error {
    let shown = Show(link);
    if link.ends_with(b"]") && link.contains(&b'[') {
        return refused(fd, format_args!("namespace {shown}"));
    }
    refused(fd, format_args!("{shown}"))
}

/// The error of a socket that is not carried.
#[cold]
pub(super) fn refuse_socket(fd: i32) -> Error {
    const AF_INET: u32 = 2;
    const AF_INET6: u32 = 10;
    const AF_NETLINK: u32 = 16;
    const AF_PACKET: u32 = 17;
    const AF_VSOCK: u32 = 40;
    let ask = |about| socket::ask(fd, about).unwrap_or(u32::MAX);
    let protocol = ask(About::Protocol);
    match ask(About::Family) {
        AF_INET | AF_INET6 => refused(fd, format_args!("IP socket of protocol {protocol}")),
        AF_NETLINK => refused(fd, format_args!("netlink socket of protocol {protocol}")),
        AF_PACKET => refused(fd, format_args!("packet socket")),
        AF_VSOCK => refused(fd, format_args!("vsock socket")),
        family => refused(fd, format_args!("socket of family {family}")),
    }
}

/// What /proc calls `anon_inode:NAME`, the name often in brackets.
fn anonymous(fd: i32, link: &[u8]) -> Error {
    let name = after(link, b"anon_inode:").unwrap_or(link);
    let bare = name
        .strip_prefix(b"[")
        .and_then(|n| before(n, b"]"))
        .unwrap_or(name);
    match bare {
        b"eventpoll" => refused(fd, format_args!("epoll")),
        b"io_uring" => ring(fd),
        b"bpf-map" => refused(fd, format_args!("bpf map")),
        b"bpf-prog" => refused(fd, format_args!("bpf program")),
        other => refused(fd, format_args!("{}", Show(other))),
    }
}

/// An io_uring, with what is in it (io_uring_show_fdinfo() in io_uring/fdinfo.c).
fn ring(fd: i32) -> Error {
    let mut room = [0; 1024];
    let text = fdinfo::read(fd, &mut room).unwrap_or(&[]);
    let number = |label| fdinfo::number(text, label).unwrap_or(0);
    let between = |head, tail| number(tail).wrapping_sub(number(head));
    let mask = labelled(text, b"SqMask:\t0x").and_then(hexadecimal);
    refused(
        fd,
        format_args!(
            "io_uring of {} entries ({} not submitted, {} completed, {} files, {} buffers)",
            mask.map_or(0, |(n, _)| n + 1),
            between(b"SqHead:", b"SqTail:"),
            between(b"CqHead:", b"CqTail:"),
            number(b"UserFiles:"),
            number(b"UserBufs:")
        ),
    )
}
