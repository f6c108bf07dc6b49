//! The process that the user's shell knows, while the program lives in a namespace: what is sent to
//! it goes to the program, and what becomes of the program becomes of it.
//!
//! The shell stops, continues, interrupts and waits for this process; the program should not be
//! told from it. All signals are blocked here and taken one by one. Where the program shares the
//! process group, what the terminal or a shell sends to the group has reached it already: the
//! reaper, which is in the group too and is sent nothing else, tells. (A group's newest members get
//! a signal first, so the reaper has it when it is found here: attach_pid, kernel/pid.c.)
#![expect(unsafe_code, reason = "sets signals' actions")]

use ckpt_format::record::{Action, Job};

use super::reaper::ENDED;
use crate::error::{Context, Result};
use crate::state::job;
use crate::sys::fs::{self, Fd};
use crate::sys::namespace::{self, Fate};
use crate::sys::{process, signal};
use crate::{config, trigger};

/// SIGCHLD.
pub(super) const CHILD: u32 = 17;
/// SIGCONT.
const CONTINUE: u32 = 18;
/// SIGTSTP, SIGTTIN, SIGTTOU.
const STOPS: [u32; 3] = [20, 21, 22];
/// RLIMIT_CORE.
const CORE: usize = 4;

/// The program's place among the jobs of the restoring session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    role: Role,
    /// The restoring command is in the foreground of its terminal.
    front: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// The leader of a session without a terminal, which a service makes of itself.
    Session,
    /// The leader of a group, as shells make of a command.
    Leader,
    /// In the restoring command's group, whose number is not known in the namespace.
    Member,
}

impl Place {
    /// Where a program belongs that was `pid`. The leader of a group leads one again if nobody else
    /// can be in the command's group who needs the terminal, as in a pipeline.
    pub(super) fn of(job: &Job, pid: u32) -> Self {
        let terminal = job::terminal();
        let at_terminal = || process::group() == process::id() && (0..3).all(fs::is_terminal);
        let role = if job.session == pid && job.terminal == 0 {
            Role::Session
        } else if job.group == pid && (terminal.is_none() || at_terminal()) {
            Role::Leader
        } else {
            Role::Member
        };
        let front = terminal.is_some_and(|t| is_front(&t));
        Self { role, front }
    }

    /// Makes it the calling process's, all of whose signals are blocked.
    pub(super) fn take(self) -> Result<()> {
        match self.role {
            Role::Session => namespace::new_session(),
            Role::Leader => namespace::new_group(0),
            Role::Member => return Ok(()),
        }
        .or_fail(format_args!("cannot make a process group"))?;
        if self.role == Role::Leader
            && self.front
            && let Some(terminal) = job::terminal()
        {
            namespace::set_foreground(terminal.number(), process::id())
                .or_fail(format_args!("cannot take the terminal"))?;
        }
        Ok(())
    }
}

/// Is the calling process in the foreground of the terminal?
fn is_front(terminal: &Fd) -> bool {
    namespace::foreground(terminal.number()) == Ok(process::group())
}

/// Gives up all that could keep something of the restoring command's alive: pipes, mounts.
pub(super) fn let_go(but: &Fd) {
    let number = but.number() as u32;
    if number > 0 {
        let _ = fs::close_range(0, number - 1);
    }
    let _ = fs::close_range(number + 1, !0);
    let _ = fs::change_directory(c"/");
}

/// The monitor's state.
#[derive(Debug)]
pub(super) struct Monitor {
    program: u32,
    place: Place,
    reaper: Fd,
}

impl Monitor {
    /// Of a program that has just been made.
    pub(super) fn new(program: u32, place: Place, reaper: Fd) -> Self {
        Self {
            program,
            place,
            reaper,
        }
    }

    /// Waits for the program's end and ends likewise. All signals are blocked.
    pub(super) fn run(mut self) -> ! {
        let_go(&self.reaper);
        catch();
        loop {
            let Ok(info) = signal::wait(!0) else {
                continue;
            };
            let [number, code] = [0, 8].map(|at| word(&info, at));
            // The kernel's own codes for SIGCHLD are above zero (CLD_EXITED and so on).
            if number == CHILD && (code as i32) > 0 {
                self.look();
            } else {
                self.pass(number, code, &info);
            }
        }
    }

