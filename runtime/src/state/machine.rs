//! The processor and kernel, and whether another one can go on with an image.

use ckpt_format::record::{CPUID_LEAVES, Machine};

use crate::arch::cpu;
use crate::error::{Result, fail};
use crate::image::name;
use crate::sys::process;
use crate::util::arena::Arena;

/// Bits of each word of [`CPUID_LEAVES`] that tell of instructions which a program may have
/// chosen at its start, with their names. Bits for system software are left out: a program cannot
/// use them, and hosts differ in them for no reason of ours.
const FEATURES: [(usize, u32, &str); 58] = [
    (0, 0, "sse3"), (0, 1, "pclmulqdq"), (0, 9, "ssse3"), (0, 12, "fma"), (0, 13, "cmpxchg16b"),
    (0, 19, "sse4.1"), (0, 20, "sse4.2"), (0, 22, "movbe"), (0, 23, "popcnt"), (0, 25, "aes"),
    (0, 26, "xsave"), (0, 28, "avx"), (0, 29, "f16c"), (0, 30, "rdrand"),
    (2, 0, "fsgsbase"), (2, 3, "bmi1"), (2, 4, "hle"), (2, 5, "avx2"), (2, 8, "bmi2"), (2, 9, "erms"),
    (2, 11, "rtm"), (2, 16, "avx512f"), (2, 17, "avx512dq"), (2, 18, "rdseed"), (2, 19, "adx"),
    (2, 21, "avx512ifma"), (2, 23, "clflushopt"), (2, 24, "clwb"), (2, 26, "avx512pf"),
    (2, 27, "avx512er"), (2, 28, "avx512cd"), (2, 29, "sha"), (2, 30, "avx512bw"), (2, 31, "avx512vl"),
    (3, 1, "avx512vbmi"), (3, 5, "waitpkg"), (3, 6, "avx512vbmi2"), (3, 8, "gfni"), (3, 9, "vaes"),
    (3, 10, "vpclmulqdq"), (3, 11, "avx512vnni"), (3, 12, "avx512bitalg"),
    (3, 14, "avx512vpopcntdq"), (3, 22, "rdpid"), (3, 27, "movdiri"), (3, 28, "movdir64b"),
    (4, 2, "avx512-4vnniw"), (4, 3, "avx512-4fmaps"), (4, 4, "fsrm"), (4, 8, "avx512-vp2intersect"),
    (4, 23, "avx512-fp16"), (5, 4, "avx-vnni"), (5, 5, "avx512-bf16"),
    (6, 5, "lzcnt"), (6, 6, "sse4a"), (6, 11, "xop"), (6, 16, "fma4"), (6, 21, "tbm"),
];

/// Parts of the extended state that signal frames hold (XCR0).
const STATES: [(u32, &str); 5] = [
    (2, "AVX registers"),
    (5, "AVX-512 mask registers"),
    (6, "AVX-512 registers"),
    (7, "AVX-512 registers"),
    (9, "protection keys"),
];

/// This machine.
pub fn collect(arena: &Arena) -> Result<Machine<'_>> {
    let mut cpuid = [0u64; 8];
    for (word, (leaf, subleaf, register)) in cpuid.iter_mut().zip(CPUID_LEAVES) {
        *word = u64::from(cpu::cpuid(leaf, subleaf, register));
    }
    Ok(Machine {
        cpuid,
        xcr0: cpu::xcr0(),
        xsave_len: cpu::xsave_len(),
        release: keep(arena, release().as_bytes())?,
        host: keep(arena, name::host().as_bytes())?,
    })
}

fn release() -> crate::util::text::Text<66> {
    let mut text = crate::util::text::Text::new();
    if let Ok(names) = process::names() {
        for byte in names.release.iter().take_while(|&&b| b != 0) {
            text.push(&[*byte]);
        }
    }
    text
}

fn keep<'a>(arena: &'a Arena, text: &[u8]) -> Result<&'a [u8]> {
    let copy = arena.bytes(text.len(), 1)?;
    copy.copy_from_slice(text);
    Ok(copy)
}

/// Refuses an image that needs what this processor lacks.
pub fn check(image: &Machine<'_>, here: &Machine<'_>) -> Result<()> {
    let lacks = |then: u64, now: u64, bit: u32| then >> bit & 1 == 1 && now >> bit & 1 == 0;
    for (word, bit, feature) in FEATURES {
        let then = image.cpuid.get(word).copied().unwrap_or(0);
        let now = here.cpuid.get(word).copied().unwrap_or(0);
        if lacks(then, now, bit) {
            fail!("this processor lacks {feature}, which the image's had");
        }
    }
    for (bit, state) in STATES {
        if lacks(image.xcr0, here.xcr0, bit) {
            fail!("this system does not offer {state}, which the image's did");
        }
    }
    // A frame whose extended state is larger than this kernel's would be restored without it
    // (check_xstate_in_sigframe, arch/x86/kernel/fpu/signal.c).
    if image.xsave_len > here.xsave_len {
        fail!(
            "the image's register state has {} bytes, this system takes {}",
            image.xsave_len,
            here.xsave_len
        );
    }
    Ok(())
}
