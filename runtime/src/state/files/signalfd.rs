//! Signals read from a descriptor, signalfd(2). The signals themselves wait in the queues.

use ckpt_format::record::File;

use super::F_SETFL;
use super::fdinfo;
use crate::error::{Context, Result, fail};
use crate::sys::fs::{self, Fd};
use crate::sys::signal;
use crate::util::text::{hexadecimal, labelled};

/// Which signals it reads.
pub(super) fn mask(fd: i32) -> Result<u64> {
    let mut buffer = [0; 256];
    let text = fdinfo::read(fd, &mut buffer)?;
    match labelled(text, b"sigmask:").and_then(hexadecimal) {
        Some((mask, _)) => Ok(mask),
        None => fail!("cannot tell which signals descriptor {fd} reads"),
    }
}

/// Makes it again.
pub(super) fn open(fd: u32, file: &File<'_>) -> Result<Fd> {
    let what = format_args!("descriptor {fd}: cannot read signals from it again");
    let made = signal::descriptor(file.size).or_fail(what)?;
    fs::control(made.number(), F_SETFL, file.flags as usize).or_fail(what)?;
    Ok(made)
}
