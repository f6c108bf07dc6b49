//! `--checkpoint PID`: how one process asks another, and how that one answers.
//!
//! The requester puts what it wants in a memory file and sends signal 32 with the file's
//! descriptor number; the program opens it through /proc and answers in it. No file in the file
//! system, no tracing; the right to send the signal and to look at the requester's descriptors
//! (same user) is all that is needed. A program that has taken signal 32 for itself is asked by
//! SIGURG ([`REQUEST_SIGNALS`]), if it runs the same executable: another's handler of that is not
//! to be called.
//!
//! A program in namespaces of its own ([`crate::restore`], `--pid same`) sees no process id of the
//! requester's and may not look at its descriptors. It calls at a Unix socket of the requester's,
//! whose name came with the signal, and is given the file there.
#![expect(unsafe_code, reason = "shares a page with another process")]

use core::ffi::CStr;
use core::sync::atomic::{AtomicU32, Ordering};

use crate::again::nanoseconds;
use crate::entry::InitialStack;
use crate::error::{Context, Error, Result, fail};
use crate::quiesce::Call;
use crate::sys::signal::{self, Info};
use crate::sys::{Errno, SysResult, fs, handover, mm, process, thread, timer};
use crate::trigger::REQUEST_SIGNALS;
use crate::util::own;
use crate::util::text::{PathText, ShortText, Show, Text, decimal, hexadecimal, labelled};
use crate::{allow, config, error, log};

/// Bytes shared: the head, then text.
const LEN: usize = 8192;
/// Where the text begins.
const TEXT: usize = 64;
/// SI_QUEUE.
const QUEUED: u32 = -1i32 as u32;
/// Where it is told what the program's first thread was seen in.
const SEEN: usize = LEN - size_of::<[u64; 16]>();
/// CLOCK_REALTIME and CLOCK_MONOTONIC. Only the first is alike in all namespaces.
const CLOCKS: [u32; 2] = [0, 1];
/// Upper half of the signal's value; tells our requests from other uses of the number.
const MAGIC: u32 = 0x434b_5054;
/// What the lower half says: the descriptor's number, and above it the socket's name, if it has one.
const FD: u32 = 0x7ff;
const HAS_NAME: u32 = 0x800;
const NAME: u32 = 12;
/// Seconds that a requester may take to hand the file over.
const HANDOVER: u64 = 2;
/// How long a program may take to notice; a stopped one never does.
const PATIENCE: u64 = 10_000;
/// When it is asked by the second signal.
const SECOND: u64 = 1_000;

/// Values of the first word.
mod state {
    pub(super) const NEW: u32 = 0;
    pub(super) const ACCEPTED: u32 = 1;
    pub(super) const DONE: u32 = 2;
    pub(super) const FAILED: u32 = 3;
    pub(super) const CANCELLED: u32 = 4;
}

/// A page shared between requester and program.
#[derive(Debug)]
struct Shared(usize);

impl Shared {
    fn map(fd: i32) -> Result<Self> {
        // SAFETY: a new range.
        unsafe { mm::map(0, LEN, mm::RW, mm::SHARED, Some((fd, 0))) }
            .map(Self)
            .or_fail(format_args!("cannot map the request"))
    }

    fn word(&self, n: usize) -> &AtomicU32 {
        debug_assert!(n < TEXT / 4);
        let place = (self.0 + n * 4) as *const AtomicU32;
        // SAFETY: inside the mapping, aligned; the other side uses atomics too.
        unsafe { &*place }
    }

    fn move_on(&self, from: u32, to: u32) -> bool {
        let order = Ordering::SeqCst;
        self.word(0)
            .compare_exchange(from, to, order, order)
            .is_ok()
    }

    fn set_text(&self, text: &[u8]) {
        let len = text.len().min(LEN - TEXT);
        // SAFETY: inside the mapping; the other side reads only after the state says so.
        unsafe { core::ptr::copy_nonoverlapping(text.as_ptr(), (self.0 + TEXT) as *mut u8, len) };
        self.word(2).store(len as u32, Ordering::SeqCst);
    }

