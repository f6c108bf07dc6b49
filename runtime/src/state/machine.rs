//! The processor and kernel, and whether another one can go on with an image.

use ckpt_format::record::{CPUID_LEAVES, Machine};

use crate::arch::cpu;
use crate::error::{Result, fail};
use crate::image::name;
use crate::sys::process;
use crate::util::arena::Arena;
use crate::util::text::{Show, decimal, find, split, trim_start, until_nul};

/// Bits of each word of [`CPUID_LEAVES`] that tell of instructions which a program may have
/// chosen at its start, with their names: bit and name, separated by blanks, words by semicolons.
/// Bits for system software are left out: a program cannot use them, and hosts differ in them for
/// no reason of ours. (One text takes a third of the room of a table of names.)
const FEATURES: &str = "\
0 sse3 1 pclmulqdq 9 ssse3 12 fma 13 cmpxchg16b 19 sse4.1 20 sse4.2 22 movbe \
23 popcnt 25 aes 26 xsave 28 avx 29 f16c 30 rdrand\
;;\
0 fsgsbase 3 bmi1 4 hle 5 avx2 8 bmi2 9 erms 11 rtm 16 avx512f 17 avx512dq \
18 rdseed 19 adx 21 avx512ifma 23 clflushopt 24 clwb 26 avx512pf 27 avx512er \
28 avx512cd 29 sha 30 avx512bw 31 avx512vl;\
1 avx512vbmi 5 waitpkg 6 avx512vbmi2 8 gfni 9 vaes 10 vpclmulqdq 11 avx512vnni \
12 avx512bitalg 14 avx512vpopcntdq 22 rdpid 27 movdiri 28 movdir64b;\
2 avx512-4vnniw 3 avx512-4fmaps 4 fsrm 8 avx512-vp2intersect 23 avx512-fp16;\
4 avx-vnni 5 avx512-bf16;\
5 lzcnt 6 sse4a 11 xop 16 fma4 21 tbm";

/// Parts of the extended state that signal frames hold (XCR0), by bit.
const STATES: &str = "\
2 AVX registers;5 AVX-512 mask registers;6 AVX-512 registers;7 AVX-512 registers;\
9 protection keys";

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
        text.push(until_nul(&names.release));
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
    let entries = |table: &'static str| split(table.as_bytes(), b';');
    let words = image.cpuid.into_iter().zip(here.cpuid);
    for ((then, now), mut rest) in words.zip(entries(FEATURES)) {
        while let Some((bit, name)) = decimal(trim_start(rest)) {
            let name = trim_start(name);
            let end = find(name, b' ').unwrap_or(name.len());
            let (name, after) = name.split_at(end);
            if lacks(then, now, bit as u32) {
                fail!("this processor lacks {}, which the image's had", Show(name));
            }
            rest = after;
        }
    }
    for (bit, state) in entries(STATES).filter_map(decimal) {
        if lacks(image.xcr0, here.xcr0, bit as u32) {
            let state = Show(trim_start(state));
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
