//! Mappings, page runs, contents, guards.

use anyhow::Result;
use ckpt_format::limits;
use ckpt_format::record::{Content, File, Guard, Run, Segment, Vdso, Vma, vma_flag, vma_kind};
use ckpt_format::toc::kind;
use ckpt_tests::image::{Parts, list};

use crate::victim::Cases;

static LONG: [u8; limits::PATH + 1] = [b'/'; limits::PATH + 1];
const ORDER: &str = "impossible value: mapping out of order or out of bounds";
const VALUE: &str = "impossible value: mapping's kind, protection or flags";
const PATH: &str = "impossible value: mapping's path";
const OBJECT: &str = "impossible value: mapping's shared object";

fn of_kind(parts: &Parts, kind: u32) -> usize {
    let all: Vec<Vma<'_>> = parts.all(kind::VMAS);
    let found = all.iter().position(|v| v.kind == kind);
    found.expect("a mapping of every kind")
}

fn vmas(parts: &Parts, change: impl FnOnce(&mut Vec<Vma<'_>>)) -> Vec<u8> {
    parts.with(kind::VMAS, |b| list(b, change)).build()
}

#[test]
fn mappings() -> Result<()> {
    let mut cases = Cases::new("mappings")?;
    let parts = cases.parts();
    type Change = fn(&mut Vma<'_>);
    let changes: [(&str, Change, &str); 20] = [
        ("unaligned start", |v| v.start += 1, ORDER),
        ("unaligned end", |v| v.end -= 1, ORDER),
        ("unaligned offset", |v| v.offset += 8, ORDER),
        ("empty", |v| v.end = v.start, ORDER),
        ("backwards", |v| v.end = v.start - 4096, ORDER),
        ("in the kernel", |v| v.end = 1 << 63, ORDER),
        ("in the last page", |v| v.end = 1 << 47, ORDER),
        ("at the end", |v| (v.start, v.end) = (!0xfff, 0), ORDER),
        ("protection", |v| v.prot = 8, VALUE),
        ("protection", |v| v.prot = u32::MAX, VALUE),
        ("kind", |v| v.kind = 7, VALUE),
        ("kind", |v| v.kind = u32::MAX, VALUE),
        ("huge pages", |v| v.flags |= vma_flag::HUGETLB, VALUE),
        ("unknown flag", |v| v.flags |= 1 << 16, VALUE),
        ("highest flag", |v| v.flags |= 1 << 31, VALUE),
        ("object", |v| v.object = 1, OBJECT),
        ("long path", |v| v.path = &LONG, PATH),
        ("NUL in path", |v| v.path = b"/a\0b", PATH),
        (
            "carried without path",
            |v| (v.kind, v.path) = (vma_kind::CARRIED, b""),
            PATH,
        ),
        (
            "file without path",
            |v| (v.kind, v.path) = (vma_kind::FILE, b""),
            PATH,
        ),
    ];
    let anon = of_kind(&parts, vma_kind::ANON);
    for (name, change, what) in changes {
        cases.refused(name, &vmas(&parts, |v| change(&mut v[anon])), what);
    }
    cases.refused("swapped", &vmas(&parts, |v| v.swap(0, 1)), ORDER);
    cases.refused("twice", &vmas(&parts, |v| v.insert(1, v[0])), ORDER);
    cases.refused(
        "overlap",
        &vmas(&parts, |v| v[1].start = v[0].end - 4096),
        ORDER,
    );
    let shared = of_kind(&parts, vma_kind::SHARED_ANON);
    cases.refused(
        "first object is 1",
        &vmas(&parts, |v| v[shared].object = 1),
        OBJECT,
    );
    let vdso: Vdso<'_> = parts.one(kind::VDSO);
    let what = "impossible value: mapping where the vDSO is";
    for (name, at) in [
        ("data", vdso.vvar),
        ("code", vdso.base),
        ("end", vdso.range().1 - 4096),
    ] {
        let bad = vmas(&parts, |v| {
            let mut new = v[anon];
            (new.start, new.end) = (at, at + 4096);
            v.push(new);
            v.sort_by_key(|v| v.start);
        });
        cases.refused(&format!("mapping in the vDSO's {name}"), &bad, what);
    }
    cases.end()
}

#[test]
fn views_of_open_files() -> Result<()> {
    let mut cases = Cases::new("open-file-views")?;
    let parts = cases.parts();
    let view = of_kind(&parts, vma_kind::OPEN_FILE);
    let files = parts.all::<File<'_>>(kind::FILES);
    let named = files.iter().position(|f| !f.is_nameless()).expect("a file");
    for number in [u32::try_from(named)?, u32::try_from(files.len())?, u32::MAX] {
        let bad = vmas(&parts, |v| v[view].object = number);
        cases.refused("open file", &bad, "impossible value: mapping's open file");
    }
    cases.end()
}

#[test]
fn rings() -> Result<()> {
    let mut cases = Cases::new("rings")?;
    let parts = cases.parts();
    let n = of_kind(&parts, vma_kind::AIO);
    let ring = parts.all::<Vma<'_>>(kind::VMAS)[n];
    let what = format!(
        "cannot make asynchronous I/O context {:x}: its ring is of another size here",
        ring.start
    );
    cases.refused("object", &vmas(&parts, |v| v[n].object = 1), OBJECT);
    let closed = vmas(&parts, |v| v[n].prot = 0);
    cases.restores("protection", &closed);
    let guard = parts.with(kind::GUARDS, |b| {
        list(b, |g: &mut Vec<Guard>| {
            (g[0].start, g[0].end) = (ring.start, ring.end);
        })
    });
    let outside = "impossible value: guard region outside of all private mappings";
    cases.refused("guard", &guard.build(), outside);
    // Its page, a word of which is another.
    let runs = parts.all::<Run>(kind::RUNS);
    let before = runs.iter().take_while(|run| run.addr < ring.start);
    let page = usize::try_from(before.map(Run::len).sum::<u64>())?;
    for (name, word, value) in [
        ("number of events", 1, 255),
        ("head", 2, 127),
        ("head", 2, u32::MAX),
        ("tail", 3, 127),
    ] {
        let at = page + word * 4;
        let mut bad = parts.with(kind::PAGES, |b| {
            let (head, tail) = (&b[..at], &b[at + 4..]);
            [head, &u32::to_le_bytes(value), tail].concat()
        });
        bad.sum_pages();
        cases.refused_with(name, &bad.build(), &what);
    }
    let none = parts.with(kind::RUNS, |b| {
        list(b, |r: &mut Vec<Run>| r.retain(|run| run.addr != ring.start))
    });
    let end = page + usize::try_from(ring.len())?;
    let mut none = none.with(kind::PAGES, |b| [&b[..page], &b[end..]].concat());
    none.sum_pages();
    cases.refused_with("without its pages", &none.build(), &what);
    cases.end()
}

#[test]
fn files_of_mappings() -> Result<()> {
    let mut cases = Cases::new("mapped-files")?;
    let parts = cases.parts();
    let n = of_kind(&parts, vma_kind::FILE);
    let shared = of_kind(&parts, vma_kind::SHARED_FILE);
    let all: Vec<Vma<'_>> = parts.all(kind::VMAS);
    let (path, size) = (
        String::from_utf8_lossy(all[n].path).into_owned(),
        all[n].size,
    );
    let changed = |then: u64| {
        format!(
            "mapped file {path} was changed since the checkpoint (size {then} then, {size} now)"
        )
    };
    cases.refused_with(
        "size",
        &vmas(&parts, |v| v[n].size += 1),
        &changed(size + 1),
    );
    cases.refused_with("time", &vmas(&parts, |v| v[n].mtime += 1), &changed(size));
    let shrank = format!(
        "mapped file {path} shrank from {} to {size} bytes",
        size + 1
    );
    cases.refused_with("shared", &vmas(&parts, |v| v[shared].size += 1), &shrank);
    let gone = vmas(&parts, |v| v[n].path = b"/nonexistent/file");
    let what = "cannot open mapped file /nonexistent/file: no such file or directory";
    cases.refused_with("gone", &gone, what);
    // The pages of the mapping would lie behind the file's end, where touching them raises SIGBUS.
    let offset = size.next_multiple_of(4096);
    let what = format!("impossible value: pages beyond the end of {path}");
    cases.refused(
        "behind the end",
        &vmas(&parts, |v| v[n].offset = offset),
        &what,
    );
    cases.end()
}

#[test]
fn page_runs() -> Result<()> {
    let mut cases = Cases::new("runs")?;
    let parts = cases.parts();
    let all: Vec<Vma<'_>> = parts.all(kind::VMAS);
    let runs = |change: &dyn Fn(&mut Vec<Run>)| parts.with(kind::RUNS, |b| list(b, change)).build();
    let order = "impossible value: page run out of order or out of bounds";
    let outside = "impossible value: page run outside of all private mappings";
    let length = "impossible value: length of the pages section";
    cases.refused("unaligned", &runs(&|r| r[0].addr += 512), order);
    cases.refused("empty", &runs(&|r| r[0].pages = 0), order);
    cases.refused(
        "too long",
        &runs(&|r| r[0].pages = limits::RUN_PAGES + 1),
        order,
    );
    cases.refused("longest", &runs(&|r| r[0].pages = u32::MAX), order);
    cases.refused("in the kernel", &runs(&|r| r[0].addr = 1 << 63), order);
    cases.refused("wraps around", &runs(&|r| r[0].addr = !0xfff), order);
    cases.refused("swapped", &runs(&|r| r.swap(0, 1)), order);
    cases.refused("twice", &runs(&|r| r.insert(1, r[0])), order);
    cases.refused("page zero", &runs(&|r| r[0].addr = 0), outside);
    let behind = all.last().map_or(0, |v| v.end);
    let last = runs(&|r| {
        if let Some(run) = r.last_mut() {
            run.addr = behind;
        }
    });
    cases.refused("behind all", &last, outside);
    // Across the end of a mapping that has a neighbour.
    let neighbours = all
        .windows(2)
        .find(|p| p[0].end == p[1].start && p[0].is_private());
    let edge = neighbours.expect("neighbours")[0].end;
    let across = parts.with(kind::RUNS, |b| {
        list(b, |r: &mut Vec<Run>| {
            r.retain(|run| run.addr + run.len() <= edge - 4096 || run.addr >= edge + 4096);
            r.push(Run {
                addr: edge - 4096,
                pages: 2,
                crc: 0,
            });
            r.sort_by_key(|run| run.addr);
        })
    });
    cases.refused("across two mappings", &across.build(), outside);
    // Pages for shared memory and shared files belong to an object or are not there at all.
    for kind in [vma_kind::SHARED_FILE, vma_kind::SHARED_ANON] {
        let at = all[of_kind(&parts, kind)].start;
        let bad = runs(&|r| {
            r.push(Run {
                addr: at,
                pages: 1,
                crc: 0,
            });
            r.sort_by_key(|run| run.addr);
        });
        cases.refused(&format!("in a mapping of kind {kind}"), &bad, outside);
    }
    cases.refused("one less", &runs(&|r| r.truncate(r.len() - 1)), length);
    let more = parts.with(kind::PAGES, |b| [b, &[0; 4096]].concat());
    cases.refused("pages of nothing", &more.build(), length);
    let more = parts.with(kind::PAGES, |b| [b, &[0; 5]].concat());
    cases.refused("part of a page", &more.build(), length);
    cases.end()
}

#[test]
fn contents_and_guards() -> Result<()> {
    let mut cases = Cases::new("contents")?;
    let parts = cases.parts();
    let contents = |change: &dyn Fn(&mut Vec<Content>)| {
        parts.with(kind::CONTENTS, |b| list(b, change)).build()
    };
    let what = "impossible value: content run";
    cases.refused("of what", &contents(&|c| c[0].of = 2), what);
    cases.refused("unaligned", &contents(&|c| c[0].offset = 100), what);
    cases.refused("far away", &contents(&|c| c[0].offset = 1 << 62), what);
    cases.refused("empty", &contents(&|c| c[0].pages = 0), what);
    cases.refused(
        "too long",
        &contents(&|c| c[0].pages = limits::RUN_PAGES + 1),
        what,
    );
    let what = "impossible value: content of an unknown file or object";
    let all: Vec<Content> = parts.all(kind::CONTENTS);
    for of in [0, 1] {
        let n = all
            .iter()
            .position(|c| c.of == of)
            .expect("both kinds of content");
        for bad in [1000, u32::MAX] {
            let name = format!("of {of}, number {bad}");
            cases.refused(&name, &contents(&|c| c[n].index = bad), what);
        }
    }
    let object = all.iter().position(|c| c.of == 1).expect("a shared object");
    let bad = contents(&|c| c[object].offset = 64 << 20);
    cases.refused(
        "behind the object",
        &bad,
        "impossible value: shared object's contents",
    );
    let length = "impossible value: length of the pages section";
    cases.refused("one less", &contents(&|c| c.truncate(c.len() - 1)), length);

    let guards =
        |change: &dyn Fn(&mut Vec<Guard>)| parts.with(kind::GUARDS, |b| list(b, change)).build();
    let what = "impossible value: guard region";
    cases.refused("unaligned start", &guards(&|g| g[0].start += 1), what);
    cases.refused("unaligned end", &guards(&|g| g[0].end += 1), what);
    cases.refused("empty", &guards(&|g| g[0].end = g[0].start), what);
    cases.refused("in the kernel", &guards(&|g| g[0].end = 1 << 63), what);
    cases.refused("twice", &guards(&|g| g.push(g[0])), what);
    let what = "impossible value: guard region outside of all private mappings";
    cases.refused(
        "nowhere",
        &guards(&|g| (g[0].start, g[0].end) = (0x1000, 0x2000)),
        what,
    );
    let all: Vec<Vma<'_>> = parts.all(kind::VMAS);
    let shared = all[of_kind(&parts, vma_kind::SHARED_ANON)];
    let bad = guards(&|g| (g[0].start, g[0].end) = (shared.start, shared.start + 4096));
    cases.refused("in shared memory", &bad, what);
    cases.end()
}

#[test]
fn segments() -> Result<()> {
    let mut cases = Cases::new("segments")?;
    let parts = cases.parts();
    let with = |change: &dyn Fn(&mut Vec<Segment>)| {
        parts.with(kind::SEGMENTS, |b| list(b, change)).build()
    };
    let what = "impossible value: System V shared memory";
    let one = |change: &dyn Fn(&mut Segment)| with(&|all| change(&mut all[0]));
    cases.refused("object", &one(&|s| s.object = 1 << 20), what);
    cases.refused("twice", &with(&|all| all.push(all[0])), what);
    cases.refused("id", &one(&|s| s.id = 1 << 31), what);
    cases.refused("mode", &one(&|s| s.mode = 0o4000), what);
    cases.refused("no bytes", &one(&|s| s.size = 0), what);
    cases.refused("too many bytes", &one(&|s| s.size = u64::MAX), what);
    cases.refused("too few bytes", &one(&|s| s.size = 4096), what);
    cases.end()
}
