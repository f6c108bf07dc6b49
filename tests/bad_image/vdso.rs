//! Images of a kernel with another vDSO: the running kernel's must serve the program's saved pointers.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use ckpt_format::record::Vdso;
use ckpt_format::toc::kind;
use ckpt_tests::image::{Parts, encode};
use ckpt_tests::{PASS, Process, Sample, checkpoint, wait_until};
use object::read::elf::ElfFile64;
use object::{Endianness, Object, ObjectSymbol, SymbolKind};

use crate::victim::Victim;

/// The bytes of a vDSO of which no function works: each begins, and goes on, with breakpoints.
fn broken(bytes: &[u8]) -> Result<Vec<u8>> {
    let elf = ElfFile64::<Endianness>::parse(bytes)?;
    let mut new = bytes.to_vec();
    let mut count = 0;
    for symbol in elf
        .dynamic_symbols()
        .filter(|s| s.kind() == SymbolKind::Text)
    {
        let at = usize::try_from(symbol.address())?;
        let end = at + usize::try_from(symbol.size())?;
        new.get_mut(at..end)
            .context("a function outside")?
            .fill(0xcc);
        count += 1;
    }
    ensure!(count >= 4, "only {count} functions");
    Ok(new)
}

/// The image with these bytes as its vDSO, and so many pages of data more before it.
fn with_vdso(parts: &Parts, bytes: &[u8], more_data: u64) -> Vec<u8> {
    let vdso: Vdso<'_> = parts.one(kind::VDSO);
    let other = Vdso {
        vvar: vdso.vvar - more_data * 4096,
        bytes,
        ..vdso
    };
    let new = encode(bytes.len() + 64, |w| w.put(&other));
    parts.with(kind::VDSO, |_| new).build()
}

/// Waits until a restored program takes requests, and takes an image of it.
fn next_image(victim: &Victim, process: &mut Process, to: &Path) -> Result<()> {
    let program = &victim.launch.program;
    let mut last = Ok(());
    wait_until("the restored program's image", || {
        process.check_alive()?;
        last = checkpoint(program, process.pid(), to, false);
        Ok(last.is_ok())
    })?;
    last
}

/// Restores, takes a second image, restores that, and lets the program judge.
fn two_generations(victim: &Victim, image: &[u8]) -> Result<()> {
    let first = victim.file(image)?;
    let second = victim.scratch.join("second.img");
    let go = victim.scratch.join("go");
    let restored = std::fs::read(&go)?;
    std::fs::remove_file(&go)?;
    victim.scratch.write("out", "ready\n")?;
    let mut process = victim.launch.restore(&first).start()?;
    next_image(victim, &mut process, &second)?;
    // The first generation goes on as well.
    victim.scratch.write("go", &restored)?;
    let status = process.wait()?;
    let said = victim.scratch.text("restore.err");
    victim
        .passed(status.code(), &said)
        .context("first generation")?;
    // And so does the second, whose image has the redirected vDSO in it.
    victim.restores_file(&second).context("second generation")?;
    let bytes = std::fs::read(&second)?;
    let parts = Parts::take_apart(&bytes).context("second image")?;
    // Once more on another kernel.
    let own: Vdso<'_> = parts.one(kind::VDSO);
    let other = broken(own.bytes)?;
    let again = with_vdso(&parts, &other, 0);
    let third = victim.file(&again)?;
    victim.restores_file(&third).context("third generation")?;
    ensure!(status.code() == Some(PASS));
    Ok(())
}

#[test]
fn of_another_kernel() -> Result<()> {
    let victim = Victim::of("other-vdso", &Sample::named("time/vdso")?)?;
    let good: Vdso<'_> = victim.parts.one(kind::VDSO);
    let other = broken(good.bytes)?;
    let image = with_vdso(&victim.parts, &other, 0);
    two_generations(&victim, &image)
}

/// As many data pages as no kernel has yet, and code that is a page longer.
#[test]
fn of_another_size() -> Result<()> {
    let victim = Victim::of("large-vdso", &Sample::named("time/vdso")?)?;
    let good: Vdso<'_> = victim.parts.one(kind::VDSO);
    let mut other = broken(good.bytes)?;
    let more_data = with_vdso(&victim.parts, good.bytes, 16);
    two_generations(&victim, &more_data).context("more data pages")?;
    other.resize(other.len() + 4096, 0xcc);
    let longer = with_vdso(&victim.parts, &other, 1);
    // The stack often lies right behind the vDSO; then there is no room for a longer one.
    if Parts::take_apart(&longer).is_ok() {
        two_generations(&victim, &longer).context("longer code")?;
    } else {
        eprintln!("no room for a longer vDSO in this image");
    }
    Ok(())
}

/// What nobody can restore: code that is no vDSO, or one with a function that this kernel's does not have.
#[test]
fn of_no_kernel() -> Result<()> {
    let victim = Victim::of("no-vdso", &Sample::named("time/vdso")?)?;
    let good: Vdso<'_> = victim.parts.one(kind::VDSO);
    let not_elf = vec![0xcc; good.bytes.len()];
    let image = with_vdso(&victim.parts, &not_elf, 0);
    victim.refused_file(&victim.file(&image)?, "a vDSO cannot be understood")?;
    // A function that this kernel does not have.
    let mut renamed = good.bytes.to_vec();
    let name = b"__vdso_getcpu\0";
    let at = renamed.windows(name.len()).position(|w| w == name);
    let at = at.context("no getcpu")?;
    renamed[at + 7..at + 13].copy_from_slice(b"putcpu");
    let image = with_vdso(&victim.parts, &renamed, 0);
    let what = "this kernel's vDSO has no __vdso_putcpu, which the image's had";
    victim.refused_file(&victim.file(&image)?, what)
}
