//! CRC-32C at the processor's speed, the same values as `ckpt_format::crc`.
#![expect(unsafe_code, reason = "uses instructions that must be asked for first")]

use ckpt_format::crc;

use crate::arch::cpu;

/// Bytes of a page.
const PAGE: usize = 4096;

/// The checksum of a page run whose pages come one at a time.
#[derive(Clone, Copy, Debug)]
pub struct PageCrc {
    lanes: [u64; 4],
    fast: bool,
}

impl PageCrc {
    /// No pages yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            lanes: [0xffff_ffff; 4],
            fast: cpu::has_crc32(),
        }
    }

    /// Takes whole pages in.
    pub fn update(&mut self, data: &[u8]) {
        let (pages, _) = data.as_chunks::<PAGE>();
        for page in pages {
            if self.fast {
                // SAFETY: the instruction is there.
                unsafe { cpu::crc_page(&mut self.lanes, page) };
            } else {
                for (lane, quarter) in self.lanes.iter_mut().zip(page.chunks_exact(1024)) {
                    *lane = u64::from(crc::update(*lane as u32, quarter));
                }
            }
        }
    }

    /// The checksum.
    #[must_use]
    pub fn finish(self) -> u32 {
        crc::fold_lanes(self.lanes.map(|lane| lane as u32))
    }
}

impl Default for PageCrc {
    fn default() -> Self {
        Self::new()
    }
}
