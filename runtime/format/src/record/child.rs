//! Children that have ended and were not waited for.

use crate::DecodeError;
use crate::codec::record;

/// Signals that end nobody by default (signal(7)): SIGCHLD, SIGCONT, those that stop, SIGURG,
/// SIGWINCH.
const HARMLESS: [u32; 8] = [17, 18, 19, 20, 21, 22, 23, 28];
/// Signals that nobody can be kept from.
const SIGKILL: u32 = 9;
const SIGSTOP: u32 = 19;

record! {
    /// A child that has ended.
    Ended {
        /// Its process id.
        pid: u32,
        /// Its process group; zero for one of an outer namespace.
        group: u32,
        /// How it ended, as wait(2) tells, without the mark of a core file.
        status: u32,
        /// The signal of its end, with which it was made (clone(2)); zero for none.
        signal: u32,
    }
}

impl Ended {
    /// Exit status, or the signal that ended it.
    pub fn end(&self) -> Result<u32, u32> {
        match self.status & 0x7f {
            0 => Ok(self.status >> 8),
            signal => Err(signal),
        }
    }

    /// Checks ranges.
    pub fn check(&self) -> Result<(), DecodeError> {
        let end = match self.end() {
            Ok(code) => code <= 0xff && self.status & 0xff == 0,
            Err(signal) => signal == self.status && signal <= 64 && !HARMLESS.contains(&signal),
        };
        let signal = self.signal <= 64 && ![SIGKILL, SIGSTOP].contains(&self.signal);
        if self.pid > 0 && end && signal {
            Ok(())
        } else {
            Err(DecodeError::Value("child that has ended"))
        }
    }
}
