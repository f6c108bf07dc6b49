//! What is under way in a pseudoterminal: out of it and into it.
//!
//! It can only be looked at by taking it out; it is put back at once. Into the slave's queue nothing
//! leads but the keyboard, so what was a line is typed again as one, with a key that ends it and one
//! that makes the next byte an ordinary one (n_tty_receive_char_special, drivers/tty/n_tty.c).

use ckpt_format::record::{Terminal, terminal_flag as flag};

use super::super::terminal::Noted;
use super::super::{F_GETFL, F_SETFL};
use crate::error::{Context, Result};
use crate::sys::fs::{self, Fd};
use crate::sys::terminal::{self, ICANON, IEXTEN, Modes, VEOF, VLNEXT, VMIN, VTIME};
use crate::sys::{Errno, SysResult, process};
use crate::util::list::List;

const POLLOUT: u16 = 4;
/// Bytes that a slave's queue holds: N_TTY_BUF_SIZE less one. More waits before it, unprocessed.
const QUEUE: usize = 4095;
/// Milliseconds that the kernel may take to move things on.
const TRIES: u32 = 5000;
const IXON: u32 = 0o2000;
const VSTART: usize = 8;
const VSTOP: usize = 9;
const START: u8 = 17;
const STOP: u8 = 19;

/// What a terminal is to be filled with, and its modes.
pub(super) struct Wanted<'a> {
    pub(super) flags: u32,
    pub(super) modes: Modes,
    pub(super) first: usize,
    pub(super) typed: &'a [u8],
    pub(super) shown: &'a [u8],
}

impl Wanted<'_> {
    fn by_lines(&self) -> bool {
        self.modes.local & ICANON != 0
    }
}

/// Both ends of a terminal, neither of which waits.
#[derive(Debug)]
pub(super) struct Open {
    master: i32,
    /// A description of our own.
    slave: Fd,
    /// The program's slave, if it is exclusive.
    exclusive: Option<i32>,
    /// The master's flags.
    was: usize,
}

impl Open {
    /// Opens what is needed of a terminal with these flags.
    pub(super) fn new(master: i32, slave: Option<i32>, flags: u32) -> SysResult<Self> {
        let exclusive = slave.filter(|_| flags & flag::EXCLUSIVE_SLAVE != 0);
        let was = fs::control(master, F_GETFL, 0)?;
        if let Some(slave) = exclusive {
            terminal::set_exclusive(slave, false)?;
        }
        if flags & flag::LOCKED != 0 {
            terminal::lock(master, false)?;
        }
        let opened = terminal::open_slave(master, fs::O_RDWR | fs::O_NONBLOCK);
        if let (Some(slave), Err(_)) = (exclusive, &opened) {
            terminal::set_exclusive(slave, true)?;
        }
        let slave = opened?;
        fs::control(master, F_SETFL, was | fs::O_NONBLOCK as usize)?;
        terminal::set_packets(master, false)?;
        Ok(Self {
            master,
            slave,
            exclusive,
            was,
        })
    }

    /// Gives it its flags again.
    pub(super) fn close(self, flags: u32) {
        // All of these were so before.
        let _ = terminal::set_packets(self.master, flags & flag::PACKETS != 0);
        let _ = terminal::lock(self.master, flags & flag::LOCKED != 0);
        let _ = fs::control(self.master, F_SETFL, self.was);
        if let Some(slave) = self.exclusive {
            let _ = terminal::set_exclusive(slave, true);
        }
    }

    /// May something be written to the slave? Not while output is stopped (pty_write_room,
    /// drivers/tty/pty.c), and not if there is no room.
    fn is_open(&self) -> SysResult<bool> {
        Ok(fs::events(self.slave.number(), POLLOUT)? & POLLOUT != 0)
    }

    /// Takes all out that is under way, input first: what it makes room for is processed, and
    /// shown.
    pub(super) fn take(&self, noted: &mut Noted, bytes: &mut List<u8>) -> Result<()> {
        let what = format_args!("cannot look at the terminal at descriptor {}", self.master);
        let from = bytes.as_slice().len();
        let slave = self.slave.number();
        let by_lines = noted.modes.local & ICANON != 0;
        let mut buffer = [0; QUEUE + 1];
        let mut plain = 0;
        let mut note = |line: &[u8], ended: bool| {
            plain += line.len();
            if plain > QUEUE || !by_lines {
                bytes.append(line)?;
            } else {
                typed(line, ended, bytes)?;
            }
            if plain <= QUEUE {
                noted.first = bytes.as_slice().len() - from;
            }
            Ok(())
        };
        if by_lines {
            // One that has no byte is an end of input.
            while let Ok(got) = fs::read(slave, &mut buffer) {
                note(buffer.get(..got).unwrap_or(&[]), true)?;
            }
        }
        // What is there of the next line can only be read without lines.
        let mut modes = noted.modes;
        modes.local &= !ICANON;
        wait_for_one(&mut modes);
        terminal::set_modes(slave, &modes).or_fail(what)?;
        while let Ok(got @ 1..) = fs::read(slave, &mut buffer) {
            note(buffer.get(..got).unwrap_or(&[]), false)?;
        }
        noted.typed = bytes.as_slice().len() - from;
        if !by_lines {
            noted.first = noted.typed.min(QUEUE);
        }
        while let Ok(got @ 1..) = fs::read(self.master, &mut buffer) {
            bytes.append(buffer.get(..got).unwrap_or(&[]))?;
        }
        noted.shown = bytes.as_slice().len() - from - noted.typed;
        if !self.is_open().or_fail(what)? {
            noted.flags |= flag::STOPPED;
        }
        Ok(())
    }

