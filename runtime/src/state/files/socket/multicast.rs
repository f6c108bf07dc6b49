//! What sockets have to do with network interfaces: multicast groups that they are in, with the
//! sources that they hear or do not hear, and options that name an interface by its index.
//!
//! No call lists the groups of a socket. /proc/net/igmp and igmp6 list those of the network, and
//! MCAST_MSFILTER answers for groups that the socket itself is in (ip_mc_gsfget, net/ipv4/igmp.c;
//! ip6_mc_msfget, net/ipv6/mcast.c). So each of them is asked for, of every socket.
//!
//! Indices are another host's after a move, and this host's may change when it starts. So names
//! are noted, and looked up at a restore.

use core::ffi::CStr;

use ckpt_format::limits;
use ckpt_format::record::{GROUP_FILTER, IFNAME, MSFILTER, SocketOption, family};

use super::super::kinds::refused;
use super::{Encoded, Sock, options};
use crate::error::{Context, Error, Result};
use crate::state::files::fdinfo;
use crate::sys::fs;
use crate::sys::socket::{self, SOL_SOCKET};
use crate::util::bytes::{put, word};
use crate::util::list::List;
use crate::util::text::{Show, decimal, find, hexadecimal, trim_start, until_nul};

const IP: u32 = 0;
const IPV6: u32 = 41;
/// Bytes of a source, `struct sockaddr_storage`.
const SOURCE: usize = 128;
/// Bytes of what is noted of a group without sources: the interface's name, `struct group_filter`.
const HEAD: usize = IFNAME + GROUP_FILTER;

/// Most sources that there is room for.
const SOURCES: u32 = ((limits::OPTION - HEAD) / SOURCE) as u32;

/// The groups of the network, each as it is noted.
#[derive(Debug)]
pub(super) struct Groups {
    all: List<u8>,
    /// Room for what is noted of one.
    room: List<u8>,
    /// They are listed when they are first asked for.
    listed: bool,
    /// There may be others.
    hidden: bool,
}

impl Groups {
    pub(super) fn new() -> Self {
        Self {
            all: List::new(limits::WATCHES as usize * HEAD),
            room: List::new(limits::OPTION),
            listed: false,
            hidden: false,
        }
    }

    /// Lists them; `fd` is any socket.
    fn list(&mut self, fd: i32) -> Result<()> {
        self.listed = true;
        self.room.fill(limits::OPTION)?;
        let mut device = 0;
        lines(c"/proc/net/igmp", &mut |line| {
            if let Some((index, _)) = decimal(line) {
                device = index;
                return Ok(());
            }
            // The bytes of the address as this machine reads them.
            let group = hexadecimal(trim_start(line)).map_or(0, |(group, _)| group as u32);
            self.add(fd, device, family::INET, &group.to_le_bytes())
        })?;
        lines(c"/proc/net/igmp6", &mut |line| {
            let (index, rest) = decimal(line).unwrap_or((0, &[]));
            let rest = trim_start(rest);
            let digits = trim_start(rest.get(find(rest, b' ').unwrap_or(0)..).unwrap_or(&[]));
            let mut group = [0; 16];
            for (byte, two) in group.iter_mut().zip(digits.as_chunks::<2>().0) {
                *byte = hexadecimal(two).map_or(0, |(value, _)| value as u8);
            }
            self.add(fd, index, family::INET6, &group)
        })?;
        // Which socket has an anycast address, no call tells.
        self.hidden = !fs::has_proc();
        lines(c"/proc/net/anycast6", &mut |_| {
            self.hidden = true;
            Ok(())
        })
    }

    fn add(&mut self, fd: i32, device: u64, family: u32, group: &[u8]) -> Result<()> {
        let index = device as u32;
        // The heading of a list has none, and one that has gone since has no groups.
        let Ok(name) = socket::interface_name(fd, index) else {
            return Ok(());
        };
        let at = if family == family::INET { 12 } else { 16 };
        let mut head = [0; HEAD];
        let fields: [(usize, &[u8]); 5] = [
            (0, &name),
            (IFNAME, &index.to_le_bytes()),
            (IFNAME + 8, &(family as u16).to_le_bytes()),
            (IFNAME + at, group),
            (HEAD - 4, &SOURCES.to_le_bytes()),
        ];
        for (place, bytes) in fields {
            put(&mut head, place, bytes);
        }
        self.all.append(&head)
    }

