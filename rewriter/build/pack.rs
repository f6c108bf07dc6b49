//! The body, packed.

use ckpt_packed::{Header, RANGES, Work};

use crate::flat::Flat;

/// Header and stream, as `ckpt_packed` describes them.
pub(crate) fn pack(body: &Flat) -> Vec<u8> {
    let mut bytes = body.image[..body.filled].to_vec();
    let mut ranges = vec![(0, 0); bytes.len() * RANGES];
    let mut stream = vec![0; bytes.len() * 2];
    let mut work = Box::new(Work::NEW);
    let at = work.pack(&mut bytes, body.code, &mut ranges, &mut stream);
    let stream = stream.split_off(at.expect("a body does not get larger"));
    let word = |n: usize| u32::try_from(n).expect("the runtime is small");
    let (relocations, count) = body.relocations;
    let header = Header {
        packed: word(stream.len()),
        filled: word(body.filled),
        memory: word(body.image.len()),
        data: word(body.data),
        code: word(body.code),
        entry: word(body.entry),
        relocations: word(relocations),
        relocation_count: word(count),
    };
    [&header.bytes(), &stream[..]].concat()
}
