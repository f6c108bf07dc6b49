extern crate std;

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

fn pack(bytes: &[u8], code: usize) -> Vec<u8> {
    let mut ranges = vec![(0, 0); bytes.len() * RANGES];
    let mut to = vec![0; bytes.len() * 2 + 100];
    let mut work = Box::new(Work::NEW);
    let at = work.pack(&mut bytes.to_vec(), code, &mut ranges, &mut to);
    to.split_off(at.unwrap())
}

fn unpack(packed: &[u8], to: &mut [u8], code: usize) -> Option<()> {
    let mut work = Box::new(Work::NEW);
    work.unpack(packed, to, code)
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
        work.unpack(bad, to, 500)
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
    let mut code = vec![0x90; 1 << 19];
    assert_eq!(operands::change(&mut code), Some(()));
    code.push(0x90);
    assert_eq!(operands::change(&mut code), None);
}

#[test]
fn two_calls_of_one_function_look_alike() {
    let mut code = [0x90; 64];
    for at in [8usize, 40] {
        code[at] = 0xe8;
        let distance = 20 - i32::try_from(at).unwrap();
        code[at + 1..at + 5].copy_from_slice(&distance.to_le_bytes());
    }
    operands::change(&mut code).unwrap();
    assert_eq!(code[8..13], code[40..45]);
}

#[test]
fn the_header_is_read_as_it_was_written() {
    let header = Header {
        packed: 1,
        filled: 2,
        memory: 3,
        data: 4,
        code: 5,
        entry: 6,
        relocations: 7,
        relocation_count: 8,
    };
    assert_eq!(Header::read(&header.bytes()), Some(header));
    assert_eq!(Header::read(&header.bytes()[1..]), None);
}
