//! The document's example as an image in parts, and an image that is taken apart and put together again.

use anyhow::{Result, bail};
use ckpt_format::codec::Field;
use ckpt_format::crc;
use ckpt_format::header::Header;
use ckpt_format::record::{
    Action, Adjustment, Attributes, Content, Credentials, Descriptor, Ended, File, Guard, Job,
    Lock, Machine, Message, Mm, Notice, OwnDescriptor, Packet, Pending, Place, Policy, PosixTimer,
    Program, Queued, Right, Run, Segment, Socket, SocketOption, Terminal, Thread, TimerFd, Timers,
    Vdso, Vma, Watch,
};
use ckpt_format::toc::{self, kind};
use ckpt_tests::image::{Parts, Section, encode};

use crate::example as records;

/// Where the example's one mapping begins.
const CODE: u64 = 0x1_0000;

/// The example's parts.
pub(crate) fn example() -> Parts {
    let number = |n: usize| u8::try_from(n).unwrap_or(0);
    Parts {
        header: Header {
            minor: 0,
            section_count: 0,
            file_len: 0,
            table_at: 0,
            uuid: std::array::from_fn(|n| number(n) * 0x11),
            identity: std::array::from_fn(|n| number(n) + 0x80),
            created: 1_795_392_000,
            table_crc: 0,
        },
        sections: sections(),
    }
}

fn section(kind: u32, bytes: Vec<u8>) -> Section {
    Section {
        kind,
        version: 1,
        flags: toc::REQUIRED,
        bytes,
    }
}

fn one<'a, T: Field<'a>>(kind: u32, record: &T) -> Section {
    section(kind, encode(1 << 16, |w| w.put(record)))
}

fn list<'a, T: Field<'a>>(kind: u32, records: &[T]) -> Section {
    let bytes = encode(1 << 16, |w| {
        w.put(&u32::try_from(records.len()).expect("few"));
        records.iter().for_each(|record| w.put(record));
    });
    section(kind, bytes)
}

fn sections() -> Vec<Section> {
    let mut page = vec![0; 4096];
    let text = b"The one page of a program that never was.";
    page[..text.len()].copy_from_slice(text);
    let run = Run {
        addr: CODE,
        pages: 1,
        crc: crc::pages(&page),
    };
    let guard = Guard {
        start: CODE + 4096,
        end: CODE + 8192,
    };
    let vdso = Vdso {
        vvar: 0,
        base: 0,
        bytes: &[],
    };
    let descriptors = [(1, 0, 0), (2, 0, 0), (5, 1, 1)];
    let descriptors = descriptors.map(|(fd, file, cloexec)| Descriptor { fd, file, cloexec });
    vec![
        section(kind::PAGES, page),
        list(kind::RUNS, &[run]),
        list::<Content>(kind::CONTENTS, &[]),
        list(kind::GUARDS, &[guard]),
        list(kind::VMAS, &[records::vma(CODE)]),
        one(kind::VDSO, &vdso),
        one(kind::MM, &records::mm(CODE)),
        one(kind::MACHINE, &records::machine()),
        one(kind::PROGRAM, &records::program(CODE)),
        one(kind::ATTRIBUTES, &records::attributes()),
        list(
            kind::ACTIONS,
            &(1..=64).map(records::action).collect::<Vec<_>>(),
        ),
        list::<Pending>(kind::PENDING, &[]),
        one(kind::TIMERS, &records::timers()),
        list(kind::FILES, &records::files()),
        list::<Lock>(kind::LOCKS, &[]),
        list::<Packet>(kind::PACKETS, &[]),
        list::<Watch>(kind::WATCHES, &[]),
        one(kind::JOB, &records::job()),
        list::<Queued<'_>>(kind::QUEUED, &[]),
        list::<Adjustment>(kind::ADJUSTMENTS, &[]),
        list::<Segment>(kind::SEGMENTS, &[]),
        list::<PosixTimer>(kind::POSIX_TIMERS, &[]),
        list::<TimerFd>(kind::TIMERFDS, &[]),
        list::<Notice<'_>>(kind::NOTICES, &[]),
        list::<Socket<'_>>(kind::SOCKETS, &[]),
        list::<SocketOption<'_>>(kind::SOCKET_OPTIONS, &[]),
        list::<Message<'_>>(kind::MESSAGES, &[]),
        list::<Right>(kind::RIGHTS, &[]),
        list::<Place<'_>>(kind::PLACES, &[]),
        list::<Terminal<'_>>(kind::TERMINALS, &[]),
        list::<Ended>(kind::ENDED, &[]),
        one(kind::CREDENTIALS, &records::credentials()),
        list::<Policy>(kind::POLICIES, &[]),
        list::<OwnDescriptor>(kind::OWN_DESCRIPTORS, &[]),
        list(kind::DESCRIPTORS, &descriptors),
        list(kind::THREADS, &[records::thread(CODE)]),
    ]
}

