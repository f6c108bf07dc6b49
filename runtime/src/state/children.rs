//! Children. One that lives is refused, or left behind with the user's leave; one that has ended and
//! was not waited for is made again: a process that ends the same way.
#![expect(unsafe_code, reason = "makes processes")]

use ckpt_format::limits;
use ckpt_format::record::{Action, Ended};
use ckpt_format::toc::kind;

use crate::allow;
use crate::arch::stack;
use crate::error::{Context, Result, fail};
use crate::image::input::Image;
use crate::sys::namespace::{self, CloneArgs};
use crate::sys::{Errno, SysResult, fs, process, signal};
use crate::util::arena::{Arena, Plain};
use crate::util::list::List;
use crate::util::text::{ShortText, Show, decimal, find_last, split};

/// Those that have ended; fails if one lives.
pub fn collect() -> Result<List<Ended>> {
    let mut all = List::new(limits::THREADS as usize);
    if !process::has_child() {
        return Ok(all);
    }
    let mut left_behind = false;
    each(&mut |pid| {
        let Some(status) =
            process::ended(pid, false).or_fail(format_args!("cannot look at child {pid}"))?
        else {
            let path = ShortText::format(format_args!("/proc/{pid}/comm"));
            let mut name = [0; 64];
            let name = Show(fs::glance(path.as_c(), &mut name).trim_ascii_end());
            if allow::accepts(allow::Kind::Child, format_args!("child {pid} ({name})")) {
                left_behind = true;
                return Ok(());
            }
            fail!("child {pid} ({name}): not carried");
        };
        let path = ShortText::format(format_args!("/proc/{pid}/stat"));
        let mut text = [0; 1024];
        let text = fs::glance(path.as_c(), &mut text);
        // By the numbers of proc(5), from the name on, which may have any byte in it.
        let rest = text
            .get(find_last(text, b')').unwrap_or(0)..)
            .unwrap_or(&[]);
        let field = |n: usize| split(rest, b' ').nth(n - 2).and_then(decimal);
        let number = |n| field(n).map_or(0, |(number, _)| number as u32);
        all.push(Ended {
            pid,
            group: number(5),
            status,
            signal: number(38),
        })
    })?;
    if all.as_slice().is_empty() && !left_behind {
        fail!("a child process: not carried");
    }
    Ok(all)
}

/// Tells of each child, in their order; each thread has its own list in /proc.
fn each(tell: &mut dyn FnMut(u32) -> Result<()>) -> Result<()> {
    let Ok(folder) = fs::open(c"/proc/self/task", fs::O_RDONLY | fs::O_DIRECTORY, 0) else {
        return Ok(());
    };
    let mut buffer = [0; 2048];
    while let Ok(got @ 1..) = fs::entries(folder.number(), &mut buffer) {
        for (thread, _) in fs::names(buffer.get(..got).unwrap_or(&[])).filter_map(decimal) {
            let path = ShortText::format(format_args!("/proc/self/task/{thread}/children"));
            if let Ok(list) = fs::open(path.as_c(), fs::O_RDONLY, 0) {
                numbers(&list, tell)?;
            }
        }
    }
    Ok(())
}

/// The numbers in a file, each with a blank behind it.
fn numbers(file: &fs::Fd, tell: &mut dyn FnMut(u32) -> Result<()>) -> Result<()> {
    let mut buffer = [0; 1024];
    let mut filled = 0;
    loop {
        let room = buffer.get_mut(filled..).unwrap_or(&mut []);
        let got = fs::read(file.number(), room).or_fail(format_args!("cannot list children"))?;
        filled += got;
        let text = buffer.get(..filled).unwrap_or(&[]);
        let whole = find_last(text, b' ').map_or(0, |at| at + 1);
        for (pid, _) in split(text.get(..whole).unwrap_or(&[]), b' ').filter_map(decimal) {
            tell(pid as u32)?;
        }
        if got == 0 {
            return Ok(());
        }
        buffer.copy_within(whole..filled, 0);
        filled -= whole;
    }
}

/// The new ids of the image's children, in their order.
#[derive(Clone, Copy, Debug)]
pub struct Born<'a>(&'a [u32]);

