//! Signals, interval and POSIX timers, job control.

use anyhow::Result;
use ckpt_format::record::{Action, Job, Pending, PosixTimer, Thread, Timers};
use ckpt_format::toc::kind;
use ckpt_tests::image::{list, single};

use crate::victim::Cases;

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
fn posix_timers() -> Result<()> {
    let mut cases = Cases::new("posix_timers")?;
    let parts = cases.parts();
    let with = |change: &dyn Fn(&mut Vec<PosixTimer>)| {
        parts.with(kind::POSIX_TIMERS, |b| list(b, change)).build()
    };
    let one = |change: &dyn Fn(&mut PosixTimer)| with(&|t| change(&mut t[0]));
    let what = "impossible value: POSIX timer";
    let all: Vec<PosixTimer> = parts.all(kind::POSIX_TIMERS);
    assert!(all.len() == 2 && all[0].target == 0 && all[1].target != 0);
    cases.refused("order", &with(&|t| t.swap(0, 1)), what);
    cases.refused("twice", &with(&|t| t[1].id = t[0].id), what);
    cases.refused("id", &with(&|t| t[1].id = 1 << 31), what);
    for clock in [2, 3, 10, 12, -5] {
        let name = format!("clock {clock}");
        cases.refused(&name, &one(&|t| t.clock = i32::cast_unsigned(clock)), what);
    }
    for notify in [3, 5, 8] {
        cases.refused(
            &format!("notify {notify}"),
            &one(&|t| t.notify = notify),
            what,
        );
    }
    for signal in [0, 65, u32::MAX] {
        cases.refused(
            &format!("signal {signal}"),
            &one(&|t| t.signal = signal),
            what,
        );
    }
    let tid = parts.all::<Thread>(kind::THREADS)[0].tid;
    cases.refused("target", &one(&|t| t.target = tid), what);
    cases.refused("no target", &with(&|t| t[1].target = 0), what);
    cases.refused("flags", &one(&|t| t.flags = 4), what);
    let silent = |t: &mut PosixTimer| (t.notify, t.flags) = (1, 1);
    cases.refused("no signal waits", &one(&silent), what);
    cases.refused("overrun", &one(&|t| t.overrun = 1 << 31), what);
    cases.refused("interval", &one(&|t| t.interval = 1 << 63), what);
    cases.refused("next", &one(&|t| t.next = u64::MAX), what);
    let what = "impossible value: thread of a POSIX timer";
    cases.refused("another target", &with(&|t| t[1].target = tid + 1), what);
    let clock_of = |tid: u32| !tid << 3 | 6;
    cases.refused(
        "another clock",
        &one(&|t| t.clock = clock_of(tid + 1)),
        what,
    );
    cases.end()
}
