//! Users, groups and capabilities; memory policies.

use anyhow::Result;
use ckpt_format::record::{Credentials, Policy, Vma};
use ckpt_format::toc::kind;
use ckpt_tests::image::{list, single};

use crate::victim::Cases;

static MANY: [u8; 4 * 65536 + 4] = [0; 4 * 65536 + 4];

#[test]
fn credentials() -> Result<()> {
    let mut cases = Cases::new("credentials")?;
    let parts = cases.parts();
    let with = |change: fn(&mut Credentials<'_>)| {
        parts.with(kind::CREDENTIALS, |b| single(b, change)).build()
    };
    let what = "impossible value: credentials";
    cases.refused("effective", &with(|c| c.effective = !c.permitted), what);
    let ambient = with(|c| (c.permitted, c.inheritable, c.ambient) = (1, 0, 1));
    cases.refused("ambient", &ambient, what);
    cases.refused("securebits", &with(|c| c.secure = 1 << 12), what);
    cases.refused("half a group", &with(|c| c.groups = &MANY[..6]), what);
    cases.refused("too many groups", &with(|c| c.groups = &MANY), what);
    cases.end()
}

#[test]
fn memory_policies() -> Result<()> {
    let mut cases = Cases::new("policies")?;
    let parts = cases.parts();
    let vmas: Vec<Vma<'_>> = parts.all(kind::VMAS);
    let of = |n: usize| Policy {
        start: vmas[n].start,
        end: vmas[n].end,
        mode: 4,
        nodes: [0; 16],
    };
    let with = |new: &[Policy]| {
        let policies = parts.with(kind::POLICIES, |b| {
            list(b, |all: &mut Vec<Policy>| *all = new.to_vec())
        });
        policies.build()
    };
    let what = "impossible value: memory policy";
    let start = vmas[0].start + 1;
    cases.refused("start", &with(&[Policy { start, ..of(0) }]), what);
    let end = vmas[0].end + 1;
    cases.refused("end", &with(&[Policy { end, ..of(0) }]), what);
    cases.refused("order", &with(&[of(1), of(0)]), what);
    cases.refused("twice", &with(&[of(1), of(1)]), what);
    cases.end()
}
