//! Records: how many, how long, and values that none can have.

use anyhow::Result;
use ckpt_format::limits;
use ckpt_format::record::{
    Action, Attributes, Descriptor, File, Job, Lock, Machine, Mm, Packet, Pending, Program, Thread,
    TimerFd, Timers, Vdso, Watch, file_kind,
};
use ckpt_format::toc::{self, kind};
use ckpt_tests::image::{Parts, list, single};

use crate::victim::Cases;

static LONG: [u8; limits::PATH + 1] = [b'/'; limits::PATH + 1];
static LONG_NAME: [u8; limits::UTS + 1] = [b'n'; limits::UTS + 1];

/// Sections that are a list, with the most records each may have.
const LISTS: [(u32, u32); 17] = [
    (kind::VMAS, limits::VMAS),
    (kind::RUNS, limits::RUNS),
    (kind::THREADS, limits::THREADS),
    (kind::ACTIONS, 64),
    (kind::PENDING, limits::PENDING),
    (kind::FILES, limits::DESCRIPTORS),
    (kind::DESCRIPTORS, limits::DESCRIPTORS),
    (kind::CONTENTS, limits::RUNS),
    (kind::GUARDS, limits::VMAS),
    (kind::LOCKS, limits::LOCKS),
    (kind::PACKETS, limits::PACKETS),
    (kind::WATCHES, limits::WATCHES),
    (kind::TIMERFDS, limits::DESCRIPTORS),
    (kind::SOCKETS, limits::DESCRIPTORS),
    (kind::SOCKET_OPTIONS, limits::OPTIONS),
    (kind::MESSAGES, limits::MESSAGES),
    (kind::RIGHTS, limits::DESCRIPTORS),
];

fn count(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |n| u32::from_le_bytes(*n))
}

#[test]
fn counts_and_lengths() -> Result<()> {
    let mut cases = Cases::new("counts")?;
    let parts = cases.parts();
    for (kind, limit) in LISTS {
        let name = toc::name(kind);
        let with_count = |n: u32| {
            parts.with(kind, |bytes| {
                let mut bytes = bytes.to_vec();
                bytes[..4].copy_from_slice(&n.to_le_bytes());
                bytes
            })
        };
        let there = count(parts.bytes(kind));
        assert!(there > 0, "the good image has no {name}");
        let not = format!("section {name} does not decode");
        let many = format!("too many {name}");
        cases.refused(
            &format!("{name}: one less"),
            &with_count(there - 1).build(),
            &not,
        );
        cases.refused(&format!("{name}: none"), &with_count(0).build(), &not);
        let more = if there < limit { &not } else { &many };
        cases.refused(
            &format!("{name}: one more"),
            &with_count(there + 1).build(),
            more,
        );
        cases.refused(
            &format!("{name}: limit"),
            &with_count(limit + 1).build(),
            &many,
        );
        cases.refused(
            &format!("{name}: most"),
            &with_count(u32::MAX).build(),
            &many,
        );
    }
    for kind in toc::ALL.into_iter().filter(|kind| *kind != kind::PAGES) {
        let not = format!("section {} does not decode", toc::name(kind));
        let whole = parts.bytes(kind).len();
        for len in [0, 1, 3, 4, whole / 2, whole - 1] {
            let cut = parts.with(kind, |bytes| bytes[..len].to_vec());
            cases.refused(&format!("{not}: {len} bytes"), &cut.build(), &not);
        }
        let long = parts.with(kind, |bytes| [bytes, &[0]].concat());
        cases.refused(&format!("{not}: one more"), &long.build(), &not);
    }
    cases.end()
}

