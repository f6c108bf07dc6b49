//! What the input is: its kind, its language, what hangs on its end, and whether it may be patched.

use ckpt_format::handoff::MAGIC;
use object::LittleEndian as LE;
use object::elf;

use crate::elf::PAGE;
use crate::error::{PatchError, Result};
use crate::golang;
use crate::handoff::BLOCK;
use crate::headers::Headers;
use crate::input::Input;
use crate::overlay::{self, Overlay};

/// How a program is linked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Linkage {
    /// At a fixed address, needs no dynamic loader.
    Static,
    /// Relocates itself.
    StaticPie,
    /// At a fixed address, with shared libraries.
    Dynamic,
    /// Position-independent, with shared libraries.
    DynamicPie,
}

impl Linkage {
    /// A short name, stable.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Static => "static",
            Self::StaticPie => "static-pie",
            Self::Dynamic => "dynamic",
            Self::DynamicPie => "dynamic-pie",
        }
    }
}

/// What later stages need to know about the input beside its headers.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) linkage: Linkage,
    pub(crate) go: bool,
    /// Where Go's table of signals is.
    pub(crate) go_signals: Option<u64>,
    pub(crate) overlay: Overlay,
}

/// Decides whether the input is a program that can be patched.
pub(crate) fn classify(input: &Input, headers: &Headers, force: bool) -> Result<Facts> {
    refuse_patched(input, headers)?;
    refuse_prelinked(headers)?;
    if !force {
        refuse_dumped(headers)?;
    }
    let linkage = linkage(input, headers)?;
    headers.check_entry()?;
    let overlay = overlay::find(input, headers, force)?;
    let go = is_go(input, headers)?;
    let go_signals = if go {
        golang::signals(input, headers)?
    } else {
        None
    };
    Ok(Facts {
        linkage,
        go,
        go_signals,
        overlay,
    })
}

/// A patched program has our segment, in whose first page is the handoff block with its magic.
fn refuse_patched(input: &Input, headers: &Headers) -> Result<()> {
    for load in headers.loads().filter(|s| s.filesz >= PAGE) {
        if input.read(load.offset + BLOCK, 8)? == MAGIC {
            return Err(PatchError::unsupported(
                "is patched already",
                "run it as it is, or patch the original again",
            ));
        }
    }
    Ok(())
}

fn refuse_prelinked(headers: &Headers) -> Result<()> {
    let undo = |s| headers.name(s) == b".gnu.prelink_undo";
    if headers.sections.iter().any(undo) {
        return Err(PatchError::unsupported(
            "is prelinked",
            "undo that first with `prelink -u`",
        ));
    }
    Ok(())
}

/// Programs that were dumped with their heap inside (`unexec`, as GNU Common Lisp does) have it as
/// more sections of the name `.data`, and take it that the heap goes on right behind them, where our
/// segment would be.
fn refuse_dumped(headers: &Headers) -> Result<()> {
    let data = headers
        .sections
        .iter()
        .filter(|s| headers.name(s) == b".data");
    if data.count() > 1 {
        return Err(PatchError::unsupported(
            "was dumped with its heap, which must go on right behind its data",
            "patch the program that dumped it, or try --force",
        ));
    }
    Ok(())
}

/// Tells programs from shared libraries: both are `ET_DYN`, and `libc.so.6` even has an
/// interpreter. Linkers mark programs with `DF_1_PIE` since binutils 2.26; what is older has an
/// interpreter and no `DT_SONAME`.
fn linkage(input: &Input, headers: &Headers) -> Result<Linkage> {
    let interp = headers.interp.is_some();
    if headers.ehdr.e_type.get(LE) == elf::ET_EXEC {
        return Ok(if interp {
            Linkage::Dynamic
        } else {
            Linkage::Static
        });
    }
    let flags = headers.dyn_value(elf::DT_FLAGS_1).unwrap_or(0);
    let marked = flags & elf::DF_1_PIE.0 != 0;
    let soname = headers.dyn_value(elf::DT_SONAME).is_some();
    let program = marked || headers.dynamic.is_none() || (interp && !soname);
    if !program {
        let name = input.path.file_name().unwrap_or_default();
        let loader = name.to_string_lossy().starts_with("ld-");
        let what = if loader {
            "is a dynamic loader, not a program"
        } else {
            "is a shared library, not a program"
        };
        return Err(PatchError::unsupported(
            what,
            "patch the program that uses it",
        ));
    }
    Ok(if interp {
        Linkage::DynamicPie
    } else {
        Linkage::StaticPie
    })
}

/// Go programs carry a note of their linker, and the build information that `go version` reads.
fn is_go(input: &Input, headers: &Headers) -> Result<bool> {
    let named = |s| matches!(headers.name(s), b".go.buildinfo" | b".note.go.buildid");
    if headers.sections.iter().any(named) {
        return Ok(true);
    }
    for note in headers.segments.iter().filter(|s| s.kind == elf::PT_NOTE) {
        // Name size 4, description size, type 4, "Go\0\0".
        let start = input.read(note.offset, note.filesz.min(16))?;
        if start.get(..4) == Some(&[4, 0, 0, 0]) && start.get(8..16) == Some(b"\x04\0\0\0Go\0\0") {
            return Ok(true);
        }
    }
    Ok(false)
}
