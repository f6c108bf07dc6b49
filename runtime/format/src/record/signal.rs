//! Signals and timers.

use crate::DecodeError;
use crate::codec::record;

/// Signals of the kernel, real-time ones included (`_NSIG`).
pub const SIGNALS: u32 = 64;

record! {
    /// What a signal does, as `struct sigaction` of the kernel. Signal *n* is record *n* - 1.
    Action {
        /// Handler's address, 0 default, 1 ignored.
        handler: u64,
        /// SA_* flags.
        flags: u64,
        /// Where the handler returns to.
        restorer: u64,
        /// Signals blocked meanwhile.
        mask: u64,
    }
}

impl Action {
    /// The default: nothing is set.
    pub const DEFAULT: Self = Self {
        handler: 0,
        flags: 0,
        restorer: 0,
        mask: 0,
    };
}

record! {
    /// A queued signal.
    Pending {
        /// Id of the thread it is for; zero for the process.
        tid: u32,
        /// The kernel's `siginfo_t`.
        info: [u8; 128],
    }
}

impl Pending {
    /// The signal's number.
    #[must_use]
    pub fn signal(&self) -> u32 {
        let [a, b, c, d, ..] = self.info;
        u32::from_le_bytes([a, b, c, d])
    }

    /// `si_overrun` of a timer's signal (union `__sifields`, `_timer`).
    #[must_use]
    pub fn overrun(&self) -> u32 {
        let [_, _, _, _, _, n, ..] = self.info.as_chunks::<4>().0 else {
            return 0;
        };
        u32::from_le_bytes(*n) & i32::MAX.cast_unsigned()
    }

    /// Checks the number.
    pub fn check(&self) -> Result<(), DecodeError> {
        // Nothing holds SIGKILL (9) or SIGSTOP (19) back.
        if (1..=64).contains(&self.signal()) && ![9, 19].contains(&self.signal()) {
            Ok(())
        } else {
            Err(DecodeError::Value("queued signal"))
        }
    }
}

record! {
    /// ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF: interval and rest in seconds and microseconds.
    Timers {
        /// Real time.
        real: [u64; 4],
        /// Time on the processor in user mode.
        virt: [u64; 4],
        /// Time on the processor.
        prof: [u64; 4],
    }
}

impl Timers {
    /// Checks what setitimer(2) would.
    pub fn check(&self) -> Result<(), DecodeError> {
        const SECONDS: u64 = 1 << 63;
        const MICROS: u64 = 1_000_000;
        for [s1, us1, s2, us2] in [self.real, self.virt, self.prof] {
            if s1 >= SECONDS || s2 >= SECONDS || us1 >= MICROS || us2 >= MICROS {
                return Err(DecodeError::Value("timer"));
            }
        }
        Ok(())
    }
}
