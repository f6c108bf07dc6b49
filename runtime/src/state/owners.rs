//! Locks that name the thread that holds them.
//!
//! A restored thread has another id, and a lock of the C library that was held at the checkpoint
//! holds the old one: a recursive mutex would wait for itself, an error-checking one refuse its
//! owner. Such locks lie anywhere in memory, so pages are looked through while they are read
//! anyhow, for words that may be an owner; what lies around such a word in the end decides.
//!
//! Layouts (fixed by their libraries' ABI): glibc `struct __pthread_mutex_s` and
//! `struct __pthread_rwlock_arch_t` (sysdeps/x86/nptl/bits/struct_mutex.h, struct_rwlock.h). Robust
//! locks, and all of musl's that know their owner, hang on the list that the thread has given to
//! the kernel (set_robust_list(2)) and are found there. musl's streams have an owner, too (`struct
//! _IO_FILE`, src/internal/stdio_impl.h).
#![expect(unsafe_code, reason = "changes words of the program's")]

use ckpt_format::record::{TASK_END, Thread};
use ckpt_format::toc::kind;

use crate::arch::frame::offset;
use crate::error::Result;
use crate::image::input::Image;
use crate::sys::mm;
use crate::util::arena::Arena;
use crate::util::sort::sort;

/// Most words that are looked at more closely; a program that holds more locks than that, or whose
/// data look so, keeps the old ids in the rest, which is told.
const MOST: usize = 1 << 16;
/// Most entries of a robust list that are followed, as in the kernel (ROBUST_LIST_LIMIT).
const CHAIN: usize = 2048;
/// The id in a futex word; the two bits above say "waiters" and "owner died".
const TID: u32 = 0x3fff_ffff;

/// Words that may name an owner.
#[derive(Debug)]
pub struct Owners<'a> {
    /// The threads' ids at the checkpoint, in order.
    then: &'a mut [u32],
    /// Their ids now, in the same order; zero while unknown.
    now: &'a mut [u32],
    found: &'a mut [u64],
    count: usize,
    /// The C library is musl.
    musl: bool,
}

impl<'a> Owners<'a> {
    /// Nothing found yet.
    pub fn new(arena: &'a Arena, image: &Image<'_>) -> Result<Self> {
        let threads = || image.list::<Thread>(kind::THREADS);
        let count = threads().left() as usize;
        let this = Self {
            then: arena.records(count)?,
            now: arena.records(count)?,
            found: arena.records(MOST)?,
            count: 0,
            musl: threads().any(|thread| thread.tid_words[1] != 0),
        };
        for (slot, thread) in this.then.iter_mut().zip(threads()) {
            *slot = thread.tid;
        }
        sort(this.then);
        Ok(this)
    }

    /// Notes that thread `then` is `now`.
    pub fn learn(&mut self, then: u32, now: u32) {
        if let Ok(n) = self.then.binary_search(&then)
            && let Some(slot) = self.now.get_mut(n)
        {
            *slot = now;
        }
    }

    /// The id that thread `then` has now.
    #[must_use]
    pub fn new_id(&self, then: u32) -> Option<u32> {
        let n = self.then.binary_search(&then).ok()?;
        self.now.get(n).copied().filter(|&id| id != 0)
    }

    /// Looks through pages of writable memory that belong at `addr`: an owner is followed by a
    /// number of users (one) or a flag (zero or one), a lock word by a count. The latter is looked
    /// for as well: a thread that is about to give a lock back, or has just been given one by the
    /// kernel, is not its owner by the library's books. And the one thread that glibc knows by its
    /// id: it waits for the signals of timers with SIGEV_THREAD.
    pub fn look(&mut self, pages: &[u8], addr: u64) {
        let (words, _) = pages.as_chunks::<8>();
        let first = self.then.first().copied().unwrap_or(0);
        let ids = first..=self.then.last().copied().unwrap_or(0);
        for (n, word) in words.iter().enumerate() {
            let word = u64::from_le_bytes(*word);
            let (low, high) = (word as u32, (word >> 32) as u32);
            if high <= ONCE && ids.contains(&(low & TID)) {
                self.note(low, pages, n * 8, addr);
            }
            // musl's mutexes begin with their type, then the lock word; its streams have the width
            // of their characters before it.
            if self.musl && ids.contains(&(high & TID)) && (is_type(low) || is_width(low)) {
                self.note(high, pages, n * 8 + 4, addr);
            }
        }
    }

