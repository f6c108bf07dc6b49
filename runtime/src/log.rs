//! The runtime's own messages: lines beginning `ckpt: `, to standard error or a log file.

use core::fmt;

use crate::config;
use crate::sys::fs;
use crate::util::text::Text;

/// How much is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing at all.
    Off,
    /// What failed.
    Error,
    /// What was done.
    Info,
    /// How.
    Debug,
}

impl Level {
    /// The level of that name.
    #[must_use]
    pub fn parse(name: &[u8]) -> Option<Self> {
        match name {
            b"off" => Some(Self::Off),
            b"error" => Some(Self::Error),
            b"info" => Some(Self::Info),
            b"debug" => Some(Self::Debug),
            _ => None,
        }
    }
}

/// Tells something, if the level in force wants it.
pub fn line(level: Level, args: fmt::Arguments<'_>) {
    if level > config::with(|c| c.level) {
        return;
    }
    let mut text = Text::<1100>::new();
    text.push(b"ckpt: ");
    if level == Level::Error {
        text.push(b"error: ");
    }
    text.push_fmt(args);
    text.push(b"\n");
    write(text.as_bytes());
}

/// Tells an error in words that are ready.
pub fn plain(line: &[u8]) {
    if config::with(|c| c.level) >= Level::Error {
        write(line);
    }
}

/// In one write, so that lines of several processes do not mix.
fn write(line: &[u8]) {
    let file = config::with(|c| c.log_file);
    let opened = if file.as_bytes().is_empty() {
        None
    } else {
        let flags = fs::O_WRONLY | fs::O_CREAT | fs::O_APPEND | fs::O_NOFOLLOW;
        fs::open(file.as_c(), flags, 0o600).ok()
    };
    let to = opened.as_ref().map_or(2, fs::Fd::number);
    // A message that cannot be told is lost: there is nobody to tell it to.
    let _ = fs::write_all(to, line);
}

macro_rules! error {
    ($($arg:tt)*) => { $crate::log::line($crate::log::Level::Error, format_args!($($arg)*)) };
}
macro_rules! info {
    ($($arg:tt)*) => { $crate::log::line($crate::log::Level::Info, format_args!($($arg)*)) };
}
macro_rules! debug {
    ($($arg:tt)*) => { $crate::log::line($crate::log::Level::Debug, format_args!($($arg)*)) };
}
pub(crate) use {debug, error, info};