/// Every section decoded to its records and encoded from them.
pub(crate) fn reencoded(parts: &Parts) -> Result<Parts> {
    fn again<'a, T: Field<'a>>(parts: &'a Parts, kind: u32, many: bool) -> Vec<u8> {
        encode(1 << 16, |w| {
            if many {
                let all = parts.all::<T>(kind);
                w.put(&u32::try_from(all.len()).expect("few"));
                all.iter().for_each(|record| w.put(record));
            } else {
                w.put(&parts.one::<T>(kind));
            }
        })
    }
    let mut new = parts.clone();
    for section in &mut new.sections {
        let kind = section.kind;
        section.bytes = match kind {
            kind::MACHINE => again::<Machine<'_>>(parts, kind, false),
            kind::PROGRAM => again::<Program<'_>>(parts, kind, false),
            kind::MM => again::<Mm<'_>>(parts, kind, false),
            kind::VMAS => again::<Vma<'_>>(parts, kind, true),
            kind::RUNS => again::<Run>(parts, kind, true),
            kind::PAGES => continue,
            kind::THREADS => again::<Thread>(parts, kind, true),
            kind::ACTIONS => again::<Action>(parts, kind, true),
            kind::PENDING => again::<Pending>(parts, kind, true),
            kind::TIMERS => again::<Timers>(parts, kind, false),
            kind::FILES => again::<File<'_>>(parts, kind, true),
            kind::DESCRIPTORS => again::<Descriptor>(parts, kind, true),
            kind::ATTRIBUTES => again::<Attributes<'_>>(parts, kind, false),
            kind::VDSO => again::<Vdso<'_>>(parts, kind, false),
            kind::CONTENTS => again::<Content>(parts, kind, true),
            kind::GUARDS => again::<Guard>(parts, kind, true),
            kind::LOCKS => again::<Lock>(parts, kind, true),
            kind::PACKETS => again::<Packet>(parts, kind, true),
            kind::WATCHES => again::<Watch>(parts, kind, true),
            kind::JOB => again::<Job>(parts, kind, false),
            kind::QUEUED => again::<Queued<'_>>(parts, kind, true),
            kind::ADJUSTMENTS => again::<Adjustment>(parts, kind, true),
            kind::SEGMENTS => again::<Segment>(parts, kind, true),
            kind::POSIX_TIMERS => again::<PosixTimer>(parts, kind, true),
            kind::TIMERFDS => again::<TimerFd>(parts, kind, true),
            kind::NOTICES => again::<Notice<'_>>(parts, kind, true),
            kind::SOCKETS => again::<Socket<'_>>(parts, kind, true),
            kind::SOCKET_OPTIONS => again::<SocketOption<'_>>(parts, kind, true),
            kind::MESSAGES => again::<Message<'_>>(parts, kind, true),
            kind::RIGHTS => again::<Right>(parts, kind, true),
            kind::PLACES => again::<Place<'_>>(parts, kind, true),
            kind::TERMINALS => again::<Terminal<'_>>(parts, kind, true),
            kind::ENDED => again::<Ended>(parts, kind, true),
            kind::CREDENTIALS => again::<Credentials<'_>>(parts, kind, false),
            kind::POLICIES => again::<Policy>(parts, kind, true),
            kind::OWN_DESCRIPTORS => again::<OwnDescriptor>(parts, kind, true),
            _ => bail!("section {kind} is not looked at"),
        };
    }
    new.sum_pages();
    Ok(new)
}