    /// Notes a word at an offset in such pages, if it may be an owner.
    #[inline(never)]
    fn note(&mut self, word: u32, pages: &[u8], offset: usize, addr: u64) {
        if self.then.binary_search(&(word & TID)).is_ok() && may_be(pages, offset) {
            if let Some(slot) = self.found.get_mut(self.count) {
                *slot = addr + offset as u64;
            }
            self.count += 1;
        }
    }

    /// Gives every lock that was found its owner's new id.
    ///
    /// # Safety
    ///
    /// The program's memory is in place and none of its threads runs.
    pub unsafe fn repair(&self, image: &Image<'_>) {
        for &at in self.found.iter().take(self.count) {
            let Some(words) = surroundings(at) else {
                continue;
            };
            let [.., before, owner, _, _, _, _, _, _, _] = words;
            let Some(new) = self.new_id(owner & TID) else {
                continue;
            };
            let is_known = || match at % 8 == 4 {
                false => is_unowned(&words) && is_at_hand(image, owner & TID, [at; 2]),
                true if is_width(before) => is_stream(at),
                true => is_of_musl(&words) && is_at_hand(image, owner & TID, [at - 4, at]),
            };
            if is_known() {
                // SAFETY: a lock word that names the thread, as all around it says.
                unsafe { (at as *mut u32).write((owner & !TID) | new) };
                continue;
            }
            if owner & !TID != 0 {
                continue;
            }
            if is_helper(image, &words) {
                // SAFETY: a word that names the thread, as thread and neighbour say.
                unsafe { (at as *mut u32).write(new) };
                continue;
            }
            let lock = lock_word(&words, owner, new);
            if lock.is_some() || is_written(&words) {
                // SAFETY: a word that names the owner, as all around it says.
                unsafe { (at as *mut u32).write(new) };
            }
            if let Some(Some(lock)) = lock {
                // SAFETY: likewise, 8 bytes before.
                unsafe { ((at - 8) as *mut u32).write(lock) };
            }
        }
        if self.count > MOST {
            crate::log::error!(
                "more than {MOST} words look like a lock's owner: locks beyond keep an old id"
            );
        }
    }
}

/// What glibc has in a `pthread_once_t` of a function that was called. An owner is followed by no more.
const ONCE: u32 = 2;

/// Is the "owner" the thread that glibc started to wait for timers' signals, in the word where it
/// notes it? Next to that is whether it was started (`__timer_helper_tid`, `__timer_helper_once`,
/// sysdeps/unix/sysv/linux/timer_routines.c). It alone blocks the library's own signal.
fn is_helper(image: &Image<'_>, words: &[u32; 14]) -> bool {
    const SIGTIMER: u32 = 32;
    let [.., owner, once, _, _, _, _, _, _] = words;
    let blocks = |thread: Thread| {
        let mask = word(thread.frame.wrapping_add(offset::SIGMASK as u64));
        mask.is_some_and(|mask| mask >> (SIGTIMER - 1) & 1 == 1)
    };
    *once == ONCE
        && image
            .list::<Thread>(kind::THREADS)
            .any(|thread| thread.tid == *owner && blocks(thread))
}

/// Could the word at an offset in pages be what it would have to be, by what lies around it? Numbers
/// like the ids are many: sizes of blocks, and where ids begin with 1, all that is counted. Where not
/// all of it is among these pages, [`Owners::repair`] decides alone.
fn may_be(pages: &[u8], offset: usize) -> bool {
    let around = offset
        .checked_sub(BEFORE)
        .and_then(|start| pages.get(start..)?.first_chunk());
    let Some(words) = around.map(split) else {
        return true;
    };
    let [.., owner, next, _, _, _, _, _, _] = words;
    offset % 8 == 4
        || next == ONCE
        || is_unowned(&words)
        || is_written(&words)
        || lock_word(&words, owner, owner).is_some()
}

