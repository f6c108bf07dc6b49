//! System V semaphores.
#![expect(unsafe_code, reason = "system calls")]

use super::{SysResult, call};

/// Commands of semctl(2), linux/ipc.h and linux/sem.h.
const GETVAL: u32 = 12;
const SEM_STAT: u32 = 18;
const SEM_INFO: u32 = 19;

/// `struct sembuf`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    number: u16,
    by: i16,
    flags: i16,
}

impl Operation {
    /// Changes a semaphore, without waiting.
    #[must_use]
    pub fn new(number: u16, by: i16, undo: bool) -> Self {
        const IPC_NOWAIT: i16 = 0o4000;
        const SEM_UNDO: i16 = 0x1000;
        let flags = if undo { SEM_UNDO } else { 0 };
        Self {
            number,
            by,
            flags: flags | IPC_NOWAIT,
        }
    }
}

/// Highest index in use in the kernel's table of sets.
pub fn last_semaphore_set() -> SysResult<u32> {
    // struct seminfo: ten numbers.
    let mut info = [0u32; 10];
    // SAFETY: the kernel writes `info`.
    unsafe { call!(__NR_semctl, 0u32, 0u32, SEM_INFO, info.as_mut_ptr()) }.map(|last| last as u32)
}

/// Identifier of the set at an index of the table, and how many semaphores are in it.
pub fn semaphore_set(index: u32) -> SysResult<(u32, u32)> {
    // struct semid64_ds: permissions in 48 bytes, four words of times, the number, two words.
    let mut set = [0u64; 13];
    // SAFETY: the kernel writes `set`.
    let id = unsafe { call!(__NR_semctl, index, 0u32, SEM_STAT, set.as_mut_ptr()) }?;
    let [.., count, _, _] = set;
    Ok((id as u32, count as u32))
}

/// Value of a semaphore, 0 to 32,767.
pub fn semaphore_value(set: u32, number: u16) -> SysResult<u32> {
    // SAFETY: asks only.
    unsafe { call!(__NR_semctl, set, u32::from(number), GETVAL, 0u32) }.map(|value| value as u32)
}

/// semop(2).
pub fn operate(set: u32, operations: &[Operation]) -> SysResult<()> {
    // SAFETY: the kernel reads the operations.
    unsafe { call!(__NR_semop, set, operations.as_ptr(), operations.len()) }.map(drop)
}
