//! Process group, session and controlling terminal: what `--pid same` goes by.

use ckpt_format::record::Job;

use crate::sys::{fs, namespace, process};

/// The calling process's.
#[must_use]
pub fn collect() -> Job {
    Job {
        group: process::group(),
        session: namespace::session(),
        terminal: u32::from(terminal().is_some()),
    }
}

/// The controlling terminal, if there is one.
#[must_use]
pub fn terminal() -> Option<fs::Fd> {
    fs::open(c"/dev/tty", fs::O_RDWR | fs::O_NOCTTY | fs::O_CLOEXEC, 0).ok()
}
