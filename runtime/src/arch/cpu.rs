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
    if cpuid(1, 0, 2) & OSXSAVE == 0 {
        512
    } else {
        cpuid(0xd, 0, 1)
    }
}

/// True if the `crc32` instruction is there.
#[must_use]
pub fn has_crc32() -> bool {
    cpuid(1, 0, 2) & SSE42 != 0
}

/// The words of a page.
pub type Page = [u64; 512];

/// Takes a page of four lanes into four running CRC-32C states; see `ckpt_format::crc::pages`.
///
/// # Safety
///
/// [`has_crc32`] is true.
#[target_feature(enable = "sse4.2")]
pub unsafe fn crc_page(lanes: &mut [u64; 4], page: &[u8; 4096]) {
    use core::arch::x86_64::_mm_crc32_u64;
    let [mut a, mut b, mut c, mut d] = *lanes;
    let (words, _) = page.as_chunks::<8>();
    let (first, second) = words.split_at(256);
    let ((wa, wb), (wc, wd)) = (first.split_at(128), second.split_at(128));
    for (((wa, wb), wc), wd) in wa.iter().zip(wb).zip(wc).zip(wd) {
        a = _mm_crc32_u64(a, u64::from_le_bytes(*wa));
        b = _mm_crc32_u64(b, u64::from_le_bytes(*wb));
        c = _mm_crc32_u64(c, u64::from_le_bytes(*wc));
        d = _mm_crc32_u64(d, u64::from_le_bytes(*wd));
    }
    *lanes = [a, b, c, d];
}

/// True if the page is all zero; stops soon after the first word that is not.
#[must_use]
pub fn page_is_zero(page: &Page) -> bool {
    !page
        .chunks_exact(8)
        .any(|words| words.iter().fold(0, |all, word| all | word) != 0)
}
