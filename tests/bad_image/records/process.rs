//! The process: program, machine, address space, attributes.

use anyhow::Result;
use ckpt_format::limits;
use ckpt_format::record::{Attributes, Machine, Mm, Program, Thread, Vdso};
use ckpt_format::toc::kind;
use ckpt_tests::image::single;

use super::{LONG, LONG_NAME};
use crate::victim::Cases;

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

#[test]
fn attributes() -> Result<()> {
    let mut cases = Cases::new("attributes")?;
    let parts = cases.parts();
    type Change = fn(&mut Attributes<'_>);
    let changes: [(&str, Change); 14] = [
        ("umask", |a| a.umask = 0o1000),
        ("subreaper", |a| a.subreaper = 2),
        ("no_new_privs", |a| a.no_new_privs = 2),
        ("dumpable", |a| a.dumpable = 3),
        ("thp", |a| a.thp_disable = 2),
        ("score too high", |a| a.oom_score = 1001),
        ("score too low", |a| a.oom_score = -1001),
        ("core filter", |a| a.core_filter = 1 << 16),
        ("barrier", |a| a.barriers = 1 << 3),
        ("merging", |a| a.memory_merge = 2),
        ("no directory", |a| a.cwd = b""),
        ("relative directory", |a| a.cwd = b"tmp"),
        ("long directory", |a| a.cwd = &LONG),
        ("NUL in directory", |a| a.cwd = b"/tmp\0/x"),
    ];
    for (name, change) in changes {
        let bad = parts.with(kind::ATTRIBUTES, |b| single(b, change)).build();
        cases.refused(name, &bad, "impossible value: attributes");
    }
    for removed in [1, u32::MAX] {
        let bad = parts.with(kind::ATTRIBUTES, |b| {
            single(b, |a: &mut Attributes<'_>| a.removed = removed)
        });
        let what = "impossible value: working directory that was removed";
        cases.refused(&format!("removed {removed}"), &bad.build(), what);
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
