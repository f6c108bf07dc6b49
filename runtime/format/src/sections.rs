//! The sections of an image that are not bulk data: each against its checksum, every record by its
//! own rules, and all of them against each other.
//!
//! What has passed here can be restored as far as the image alone can tell; what remains depends
//! on the machine, the files and the user at hand.

mod files;
mod memory;
mod space;

use space::Space;

use crate::crc::crc32c;
use crate::record::{self, Known, List, prot};
use crate::toc::{self, Entry, Table, kind};
use crate::{DecodeError, Reader, codec::Field, limits};

type Checked<T = ()> = Result<T, DecodeError>;

/// The sections by kind.
#[derive(Clone, Copy, Debug)]
pub struct Sections<'a> {
    bytes: [&'a [u8]; toc::KINDS],
}

impl Default for Sections<'_> {
    fn default() -> Self {
        Self {
            bytes: [&[]; toc::KINDS],
        }
    }
}

impl<'a> Sections<'a> {
    /// Takes a section's bytes, if they match the checksum in its table entry.
    pub fn put(&mut self, entry: &Entry, bytes: &'a [u8]) -> Checked {
        if crc32c(bytes) != entry.crc {
            return Err(DecodeError::Checksum(toc::name(entry.kind)));
        }
        if self.replace(entry.kind, bytes) {
            Ok(())
        } else {
            Err(DecodeError::UnknownSection(entry.kind))
        }
    }

    /// Puts other bytes in the place of a section that was checked; false if there is no such kind.
    pub fn replace(&mut self, kind: u32, bytes: &'a [u8]) -> bool {
        let slot = usize::try_from(kind)
            .ok()
            .and_then(|n| self.bytes.get_mut(n));
        slot.map(|slot| *slot = bytes).is_some()
    }

