//! Internet addresses.

use core::fmt;

use ckpt_format::record::family;

use crate::util::text::{after, before, decimal, hexadecimal, split};

/// An Internet address with its port. Shown as by `core::net::SocketAddr`, whose code is several
/// times as long.
#[derive(Clone, Copy, Debug)]
pub struct Address {
    ip: Ip,
    port: u16,
    /// Interface of a link-local address; what else version 6 has is about single packets.
    scope: u32,
}

#[derive(Clone, Copy, Debug)]
enum Ip {
    V4([u8; 4]),
    V6([u8; 16]),
}

impl Ip {
    /// As version 6 has it.
    fn mapped(self) -> [u8; 16] {
        match self {
            Self::V4([a, b, c, d]) => [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d],
            Self::V6(ip) => ip,
        }
    }

    /// As version 4 has it, if it can.
    fn short(self) -> Option<[u8; 4]> {
        match self.mapped() {
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d] => Some([a, b, c, d]),
            _ => None,
        }
    }
}

impl Address {
    /// Longest encoding, `struct sockaddr_in6`.
    pub const MOST: usize = 28;

    /// From `127.0.0.1` or `[::1]`, without a port.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let ip = match after(text, b"[") {
            Some(text) => Ip::V6(six(before(text, b"]")?)?),
            None => Ip::V4(four(text)?),
        };
        Some(Self {
            ip,
            port: 0,
            scope: 0,
        })
    }

    /// From `struct sockaddr_in` or `struct sockaddr_in6`.
    #[must_use]
    pub fn decode(bytes: &[u8; 112]) -> Option<Self> {
        let [f0, f1, p0, p1, rest @ ..] = bytes;
        let word = |at: usize| rest.get(at..).and_then(|rest| rest.first_chunk());
        let (ip, scope) = match u32::from(u16::from_le_bytes([*f0, *f1])) {
            family::INET => (Ip::V4(*rest.first_chunk()?), 0),
            family::INET6 => (
                Ip::V6(*rest.get(4..)?.first_chunk()?),
                u32::from_le_bytes(*word(20)?),
            ),
            _ => return None,
        };
        let port = u16::from_be_bytes([*p0, *p1]);
        Some(Self { ip, port, scope })
    }

    /// As the family's structure; tells its length.
    pub fn encode(&self, family: u32, bytes: &mut [u8; Self::MOST]) -> usize {
        let [f0, f1, p0, p1, rest @ ..] = bytes;
        [*f0, *f1] = (family as u16).to_le_bytes();
        [*p0, *p1] = self.port.to_be_bytes();
        if family == family::INET {
            let ip = self.ip.short().unwrap_or_default();
            rest.iter_mut().zip(ip).for_each(|(to, byte)| *to = byte);
            return 16;
        }
        let ip = self.ip.mapped().into_iter().chain(self.scope.to_le_bytes());
        rest.iter_mut()
            .skip(4)
            .zip(ip)
            .for_each(|(to, byte)| *to = byte);
        Self::MOST
    }

    /// This host's own address, and no port.
    #[must_use]
    pub fn loopback(family: u32) -> Self {
        let ip = if family == family::INET {
            Ip::V4([127, 0, 0, 1])
        } else {
            Ip::V6([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])
        };
        Self {
            ip,
            port: 0,
            scope: 0,
        }
    }

    /// Can it be written as version 4?
    #[must_use]
    pub fn is_short(&self) -> bool {
        self.ip.short().is_some()
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Is it a group's?
    #[must_use]
    pub fn is_group(&self) -> bool {
        match (self.ip.short(), self.ip.mapped()) {
            (Some([first, ..]), _) => first >> 4 == 0xe,
            (None, [first, ..]) => first == 0xff,
        }
    }

    /// Any address of the host.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.ip.mapped() == [0; 16] || self.ip.short() == Some([0; 4])
    }

    /// More than what a socket has that was not bound.
    #[must_use]
    pub fn is_some(&self) -> bool {
        self.port != 0 || !self.is_any()
    }

    /// The same, in whichever family.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        (self.ip.mapped(), self.port) == (other.ip.mapped(), other.port)
    }

    /// The same but for the port.
    #[must_use]
    pub fn is_host_of(&self, other: &Self) -> bool {
        self.ip.mapped() == other.ip.mapped()
    }

    /// May a socket that is bound to this one have sent from `other`?
    #[must_use]
    pub fn includes(&self, other: &Self) -> bool {
        self.is_same(other) || (self.is_any() && self.port == other.port)
    }

    /// This one, or its port at the other's host if it is any.
    #[must_use]
    pub fn or_host_of(&self, other: &Self) -> Self {
        let host = if self.is_any() { other } else { self };
        Self {
            port: self.port,
            ..*host
        }
    }

    /// Another port of the same host.
    #[must_use]
    pub fn with_port(&self, port: u16) -> Self {
        Self { port, ..*self }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ip {
            Ip::V4(ip) => dotted(f, ip)?,
            Ip::V6([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d]) => {
                f.write_str("[::ffff:")?;
                dotted(f, [a, b, c, d])?;
                f.write_str("]")?;
            }
            Ip::V6(ip) => groups(f, ip)?,
        }
        write!(f, ":{}", u32::from(self.port))
    }
}

