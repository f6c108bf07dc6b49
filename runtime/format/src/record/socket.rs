//! Sockets, their options, and what is in their queues.

use crate::codec::record;
use crate::{DecodeError, limits};

/// Values of [`Socket::state`].
pub mod socket_state {
    /// Neither connected nor listening; perhaps with a name.
    pub const IDLE: u32 = 0;
    /// Takes connections.
    pub const LISTENING: u32 = 1;
    /// Connected; `peer` is the other end and is connected to this one.
    pub const CONNECTED: u32 = 2;
    /// Connected to the listening socket `peer`, which has not taken the connection yet.
    pub const WAITING: u32 = 3;
    /// The other end is closed; what it sent may still be there.
    pub const CLOSED: u32 = 4;
    /// Datagrams go to `peer`, which is not connected to this one.
    pub const DIRECTED: u32 = 5;
    /// Datagrams go to the address `remote`.
    pub const ADDRESSED: u32 = 6;
    /// A connection to another process, which is lost: restored as one that was reset.
    pub const RESET: u32 = 7;
}

/// Values of [`Socket::family`].
pub mod family {
    /// Unix sockets.
    pub const UNIX: u32 = 1;
    /// Internet protocol version 4.
    pub const INET: u32 = 2;
    /// Internet protocol version 6.
    pub const INET6: u32 = 10;
    /// Messages with the kernel.
    pub const NETLINK: u32 = 16;
}

/// [`Socket::peer`] of a socket without one.
pub const NO_PEER: u32 = u32::MAX;

/// Longest address: `struct sockaddr_un` with its terminating zero, rounded up.
pub const ADDRESS: usize = 112;

record! {
    /// A socket.
    Socket<'a> {
        /// Place of its description in the files section.
        file: u32,
        /// One of [`family`].
        family: u32,
        /// SOCK_STREAM and so on.
        kind: u32,
        /// Protocol within the family.
        protocol: u32,
        /// One of [`socket_state`].
        state: u32,
        /// Place of another socket's description in the files section, or [`NO_PEER`].
        peer: u32,
        /// Connections that may wait; of listening sockets.
        backlog: u32,
        /// Bit 0: shut down for reading, bit 1: for writing, bit 2: an error is pending that the
        /// other end left behind, bit 3: its name has lost its file.
        flags: u32,
        /// Permissions of the file that is its name.
        mode: u32,
        /// Name of this end, as `struct sockaddr` of the family; empty for none.
        local: &'a [u8],
        /// Name of the other end.
        remote: &'a [u8],
    }
}

/// Bits of [`Socket::flags`].
pub mod socket_flag {
    /// Shut down for reading.
    pub const NO_READING: u32 = 1;
    /// Shut down for writing.
    pub const NO_WRITING: u32 = 2;
    /// ECONNRESET is pending.
    pub const ERROR: u32 = 4;
    /// The name's file is gone.
    pub const UNLINKED: u32 = 8;
}

impl Socket<'_> {
    /// Checks everything that can be without the other records.
    pub fn check(&self, files: u32) -> Result<(), DecodeError> {
        let family = matches!(
            self.family,
            family::UNIX | family::INET | family::INET6 | family::NETLINK
        );
        let address = |name: &[u8]| {
            let own = name
                .first_chunk()
                .map(|f| u32::from(u16::from_le_bytes(*f)));
            name.len() <= ADDRESS && (name.is_empty() || own == Some(self.family))
        };
        let has_peer = matches!(
            self.state,
            socket_state::CONNECTED | socket_state::WAITING | socket_state::DIRECTED
        );
        let peer = if has_peer {
            self.peer < files
        } else {
            self.peer == NO_PEER
        };
        let known = self.file < files
            && self.state <= socket_state::RESET
            && self.kind <= 5
            && self.flags <= 15
            && self.mode <= 0o7777;
        if family && known && peer && address(self.local) && address(self.remote) {
            Ok(())
        } else {
            Err(DecodeError::Value("socket"))
        }
    }
}

record! {
    /// An option of a socket that differs from what a new one has, or may.
    SocketOption<'a> {
        /// Place of the socket's description in the files section.
        file: u32,
        /// As for setsockopt(2).
        level: u32,
        /// As for setsockopt(2).
        name: u32,
        /// As for setsockopt(2).
        value: &'a [u8],
    }
}

