//! Damage that no rule but a checksum can see.

use anyhow::Result;
use ckpt_format::record::{Content, Run};
use ckpt_format::toc::{self, kind};
use ckpt_tests::Random;

use crate::victim::Cases;

#[test]
fn of_every_section() -> Result<()> {
    let mut cases = Cases::new("sums")?;
    let (image, parts) = (cases.image(), cases.parts());
    let laid = parts.lay();
    for entry in &laid.entries {
        if entry.kind == kind::PAGES {
            continue;
        }
        let what = format!("checksum of the {} does not match", toc::name(entry.kind));
        let (at, len) = (usize::try_from(entry.at)?, usize::try_from(entry.len)?);
        for at in [at, at + len / 2, at + len - 1] {
            let mut bad = image.clone();
            bad[at] ^= 0x80;
            cases.refused(&format!("byte {at}: {what}"), &bad, &what);
        }
        let mut bad = laid.clone();
        let n = bad
            .entries
            .iter()
            .position(|e| e.kind == entry.kind)
            .unwrap_or(0);
        bad.entries[n].crc ^= 1;
        cases.refused(&format!("its sum: {what}"), &bad.seal(), &what);
    }
    for at in laid.body.len()..image.len() {
        let mut bad = image.clone();
        bad[at] ^= 1;
        let what = "checksum of the section table does not match";
        cases.refused(&format!("byte {at}: {what}"), &bad, what);
    }
    cases.end()
}

#[test]
fn of_pages() -> Result<()> {
    let mut cases = Cases::new("page-sums")?;
    let (image, parts) = (cases.image(), cases.parts());
    let pages = parts
        .lay()
        .entries
        .into_iter()
        .find(|e| e.kind == kind::PAGES);
    let mut at = usize::try_from(pages.expect("pages").at)?;
    let at_place = |place: u64| format!("checksum of the pages at {place:#x} does not match");
    let runs = parts
        .all::<Run>(kind::RUNS)
        .into_iter()
        .map(|r| (at_place(r.addr), r.pages));
    let contents = parts.all::<Content>(kind::CONTENTS);
    assert!(contents.iter().any(|c| c.of == 0) && contents.iter().any(|c| c.of == 1));
    let deleted = "checksum of the pages of a deleted file does not match";
    let of = |c: &Content| {
        if c.of == 0 {
            deleted.to_owned()
        } else {
            at_place(c.offset)
        }
    };
    let contents = contents.into_iter().map(|c| (of(&c), c.pages));
    for (what, count) in runs.chain(contents) {
        let len = count as usize * 4096;
        for at in [at, at + 1024, at + len - 1] {
            let mut bad = image.clone();
            bad[at] ^= 4;
            cases.refused(&format!("byte {at}"), &bad, &what);
        }
        at += len;
    }
    cases.end()
}

/// No byte of an image is without a meaning: a change to any of them is noticed.
#[test]
fn of_any_byte() -> Result<()> {
    let victim = crate::victim::Victim::new("any-byte")?;
    let mut random = Random::announced("any byte");
    for _ in 0..200 {
        let at = usize::try_from(random.below(victim.image.len() as u64))?;
        let mut bad = victim.image.clone();
        bad[at] ^= 1 << random.below(8);
        let path = victim.file(&bad)?;
        let (status, said) = victim.restore(&path, &[])?;
        let out = victim.scratch.text("out");
        assert!(
            status == Some(125) && said.starts_with("ckpt: error: ") && out == "ready\n",
            "byte {at}: {status:?} {said:?} {out:?}"
        );
    }
    Ok(())
}
