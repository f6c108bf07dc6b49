//! What /proc tells of POSIX timers.

use ckpt_format::limits;
use ckpt_format::record::{PosixTimer, notify};

use crate::error::{Context, Result, fail};
use crate::sys::{Errno, fs, timer};
use crate::util::list::List;
use crate::util::text::{Words, after, decimal, hexadecimal, split};

/// The timers, in the order of their ids, as far as the kernel tells of them: /proc has what they
/// are, the calls ([`measure`]) what they are set to.
pub fn list() -> Result<List<PosixTimer>> {
    let mut all: List<PosixTimer> = List::new(limits::POSIX_TIMERS as usize);
    let file = match fs::open(c"/proc/self/timers", fs::O_RDONLY, 0) {
        Ok(file) => file,
        // No /proc, or a kernel without CONFIG_CHECKPOINT_RESTORE.
        Err(Errno::NOENT) => return refuse_by_number().map(|()| all),
        Err(e) => fail!("cannot read /proc/self/timers: {e}"),
    };
    let mut text: List<u8> = List::new(256 << 20);
    let mut buffer = [0; 4096];
    loop {
        let got = fs::read(file.number(), &mut buffer)
            .or_fail(format_args!("cannot read /proc/self/timers"))?;
        if got == 0 {
            break;
        }
        text.append(buffer.get(..got).unwrap_or(&[]))?;
    }
    for line in split(text.as_slice(), b'\n') {
        if let Some((id, _)) = after(line, b"ID: ").and_then(decimal) {
            all.push(PosixTimer {
                id: id as u32,
                ..NOTHING
            })?;
        } else if let Some(timer) = all.as_mut_slice().last_mut()
            && take(timer, line).is_none()
        {
            fail!("POSIX timer {}: /proc tells something unknown", timer.id);
        }
    }
    // The kernel shows the youngest first, mostly the one with the greatest id.
    let timers = all.as_mut_slice();
    timers.reverse();
    for end in 1..timers.len() {
        let mut at = end;
        while at > 0 && timers.get(at - 1).map(|t| t.id) > timers.get(at).map(|t| t.id) {
            timers.swap(at - 1, at);
            at -= 1;
        }
    }
    Ok(all)
}

const NOTHING: PosixTimer = PosixTimer {
    id: 0,
    clock: 0,
    notify: 0,
    signal: 0,
    target: 0,
    flags: 0,
    overrun: 0,
    value: 0,
    interval: 0,
    next: 0,
};

/// A line of show_timer (fs/proc/base.c).
fn take(timer: &mut PosixTimer, line: &[u8]) -> Option<()> {
    if let Some(rest) = after(line, b"signal: ") {
        let (number, rest) = decimal(rest)?;
        (timer.value, _) = hexadecimal(after(rest, b"/")?)?;
        timer.signal = number as u32;
    } else if let Some(rest) = after(line, b"notify: ") {
        let mut parts = split(rest, b'/');
        timer.notify = Words("signal none thread").position(parts.next()?)? as u32;
        if let Some(rest) = after(parts.next()?, b"tid.") {
            timer.notify |= notify::THREAD_ID;
            timer.target = decimal(rest)?.0 as u32;
        }
    } else if let Some(rest) = after(line, b"ClockID: ") {
        let negative = after(rest, b"-");
        let (number, _) = decimal(negative.unwrap_or(rest))?;
        let sign = if negative.is_some() { -1 } else { 1 };
        timer.clock = (sign * number as i32) as u32;
    }
    Some(())
}

/// Numbers are given out from zero up (kernel/time/posix-timers.c, posix_timer_add).
fn refuse_by_number() -> Result<()> {
    const LOOK_AT: u32 = 1024;
    match (0..LOOK_AT).find(|&number| timer::overrun(number).is_ok()) {
        Some(number) => fail!("POSIX timer {number}, of which /proc does not tell: not carried"),
        None => Ok(()),
    }
}
