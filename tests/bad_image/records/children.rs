//! Children that have ended.

use anyhow::Result;
use ckpt_format::record::Ended;
use ckpt_format::toc::kind;
use ckpt_tests::image::list;

use crate::victim::Cases;

#[test]
fn children() -> Result<()> {
    let mut cases = Cases::new("children")?;
    let parts = cases.parts();
    let with = |change: fn(&mut Ended)| {
        let children = parts.with(kind::ENDED, |b| {
            list(b, |all: &mut Vec<Ended>| change(&mut all[0]))
        });
        children.build()
    };
    let what = "impossible value: child that has ended";
    cases.refused("no id", &with(|c| c.pid = 0), what);
    cases.refused("long status", &with(|c| c.status = 1 << 16), what);
    cases.refused("core file", &with(|c| c.status = 0x80 | 11), what);
    cases.refused("both", &with(|c| c.status = 1 << 8 | 9), what);
    cases.refused("harmless signal", &with(|c| c.status = 17), what);
    cases.refused("no such signal", &with(|c| c.status = 65), what);
    cases.refused("told by no signal", &with(|c| c.signal = 65), what);
    cases.refused("told by SIGKILL", &with(|c| c.signal = 9), what);
    cases.end()
}