    fn text<const N: usize>(&self) -> Text<N> {
        let len = (self.word(2).load(Ordering::SeqCst) as usize).min(LEN - TEXT);
        let mut copy = Text::new();
        // SAFETY: inside the mapping; the other side has stopped writing, or what is read is
        // wrong but still bytes, and is checked where it is used.
        copy.push(unsafe { core::slice::from_raw_parts((self.0 + TEXT) as *const u8, len) });
        copy
    }
}

/// Is a signal a request?
#[must_use]
pub fn is_one(info: &Info) -> bool {
    let (_, code, _, value) = signal::fields(info);
    code == QUEUED && (value >> 32) as u32 == MAGIC
}

/// A request that reached this program.
#[derive(Debug)]
pub struct Request {
    shared: Shared,
    /// End the program after.
    pub stop: bool,
}

impl Request {
    /// The request that a signal tells of; `None` if it is no request of ours, or one that was
    /// given up, or if it cannot be read.
    #[must_use]
    pub fn received(info: &Info) -> Option<Self> {
        if !is_one(info) {
            return None;
        }
        let (_, _, pid, what) = signal::fields(info);
        let what = what as u32;
        let path = ShortText::format(format_args!("/proc/{pid}/fd/{}", what & FD));
        let opened = fs::open(path.as_c(), fs::O_RDWR, 0);
        // The kernel tells zero for a process of an outer namespace; and one of an outer namespace of
        // users may not be looked at (cap_ptrace_access_check, security/commoncap.c).
        let is_hidden = pid == 0 || matches!(opened, Err(Errno::ACCES | Errno::PERM));
        let file = if is_hidden && what & HAS_NAME != 0 {
            handover::fetch(what >> NAME, HANDOVER)
        } else {
            opened
        };
        let shared = match file {
            Ok(file) => Shared::map(file.number()).ok()?,
            // It has waited long enough, or was ended.
            Err(Errno::NOENT) => return None,
            Err(e) => {
                log::error!("cannot read the request of process {pid}: {e}");
                return None;
            }
        };
        own::claim(shared.0, LEN);
        let request = Self {
            stop: shared.word(1).load(Ordering::SeqCst) != 0,
            shared,
        };
        let wanted = request.shared.move_on(state::NEW, state::ACCEPTED);
        thread::wake(request.shared.word(0).as_ptr());
        wanted.then_some(request)
    }

    /// Losses that are accepted, a bit each.
    #[must_use]
    pub fn allowed(&self) -> u32 {
        self.shared.word(3).load(Ordering::SeqCst)
    }

    /// Where the image is to go; empty for where the pattern says.
    #[must_use]
    pub fn path(&self) -> PathText {
        self.shared.text()
    }

    /// What the first thread was in when the request was made.
    pub fn seen(&self) -> Call {
        let [wall, clock] = CLOCKS.map(now);
        // SAFETY: inside the mapping, aligned; what the other side writes there is checked where
        // it is used.
        let told = unsafe { ((self.shared.0 + SEEN) as *const [u64; 14]).read() };
        let (words, [valid, sleeps, since, a, b]) = told.split_first_chunk::<9>().map_or_else(
            || ([0; 9], [0; 5]),
            |(words, rest)| (*words, rest.try_into().unwrap_or([0; 5])),
        );
        let mut kept = [0; 16];
        let (halves, _) = kept.as_chunks_mut::<8>();
        for (half, word) in halves.iter_mut().zip([a, b]) {
            *half = word.to_le_bytes();
        }
        let asleep = clock.saturating_sub(wall.saturating_sub(since));
        Call {
            words,
            valid: valid == 1,
            sleeps,
            asleep: if since == 0 { 0 } else { asleep },
            kept,
        }
    }

    /// Tells the requester: the image's path, or why there is none.
    pub fn answer(&self, result: core::result::Result<&[u8], &[u8]>) {
        let (Ok(text) | Err(text)) = result;
        self.shared.set_text(text);
        let to = if result.is_ok() {
            state::DONE
        } else {
            state::FAILED
        };
        self.shared.move_on(state::ACCEPTED, to);
        thread::wake(self.shared.word(0).as_ptr());
    }
}

/// Nanoseconds of a clock.
fn now(clock: u32) -> u64 {
    timer::clock(clock).map_or(0, nanoseconds)
}