    /// Fills it and sets its modes.
    pub(super) fn fill(&self, wanted: &Wanted<'_>) -> SysResult<()> {
        let slave = self.slave.number();
        let (first, rest) = wanted
            .typed
            .split_at_checked(wanted.first)
            .unwrap_or((wanted.typed, &[]));
        // Nothing has a meaning but what lines take. Output that is stopped goes on when the key
        // for it is taken away (n_tty_set_termios), or by what stopped it.
        terminal::set_flow(slave, true)?;
        let mut modes = Modes {
            input: 0,
            output: 0,
            local: 0,
            keys: [0; 19],
            ..wanted.modes
        };
        wait_for_one(&mut modes);
        terminal::set_modes(slave, &modes)?;
        feed(slave, wanted.shown)?;
        if wanted.by_lines() {
            modes.input = IXON;
            modes.local = ICANON | IEXTEN;
            for (key, value) in [
                (VEOF, Terminal::END),
                (VLNEXT, Terminal::LITERAL),
                (VSTART, START),
                (VSTOP, STOP),
            ] {
                if let Some(slot) = modes.keys.get_mut(key) {
                    *slot = value;
                }
            }
            terminal::set_modes(slave, &modes)?;
        }
        feed(self.master, first)?;
        // What is written is processed by another thread of the kernel (flush_to_ldisc): the modes
        // must not change before that.
        if wanted.by_lines() {
            self.stop(STOP)?;
            modes.input = 0;
            terminal::set_modes(slave, &modes)?;
        } else {
            settle(|| Ok(fs::readable_bytes(slave)? as usize >= first.len()))?;
        }
        terminal::set_modes(slave, &wanted.modes)?;
        if wanted.flags & flag::STOPPED != 0 {
            let key = wanted.modes.keys.get(VSTOP).copied().unwrap_or(0);
            if wanted.modes.input & IXON != 0 && key != 0 {
                self.stop(key)?;
            } else {
                terminal::set_flow(slave, false)?;
            }
        }
        feed(self.master, rest)
    }

    /// Types the key that stops output, and waits until it does.
    fn stop(&self, key: u8) -> SysResult<()> {
        feed(self.master, &[key])?;
        settle(|| Ok(!self.is_open()?))
    }
}

/// A read waits for one byte.
fn wait_for_one(modes: &mut Modes) {
    for (key, value) in [(VMIN, 1), (VTIME, 0)] {
        if let Some(slot) = modes.keys.get_mut(key) {
            *slot = value;
        }
    }
}

/// How a line is typed.
fn typed(line: &[u8], ended: bool, bytes: &mut List<u8>) -> Result<()> {
    let (last, before) = match line.split_last() {
        Some((b'\n', before)) if ended => (Some(b'\n'), before),
        _ => (ended.then_some(Terminal::END), line),
    };
    for &byte in before {
        if Terminal::SPECIAL.contains(&byte) {
            bytes.push(Terminal::LITERAL)?;
        }
        bytes.push(byte)?;
    }
    last.map_or(Ok(()), |last| bytes.push(last))
}

/// Waits for what takes the kernel a moment.
fn settle(done: impl Fn() -> SysResult<bool>) -> SysResult<()> {
    for _ in 0..TRIES {
        if done()? {
            return Ok(());
        }
        process::sleep(1);
    }
    Err(Errno::AGAIN)
}

/// Writes all, in small pieces, of which most have room, and then in larger ones, of which the last
/// may go beyond the limit (tty_buffer_alloc, drivers/tty/tty_buffer.c).
fn feed(to: i32, mut bytes: &[u8]) -> SysResult<()> {
    const SMALL: usize = 256;
    const LARGE: usize = 1792;
    let mut tries = 0;
    while !bytes.is_empty() {
        let len = match bytes.len().saturating_sub(2 * LARGE) {
            0 => LARGE,
            more => SMALL.min(more),
        };
        match fs::write(to, bytes.get(..len).unwrap_or(bytes)) {
            Ok(got) if got > 0 => bytes = bytes.get(got..).unwrap_or(&[]),
            Ok(_) | Err(Errno::AGAIN) if tries < TRIES => {
                tries += 1;
                process::sleep(1);
            }
            Ok(_) => return Err(Errno::AGAIN),
            Err(e) => return Err(e),
        }
    }
    Ok(())
}
