//! What stays in the program between checkpoints: what was asked for, at patch time and in the
//! environment, read once, at start; and what else the body has to know when it comes.
#![expect(unsafe_code, reason = "lies in the resident part, is used by the body")]

use core::sync::atomic::{AtomicPtr, Ordering::Relaxed};

use ckpt_format::record::Action;

use ckpt_format::handoff;

mod signal;
mod streams;

use crate::allow;
use crate::log::Level;
use crate::sys::fs;
use crate::util::cell::Global;
use crate::util::text::{Text, after, find, until_nul};

pub use signal::parse as parse_signal;
pub use streams::{MARK, NAMESPACES, Note, Origin, Streams};

/// The longest path, without its NUL.
const PATH: usize = 4095;
/// Room for the log file's path with its NUL.
const LOG_FILE: usize = 512;
/// Room for where images are to go. It is part of every patched file, so it is not what the longest
/// path would take; one that is too long is an error of the checkpoint.
const IMAGE: usize = 1152;

/// All that stays. Resident part and body are built from one compilation of this crate, so both
/// have it laid out alike.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Where this lies in the program; a restore uses a copy that does not.
    pub home: usize,
    /// Action of the signals that ask for a checkpoint.
    pub action: Action,
    /// Where a restore leads: the resume stub of the program's own runtime.
    pub resume: usize,
    /// Where interrupted system calls are repeated, and what follows the call there.
    pub again: [usize; 2],
    /// Signals that the first thread blocked when it was stopped; all, if it has ended.
    pub first_mask: u64,
    /// The body in memory; zero for what is not there.
    pub body: Body,
    /// The program's actions of signals that are taken over for a checkpoint.
    pub saved: [(u32, Action); 6],
    /// The descriptors that the program was started with.
    pub streams: Note,
    /// Where the handoff block lies.
    pub handoff: usize,
    /// Where the program lies, less where its program headers say.
    pub bias: usize,
    /// SHA-256 of the executable before it was patched.
    pub identity: [u8; 32],
    /// The signal that asks for a checkpoint; zero for none.
    pub signal: u32,
    /// Folder of relative images, image pattern and the program's name, one behind the other.
    image: Text<IMAGE>,
    /// Where the pattern begins, and where the name does.
    parts: [usize; 2],
    /// Losses that are accepted, a bit each.
    pub allow: u32,
    /// What is told.
    pub level: Level,
    /// Where it is told; empty for standard error.
    pub log_file: Text<LOG_FILE>,
    /// The break at start, where the kernel put it.
    pub start_break: usize,
    /// FS base at start, where a dynamic linker had put it; programs may move it (Go's do).
    pub start_fs: u64,
    /// Address and length of the auxiliary vector on the initial stack.
    pub auxv: (usize, usize),
    /// The seccomp mode at start, which is the starter's affair.
    pub seccomp: u32,
    /// Where the kernel put the vDSO; zero for nowhere.
    pub vdso: usize,
    /// Code of the executable: first and last address of each segment that may be run.
    pub code: [(usize, usize); 4],
    /// Stack pointer at start, then bounds of the argument and environment strings.
    pub stack: [usize; 5],
    /// How many restores lie behind this process.
    pub generation: u32,
    /// How many images were written.
    pub sequence: u32,
    /// Images hold the contents of files that are open for writing.
    pub files: bool,
    /// A restore leaves such files as they are.
    pub keep_files: bool,
    /// The program is Go.
    pub go: bool,
    /// Where its table of signals is, less the bias; zero if it is not known.
    pub go_signals: usize,
}

/// Where the body lies and what it is made of: addresses.
#[derive(Clone, Copy, Debug, Default)]
pub struct Body {
    /// First byte.
    pub base: usize,
    /// Bytes, a multiple of the page size.
    pub len: usize,
    /// First writable page.
    pub data: usize,
    /// Entry point.
    pub entry: usize,
    /// Bounds of the table of relocations.
    pub relocations: [usize; 2],
}

