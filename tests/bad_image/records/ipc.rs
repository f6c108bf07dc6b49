//! Messages in queues, adjustments of semaphores.

use anyhow::Result;
use ckpt_format::record::{Adjustment, Queued, file_kind};
use ckpt_format::toc::kind;
use ckpt_tests::image::list;

use super::{files_with, first_of};
use crate::victim::Cases;

#[test]
fn message_queues() -> Result<()> {
    let mut cases = Cases::new("queues")?;
    let parts = cases.parts();
    let with = |change: &dyn Fn(&mut Vec<Queued<'_>>)| {
        parts.with(kind::QUEUED, |b| list(b, change)).build()
    };
    let what = "impossible value: message in a queue";
    cases.refused("another file", &with(&|m| m[0].file -= 1), what);
    cases.refused("no file", &with(&|m| m[1].file = 1 << 20), what);
    cases.refused("priority", &with(&|m| m[0].priority = 1 << 15), what);
    cases.refused("long", &with(&|m| m[0].text = &[b'x'; 9]), what);
    cases.refused("one too many", &with(&|m| m.push(m[1])), what);
    let place = first_of(&parts, file_kind::QUEUE);
    let named = files_with(&parts, place, |f| f.rdev = 0);
    cases.refused("named", &named, what);
    let what = "impossible value: open file";
    for (name, pos, size, rdev) in [
        ("no room", 0, 8, 1),
        ("much room", 65_537, 8, 1),
        ("no bytes", 2, 0, 1),
        ("many bytes", 2, 1 << 25, 1),
        ("neither", 2, 8, 2),
    ] {
        let bad = files_with(&parts, place, |f| {
            (f.pos, f.size, f.rdev) = (pos, size, rdev);
        });
        cases.refused(name, &bad, what);
    }
    let bad = files_with(&parts, place, |f| f.path = b"name");
    cases.refused("name", &bad, what);
    cases.end()
}

/// One that is right.
pub(super) const ADJUSTMENT: Adjustment = Adjustment {
    set: 1,
    key: 0,
    count: 2,
    number: 1,
    by: 1,
};

#[test]
fn adjustments() -> Result<()> {
    let mut cases = Cases::new("adjustments")?;
    let parts = cases.parts();
    let what = "impossible value: adjustment of a semaphore";
    let with = |change: fn(&mut Adjustment)| {
        let bad = parts.with(kind::ADJUSTMENTS, |b| {
            list(b, |all: &mut Vec<Adjustment>| {
                all.push(ADJUSTMENT);
                change(&mut all[0]);
            })
        });
        bad.build()
    };
    cases.refused("set", &with(|a| a.set = 1 << 31), what);
    cases.refused("number", &with(|a| a.number = 2), what);
    let high = |a: &mut Adjustment| (a.number, a.count) = (1 << 16, u32::MAX);
    cases.refused("high number", &with(high), what);
    cases.refused("none", &with(|a| a.by = 0), what);
    cases.refused("much", &with(|a| a.by = 1 << 15), what);
    cases.end()
}
