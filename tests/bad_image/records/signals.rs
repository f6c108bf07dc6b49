//! Signals, interval timers, job control.

use anyhow::Result;
use ckpt_format::record::{Action, Job, Pending, Thread, Timers};
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