/// Bytes before an owner that tell whether it is one.
const BEFORE: usize = 24;

/// The bytes around an owner: those before it, itself, and the 28 after it. A rwlock is no larger.
type Around = [u8; 56];

/// The bytes around an owner, as `u32`s.
fn surroundings(at: u64) -> Option<[u32; 14]> {
    let mut bytes: Around = [0; _];
    // What lies beyond the end of a mapping is no part of a lock.
    let got = mm::read_own((at as usize).checked_sub(BEFORE)?, &mut bytes).ok()?;
    (got == bytes.len()).then(|| split(&bytes))
}

fn split(bytes: &Around) -> [u32; 14] {
    let mut words = [0; 14];
    let (chunks, _) = bytes.as_chunks::<4>();
    for (word, chunk) in words.iter_mut().zip(chunks) {
        *word = u32::from_le_bytes(*chunk);
    }
    words
}

/// If the owner is that of a held mutex of glibc's: `Some(None)`, or `Some(Some(word))` where the
/// lock word names the owner too and is to become `word`.
fn lock_word(words: &[u32; 14], owner: u32, new: u32) -> Option<Option<u32>> {
    const RECURSIVE: u32 = 1;
    const ERRORCHECK: u32 = 2;
    const ROBUST: u32 = 16;
    const INHERIT: u32 = 32;
    /// Process-shared, and the two bits of lock elision.
    const ASIDE: u32 = 128 | 256 | 512;
    let [_, _, _, _, lock, count, _, users, kind, _, links @ ..] = words;
    let plain = links.iter().all(|&half| half == 0);
    let kind = kind & !ASIDE;
    if *users != 1 {
        return None;
    }
    let counted = match kind & 3 {
        RECURSIVE => *count >= 1,
        ERRORCHECK => *count == 0,
        _ => kind & (ROBUST | INHERIT) != 0 && *count == 0,
    };
    match kind & !3 {
        0 if counted && plain && matches!(lock, 1 | 2) => Some(None),
        ROBUST | INHERIT | 48 if counted && [owner, new].contains(&(lock & TID)) => {
            Some(Some((lock & !TID) | new))
        }
        _ => None,
    }
}

/// Is thread `then` at work with the lock that has these addresses (its own, and its futex's)? While it
/// takes or gives back a lock, it has one of them in a register or in a local variable of the library's;
/// both are in the frame that the kernel has put on its stack, or above it. Memory that only looks like
/// such a lock has nobody who does.
fn is_at_hand(image: &Image<'_>, then: u32, lock: [u64; 2]) -> bool {
    /// The kernel's frame with all of today's registers, and a second one, if it is a handler of the
    /// program's that has interrupted the library.
    const DEPTH: usize = 32 << 10;
    let frames = image.list::<Thread>(kind::THREADS);
    let mut frames = frames
        .filter(|thread| thread.tid == then)
        .map(|thread| thread.frame);
    frames.any(|frame| {
        let mut bytes = [0; 512];
        (0..DEPTH).step_by(bytes.len()).any(|offset| {
            let got = mm::read_own(frame as usize + offset, &mut bytes).unwrap_or(0);
            let (words, _) = bytes.get(..got).unwrap_or(&[]).as_chunks::<8>();
            words
                .iter()
                .any(|&word| lock.contains(&u64::from_le_bytes(word)))
        })
    })
}

/// Is the "owner" the lock word of a mutex of glibc's with an owner's id in it, which its library
/// has not noted yet, or not any more?
fn is_unowned(words: &[u32; 14]) -> bool {
    let [.., _, _, owner, users, kind, spins, _, _] = words;
    *owner == 0 && *users <= 1 && is_full(*kind) && *spins == 0
}

/// Is the "owner" the lock word of a mutex of musl's with priority inheritance? Its type is known
/// to be one; what the library does not use is zero. Others are on their owner's list.
fn is_of_musl(words: &[u32; 14]) -> bool {
    let [.., _, _, unused, unused2, _, _, _, _] = words;
    (*unused, *unused2) == (0, 0)
}

