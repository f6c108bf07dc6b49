//! epoll instances: what they watch, and which events they have not reported yet.
//!
//! /proc shows what is watched: the number by which a file was given, bits and data. The number may
//! have been closed since while the file is open by another, or may be another file's by now;
//! kcmp(2) tells the file.
//!
//! What is due shows by itself with level-triggered watches. An edge is due until it is reported,
//! and then not again, whatever is still unread; nothing shows which it is. So events are taken, and
//! those of edges and one-shots are made due again by setting the watch anew: that looks at the file
//! and finds it as ready as before (ep_modify, fs/eventpoll.c). At a restore all files that are
//! ready are due at first; events are taken, and those that were due then are set anew. Only
//! instances that have edges are treated so. Where several watches have the same data, all of them
//! count as due if one is: an edge that comes twice is what a program has to expect (epoll(7)), one
//! that is lost it would wait for.
#![expect(
    unsafe_code,
    reason = "vouches that a record of integers may be all zeroes"
)]

use ckpt_format::DecodeError;
use ckpt_format::record::{File, Watch, file_kind};
use ckpt_format::toc::kind;

use super::kinds::refused;
use super::known::{Book, Known};
use super::{F_DUPFD_CLOEXEC, F_GETFD, F_SETFL, FD_CLOEXEC, fdinfo, locks};
use crate::error::{Context, Result, fail};
use crate::image::input::{Image, InImage};
use crate::sys::fs::{self, Event, Fd};
use crate::sys::socket::{self, About};
use crate::sys::{Errno, SysResult, thread};
use crate::util::arena::{Arena, Plain};
use crate::util::text::{after, decimal, find, hexadecimal, trim_start};

/// What /proc calls one.
pub(super) const LINK: &[u8] = b"anon_inode:[eventpoll]";

/// Operations of epoll_ctl(2).
const ADD: u32 = 1;
const DELETE: u32 = 2;
const MODIFY: u32 = 3;

const EXCLUSIVE: u32 = 1 << 28;
const ONESHOT: u32 = 1 << 30;
const EDGE: u32 = 1 << 31;
/// Bits that say how to report, not what: all that a one-shot watch has left when it has fired
/// (EP_PRIVATE_BITS).
const HOW: u32 = 0xf000_0000;
/// Everything that a file can be ready for.
const ANYTHING: u32 = 0x27df;

/// More levels of instances that watch instances than the kernel allows (EP_MAX_NESTS).
const LEVELS: u32 = 8;

// SAFETY: a record of integers.
unsafe impl Plain for Event {}

fn is(known: &Known) -> bool {
    known.kind == file_kind::EPOLL
}

fn is_edge(watch: &Watch) -> bool {
    watch.events & (EDGE | ONESHOT) == EDGE
}

fn is_one_shot(watch: &Watch) -> bool {
    watch.events & ONESHOT != 0
}

/// A one-shot watch that has fired and was not set anew.
fn has_fired(watch: &Watch) -> bool {
    is_one_shot(watch) && watch.events & !HOW == 0
}

/// Looks at every instance, when all descriptors are known.
#[inline(never)]
pub(super) fn look(book: &mut Book) -> Result<()> {
    for number in 0..book.files().len() {
        let Some(known) = book.files().get(number).copied().filter(is) else {
            continue;
        };
        let (file, epoll) = (number as u32, known.fd);
        if fs::epoll_busy_polling(epoll) {
            return Err(refused(epoll, format_args!("epoll with busy polling")));
        }
        let what =
            format_args!("cannot tell what the epoll instance at descriptor {epoll} watches");
        fdinfo::lines(epoll, what, &mut |line| {
            let Some(line) = after(line, b"tfd:") else {
                return Ok(());
            };
            let Some((watch, ino)) = parse(line) else {
                fail!("{what}");
            };
            let Some(target) = target(book, file, epoll, watch.fd, ino) else {
                let what = format_args!("epoll watching descriptor {}, which is closed", watch.fd);
                return Err(refused(epoll, what));
            };
            book.add_watch(Watch {
                file,
                target,
                ..watch
            })
        })?;
    }
    find_due(book)
}

