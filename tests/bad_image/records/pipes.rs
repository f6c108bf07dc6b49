//! Packets in pipes.

use anyhow::Result;
use ckpt_format::record::Packet;
use ckpt_format::toc::kind;
use ckpt_tests::image::list;

use super::count;
use crate::victim::Cases;

#[test]
fn packets() -> Result<()> {
    let mut cases = Cases::new("packets")?;
    let parts = cases.parts();
    let files = count(parts.bytes(kind::FILES));
    let with = |change: &dyn Fn(&mut Vec<Packet>)| {
        let packets = parts.with(kind::PACKETS, |b| {
            list(b, |all: &mut Vec<Packet>| change(all))
        });
        packets.build()
    };
    let what = "impossible value: packet in a pipe";
    cases.refused("no such file", &with(&|p| p[1].file = files), what);
    cases.refused("not a pipe", &with(&|p| p[0].file = 0), what);
    cases.refused("the other end", &with(&|p| p[1].file += 1), what);
    cases.refused("nothing", &with(&|p| p[0].len = 0), what);
    cases.refused("more than a page", &with(&|p| p[1].len = 4097), what);
    cases.refused("beyond the end", &with(&|p| p[1].len += 1), what);
    cases.refused("far beyond", &with(&|p| p[1].at = u64::MAX), what);
    cases.refused("overlapping", &with(&|p| p[1].at -= 1), what);
    cases.refused("out of order", &with(&|p| p.swap(0, 1)), what);
    cases.end()
}