/// Reads version 4.
fn four(text: &[u8]) -> Option<[u8; 4]> {
    let mut ip = [0; 4];
    let mut parts = split(text, b'.');
    for byte in &mut ip {
        *byte = match decimal(parts.next()?)? {
            (value @ ..=0xff, []) => value as u8,
            _ => return None,
        };
    }
    parts.next().is_none().then_some(ip)
}

/// Reads version 6: groups, of which a run of zeros may be missing, and perhaps version 4 at the end.
fn six(mut rest: &[u8]) -> Option<[u8; 16]> {
    let mut ip = [0; 16];
    let mut at = 0;
    let mut gap = None;
    loop {
        if let Some(tail) = after(rest, b"::") {
            if gap.replace(at).is_some() {
                return None;
            }
            if tail.is_empty() {
                break;
            }
            rest = tail;
        } else if at > 0 {
            rest = after(rest, b":")?;
        }
        if let Some(short) = four(rest) {
            ip.get_mut(at..at + 4)?.copy_from_slice(&short);
            at += 4;
            break;
        }
        let (value, tail) = hexadecimal(rest)?;
        let group = u16::try_from(value).ok()?.to_be_bytes();
        ip.get_mut(at..at + 2)?.copy_from_slice(&group);
        at += 2;
        rest = tail;
        if rest.is_empty() {
            break;
        }
    }
    let missing = 16 - at;
    let Some(gap) = gap else {
        return (missing == 0).then_some(ip);
    };
    if missing == 0 {
        return None;
    }
    for n in (gap..at).rev() {
        let byte = core::mem::take(ip.get_mut(n)?);
        *ip.get_mut(n + missing)? = byte;
    }
    Some(ip)
}

fn dotted(f: &mut fmt::Formatter<'_>, ip: [u8; 4]) -> fmt::Result {
    let [a, b, c, d] = ip.map(u32::from);
    write!(f, "{a}.{b}.{c}.{d}")
}

/// RFC 5952: the first of the longest runs of zero groups, if it is longer than one, as `::`.
fn groups(f: &mut fmt::Formatter<'_>, ip: [u8; 16]) -> fmt::Result {
    let zeros = |from: usize| {
        let (pairs, _) = ip.as_chunks::<2>();
        pairs
            .iter()
            .skip(from)
            .take_while(|&&p| p == [0, 0])
            .count()
    };
    let (mut run, mut len) = (8, 1);
    for from in 0..8 {
        if zeros(from) > len {
            (run, len) = (from, zeros(from));
        }
    }
    f.write_str("[")?;
    let (pairs, _) = ip.as_chunks::<2>();
    for (n, &pair) in pairs.iter().enumerate() {
        if n == run {
            f.write_str("::")?;
        } else if !(run..run + len).contains(&n) {
            if n != 0 && n != run + len {
                f.write_str(":")?;
            }
            write!(f, "{:x}", u64::from(u16::from_be_bytes(pair)))?;
        }
    }
    f.write_str("]")
}
