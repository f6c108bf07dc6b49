//! Where and of what the image was taken.

use crate::codec::record;
use crate::{DecodeError, limits};

/// Which words of CPUID stand in [`Machine::cpuid`]: leaf, subleaf, register (0 eax to 3 edx).
/// Only words that tell of instructions a program may use.
pub const CPUID_LEAVES: [(u32, u32, u8); 8] = [
    (1, 0, 2),
    (1, 0, 3),
    (7, 0, 1),
    (7, 0, 2),
    (7, 0, 3),
    (7, 1, 0),
    (0x8000_0001, 0, 2),
    (0x8000_0001, 0, 3),
];

record! {
    /// The machine.
    Machine<'a> {
        /// [`CPUID_LEAVES`], each in a `u64`.
        cpuid: [u64; 8],
        /// Extended control register 0: which register sets the kernel saves.
        xcr0: u64,
        /// Bytes of the extended state in a signal frame.
        xsave_len: u32,
        /// `uname` release.
        release: &'a [u8],
        /// `uname` node name.
        host: &'a [u8],
    }
}

impl Machine<'_> {
    /// Checks what no machine can have.
    pub fn check(&self) -> Result<(), DecodeError> {
        let words = self.cpuid.iter().all(|&word| u32::try_from(word).is_ok());
        if !words || self.release.len() > limits::UTS || self.host.len() > limits::UTS {
            return Err(DecodeError::Value("machine"));
        }
        Ok(())
    }
}

record! {
    /// The program.
    Program<'a> {
        /// Process id when the image was taken.
        pid: u32,
        /// Real user id then.
        uid: u32,
        /// How many restores lie behind this process.
        generation: u32,
        /// How many images it has written, this one included.
        sequence: u32,
        /// Where its runtime's handoff block lies.
        runtime: u64,
        /// Where its runtime's resume stub lies: takes the restorer's address and length to
        /// unmap in rdi and rsi and the signal frame in rdx, and never returns.
        resume: u64,
        /// Path of the patched executable.
        exe: &'a [u8],
    }
}

impl Program<'_> {
    /// Checks what can be checked without the mappings.
    pub fn check(&self) -> Result<(), DecodeError> {
        if self.pid == 0 || self.exe.len() > limits::PATH || self.exe.contains(&0) {
            return Err(DecodeError::Value("program"));
        }
        Ok(())
    }
}
