extern crate std;

use core::mem::offset_of;
use std::boxed::Box;
use std::vec::Vec;
use std::{format, vec};

use super::*;

/// Bytes that are alike in different ways: none, one, a text, noise, much and little repeated, code.
fn samples() -> [Vec<u8>; 7] {
    let mut state = 1u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let text: Vec<u8> = (0..400)
        .flat_map(|n| format!("line {n}\n").into_bytes())
        .collect();
    let noise: Vec<u8> = (0..5000).map(|_| random().to_le_bytes()[0]).collect();
    let few: Vec<u8> = (0..3000).map(|_| random().to_le_bytes()[0] & 3).collect();
    let mut code = Vec::new();
    for _ in 0..500 {
        let number = random().to_le_bytes();
        match number[7] % 4 {
            0 => code.extend([0x48, 0x8b, 0x44, 0x24, number[0]]),
            1 => code.extend([0xe8, number[0], number[1], 0, 0]),
            2 => code.extend([0x0f, 0x84, number[0], 0, 0, 0]),
            _ => code.extend([0x89, 0xc0 | number[0]]),
        }
    }
    [Vec::new(), vec![7], text, noise, vec![9; 70_000], few, code]
}

/// All bytes, or those from a place on.
fn part(at: usize, code: usize, len: usize) -> Part {
    let [at, code, len] = [at, code, len].map(|n| u32::try_from(n).unwrap());
    Part {
        at,
        code,
        len,
        packed: 0,
    }
}

/// Packs a part behind others.
fn pack_part(work: &mut Work, bytes: &[u8], before: &mut [u8], part: Part) -> Vec<u8> {
    let mut ranges = vec![(0, 0); bytes.len() * RANGES];
    let mut to = vec![0; bytes.len() * 2 + 100];
    let at = work.pack(bytes, before, part, &mut ranges, &mut to);
    to.split_off(at.unwrap())
}

fn pack(bytes: &[u8], code: usize) -> Vec<u8> {
    let part = part(0, code, bytes.len());
    let mut bytes = bytes.to_vec();
    change_operands(&mut bytes, part).unwrap();
    let mut unpacked = vec![0; bytes.len()];
    let stream = pack_part(&mut Box::new(Work::NEW), &bytes, &mut unpacked, part);
    assert!(unpacked == bytes);
    stream
}

fn unpack(packed: &[u8], to: &mut [u8], code: usize) -> Option<()> {
    let mut work = Box::new(Work::NEW);
    work.unpack(packed, to, part(0, code, to.len()))?;
    work.restore_operands(to);
    Some(())
}

#[test]
fn what_was_packed_is_unpacked() {
    for (n, sample) in samples().iter().enumerate() {
        for code in [0, sample.len() / 2, sample.len()] {
            let packed = pack(sample, code);
            let mut to = vec![0; sample.len()];
            let done = unpack(&packed, &mut to, code);
            assert_eq!(done, Some(()), "sample {n}, code {code}");
            assert_eq!(&to, sample, "sample {n}, code {code}");
        }
    }
}

#[test]
fn all_machine_code_is_taken() {
    // Each operation with each byte behind it, prefixes before it, and what ends in the middle.
    for half in [0..=127u8, 128..=255] {
        let mut code = Vec::new();
        for operation in half {
            for next in 0..=255u8 {
                code.extend([0x66, 0x48, operation, next, 1, 2, 3]);
                code.extend([0x0f, operation, next, 4, 5, 6, 7, 8]);
            }
        }
        let packed = pack(&code, code.len());
        let mut to = vec![0; code.len()];
        assert_eq!(unpack(&packed, &mut to, code.len()), Some(()));
        assert!(to == code);
    }
}

#[test]
fn what_is_like_what_was_is_small() {
    let [_, _, text, noise, same, ..] = samples();
    let sizes = [&text, &noise, &same].map(|sample| pack(sample, 0).len());
    assert!(sizes[0] < text.len() / 5, "{sizes:?}");
    assert!(sizes[1] < noise.len() + noise.len() / 50, "{sizes:?}");
    assert!(sizes[2] < 400, "{sizes:?}");
}

