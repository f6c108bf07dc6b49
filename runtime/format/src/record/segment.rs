//! System V shared memory, and what is taken back on semaphores.

use crate::DecodeError;
use crate::codec::record;

record! {
    /// A segment of System V shared memory that is attached. Its contents are those of a shared
    /// object, and so are its views.
    Segment {
        /// The shared object.
        object: u32,
        /// Identifier.
        id: u32,
        /// Key; zero for IPC_PRIVATE.
        key: u32,
        /// Permissions, 01000 for one that is to be removed when nobody has it attached any more,
        /// 02000 for one that is locked in memory (`shm_perm.mode`).
        mode: u32,
        /// Process that made it (`shm_cpid`).
        maker: u32,
        /// Bytes.
        size: u64,
    }
}

impl Segment {
    /// `mode` of a segment that is to be removed (SHM_DEST).
    pub const REMOVED: u32 = 0o1000;
    /// `mode` of a segment that is locked in memory (SHM_LOCKED).
    pub const LOCKED: u32 = 0o2000;

    /// Checks each number by itself; the object is not below `floor`.
    pub fn check(&self, floor: u32) -> Result<(), DecodeError> {
        let size = (1..=super::TASK_END / 4).contains(&self.size);
        let ids = self.id <= i32::MAX.cast_unsigned();
        if self.object >= floor && ids && size && self.mode <= 0o3777 {
            Ok(())
        } else {
            Err(DecodeError::Value("System V shared memory"))
        }
    }

    /// Bytes of whole pages.
    #[must_use]
    pub fn room(&self) -> u64 {
        let page = u64::from(crate::header::PAGE_SIZE);
        self.size.next_multiple_of(page)
    }
}

record! {
    /// What is taken back on a System V semaphore when the process ends (SEM_UNDO).
    Adjustment {
        /// Identifier of the set.
        set: u32,
        /// Key of the set.
        key: u32,
        /// How many semaphores are in the set.
        count: u32,
        /// Number of the semaphore.
        number: u32,
        /// What is added to its value then; signed, not zero, 16 bits.
        by: u32,
    }
}

impl Adjustment {
    /// Checks each number by itself.
    pub fn check(&self) -> Result<(), DecodeError> {
        let by = i16::try_from(self.by.cast_signed()).is_ok_and(|by| by != 0);
        let number = self.number < self.count.min(1 << 16);
        if by && number && self.set <= i32::MAX.cast_unsigned() {
            Ok(())
        } else {
            Err(DecodeError::Value("adjustment of a semaphore"))
        }
    }
}
