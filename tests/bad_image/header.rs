//! The header, a field at a time, and files of every length.

use anyhow::Result;
use ckpt_format::crc::crc32c;
use ckpt_format::header::LEN;
use ckpt_tests::Random;

use crate::victim::Cases;

const LENGTH: &str = "truncated or extended: length differs from the header's";

/// With these bytes at `at`, and the header's checksum made anew.
fn header_with(image: &[u8], at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut image = image.to_vec();
    image[at..at + bytes.len()].copy_from_slice(bytes);
    let sum = crc32c(&image[..124]);
    image[124..LEN].copy_from_slice(&sum.to_le_bytes());
    image
}

#[test]
fn every_bit_of_magic_and_version() -> Result<()> {
    let mut cases = Cases::new("magic")?;
    let image = cases.image();
    for at in 0..8 {
        for bit in [0, 7] {
            let mut bad = image.clone();
            bad[at] ^= 1 << bit;
            cases.refused(&format!("byte {at}"), &bad, "not an image (magic number)");
        }
    }
    // The version is looked at before the checksum, whose place and kind another version may have changed.
    for major in [0, 2, 3, 255, 256, u16::MAX] {
        let mut bad = image.clone();
        bad[8..10].copy_from_slice(&major.to_le_bytes());
        let what = format!("image format {major} is not supported, this program reads format 1");
        cases.refused(&format!("major version {major}"), &bad, &what);
    }
    cases.end()
}

#[test]
fn every_byte_is_summed() -> Result<()> {
    let mut cases = Cases::new("header-sum")?;
    let image = cases.image();
    for at in 10..LEN {
        let mut bad = image.clone();
        bad[at] ^= 0x10;
        let what = "checksum of the header does not match";
        cases.refused(&format!("byte {at}"), &bad, what);
    }
    cases.end()
}

#[test]
fn every_field() -> Result<()> {
    let mut cases = Cases::new("header")?;
    let image = cases.image();
    let field = |name: &str| format!("unsupported value in header field {name}");
    let sum = "checksum of the section table does not match".to_owned();
    let len = image.len() as u64;
    let table_at = u64::from_le_bytes(image[40..48].try_into()?);
    let (none, most) = (0u64.to_le_bytes(), u64::MAX.to_le_bytes());
    let bad: Vec<(&str, usize, Vec<u8>, String)> = vec![
        ("short header", 12, vec![127], field("header length")),
        ("long header", 12, vec![129], field("header length")),
        ("flag", 16, vec![1], field("flags")),
        ("highest flag", 19, vec![0x80], field("flags")),
        ("no page size", 20, vec![0; 4], field("page size")),
        ("large pages", 20, vec![0, 0, 1, 0], field("page size")),
        ("32-bit machine", 24, vec![3], field("machine")),
        ("AArch64", 24, vec![183], field("machine")),
        ("reserved", 26, vec![1], field("reserved")),
        ("reserved", 27, vec![1], field("reserved")),
        ("no sections", 28, vec![0; 4], field("section count")),
        ("65 sections", 28, vec![65], field("section count")),
        ("many sections", 28, vec![255; 4], field("section count")),
        ("a section less", 28, vec![image[28] - 1], LENGTH.to_owned()),
        ("a section more", 28, vec![image[28] + 1], LENGTH.to_owned()),
        ("file length 0", 32, none.to_vec(), LENGTH.to_owned()),
        (
            "file length",
            32,
            (len - 1).to_le_bytes().to_vec(),
            LENGTH.to_owned(),
        ),
        (
            "file length",
            32,
            (len + 1).to_le_bytes().to_vec(),
            LENGTH.to_owned(),
        ),
        ("file length", 32, most.to_vec(), LENGTH.to_owned()),
        ("table at 0", 40, none.to_vec(), LENGTH.to_owned()),
        (
            "table",
            40,
            (table_at - 32).to_le_bytes().to_vec(),
            LENGTH.to_owned(),
        ),
        (
            "table",
            40,
            (table_at + 1).to_le_bytes().to_vec(),
            LENGTH.to_owned(),
        ),
        (
            "table",
            40,
            (u64::MAX - 511).to_le_bytes().to_vec(),
            LENGTH.to_owned(),
        ),
        ("table", 40, most.to_vec(), LENGTH.to_owned()),
        ("table's checksum", 104, vec![image[104] ^ 1], sum),
        ("reserved", 108, vec![1], field("reserved")),
        ("reserved", 123, vec![1], field("reserved")),
    ];
    for (name, at, bytes, what) in bad {
        let name = format!("{name} at {at}: {bytes:?}");
        cases.refused(&name, &header_with(&image, at, &bytes), &what);
    }
    // A larger minor version only adds what may be ignored; name and date decide nothing.
    for (name, at) in [("minor version", 10), ("uuid", 48), ("date", 96)] {
        cases.restores(name, &header_with(&image, at, &[7]));
    }
    cases.end()
}

#[test]
fn every_length() -> Result<()> {
    let mut cases = Cases::new("lengths")?;
    let image = cases.image();
    for len in 0..LEN {
        let what = "too short to be an image";
        cases.refused(&format!("{len} bytes"), &image[..len], what);
    }
    cases.refused("7 other bytes", b"#!/bin/", "not an image (magic number)");
    let mut lengths = vec![LEN, LEN + 1, 4095, 4096, 4097, image.len() - 1];
    for entry in cases.parts().lay().entries {
        let (start, end) = (
            usize::try_from(entry.at)?,
            usize::try_from(entry.at + entry.len)?,
        );
        lengths.extend([start - 1, start, start + 1, end - 1, end]);
    }
    for n in 1..16 {
        lengths.push(image.len() - n * 32);
    }
    let mut random = Random::new(1);
    for _ in 0..100 {
        lengths.push(usize::try_from(random.below(image.len() as u64))?.max(LEN));
    }
    for len in lengths {
        cases.refused(&format!("{len} bytes"), &image[..len], LENGTH);
    }
    for more in [1, 32, 4096] {
        let mut long = image.clone();
        long.resize(image.len() + more, 0);
        cases.refused(&format!("{more} bytes more"), &long, LENGTH);
    }
    cases.end()
}