    #[inline(never)]
    fn reader(&self, kind: u32) -> Reader<'a> {
        Reader::new(toc::name(kind), self.bytes(kind))
    }

    /// The bytes of a section; none of one that there is not.
    #[must_use]
    pub fn bytes(&self, kind: u32) -> &'a [u8] {
        usize::try_from(kind)
            .ok()
            .and_then(|n| self.bytes.get(n))
            .copied()
            .unwrap_or(&[])
    }

    /// The records of a section.
    pub fn list<T: Field<'a>>(&self, kind: u32, limit: u32) -> Checked<List<'a, T>> {
        List::new(toc::name(kind), self.bytes(kind), limit)
    }

    /// Every record decodes, keeps its own rules, and fits the others.
    pub fn check(&self, table: &Table) -> Checked {
        self.decodes::<record::Vma<'_>>(kind::VMAS, limits::VMAS)?;
        self.decodes::<record::Run>(kind::RUNS, limits::RUNS)?;
        self.decodes::<record::Guard>(kind::GUARDS, limits::VMAS)?;
        self.decodes::<record::File<'_>>(kind::FILES, limits::DESCRIPTORS)?;
        self.decodes::<record::Descriptor>(kind::DESCRIPTORS, limits::DESCRIPTORS)?;
        self.decodes::<record::Lock>(kind::LOCKS, limits::LOCKS)?;
        self.decodes::<record::Notice<'_>>(kind::NOTICES, limits::WATCHES)?;
        self.decodes::<record::Socket<'_>>(kind::SOCKETS, limits::DESCRIPTORS)?;
        self.decodes::<record::SocketOption<'_>>(kind::SOCKET_OPTIONS, limits::OPTIONS)?;
        self.decodes::<record::Message<'_>>(kind::MESSAGES, limits::MESSAGES)?;
        self.decodes::<record::Right>(kind::RIGHTS, limits::DESCRIPTORS)?;
        self.decodes::<record::TimerFd>(kind::TIMERFDS, limits::DESCRIPTORS)?;
        self.decodes::<record::Queued<'_>>(kind::QUEUED, limits::MESSAGES)?;
        self.decodes::<record::Adjustment>(kind::ADJUSTMENTS, limits::ADJUSTMENTS)?;
        self.decodes::<record::Segment>(kind::SEGMENTS, limits::VMAS)?;
        self.decodes::<record::PosixTimer>(kind::POSIX_TIMERS, limits::POSIX_TIMERS)?;
        self.decodes::<record::Terminal<'_>>(kind::TERMINALS, limits::DESCRIPTORS)?;
        self.decodes::<record::Ended>(kind::ENDED, limits::THREADS)?;
        self.decodes::<record::Policy>(kind::POLICIES, limits::VMAS)?;
        self.decodes::<record::Content>(kind::CONTENTS, limits::RUNS)?;
        self.decodes::<record::Thread>(kind::THREADS, limits::THREADS)?;
        self.decodes::<record::Place<'_>>(kind::PLACES, limits::THREADS)?;
        self.decodes::<record::OwnDescriptor>(kind::OWN_DESCRIPTORS, limits::DESCRIPTORS)?;
        self.decodes::<record::Action>(kind::ACTIONS, record::SIGNALS)?;
        self.decodes::<record::Pending>(kind::PENDING, limits::PENDING)?;
        self.one(kind::PROGRAM, record::Program::check)?;
        self.one(kind::MACHINE, record::Machine::check)?;
        self.one(kind::MM, record::Mm::check)?;
        self.one(kind::VDSO, record::Vdso::check)?;
        self.one(kind::ATTRIBUTES, |attributes: &record::Attributes<'_>| {
            attributes.check()?;
            self.worked_in(attributes.removed)
        })?;
        self.one(kind::TIMERS, record::Timers::check)?;
        self.one(kind::CREDENTIALS, record::Credentials::check)?;
        self.one(kind::JOB, record::Job::check)?;
        let objects = self.mappings()?;
        self.segments(objects)?;
        let of_memory = self.runs()?;
        self.guards()?;
        self.policies()?;
        let files = self.files()?;
        for lock in self.known::<record::Lock>(kind::LOCKS) {
            lock.check(files)?;
        }
        self.packets()?;
        self.watches(files)?;
        self.notices()?;
        self.sockets(files)?;
        self.timers()?;
        self.queued()?;
        for adjustment in self.known::<record::Adjustment>(kind::ADJUSTMENTS) {
            adjustment.check()?;
        }
        self.terminals()?;
        for ended in self.known::<record::Ended>(kind::ENDED) {
            ended.check()?;
        }
        let of_files = self.contents(objects, files)?;
        if table.get(kind::PAGES)?.len != of_memory.saturating_add(of_files) {
            return Err(DecodeError::Value("length of the pages section"));
        }
        self.threads()?;
        self.posix_timers()?;
        self.signals()
    }

    /// A section is one record, which keeps its own rules.
    fn one<T: Field<'a>>(&self, kind: u32, check: impl FnOnce(&T) -> Checked) -> Checked {
        let mut r = self.reader(kind);
        let record = T::take(&mut r);
        r.finish()?;
        check(&record)
    }

    /// The records of a section all decode, and there is nothing but them in it.
    fn decodes<T: Field<'a>>(&self, kind: u32, limit: u32) -> Checked {
        if T::FIXED {
            return self.divides(kind, limit, T::SIZE);
        }
        for record in self.list::<T>(kind, limit)? {
            record?;
        }
        Ok(())
    }

    /// [`Sections::decodes`] for records that all have the same size.
    fn divides(&self, kind: u32, limit: u32, size: usize) -> Checked {
        let mut r = self.reader(kind);
        let count: u32 = r.take();
        if count > limit {
            return Err(DecodeError::Limit(toc::name(kind)));
        }
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        r.bytes(count.saturating_mul(size));
        r.finish()
    }

    /// The one record of a section, which decodes once [`Sections::check`] has been passed.
    #[must_use]
    pub fn record<T: Field<'a>>(&self, kind: u32) -> T {
        T::take(&mut self.reader(kind))
    }

    /// The records of a section, which all decode once [`Sections::check`] has been passed.
    #[must_use]
    pub fn known<T: Field<'a>>(&self, kind: u32) -> Known<'a, T> {
        Known::new(self.bytes(kind))
    }

    fn vmas(&self) -> Known<'a, record::Vma<'a>> {
        self.known(kind::VMAS)
    }

    /// POSIX timers come in the order of their ids; their threads are there.
    fn posix_timers(&self) -> Checked {
        let mut floor = 0;
        for timer in self.known::<record::PosixTimer>(kind::POSIX_TIMERS) {
            timer.check(floor)?;
            floor = timer.id.saturating_add(1);
            for tid in timer.threads() {
                let mut threads = self.known::<record::Thread>(kind::THREADS);
                if !threads.any(|thread| thread.tid == tid) {
                    return Err(DecodeError::Value("thread of a POSIX timer"));
                }
            }
        }
        Ok(())
    }

    fn threads(&self) -> Checked {
        let space = Space::index(self);
        let program = self.record::<record::Program<'_>>(kind::PROGRAM);
        let threads = self.known::<record::Thread>(kind::THREADS);
        if threads.left() == 0 {
            return Err(DecodeError::Value("no thread"));
        }
        let mut first = false;
        for thread in threads {
            thread.check()?;
            if thread.tid == program.pid && core::mem::replace(&mut first, true) {
                return Err(DecodeError::Value("two first threads"));
            }
            space.check(&thread)?;
        }
        // The first thread's place is the process's.
        let mut threads = self.known::<record::Thread>(kind::THREADS);
        for place in self.known::<record::Place<'_>>(kind::PLACES) {
            place.check()?;
            self.worked_in(place.removed)?;
            if place.tid == program.pid || !threads.any(|thread| thread.tid == place.tid) {
                return Err(DecodeError::Value("thread of a working directory"));
            }
        }
        let mut threads = self.known::<record::Thread>(kind::THREADS);
        let mut last = 0;
        for own in self.known::<record::OwnDescriptor>(kind::OWN_DESCRIPTORS) {
            let other = own.tid != core::mem::replace(&mut last, own.tid);
            if own.tid == program.pid || other && !threads.any(|thread| thread.tid == own.tid) {
                return Err(DecodeError::Value("descriptor of a thread"));
            }
        }
        if space.has(program.resume, 1, prot::EXEC) {
            Ok(())
        } else {
            Err(DecodeError::Value("address of the resume stub"))
        }
    }

    fn signals(&self) -> Checked {
        let actions = self.known::<record::Action>(kind::ACTIONS);
        if actions.left() != record::SIGNALS {
            return Err(DecodeError::Value("number of signal actions"));
        }
        for signal in self.known::<record::Pending>(kind::PENDING) {
            signal.check()?;
            let mut threads = self.known::<record::Thread>(kind::THREADS);
            if signal.tid != 0 && !threads.any(|t| t.tid == signal.tid) {
                return Err(DecodeError::Value("thread of a queued signal"));
            }
        }
        Ok(())
    }
}
