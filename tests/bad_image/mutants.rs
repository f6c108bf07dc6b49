//! Images with random damage that no checksum sees: all checksums are right. Whatever comes of them, it comes
//! of rules that were checked, not of a reader led astray.

use anyhow::{Result, ensure};
use ckpt_format::header::Header;
use ckpt_format::sections::Sections;
use ckpt_format::toc::{self, Table, kind};
use ckpt_tests::Random;
use ckpt_tests::image::Parts;

use crate::victim::Victim;

/// What a restore says when it is about to give up the restoring process, and not before.
const STAGED: &str = "ckpt: everything is checked and staged";

/// Values that are likelier than others to be on the edge of something.
const EDGES: [u64; 14] = [
    0,
    1,
    2,
    255,
    4095,
    4096,
    65_536,
    (1 << 31) - 1,
    1 << 31,
    u32::MAX as u64,
    (1 << 47) - 4096,
    1 << 47,
    i64::MAX as u64,
    u64::MAX,
];

/// One section with up to three places changed.
fn mutant(parts: &Parts, random: &mut Random) -> Parts {
    let kinds: Vec<u32> = toc::ALL.into_iter().filter(|k| *k != kind::PAGES).collect();
    let pick = |random: &mut Random, bound: usize| {
        usize::try_from(random.below(bound as u64)).unwrap_or(0)
    };
    let kind = kinds[pick(random, kinds.len())];
    parts.with(kind, |bytes| {
        let mut bytes = bytes.to_vec();
        for _ in 0..=random.below(3) {
            let at = pick(random, bytes.len());
            match random.below(4) {
                0 => bytes[at] = random.number().to_le_bytes()[0],
                1 => bytes[at] ^= 1 << random.below(8),
                2 => {
                    let value = EDGES[pick(random, EDGES.len())].to_le_bytes();
                    let at = at & !3;
                    let end = bytes.len().min(at + [4, 8][pick(random, 2)]);
                    let len = end - at;
                    bytes[at..end].copy_from_slice(&value[..len]);
                }
                _ => {
                    // A piece of the section over another.
                    let from = pick(random, bytes.len());
                    let len = pick(random, 64).min(bytes.len() - at.max(from));
                    bytes.copy_within(from..from + len, at);
                }
            }
        }
        bytes
    })
}

/// What the format's own checks say.
fn judged(parts: &Parts) -> bool {
    let file = parts.build();
    let Ok(header) = Header::decode(&file) else {
        return false;
    };
    let at = usize::try_from(header.table_at).unwrap_or(usize::MAX);
    let Some(Ok(table)) = file.get(at..).map(|bytes| Table::decode(&header, bytes)) else {
        return false;
    };
    let mut sections = Sections::default();
    for section in parts.sections.iter().filter(|s| s.kind != kind::PAGES) {
        let put = table
            .get(section.kind)
            .and_then(|entry| sections.put(&entry, &section.bytes));
        if put.is_err() {
            return false;
        }
    }
    sections.check(&table).is_ok()
}

/// Without the pages, so that the many mutants are made and summed quickly.
fn metadata(parts: &Parts) -> Parts {
    parts.with(kind::PAGES, |_| Vec::new())
}

/// The checks neither panic nor overflow nor run on for ever, and most damage is seen by them.
#[test]
fn are_judged() -> Result<()> {
    let victim = Victim::new("judged")?;
    let small = metadata(&victim.parts);
    let mut random = Random::announced("mutants");
    for _ in 0..5_000 {
        // The pages are missing, so none can be right as a whole.
        ensure!(
            !judged(&mutant(&small, &mut random)),
            "pages that are not there"
        );
    }
    Ok(())
}

/// `CKPT_TEST_MUTANTS` says how many, if not 250.
///
/// Whatever the checks let through, the restorer itself does not crash on it: it refuses with status 125 and one
/// line, or it has staged everything. What a program with other state does then is its own affair.
#[test]
fn are_restored_or_refused() -> Result<()> {
    let victim = Victim::new("mutants")?;
    let mut random = Random::announced("mutants");
    let (mut refused, mut staged) = (0, 0);
    let count = std::env::var("CKPT_TEST_MUTANTS").ok();
    let count = count.and_then(|n| n.parse().ok()).unwrap_or(250);
    for _ in 0..count {
        let bad = mutant(&victim.parts, &mut random);
        let passes = judged(&bad);
        let path = victim.file(&bad.build())?;
        let (status, said) = victim.restore_at_most(&path, &["--log", "debug"])?;
        let errors: Vec<&str> = said
            .lines()
            .filter(|line| line.starts_with("ckpt: error: "))
            .collect();
        if said.contains(STAGED) {
            ensure!(passes, "staged what the format's checks refuse: {said}");
            staged += 1;
        } else {
            ensure!(
                status == Some(125) && errors.len() == 1,
                "{status:?} {said:?}; the image is {}",
                path.display()
            );
            ensure!(victim.scratch.text("out") == "ready\n", "the program ran");
            refused += 1;
        }
    }
    eprintln!("{refused} refused, {staged} staged");
    ensure!(refused > count / 20, "hardly any was refused");
    Ok(())
}
