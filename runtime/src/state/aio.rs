//! Asynchronous I/O contexts, io_setup(2).
//!
//! A context's name is the address of its ring: events from `head`, up to which the program has read,
//! to `tail`, which only the kernel moves. Programs read the ring without the kernel, too, and may be
//! about to write `head`; so both stay what they were, in the program that goes on and in the restored
//! one. `tail` cannot be set: the ring is gone round, with events of requests that are done at once. A
//! ring can be moved (aio_ring_mremap, fs/aio.c).
//!
//! The kernel does not tell of requests in flight, but it counts: each request takes one of the ring's
//! places until its event was read (get_reqs_available, put_reqs_available). The room of an empty
//! context is known; what is missing of it when the ring was filled is in flight. Places are handed
//! out in lots, which a processor keeps to itself, and what is less than a lot never is. Those of
//! events that were read go to the processor that finds it out.
#![expect(unsafe_code, reason = "reads and writes rings")]

use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::{Acquire, Release};

use ckpt_format::record::Vma;

use super::memory::classify::not_carried;
use super::memory::stage::Place;
use super::memory::{Area, Space};
use crate::error::{Context, Result, fail};
use crate::sys::aio::{self, Event};
use crate::sys::fs::{self, Fd};
use crate::sys::mm;
use crate::sys::thread::{self, PROCESSORS};
use crate::util::list::List;

/// The data of our own requests.
const OURS: u64 = 0x636b_7074_6169_6f21;

/// How long requests that end by themselves are waited for, milliseconds.
const PATIENCE: u32 = 500;

/// `struct aio_ring` of fs/aio.c: eight words, then the events.
#[derive(Clone, Copy)]
struct Ring {
    at: usize,
    /// Events that there is room for: whole pages of them (aio_setup_ring).
    size: u32,
}

/// Its words; the first is the context's place in a table of the kernel's.
const SIZE: usize = 1;
const HEAD: usize = 2;
const TAIL: usize = 3;

impl Ring {
    fn new(at: usize, len: usize) -> Self {
        let events = (len / size_of::<Event>()).min(u32::MAX as usize);
        let size = events as u32 - 1;
        Self { at, size }
    }

    fn place(&self, n: usize) -> &AtomicU32 {
        let place = (self.at as *mut u32).wrapping_add(n);
        // SAFETY: a ring is mapped there, to which the kernel writes.
        unsafe { AtomicU32::from_ptr(place) }
    }

    fn word(self, n: usize) -> u32 {
        self.place(n).load(Acquire)
    }

    fn set_head(self, head: u32) {
        self.place(HEAD).store(head, Release);
    }

    fn event(self, n: u32) -> *mut Event {
        (self.at as *mut Event).wrapping_add(1 + n as usize)
    }

    /// So many places on.
    fn on(self, from: u32, by: u32) -> u32 {
        (from + by) % self.size
    }

    /// So many places back.
    fn back(self, from: u32, by: u32) -> u32 {
        self.on(from, self.size - by)
    }

    /// How many events were not read.
    fn unread(self) -> u32 {
        self.back(self.word(TAIL), self.word(HEAD))
    }

    /// Is it one of its size?
    fn is_intact(self) -> bool {
        self.word(SIZE) == self.size && self.word(HEAD).max(self.word(TAIL)) < self.size
    }

    /// How many requests an empty context takes, if there may be so many processors (ioctx_alloc,
    /// `__get_reqs_available`).
    fn room(self, processors: u32) -> u32 {
        let places = self.size - 1;
        let lot = (places / (processors * 4)).max(1);
        places - places % lot
    }
}

/// What fills a ring: reads of no bytes, which are done when io_submit(2) returns.
struct Filler<'a> {
    ring: Ring,
    file: Fd,
    /// Which processors the thread could run on; none if there are more than are known.
    was: [u64; 16],
    /// The one behind that which it is on.
    next: usize,
    /// Up to where the ring was looked through.
    at: u32,
    /// Events of the program's that were found.
    kept: &'a mut [Event],
    count: u32,
}

impl<'a> Filler<'a> {
    /// Stays on one processor from here on: what that has freed no other can use. `kept` has room
    /// for the program's events.
    fn new(ring: Ring, kept: &'a mut [Event]) -> Result<Self> {
        let was = thread::affinity();
        let mut this = Self {
            ring,
            file: fs::memory_file(c"").or_fail(format_args!("cannot fill a ring"))?,
            was,
            next: 0,
            at: ring.word(HEAD),
            kept,
            count: 0,
        };
        this.go();
        Ok(this)
    }

    /// Goes to the next processor that the program may use; false if there is none.
    fn go(&mut self) -> bool {
        while self.next < PROCESSORS {
            self.next += 1;
            if thread::go_to(self.next - 1).is_ok() {
                return true;
            }
        }
        false
    }

    /// Adds events, as far as there is room; tells how many.
    fn push(&self, count: u32) -> u32 {
        let request = [OURS, 0, (self.file.number() as u64) << 32, 0, 0, 0, 0, 0];
        let mut left = count;
        while left > 0
            && let Ok(taken) = aio::submit(self.ring.at, &request, left)
        {
            left -= taken;
        }
        count - left
    }

    /// Looks for the program's events in what has come.
    fn look(&mut self) {
        let tail = self.ring.word(TAIL);
        while self.at != tail {
            // SAFETY: within the ring, and complete.
            let event = unsafe { self.ring.event(self.at).read() };
            let [data, ..] = event;
            if data != OURS
                && let Some(slot) = self.kept.get_mut(self.count as usize)
            {
                *slot = event;
                self.count += 1;
            }
            self.at = self.ring.on(self.at, 1);
        }
    }

