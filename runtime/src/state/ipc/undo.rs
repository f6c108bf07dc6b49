//! What the kernel takes back on System V semaphores when the process ends (SEM_UNDO).
//!
//! The end of the old process has done so: what it had taken is given back, and others may have
//! taken it since. So a restore takes and gives again, with a new adjustment, as it does with the
//! locks of files; what cannot be had is told while the restore can be given up, whose end takes
//! all back.
//!
//! No call and no file tells these adjustments. But semop(2) does all of its operations or none,
//! looks at them one by one (perform_atomic_semop_slow, ipc/sem.c), and fails with ERANGE at the
//! one that brings an adjustment out of its bounds, while one that would have to wait gives EAGAIN.
//! So operations are asked for that lead an adjustment towards one of its bounds, and end in one
//! that can never be done; halving finds the bound.

use ckpt_format::limits;
use ckpt_format::record::Adjustment;
use ckpt_format::toc::kind;

use crate::error::{Context, Result, fail};
use crate::image::input::Image;
use crate::sys::ipc::{self, Operation};
use crate::sys::{Errno, SysResult};
use crate::util::list::List;

/// Greatest value and greatest adjustment (SEMVMX and SEMAEM of linux/sem.h); the least adjustment
/// is one farther from zero.
const MOST: i16 = i16::MAX;
/// How often a semaphore that others change meanwhile is looked at.
const TRIES: u32 = 64;
const OUT_OF_RANGE: Errno = Errno(34);

/// The adjustments of the process. Sets that it may not change cannot have one.
pub fn collect() -> Result<List<Adjustment>> {
    let mut all: List<Adjustment> = List::new(limits::ADJUSTMENTS as usize);
    let Ok(last) = ipc::last_semaphore_set() else {
        // A kernel without System V IPC.
        return Ok(all);
    };
    for index in 0..=last {
        let Ok(set) = ipc::semaphore_set(index) else {
            continue;
        };
        for number in 0..set.count.min(u32::from(u16::MAX)) as u16 {
            match adjustment(set.id, number) {
                Ok(0) => {}
                Ok(by) => all.push(Adjustment {
                    set: set.id,
                    key: set.key,
                    count: set.count,
                    number: number.into(),
                    by: by as u32,
                })?,
                // Not ours to change, or gone meanwhile.
                Err(_) => break,
            }
        }
    }
    Ok(all)
}

/// An operation without an adjustment.
fn plain(number: u16, by: i16) -> Operation {
    Operation::new(number, by, false)
}

/// The adjustment of a semaphore.
fn adjustment(set: u32, number: u16) -> SysResult<i32> {
    // Up to the upper bound and back, down to the lower one, which is one farther away.
    let undo = |by| Operation::new(number, by, true);
    let zero = [
        plain(number, MOST),
        undo(-MOST),
        undo(MOST),
        plain(number, -MOST),
        undo(MOST),
        plain(number, -MOST),
        undo(1),
    ];
    if !leads_out(set, number, &zero)? {
        return Ok(0);
    }
    // So many it can be led to either side; if it can be led all the way, it is on the other one.
    let most = |down: bool| -> SysResult<i32> {
        let (mut fits, mut too_many) = (0, i32::from(MOST) + 1);
        while fits + 1 < too_many {
            let by = i32::midpoint(fits, too_many);
            let step = if down { by } else { -by } as i16;
            let way = [plain(number, if down { 0 } else { MOST }), undo(step)];
            // Of no change, it is one that waits for zero, which it is.
            if leads_out(set, number, &way)? {
                too_many = by;
            } else {
                fits = by;
            }
        }
        Ok(fits)
    };
    let up = most(false)?;
    if up < i32::from(MOST) {
        return Ok(i32::from(MOST) - up);
    }
    Ok(most(true)? - i32::from(MOST) - 1)
}

/// Would these operations lead the adjustment out of its bounds? They are asked for on a semaphore
/// whose value is zero by then.
fn leads_out(set: u32, number: u16, way: &[Operation]) -> SysResult<bool> {
    let mut answer = false;
    let mut asked = [plain(number, 0); 9];
    for _ in 0..TRIES {
        let value = ipc::semaphore_value(set, number)?;
        let operations = core::iter::once(plain(number, -(value as i16)))
            .chain(way.iter().copied())
            // No value ever allows this, so nothing can have been done.
            .chain(core::iter::once(plain(number, i16::MIN)));
        let mut count = 0;
        for (slot, operation) in asked.iter_mut().zip(operations) {
            *slot = operation;
            count += 1;
        }
        answer = match ipc::operate(set, asked.get(..count).unwrap_or(&[])) {
            Err(OUT_OF_RANGE) => true,
            Err(Errno::AGAIN) | Ok(()) => false,
            Err(e) => return Err(e),
        };
        // Another process's change can look like either.
        if ipc::semaphore_value(set, number)? == value {
            break;
        }
    }
    Ok(answer)
}

/// Takes and gives again.
pub fn restore(image: &Image<'_>) -> Result<()> {
    for entry in image.list::<Adjustment>(kind::ADJUSTMENTS) {
        let (set, number, by) = (entry.set, entry.number as u16, entry.by as i32);
        let now = ipc::semaphore_set_of(set).ok();
        let same = |now: &ipc::Set| (now.key, now.count) == (entry.key, entry.count);
        if !now.is_some_and(|now| same(&now)) {
            fail!("System V semaphore set {set} is gone");
        }
        // The least adjustment is one more than an operation can make at once.
        let half = by / 2;
        let [first, second] = [half, by - half].map(|by| Operation::new(number, -by as i16, true));
        let both = [first, second];
        let steps = if half == 0 {
            core::slice::from_ref(&second)
        } else {
            &both
        };
        match ipc::operate(set, steps) {
            Err(Errno::AGAIN) => {
                fail!("semaphore {number} of System V set {set} is taken by another process");
            }
            other => other.or_fail(format_args!(
                "cannot take semaphore {number} of System V set {set} again"
            ))?,
        }
    }
    Ok(())
}