/// Is that the type of a mutex of musl's with priority inheritance, private or shared?
fn is_type(word: u32) -> bool {
    word & !(7 | 128) == 8
}

/// Can that be the mode of one of musl's streams: of bytes, of wide characters, or neither yet?
fn is_width(mode: u32) -> bool {
    matches!(mode as i32, -1..=1)
}

/// Is the word at `at` the lock of one of musl's streams? What must be zero is, and what must be
/// addresses can be.
fn is_stream(at: u64) -> bool {
    const LOCK: u64 = 140;
    const FLAGS: u64 = 0;
    const ZEROS: [u64; 2] = [48, 176];
    /// Buffer, and the functions that read, write and seek.
    const POINTERS: [u64; 4] = [88, 64, 72, 80];
    const FD: u64 = 120;
    let field = |offset: u64| word(at.wrapping_sub(LOCK).wrapping_add(offset)).unwrap_or(!0);
    let fd = field(FD) as i32;
    let [buffer, functions @ ..] = POINTERS.map(field);
    field(FLAGS) as u32 <= 0xffff
        && ZEROS.iter().all(|&offset| field(offset) == 0)
        && [buffer].iter().chain(&functions).all(|&p| p < TASK_END)
        && functions.iter().any(|&p| p != 0)
        && fd >= -1
}

/// A kind of mutex of glibc's whose lock word holds its owner's id: robust, with priority
/// inheritance, or both; of any type, private or shared.
fn is_full(kind: u32) -> bool {
    matches!(kind & !(3 | 128), 16 | 32 | 48)
}

/// A thread that waits for a mutex of those kinds has its own id at hand, to write it into the
/// mutex when that is free (`id` in __pthread_mutex_lock_full, nptl/pthread_mutex_lock.c): in a
/// register that the call leaves alone or among the function's first few locals. So has one of musl's that
/// waits for a stream or for the list of threads (__lockfile, __tl_lock), the former also with the
/// mark that says "waiters".
///
/// # Safety
///
/// The program's memory is in place; the thread does not run.
pub unsafe fn repair_waiter(record: &Thread, now: u32) {
    const FUTEX: u64 = 202;
    const SYSCALL: u64 = 0x050f;
    /// rbx, rbp, r8, r9, r12 to r15 in `struct ucontext`: what the call does not change, nor reads.
    const REGISTERS: [u64; 8] = [128, 120, 40, 48, 72, 80, 88, 96];
    const LOCALS: u64 = 64;
    /// MAYBE_WAITERS of musl's streams.
    const WAITERS: u32 = 0x4000_0000;
    let frame = record.frame;
    let field = |at: usize| word(frame.wrapping_add(at as u64)).unwrap_or(0);
    let rip = field(offset::RIP);
    let is_call = |at: u64| word(at).is_some_and(|code| code & 0xffff == SYSCALL);
    let waits = (field(offset::RAX) == FUTEX && is_call(rip)) || is_call(rip.wrapping_sub(2));
    let [lock, ..] = offset::ARGUMENTS.map(field);
    let [_, musl, ..] = record.tid_words;
    let is_known = || match surroundings(lock.wrapping_add(8)) {
        _ if musl != 0 => lock == record.clear_tid || is_stream(lock),
        Some([.., kind, _, _, _, _, _]) => is_full(kind),
        None => false,
    };
    if !waits || !is_known() {
        return;
    }
    // An id, marked or not, becomes the new one.
    let new = |word: u32| (word & !WAITERS == record.tid).then_some((word & WAITERS) | now);
    for register in REGISTERS {
        let value = field(register as usize);
        if let Some(new) = new(value as u32).filter(|_| value >> 32 == 0) {
            // SAFETY: a register of the thread's, with its id.
            unsafe { ((frame + register) as *mut u64).write(u64::from(new)) };
        }
    }
    let stack = field(offset::RSP);
    for place in (stack..stack.wrapping_add(LOCALS)).step_by(4) {
        if let Some(new) = word(place).and_then(|word| new(word as u32)) {
            // SAFETY: a local variable of the thread's, with its id.
            unsafe { (place as *mut u32).write(new) };
        }
    }
}