/// `       6 events:       19 data:                6  pos:0 ino:4c7c30 sdev:f`: a watch whose files
/// are not known yet, and the inode.
fn parse(line: &[u8]) -> Option<(Watch, u64)> {
    let (fd, rest) = decimal(trim_start(line))?;
    let field = |rest, label| hexadecimal(trim_start(after(trim_start(rest), label)?));
    let (events, rest) = field(rest, b"events:")?;
    let (data, rest) = field(rest, b"data:")?;
    let rest = trim_start(rest);
    let (ino, _) = field(rest.get(find(rest, b' ')?..)?, b"ino:")?;
    let watch = Watch {
        file: 0,
        fd: fd as u32,
        target: 0,
        events: events as u32,
        data,
        due: 0,
    };
    (fd < u64::from(ckpt_format::limits::DESCRIPTORS)).then_some((watch, ino))
}

/// The place of the file that is watched under a number; first tried is the one that has it now.
fn target(book: &Book, file: u32, epoll: i32, number: u32, ino: u64) -> Option<u32> {
    let same = |w: &&Watch| (w.file, w.fd) == (file, number);
    let nth = book.watches().iter().filter(same).count() as u32;
    let now = now_at(book, number);
    let all = 0..book.files().len() as u32;
    now.into_iter().chain(all).find(|&place| {
        let Some(known) = book.files().get(place as usize).filter(|k| k.ino == ino) else {
            return false;
        };
        let Known { fd, .. } = *known;
        match fs::is_watched(thread::id(), epoll, number, nth, fd) {
            Ok(same) => same,
            // No CONFIG_KCMP, or a container's filter.
            Err(_) => now == Some(place) && nth == 0 && is_watched_now(epoll, number as i32),
        }
    })
}

/// The place of the file that has a number.
fn now_at(book: &Book, number: u32) -> Option<u32> {
    let all = book.descriptors();
    let at = all.binary_search_by_key(&number, |d| d.fd).ok()?;
    all.get(at).map(|d| d.file)
}

/// Is the file that has this number watched under it? What is cannot be added again.
fn is_watched_now(epoll: i32, number: i32) -> bool {
    const NOTHING: Event = Event { events: 0, data: 0 };
    let added = fs::epoll_control(epoll, ADD, number, NOTHING);
    if added.is_ok() {
        let _ = fs::epoll_control(epoll, DELETE, number, NOTHING);
    }
    added == Err(Errno::EXIST)
}

/// Takes the events of every instance that has edges, notes which watches they are of, and makes
/// them due again.
fn find_due(book: &mut Book) -> Result<()> {
    let all = book.watches();
    if !all.iter().any(is_edge) {
        return Ok(());
    }
    let arena = Arena::new(Instances::room(all.len(), book.files().len()))?;
    let mut instances = Instances::new(&arena, all.iter().copied(), all.len(), book.files().len())?;
    let fd_of = |file: u32| book.files().get(file as usize).map_or(-1, |known| known.fd);
    let has = |number, file| now_at(book, number) == Some(file);
    // Those that are watched come after those that watch them: without their events, they are not
    // ready.
    instances.each(true, |epoll, watches, events| {
        note_due(fd_of(epoll), watches, events, |_| true)
    })?;
    let mut lent = false;
    instances.each(false, |epoll, watches, events| {
        let is_instance = |w: &Watch| book.files().get(w.target as usize).is_some_and(is);
        if watches.iter().any(is_instance) {
            // That what is within became due again looks like an event from without.
            note_due(fd_of(epoll), watches, events, |w| !is_instance(w))?;
        }
        for watch in watches.iter().filter(|w| w.due != 0) {
            let (number, target) = (watch.fd as i32, fd_of(watch.target));
            let at = if has(watch.fd, watch.target) {
                number
            } else {
                target
            };
            lent |= at != number;
            again(
                watch.fd,
                under(number, at, || set_anew(fd_of(epoll), watch)),
            )?;
        }
        Ok(())
    })?;
    for (watch, found) in book.watches_mut().iter_mut().zip(instances.watches) {
        watch.due = found.due;
    }
    // A number that was lent was closed in between, which gives locks up.
    if lent {
        locks::take_again(book)
    } else {
        Ok(())
    }
}