/// The resident part's own; a body has only the pointer.
static STORE: Global<Config> = Global::new(Config {
    home: 0,
    action: Action::DEFAULT,
    resume: 0,
    again: [0; 2],
    first_mask: !0,
    body: Body {
        base: 0,
        len: 0,
        data: 0,
        entry: 0,
        relocations: [0; 2],
    },
    saved: [(0, Action::DEFAULT); 6],
    streams: Note::NEW,
    handoff: 0,
    bias: 0,
    identity: [0; 32],
    signal: 0,
    image: Text::new(),
    parts: [0; 2],
    allow: 0,
    level: Level::Error,
    log_file: Text::new(),
    start_break: 0,
    start_fs: 0,
    auxv: (0, 0),
    seccomp: 0,
    vdso: 0,
    code: [(0, 0); 4],
    stack: [0; 5],
    generation: 0,
    sequence: 0,
    files: false,
    keep_files: false,
    go: false,
    go_signals: 0,
});

/// The one in use.
static PLACE: AtomicPtr<Config> = AtomicPtr::new(core::ptr::null_mut());

/// Uses the resident part's own store. What it is given are the addresses of its code that the
/// kernel, images and stacks know.
pub fn take_home([handler, restorer, resume, again, called]: [usize; 5]) {
    let place = STORE.place();
    PLACE.store(place, Relaxed);
    with(|c| {
        c.home = place.addr();
        c.action.handler = handler as u64;
        c.action.restorer = restorer as u64;
        c.resume = resume;
        c.again = [again, called];
    });
}

/// Uses another place.
///
/// # Safety
///
/// A complete one lies there for as long as this code runs, and nobody else uses it meanwhile.
pub unsafe fn use_place(place: *mut Config) {
    PLACE.store(place, Relaxed);
}

/// Where it lies.
#[must_use]
pub fn place_in_use() -> *mut Config {
    PLACE.load(Relaxed)
}

/// Reads or changes the settings.
pub fn with<R>(f: impl FnOnce(&mut Config) -> R) -> R {
    // SAFETY: set before anything else runs; one thread at a time changes what another reads, as
    // for every static of the runtime.
    f(unsafe { &mut *PLACE.load(Relaxed) })
}

/// A number of the handoff block.
fn word<const N: usize>(block: &[u8], at: usize) -> [u8; N] {
    block
        .get(at..)
        .and_then(|rest| rest.first_chunk::<N>())
        .copied()
        .unwrap_or([0; N])
}

/// A NUL-padded name of the handoff block.
fn name(block: &[u8], at: usize) -> &[u8] {
    block
        .get(at..at + handoff::FLAG_NAME_MAX)
        .map_or(&[], until_nul)
}

/// The two reserved first arguments.
#[must_use]
pub fn reserved(block: &[u8]) -> (&[u8], &[u8]) {
    (
        name(block, handoff::OFF_RESTORE_FLAG),
        name(block, handoff::OFF_CHECKPOINT_FLAG),
    )
}

/// Unbiased entry of the program and address of the block.
#[must_use]
pub fn addresses(block: &[u8]) -> (usize, usize) {
    (
        u64::from_le_bytes(word(block, handoff::OFF_ENTRY)) as usize,
        u64::from_le_bytes(word(block, handoff::OFF_SELF_VADDR)) as usize,
    )
}

/// Takes what was set at patch time.
#[inline(never)]
pub fn take_handoff(at: usize, block: &[u8]) {
    with(|c| {
        c.handoff = at;
        c.identity = word(block, handoff::OFF_IDENTITY);
        c.signal = u32::from_le_bytes(word(block, handoff::OFF_SIGNAL));
        let flags = u32::from_le_bytes(word(block, handoff::OFF_FLAGS));
        c.go = flags & handoff::FLAG_GO != 0;
        c.files = flags & handoff::FLAG_FILES != 0;
        c.go_signals = u64::from_le_bytes(word(block, handoff::OFF_GO_SIGNALS)) as usize;
    });
}

