//! What a shell arranges: process group, session, terminal.

use crate::DecodeError;
use crate::codec::record;

record! {
    /// The program's place among the jobs of a session.
    Job {
        /// Process group; zero for one of an outer namespace.
        group: u32,
        /// Session; zero for one of an outer namespace.
        session: u32,
        /// Did the session have a terminal? 0 or 1.
        terminal: u32,
    }
}

impl Job {
    /// Checks ranges.
    pub fn check(&self) -> Result<(), DecodeError> {
        if self.terminal > 1 {
            return Err(DecodeError::Value("job"));
        }
        Ok(())
    }
}
