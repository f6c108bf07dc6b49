//! Good images, but of another machine, another program or another user.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};

use anyhow::{Result, ensure};
use ckpt_format::record::{Machine, Program};
use ckpt_format::toc::kind;
use ckpt_tests::image::{Parts, single};
use ckpt_tests::is_root;

use crate::victim::{Cases, Victim};

fn machine(parts: &Parts, change: impl FnOnce(&mut Machine<'_>)) -> Vec<u8> {
    parts.with(kind::MACHINE, |b| single(b, change)).build()
}

/// Instructions that a processor may have: word of the record, bit, name. No processor has all of them.
const FEATURES: [(usize, u32, &str); 10] = [
    (0, 22, "movbe"),
    (0, 30, "rdrand"),
    (2, 16, "avx512f"),
    (2, 26, "avx512pf"),
    (2, 27, "avx512er"),
    (4, 2, "avx512-4vnniw"),
    (4, 3, "avx512-4fmaps"),
    (6, 11, "xop"),
    (6, 16, "fma4"),
    (6, 21, "tbm"),
];

#[test]
fn another_processor() -> Result<()> {
    let mut cases = Cases::new("processor")?;
    let parts = cases.parts();
    let here: Machine<'_> = parts.one(kind::MACHINE);
    let mut tried = 0;
    for (word, bit, name) in FEATURES {
        if here.cpuid[word] >> bit & 1 == 1 {
            let without = machine(&parts, |m| m.cpuid[word] &= !(1 << bit));
            cases.restores(&format!("made without {name}"), &without);
        } else {
            let what = format!("this processor lacks {name}, which the image's had");
            let bad = machine(&parts, |m| m.cpuid[word] |= 1 << bit);
            cases.refused_with(name, &bad, &what);
            tried += 1;
        }
    }
    ensure!(tried > 0, "this processor has everything");
    for (bit, name) in [
        (2, "AVX registers"),
        (6, "AVX-512 registers"),
        (9, "protection keys"),
    ] {
        let bad = machine(&parts, |m| m.xcr0 |= 1 << bit);
        if here.xcr0 >> bit & 1 == 0 {
            let what = format!("this system does not offer {name}, which the image's did");
            cases.refused_with(name, &bad, &what);
        }
    }
    let len = here.xsave_len;
    let larger = machine(&parts, |m| m.xsave_len += 64);
    let what = format!(
        "the image's register state has {} bytes, this system takes {len}",
        len + 64
    );
    cases.refused_with("larger register state", &larger, &what);
    // Who and which kernel it was is for people.
    let other = machine(&parts, |m| (m.host, m.release) = (b"elsewhere", b"4.4.0"));
    cases.restores("another host", &other);
    cases.end()
}

#[test]
fn another_program() -> Result<()> {
    let mut cases = Cases::new("identity")?;
    let parts = cases.parts();
    let program: Program<'_> = parts.one(kind::PROGRAM);
    let exe = String::from_utf8_lossy(program.exe).into_owned();
    let what = format!("image of another program ({exe})");
    for at in [0, 15, 31] {
        let mut other = parts.clone();
        other.header.identity[at] ^= 1;
        cases.refused(&format!("byte {at} of the identity"), &other.build(), &what);
    }
    cases.end()
}

#[test]
fn another_user() -> Result<()> {
    if !is_root() {
        eprintln!("not root: no image can be given to another user");
        return Ok(());
    }
    let victim = Victim::new("owner")?;
    let path = victim.file(&victim.image)?;
    chown(&path, Some(1), Some(1))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644))?;
    let shown = path.display();
    let line = format!(
        "{shown}: belongs to user 1, not to you (65534); restoring runs what is in it: \
         --force if you trust it"
    );
    victim.refused_file(&path, &line)?;
    let (status, said) = victim.restore(&path, &["--force"])?;
    victim.passed(status, &said)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
    victim.refused_file(&path, &format!("cannot open {shown}: permission denied"))
}