/// All watches, and what is needed to go through them.
struct Instances<'a> {
    watches: &'a mut [Watch],
    /// For each file, zero, or one more than the largest number of what it watches.
    levels: &'a mut [u32],
    events: &'a mut [Event],
}

impl<'a> Instances<'a> {
    /// Bytes that they take.
    fn room(watches: usize, files: usize) -> usize {
        watches * (size_of::<Watch>() + size_of::<Event>()) + files * size_of::<u32>() + 64
    }

    fn new(
        arena: &'a Arena,
        all: impl Iterator<Item = Watch>,
        count: usize,
        files: usize,
    ) -> Result<Self> {
        let this = Self {
            watches: arena.records(count)?,
            levels: arena.records(files)?,
            events: arena.records(count)?,
        };
        for (slot, watch) in this.watches.iter_mut().zip(all) {
            *slot = watch;
        }
        for _ in 0..LEVELS {
            for watch in this.watches.iter() {
                let above = this
                    .levels
                    .get(watch.target as usize)
                    .map_or(0, |level| level + 1);
                if let Some(level) = this.levels.get_mut(watch.file as usize) {
                    *level = above.max(*level);
                }
            }
        }
        Ok(this)
    }

    /// Calls `act` with each instance's place, its watches and room for as many events: those
    /// that are watched before those that watch them, or the other way round.
    fn each(
        &mut self,
        backwards: bool,
        mut act: impl FnMut(u32, &mut [Watch], &mut [Event]) -> Result<()>,
    ) -> Result<()> {
        for n in 1..=LEVELS {
            let wanted = if backwards { LEVELS + 1 - n } else { n };
            let mut rest = &mut *self.watches;
            while let Some(&Watch { file, .. }) = rest.first() {
                let count = rest.partition_point(|w| w.file == file);
                let (its_own, others) = rest.split_at_mut(count);
                rest = others;
                if self.levels.get(file as usize) == Some(&wanted) {
                    let events = self.events.get_mut(..count).unwrap_or(&mut []);
                    act(file, its_own, events)?;
                }
            }
        }
        Ok(())
    }
}

/// Takes the events of an instance that has edges; their watches are due.
fn note_due(
    epoll: i32,
    watches: &mut [Watch],
    events: &mut [Event],
    counts: impl Fn(&Watch) -> bool,
) -> Result<()> {
    if !watches.iter().any(is_edge) {
        return Ok(());
    }
    let taken = take(epoll, events)?;
    let stays = |w: &&mut Watch| !has_fired(w) && (is_edge(w) || is_one_shot(w));
    for watch in watches.iter_mut().filter(stays).filter(|w| counts(w)) {
        let is_its = |event: &Event| event.data == watch.data;
        watch.due |= u32::from(taken.iter().any(is_its));
    }
    Ok(())
}

/// Takes all events that there are.
fn take(epoll: i32, room: &mut [Event]) -> Result<&[Event]> {
    let got = fs::epoll_take(epoll, room).or_fail(format_args!(
        "cannot take events from the epoll instance {epoll}"
    ))?;
    Ok(room.get(..got).unwrap_or(&[]))
}

fn event_of(watch: &Watch) -> Event {
    Event {
        events: watch.events,
        data: watch.data,
    }
}

/// Sets a watch that is there: its file is looked at again, and an event is due if it is ready.
fn set_anew(epoll: i32, watch: &Watch) -> SysResult<()> {
    let (number, event) = (watch.fd as i32, event_of(watch));
    if watch.events & EXCLUSIVE == 0 {
        return fs::epoll_control(epoll, MODIFY, number, event);
    }
    // This kind cannot be modified.
    fs::epoll_control(epoll, DELETE, number, event)?;
    fs::epoll_control(epoll, ADD, number, event)
}

fn again(number: u32, done: SysResult<()>) -> Result<()> {
    done.or_fail(format_args!(
        "descriptor {number}: cannot watch it again in an epoll instance"
    ))
}

