//! Process 1 of the program's namespace: orphans become its children, and its end is theirs.
#![expect(unsafe_code, reason = "sets a signal's action")]

use ckpt_format::record::Action;

use super::monitor;
use crate::sys::{fs, namespace, process, signal};

/// What the monitor says instead of a signal's number: the program has ended.
pub(super) const ENDED: u8 = 0;

/// Lives as long as the monitor does, and, if that ends in order, as long as there is a process
/// left in the namespace. All signals are blocked.
pub(super) fn run(monitor: &fs::Fd) -> ! {
    const SET_DEATH_SIGNAL: u32 = 1;
    const KILL: usize = 9;
    /// SIG_IGN for SIGCHLD: the kernel itself does away with children that end (waitpid(2)).
    const IGNORE: Action = Action {
        handler: 1,
        flags: 0,
        restorer: 0,
        mask: 0,
    };
    // SAFETY: nothing is called.
    let _ = unsafe { signal::set_action(monitor::CHILD, &IGNORE) };
    // A monitor that is killed takes the program with it.
    let _ = process::control(SET_DEATH_SIGNAL, KILL, 0);
    monitor::let_go(monitor);
    loop {
        let mut said = [ENDED];
        // Also if it was killed before it could be told what its end means.
        if fs::read(monitor.number(), &mut said) != Ok(1) {
            process::exit(0);
        }
        let [number] = said;
        if number == ENDED {
            break;
        }
        // What was sent to the whole process group is here as well.
        let here = signal::take(1 << (number - 1)).is_ok();
        let _ = fs::write_all(monitor.number(), &[u8::from(here)]);
    }
    let _ = process::control(SET_DEATH_SIGNAL, 0, 0);
    let _ = fs::write_all(monitor.number(), &[ENDED]);
    // Returns when there is no child left.
    let _ = namespace::wait(u32::MAX, false);
    process::exit(0)
}
