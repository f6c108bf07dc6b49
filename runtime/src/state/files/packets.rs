//! What is unread in a pipe, cut where its packets begin and end, and put in again that way.
//!
//! A pipe in packet mode (O_DIRECT) gives one write to one read. No call tells where packets are,
//! but reading shows it, and copies can be read: tee(2) copies the mark of a packet, too
//! (PIPE_BUF_FLAG_PACKET; link_pipe, fs/splice.c). A read takes bytes of a stream up to the end of
//! the first packet, and what it leaves of that packet is gone (pipe_read, fs/pipe.c).

use ckpt_format::record::Packet;

use super::{F_GETFL, F_GETPIPE_SZ, F_SETFL, F_SETPIPE_SZ};
use crate::sys::fs::{self, Fd};
use crate::sys::{Errno, SysResult};

const PAGE: usize = 4096;
/// Packets: what one call wrote, one call reads.
pub(super) const O_DIRECT: u32 = 0o40_000;

/// A pipe of our own with a copy of what another has unread.
#[derive(Debug)]
pub(super) struct Copy {
    read: Fd,
    write: Fd,
    left: usize,
}

impl Copy {
    /// Copies the `left` bytes that pipe `of` has.
    pub(super) fn new(of: i32, left: usize) -> SysResult<Self> {
        let (read, write) = fs::pipe()?;
        let to = write.number();
        fs::control(to, F_SETFL, (fs::O_WRONLY | fs::O_NONBLOCK) as usize)?;
        let capacity = fs::control(of, F_GETPIPE_SZ, 0)?;
        if capacity > fs::control(to, F_GETPIPE_SZ, 0)? {
            // Not granted to a user with many pipes; what is there may fit nevertheless.
            let _ = fs::control(to, F_SETPIPE_SZ, capacity);
        }
        if fs::copy_pipe(of, to, left)? == left {
            Ok(Self { read, write, left })
        } else {
            Err(Errno::NOMEM)
        }
    }

    fn again(&self) -> SysResult<Self> {
        Self::new(self.read.number(), self.left)
    }

    /// Reads once.
    pub(super) fn read(&self, to: &mut [u8]) -> SysResult<usize> {
        fs::read(self.read.number(), to)
    }

    /// Reads once, and looks what is left.
    fn take(&mut self, to: &mut [u8]) -> SysResult<usize> {
        let got = self.read(to)?;
        self.left = fs::readable_bytes(self.read.number())? as usize;
        Ok(got)
    }

    /// Reads on, into the start of `rest`, which has room for all that is left: tells how many
    /// bytes of a stream there are and how many of the packet that follows them.
    pub(super) fn next(&mut self, rest: &mut [u8]) -> SysResult<(usize, usize)> {
        let got = self.again()?.take(rest)?;
        if got == 0 {
            return Err(Errno::AGAIN);
        }
        // Copies give the same bytes again, so `rest` stays as it is.
        let packet = got < self.left || self.again()?.ends_in_packet(rest)?;
        let stream = if packet {
            self.before_packet(rest, got)?
        } else {
            got
        };
        self.take(rest)?;
        Ok((stream, got - stream))
    }

    /// Is the end of all that is left, which one read takes, a packet?
    fn ends_in_packet(mut self, rest: &mut [u8]) -> SysResult<bool> {
        let but_one = self.left - 1;
        if but_one > 0 {
            self.take(rest.get_mut(..but_one).unwrap_or(&mut []))?;
            if self.left == 0 {
                return Ok(true);
            }
        }
        // A packet of one byte is not read together with what follows.
        fs::write_all(self.write.number(), b"-")?;
        Ok(self.take(&mut [0; 2])? == 1)
    }

    /// How many of the next `got` bytes, which end in a packet, come before it.
    fn before_packet(&self, rest: &mut [u8], got: usize) -> SysResult<usize> {
        // Reading up to there leaves everything else; reading further, nothing of the packet.
        let mut is_before = |n: usize| {
            let mut copy = self.again()?;
            copy.take(rest.get_mut(..n).unwrap_or(&mut []))?;
            Ok(copy.left == self.left - n)
        };
        let (mut low, mut high) = (0, got - 1);
        // Mostly there are packets only.
        if high > 0 && !is_before(1)? {
            high = 0;
        }
        while low < high {
            let middle = (low + high).div_ceil(2);
            if is_before(middle)? {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        Ok(low)
    }
}

/// From the file into the pipe; nothing may wait.
pub(super) fn fill(
    contents: &Fd,
    writing: &Fd,
    len: u64,
    packets: impl Iterator<Item = Packet>,
) -> SysResult<()> {
    let to = writing.number();
    let flags = fs::control(to, F_GETFL, 0)?;
    let stream = (flags | fs::O_NONBLOCK as usize) & !(O_DIRECT as usize);
    fs::control(to, F_SETFL, stream)?;
    let mut at = 0;
    for packet in packets {
        pour(contents, to, at, packet.at, true)?;
        at = packet.end();
        fs::control(to, F_SETFL, stream | O_DIRECT as usize)?;
        pour(contents, to, packet.at, at, false)?;
        fs::control(to, F_SETFL, stream)?;
    }
    pour(contents, to, at, len, false)?;
    fs::control(to, F_SETFL, flags).map(drop)
}

/// Writes what is between two offsets.
fn pour(contents: &Fd, to: i32, mut at: u64, end: u64, before_packet: bool) -> SysResult<()> {
    let mut buffer = [0; PAGE];
    while at < end {
        let most = usize::try_from(end - at).unwrap_or(PAGE).min(PAGE);
        let piece = buffer.get_mut(..most).unwrap_or(&mut []);
        fs::read_at(contents.number(), piece, at)?;
        at += most as u64;
        if before_packet && at == end {
            apart(to, piece)?;
        } else {
            fs::write_all(to, piece)?;
        }
    }
    Ok(())
}

/// Writes the end of a stream so that a packet does not join it. Where a page has room, even a
/// packet goes there (pipe_write, fs/pipe.c), but not into the copy of one (link_pipe,
/// fs/splice.c).
fn apart(to: i32, piece: &[u8]) -> SysResult<()> {
    let (reading, writing) = fs::pipe()?;
    fs::write_all(writing.number(), piece)?;
    match fs::copy_pipe(reading.number(), to, piece.len())? {
        n if n == piece.len() => Ok(()),
        _ => Err(Errno::AGAIN),
    }
}
