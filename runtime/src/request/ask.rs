//! The process that asks: `--checkpoint PID`.

use core::sync::atomic::Ordering;

use super::status::Status;
use super::ways::{Ways, ready};
use super::{HAS_NAME, LEN, MAGIC, NAME, Shared, state, tell_seen};
use crate::entry::InitialStack;
use crate::error::{Context, Error, Result, fail};
use crate::quiesce::Call;
use crate::sys::{fs, handover, process, thread};
use crate::util::text::{PathText, Show, Text, decimal};
use crate::{allow, config, error, log};

/// How long a program may take to notice; a stopped one never does.
const PATIENCE: u64 = 10_000;

/// `./app.ckpt --checkpoint PID [-o IMG] [--stop] [--allow KIND]…`: asks, waits, prints the path. Never returns.
pub fn run(stack: &InitialStack) -> ! {
    let code = match arguments(stack).map(|wish| ask(&wish)) {
        Ok(Ok(path)) => {
            let mut line = path;
            line.push(b"\n");
            i32::from(fs::write_all(1, line.as_bytes()).is_err())
        }
        Ok(Err(_)) => {
            log::error!("{}", error::message());
            1
        }
        Err(_) => {
            log::error!("{}", error::message());
            2
        }
    };
    process::exit(code)
}

/// What the command line asks.
struct Wish {
    pid: u32,
    path: PathText,
    stop: bool,
    /// Losses that are accepted, a bit each.
    allow: u32,
}

fn arguments(stack: &InitialStack) -> Result<Wish> {
    let usage = || {
        Error::new(format_args!(
            "usage: --checkpoint PID [-o IMG] [--stop] [--allow KIND]..."
        ))
    };
    let mut wish = Wish {
        pid: 0,
        path: PathText::new(),
        stop: false,
        allow: config::with(|c| c.allow),
    };
    let mut n = 2;
    while let Some(argument) = stack.argument(n) {
        n += 1;
        let text = argument.to_bytes();
        match text {
            b"--stop" => wish.stop = true,
            b"--allow" => {
                wish.allow |= allow::argument(stack.argument(n))?;
                n += 1;
            }
            b"-o" | b"--output" => {
                let Some(path) = stack.argument(n) else {
                    return Err(usage());
                };
                n += 1;
                wish.path = absolute(path.to_bytes())?;
            }
            _ => match decimal(text) {
                Some((pid @ 1..=0x3fff_ffff, [])) if wish.pid == 0 => wish.pid = pid as u32,
                _ => return Err(usage()),
            },
        }
    }
    if wish.pid == 0 {
        return Err(usage());
    }
    Ok(wish)
}

/// A path made absolute here, since the program that writes the image may work elsewhere.
fn absolute(path: &[u8]) -> Result<PathText> {
    let mut whole = PathText::new();
    if path.is_empty() {
        fail!("the image's name is empty");
    }
    if path.first() != Some(&b'/') {
        let mut buffer = [0; 4096];
        let here = fs::working_directory(&mut buffer)
            .or_fail(format_args!("cannot tell the working directory"))?;
        whole.push(here);
        whole.push(b"/");
    }
    whole.push(path);
    if whole.is_cut() {
        fail!("the image's name is too long");
    }
    Ok(whole)
}

fn ask(wish: &Wish) -> Result<PathText> {
    // What the caller left open is nothing to us, and the numbers above are to be small.
    let _ = fs::close_range(3, !0);
    let status = ready(wish.pid)?;
    become_like(&status)?;
    let file = fs::memory_file(c"ckpt-request").or_fail(format_args!("cannot make a request"))?;
    fs::truncate(file.number(), LEN as u64).or_fail(format_args!("cannot make a request"))?;
    let shared = Shared::map(file.number())?;
    shared.word(1).store(u32::from(wish.stop), Ordering::SeqCst);
    shared.word(3).store(wish.allow, Ordering::SeqCst);
    shared.set_text(wish.path.as_bytes());
    // Without it, only programs that see this process can be asked.
    let socket = handover::listen().ok();
    let name = socket
        .as_ref()
        .map_or(0, |(_, name)| HAS_NAME | name << NAME);
    tell_seen(&shared, &Call::of_process(wish.pid));
    let value = u64::from(MAGIC) << 32 | u64::from(file.number() as u32 | name);
    let mut ways = Ways::new(wish.pid, &status, value);
    wait(wish.pid, &shared, |waited| {
        if let Some((socket, _)) = &socket {
            // Nobody has called, or not the one that may.
            let _ = handover::serve(socket, status.uid, file.number());
        }
        ways.go(waited)
    })
}

/// Waits for the answer, and until the program has the file does `serve` every moment, telling how
/// many milliseconds have passed.
fn wait(pid: u32, shared: &Shared, mut serve: impl FnMut(u64) -> Result<()>) -> Result<PathText> {
    let begin = process::ticks();
    loop {
        let now = shared.word(0).load(Ordering::SeqCst);
        match now {
            state::DONE => return Ok(shared.text()),
            state::FAILED => fail!("{}", shared.text::<{ error::MESSAGE }>()),
            _ => {}
        }
        let pause = if now == state::NEW {
            serve(process::ticks() - begin)?;
            1
        } else {
            50
        };
        thread::wait(shared.word(0).as_ptr(), now, pause);
        if shared.word(0).load(Ordering::SeqCst) != now {
            continue;
        }
        let status = Status::read(pid);
        let state = status.as_ref().map_or(b'X', |s| s.state);
        if state == b'X' || (state == b'Z' && is_alone(pid)) {
            fail!("process {pid} ended before its image was complete");
        }
        if now == state::NEW
            && process::ticks() - begin > PATIENCE
            && shared.move_on(state::NEW, state::CANCELLED)
        {
            let why = Show::text(match state {
                b'T' | b't' => "it is stopped",
                b'D' => "it is in uninterruptible sleep",
                _ => "it blocks or ignores requests",
            });
            fail!(
                "process {pid} did not answer within {} s: {why}",
                PATIENCE / 1000
            );
        }
    }
}

/// Has the process no threads beside its first? A first thread that has ended is a zombie for as
/// long as there are others.
fn is_alone(pid: u32) -> bool {
    let path = Text::<64>::format(format_args!("/proc/{pid}/task"));
    // Two links of a folder are its own.
    fs::stat(path.as_c()).map_or(true, |stat| stat.st_nlink <= 3)
}

/// The program must be able to look at our descriptors: root takes the program's ids, and a
/// requester whose file may not be read becomes one that may be looked at.
fn become_like(status: &Status) -> Result<()> {
    const PR_SET_DUMPABLE: u32 = 4;
    let [uid, ..] = process::credentials();
    if uid == 0 && status.uid != 0 {
        process::set_ids(status.uid, status.gid)
            .or_fail(format_args!("cannot take the ids of the program's user"))?;
    }
    process::control(PR_SET_DUMPABLE, 1, 0)
        .map(drop)
        .or_fail(format_args!("cannot make the request readable"))
}