/// Tells the program what its first thread is seen in, which it cannot know any more when it gets
/// the signal.
fn tell_seen(shared: &Shared, call: &Call) {
    let [wall, clock] = CLOCKS.map(now);
    let since = if call.asleep == 0 {
        0
    } else {
        wall.saturating_sub(clock.saturating_sub(call.asleep))
    };
    let mut told = [0; 14];
    let (kept, _) = call.kept.as_chunks::<8>();
    let kept = kept.iter().map(|half| u64::from_le_bytes(*half));
    let rest = [u64::from(call.valid), call.sleeps, since];
    let all = call.words.into_iter().chain(rest).chain(kept);
    for (word, value) in told.iter_mut().zip(all) {
        *word = value;
    }
    // SAFETY: inside the mapping, aligned; the other side does not know of it yet.
    unsafe { ((shared.0 + SEEN) as *mut [u64; 14]).write(told) };
}

impl Drop for Request {
    fn drop(&mut self) {
        own::release(self.shared.0);
        // SAFETY: mapped by `received`; nobody keeps an address in it.
        let _ = unsafe { mm::unmap(self.shared.0, LEN) };
    }
}

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

/// The signals by which a program is still to be asked.
struct Ways {
    pid: u32,
    value: u64,
    first: Option<u32>,
    second: Option<u32>,
    /// When the first is sent even if no thread takes it, in milliseconds.
    anyway: u64,
    /// When it is the second's turn.
    turn: u64,
    /// The thread that the last one was sent to, and its number.
    last: Option<(u32, u32)>,
}

impl Ways {
    fn new(pid: u32, status: &Status, value: u64) -> Self {
        let [first, second] = REQUEST_SIGNALS;
        let second = Some(second).filter(|&n| status.catches(n) && same_program(pid));
        Self {
            pid,
            value,
            first: Some(first).filter(|&n| status.catches(n)),
            second,
            anyway: if second.is_some() { SECOND } else { 0 },
            turn: 0,
            last: None,
        }
    }

    /// Sends what is due after so many milliseconds. A signal that no thread takes is left for
    /// another moment: the program may block it for good, or just then.
    fn go(&mut self, waited: u64) -> Result<()> {
        if self
            .last
            .is_some_and(|(tid, n)| is_pending(self.pid, tid, n))
        {
            // The thread has had no time yet. What is sent by another way it would find when all is
            // done, and if it blocks that, keep.
            self.turn = waited + SECOND;
            self.anyway = waited + SECOND;
        }
        if let Some(number) = self.first
            && self.send(number, waited >= self.anyway)?
        {
            self.first = None;
            self.turn = waited + SECOND;
        }
        if let Some(number) = self.second.filter(|_| waited >= self.turn)
            && self.send(number, false)?
        {
            self.second = None;
        }
        Ok(())
    }

    /// Sends a signal to a thread that takes it, or where `anyway`, to the process if there is none.
    /// One that is sent to the process may go to a thread that waits for it: the C libraries have
    /// such for timers (timer_helper_thread, sysdeps/unix/sysv/linux/timer_routines.c of glibc),
    /// programs for all signals.
    fn send(&mut self, number: u32, anyway: bool) -> Result<bool> {
        let pid = self.pid;
        let taker = taker(pid, number);
        // The last look: a program that does not handle it any more would be ended.
        if (taker.is_none() && !anyway) || !Status::read(pid)?.catches(number) {
            return Ok(anyway);
        }
        let info = signal::info(number, 0, QUEUED, process::id(), self.value);
        let sent = match taker {
            Some(tid) => {
                self.last = Some((tid, number));
                signal::queue_thread(pid, tid, number, &info)
            }
            None => signal::queue(pid, number, &info),
        };
        match sent {
            // The thread has ended meanwhile.
            Err(Errno::SRCH) if taker.is_some() => Ok(false),
            sent => sent
                .map(|()| true)
                .or_fail(format_args!("cannot send a request to process {pid}")),
        }
    }
}

