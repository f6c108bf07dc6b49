//! Multicast groups: a socket that has joined one is refused.
//!
//! No call lists the groups of a socket. /proc/net/igmp and igmp6 list those of the network, and
//! MCAST_MSFILTER answers for groups that the socket itself is in (ip_mc_gsfget, net/ipv4/igmp.c;
//! ip6_mc_msfget, net/ipv6/mcast.c).

use core::ffi::CStr;

use ckpt_format::record::family;

use super::Sock;
use crate::error::Result;
use crate::state::files::fdinfo;
use crate::state::files::kinds::refused;
use crate::sys::{fs, socket};
use crate::util::text::{decimal, find, hexadecimal, trim_start};

const SOL_IP: u32 = 0;
const SOL_IPV6: u32 = 41;

/// Fails by name if the socket is in a group; `name` is what its kind is called.
#[inline(never)]
pub(super) fn refuse(sock: &Sock, name: &str) -> Result<()> {
    let mut device = 0;
    lines(c"/proc/net/igmp", &mut |line| {
        if let Some((index, _)) = decimal(line) {
            device = index;
            return Ok(());
        }
        // The bytes of the address as this machine reads them.
        let group = hexadecimal(trim_start(line)).map_or(0, |(group, _)| group as u32);
        ask(sock, name, SOL_IP, device, &group.to_le_bytes())
    })?;
    if sock.family != family::INET6 {
        return Ok(());
    }
    lines(c"/proc/net/igmp6", &mut |line| {
        let (index, rest) = decimal(line).unwrap_or((0, &[]));
        let rest = trim_start(rest);
        let digits = trim_start(rest.get(find(rest, b' ').unwrap_or(0)..).unwrap_or(&[]));
        let mut group = [0; 16];
        for (byte, two) in group.iter_mut().zip(digits.as_chunks::<2>().0) {
            *byte = hexadecimal(two).map_or(0, |(value, _)| value as u8);
        }
        ask(sock, name, SOL_IPV6, index, &group)
    })
}

/// The lines of a list; none where the kernel knows no groups.
fn lines(path: &CStr, take: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
    match fs::open(path, fs::O_RDONLY, 0) {
        Ok(list) => fdinfo::lines_of(&list, format_args!("cannot list multicast groups"), take),
        Err(_) => Ok(()),
    }
}

fn ask(sock: &Sock, name: &str, level: u32, device: u64, group: &[u8]) -> Result<()> {
    const MCAST_MSFILTER: u32 = 48;
    let (family, at) = if level == SOL_IP {
        (family::INET, 12)
    } else {
        (family::INET6, 16)
    };
    // `struct group_filter` (linux/in.h) with room for no sources: the device, and the address of
    // the group from byte 8 on.
    let mut filter = [0; 144];
    let fields: [(usize, &[u8]); 3] = [
        (0, &(device as u32).to_le_bytes()),
        (8, &(family as u16).to_le_bytes()),
        (at, group),
    ];
    for (place, bytes) in fields {
        if let Some(to) = filter.get_mut(place..place + bytes.len()) {
            to.copy_from_slice(bytes);
        }
    }
    match socket::option(sock.fd, level, MCAST_MSFILTER, &mut filter) {
        Ok(_) => Err(refused(
            sock.fd,
            format_args!("{name} socket in a multicast group"),
        )),
        Err(_) => Ok(()),
    }
}
