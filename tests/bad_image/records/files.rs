//! Open files, descriptors, locks.

use anyhow::Result;
use ckpt_format::limits;
use ckpt_format::record::{Descriptor, File, Lock, file_kind};
use ckpt_format::toc::kind;
use ckpt_tests::image::list;

use super::{LONG, count, files_with, first_of};
use crate::victim::Cases;

#[test]
fn open_files() -> Result<()> {
    let mut cases = Cases::new("open-files")?;
    let parts = cases.parts();
    let regular = first_of(&parts, file_kind::REGULAR);
    type Change = fn(&mut File<'_>);
    let changes: [(&str, Change); 18] = [
        ("kind", |f| f.kind = file_kind::LAST + 1),
        ("kind of none", |f| f.kind = file_kind::INOTIFY + 1),
        ("bits of a FIFO", |f| {
            (f.kind, f.rdev) = (file_kind::FIFO, 4);
        }),
        ("name of a FIFO", |f| {
            (f.kind, f.path) = (file_kind::FIFO, b"f");
        }),
        ("seals", |f| (f.kind, f.rdev) = (file_kind::MEMORY, 64)),
        ("kind", |f| f.kind = u32::MAX),
        ("contents", |f| f.rdev = 2),
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
    let removed = files_with(&parts, regular, |f| {
        (f.kind, f.mode, f.flags) = (file_kind::DELETED, 0o040_700, 1);
        f.path = b"/nowhere/at/all";
    });
    let what = "cannot make directory /nowhere/at/all again: is a directory";
    cases.refused_with("directory to write to", &removed, what);
    cases.end()
}

#[test]
fn files_of_threads() -> Result<()> {
    let mut cases = Cases::new("thread-files")?;
    let parts = cases.parts();
    let regular = first_of(&parts, file_kind::REGULAR);
    let descriptors: Vec<Descriptor> = parts.all(kind::DESCRIPTORS);
    let of_it = descriptors
        .iter()
        .find(|d| d.file as usize == regular)
        .expect("a descriptor of it");
    let bad = files_with(&parts, regular, |f| {
        f.path = b"/proc/self/task/4194305/comm";
    });
    let what = format!(
        "descriptor {}: /proc/self/task/4194305/comm: no such thread",
        of_it.fd
    );
    cases.refused_with("thread", &bad, &what);
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
    cases.refused("kind", &with(&|l| l.kind = 4), what);
    cases.refused("exclusive", &with(&|l| l.exclusive = 2), what);
    cases.refused("backwards", &with(&|l| l.end = l.start - 1), what);
    cases.refused("beyond the end", &with(&|l| l.end = 1 << 63), what);
    cases.refused("part of the whole", &with(&|l| l.kind = 2), what);
    cases.refused("lease on a part", &with(&|l| l.kind = 3), what);
    cases.end()
}
