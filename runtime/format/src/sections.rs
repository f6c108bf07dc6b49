//! The sections of an image that are not bulk data: each against its checksum, every record by its
//! own rules, and all of them against each other.
//!
//! What has passed here can be restored as far as the image alone can tell; what remains depends
//! on the machine, the files and the user at hand.

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

    fn file(&self, number: u32) -> Option<record::File<'a>> {
        let mut files = self.known::<record::File<'_>>(kind::FILES);
        files.nth(usize::try_from(number).unwrap_or(usize::MAX))
    }

    /// Tells how many bytes of pages belong to files and shared objects.
    fn contents(&self, objects: u32, files: u32) -> Checked<u64> {
        let mut total: u64 = 0;
        for content in self.known::<record::Content>(kind::CONTENTS) {
            content.check()?;
            let known = if content.of == 0 { files } else { objects };
            if content.index >= known {
                return Err(DecodeError::Value("content of an unknown file or object"));
            }
            total = total.saturating_add(content.len());
        }
        Ok(total)
    }

    /// Tells how many descriptions there are.
    fn files(&self) -> Checked<u32> {
        let files = self.known::<record::File<'_>>(kind::FILES);
        let count = files.left();
        let mut with_number = 0;
        for (number, file) in (1..).zip(files) {
            file.check()?;
            // Working directories that were removed may come last, and have none.
            if !file.is_removed() {
                with_number = number;
            }
        }
        let mut floor = 0;
        let mut seen: u32 = 0;
        let mut number = |file: u32| {
            // Descriptions are numbered as they first occur, those under way in messages after
            // those with a descriptor.
            let next = seen;
            seen = seen.max(file.saturating_add(1));
            file <= next && file < count
        };
        let descriptors = self.known::<record::Descriptor>(kind::DESCRIPTORS);
        for descriptor in descriptors {
            descriptor.check(floor, count)?;
            if !number(descriptor.file) {
                return Err(DecodeError::Value("descriptor"));
            }
            floor = descriptor.fd.saturating_add(1);
        }
        for right in self.known::<record::Right>(kind::RIGHTS) {
            if !number(right.file) {
                return Err(DecodeError::Value("descriptor in a message"));
            }
        }
        if seen >= with_number {
            Ok(count)
        } else {
            Err(DecodeError::Value("open file without a descriptor"))
        }
    }

    /// Zero, or the place of a removed directory, plus one.
    fn worked_in(&self, removed: u32) -> Checked {
        match removed.checked_sub(1).map(|number| self.file(number)) {
            Some(file) if !file.is_some_and(|file| file.is_removed()) => {
                Err(DecodeError::Value("working directory that was removed"))
            }
            _ => Ok(()),
        }
    }

    /// Packets, which come in the order of the files and of their places, lie within what is in
    /// their pipes.
    fn packets(&self) -> Checked {
        let mut files = (0..).zip(self.list::<record::File<'_>>(kind::FILES, limits::DESCRIPTORS)?);
        let mut pipe = None;
        let mut floor = 0;
        for packet in self.list::<record::Packet>(kind::PACKETS, limits::PACKETS)? {
            let packet = packet?;
            while pipe.is_none_or(|(number, _)| number != packet.file) {
                let Some((number, file)) = files.next() else {
                    return Err(DecodeError::Value("packet in a pipe"));
                };
                pipe = Some((number, file?));
                floor = 0;
            }
            packet.check(floor)?;
            floor = packet.end();
            let is_in = |(_, file): (u32, record::File<'_>)| {
                file.is_pipe() && floor <= file.pos.unsigned_abs()
            };
            if !pipe.is_some_and(is_in) {
                return Err(DecodeError::Value("packet in a pipe"));
            }
        }
        Ok(())
    }

    /// What epoll instances watch comes in the order of the instances.
    fn watches(&self, count: u32) -> Checked {
        let mut files = (0..).zip(self.known::<record::File<'_>>(kind::FILES));
        let mut instance = files.next();
        for watch in self.list::<record::Watch>(kind::WATCHES, limits::WATCHES)? {
            let watch = watch?;
            watch.check(instance.map_or(count, |(number, _)| number), count)?;
            while instance.is_some_and(|(number, _)| number != watch.file) {
                instance = files.next();
            }
            if instance.is_none_or(|(_, file)| file.kind != record::file_kind::EPOLL) {
                return Err(DecodeError::Value("watch of an epoll instance"));
            }
        }
        Ok(())
    }

    /// What inotify instances watch comes in the order of the instances, then of the numbers.
    fn notices(&self) -> Checked {
        let mut files = (0..).zip(self.known::<record::File<'_>>(kind::FILES));
        let mut instance = files.next();
        let mut last = (0, 0);
        for notice in self.known::<record::Notice<'_>>(kind::NOTICES) {
            notice.check()?;
            while instance.is_some_and(|(number, _)| number < notice.file) {
                instance = files.next();
            }
            let is_one = |(number, file): (u32, record::File<'_>)| {
                number == notice.file && file.kind == record::file_kind::INOTIFY
            };
            if (notice.file, notice.wd) <= last || !instance.is_some_and(is_one) {
                return Err(DecodeError::Value("watch of an inotify instance"));
            }
            last = (notice.file, notice.wd);
        }
        Ok(())
    }

    /// Every open socket has one record, in the order of the files; options and messages are of
    /// sockets, in their order, and messages are as long as what is in the queues.
    fn sockets(&self, files: u32) -> Checked {
        let mut sockets = self.known::<record::Socket<'_>>(kind::SOCKETS);
        let mut messages = self.known::<record::Message<'_>>(kind::MESSAGES).peekable();
        let options = self.known::<record::SocketOption<'_>>(kind::SOCKET_OPTIONS);
        let mut options = options.peekable();
        let mut rights: u32 = 0;
        for (number, file) in (0..).zip(self.known::<record::File<'_>>(kind::FILES)) {
            if file.kind != record::file_kind::SOCKET {
                continue;
            }
            let socket = sockets.next().filter(|socket| socket.file == number);
            let socket = socket.ok_or(DecodeError::Value("socket"))?;
            socket.check(files)?;
            while let Some(option) = options.next_if(|option| option.file == number) {
                option.check()?;
            }
            let mut len: u64 = 0;
            while let Some(message) = messages.next_if(|message| message.file == number) {
                message.check()?;
                len = len.saturating_add(u64::from(message.len));
                rights = rights.saturating_add(message.rights);
            }
            if len != file.pos.unsigned_abs() {
                return Err(DecodeError::Value("message in a socket"));
            }
        }
        if sockets.next().is_some() {
            return Err(DecodeError::Value("socket"));
        }
        let known = self.known::<record::Right>(kind::RIGHTS).left();
        if messages.next().is_some() || rights != known {
            return Err(DecodeError::Value("message in a socket"));
        }
        if options.next().is_some() {
            return Err(DecodeError::Value("socket option"));
        }
        Ok(())
    }

    /// Messages come in the order of their queues, which have no name, and are no more than fit.
    fn queued(&self) -> Checked {
        let mut messages = self.known::<record::Queued<'_>>(kind::QUEUED).peekable();
        for (number, file) in (0..).zip(self.known::<record::File<'_>>(kind::FILES)) {
            let mut room = file.pos;
            while let Some(message) = messages.next_if(|message| message.file == number) {
                message.check(file.size)?;
                room = room.saturating_sub(1);
                if file.kind != record::file_kind::QUEUE || file.rdev == 0 || room < 0 {
                    return Err(DecodeError::Value("message in a queue"));
                }
            }
        }
        if messages.next().is_some() {
            return Err(DecodeError::Value("message in a queue"));
        }
        Ok(())
    }

    /// Every timer's open file has its record, in the order of the files.
    fn timers(&self) -> Checked {
        let mut timers = self.known::<record::TimerFd>(kind::TIMERFDS);
        for (number, file) in (0..).zip(self.known::<record::File<'_>>(kind::FILES)) {
            if file.kind == record::file_kind::TIMERFD {
                match timers.next() {
                    Some(timer) if timer.file == number => timer.check()?,
                    _ => return Err(DecodeError::Value("timer of a descriptor")),
                }
            }
        }
        if timers.left() == 0 {
            Ok(())
        } else {
            Err(DecodeError::Value("timer of a descriptor"))
        }
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

    /// Terminals come in the order of their open files; every master has one.
    fn terminals(&self) -> Checked {
        let mut all = self
            .known::<record::Terminal<'_>>(kind::TERMINALS)
            .peekable();
        for (number, file) in (0..).zip(self.known::<record::File<'_>>(kind::FILES)) {
            match all.next_if(|terminal| terminal.file == number) {
                Some(terminal) => terminal.check(&file)?,
                None if file.kind == record::file_kind::MASTER => {
                    return Err(DecodeError::Value("terminal"));
                }
                None => {}
            }
        }
        match all.next() {
            None => Ok(()),
            Some(_) => Err(DecodeError::Value("terminal")),
        }
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