/// The image pattern that was set at patch time.
fn patched_pattern(block: &[u8]) -> &[u8] {
    let len = u32::from_le_bytes(word(block, handoff::OFF_PATTERN_LEN)) as usize;
    block
        .get(handoff::OFF_PATTERN..)
        .and_then(|rest| rest.get(..len.min(handoff::PATTERN_MAX)))
        .unwrap_or(&[])
}

/// Name and value of one of our variables, without the prefix.
#[must_use]
pub fn parts(variable: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = after(variable, b"CKPT_")?;
    let (key, value) = rest.split_at(find(rest, b'=')?);
    Some((key, value.get(1..).unwrap_or(&[])))
}

/// Where images are to go: kept apart while the environment is read, whatever its order.
#[derive(Debug)]
pub struct Place<'a> {
    folder: &'a [u8],
    pattern: &'a [u8],
}

impl<'a> Place<'a> {
    /// What was set at patch time.
    #[must_use]
    pub fn new(block: &'a [u8]) -> Self {
        Self {
            folder: b"",
            pattern: patched_pattern(block),
        }
    }

    /// Takes one variable of the environment; others than ours are left alone. What makes no sense
    /// is not used and answered with false, so that it is told: a misspelt setting must not pass
    /// for a chosen one.
    #[inline(never)]
    #[must_use]
    pub fn take_variable(&mut self, variable: &'a [u8]) -> bool {
        let Some((key, value)) = parts(variable) else {
            return true;
        };
        let fits = |most: usize| (1..=most).contains(&value.len());
        match key {
            b"SIGNAL" => parse_signal(value)
                .map(|n| with(|c| c.signal = n))
                .is_some(),
            b"IMAGE" if fits(handoff::PATTERN_MAX) => {
                self.pattern = value;
                true
            }
            b"DIR" if fits(PATH) => {
                self.folder = value;
                true
            }
            b"ALLOW" => allow::parse(value)
                .map(|kinds| with(|c| c.allow |= kinds))
                .is_some(),
            b"LOG" => Level::parse(value).map(|l| with(|c| c.level = l)).is_some(),
            b"LOG_FILE" if fits(LOG_FILE - 1) => {
                with(|c| {
                    c.log_file.clear();
                    c.log_file.push(value);
                });
                true
            }
            b"FILES" if matches!(value, b"0" | b"1") => {
                with(|c| c.files = value == b"1");
                true
            }
            b"IMAGE" | b"DIR" | b"LOG_FILE" | b"FILES" => false,
            _ => true,
        }
    }

    /// Makes the folder of relative images absolute, while the working directory is the one at
    /// start. It stays empty if that has no name.
    ///
    /// `name` is the program's, for `%e`.
    pub fn settle(self, name: &[u8]) {
        with(|c| {
            let absolute = |text: &[u8]| text.first() == Some(&b'/');
            if !absolute(self.pattern) {
                let mut buffer = [0; PATH + 1];
                let here = if absolute(self.folder) {
                    Ok(&b""[..])
                } else {
                    fs::working_directory(&mut buffer)
                };
                match here {
                    Ok(b"") => c.image.push(self.folder),
                    Ok(here) if absolute(here) => {
                        c.image.push(here);
                        if !self.folder.is_empty() {
                            c.image.push(b"/");
                            c.image.push(self.folder);
                        }
                    }
                    _ => {}
                }
            }
            let pattern_at = c.image.as_bytes().len();
            c.image.push(self.pattern);
            c.parts = [pattern_at, c.image.as_bytes().len()];
            if self.pattern.windows(2).any(|two| two == b"%e") {
                c.image.push(name);
            }
        });
    }
}

/// Folder of relative images, absolute, image pattern, and the program's name; `None` if they are
/// too long for a path. The folder is empty if none is needed, and if the working directory at
/// start had no name.
#[must_use]
pub fn place(config: &Config) -> Option<[&[u8]; 3]> {
    let [pattern_at, name_at] = config.parts;
    let image = &config.image;
    let (rest, name) = image.as_bytes().split_at_checked(name_at)?;
    let (folder, pattern) = rest.split_at_checked(pattern_at)?;
    (!image.is_cut()).then_some([folder, pattern, name])
}
