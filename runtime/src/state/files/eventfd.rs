//! Counters of eventfd(2).

use ckpt_format::record::File;

use super::{F_SETFL, fdinfo};
use crate::error::{Context, Result, fail};
use crate::sys::SysResult;
use crate::sys::fs::{self, Fd};
use crate::util::text::{hexadecimal, labelled};

/// What /proc calls one.
pub(super) const LINK: &[u8] = b"anon_inode:[eventfd]";
/// The largest value that a write(2) makes. An overflow by the kernel's own users goes beyond.
const MOST: u64 = u64::MAX - 1;

/// 1 for a semaphore, and the value.
pub(super) fn measure(fd: i32) -> Result<(u64, u64)> {
    let what = format_args!("cannot look into the eventfd at descriptor {fd}");
    let (mut value, mut semaphore) = (None, None);
    fdinfo::lines(fd, what, &mut |line| {
        let number = |label: &[u8]| Some(hexadecimal(labelled(line, label)?)?.0);
        value = value.or_else(|| number(b"eventfd-count:"));
        semaphore = semaphore.or_else(|| number(b"eventfd-semaphore:"));
        Ok(())
    })?;
    let Some(value) = value.filter(|&value| value <= MOST) else {
        fail!("{what}");
    };
    let semaphore = match semaphore {
        Some(mode) => mode,
        None => try_out(fd, value).or_fail(what)?,
    };
    Ok((semaphore, value))
}

/// Before 6.5 the kernel does not tell whether it is a semaphore (fs/eventfd.c,
/// eventfd_show_fdinfo). It shows in what one read takes of a value above one; the value is made
/// what it was.
fn try_out(fd: i32, value: u64) -> SysResult<u64> {
    const ENOUGH: u64 = 2;
    let mut got = [0; 8];
    if value < ENOUGH {
        add(fd, ENOUGH)?;
    }
    fs::read(fd, &mut got)?;
    if u64::from_le_bytes(got) != 1 {
        add(fd, value)?;
        return Ok(0);
    }
    if value < ENOUGH {
        fs::read(fd, &mut got)?;
    } else {
        add(fd, 1)?;
    }
    Ok(1)
}

fn add(fd: i32, value: u64) -> SysResult<()> {
    fs::write_all(fd, &value.to_le_bytes())
}

/// Makes it again.
pub(super) fn open(fd: u32, file: &File<'_>) -> Result<Fd> {
    let what = format_args!("descriptor {fd}: cannot make its eventfd again");
    let made = fs::event_counter(file.pos != 0).or_fail(what)?;
    add(made.number(), file.size).or_fail(what)?;
    fs::control(made.number(), F_SETFL, file.flags as usize).or_fail(what)?;
    Ok(made)
}