    /// Notes the groups that an Internet socket is in.
    #[inline(never)]
    pub(super) fn collect(&mut self, sock: &Sock, out: &mut Encoded) -> Result<()> {
        if !self.listed {
            self.list(sock.fd)?;
        }
        let value = self.room.as_mut_slice();
        let mut found = false;
        for head in self.all.as_slice().as_chunks::<HEAD>().0 {
            put(value, 0, head);
            let filter = value.get_mut(IFNAME..).unwrap_or(&mut []);
            let level = level_of(head);
            // One that it is not in, or of another family.
            let Ok(len) = socket::option(sock.fd, level, MSFILTER, filter) else {
                continue;
            };
            found = true;
            if word(value, HEAD - 4) > SOURCES {
                return Err(untold(sock));
            }
            let value = value.get(..IFNAME + len).unwrap_or(&[]);
            options::note(sock, level as u16, MSFILTER as u16, value, out)?;
        }
        if self.hidden && !found && has_more(sock) {
            return Err(untold(sock));
        }
        Ok(())
    }
}

#[cold]
#[inline(never)]
fn untold(sock: &Sock) -> Error {
    let what = format_args!("socket with groups or anycast addresses that nothing tells");
    refused(sock.fd, what)
}

/// The level of a group's options, by the family of its address.
fn level_of(head: &[u8; HEAD]) -> u32 {
    match word(head, IFNAME + 8) & 0xffff {
        family::INET => IP,
        _ => IPV6,
    }
}

/// Has a socket anything that costs memory beside its queues, and no filter? Groups and anycast
/// addresses do (sock_kmalloc in net/ipv4/igmp.c, net/ipv6/anycast.c).
fn has_more(sock: &Sock) -> bool {
    const MEMINFO: u32 = 55;
    // SK_MEMINFO_OPTMEM is the seventh number.
    let mut all = [0; 36];
    let _ = socket::option(sock.fd, SOL_SOCKET, MEMINFO, &mut all);
    word(&all, 24) != 0 && socket::filter(sock.fd, &mut []) == Ok(0)
}

/// The lines of a list; none where the kernel knows no groups.
fn lines(path: &CStr, take: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
    match fs::open(path, fs::O_RDONLY, 0) {
        Ok(list) => fdinfo::lines_of(&list, format_args!("cannot list multicast groups"), take),
        Err(_) => Ok(()),
    }
}

/// The value of an option that is the index of an interface, with its name before it, and the
/// length; zero for no interface, or one that has gone since.
#[inline(never)]
pub(super) fn named(fd: i32, name: u32, value: &[u8]) -> ([u8; IFNAME + 4], usize) {
    let mut named = [0; IFNAME + 4];
    let Ok(interface) = socket::interface_name(fd, swapped(word(value, 0), name)) else {
        return (named, 4);
    };
    put(&mut named, 0, &interface);
    put(&mut named, IFNAME, value);
    (named, IFNAME + 4)
}

/// An index as this machine reads it, and back: but for IPV6_MULTICAST_IF it is in the network's
/// order (do_ip_getsockopt, net/ipv4/ip_sockglue.c; do_ipv6_getsockopt, net/ipv6/ipv6_sockglue.c).
fn swapped(index: u32, name: u32) -> u32 {
    const IPV6_MULTICAST_IF: u32 = 17;
    if name == IPV6_MULTICAST_IF {
        index
    } else {
        index.swap_bytes()
    }
}

/// Sets what an option of the image says of an interface: which one a socket sends by, or a group
/// that it joins by it, and the sources that are heard there. `number` is the descriptor, for
/// messages.
#[inline(never)]
pub(super) fn restore(
    fd: i32,
    option: &SocketOption<'_>,
    (name, value): (&[u8], &[u8]),
    number: u32,
) -> Result<()> {
    const REQUEST: usize = 136;
    const MCAST_EXCLUDE: u32 = 0;
    const JOIN_GROUP: u32 = 42;
    const BLOCK_SOURCE: u32 = 43;
    const JOIN_SOURCE_GROUP: u32 = 46;
    let by = Show(until_nul(name));
    let what = format_args!("descriptor {number}: cannot use network interface {by}");
    let index = socket::interface_index(fd, name).or_fail(what)?;
    if !option.is_group() {
        let index = swapped(index, option.name);
        return socket::set_number(fd, option.level, option.name, index).or_fail(what);
    }
    let (head, sources) = value.split_at_checked(GROUP_FILTER).unwrap_or_default();
    // `struct group_source_req`: index and group as in the filter, which is a `struct group_req` by
    // itself; then a source.
    let mut request = [0; REQUEST + SOURCE];
    put(&mut request, 0, head.get(..REQUEST).unwrap_or(&[]));
    put(&mut request, 0, &index.to_le_bytes());
    let mut by_source = JOIN_SOURCE_GROUP;
    let mut done = Ok(());
    if word(head, REQUEST) == MCAST_EXCLUDE {
        by_source = BLOCK_SOURCE;
        let request = request.get(..REQUEST).unwrap_or(&[]);
        done = socket::set_option(fd, option.level, JOIN_GROUP, request);
    }
    for source in sources.as_chunks::<SOURCE>().0 {
        put(&mut request, REQUEST, source);
        done = done.and_then(|()| socket::set_option(fd, option.level, by_source, &request));
    }
    done.or_fail(what)
}