/// Is the owner the writer of a glibc rwlock that is held for writing? Both futexes then say so (the
/// second bit: it has been waited for), and so do the lowest bits of the count of readers
/// (nptl/pthread_rwlock_common.c). What is left is unused, but for the flag that prefers writers.
fn is_written(words: &[u32; 14]) -> bool {
    let [
        readers,
        _,
        phase,
        writer,
        pad,
        pad2,
        _,
        shared,
        rest @ ..,
        flags,
        _,
    ] = words;
    let is_set = |futex: &u32| matches!(futex, 1 | 3);
    readers & 3 == 3
        && is_set(phase)
        && is_set(writer)
        && (*pad, *pad2) == (0, 0)
        && *shared <= 1
        && rest.iter().all(|&half| half == 0)
        && *flags <= 2
}

/// Every lock on the thread's own lists that names the thread names its new id afterwards.
///
/// One list is the one that the thread gave to the kernel. musl has its own list of all locks that
/// know their owner, and tells the kernel only if one is shared between processes; its head is in
/// the thread's descriptor and is found by what it is: a chain that leads back to where it began.
///
/// # Safety
///
/// The program's memory is in place; the thread does not run.
pub unsafe fn repair_lists(record: &Thread, now: u32) {
    /// From an entry (`_m_next`) to the lock word (`_m_lock`) of musl's mutex.
    const MUSL_DISTANCE: u64 = 4u64.wrapping_sub(32);
    /// More than musl's descriptor has.
    const DESCRIPTOR: u64 = 512;
    let head = record.robust;
    if let (Some(distance), Some(pending)) = (word(head + 8), word(head + 16)) {
        // struct robust_list_head: first entry, distance from an entry to its lock word, an entry
        // that is being taken or given back.
        for entry in Chain::of(head).chain([pending]).filter(|&e| e != 0) {
            // SAFETY: the thread's own list.
            unsafe { rename(entry, distance, record.tid, now) };
        }
    }
    let [_, musl, ..] = record.tid_words;
    if musl == 0 {
        return;
    }
    let fs = record.fs_base;
    for head in (fs..fs.wrapping_add(DESCRIPTOR)).step_by(8) {
        if Chain::of(head).last().and_then(word) == Some(head) {
            for entry in Chain::of(head) {
                // SAFETY: likewise.
                unsafe { rename(entry, MUSL_DISTANCE, record.tid, now) };
            }
        }
    }
}

/// The entries of a list that ends where it begins; at most [`CHAIN`] of them.
struct Chain {
    head: u64,
    at: u64,
    left: usize,
}

impl Chain {
    fn of(head: u64) -> Self {
        Self {
            head,
            at: head,
            left: CHAIN,
        }
    }
}

impl Iterator for Chain {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        // The lowest bit of an entry says that its lock is one with priority inheritance.
        let next = word(self.at & !1)?;
        self.left = self.left.checked_sub(1)?;
        if next == self.at && next != self.head {
            // Where musl keeps threads, not locks: a descriptor begins with its own address.
            return None;
        }
        self.at = next;
        (next & !1 != self.head && next != 0).then_some(next)
    }
}

fn word(at: u64) -> Option<u64> {
    let mut bytes = [0; 8];
    (mm::read_own(at as usize, &mut bytes) == Ok(8)).then(|| u64::from_le_bytes(bytes))
}

/// # Safety
///
/// `entry` is on a list of thread `then`'s.
unsafe fn rename(entry: u64, distance: u64, then: u32, now: u32) {
    let place = (entry & !1).wrapping_add(distance);
    if let Some(lock) = word(place).map(|w| w as u32)
        && lock & TID == then
    {
        // SAFETY: a futex word that names the thread, by the thread's own list.
        unsafe { (place as *mut u32).write((lock & !TID) | now) };
    }
}
