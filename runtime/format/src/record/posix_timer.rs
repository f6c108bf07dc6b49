//! Timers of timer_create(2).

use crate::DecodeError;
use crate::codec::record;

/// What a timer does when it is due, as `sigev_notify` of sigevent(7).
pub mod notify {
    /// SIGEV_SIGNAL: a signal for the process.
    pub const SIGNAL: u32 = 0;
    /// SIGEV_NONE: nothing.
    pub const NONE: u32 = 1;
    /// SIGEV_THREAD, which to the kernel is SIGEV_SIGNAL.
    pub const THREAD: u32 = 2;
    /// SIGEV_THREAD_ID: a signal for one thread.
    pub const THREAD_ID: u32 = 4;
}

/// Bits of [`PosixTimer::flags`].
pub mod timer_flag {
    /// The timer's signal is among the queued ones.
    pub const WAITS: u32 = 1;
    /// The next expiration is a date on the timer's clock, not a span of time.
    pub const DATE: u32 = 2;
}

record! {
    /// A POSIX timer. Times are nanoseconds.
    PosixTimer {
        /// The kernel's number of it.
        id: u32,
        /// Clock as clock_gettime(2) takes it, with ids of the checkpoint; of a processor's time
        /// it is negative and holds the complement of a thread's id, or of zero for the process.
        clock: u32,
        /// One of [`notify`].
        notify: u32,
        /// The signal.
        signal: u32,
        /// The thread that gets it, with SIGEV_THREAD_ID; zero otherwise.
        target: u32,
        /// Bits of [`timer_flag`].
        flags: u32,
        /// Overruns: of the signal that waits, or of the last one that was taken.
        overrun: u32,
        /// `si_value` of the signal.
        value: u64,
        /// Time between expirations; zero for a single one.
        interval: u64,
        /// Time to the next expiration, or its date; zero for a timer that is not armed.
        next: u64,
    }
}

impl PosixTimer {
    /// Checks each number by itself; the id is not below `floor`.
    pub fn check(&self, floor: u32) -> Result<(), DecodeError> {
        const MOST_TIME: u64 = i64::MAX.cast_unsigned();
        let clock = self.clock.cast_signed();
        let known = matches!(clock, 0 | 1 | 7 | 8 | 9 | 11) || (clock < 0 && clock & 3 != 3);
        let kind = match self.notify {
            notify::SIGNAL | notify::THREAD => self.target == 0,
            notify::NONE => self.target == 0 && self.flags & timer_flag::WAITS == 0,
            notify::THREAD_ID => self.target != 0,
            _ => false,
        };
        let signal = self.notify == notify::NONE || (1..=64).contains(&self.signal);
        let flags = self.flags & !(timer_flag::WAITS | timer_flag::DATE) == 0;
        let times = self.interval <= MOST_TIME && self.next <= MOST_TIME;
        let number = (floor..=i32::MAX.cast_unsigned()).contains(&self.id);
        if known && kind && signal && flags && times && number && self.overrun >> 31 == 0 {
            Ok(())
        } else {
            Err(DecodeError::Value("POSIX timer"))
        }
    }

    /// The thread whose time on the processor the timer's clock counts.
    #[must_use]
    pub fn clock_thread(&self) -> Option<u32> {
        const PER_THREAD: i32 = 4;
        let clock = self.clock.cast_signed();
        (clock < 0 && clock & PER_THREAD != 0).then_some((!(clock >> 3)).cast_unsigned())
    }

    /// The threads that it knows.
    pub fn threads(&self) -> impl Iterator<Item = u32> {
        let target = (self.target != 0).then_some(self.target);
        target.into_iter().chain(self.clock_thread())
    }
}