#[test]
fn damaged_streams_end_in_an_error_or_in_other_bytes() {
    let sample = &samples()[2][..1000];
    let packed = pack(sample, 500);
    let mut work = Box::new(Work::NEW);
    let mut try_it = |bad: &[u8], to: &mut [u8]| {
        *work = Work::NEW;
        work.unpack(bad, to, part(0, 500, to.len()))
    };
    for at in 0..packed.len() * 8 {
        let mut bad = packed.clone();
        bad[at / 8] ^= 1 << (at % 8);
        let mut to = vec![0; sample.len()];
        if try_it(&bad, &mut to).is_some() {
            assert_ne!(&to, sample, "bit {at}");
        }
    }
    for len in 0..packed.len() {
        let mut to = vec![0; sample.len()];
        assert_eq!(try_it(&packed[..len], &mut to), None, "{len}");
    }
    for len in [sample.len() - 1, sample.len() + 1] {
        assert_eq!(try_it(&packed, &mut vec![0; len]), None, "{len}");
    }
}

#[test]
fn operands_come_back_whatever_they_were() {
    for sample in samples() {
        let code: Vec<u8> = sample.iter().map(|b| b | 0xe8).collect();
        let packed = pack(&code, code.len());
        let mut to = vec![0; code.len()];
        unpack(&packed, &mut to, code.len()).unwrap();
        assert!(to == code);
    }
    // At the end of the code an operand may be cut off, and there may be data behind it.
    for len in 1..12 {
        for number in [0, 1, -1, 0x1234_5678, i32::MAX, i32::MIN] {
            let mut code = [0x90, 0xe8, 0, 0, 0, 0, 0x0f, 0x85, 1, 2, 3, 4];
            code[2..6].copy_from_slice(&number.to_le_bytes());
            let packed = pack(&code, len);
            let mut to = [0; 12];
            unpack(&packed, &mut to, len).unwrap();
            assert_eq!(to, code, "{number} {len}");
        }
    }
}

#[test]
fn there_is_a_limit_to_machine_code() {
    let mut code = vec![0x90; (1 << 19) + 1];
    assert_eq!(change_operands(&mut code, part(1, 1 << 19, 1 << 19)), None);
    let fits = part(1, (1 << 19) - 1, 1 << 19);
    assert_eq!(change_operands(&mut code, fits), Some(()));
}

#[test]
fn parts_are_unpacked_behind_those_that_they_were_packed_behind() {
    let [.., code] = samples();
    let (a, b) = (code.len() / 3, code.len() * 2 / 3);
    let parts = [
        part(0, a, a),
        part(a, b - a, b - a),
        part(b, code.len() - b - 1, code.len() - b),
    ];
    let mut bytes = code.clone();
    for part in parts {
        change_operands(&mut bytes, part).unwrap();
    }
    let mut work = Box::new(Work::NEW);
    let mut unpacked = vec![0; code.len()];
    let mut streams = vec![pack_part(&mut work, &bytes, &mut unpacked, parts[0])];
    for part in &parts[1..] {
        // Each of them behind the first alone.
        let (mut work, mut unpacked) = (work.clone(), unpacked.clone());
        streams.push(pack_part(&mut work, &bytes, &mut unpacked, *part));
    }
    for n in [1, 2] {
        let mut work = Box::new(Work::NEW);
        let mut to = vec![0; code.len()];
        for n in [0, n] {
            assert_eq!(work.unpack(&streams[n], &mut to, parts[n]), Some(()));
        }
        work.restore_operands(&mut to);
        let (start, _, end) = parts[n].places();
        assert!(
            to[..a] == code[..a] && to[start..end] == code[start..end],
            "{n}"
        );
    }
}

#[test]
fn two_calls_of_one_function_look_alike() {
    let mut code = [0x90; 64];
    for at in [8usize, 40] {
        code[at] = 0xe8;
        let distance = 20 - i32::try_from(at).unwrap();
        code[at + 1..at + 5].copy_from_slice(&distance.to_le_bytes());
    }
    change_operands(&mut code, part(0, 64, 64)).unwrap();
    assert_eq!(code[8..13], code[40..45]);
}

#[test]
fn the_header_is_written_as_it_is_in_memory() {
    let part = |n| Part {
        at: n,
        code: n + 1,
        len: n + 2,
        packed: n + 3,
    };
    let header = Header {
        packed: 0,
        memory: 1,
        data: 2,
        relocations: 3,
        relocation_count: 4,
        entries: [5, 6, 7],
        parts: [8, 12, 16, 20, 24, 28].map(part),
    };
    let bytes = header.bytes();
    let (words, rest) = bytes.as_chunks::<4>();
    assert!(rest.is_empty());
    for (n, word) in (0u32..).zip(words) {
        assert_eq!(*word, n.to_le_bytes());
    }
    assert_eq!(offset_of!(Header, entries), 20);
    assert_eq!(offset_of!(Header, parts), 32);
    assert_eq!(offset_of!(Part, packed), 12);
}