/// Does something while `number` leads to what `fd` leads to.
fn under(number: i32, fd: i32, act: impl FnOnce() -> SysResult<()>) -> SysResult<()> {
    if number == fd {
        return act();
    }
    let held = match fs::control(number, F_DUPFD_CLOEXEC, 0) {
        Ok(held) => Some(Fd::own(held as i32)),
        Err(Errno::BADF) => None,
        Err(e) => return Err(e),
    };
    let flags = fs::control(number, F_GETFD, 0).unwrap_or(0);
    fs::duplicate_to(fd, number, true)?;
    let done = act();
    match held {
        Some(held) => fs::duplicate_to(held.number(), number, flags & FD_CLOEXEC != 0)?,
        None => fs::close(number)?,
    }
    done
}

/// Is it a socket that listens, or one of the network?
fn is_open_to_others(fd: i32) -> bool {
    const AF_INET: u32 = 2;
    const AF_INET6: u32 = 10;
    socket::ask(fd, About::Listening) == Ok(1)
        || matches!(socket::ask(fd, About::Family), Ok(AF_INET | AF_INET6))
}

/// Makes an instance again, which watches nothing yet.
pub(super) fn open(fd: u32, file: &File<'_>) -> Result<Fd> {
    let what = format_args!("descriptor {fd}: cannot make its epoll instance again");
    let made = fs::epoll().or_fail(what)?;
    fs::control(made.number(), F_SETFL, file.flags as usize).or_fail(what)?;
    Ok(made)
}

/// Watches what was watched, when every file is open and has its contents. Descriptors have their
/// numbers only for as long as it takes to tell the kernel.
#[inline(never)]
pub(super) fn restore(arena: &Arena, image: &Image<'_>, places: &[i32]) -> Result<()> {
    let all = image.list::<Watch>(kind::WATCHES);
    let count = all.left() as usize;
    let mut instances = Instances::new(arena, all, count, places.len())?;
    let fd_of = |file: u32| places.get(file as usize).copied().unwrap_or(-1);
    let is_stream = |file: u32| {
        image
            .files()
            .nth(file as usize)
            .is_some_and(|f| f.kind == file_kind::STREAM)
    };
    let mut done = 0;
    instances.each(false, |file, watches, events| {
        let epoll = fd_of(file);
        let at = |watch: &Watch, act: &dyn Fn() -> SysResult<()>| {
            again(watch.fd, under(watch.fd as i32, fd_of(watch.target), act))
        };
        // First what has fired: it fires again, alone in the instance, so that it is at rest. A
        // file that is ready for nothing cannot fire; of that one, errors will still be told.
        for watch in watches.iter().filter(|w| has_fired(w)) {
            at(watch, &|| {
                let event = Event {
                    events: watch.events | ANYTHING,
                    ..event_of(watch)
                };
                fs::epoll_control(epoll, ADD, watch.fd as i32, event)?;
                match fs::epoll_take(epoll, &mut [event]) {
                    Ok(1..) => Ok(()),
                    _ => set_anew(epoll, watch),
                }
            })?;
        }
        for watch in watches.iter().filter(|w| !has_fired(w)) {
            at(watch, &|| {
                fs::epoll_control(epoll, ADD, watch.fd as i32, event_of(watch))
            })?;
        }
        if watches.iter().any(is_edge) {
            take(epoll, events)?;
            // What a stream of the restoring command has to tell is new, and so may be what others
            // have sent to a socket since it was made again.
            let is_new = |file| is_stream(file) || is_open_to_others(fd_of(file));
            let is_due = |w: &&Watch| w.due != 0 || is_one_shot(w) || is_new(w.target);
            for watch in watches.iter().filter(is_due).filter(|w| !has_fired(w)) {
                at(watch, &|| set_anew(epoll, watch))?;
            }
        }
        done += watches.len();
        Ok(())
    })?;
    if done == count {
        Ok(())
    } else {
        Err(DecodeError::Value("watch of an epoll instance")).within(&image.path)
    }
}
