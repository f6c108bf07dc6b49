//! What the kernel takes back on System V semaphores when the process ends (SEM_UNDO); refused, as
//! the end of the old process would give away what the restored one takes to be its own.
//!
//! No call and no file tells these adjustments. But semop(2) does all of its operations or none,
//! looks at them one by one (perform_atomic_semop_slow, ipc/sem.c), and fails with ERANGE at the
//! one that brings an adjustment out of its bounds, while one that would have to wait gives EAGAIN.
//! So operations are asked for that lead a zero adjustment to both of its bounds and no farther,
//! and end in one that can never be done.

use crate::error::{Result, fail};
use crate::sys::ipc::{self, Operation};
use crate::sys::{Errno, SysResult};

/// Greatest value and greatest adjustment (SEMVMX and SEMAEM of linux/sem.h).
const MOST: i16 = i16::MAX;
/// How often a semaphore that others change meanwhile is looked at.
const TRIES: u32 = 64;

/// Refuses a process that has an adjustment. Sets that it may not change cannot have one.
pub fn refuse() -> Result<()> {
    let Ok(last) = ipc::last_semaphore_set() else {
        // A kernel without System V IPC.
        return Ok(());
    };
    for index in 0..=last {
        let Ok((set, count)) = ipc::semaphore_set(index) else {
            continue;
        };
        for number in 0..count.min(u32::from(u16::MAX)) as u16 {
            match is_adjusted(set, number) {
                Ok(false) => {}
                Ok(true) => fail!(
                    "semaphore {number} of System V set {set}: adjustment at the end (SEM_UNDO): not carried"
                ),
                // Not ours to change, or gone meanwhile.
                Err(_) => break,
            }
        }
    }
    Ok(())
}

fn is_adjusted(set: u32, number: u16) -> SysResult<bool> {
    const OUT_OF_RANGE: Errno = Errno(34);
    let op = |by, undo| Operation::new(number, by, undo);
    let mut answer = false;
    for _ in 0..TRIES {
        let value = ipc::semaphore_value(set, number)?;
        let asked = ipc::operate(
            set,
            &[
                op(-(value as i16), false),
                op(MOST, false),
                // Up to the upper bound, and back.
                op(-MOST, true),
                op(MOST, true),
                op(-MOST, false),
                // Down to the lower one, which is one farther away.
                op(MOST, true),
                op(-MOST, false),
                op(1, true),
                op(i16::MIN, false),
            ],
        );
        answer = match asked {
            Err(OUT_OF_RANGE) => true,
            Err(Errno::AGAIN) => false,
            // No value ever allows the last one, so it cannot have been done.
            Ok(()) => false,
            Err(e) => return Err(e),
        };
        // Another process's change can look like either.
        if ipc::semaphore_value(set, number)? == value {
            break;
        }
    }
    Ok(answer)
}
