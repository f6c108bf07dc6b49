//! Go's table of signals: which of them its runtime takes for itself.
//!
//! It takes all but those that the table sets apart, when the program starts, and does not ask
//! again. So the one that asks for checkpoints is set apart in there (`runtime/src/golang.rs`);
//! here the table is found, in stripped programs too: the lengths of the texts in it are known.

use object::elf;

use crate::error::Result;
use crate::headers::Headers;
use crate::input::{Input, to_u64, to_usize};

/// Bytes of an entry, `sigTabT` in runtime/signal_unix.go: flags, and a string.
const ENTRY: usize = 24;
/// Entries: no signal, then 64 signals (sigtab_linux_generic.go).
const ENTRIES: usize = 65;
/// Lengths of the first texts: `SIGNONE: no trap`, `SIGHUP: terminal line hangup` and so on.
const TEXTS: [u64; 16] = [
    16, 28, 17, 13, 27, 19, 14, 17, 32, 13, 30, 31, 30, 29, 20, 20,
];
/// All flags that there are.
const FLAGS: u64 = 0x1ff;

/// The table's address, if it is where the program can be told of it.
pub(crate) fn signals(input: &Input, headers: &Headers) -> Result<Option<u64>> {
    let relro = headers
        .segments
        .iter()
        .find(|s| s.kind == elf::PT_GNU_RELRO);
    for load in headers.loads() {
        if !load.flags.contains(elf::PF_W) {
            continue;
        }
        let bytes = input.read(load.offset, load.filesz)?;
        // Tables of pointers are aligned to them; so are the segments' addresses to their offsets.
        let skip = to_usize(load.vaddr.wrapping_neg() % 8);
        let found = (skip..bytes.len())
            .step_by(8)
            .find(|&at| is_table(&bytes[at..]));
        if let Some(at) = found {
            let address = load.vaddr + to_u64(at);
            let closed = |s: &&crate::elf::Segment| (s.vaddr..s.vaddr + s.memsz).contains(&address);
            return Ok(Some(address).filter(|_| relro.filter(closed).is_none()));
        }
    }
    Ok(None)
}

fn is_table(bytes: &[u8]) -> bool {
    let (words, _) = bytes.as_chunks::<8>();
    let word = |entry: usize, at: usize| {
        let word = words.get(entry * ENTRY / 8 + at)?;
        Some(u64::from_le_bytes(*word))
    };
    let text = |n: usize| word(n, 2);
    // Most places are none by their first text.
    TEXTS
        .iter()
        .enumerate()
        .all(|(n, &len)| text(n) == Some(len))
        && (0..ENTRIES).all(|n| {
            word(n, 0).is_some_and(|flags| flags <= FLAGS)
                && text(n).is_some_and(|len| (1..64).contains(&len))
        })
}
