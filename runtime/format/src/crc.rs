//! CRC-32C (Castagnoli), the checksum of all of an image.
//!
//! The definition is that of RFC 3720, appendix B.4: reflected polynomial `0x82f63b78`, initial
//! value and final exclusive-or all ones. This table version is the reference; the runtime has one
//! that uses the processor's `crc32` instruction and agrees with it.

const POLY: u32 = 0x82f6_3b78;

/// By half a byte: a table by the byte is twice as fast and takes a kibibyte of every program. What
/// there is much of, pages, is not summed with it where the processor can.
const TABLE: [u32; 16] = {
    let mut table = [0u32; 16];
    let mut rest: &mut [u32] = &mut table;
    let mut n: u32 = 0;
    while let [first, tail @ ..] = rest {
        let mut c = n;
        let mut k = 0u8;
        while k < 4 {
            c = if c & 1 == 1 { (c >> 1) ^ POLY } else { c >> 1 };
            k = k.saturating_add(1);
        }
        *first = c;
        n = n.saturating_add(1);
        rest = tail;
    }
    table
};

/// Takes `data` into a running state; start with `!0` and invert at the end.
#[must_use]
pub fn update(state: u32, data: &[u8]) -> u32 {
    let half = |c: u32| {
        let [low, ..] = c.to_le_bytes();
        let entry = TABLE.get(usize::from(low & 15)).copied().unwrap_or(0);
        (c >> 4) ^ entry
    };
    data.iter()
        .fold(state, |c, &byte| half(half(c ^ u32::from(byte))))
}

/// The checksum of `data`.
#[must_use]
pub fn crc32c(data: &[u8]) -> u32 {
    !update(!0, data)
}

/// The checksum of a page run: four lanes, so that a processor can work on four at once.
///
/// Lane *i* is the CRC-32C of the *i*-th kibibyte of every page, in order; the checksum is the
/// CRC-32C of the four lanes as little-endian numbers. `data` is whole pages of 4096 bytes.
#[must_use]
pub fn pages(data: &[u8]) -> u32 {
    let mut lanes = [!0u32; 4];
    for page in data.chunks_exact(4096) {
        for (lane, quarter) in lanes.iter_mut().zip(page.chunks_exact(1024)) {
            *lane = update(*lane, quarter);
        }
    }
    fold_lanes(lanes)
}

/// The last step of [`pages`]: running lane states to the checksum.
#[must_use]
pub fn fold_lanes(lanes: [u32; 4]) -> u32 {
    let state = lanes
        .iter()
        .fold(!0, |c, lane| update(c, &(!lane).to_le_bytes()));
    !state
}

#[cfg(test)]
mod tests {
    use super::{crc32c, pages};

    #[test]
    fn known_answers() {
        // RFC 3720, B.4.
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn lanes_see_every_byte() {
        let mut data = [7u8; 4096];
        let whole = pages(&data);
        for at in [0, 1023, 1024, 2047, 3072, 4095] {
            if let Some(byte) = data.get_mut(at) {
                *byte ^= 1;
            }
            assert_ne!(pages(&data), whole, "byte {at}");
            if let Some(byte) = data.get_mut(at) {
                *byte ^= 1;
            }
        }
    }
}
