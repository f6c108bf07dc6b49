//! Sockets of the process that do not lead out of it: what they are, what is in their queues, and
//! making them again.
//!
//! A checkpoint looks and takes nothing: messages are read with MSG_PEEK, other ends are asked for
//! by sock_diag(7). A restore makes all sockets at once, since one may be needed to make another;
//! fills their queues when all other files are open, which may be under way in a message; and then
//! sets what would have been in the way: options, ends that are shut down.

mod diag;
mod dump;
mod fill;
mod inet;
mod multicast;
mod name;
mod netlink;
mod options;
mod queue;
mod restore;
mod tcp;
mod unix;

pub(super) use dump::Sockets;
pub(super) use restore::Made;

use core::fmt;

use ckpt_format::codec::{Field, Writer};
use ckpt_format::record::{NO_PEER, Socket};

use crate::error::{Result, fail};
use crate::sys::socket::Name;
use crate::util::arena::Plain;
use crate::util::list::List;
use crate::util::text::{Show, until_nul};

/// A socket, as its record has it, with room for the addresses.
#[derive(Clone, Copy, Debug)]
struct Sock {
    file: u32,
    /// A descriptor of it.
    fd: i32,
    family: u32,
    kind: u32,
    protocol: u32,
    state: u32,
    peer: u32,
    backlog: u32,
    flags: u32,
    mode: u32,
    /// State of TCP, as the kernel counts.
    phase: u8,
    /// Connections that wait at one that listens.
    waiting: u32,
    /// Inode of the socket, and of its other end; zero if it is closed or not known.
    ino: u32,
    peer_ino: u32,
    local: Name,
    remote: Name,
}

#[expect(unsafe_code, reason = "vouches for a record of integers")]
// SAFETY: a record of integers.
unsafe impl Plain for Sock {}

impl Sock {
    const NONE: Self = Self {
        file: u32::MAX,
        fd: -1,
        family: 0,
        kind: 0,
        protocol: 0,
        state: 0,
        peer: NO_PEER,
        backlog: 0,
        flags: 0,
        mode: 0,
        phase: 0,
        waiting: 0,
        ino: 0,
        peer_ino: 0,
        local: Name::NONE,
        remote: Name::NONE,
    };

    fn record(&self) -> Socket<'_> {
        Socket {
            file: self.file,
            family: self.family,
            kind: self.kind,
            protocol: self.protocol,
            state: self.state,
            peer: self.peer,
            backlog: self.backlog,
            flags: self.flags,
            mode: self.mode,
            local: self.local.as_bytes(),
            remote: self.remote.as_bytes(),
        }
    }

    fn new(record: &Socket<'_>) -> Self {
        Self {
            file: record.file,
            family: record.family,
            kind: record.kind,
            protocol: record.protocol,
            state: record.state,
            peer: record.peer,
            backlog: record.backlog,
            flags: record.flags,
            mode: record.mode,
            local: Name::new(record.local),
            remote: Name::new(record.remote),
            ..Self::NONE
        }
    }

    fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    fn set_peer(&mut self, state: u32, peer: Option<u32>) {
        self.state = state;
        self.peer = peer.unwrap_or(NO_PEER);
    }
}

/// A name for a message, behind a blank: a path, @ and an abstract name, or an Internet address.
struct Shown<'a>(&'a Name);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Ok(at) = self.0.internet() {
            return write!(f, " {at}");
        }
        match self.0.rest() {
            [] => Ok(()),
            [0, name @ ..] => write!(f, " @{}", Show(name)),
            path => write!(f, " {}", Show(until_nul(path))),
        }
    }
}

/// Records of any length, encoded as they come.
#[derive(Debug)]
struct Encoded {
    count: u32,
    bytes: List<u8>,
}

impl Encoded {
    fn new(most: usize) -> Self {
        Self {
            count: 0,
            bytes: List::new(most),
        }
    }

    /// Appends a record whose bytes of any length are `more`.
    fn push<'b, T: Field<'b>>(&mut self, record: &T, more: usize) -> Result<()> {
        let mut w = Writer::new(self.bytes.fill(T::SIZE + more)?);
        w.put(record);
        if w.len() != Some(T::SIZE + more) {
            fail!("a socket's record is longer than foreseen");
        }
        self.count += 1;
        Ok(())
    }

    fn put(&self, w: &mut Writer<'_>) {
        w.put(&self.count);
        w.bytes(self.bytes.as_slice());
    }

    fn len(&self) -> usize {
        4 + self.bytes.as_slice().len()
    }
}
