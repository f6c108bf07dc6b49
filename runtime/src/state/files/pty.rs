//! Pseudoterminals whose master the program has: modes, window size, and what is under way in both
//! directions.
#![expect(
    unsafe_code,
    reason = "vouches that a record of integers may be all zeroes"
)]

mod queues;

use ckpt_format::record::{File, Terminal, file_kind, terminal_flag as flag};
use ckpt_format::toc::kind;

use super::kinds::refused;
use super::known::{Book, Known};
use super::terminal::{self as shared, Noted};
use super::{F_DUPFD_CLOEXEC, F_SETFL};
use crate::error::{Context, Result, fail};
use crate::image::input::Image;
use crate::sys::fs::{self, Fd, Stat};
use crate::sys::terminal::{self, About};
use crate::sys::{Errno, SysResult, namespace, process};
use crate::util::arena::{Arena, Plain};
use crate::util::list::List;
use crate::util::text::{Show, Text, decimal};

use queues::{Open, Wanted};

/// /dev/ptmx as `st_rdev`.
const MULTIPLEXER: u64 = 0x502;
/// Major number of slaves (linux/major.h).
const SLAVES: u64 = 136;
const POLLPRI: u16 = 2;
/// Input that is not processed here but at the other end of a network.
const EXTPROC: u32 = 0o200_000;

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
