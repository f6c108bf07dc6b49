//! Open files, and what is in them and of them.

use super::{Checked, Sections};
use crate::record;
use crate::toc::kind;
use crate::{DecodeError, limits};

impl<'a> Sections<'a> {
    /// Tells how many bytes of pages belong to files and shared objects.
    pub(super) fn contents(&self, objects: u32, files: u32) -> Checked<u64> {
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

    /// An open file by its number.
    pub(super) fn file(&self, number: u32) -> Option<record::File<'a>> {
        let mut files = self.known::<record::File<'_>>(kind::FILES);
        files.nth(usize::try_from(number).unwrap_or(usize::MAX))
    }

    /// Tells how many descriptions there are.
    pub(super) fn files(&self) -> Checked<u32> {
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
            // Descriptions are numbered as they first occur: those of the process's descriptors, of
            // single threads', and under way in messages.
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
        let mut last = None;
        for own in self.known::<record::OwnDescriptor>(kind::OWN_DESCRIPTORS) {
            own.check(last.as_ref(), count)?;
            if own.fd != record::NO_DESCRIPTOR && !number(own.file) {
                return Err(DecodeError::Value("descriptor of a thread"));
            }
            last = Some(own);
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
    pub(super) fn worked_in(&self, removed: u32) -> Checked {
        match removed.checked_sub(1).map(|number| self.file(number)) {
            Some(file) if !file.is_some_and(|file| file.is_removed()) => {
                Err(DecodeError::Value("working directory that was removed"))
            }
            _ => Ok(()),
        }
    }

    /// Packets, which come in the order of the files and of their places, lie within what is in
    /// their pipes.
    pub(super) fn packets(&self) -> Checked {
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
    pub(super) fn watches(&self, count: u32) -> Checked {
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
    pub(super) fn notices(&self) -> Checked {
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
    pub(super) fn sockets(&self, files: u32) -> Checked {
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
    pub(super) fn queued(&self) -> Checked {
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
    pub(super) fn timers(&self) -> Checked {
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

    /// Terminals come in the order of their open files; every master has one.
    pub(super) fn terminals(&self) -> Checked {
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
}