impl Born<'_> {
    /// None.
    pub const NONE: Self = Self(&[]);

    /// The new id of the child that was `old`.
    #[must_use]
    pub fn id(self, image: &Image<'_>, old: u32) -> Option<u32> {
        let mut all = image.list::<Ended>(kind::ENDED).zip(self.0);
        all.find(|(ended, _)| ended.pid == old).map(|(_, &new)| new)
    }
}

/// What a child is told, which shares the memory.
struct Task {
    ended: Ended,
    /// Whose group it joins; zero for one of its own.
    group: Option<u32>,
}

const SET_DUMPABLE: u32 = 4;
/// Stack of a child: nothing is formatted there.
const STACK: usize = 8 << 10;
const SIGCHLD: u32 = 17;

/// Makes them, with their old ids if `same_ids`. What tells of their ends is taken away: it is among
/// the image's signals, or the program has had it.
#[inline(never)]
pub fn restore<'a>(arena: &'a Arena, image: &Image<'_>, same_ids: bool) -> Result<Born<'a>> {
    let all = image.list::<Ended>(kind::ENDED);
    let ids = arena.records::<u32>(all.left() as usize)?;
    if ids.is_empty() {
        return Ok(Born(ids));
    }
    let what = format_args!("cannot make the children that have ended");
    let mask = signal::set_mask(!0).or_fail(what)?;
    default(SIGCHLD).or_fail(what)?;
    // Nobody who dies of a signal is to write a core file of this memory, least of all to a program
    // that takes them (core_pattern, which limits are nothing to).
    process::control(SET_DUMPABLE, 0, 0).or_fail(what)?;
    let stack = arena.bytes(STACK, 16)?;
    for (n, ended) in all.enumerate() {
        let leader = Born(ids).id(image, ended.group).filter(|&id| id != 0);
        let task = Task {
            ended,
            group: if ended.group == ended.pid {
                Some(0)
            } else {
                leader
            },
        };
        let new = make(&task, stack, same_ids).or_fail(format_args!(
            "cannot make child {} again, which has ended",
            ended.pid
        ))?;
        if let Some(slot) = ids.get_mut(n) {
            *slot = new;
        }
    }
    process::control(SET_DUMPABLE, 1, 0).or_fail(what)?;
    signal::set_mask(mask).or_fail(what)?;
    Ok(Born(ids))
}

fn make(task: &Task, stack: &mut [u8], same_ids: bool) -> SysResult<u32> {
    let mut args = CloneArgs::with_id(same_ids.then_some(&task.ended.pid));
    args.dies_in_our_memory(task.ended.signal);
    args.stack = stack.as_mut_ptr().expose_provenance() as u64;
    args.stack_size = stack.len() as u64;
    let at = core::ptr::from_ref(&args).expose_provenance();
    let task_at = core::ptr::from_ref(task).expose_provenance();
    // SAFETY: the stack is the child's alone until it has ended, which this waits for.
    let made = unsafe { stack::spawn_as(at, size_of::<CloneArgs>(), end, task_at) };
    let pid = u32::try_from(made).map_err(|_| Errno(-made as i32))?;
    while process::ended(pid, true)?.is_none() {}
    if task.ended.signal != 0 {
        let _ = signal::take(1 << (task.ended.signal - 1));
    }
    Ok(pid)
}

/// The life of a child.
unsafe extern "C" fn end(task: usize) -> ! {
    // SAFETY: `make` passes a task that stays until this process has ended.
    let task = unsafe { &*(task as *const Task) };
    if let Some(group) = task.group {
        let _ = namespace::join_group(group);
    }
    match task.ended.end() {
        Ok(code) => process::exit(code as i32),
        Err(signal) => {
            let _ = default(signal);
            let _ = signal::kill(process::id(), signal);
            let _ = signal::set_mask(0);
            process::exit(128 + signal as i32)
        }
    }
}

fn default(number: u32) -> SysResult<()> {
    const FIXED: [u32; 2] = [9, 19];
    if FIXED.contains(&number) {
        return Ok(());
    }
    // SAFETY: nothing is called.
    unsafe { signal::set_action(number, &Action::DEFAULT) }
}

// SAFETY: integers.
unsafe impl Plain for Ended {}
