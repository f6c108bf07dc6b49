//! Pseudoterminals whose master the program has: modes, window size, and what is under way in both
//! directions.
//!
//! What is under way can only be looked at by taking it out; it is put back at once. Into the
//! slave's queue nothing leads but the keyboard, so what was a line is typed again as one, with a
//! key that ends it and one that makes the next byte an ordinary one (n_tty_receive_char_special,
//! drivers/tty/n_tty.c).
#![expect(
    unsafe_code,
    reason = "vouches that a record of integers may be all zeroes"
)]

use ckpt_format::record::{File, Terminal, file_kind, terminal_flag as flag};
use ckpt_format::toc::kind;

use super::kinds::refused;
use super::known::{Book, Known};
use super::terminal::{self as shared, Noted};
use super::{F_DUPFD_CLOEXEC, F_GETFL, F_SETFL};
use crate::error::{Context, Result, fail};
use crate::image::input::Image;
use crate::sys::fs::{self, Fd, Stat};
use crate::sys::terminal::{self, About, ICANON, IEXTEN, Modes, VEOF, VLNEXT, VMIN, VTIME};
use crate::sys::{Errno, SysResult, namespace, process};
use crate::util::arena::{Arena, Plain};
use crate::util::list::List;
use crate::util::text::{Show, Text, decimal};

/// /dev/ptmx as `st_rdev`.
const MULTIPLEXER: u64 = 0x502;
/// Major number of slaves (linux/major.h).
const SLAVES: u64 = 136;
const POLLPRI: u16 = 2;
const POLLOUT: u16 = 4;
/// Bytes that a slave's queue holds: N_TTY_BUF_SIZE less one. More waits before it, unprocessed.
const QUEUE: usize = 4095;
/// Milliseconds that the kernel may take to move things on.
const TRIES: u32 = 5000;
/// Input that is not processed here but at the other end of a network.
const EXTPROC: u32 = 0o200_000;
const IXON: u32 = 0o2000;
const VSTART: usize = 8;
const VSTOP: usize = 9;
const START: u8 = 17;
const STOP: u8 = 19;

/// Is it a master?
pub(super) fn is_master(stat: &Stat) -> bool {
    stat.st_rdev == MULTIPLEXER
}

/// The number of a slave.
pub(super) fn slave(stat: &Stat) -> Option<u64> {
    let device = stat.st_rdev;
    let major = device >> 8 & 0xfff;
    (major == SLAVES).then_some(device & 0xff | device >> 12 & 0xf_ff00)
}

/// Has the slave lost its master? All that can be done with it is to close it.
pub(super) fn is_dead(fd: i32) -> bool {
    const EIO: Errno = Errno(5);
    terminal::modes(fd) == Err(EIO)
}

/// Has the process the master of that number?
pub(super) fn has_master(number: u64) -> bool {
    let Ok(folder) = fs::open(c"/proc/thread-self/fd", fs::O_RDONLY | fs::O_DIRECTORY, 0) else {
        return false;
    };
    let mut buffer = [0; 2048];
    while let Ok(got @ 1..) = fs::entries(folder.number(), &mut buffer) {
        let mut numbers = fs::names(buffer.get(..got).unwrap_or(&[])).filter_map(decimal);
        if numbers.any(|(fd, _)| number_of(fd as i32) == Ok(number)) {
            return true;
        }
    }
    false
}

fn number_of(master: i32) -> SysResult<u64> {
    terminal::ask(master, About::Number).map(u64::from)
}

/// The number of the master or slave at a descriptor.
pub(super) fn number(fd: i32, kind: u32, stat: &Stat) -> Result<u64> {
    if kind == file_kind::SLAVE {
        return Ok(slave(stat).unwrap_or(0));
    }
    number_of(fd).or_fail(format_args!(
        "cannot look at the terminal at descriptor {fd}"
    ))
}