/// A thread in which a handler of that signal would run.
fn taker(pid: u32, number: u32) -> Option<u32> {
    let path = ShortText::format(format_args!("/proc/{pid}/task"));
    let mut buffer = [0; 4096];
    let folder = fs::open(path.as_c(), fs::O_RDONLY | fs::O_DIRECTORY, 0).ok()?;
    while let Ok(got @ 1..) = fs::entries(folder.number(), &mut buffer) {
        let names = fs::names(buffer.get(..got).unwrap_or(&[]));
        let tids = names.filter_map(decimal).map(|(tid, _)| tid as u32);
        if let Some(tid) = { tids }.find(|&tid| takes(pid, tid, number)) {
            return Some(tid);
        }
    }
    None
}

/// Does the thread neither block the signal nor wait for signals by itself?
fn takes(pid: u32, tid: u32, number: u32) -> bool {
    /// rt_sigtimedwait(2), as /proc/PID/task/TID/syscall begins.
    const WAITS: &[u8] = b"128 ";
    let path = ShortText::format(format_args!("/proc/{pid}/task/{tid}/syscall"));
    let mut call = [0; 8];
    let waits = fs::glance(path.as_c(), &mut call).starts_with(WAITS);
    let handles = |s: Status| !matches!(s.state, b'Z' | b'X') && s.blocked >> (number - 1) & 1 == 0;
    !waits && Status::of_thread(pid, tid).is_ok_and(handles)
}

/// Has the thread not taken a signal yet that it was sent?
fn is_pending(pid: u32, tid: u32, number: u32) -> bool {
    Status::of_thread(pid, tid).is_ok_and(|s| s.pending >> (number - 1) & 1 != 0)
}

/// Does the process run this executable?
fn same_program(pid: u32) -> bool {
    let path = ShortText::format(format_args!("/proc/{pid}/exe"));
    match (fs::stat(path.as_c()), fs::stat(c"/proc/self/exe")) {
        (Ok(its), Ok(own)) => (its.st_dev, its.st_ino) == (own.st_dev, own.st_ino),
        _ => false,
    }
}

/// The program's status, once it takes requests: one that has just been started, or is being
/// restored, does so in a moment.
fn ready(pid: u32) -> Result<Status> {
    const MOMENT: u64 = 2_000;
    let begin = process::ticks();
    loop {
        let status = Status::read(pid)?;
        let [first, second] = REQUEST_SIGNALS;
        if status.catches(first) || status.catches(second) && same_program(pid) {
            return Ok(status);
        }
        if process::ticks() - begin > MOMENT {
            fail!(
                "process {pid} is not a program patched with ckpt-patch, or does not take requests any more"
            );
        }
        process::sleep(5);
    }
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

/// What /proc/PID/status tells.
struct Status {
    state: u8,
    caught: u64,
    blocked: u64,
    /// Of the thread's own.
    pending: u64,
    uid: u32,
    gid: u32,
}

impl Status {
    fn read(pid: u32) -> Result<Self> {
        let path = ShortText::format(format_args!("/proc/{pid}/status"));
        Self::at(path.as_c()).or_fail(format_args!("no process {pid} to be seen"))
    }

    fn of_thread(pid: u32, tid: u32) -> SysResult<Self> {
        let path = ShortText::format(format_args!("/proc/{pid}/task/{tid}/status"));
        Self::at(path.as_c())
    }

    fn at(path: &CStr) -> SysResult<Self> {
        let mut buffer = [0; 4096];
        let file = fs::open(path, fs::O_RDONLY, 0)?;
        let len = fs::read_at(file.number(), &mut buffer, 0)?;
        let text = buffer.get(..len).unwrap_or(&[]);
        let field = |name: &[u8]| labelled(text, name).unwrap_or(&[]);
        let set = |name: &[u8]| hexadecimal(field(name)).map_or(0, |(set, _)| set);
        let first = |name: &[u8]| decimal(field(name)).map_or(0, |(n, _)| n as u32);
        Ok(Self {
            state: field(b"State:").first().copied().unwrap_or(b'X'),
            caught: set(b"SigCgt:"),
            blocked: set(b"SigBlk:"),
            pending: set(b"SigPnd:"),
            uid: first(b"Uid:"),
            gid: first(b"Gid:"),
        })
    }
}

impl Status {
    fn catches(&self, number: u32) -> bool {
        self.caught >> (number - 1) & 1 != 0
    }
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