    /// Adds `left` events, of which the last ones have their places: the kernel counts what was not
    /// read since `head` was moved, and gives away what it counts too little of
    /// (refill_reqs_available).
    fn turn(&mut self, mut left: u32, last: u32) {
        while left > 0 {
            self.look();
            self.ring.set_head(self.at);
            let part = if left > last { left - last } else { left };
            match self.push(part) {
                0 => break,
                pushed => left -= pushed,
            }
        }
    }

    /// Makes the program's events the last ones, and the only ones that were not read. Those that
    /// come meanwhile stand behind them.
    fn put_back(&mut self) {
        self.look();
        let head = self.ring.back(self.at, self.count);
        for (event, n) in self.kept.iter().zip(0..self.count) {
            let place = self.ring.event(self.ring.on(head, n));
            // SAFETY: within the ring.
            unsafe { place.write(*event) };
        }
        self.ring.set_head(head);
    }
}

impl Drop for Filler<'_> {
    fn drop(&mut self) {
        let _ = thread::set_affinity(&self.was);
    }
}

/// Sees to it that no request is in flight any more, or refuses the contexts in which one is. To be
/// called before anything is looked at that requests may change: memory, files, counters.
pub fn settle(space: &Space) -> Result<()> {
    for area in space.areas.as_slice() {
        if is_ring(area, space.name(area)) {
            settle_one(area)?;
        }
    }
    Ok(())
}

/// Does a mapping show a ring?
#[must_use]
pub fn is_ring(area: &Area, name: &[u8]) -> bool {
    area.shared && name == b"/[aio] (deleted)"
}

#[inline(never)]
fn settle_one(area: &Area) -> Result<()> {
    let ring = Ring::new(area.start, area.len());
    let processors = processors();
    let own = area.prot == mm::RW
        && aio::submit(ring.at, &[0; 8], 0).is_ok()
        && ring.is_intact()
        && ring.unread() <= ring.room(processors);
    if !own {
        let what = format_args!("asynchronous I/O context of another process, or changed");
        return Err(not_carried(area, what));
    }
    let mut kept: List<Event> = List::new(ring.size as usize);
    let mut filler = Filler::new(ring, kept.fill(ring.size as usize)?)?;
    filler.look();
    let unread = filler.count;
    let wanted = ring.room(processors) - unread;
    let mut missing = wanted - filler.push(wanted);
    while missing > 0 && filler.go() {
        missing -= filler.push(missing);
    }
    // Once round, with places for those that come meanwhile.
    let pushed = wanted - missing;
    filler.turn(ring.size - pushed, unread + missing.min(pushed));
    filler.put_back();
    for _ in 0..PATIENCE {
        filler.look();
        if filler.count - unread >= missing {
            return Ok(());
        }
        thread::wait(&raw const missing, missing, 1);
    }
    let left = missing - (filler.count - unread);
    let what = format_args!("asynchronous I/O context with requests in flight ({left})");
    Err(not_carried(area, what))
}

/// How many processors there may be: the kernel's table has a column for each (`show_softirqs`,
/// fs/proc/softirqs.c). More than there can be if it does not tell, so that there is no room that
/// would never be had.
fn processors() -> u32 {
    const MANY: u32 = 1 << 20;
    let (mut text, mut count) = ([0; 512], 0);
    let Ok(file) = fs::open(c"/proc/softirqs", fs::O_RDONLY, 0) else {
        return MANY;
    };
    while let Ok(got @ 1..) = fs::read(file.number(), &mut text) {
        for byte in text.get(..got).unwrap_or(&[]) {
            match byte {
                b'C' => count += 1,
                b'\n' => return count,
                _ => {}
            }
        }
    }
    MANY
}

/// Makes the context at `vma` again, in place of memory of ours at `at` that has what was in its ring.
///
/// # Safety
///
/// Nobody else uses that memory.
pub unsafe fn restore(vma: &Vma<'_>, at: usize) -> Result<()> {
    let (start, len) = (vma.start, vma.len() as usize);
    let old = Ring::new(at, len);
    // Twice the number and two events more are rounded up to whole pages (ioctx_alloc,
    // aio_setup_ring).
    let events = (old.size / 128 * 64).max(1);
    let what = format_args!("cannot make asynchronous I/O context {start:x}");
    let place = aio::setup(events).or_fail(what)?;
    let new = Ring::new(place, len);
    let tail = old.word(TAIL);
    // More processors make larger ones; and an image may have anything.
    let fits = old.is_intact() && new.word(SIZE) == old.size;
    if fits {
        Filler::new(new, &mut [])?.turn(tail + old.size, old.unread());
    }
    if !fits || new.word(TAIL) != tail {
        fail!("{what}: its ring is of another size here");
    }
    // All but its place in the kernel's table.
    const KEPT: usize = size_of::<u32>();
    let (from, to) = ((at + KEPT) as *const u8, (place + KEPT) as *mut u8);
    // SAFETY: both are mapped, and so long.
    unsafe { core::ptr::copy_nonoverlapping(from, to, len - KEPT) };
    // SAFETY: the caller's promise.
    unsafe { mm::move_to(place, len, len, at) }.or_fail(format_args!("cannot move {}", Place(vma)))
}
