//! Threads, and the addresses that they give to the kernel.

use anyhow::Result;
use ckpt_format::limits;
use ckpt_format::record::{NO_DESCRIPTOR, OwnDescriptor, Place, Program, Thread, Vma};
use ckpt_format::toc::kind;
use ckpt_tests::image::{Parts, encode, list};

use crate::victim::Cases;

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

/// One that is right, but for the thread.
pub(super) const PLACE: Place<'_> = Place {
    tid: 0,
    umask: 0o22,
    removed: 0,
    cwd: b"/",
};

/// Likewise.
pub(super) const OWN: OwnDescriptor = OwnDescriptor {
    tid: 0,
    fd: 5,
    file: 0,
    cloexec: 0,
};

/// With one more thread, to have one that is not the first.
fn with_second(parts: &Parts) -> Parts {
    let two = |all: &mut Vec<Thread>| {
        all.push(all[0]);
        all[1].tid = all[0].tid + 1;
    };
    parts.with(kind::THREADS, |b| list(b, two))
}

#[test]
fn own_descriptors() -> Result<()> {
    let mut cases = Cases::new("own-descriptors")?;
    let parts = cases.parts();
    let first = parts.one::<Program<'_>>(kind::PROGRAM).pid;
    let files = super::count(parts.bytes(kind::FILES));
    let with = |own: &[OwnDescriptor]| {
        let parts = with_second(&parts);
        let own = |all: &mut Vec<OwnDescriptor>| all.extend_from_slice(own);
        parts.with(kind::OWN_DESCRIPTORS, |b| list(b, own)).build()
    };
    let good = OwnDescriptor {
        tid: first + 1,
        ..OWN
    };
    let none = OwnDescriptor {
        fd: NO_DESCRIPTOR,
        ..good
    };
    let bad: [(&str, &[OwnDescriptor]); 10] = [
        ("first thread", &[OwnDescriptor { tid: first, ..good }]),
        (
            "no thread",
            &[OwnDescriptor {
                tid: first + 2,
                ..good
            }],
        ),
        (
            "number",
            &[OwnDescriptor {
                fd: limits::DESCRIPTORS,
                ..good
            }],
        ),
        (
            "file",
            &[OwnDescriptor {
                file: files,
                ..good
            }],
        ),
        ("flag", &[OwnDescriptor { cloexec: 2, ..good }]),
        ("twice", &[good, good]),
        ("order", &[good, OwnDescriptor { fd: 4, ..good }]),
        ("none and one", &[none, good]),
        ("one and none", &[good, none]),
        ("flag of none", &[OwnDescriptor { cloexec: 1, ..none }]),
    ];
    for (name, own) in bad {
        let what = "impossible value: descriptor of a thread";
        cases.refused(name, &with(own), what);
    }
    cases.end()
}

#[test]
fn places() -> Result<()> {
    let mut cases = Cases::new("places")?;
    let parts = cases.parts();
    let first = parts.one::<Program<'_>>(kind::PROGRAM).pid;
    let with = |place: Place<'_>, times: u32| {
        let parts = with_second(&parts);
        let places = encode(1 << 14, |w| {
            w.put(&times);
            (0..times).for_each(|_| w.put(&place));
        });
        parts.with(kind::PLACES, |_| places).build()
    };
    let good = Place {
        tid: first + 1,
        ..PLACE
    };

    type Change = fn(&mut Place<'_>);
    let changes: [(&str, Change); 5] = [
        ("umask", |p| p.umask = 0o1000),
        ("relative", |p| p.cwd = b"tmp"),
        ("none", |p| p.cwd = b""),
        ("NUL", |p| p.cwd = b"/\0"),
        ("long", |p| p.cwd = &super::LONG),
    ];
    for (name, change) in changes {
        let mut place = good;
        change(&mut place);
        let what = "impossible value: thread's working directory";
        cases.refused(name, &with(place, 1), what);
    }
    let what = "impossible value: working directory that was removed";
    cases.refused("file", &with(Place { removed: 1, ..good }, 1), what);
    cases.refused(
        "no file",
        &with(
            Place {
                removed: u32::MAX,
                ..good
            },
            1,
        ),
        what,
    );
    let what = "impossible value: thread of a working directory";
    cases.refused("first", &with(Place { tid: first, ..good }, 1), what);
    cases.refused("nobody", &with(Place { tid: 1, ..good }, 1), what);
    cases.refused("twice", &with(good, 2), what);
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
    let vmas = parts.all::<Vma<'_>>(kind::VMAS);
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
