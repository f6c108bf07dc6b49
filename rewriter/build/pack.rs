//! The body, packed.

use ckpt_packed::{Header, PARTS, RANGES, WAYS, Work, change_operands};

use crate::flat::Flat;
use crate::link::Linked;

/// Header and streams, as `ckpt_packed` describes them; `text` is the resident part's code.
pub(crate) fn pack(body: &Linked, flat: &Flat, text: &[u8]) -> Vec<u8> {
    let mut parts = body.parts;
    let mut bytes = flat.image.clone();
    for part in parts {
        change_operands(&mut bytes, part).expect("a body is not that large");
    }
    let mut ranges = vec![(0, 0); bytes.len() * RANGES];
    let mut streams = Vec::new();
    // What both sides know when they have a part: what they have learned, and the bytes.
    let mut known: Vec<(Box<Work>, Vec<u8>)> = Vec::new();
    for (n, part) in parts.iter_mut().enumerate() {
        let (mut work, mut unpacked) = match before(n) {
            Some(other) => known[other].clone(),
            None => {
                assert!(
                    text.len() <= part.len as usize,
                    "what is learned from is written over"
                );
                let (mut work, mut unpacked) = (Box::new(Work::NEW), vec![0; bytes.len()]);
                work.learn(text, &mut unpacked).expect("there is room");
                (work, unpacked)
            }
        };
        let mut stream = vec![0; bytes.len() * 2];
        let at = work.pack(&bytes, &mut unpacked, *part, &mut ranges, &mut stream);
        let stream = stream.split_off(at.expect("a body does not get larger"));
        part.packed = word(stream.len());
        streams.extend(stream);
        known.push((work, unpacked));
    }
    let (relocations, count) = flat.relocations;
    let header = Header {
        packed: word(streams.len()),
        memory: word(flat.image.len()),
        data: word(flat.data),
        relocations: word(relocations),
        relocation_count: word(count),
        entries: body.entries,
        parts,
    };
    [&header.bytes(), &streams[..]].concat()
}

/// A number of the header.
pub(crate) fn word(n: usize) -> u32 {
    u32::try_from(n).expect("the runtime is small")
}

/// The part that is unpacked right before another one: the same on all ways that it is on.
fn before(part: usize) -> Option<usize> {
    let has = |way: &u8, n: usize| way >> n & 1 != 0;
    let ways = WAYS.iter().filter(|way| has(way, part));
    let mut before = ways.map(|way| (0..part).rev().find(|n| has(way, *n)));
    let first = before.next().expect("each part is of use");
    assert!(before.all(|other| other == first), "part {part} of {PARTS}");
    first
}