/// Looks at the terminal of a master, whose modes and size are noted, and appends what is under
/// way in it.
#[inline(never)]
pub(super) fn look(
    book: &Book,
    master: &Known,
    noted: &mut Noted,
    bytes: &mut List<u8>,
) -> Result<()> {
    let fd = master.fd;
    let what = format_args!("cannot look at the terminal at descriptor {fd}");
    let ask = |fd, about| terminal::ask(fd, about);
    let mut set = |on: SysResult<u32>, bit| {
        if on.is_ok_and(|n| n != 0) {
            noted.flags |= bit;
        }
    };
    set(ask(fd, About::Locked), flag::LOCKED);
    set(ask(fd, About::Packets), flag::PACKETS);
    set(ask(fd, About::Exclusive), flag::EXCLUSIVE_MASTER);
    let of_it = |known: &&Known| known.kind == file_kind::SLAVE && known.size == master.size;
    let slave = book.files().iter().find(of_it).map(|known| known.fd);
    if let Some(slave) = slave {
        set(ask(slave, About::Exclusive), flag::EXCLUSIVE_SLAVE);
    }
    if slave.is_some() || fs::is_hung_up(fd).or_fail(what)? {
        noted.flags |= flag::OPENED;
    } else {
        refuse_foreign(fd, master.size)?;
    }
    if let Ok(session) = ask(fd, About::Session) {
        let whose = if session == namespace::session() {
            "its own"
        } else {
            "another"
        };
        let whose = Show::text(whose);
        let what = format_args!("pseudoterminal that controls {whose} session");
        return Err(refused(fd, what));
    }
    if noted.modes.local & EXTPROC != 0 || noted.modes.line != 0 {
        let what = format_args!("pseudoterminal that is processed elsewhere");
        return Err(refused(fd, what));
    }
    if noted.flags & flag::PACKETS != 0 && fs::events(fd, POLLPRI).or_fail(what)? & POLLPRI != 0 {
        let what = format_args!("pseudoterminal with a change that was not read (TIOCPKT)");
        return Err(refused(fd, what));
    }
    if noted.flags & flag::OPENED == 0 {
        // Opening the slave would show at the master, when it is closed again.
        if fs::readable_bytes(fd).or_fail(what)? > 0 {
            let what = format_args!("pseudoterminal in use whose slave was never opened");
            return Err(refused(fd, what));
        }
        return Ok(());
    }
    let end = Open::new(fd, slave, noted.flags).or_fail(what)?;
    let from = bytes.as_slice().len();
    let taken = end.take(noted, bytes);
    let (typed, shown) = {
        let all = bytes.as_slice().get(from..).unwrap_or(&[]);
        all.split_at_checked(noted.typed).unwrap_or((all, &[]))
    };
    let wanted = Wanted {
        flags: noted.flags,
        modes: noted.modes,
        first: noted.first,
        typed,
        shown,
    };
    let filled = end.fill(&wanted);
    end.close(noted.flags);
    taken?;
    filled.or_fail(format_args!(
        "cannot put back what was under way in the terminal at descriptor {fd}"
    ))
}

/// Refuses a terminal that another process has, if one is found: a terminal that was not opened
/// looks the same as one that is open elsewhere.
fn refuse_foreign(fd: i32, number: u64) -> Result<()> {
    let name = Text::<32>::format(format_args!("/dev/pts/{number}"));
    let Ok(proc) = fs::open(c"/proc", fs::O_RDONLY | fs::O_DIRECTORY, 0) else {
        return Ok(());
    };
    let mut buffer = [0; 2048];
    while let Ok(got @ 1..) = fs::entries(proc.number(), &mut buffer) {
        let all = fs::names(buffer.get(..got).unwrap_or(&[])).filter_map(decimal);
        for (pid, _) in all.filter(|&(pid, _)| pid != u64::from(process::id())) {
            if holds(pid, name.as_bytes()) {
                let what = format_args!("pseudoterminal that process {pid} has open");
                return Err(refused(fd, what));
            }
        }
    }
    Ok(())
}

/// Has the process a file of that name open?
fn holds(pid: u64, name: &[u8]) -> bool {
    let folder = Text::<32>::format(format_args!("/proc/{pid}/fd"));
    // Those of others cannot be looked into, and cannot open the user's terminals.
    let Ok(folder) = fs::open(folder.as_c(), fs::O_RDONLY | fs::O_DIRECTORY, 0) else {
        return false;
    };
    let mut buffer = [0; 2048];
    while let Ok(got @ 1..) = fs::entries(folder.number(), &mut buffer) {
        let mut all = fs::names(buffer.get(..got).unwrap_or(&[])).filter_map(decimal);
        let is_it = |(fd, _): (u64, &[u8])| {
            let link = Text::<48>::format(format_args!("/proc/{pid}/fd/{fd}"));
            let mut text = [0; 32];
            fs::read_link(link.as_c(), &mut text) == Ok(name)
        };
        if all.any(is_it) {
            return true;
        }
    }
    false
}

/// What a terminal is to be filled with, and its modes.
struct Wanted<'a> {
    flags: u32,
    modes: Modes,
    first: usize,
    typed: &'a [u8],
    shown: &'a [u8],
}

impl Wanted<'_> {
    fn by_lines(&self) -> bool {
        self.modes.local & ICANON != 0
    }
}

/// Both ends of a terminal, neither of which waits.
#[derive(Debug)]
struct Open {
    master: i32,
    /// A description of our own.
    slave: Fd,
    /// The program's slave, if it is exclusive.
    exclusive: Option<i32>,
    /// The master's flags.
    was: usize,
}

