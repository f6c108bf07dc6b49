//! Records: how many, how long; below, a file for each area, values that none can have.

mod children;
mod events;
mod files;
mod ipc;
mod pipes;
mod process;
mod rights;
mod signals;
mod sockets;
mod terminals;
mod threads;

use anyhow::Result;
use ckpt_format::limits;
use ckpt_format::record::File;
use ckpt_format::toc::{self, kind};
use ckpt_tests::image::{Parts, list};

use crate::victim::Cases;

static LONG: [u8; limits::PATH + 1] = [b'/'; limits::PATH + 1];
static LONG_NAME: [u8; limits::UTS + 1] = [b'n'; limits::UTS + 1];

/// Sections that are a list, with the most records each may have.
const LISTS: [(u32, u32); 27] = [
    (kind::VMAS, limits::VMAS),
    (kind::RUNS, limits::RUNS),
    (kind::THREADS, limits::THREADS),
    (kind::PLACES, limits::THREADS),
    (kind::ACTIONS, 64),
    (kind::PENDING, limits::PENDING),
    (kind::FILES, limits::DESCRIPTORS),
    (kind::DESCRIPTORS, limits::DESCRIPTORS),
    (kind::CONTENTS, limits::RUNS),
    (kind::GUARDS, limits::VMAS),
    (kind::LOCKS, limits::LOCKS),
    (kind::PACKETS, limits::PACKETS),
    (kind::WATCHES, limits::WATCHES),
    (kind::QUEUED, limits::MESSAGES),
    (kind::SEGMENTS, limits::VMAS),
    (kind::ADJUSTMENTS, limits::ADJUSTMENTS),
    (kind::NOTICES, limits::WATCHES),
    (kind::POSIX_TIMERS, limits::POSIX_TIMERS),
    (kind::TIMERFDS, limits::DESCRIPTORS),
    (kind::SOCKETS, limits::DESCRIPTORS),
    (kind::SOCKET_OPTIONS, limits::OPTIONS),
    (kind::MESSAGES, limits::MESSAGES),
    (kind::RIGHTS, limits::DESCRIPTORS),
    (kind::TERMINALS, limits::DESCRIPTORS),
    (kind::ENDED, limits::THREADS),
    (kind::POLICIES, limits::VMAS),
    (kind::OWN_DESCRIPTORS, limits::DESCRIPTORS),
];

fn count(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |n| u32::from_le_bytes(*n))
}

#[test]
fn counts_and_lengths() -> Result<()> {
    let mut cases = Cases::new("counts")?;
    // What the good image has none of: how many there are is looked at before what they are.
    let parts = cases
        .parts()
        .with(kind::ADJUSTMENTS, |b| {
            list(b, |all| all.push(ipc::ADJUSTMENT))
        })
        .with(kind::PLACES, |b| list(b, |all| all.push(threads::PLACE)))
        .with(kind::OWN_DESCRIPTORS, |b| {
            list(b, |all| all.push(threads::OWN))
        });
    for (kind, limit) in LISTS {
        let name = toc::name(kind);
        let with_count = |n: u32| {
            parts.with(kind, |bytes| {
                let mut bytes = bytes.to_vec();
                bytes[..4].copy_from_slice(&n.to_le_bytes());
                bytes
            })
        };
        let there = count(parts.bytes(kind));
        assert!(there > 0, "the good image has no {name}");
        let not = format!("section {name} does not decode");
        let many = format!("too many {name}");
        cases.refused(
            &format!("{name}: one less"),
            &with_count(there - 1).build(),
            &not,
        );
        cases.refused(&format!("{name}: none"), &with_count(0).build(), &not);
        let more = if there < limit { &not } else { &many };
        cases.refused(
            &format!("{name}: one more"),
            &with_count(there + 1).build(),
            more,
        );
        cases.refused(
            &format!("{name}: limit"),
            &with_count(limit + 1).build(),
            &many,
        );
        cases.refused(
            &format!("{name}: most"),
            &with_count(u32::MAX).build(),
            &many,
        );
    }
    for kind in toc::ALL.into_iter().filter(|kind| *kind != kind::PAGES) {
        let not = format!("section {} does not decode", toc::name(kind));
        let whole = parts.bytes(kind).len();
        let lens = [0, 1, 3, 4, whole / 2, whole - 1];
        for len in lens.into_iter().filter(|&len| len < whole) {
            let cut = parts.with(kind, |bytes| bytes[..len].to_vec());
            cases.refused(&format!("{not}: {len} bytes"), &cut.build(), &not);
        }
        let long = parts.with(kind, |bytes| [bytes, &[0]].concat());
        cases.refused(&format!("{not}: one more"), &long.build(), &not);
    }
    cases.end()
}

/// The number of the first open file of a kind, of which the good image has one.
fn first_of(parts: &Parts, kind: u32) -> usize {
    let files: Vec<File<'_>> = parts.all(kind::FILES);
    let first = files.iter().position(|f| f.kind == kind);
    first.unwrap_or_else(|| panic!("the good image has no open file of kind {kind}"))
}

fn files_with(parts: &Parts, n: usize, change: impl FnOnce(&mut File<'_>)) -> Vec<u8> {
    parts
        .with(kind::FILES, |b| {
            list(b, |f: &mut Vec<File<'_>>| change(&mut f[n]))
        })
        .build()
}
