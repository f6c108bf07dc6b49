//! Terminals: those that lead to the command that started the program, of which a restored one has
//! others, and pseudoterminals of the program's own ([`super::pty`]).
//!
//! A program that has changed the modes of its terminal, or has drawn on it, finds a terminal in
//! those modes again, and is told that the window has changed: the new one shows nothing of what
//! the old one did, and has another size, perhaps.
#![expect(
    unsafe_code,
    reason = "vouches that a record of integers may be all zeroes"
)]

use ckpt_format::limits;
use ckpt_format::record::{File, Terminal, file_kind, terminal_flag as flag};
use ckpt_format::toc::kind;

use super::known::{Book, Known};
use super::pty;
use super::{S_IFIFO, S_IFMT, S_IFSOCK};
use crate::error::{Context, Result};
use crate::image::input::Image;
use crate::image::output::Output;
use crate::log;
use crate::sys::terminal::{self, Modes, Size};
use crate::sys::{fs, namespace, process, signal};
use crate::util::arena::Plain;
use crate::util::list::List;

/// /dev/tty as `st_rdev`.
const CONTROLLING: u64 = 0x500;

/// A terminal while it is collected; what is under way in it is kept elsewhere.
#[derive(Clone, Copy, Debug)]
pub(super) struct Noted {
    pub(super) file: u32,
    pub(super) flags: u32,
    pub(super) modes: Modes,
    pub(super) size: Size,
    /// Bytes of what is under way: typed, of these the first, and shown.
    pub(super) typed: usize,
    pub(super) first: usize,
    pub(super) shown: usize,
}

// SAFETY: a record of integers.
unsafe impl Plain for Noted {}

/// All terminals.
#[derive(Debug)]
pub(super) struct Terminals {
    all: List<Noted>,
    bytes: List<u8>,
}

impl Terminals {
    pub(super) fn new() -> Self {
        Self {
            all: List::new(limits::DESCRIPTORS as usize),
            bytes: List::new(64 * limits::TERMINAL),
        }
    }

    /// Looks at them, when all descriptors are known.
    #[inline(never)]
    pub(super) fn collect(&mut self, book: &Book) -> Result<()> {
        let leads_on = |fd| {
            let kind = fs::stat_fd(fd).map_or(0, |stat| stat.st_mode & S_IFMT);
            kind == S_IFIFO || kind == S_IFSOCK
        };
        // What the program writes to may be a pager, whose modes they are.
        let piped = leads_on(1);
        for (number, known) in (0..).zip(book.files()) {
            let own = known.kind == file_kind::MASTER;
            if !own && !may_be(known) {
                continue;
            }
            let (Ok(modes), Ok(size)) = (terminal::modes(known.fd), terminal::size(known.fd))
            else {
                continue;
            };
            let mut noted = Noted {
                file: number,
                flags: 0,
                modes,
                size,
                typed: 0,
                first: 0,
                shown: 0,
            };
            if own {
                pty::look(book, known, &mut noted, &mut self.bytes)?;
            } else if is_front(known.fd) && !(piped && known.kind == file_kind::STREAM) {
                noted.flags = flag::FRONT;
            }
            self.all.push(noted)?;
        }
        Ok(())
    }

    /// Writes the section.
    pub(super) fn write(&self, out: &mut Output<'_>) -> Result<()> {
        let (all, mut bytes) = (self.all.as_slice(), self.bytes.as_slice());
        // A record's fields are 88 bytes.
        let most = 4 + all.len() * 96 + bytes.len();
        out.section(kind::TERMINALS, most, |w| {
            w.put(&(all.len() as u32));
            for noted in all {
                let (typed, rest) = bytes.split_at_checked(noted.typed).unwrap_or_default();
                let (shown, rest) = rest.split_at_checked(noted.shown).unwrap_or_default();
                bytes = rest;
                w.put(&record(noted, typed, shown));
            }
        })
    }
}

/// A terminal that leads to who started the program.
fn may_be(known: &Known) -> bool {
    [file_kind::STREAM, file_kind::TERMINAL].contains(&known.kind)
        || (known.kind == file_kind::DEVICE && known.rdev == CONTROLLING)
}

fn record<'a>(noted: &Noted, typed: &'a [u8], shown: &'a [u8]) -> Terminal<'a> {
    let modes = noted.modes;
    let [rows, columns, width, height] = noted.size.map(u32::from);
    Terminal {
        file: noted.file,
        flags: noted.flags,
        input: modes.input,
        output: modes.output,
        control: modes.control,
        local: modes.local,
        line: u32::from(modes.line),
        keys: modes.keys,
        input_speed: modes.input_speed,
        output_speed: modes.output_speed,
        rows,
        columns,
        width,
        height,
        first: noted.first as u32,
        typed,
        shown,
    }
}

/// The modes of a record.
pub(super) fn modes(of: &Terminal<'_>) -> Modes {
    Modes {
        input: of.input,
        output: of.output,
        control: of.control,
        local: of.local,
        line: of.line as u8,
        keys: of.keys,
        input_speed: of.input_speed,
        output_speed: of.output_speed,
    }
}

/// Is the process in the foreground of the terminal? Both are zero if the group is one of an outer
/// namespace.
fn is_front(fd: i32) -> bool {
    namespace::foreground(fd) == Ok(process::group())
}

/// Gives the terminals that the program has got the modes of those it had. Late, since a restore
/// that fails must leave the user's terminal alone; all signals are blocked.
pub fn restore(image: &Image<'_>) -> Result<()> {
    let mut another = false;
    let mut terminals = image.list::<Terminal<'_>>(kind::TERMINALS).peekable();
    for (number, file) in (0..).zip(image.files()) {
        let Some(wanted) = terminals.next_if(|t: &Terminal<'_>| t.file == number) else {
            continue;
        };
        if wanted.flags & flag::FRONT != 0 {
            another |= give(image, &file, &wanted);
        }
    }
    if !another {
        return Ok(());
    }
    const SIGWINCH: u32 = 28;
    const SI_KERNEL: u32 = 0x80;
    let info = signal::info(SIGWINCH, 0, SI_KERNEL, 0, 0);
    signal::queue(process::id(), SIGWINCH, &info)
        .or_fail(format_args!("cannot tell of the new terminal"))
}

/// False if there is no terminal now.
fn give(image: &Image<'_>, file: &File<'_>, wanted: &Terminal<'_>) -> bool {
    let Some(fd) = image.descriptor_of(wanted.file) else {
        return false;
    };
    let Ok(here) = terminal::modes(fd) else {
        return false;
    };
    if !is_front(fd) {
        log::info!("descriptor {fd}: in the background, so the terminal's modes stay as they are");
        return true;
    }
    // What depends on the line to the terminal is the new one's.
    let new = Modes {
        control: here.control,
        line: here.line,
        input_speed: here.input_speed,
        output_speed: here.output_speed,
        ..modes(wanted)
    };
    if new != here
        && let Err(e) = terminal::set_modes(fd, &new)
    {
        let path = crate::util::text::Show(file.path);
        log::info!("descriptor {fd}: cannot set the modes of {path}: {e}");
    }
    true
}
