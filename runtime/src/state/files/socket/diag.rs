//! What sock_diag(7) tells of a socket: any user may ask, and no other call names the other
//! end of a pair.

use ckpt_format::record::family;

use crate::error::{Context, Result};
use crate::sys::address::Address;
use crate::sys::fs::Fd;
use crate::sys::socket::{self, DATAGRAM};
use crate::util::arena::Arena;
use crate::util::bytes::word;

/// Room for an answer: the kernel gives up at a page (unix_diag_get_exact, net/unix/diag.c).
const ANSWER: usize = 8192;
/// What is asked for: name, file, other end, waiting connections, queue lengths. Without waiting
/// connections where their list is too long.
const SHOW: u32 = 0x1f;
const SHOW_WAITING: u32 = 8;

/// What is told of a socket.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Facts<'a> {
    /// Inode of the other end; zero if it is closed, or was not accepted yet.
    pub(super) peer: Option<u32>,
    /// Inode of the file that is its name.
    pub(super) file: Option<u32>,
    /// Shut down for: 1 reading, 2 writing.
    pub(super) shut: u32,
    /// Of a listening socket: connections that wait, and that may.
    pub(super) waiting: u32,
    pub(super) backlog: u32,
    /// Inodes of their other ends, in their order, four bytes each.
    pub(super) ends: &'a [u8],
}

/// A way to ask.
#[derive(Debug)]
pub(super) struct Diag {
    socket: Option<Fd>,
    arena: Arena,
}

impl Diag {
    pub(super) fn new() -> Result<Self> {
        const AF_NETLINK: u32 = 16;
        const NETLINK_SOCK_DIAG: u32 = 4;
        Ok(Self {
            // Filters of containers may not allow it.
            socket: socket::open(AF_NETLINK, DATAGRAM, NETLINK_SOCK_DIAG).ok(),
            arena: Arena::new(1 << 30)?,
        })
    }

    /// May anything be asked?
    pub(super) fn answers(&self) -> bool {
        self.socket.is_some()
    }

    /// Sends a request, whose head is `struct nlmsghdr`: length, type SOCK_DIAG_BY_FAMILY, flags
    /// (NLM_F_REQUEST), sequence, port. Tells what comes behind the head of the answer; `None` if
    /// nobody answers, or with an error: the socket is unknown, or the answer too long.
    #[inline(never)]
    fn ask(&self, request: &[u32]) -> Result<Option<&[u8]>> {
        const HEAD: usize = 16;
        let Some(socket) = &self.socket else {
            return Ok(None);
        };
        let mut bytes = [0; 72];
        let len = HEAD + 4 * request.len();
        let head = [len as u32, 1 << 16 | 20, 0, 0];
        let words = head.iter().chain(request);
        for (to, word) in bytes.chunks_exact_mut(4).zip(words) {
            to.copy_from_slice(&word.to_le_bytes());
        }
        let what = format_args!("cannot ask for sockets' other ends");
        let bytes = bytes.get(..len).unwrap_or(&[]);
        socket::send(socket.number(), bytes, &[], &[], 0).or_fail(what)?;
        let answer = self.arena.bytes(ANSWER, 8)?;
        let got = socket::receive(socket.number(), answer, &mut [], 0).or_fail(what)?;
        if word(answer, 4) & 0xffff != 20 {
            return Ok(None);
        }
        Ok(answer.get(HEAD..got.len))
    }

    /// Inode of the TCP socket with these ends, zero for one that no process has (yet, or any
    /// more); `None` if there is none.
    pub(super) fn tcp(&self, local: &Address, remote: &Address) -> Result<Option<u32>> {
        const TCP: u32 = 6;
        const LISTEN: u32 = 10;
        let family = if local.is_short() {
            family::INET
        } else {
            family::INET6
        };
        let [here, there] = [local, remote].map(|address| {
            let mut bytes = [0; Address::MOST];
            address.encode(family, &mut bytes);
            bytes
        });
        // Behind the family and the port: where `struct sockaddr_in` and `sockaddr_in6` have it.
        let at = if family == family::INET { 4 } else { 8 };
        let ip = |bytes: &[u8], n: usize| word(bytes, at + 4 * n);
        let ports = word(&here, 0) >> 16 | word(&there, 0) & 0xffff_0000;
        // `struct inet_diag_req_v2`: family and protocol, states, ports, addresses, interface,
        // cookie (any).
        let mut request = [
            0,
            u32::MAX,
            ports,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            u32::MAX,
            u32::MAX,
        ];
        request[0] = family | TCP << 8;
        let words = if family == family::INET { 1 } else { 4 };
        for n in 0..words {
            if let Some(to) = request.get_mut(3 + n) {
                *to = ip(&here, n);
            }
            if let Some(to) = request.get_mut(7 + n) {
                *to = ip(&there, n);
            }
        }
        // `struct inet_diag_msg`. One that listens there is found if there is no connection.
        let answer = self.ask(&request)?;
        Ok(answer
            .filter(|answer| word(answer, 0) >> 8 & 0xff != LISTEN)
            .map(|answer| word(answer, 68)))
    }

    /// Asks about a Unix socket; `None` if nobody answers.
    pub(super) fn unix(&self, ino: u32) -> Result<Option<Facts<'_>>> {
        for show in [SHOW, SHOW & !SHOW_WAITING] {
            // `struct unix_diag_req`: family, protocol, states, inode, show, cookie (any).
            let request = [1, u32::MAX, ino, show, u32::MAX, u32::MAX];
            if let Some(answer) = self.ask(&request)? {
                return Ok(Some(facts(answer.get(16..).unwrap_or(&[]))));
            }
        }
        Ok(None)
    }
}

/// Reads attributes: length with these four bytes, type, value, each aligned to four.
fn facts(mut rest: &[u8]) -> Facts<'_> {
    let mut facts = Facts::default();
    while rest.len() >= 4 {
        let head = word(rest, 0);
        let len = (head & 0xffff).max(4) as usize;
        let value = rest.get(4..len).unwrap_or(&[]);
        match head >> 16 {
            1 => facts.file = Some(word(value, 0)),
            2 => facts.peer = Some(word(value, 0)),
            3 => facts.ends = value,
            4 => (facts.waiting, facts.backlog) = (word(value, 0), word(value, 4)),
            6 => facts.shut = u32::from(value.first().copied().unwrap_or(0)),
            _ => {}
        }
        rest = rest.get(len.next_multiple_of(4)..).unwrap_or(&[]);
    }
    facts
}
