//! Arguments of `--restore`.

use core::ffi::CStr;

use super::remap;
use crate::allow;
use crate::entry::InitialStack;
use crate::error::{self, Error, Result, fail};
use crate::log::Level;
use crate::util::text::Show;

/// What the command line asks.
#[derive(Debug)]
pub(super) struct Options<'a> {
    /// The image.
    pub(super) image: &'a CStr,
    /// Restore an image that belongs to somebody else.
    pub(super) force: bool,
    /// Leave files as they are whose contents the image has.
    pub(super) keep_files: bool,
    /// The program gets its old process and thread ids.
    pub(super) same_ids: bool,
    /// Losses that are accepted, a bit each.
    pub(super) allow: u32,
    /// What is told.
    pub(super) level: Option<Level>,
}

/// The error of a command line that is none.
#[cold]
fn usage() -> Error {
    Error::new(format_args!(
        "usage: --restore IMG [--pid same|new] [--remap OLD=NEW]... [--allow KIND]... [--keep-files] [--log off|error|info|debug] [--force]"
    ))
}

impl<'a> Options<'a> {
    /// Reads the arguments after the flag.
    pub(super) fn parse(stack: &'a InitialStack) -> Result<Self> {
        let mut image = None;
        let mut force = false;
        let mut keep_files = false;
        let mut same_ids = false;
        let mut allow = 0;
        let mut level = None;
        let mut n = 2;
        while let Some(argument) = stack.argument(n) {
            n += 1;
            match argument.to_bytes() {
                b"--force" => force = true,
                b"--keep-files" => keep_files = true,
                b"--pid" => {
                    same_ids = match stack.argument(n).map(CStr::to_bytes) {
                        Some(b"same") => true,
                        Some(b"new") => false,
                        _ => return Err(usage()),
                    };
                    n += 1;
                }
                b"--allow" => {
                    allow |= allow::argument(stack.argument(n))?;
                    n += 1;
                }
                b"--remap" => {
                    remap::check(stack.argument(n).ok_or_else(usage)?)?;
                    n += 1;
                }
                b"--log" => {
                    level = stack.argument(n).and_then(|v| Level::parse(v.to_bytes()));
                    if level.is_none() {
                        return Err(usage());
                    }
                    n += 1;
                }
                text if text.starts_with(b"-") && text.len() > 1 => {
                    let _ = usage();
                    fail!("unknown option {}; {}", Show(text), error::message());
                }
                _ if image.is_none() => image = Some(argument),
                _ => return Err(usage()),
            }
        }
        match image {
            Some(image) => Ok(Self {
                image,
                force,
                keep_files,
                same_ids,
                allow,
                level,
            }),
            None => Err(usage()),
        }
    }
}
