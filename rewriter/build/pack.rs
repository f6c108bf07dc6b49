//! The body, packed.

use ckpt_packed::{Header, change_operands};
use zopfli::{BlockType, DeflateEncoder, Options};

use crate::flat::Flat;

/// Header and stream, as `ckpt_packed` describes them.
pub(crate) fn pack(body: &Flat) -> Vec<u8> {
    let mut bytes = body.image[..body.filled].to_vec();
    change_operands(&mut bytes[..body.code]);
    let options = Options {
        iteration_count: 15.try_into().expect("not zero"),
        ..Options::default()
    };
    let mut encoder = DeflateEncoder::new(options, BlockType::Dynamic, Vec::new());
    std::io::copy(&mut &bytes[..], &mut encoder).expect("memory can be written to");
    let stream = encoder.finish().expect("memory can be written to");
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
