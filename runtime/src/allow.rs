//! Losses that the user accepts: `--allow KIND`, `CKPT_ALLOW=KIND,…`.
//!
//! What cannot be carried is refused by name. Where a program can do without it, a kind of loss is
//! named here, and whoever finds one asks [`accepts`] before it refuses.

use core::ffi::CStr;
use core::fmt;

use crate::error::{Result, fail};
use crate::util::cell::Global;
use crate::util::text::{Show, Words, find};
use crate::{config, log};

/// What may be lost; a bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// TCP connections to elsewhere: restored as connections that were reset.
    Tcp,
    /// Datagrams from elsewhere that wait to be read, and errors that do.
    Udp,
    /// Connections of Unix sockets to other processes: their other end is closed.
    Unix,
    /// Pipes to other processes: their other end is closed.
    Pipe,
    /// Child processes: they are not there any more.
    Child,
    /// Files that have changed or shrunk since the checkpoint: as they are now.
    Changed,
    /// Events of inotify that wait to be read: the program is told that some were lost.
    Inotify,
}

/// The kinds' names, in their order.
pub const NAMES: Words = Words("tcp udp unix pipe child changed inotify");

/// What the request that is being served allows beside the settings.
static GRANTED: Global<u32> = Global::new(0);

/// The kinds of a list with commas; `None` if one of them is unknown.
#[must_use]
pub fn parse(mut list: &[u8]) -> Option<u32> {
    let mut all = 0;
    loop {
        let end = find(list, b',').unwrap_or(list.len());
        let (name, rest) = list.split_at(end);
        all |= 1 << NAMES.position(name)?;
        let Some((_, rest)) = rest.split_first() else {
            return Some(all);
        };
        list = rest;
    }
}

/// The kinds that follow `--allow` on a command line.
pub fn argument(list: Option<&CStr>) -> Result<u32> {
    let list = list.map_or(&b""[..], CStr::to_bytes);
    match parse(list) {
        Some(kinds) => Ok(kinds),
        None => fail!(
            "--allow {}: no such kind of loss; there are: {}",
            Show(list),
            NAMES.0
        ),
    }
}

/// Takes what a request allows, for this checkpoint alone.
pub fn grant(kinds: u32) {
    GRANTED.set(kinds);
}

/// Is this loss accepted?
#[must_use]
pub fn has(kind: Kind) -> bool {
    let all = config::with(|c| c.allow) | GRANTED.get();
    all & 1 << kind as u32 != 0
}

/// Is this loss accepted? If so, the log tells what is lost.
#[must_use]
#[inline(never)]
pub fn accepts(kind: Kind, what: fmt::Arguments<'_>) -> bool {
    let accepted = has(kind);
    if accepted {
        log::info!("{what}: lost, as allowed");
    }
    accepted
}
