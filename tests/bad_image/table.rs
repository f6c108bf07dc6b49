//! The section table.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;

use anyhow::Result;
use ckpt_format::header::Header;
use ckpt_format::limits;
use ckpt_format::toc::{self, Entry, REQUIRED, kind};
use ckpt_tests::image::{Laid, Parts, Section};

use crate::victim::{Cases, Victim};

const TABLE: &str = "section table is out of bounds, out of order or leaves gaps";

/// The image with its table changed.
fn table(parts: &Parts, change: impl FnOnce(&mut Vec<Entry>)) -> Vec<u8> {
    let mut laid = parts.lay();
    change(&mut laid.entries);
    laid.seal()
}

fn at(entries: &[Entry], kind: u32) -> usize {
    entries
        .iter()
        .position(|e| e.kind == kind)
        .expect("every kind")
}

#[test]
fn order_and_bounds() -> Result<()> {
    let mut cases = Cases::new("table")?;
    let parts = cases.parts();
    let last = parts.sections.len() - 1;
    let mm = |entries: &[Entry]| at(entries, kind::MM);
    type Change = fn(&mut Vec<Entry>, usize, usize);
    let changes: [(&str, Change); 18] = [
        ("swapped", |e, n, _| e.swap(n, n + 1)),
        ("reversed", |e, _, _| e.reverse()),
        ("begins a byte early", |e, n, _| e[n].at -= 1),
        ("begins a byte late", |e, n, _| e[n].at += 1),
        ("begins in the header", |e, n, _| e[n].at = 0),
        ("begins at the end", |e, n, _| e[n].at = u64::MAX),
        ("a byte longer", |e, n, _| e[n].len += 1),
        ("a byte shorter", |e, n, _| e[n].len -= 1),
        ("as long as can be", |e, n, _| e[n].len = u64::MAX),
        ("wraps around", |e, n, _| e[n].len = u64::MAX - e[n].at + 1),
        ("last is longer", |e, _, last| e[last].len += 1),
        ("last is shorter", |e, _, last| e[last].len -= 1),
        ("last is missing", |e, _, last| e.truncate(last)),
        ("unknown flag", |e, n, _| e[n].flags |= 2),
        ("highest flag", |e, n, _| e[n].flags |= 0x8000),
        ("reserved", |e, n, _| e[n].reserved = 1),
        ("checksum of the pages", |e, _, _| {
            let n = at(e, kind::PAGES);
            e[n].crc = 1;
        }),
        ("pages not at a page", |e, _, _| {
            let n = at(e, kind::PAGES);
            e[n].at -= 1;
            e[n].len += 1;
        }),
    ];
    for (name, change) in changes {
        let bad = table(&parts, |e| change(e, mm(e), last));
        cases.refused(name, &bad, TABLE);
    }
    // A byte between the last section and the table.
    let mut laid = parts.lay();
    laid.body.push(0);
    cases.refused("gap before the table", &laid.seal(), TABLE);
    let mut laid = parts.lay();
    let pages = at(&laid.entries, kind::PAGES);
    let first = usize::try_from(laid.entries[pages].at)?;
    laid.body[first - 1] = 1;
    let what = "impossible value: padding before the pages";
    cases.refused("padding", &laid.seal(), what);
    cases.end()
}

#[test]
fn kinds() -> Result<()> {
    let mut cases = Cases::new("kinds")?;
    let parts = cases.parts();
    for kind in toc::ALL {
        let mut without = parts.clone();
        without.sections.retain(|s| s.kind != kind);
        let what = format!("section {} is missing", toc::name(kind));
        cases.refused(&what, &without.build(), &what);

        let mut twice = parts.clone();
        twice.sections.push(Section {
            kind,
            version: 1,
            flags: REQUIRED,
            bytes: Vec::new(),
        });
        let what = format!("section {kind} occurs twice");
        cases.refused(&what, &twice.build(), &what);

        for version in [0, 2, u16::MAX] {
            let newer = table(&parts, |e| {
                let n = at(e, kind);
                e[n].version = version;
            });
            let what = format!("section {kind} has an unknown version: made by a newer version");
            cases.refused(&format!("{what} ({version})"), &newer, &what);
        }
    }
    for kind in [0, u32::try_from(toc::KINDS)?, 64_000, u32::MAX] {
        let mut unknown = parts.clone();
        unknown.sections.insert(
            3,
            Section {
                kind,
                version: 9,
                flags: REQUIRED,
                bytes: vec![1, 2, 3],
            },
        );
        let what = format!("required section of unknown kind {kind}: made by a newer version");
        cases.refused(&what, &unknown.build(), &what);
        unknown.sections[3].flags = 0;
        cases.restores(&format!("optional section {kind}"), &unknown.build());
    }
    let mut optional = parts.clone();
    optional.sections.iter_mut().for_each(|s| s.flags = 0);
    cases.restores("known sections that need not be known", &optional.build());
    let mut other_order = parts.clone();
    other_order.sections.reverse();
    cases.restores("sections in another order", &other_order.build());
    cases.end()
}

/// More metadata than is ever read. The file is sparse: nothing of that size is written.
#[test]
fn too_much_metadata() -> Result<()> {
    let victim = Victim::new("metadata")?;
    let mut parts = victim.parts.clone();
    parts.sections.sort_by_key(|s| s.kind == kind::GUARDS);
    let Laid {
        header,
        body,
        mut entries,
    } = parts.lay();
    let guards = at(&entries, kind::GUARDS);
    let metadata: u64 = entries
        .iter()
        .filter(|e| e.kind != kind::PAGES)
        .map(|e| e.len)
        .sum();
    let more = limits::METADATA - metadata + 1;
    entries[guards].len += more;
    let sealed = Laid {
        header,
        body: body.clone(),
        entries,
    }
    .seal();
    let table = &sealed[body.len()..];
    let mut header = Header::decode(&sealed).expect("a header");
    header.table_at += more;
    header.file_len += more;
    let path = victim.file(&body)?;
    let file = OpenOptions::new().write(true).open(&path)?;
    file.write_all_at(&header.encode(), 0)?;
    file.write_all_at(table, header.table_at)?;
    let what = format!("{}: too many bytes of metadata", path.display());
    victim.refused_file(&path, &what)
}
