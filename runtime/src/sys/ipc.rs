//! System V semaphores and shared memory.
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

/// A set of semaphores.
#[derive(Clone, Copy, Debug)]
pub struct Set {
    /// Identifier.
    pub id: u32,
    /// Key.
    pub key: u32,
    /// How many semaphores are in it.
    pub count: u32,
}

/// The set at an index of the kernel's table.
pub fn semaphore_set(index: u32) -> SysResult<Set> {
    look_at_set(index, SEM_STAT).map(|(id, set)| Set { id, ..set })
}

/// The set with an identifier.
pub fn semaphore_set_of(id: u32) -> SysResult<Set> {
    look_at_set(id, IPC_STAT).map(|(_, set)| set)
}

/// What the call returns, and the set as if that was asked for by its identifier.
fn look_at_set(which: u32, command: u32) -> SysResult<(u32, Set)> {
    // struct semid64_ds: permissions in 48 bytes, which begin with the key, four words of times,
    // the number, two words.
    let mut words = [0u64; 13];
    // SAFETY: the kernel writes `words`.
    let told = unsafe { call!(__NR_semctl, which, 0u32, command, words.as_mut_ptr()) }?;
    let [key, .., count, _, _] = words;
    let set = Set {
        id: which,
        key: key as u32,
        count: count as u32,
    };
    Ok((told as u32, set))
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

/// Attach for reading only.
pub const SHM_RDONLY: u32 = 0o10000;
/// Attach over what is there.
pub const SHM_REMAP: u32 = 0o40000;
const IPC_RMID: u32 = 0;
const IPC_STAT: u32 = 2;
const SHM_LOCK: u32 = 11;

/// What shmctl(2) tells of a segment.
#[derive(Clone, Copy, Debug)]
pub struct Status {
    /// Key.
    pub key: u32,
    /// Permissions and state.
    pub mode: u32,
    /// Bytes.
    pub size: u64,
    /// Process that made it.
    pub maker: u32,
    /// How often it is attached.
    pub attached: u64,
}

/// Status of the segment with this identifier.
pub fn segment(id: u32) -> SysResult<Status> {
    // struct shmid64_ds: permissions in 48 bytes, size, three times, two processes, the number of
    // attachments, two words.
    let mut words = [0u64; 14];
    // SAFETY: the kernel writes `words`.
    unsafe { call!(__NR_shmctl, id, IPC_STAT, words.as_mut_ptr()) }?;
    let [key, _, mode, _, _, _, size, _, _, _, makers, attached, _, _] = words;
    Ok(Status {
        key: key as u32,
        // Behind the creator's group.
        mode: (mode >> 32) as u32 & 0o7777,
        size,
        maker: makers as u32,
        attached,
    })
}

/// shmget(2).
pub fn find_segment(key: u32, size: usize, flags: u32) -> SysResult<u32> {
    // SAFETY: no memory.
    unsafe { call!(__NR_shmget, key, size, flags) }.map(|id| id as u32)
}

/// shmat(2); tells where.
///
/// # Safety
///
/// With [`SHM_REMAP`], what is at the address is the caller's to lose.
pub unsafe fn attach(id: u32, at: usize, flags: u32) -> SysResult<usize> {
    // SAFETY: the caller's promise.
    unsafe { call!(__NR_shmat, id, at, flags) }
}

/// shmdt(2).
///
/// # Safety
///
/// A segment is attached there, and nobody uses it any more.
pub unsafe fn detach(at: usize) -> SysResult<()> {
    // SAFETY: the caller's promise.
    unsafe { call!(__NR_shmdt, at) }.map(drop)
}

/// Has a segment removed when nobody has it attached any more.
pub fn remove_segment(id: u32) -> SysResult<()> {
    // SAFETY: no memory.
    unsafe { call!(__NR_shmctl, id, IPC_RMID, 0) }.map(drop)
}

/// Locks a segment in memory.
pub fn lock_segment(id: u32) -> SysResult<()> {
    // SAFETY: no memory.
    unsafe { call!(__NR_shmctl, id, SHM_LOCK, 0) }.map(drop)
}
