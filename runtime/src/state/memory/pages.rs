//! Which pages of a mapping hold something.

use crate::error::{Context, Result};
use crate::sys::fs::{self, Fd};
use crate::sys::mm::{self, ScanArg, ScanRegion};

use super::PAGE;

/// Categories of PAGEMAP_SCAN (linux/fs.h).
pub mod is {
    /// The page is the file's own, or of shared memory.
    pub const FILE: u64 = 1 << 2;
    /// In memory.
    pub const PRESENT: u64 = 1 << 3;
    /// In swap.
    pub const SWAPPED: u64 = 1 << 4;
    /// The kernel's page of zeros.
    pub const ZERO: u64 = 1 << 5;
    /// A guard (kernel 6.16).
    pub const GUARD: u64 = 1 << 8;
}

/// /proc/thread-self/pagemap, read by the fastest way this kernel has.
#[derive(Debug)]
pub struct PageMap {
    fd: Fd,
    way: Way,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// PAGEMAP_SCAN that knows of guards.
    Guards,
    /// PAGEMAP_SCAN.
    Scan,
    /// One word a page.
    Words,
}

impl PageMap {
    /// Opens it and finds out what the kernel offers.
    pub fn open() -> Result<Self> {
        let fd = fs::open(c"/proc/thread-self/pagemap", fs::O_RDONLY, 0)
            .or_fail(format_args!("cannot read /proc/thread-self/pagemap"))?;
        let mut map = Self {
            fd,
            way: Way::Guards,
        };
        for way in [Way::Guards, Way::Scan, Way::Words] {
            map.way = way;
            let mut none = [ScanRegion::default(); 1];
            if way == Way::Words || map.scan(0, PAGE, &mut none).is_ok() {
                break;
            }
        }
        Ok(map)
    }

    fn scan(
        &self,
        start: usize,
        end: usize,
        regions: &mut [ScanRegion],
    ) -> crate::sys::SysResult<(usize, usize)> {
        let guard = if self.way == Way::Guards {
            is::GUARD
        } else {
            0
        };
        let mut arg = ScanArg {
            start: start as u64,
            end: end as u64,
            category_anyof_mask: is::PRESENT | is::SWAPPED | guard,
            return_mask: is::PRESENT | is::SWAPPED | is::FILE | is::ZERO | guard,
            ..ScanArg::default()
        };
        let count = mm::scan(self.fd.number(), &mut arg, regions)?;
        Ok((count, arg.walk_end as usize))
    }

    /// Calls `visit(start, end, categories)` for every part of the range that has pages.
    pub fn visit(
        &self,
        start: usize,
        end: usize,
        mut visit: impl FnMut(usize, usize, u64) -> Result<()>,
    ) -> Result<()> {
        if self.way == Way::Words {
            return self.visit_words(start, end, visit);
        }
        let mut regions = [ScanRegion::default(); 128];
        let mut at = start;
        while at < end {
            let (count, walked) = self
                .scan(at, end, &mut regions)
                .or_fail(format_args!("cannot scan the page map"))?;
            for region in regions.get(..count).unwrap_or(&[]) {
                visit(
                    region.start as usize,
                    region.end as usize,
                    region.categories,
                )?;
            }
            at = walked;
        }
        Ok(())
    }

    /// Kernels before 6.7. Bits of a word: 63 in memory, 62 in swap, 61 file or shared, 58 guard
    /// (Documentation/admin-guide/mm/pagemap.rst). Zero pages are found by their contents.
    fn visit_words(
        &self,
        start: usize,
        end: usize,
        mut visit: impl FnMut(usize, usize, u64) -> Result<()>,
    ) -> Result<()> {
        let mut bytes = [0u8; 4096];
        let mut at = start;
        while at < end {
            let pages = ((end - at) / PAGE).min(bytes.len() / 8);
            let room = bytes.get_mut(..pages * 8).unwrap_or(&mut []);
            let got = fs::read_at(self.fd.number(), room, (at / PAGE * 8) as u64)
                .or_fail(format_args!("cannot read the page map"))?;
            if got == 0 {
                break;
            }
            let mut open: Option<(usize, u64)> = None;
            for word in room.get(..got).unwrap_or(&[]).chunks_exact(8) {
                let word = word.try_into().map_or(0, u64::from_le_bytes);
                let bit = |n: u32, category: u64| if word >> n & 1 == 1 { category } else { 0 };
                let now = bit(63, is::PRESENT)
                    | bit(62, is::SWAPPED)
                    | bit(61, is::FILE)
                    | bit(58, is::GUARD);
                let now = if now & (is::PRESENT | is::SWAPPED | is::GUARD) == 0 {
                    0
                } else {
                    now
                };
                if let Some((from, categories)) = open
                    && categories != now
                {
                    if categories != 0 {
                        visit(from, at, categories)?;
                    }
                    open = None;
                }
                if open.is_none() {
                    open = Some((at, now));
                }
                at += PAGE;
            }
            if let Some((from, categories)) = open
                && categories != 0
            {
                visit(from, at, categories)?;
            }
        }
        Ok(())
    }
}
