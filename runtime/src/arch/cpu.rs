//! What the processor tells, and its instructions for checksums and segment bases.
#![expect(unsafe_code, reason = "instructions without a safe form")]

use core::arch::x86_64::{__cpuid_count, _xgetbv};

/// One register of a CPUID leaf, 0 eax to 3 edx; zero for a leaf the processor does not have.
#[must_use]
pub fn cpuid(leaf: u32, subleaf: u32, register: u8) -> u32 {
    let top = __cpuid_count(leaf & 0x8000_0000, 0).eax;
    if leaf > top {
        return 0;
    }
    let r = __cpuid_count(leaf, subleaf);
    match register {
        0 => r.eax,
        1 => r.ebx,
        2 => r.ecx,
        _ => r.edx,
    }
}

/// Bit 27 of CPUID 1 ecx: the system has enabled xsave.
const OSXSAVE: u32 = 1 << 27;
/// Bit 20 of CPUID 1 ecx.
const SSE42: u32 = 1 << 20;

/// Extended control register 0; the x87 and SSE bits alone where there is none.
#[must_use]
pub fn xcr0() -> u64 {
    if cpuid(1, 0, 2) & OSXSAVE == 0 {
        return 3;
    }
    // SAFETY: the instruction exists, as just asked.
    unsafe { xgetbv() }
}

#[target_feature(enable = "xsave")]
fn xgetbv() -> u64 {
    // SAFETY: register 0 exists wherever the instruction does.
    unsafe { _xgetbv(0) }
}

/// Bytes of extended state that a signal frame holds here (CPUID 0xd, ebx); 512 without xsave.
#[must_use]
pub fn xsave_len() -> u32 {
    if cpuid(1, 0, 2) & OSXSAVE == 0 { 512 } else { cpuid(0xd, 0, 1) }
}

/// True if the `crc32` instruction is there.
#[must_use]
pub fn has_crc32() -> bool {
    cpuid(1, 0, 2) & SSE42 != 0
}

/// Takes a page of four lanes into four running CRC-32C states; see `ckpt_format::crc::pages`.
///
/// # Safety
///
/// `page` is 4096 readable bytes, 8-byte aligned, and [`has_crc32`] is true.
#[target_feature(enable = "sse4.2")]
pub unsafe fn crc_page(lanes: &mut [u64; 4], page: *const u64) {
    use core::arch::x86_64::_mm_crc32_u64;
    let [mut a, mut b, mut c, mut d] = *lanes;
    let mut n = 0;
    while n < 128 {
        // SAFETY: n < 128, so all four lie within the page's 512 words.
        let words = unsafe {
            [
                page.add(n).read(),
                page.add(n + 128).read(),
                page.add(n + 256).read(),
                page.add(n + 384).read(),
            ]
        };
        let [wa, wb, wc, wd] = words;
        a = _mm_crc32_u64(a, wa);
        b = _mm_crc32_u64(b, wb);
        c = _mm_crc32_u64(c, wc);
        d = _mm_crc32_u64(d, wd);
        n += 1;
    }
    *lanes = [a, b, c, d];
}

/// True if the page is all zero; stops at the first word that is not.
///
/// # Safety
///
/// `page` is 4096 readable bytes, aligned to 64.
#[must_use]
pub unsafe fn page_is_zero(page: *const u64) -> bool {
    let mut n = 0;
    while n < 512 {
        // SAFETY: n and the seven after it are below 512.
        let any = unsafe {
            page.add(n).read()
                | page.add(n + 1).read()
                | page.add(n + 2).read()
                | page.add(n + 3).read()
                | page.add(n + 4).read()
                | page.add(n + 5).read()
                | page.add(n + 6).read()
                | page.add(n + 7).read()
        };
        if any != 0 {
            return false;
        }
        n += 8;
    }
    true
}
