//! Sockets, their options, and what is in their queues.

use anyhow::Result;
use ckpt_format::limits;
use ckpt_format::record::{
    Descriptor, File, GROUP_FILTER, IFNAME, Message, Right, Socket, SocketOption, family,
    file_kind, message_flag, socket_state,
};
use ckpt_format::toc::kind;
use ckpt_tests::image::list;

use super::{count, files_with};
use crate::victim::Cases;

/// Longer than any address, of Unix sockets.
static LONG: [u8; 113] = {
    let mut name = [b'n'; 113];
    name[0] = 1;
    name[1] = 0;
    name
};
static VALUE: [u8; limits::OPTION + 1] = [0; limits::OPTION + 1];

#[test]
fn sockets() -> Result<()> {
    let mut cases = Cases::new("sockets")?;
    let parts = cases.parts();
    let files = count(parts.bytes(kind::FILES));
    let with = |change: &dyn Fn(&mut Vec<Socket<'_>>)| {
        let sockets = parts.with(kind::SOCKETS, |b| {
            list(b, |all: &mut Vec<Socket<'_>>| change(all))
        });
        sockets.build()
    };
    let what = "impossible value: socket";
    cases.refused("another file", &with(&|s| s[0].file -= 1), what);
    cases.refused("no such file", &with(&|s| s[1].file = files), what);
    cases.refused("out of order", &with(&|s| s.swap(0, 1)), what);
    cases.refused("one too many", &with(&|s| s.push(s[1])), what);
    cases.refused("none", &with(&|s| s.clear()), what);
    for family in [0, 3, 9, u32::MAX] {
        let bad = with(&|s| s[0].family = family);
        cases.refused(&format!("family {family}"), &bad, what);
    }
    cases.refused("kind", &with(&|s| s[0].kind = 6), what);
    let beyond = socket_state::RESET + 1;
    cases.refused("state", &with(&|s| s[0].state = beyond), what);
    cases.refused("no peer", &with(&|s| s[0].peer = u32::MAX), what);
    cases.refused("peer nowhere", &with(&|s| s[0].peer = files), what);
    cases.refused("peer that is no socket", &with(&|s| s[0].peer = 0), what);
    let waiting = with(&|s| s[0].state = socket_state::WAITING);
    cases.refused("waiting where nobody listens", &waiting, what);
    let all: Vec<Socket<'_>> = parts.all(kind::SOCKETS);
    let waits = all.iter().position(|s| s.state == socket_state::WAITING);
    let waits = waits.expect("one that waits");
    let gap = with(&|s| s[waits].backlog = 1);
    let place = "impossible value: place in a socket's backlog";
    cases.refused("nobody waits before it", &gap, place);
    let idle = with(&|s| s[0].state = socket_state::IDLE);
    cases.refused("peer of none", &idle, what);
    cases.refused("flags", &with(&|s| s[0].flags = 16), what);
    cases.refused("mode", &with(&|s| s[0].mode = 0o10000), what);
    cases.refused("long name", &with(&|s| s[0].local = &LONG), what);
    cases.refused("long peer's name", &with(&|s| s[0].remote = &LONG), what);
    cases.refused("half a family", &with(&|s| s[0].local = &[1]), what);
    let other = with(&|s| s[0].remote = &[2, 0, 0, 0]);
    cases.refused("name of another family", &other, what);
    cases.end()
}

#[test]
fn options() -> Result<()> {
    let mut cases = Cases::new("socket-options")?;
    let parts = cases.parts();
    let with = |change: &dyn Fn(&mut Vec<SocketOption<'_>>)| {
        let options = parts.with(kind::SOCKET_OPTIONS, |b| {
            list(b, |all: &mut Vec<SocketOption<'_>>| change(all))
        });
        options.build()
    };
    let what = "impossible value: socket option";
    cases.refused("of no socket", &with(&|o| o[0].file = 0), what);
    cases.refused("no such file", &with(&|o| o[0].file = u32::MAX), what);
    cases.refused("out of order", &with(&|o| o.reverse()), what);
    cases.refused("long", &with(&|o| o[0].value = &VALUE), what);
    cases.end()
}

/// What one about an interface says of it: the name that stands first in its value.
fn by_interface(options: &mut [SocketOption<'_>], group: bool, change: &dyn Fn(&mut Vec<u8>)) {
    let found = options.iter_mut().find(|option| {
        let is_index = (option.level, option.name) == (0, 50) && option.value.len() > 4;
        option.is_group() == group && (group || is_index)
    });
    let option = found.expect("such an option");
    let mut value = option.value.to_vec();
    change(&mut value);
    option.value = value.leak();
}

#[test]
fn groups() -> Result<()> {
    /// Where `struct group_filter` has the family, the group's address, the mode, the number of
    /// sources, the first of them.
    const FAMILY: usize = IFNAME + 8;
    const GROUP: usize = IFNAME + 12;
    const MODE: usize = IFNAME + 136;
    const COUNT: usize = IFNAME + 140;
    const FIRST: usize = IFNAME + GROUP_FILTER;
    let mut cases = Cases::new("groups")?;
    let parts = cases.parts();
    let with = |change: &dyn Fn(&mut Vec<SocketOption<'_>>)| {
        let options = parts.with(kind::SOCKET_OPTIONS, |b| {
            list(b, |all: &mut Vec<SocketOption<'_>>| change(all))
        });
        options.build()
    };
    let group = |change: &dyn Fn(&mut Vec<u8>)| with(&|o| by_interface(o, true, change));
    let index = |change: &dyn Fn(&mut Vec<u8>)| with(&|o| by_interface(o, false, change));
    let what = "impossible value: socket option";
    cases.refused("no name", &group(&|v| v[0] = 0), what);
    cases.refused("endless name", &group(&|v| v[..IFNAME].fill(b'n')), what);
    cases.refused("no filter", &group(&|v| v.truncate(IFNAME)), what);
    cases.refused("nothing", &group(&|v| v.clear()), what);
    cases.refused("another family", &group(&|v| v[FAMILY] = 10), what);
    cases.refused("half another family", &group(&|v| v[FAMILY + 1] = 1), what);
    cases.refused("no group", &group(&|v| v[GROUP] = 223), what);
    cases.refused("no group either", &group(&|v| v[GROUP] = 240), what);
    cases.refused("mode", &group(&|v| v[MODE] = 2), what);
    cases.refused("fewer sources", &group(&|v| v[COUNT] = 0), what);
    cases.refused("more sources", &group(&|v| v[COUNT] = 2), what);
    cases.refused("countless", &group(&|v| v[COUNT..FIRST].fill(255)), what);
    cases.refused("longer", &group(&|v| v.push(0)), what);
    cases.refused("index without a name", &index(&|v| v[0] = 0), what);
    cases.refused("long index", &index(&|v| v.push(0)), what);
    cases.refused("short index", &index(&|v| v.truncate(IFNAME + 3)), what);

    let sockets: Vec<Socket<'_>> = parts.all(kind::SOCKETS);
    let socket = sockets.iter().find(|socket| socket.family == family::INET);
    let of_socket = |d: &&Descriptor| socket.is_some_and(|socket| socket.file == d.file);
    let open: Vec<Descriptor> = parts.all(kind::DESCRIPTORS);
    let fd = open.iter().find(of_socket).expect("its descriptor").fd;
    let elsewhere = |v: &mut Vec<u8>| v[..3].copy_from_slice(b"no!");
    let what = format!("descriptor {fd}: cannot use network interface");
    let none = format!("{what} no!: error 19");
    cases.refused_with("group elsewhere", &group(&elsewhere), &none);
    cases.refused_with("index elsewhere", &index(&elsewhere), &none);
    let many = |v: &mut Vec<u8>| {
        let mut one = v[FIRST..].to_vec();
        v[COUNT] = 64;
        for last in 2..=64 {
            one[7] = last;
            v.extend(&one);
        }
    };
    let full = format!("{what} lo: error 105");
    cases.refused_with("more sources than are allowed", &group(&many), &full);
    let strange = format!("{what} lo: error 99");
    let stranger = |v: &mut Vec<u8>| v[FIRST] = 10;
    cases.refused_with("source of another family", &group(&stranger), &strange);
    cases.end()
}

#[test]
fn messages() -> Result<()> {
    let mut cases = Cases::new("messages")?;
    let parts = cases.parts();
    let files = count(parts.bytes(kind::FILES));
    let with = |change: &dyn Fn(&mut Vec<Message<'_>>)| {
        let messages = parts.with(kind::MESSAGES, |b| {
            list(b, |all: &mut Vec<Message<'_>>| change(all))
        });
        messages.build()
    };
    let what = "impossible value: message in a socket";
    cases.refused("of no socket", &with(&|m| m[0].file = 0), what);
    cases.refused("no such file", &with(&|m| m[0].file = files), what);
    cases.refused("longer", &with(&|m| m[0].len += 1), what);
    cases.refused("shorter", &with(&|m| m[0].len -= 1), what);
    cases.refused("flags", &with(&|m| m[0].flags = 4), what);
    let urgent = message_flag::URGENT;
    cases.refused("much that is urgent", &with(&|m| m[0].flags = urgent), what);
    cases.refused("more rights", &with(&|m| m[0].rights += 1), what);
    cases.refused("fewer rights", &with(&|m| m[0].rights = 0), what);
    cases.refused("many rights", &with(&|m| m[0].rights = 254), what);
    cases.refused("long name", &with(&|m| m[0].from = &LONG), what);
    let open: Vec<File<'_>> = parts.all(kind::FILES);
    let filled = |file: &File<'_>| file.kind == file_kind::SOCKET && file.pos != 0;
    let full = open.iter().position(filled).expect("a socket");
    let bad = files_with(&parts, full, |file| file.pos += 1);
    let elsewhere = "impossible value: open file";
    cases.refused("more in the queue", &bad, elsewhere);
    let right = parts.with(kind::RIGHTS, |b| {
        list(b, |all: &mut Vec<Right>| all[0].file = files)
    });
    let what = "impossible value: descriptor in a message";
    cases.refused("right to no file", &right.build(), what);
    cases.end()
}