    /// Sees what has become of the program.
    fn look(&mut self) {
        while let Ok(Some(fate)) = namespace::wait(self.program, true) {
            match fate {
                Fate::Stopped(signal) => self.stop(signal),
                Fate::Exited(code) => {
                    self.close();
                    process::exit(code);
                }
                Fate::Killed(signal) => {
                    self.close();
                    die(signal);
                }
            }
        }
    }

    /// Passes a signal on, unless the program has had it.
    fn pass(&mut self, number: u32, code: u32, info: &signal::Info) {
        const SI_QUEUE: u32 = -1i32 as u32;
        if self.place.role == Role::Member && self.reaper_has(number) {
            return;
        }
        let _ = match (number, code) {
            // Void if a stop has come after it: that takes SIGCONT off the queues (prepare_signal,
            // kernel/signal.c), also off the reaper's.
            (CONTINUE, _) if waits(&STOPS) => return,
            (CONTINUE, _) => return self.proceed(),
            // Of another's signals only these can be sent with what came along (kernel/signal.c,
            // do_rt_sigqueueinfo).
            (_, SI_QUEUE) => signal::queue(self.program, number, info),
            _ => signal::kill(self.program, number),
        };
    }

    fn reaper_has(&self, number: u32) -> bool {
        let mut answer = [0];
        fs::write_all(self.reaper.number(), &[number as u8]).is_ok()
            && fs::read(self.reaper.number(), &mut answer) == Ok(1)
            && answer == [1]
    }

    /// The program has stopped: so does the monitor, for whoever waits for it.
    fn stop(&mut self, signal: u32) {
        self.place.front = false;
        raise(signal);
        let _ = signal::set_mask(!0);
        // The signals of terminals stop nobody whose group has no shell; then the program goes on.
        // Who was continued has SIGCONT waiting, or the stop that followed.
        if !waits(&[CONTINUE]) && !waits(&STOPS) {
            self.proceed();
        }
    }

    /// Lets the program go on: a whole group, if it leads one, as that was stopped as a whole.
    fn proceed(&mut self) {
        if self.place.role == Role::Member {
            let _ = signal::kill(self.program, CONTINUE);
            return;
        }
        if self.place.role == Role::Leader
            && let Some(terminal) = job::terminal()
            && is_front(&terminal)
        {
            self.place.front = namespace::set_foreground(terminal.number(), self.program).is_ok();
        }
        let _ = signal::kill(self.program.wrapping_neg(), CONTINUE);
    }

    /// The program has ended: the terminal is the command's again, and the reaper stays for those
    /// that the program has left behind.
    fn close(&self) {
        if self.place.role == Role::Leader
            && self.place.front
            && let Some(terminal) = job::terminal()
        {
            let _ = namespace::set_foreground(terminal.number(), process::group());
        }
        self.reaper_has(u32::from(ENDED));
    }
}

/// Does one of the signals wait?
fn waits(signals: &[u32]) -> bool {
    let waiting = signal::pending().unwrap_or(0);
    signals.iter().any(|n| waiting >> (n - 1) & 1 != 0)
}

/// Shows that checkpoints can be asked for: requests are for those who catch them. Nothing is called,
/// since all signals stay blocked.
fn catch() {
    let mut action = config::with(|c| c.action);
    action.flags = signal::SA_SIGINFO | signal::SA_RESTORER;
    for number in trigger::signals() {
        // SAFETY: the handler is in the resident part, which stays.
        let _ = unsafe { signal::set_action(number, &action) };
    }
}

/// Sends the calling process a signal that has its default action and is not blocked.
fn raise(signal: u32) {
    // SAFETY: nothing is called.
    let _ = unsafe { signal::set_action(signal, &Action::DEFAULT) };
    let _ = signal::kill(process::id(), signal);
    let _ = signal::set_mask(!(1 << (signal - 1)));
}

/// Ends as the program did; its core file has been written, if there was to be one.
fn die(signal: u32) -> ! {
    let _ = process::set_limit(CORE, 0, 0);
    raise(signal);
    process::exit(128 + signal as i32)
}

fn word(info: &signal::Info, at: usize) -> u32 {
    let bytes = info.get(at..).and_then(|rest| rest.first_chunk());
    bytes.copied().map_or(0, u32::from_le_bytes)
}