#[test]
fn program_and_machine() -> Result<()> {
    let mut cases = Cases::new("program")?;
    let parts = cases.parts();
    let program =
        |change: fn(&mut Program<'_>)| parts.with(kind::PROGRAM, |b| single(b, change)).build();
    let machine =
        |change: fn(&mut Machine<'_>)| parts.with(kind::MACHINE, |b| single(b, change)).build();
    let what = "impossible value: program";
    cases.refused("pid", &program(|p| p.pid = 0), what);
    cases.refused("long path", &program(|p| p.exe = &LONG), what);
    cases.refused("NUL in path", &program(|p| p.exe = b"/a\0b"), what);
    let what = "impossible value: address of the resume stub";
    cases.refused("no stub", &program(|p| p.resume = 0), what);
    cases.refused("kernel's stub", &program(|p| p.resume = u64::MAX), what);
    // The stub's own page shares its mapping with data that cannot be run.
    let threads: Vec<Thread> = parts.all(kind::THREADS);
    let stack = threads[0].frame;
    let on_stack = parts.with(kind::PROGRAM, |b| {
        single(b, |p: &mut Program<'_>| p.resume = stack)
    });
    cases.refused("stub on the stack", &on_stack.build(), what);
    let what = "impossible value: machine";
    cases.refused("wide word", &machine(|m| m.cpuid[7] = 1 << 32), what);
    cases.refused("long release", &machine(|m| m.release = &LONG_NAME), what);
    cases.refused("long host", &machine(|m| m.host = &LONG_NAME), what);
    cases.end()
}

#[test]
fn address_space_notes() -> Result<()> {
    let mut cases = Cases::new("mm")?;
    let parts = cases.parts();
    let mm = |change: &dyn Fn(&mut Mm<'_>)| parts.with(kind::MM, |b| single(b, change)).build();
    let what = "impossible value: address space's bounds";
    for n in 0..11 {
        for bad in [0, 4095, 1 << 47, u64::MAX] {
            cases.refused(
                &format!("bound {n}: {bad:#x}"),
                &mm(&|m| m.map[n] = bad),
                what,
            );
        }
    }
    // Code, data, break, arguments, environment: each begins before it ends.
    for (from, to) in [(0, 1), (2, 3), (4, 5), (7, 8), (9, 10)] {
        let bad = mm(&|m| (m.map[from], m.map[to]) = (0x20_0000, 0x10_0000));
        cases.refused(&format!("bounds {from} and {to}"), &bad, what);
    }
    for bad in [2, 4, u32::MAX] {
        cases.refused(&format!("lock {bad}"), &mm(&|m| m.lock_future = bad), what);
    }
    let what = "impossible value: auxiliary vector";
    cases.refused("half a pair", &mm(&|m| m.auxv = &[0; 24]), what);
    let what = "too many bytes of auxiliary vector";
    cases.refused(
        "long vector",
        &mm(&|m| m.auxv = &[0; limits::AUXV + 16]),
        what,
    );
    cases.end()
}

#[test]
fn vdso() -> Result<()> {
    let mut cases = Cases::new("vdso-record")?;
    let parts = cases.parts();
    type Change = fn(&mut Vdso<'_>);
    static LARGE: [u8; limits::VDSO + 4096] = [0; limits::VDSO + 4096];
    let changes: [(&str, Change); 9] = [
        ("base not at a page", |v| v.base += 1),
        ("data not at a page", |v| v.vvar += 8),
        ("half a page", |v| v.bytes = &v.bytes[..2048]),
        ("no bytes", |v| v.bytes = &[]),
        ("no base", |v| v.base = 0),
        ("data behind code", |v| v.vvar = v.base + 4096),
        ("data far away", |v| v.vvar = 0),
        ("too large", |v| v.bytes = &LARGE),
        ("beyond the end", |v| v.base = (1 << 47) - 4096),
    ];
    for (name, change) in changes {
        let bad = parts.with(kind::VDSO, |b| single(b, change)).build();
        cases.refused(name, &bad, "impossible value: vDSO");
    }
    cases.end()
}

type ThreadChange = fn(&mut Thread);
const THREADS: [(&str, ThreadChange, &str); 19] = [
    ("tid", |t| t.tid = 0, "thread"),
    ("death signal", |t| t.death_signal = 65, "thread"),
    ("fs", |t| t.fs_base = 1 << 47, "thread"),
    ("gs", |t| t.gs_base = u64::MAX, "thread"),
    ("robust list", |t| t.robust_len = 23, "thread"),
    ("unaligned rseq", |t| t.rseq += 8, "thread"),
    ("rseq without length", |t| t.rseq_len = 0, "thread"),
    ("length without rseq", |t| t.rseq = 0, "thread"),
    ("unaligned id", |t| t.tid_words[3] = 0x40_0002, "thread"),
    ("no frame", |t| t.frame = 0, "address of the signal frame"),
    (
        "frame in the kernel",
        |t| t.frame = u64::MAX - 7,
        "address of the signal frame",
    ),
    (
        "frame nowhere",
        |t| t.frame = 0x1000,
        "address of the signal frame",
    ),
    (
        "rseq nowhere",
        |t| t.rseq = 0x1000,
        "address of the restartable sequences",
    ),
    (
        "rseq at the top",
        |t| t.rseq = !31,
        "address of the restartable sequences",
    ),
    (
        "rseq too long",
        |t| t.rseq_len = u32::MAX,
        "address of the restartable sequences",
    ),
    (
        "id nowhere",
        |t| t.tid_words[0] = 0x1000,
        "address of a thread id",
    ),
    (
        "id in the kernel",
        |t| t.tid_words[1] = !3,
        "address of a thread id",
    ),
    (
        "third id",
        |t| t.tid_words[2] = 0x1000,
        "address of a thread id",
    ),
    (
        "last id",
        |t| t.tid_words[3] = 0x1000,
        "address of a thread id",
    ),
];

#[test]
fn threads() -> Result<()> {
    let mut cases = Cases::new("threads")?;
    let parts = cases.parts();
    let with =
        |change: &dyn Fn(&mut Vec<Thread>)| parts.with(kind::THREADS, |b| list(b, change)).build();
    let none = parts.with(kind::THREADS, |_| vec![0; 4]);
    cases.refused("none", &none.build(), "impossible value: no thread");
    let mut two = parts.clone();
    two = two.with(kind::THREADS, |b| {
        list(b, |t: &mut Vec<Thread>| t.push(t[0]))
    });
    cases.refused("two", &two.build(), "impossible value: two first threads");
    for (name, change, what) in THREADS {
        let bad = with(&|t| change(&mut t[0]));
        cases.refused(name, &bad, &format!("impossible value: {what}"));
    }
    cases.end()
}

/// Addresses in mappings, but in such as have not the protection that is needed.
#[test]
fn addresses_of_threads() -> Result<()> {
    let mut cases = Cases::new("thread-addresses")?;
    let parts = cases.parts();
    let with =
        |change: &dyn Fn(&mut Vec<Thread>)| parts.with(kind::THREADS, |b| list(b, change)).build();
    // The restorer would write an id into memory that cannot be written.
    let code = parts.one::<Program<'_>>(kind::PROGRAM).resume & !7;
    let bad = with(&|t| t[0].tid_words[2] = code);
    cases.refused(
        "id in code",
        &bad,
        "impossible value: address of a thread id",
    );
    let bad = with(&|t| t[0].rseq = code & !31);
    let what = "impossible value: address of the restartable sequences";
    cases.refused("rseq in code", &bad, what);
    let vmas = parts.all::<ckpt_format::record::Vma<'_>>(kind::VMAS);
    let stack = vmas
        .iter()
        .find(|v| (v.start..v.end).contains(&parts.all::<Thread>(kind::THREADS)[0].frame));
    let end = stack.expect("a stack").end;
    let bad = with(&|t| t[0].frame = end - 296);
    cases.refused(
        "frame crosses the end",
        &bad,
        "impossible value: address of the signal frame",
    );
    cases.end()
}

#[test]
fn signals_and_timers() -> Result<()> {
    let mut cases = Cases::new("signals")?;
    let parts = cases.parts();
    let what = "impossible value: number of signal actions";
    for n in [1, 63] {
        let few = parts.with(kind::ACTIONS, |b| {
            list(b, |a: &mut Vec<Action>| a.truncate(n))
        });
        cases.refused(&format!("{n} actions"), &few.build(), what);
    }
    let none = parts.with(kind::ACTIONS, |_| vec![0; 4]);
    cases.refused("no actions", &none.build(), what);
    let queued: Vec<Pending> = parts.all(kind::PENDING);
    assert!(queued.iter().any(|p| p.tid == 0) && queued.iter().any(|p| p.tid != 0));
    for number in [0, 9, 19, 65, u32::MAX] {
        let bad = parts.with(kind::PENDING, |b| {
            list(b, |p: &mut Vec<Pending>| {
                p[0].info[..4].copy_from_slice(&number.to_le_bytes());
            })
        });
        let what = "impossible value: queued signal";
        cases.refused(&format!("queued signal {number}"), &bad.build(), what);
    }
    let tid = parts.all::<Thread>(kind::THREADS)[0].tid;
    let bad = parts.with(kind::PENDING, |b| {
        list(b, |p: &mut Vec<Pending>| p[1].tid = tid + 1)
    });
    let what = "impossible value: thread of a queued signal";
    cases.refused("another's signal", &bad.build(), what);
    for which in 0..3 {
        for (n, value) in [(1, 1_000_000), (3, 1_000_000), (0, 1 << 63), (2, u64::MAX)] {
            let bad = parts.with(kind::TIMERS, |b| {
                single(b, |t: &mut Timers| {
                    let Timers { real, virt, prof } = t;
                    [real, virt, prof][which][n] = value;
                })
            });
            let name = format!("timer {which}, field {n}: {value}");
            cases.refused(&name, &bad.build(), "impossible value: timer");
        }
    }
    let bad = parts.with(kind::JOB, |b| single(b, |job: &mut Job| job.terminal = 2));
    cases.refused("two terminals", &bad.build(), "impossible value: job");
    cases.end()
}

#[test]
fn attributes() -> Result<()> {
    let mut cases = Cases::new("attributes")?;
    let parts = cases.parts();
    type Change = fn(&mut Attributes<'_>);
    let changes: [(&str, Change); 13] = [
        ("umask", |a| a.umask = 0o1000),
        ("subreaper", |a| a.subreaper = 2),
        ("no_new_privs", |a| a.no_new_privs = 2),
        ("dumpable", |a| a.dumpable = 3),
        ("thp", |a| a.thp_disable = 2),
        ("score too high", |a| a.oom_score = 1001),
        ("score too low", |a| a.oom_score = -1001),
        ("core filter", |a| a.core_filter = 1 << 16),
        ("barrier", |a| a.barriers = 1 << 3),
        ("no directory", |a| a.cwd = b""),
        ("relative directory", |a| a.cwd = b"tmp"),
        ("long directory", |a| a.cwd = &LONG),
        ("NUL in directory", |a| a.cwd = b"/tmp\0/x"),
    ];
    for (name, change) in changes {
        let bad = parts.with(kind::ATTRIBUTES, |b| single(b, change)).build();
        cases.refused(name, &bad, "impossible value: attributes");
    }
    for n in 0..16 {
        let bad = parts.with(kind::ATTRIBUTES, |b| {
            single(b, |a: &mut Attributes<'_>| (a.soft[n], a.hard[n]) = (2, 1))
        });
        let what = "impossible value: soft limit above its hard limit";
        cases.refused(&format!("limit {n}"), &bad.build(), what);
    }
    let gone = parts.with(kind::ATTRIBUTES, |b| {
        single(b, |a: &mut Attributes<'_>| {
            a.cwd = b"/nonexistent/directory";
        })
    });
    let what = "working directory /nonexistent/directory: no such file or directory";
    cases.refused_with("directory that is gone", &gone.build(), what);
    cases.end()
}

fn files_with(parts: &Parts, n: usize, change: impl FnOnce(&mut File<'_>)) -> Vec<u8> {
    parts
        .with(kind::FILES, |b| {
            list(b, |f: &mut Vec<File<'_>>| change(&mut f[n]))
        })
        .build()
}

#[test]
fn open_files() -> Result<()> {
    let mut cases = Cases::new("open-files")?;
    let parts = cases.parts();
    let all: Vec<File<'_>> = parts.all(kind::FILES);
    let regular = all.iter().position(|f| f.kind == file_kind::REGULAR);
    let regular = regular.expect("a regular file");
    type Change = fn(&mut File<'_>);
    let changes: [(&str, Change); 14] = [
        ("kind", |f| f.kind = file_kind::LAST + 1),
        ("kind of none", |f| f.kind = file_kind::EPOLL + 1),
        ("kind", |f| f.kind = u32::MAX),
        ("stream of a file", |f| f.stream = 1),
        ("stream", |f| {
            (f.kind, f.stream) = (file_kind::STREAM, limits::DESCRIPTORS);
        }),
        ("position", |f| f.pos = -1),
        ("O_CREAT", |f| f.flags |= 0o100),
        ("O_EXCL", |f| f.flags |= 0o200),
        ("O_NOCTTY", |f| f.flags |= 0o400),
        ("O_TRUNC", |f| f.flags |= 0o1000),
        ("signal", |f| f.owner_signal = 65),
        ("signal", |f| f.owner_signal = -1),
        ("relative path", |f| f.path = b"large"),
        ("long path", |f| f.path = &LONG),
    ];
    for (name, change) in changes {
        let bad = files_with(&parts, regular, change);
        cases.refused(name, &bad, "impossible value: open file");
    }
    let what = "impossible value: open file";
    cases.refused(
        "no path",
        &files_with(&parts, regular, |f| f.path = b""),
        what,
    );
    cases.refused(
        "NUL",
        &files_with(&parts, regular, |f| f.path = b"/a\0b"),
        what,
    );
    cases.end()
}

#[test]
fn descriptors() -> Result<()> {
    let mut cases = Cases::new("descriptors")?;
    let parts = cases.parts();
    let with = |change: &dyn Fn(&mut Vec<Descriptor>)| {
        parts.with(kind::DESCRIPTORS, |b| list(b, change)).build()
    };
    let files = count(parts.bytes(kind::FILES));
    let what = "impossible value: descriptor";
    cases.refused("order", &with(&|d| d.swap(0, 1)), what);
    cases.refused("twice", &with(&|d| d[1].fd = d[0].fd), what);
    cases.refused("number", &with(&|d| d[2].fd = limits::DESCRIPTORS), what);
    let last = with(&|d| {
        if let Some(d) = d.last_mut() {
            d.fd = u32::MAX;
        }
    });
    cases.refused("highest number", &last, what);
    cases.refused("flag", &with(&|d| d[0].cloexec = 2), what);
    cases.refused("no such file", &with(&|d| d[1].file = files), what);
    cases.refused("numbered out of turn", &with(&|d| d[0].file = 1), what);
    let unused = with(&|d| d.retain(|d| d.file != files - 1));
    let what = "impossible value: open file without a descriptor";
    cases.refused("unused file", &unused, what);
    cases.end()
}

#[test]
fn locks() -> Result<()> {
    let mut cases = Cases::new("locks")?;
    let parts = cases.parts();
    let files = count(parts.bytes(kind::FILES));
    let with = |change: &dyn Fn(&mut Lock)| {
        parts
            .with(kind::LOCKS, |b| {
                list(b, |l: &mut Vec<Lock>| change(&mut l[0]))
            })
            .build()
    };
    let what = "impossible value: file lock";
    cases.refused("no such file", &with(&|l| l.file = files), what);
    cases.refused("kind", &with(&|l| l.kind = 3), what);
    cases.refused("exclusive", &with(&|l| l.exclusive = 2), what);
    cases.refused("backwards", &with(&|l| l.end = l.start - 1), what);
    cases.refused("beyond the end", &with(&|l| l.end = 1 << 63), what);
    cases.refused("part of the whole", &with(&|l| l.kind = 2), what);
    cases.end()
}

#[test]
fn eventfds() -> Result<()> {
    let mut cases = Cases::new("eventfds")?;
    let parts = cases.parts();
    let all: Vec<File<'_>> = parts.all(kind::FILES);
    let counter = all.iter().position(|f| f.kind == file_kind::EVENTFD);
    let counter = counter.expect("an eventfd");
    let with = |change: fn(&mut File<'_>)| files_with(&parts, counter, change);
    let what = "impossible value: open file";
    cases.refused("value", &with(|f| f.size = u64::MAX), what);
    cases.refused("mode", &with(|f| f.pos = 2), what);
    cases.end()
}

#[test]
fn watches() -> Result<()> {
    let mut cases = Cases::new("watches")?;
    let parts = cases.parts();
    let files = count(parts.bytes(kind::FILES));
    let with = |change: &dyn Fn(&mut Vec<Watch>)| {
        let watches = parts.with(kind::WATCHES, |b| {
            list(b, |all: &mut Vec<Watch>| change(all))
        });
        watches.build()
    };
    let what = "impossible value: watch of an epoll instance";
    cases.refused("no such file", &with(&|w| w[1].file = files), what);
    cases.refused("no instance", &with(&|w| w[1].file += 1), what);
    cases.refused("out of order", &with(&|w| w[1].file = 0), what);
    cases.refused("nothing there", &with(&|w| w[1].target = files), what);
    cases.refused("number", &with(&|w| w[0].fd = limits::DESCRIPTORS), what);
    cases.refused("due", &with(&|w| w[0].due = 2), what);
    cases.refused("itself", &with(&|w| w[0].target = w[0].file), what);
    cases.end()
}

#[test]
fn packets() -> Result<()> {
    let mut cases = Cases::new("packets")?;
    let parts = cases.parts();
    let files = count(parts.bytes(kind::FILES));
    let with = |change: &dyn Fn(&mut Vec<Packet>)| {
        let packets = parts.with(kind::PACKETS, |b| {
            list(b, |all: &mut Vec<Packet>| change(all))
        });
        packets.build()
    };
    let what = "impossible value: packet in a pipe";
    cases.refused("no such file", &with(&|p| p[1].file = files), what);
    cases.refused("not a pipe", &with(&|p| p[0].file = 0), what);
    cases.refused("the other end", &with(&|p| p[1].file += 1), what);
    cases.refused("nothing", &with(&|p| p[0].len = 0), what);
    cases.refused("more than a page", &with(&|p| p[1].len = 4097), what);
    cases.refused("beyond the end", &with(&|p| p[1].len += 1), what);
    cases.refused("far beyond", &with(&|p| p[1].at = u64::MAX), what);
    cases.refused("overlapping", &with(&|p| p[1].at -= 1), what);
    cases.refused("out of order", &with(&|p| p.swap(0, 1)), what);
    cases.end()
}

#[test]
fn timers_with_descriptors() -> Result<()> {
    let mut cases = Cases::new("timerfds")?;
    let parts = cases.parts();
    let with = |change: &dyn Fn(&mut Vec<TimerFd>)| {
        parts.with(kind::TIMERFDS, |b| list(b, change)).build()
    };
    let what = "impossible value: timer of a descriptor";
    cases.refused("another file", &with(&|t| t[0].file -= 1), what);
    cases.refused("one too many", &with(&|t| t.push(t[0])), what);
    cases.refused("none", &with(&Vec::clear), what);
    cases.refused("clock", &with(&|t| t[0].clock = 2), what);
    cases.refused("flags", &with(&|t| t[0].flags = 4), what);
    cases.refused("seconds", &with(&|t| t[0].value[0] = 1 << 63), what);
    cases.refused(
        "nanoseconds",
        &with(&|t| t[0].value[1] = 1_000_000_000),
        what,
    );
    cases.refused("interval", &with(&|t| t[0].interval[1] = u64::MAX), what);
    cases.end()
}
