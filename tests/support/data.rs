//! Reproducible data.

/// A small generator of numbers (splitmix64): the same seed, the same numbers, everywhere.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// From a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// From the clock, or from `CKPT_TEST_SEED` to repeat a run; says which on standard error.
    pub fn announced(label: &str) -> Self {
        let seed = std::env::var("CKPT_TEST_SEED")
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or_else(|| {
                std::time::SystemTime::now()
                    .duration_since(std::time::UNIX_EPOCH)
                    .map_or(1, |now| u64::from(now.subsec_nanos()) ^ now.as_secs())
            });
        eprintln!("{label}: CKPT_TEST_SEED={seed}");
        Self(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// A number below the bound.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.number() % bound
    }
}

/// Bytes that do not compress.
pub fn random_bytes(length: usize, seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        bytes.extend_from_slice(&random.number().to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Lines of made-up words: text that compresses and sorts as text does.
pub fn words(length: usize, seed: u64) -> Vec<u8> {
    const PARTS: [&str; 16] = [
        "ba", "ke", "li", "mo", "nu", "ra", "sto", "ti", "ve", "wa", "xe", "zo", "ing", "er", "th",
        "qu",
    ];
    let mut random = Random::new(seed);
    let mut text = String::with_capacity(length + 64);
    while text.len() < length {
        let mut bits = random.number();
        for _ in 0..(2 + bits % 4) {
            for _ in 0..3 {
                bits >>= 4;
                text.push_str(PARTS[usize::try_from(bits % 16).unwrap_or(0)]);
            }
            text.push(' ');
        }
        text.push('\n');
    }
    text.into_bytes()
}