impl Open {
    fn new(master: i32, slave: Option<i32>, flags: u32) -> SysResult<Self> {
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

    fn close(self, flags: u32) {
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
    fn take(&self, noted: &mut Noted, bytes: &mut List<u8>) -> Result<()> {
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
    fn fill(&self, wanted: &Wanted<'_>) -> SysResult<()> {
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

/// A pseudoterminal made anew.
#[derive(Clone, Copy, Debug)]
pub(super) struct Made {
    /// 1 if it is one.
    is: u32,
    /// The number that it had.
    number: u64,
    /// Its master, closed when all descriptions are there.
    master: i32,
}

// SAFETY: a record of integers.
unsafe impl Plain for Made {}

/// All of them, by the number of the first description of each.
#[derive(Debug)]
pub(super) struct Ptys<'a>(&'a mut [Made]);

impl<'a> Ptys<'a> {
    pub(super) fn new(arena: &'a Arena, count: usize) -> Result<Self> {
        Ok(Self(arena.records(count)?))
    }

    /// Opens description `number`, making the terminal if this is the first of it.
    pub(super) fn open(&mut self, number: usize, fd: u32, file: &File<'_>) -> Result<Fd> {
        let what = format_args!("descriptor {fd}: cannot make its terminal again");
        let same = |m: &Made| m.is == 1 && m.number == file.size;
        let first = self.0.iter().position(same).unwrap_or(number);
        let Some(made) = self.0.get_mut(first) else {
            fail!("{what}");
        };
        if made.is == 0 {
            let master = make(file.size).or_fail(what)?;
            terminal::lock(master.number(), false).or_fail(what)?;
            *made = Made {
                is: 1,
                number: file.size,
                master: master.release(),
            };
        }
        let opened = if file.kind == file_kind::MASTER {
            fs::control(made.master, F_DUPFD_CLOEXEC, 0).map(|fd| Fd::own(fd as i32))
        } else {
            terminal::open_slave(made.master, file.flags)
        };
        let opened = opened.or_fail(what)?;
        if file.kind == file_kind::SLAVE && file.mode & 0o7777 != 0 {
            // Of the user's own file; others may not be had here.
            let _ = fs::set_mode(opened.number(), file.mode & 0o7777);
        }
        fs::control(opened.number(), F_SETFL, file.flags as usize).or_fail(what)?;
        Ok(opened)
    }

    /// Fills all and closes the masters that the program does not have. `places` are of the files.
    pub(super) fn finish(&self, image: &Image<'_>, places: &[i32]) -> Result<()> {
        for terminal in image.list::<Terminal<'_>>(kind::TERMINALS) {
            let file = terminal.file as usize;
            let master = places.get(file).copied().unwrap_or(-1);
            let mut files = image.files();
            let Some(of) = files.nth(file).filter(|f| f.kind == file_kind::MASTER) else {
                continue;
            };
            let its_slave = |f: &File<'_>| f.kind == file_kind::SLAVE && f.size == of.size;
            let slave = image.files().position(|f| its_slave(&f));
            let slave = slave.and_then(|n| places.get(n).copied());
            set(master, slave, &terminal)
                .or_fail(format_args!("cannot fill a pseudoterminal again"))?;
        }
        for made in self.0.iter().filter(|made| made.is == 1) {
            drop(Fd::own(made.master));
        }
        Ok(())
    }
}

/// A master, of that number if it can be had: the program may have noted the slave's name.
fn make(number: u64) -> SysResult<Fd> {
    /// The kernel gives the lowest number that is free (devpts_new_index, fs/devpts/inode.c).
    const TRIES: usize = 64;
    let flags = fs::O_RDWR | fs::O_NOCTTY;
    let open = || fs::open(c"/dev/ptmx", flags, 0);
    let mut others = [const { None }; TRIES];
    let mut made = open()?;
    for slot in &mut others {
        let got = number_of(made.number())?;
        if got >= number {
            break;
        }
        let Ok(next) = open() else { break };
        *slot = Some(core::mem::replace(&mut made, next));
    }
    if number_of(made.number())? == number {
        return Ok(made);
    }
    drop(made);
    drop(others);
    open()
}

fn set(master: i32, slave: Option<i32>, wanted: &Terminal<'_>) -> SysResult<()> {
    let size = [wanted.rows, wanted.columns, wanted.width, wanted.height];
    let modes = shared::modes(wanted);
    let has = |bit| wanted.flags & bit != 0;
    if has(flag::OPENED) {
        let end = Open::new(master, slave, 0)?;
        end.fill(&Wanted {
            flags: wanted.flags,
            modes,
            first: wanted.first as usize,
            typed: wanted.typed,
            shown: wanted.shown,
        })?;
        end.close(0);
    } else {
        terminal::set_modes(master, &modes)?;
    }
    terminal::set_size(master, size.map(|n| n as u16))?;
    terminal::set_packets(master, has(flag::PACKETS))?;
    terminal::lock(master, has(flag::LOCKED))?;
    if has(flag::EXCLUSIVE_MASTER) {
        terminal::set_exclusive(master, true)?;
    }
    if let Some(slave) = slave.filter(|_| has(flag::EXCLUSIVE_SLAVE)) {
        terminal::set_exclusive(slave, true)?;
    }
    Ok(())
}