/// Bytes of a network interface's name with zeros behind it: IFNAMSIZ of linux/if.h.
pub const IFNAME: usize = 16;
/// Name of the option that tells a group and its sources: MCAST_MSFILTER of linux/in.h, of levels 0
/// and 41.
pub const MSFILTER: u32 = 48;
/// Bytes of `struct group_filter` (linux/in.h) without sources.
pub const GROUP_FILTER: usize = 144;
/// Bytes of a source in it, `struct sockaddr_storage`.
const SOURCE: usize = 128;

impl<'a> SocketOption<'a> {
    /// Is it a multicast group that the socket is in?
    #[must_use]
    pub fn is_group(&self) -> bool {
        matches!(self.level, 0 | 41) && self.name == MSFILTER
    }

    /// The interface's name, and the value behind it, of an option that names an interface by its
    /// index: of a group, or a number that is no more than that (IP_UNICAST_IF, IPV6_MULTICAST_IF,
    /// IPV6_UNICAST_IF).
    #[must_use]
    pub fn interface(&self) -> Option<(&'a [u8], &'a [u8])> {
        let is_index = matches!((self.level, self.name), (0, 50) | (41, 17 | 76));
        let named = self.is_group() || (is_index && self.value.len() > 4);
        let parts = self.value.split_at_checked(IFNAME);
        parts.filter(|_| named)
    }

    /// Checks lengths, names of interfaces and groups.
    pub fn check(&self) -> Result<(), DecodeError> {
        let known = match self.interface() {
            Some((name, value)) => {
                let group = !self.is_group() || is_filter(value, self.level);
                let ended = name.first() != Some(&0) && name.last() == Some(&0);
                ended && group && (self.is_group() || value.len() == 4)
            }
            None => !self.is_group(),
        };
        if known && self.value.len() <= limits::OPTION {
            Ok(())
        } else {
            Err(DecodeError::Value("socket option"))
        }
    }
}

/// Is it a `struct group_filter`: the interface's index, the group's address from byte 8 on,
/// MCAST_EXCLUDE (0) or MCAST_INCLUDE (1), and how many sources follow?
fn is_filter(value: &[u8], level: u32) -> bool {
    let word = |at: usize| {
        let four = value.get(at..).and_then(|rest| rest.first_chunk());
        u32::from_le_bytes(four.copied().unwrap_or([0xff; 4]))
    };
    let group = match (level, word(8) & 0xffff) {
        (0, family::INET) => word(12) & 0xf0 == 0xe0,
        (41, family::INET6) => word(16) & 0xff == 0xff,
        _ => false,
    };
    let sources = usize::try_from(word(140)).ok();
    let len = sources.and_then(|count| count.checked_mul(SOURCE)?.checked_add(GROUP_FILTER));
    group && word(136) <= 1 && len == Some(value.len())
}

/// Bits of [`Message::flags`].
pub mod message_flag {
    /// With the sender's credentials, which are the process's own.
    pub const CREDENTIALS: u32 = 1;
    /// One byte, sent out of band.
    pub const URGENT: u32 = 2;
}

record! {
    /// A message in a socket's queue, or a part of a stream. The bytes of all messages of a socket
    /// are its contents, one behind the other.
    Message<'a> {
        /// Place of the receiving socket's description in the files section.
        file: u32,
        /// Bytes.
        len: u32,
        /// [`message_flag`].
        flags: u32,
        /// How many of the rights belong to it: those behind the ones of the message before.
        rights: u32,
        /// The sender's address; empty for none.
        from: &'a [u8],
    }
}

impl Message<'_> {
    /// Checks flags, rights and address.
    pub fn check(&self) -> Result<(), DecodeError> {
        /// Descriptors in one message: SCM_MAX_FD.
        const RIGHTS: u32 = 253;
        let urgent = self.flags & message_flag::URGENT != 0;
        let known = self.flags <= 3 && self.rights <= RIGHTS && self.from.len() <= ADDRESS;
        if known && (!urgent || self.len == 1) {
            Ok(())
        } else {
            Err(DecodeError::Value("message in a socket"))
        }
    }
}

record! {
    /// A descriptor that is under way in a message.
    Right {
        /// Place of its description in the files section.
        file: u32,
    }
}
