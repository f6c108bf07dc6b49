//! Links the body so that what each of its uses needs is together, as `ckpt_packed` wants it.
//!
//! The linker itself tells what a use needs: it is given the entry point alone and leaves out all
//! that this does not lead to; what is left is in its map. The last link has all entry points and the
//! sections in order, and its map is held against the others: the build fails if anything that an
//! entry point leads to is in a part that is not unpacked for it.

#[path = "../../runtime/arguments.rs"]
mod arguments;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::process::Command;

use object::{Object as _, ObjectSection as _, ObjectSymbol as _};

use ckpt_packed::{PARTS, Part, WAYS};

use crate::flat::{Flat, size};
use crate::pack::word;

/// The entry points, in the order of [`WAYS`].
const ENTRIES: [&str; WAYS.len()] = ["ckpt_checkpoint", "ckpt_restore", "ckpt_request"];
/// The part that is written to. The linker script has it whole, at the end.
const DATA: usize = 1;
/// What the parts replace in the linker script.
const WHOLE: &str = "  .text : { *(.text .text.*) } :text
  .rodata : { *(.rodata .rodata..Lanon.*) } :text
";

/// The body as it was linked.
#[derive(Debug)]
pub(crate) struct Linked {
    /// The ELF file.
    pub(crate) file: Vec<u8>,
    /// Not packed yet.
    pub(crate) parts: [Part; PARTS],
    /// Offsets of the entry points.
    pub(crate) entries: [u32; ENTRIES.len()],
}

/// Links an archive, in a folder for what comes up.
pub(crate) fn link(archive: &Path, script: &str, folder: &Path) -> Linked {
    let mut needs: BTreeMap<String, u8> = BTreeMap::new();
    for (n, entry) in ENTRIES.iter().enumerate() {
        let (_, map) = run(archive, script, &ENTRIES[n..=n], &folder.join(entry));
        for section in sections(&map) {
            *needs.entry(section.name).or_default() |= 1 << n;
        }
    }
    assert_eq!(
        script.matches(WHOLE).count(),
        1,
        "the script has code in one place"
    );
    let script = script.replace(WHOLE, &in_order(&needs));
    let (file, map) = run(archive, &script, &ENTRIES, &folder.join("body"));
    let flat = Flat::of(&file).unwrap_or_else(|e| panic!("body: {e}"));
    let elf = object::File::parse(&*file).expect("an ELF file");
    let part = |n: usize| {
        if n == DATA {
            return part(flat.data..flat.data, flat.data..flat.filled);
        }
        let place = |kind: &str| {
            let section = elf.section_by_name(&format!(".{kind}.{n}"))?;
            Some(size(section.address())..size(section.address() + section.size()))
        };
        let code = place("text").expect("each part has code");
        let rest = place("rodata").unwrap_or(code.end..code.end);
        part(code, rest)
    };
    let entries = ENTRIES.map(|entry| {
        let symbol = elf.symbol_by_name(entry).expect("the link has it");
        word(size(symbol.address()))
    });
    let linked = Linked {
        parts: std::array::from_fn(part),
        entries,
        file,
    };
    check(&linked, &map, &needs);
    linked
}

fn part(code: Range<usize>, rest: Range<usize>) -> Part {
    Part {
        at: word(code.start),
        code: word(code.len()),
        len: word(rest.end - code.start),
        packed: 0,
    }
}

/// The part for what is needed on some ways, a bit each: of those that are on all of them the one
/// that is on the fewest others.
fn part_for(needs: u8) -> usize {
    let on = |part: usize| {
        let ways = WAYS.iter().enumerate();
        ways.fold(0, |all, (n, way)| all | (way >> part & 1) << n)
    };
    (0..PARTS)
        .filter(|part| *part != DATA && on(*part) & needs == needs)
        .min_by_key(|part| on(*part).count_ones())
        .expect("one part is on all ways")
}

/// Script lines for the code and the constants of all parts.
fn in_order(needs: &BTreeMap<String, u8>) -> String {
    let mut lines = String::new();
    for part in (0..PARTS).filter(|part| *part != DATA) {
        for kind in [".text", ".rodata"] {
            write!(lines, "  {kind}.{part} : {{").expect("memory");
            for (name, _) in needs.iter().filter(|(_, needs)| part_for(**needs) == part) {
                if name == kind || name.starts_with(&format!("{kind}.")) {
                    write!(lines, " *({name})").expect("memory");
                }
            }
            lines.push_str(" } :text\n");
        }
    }
    lines
}

/// Is all that an entry point leads to in the parts that are unpacked for it?
fn check(linked: &Linked, map: &str, needs: &BTreeMap<String, u8>) {
    let mut seen = BTreeSet::new();
    for section in sections(map) {
        let needs = needs.get(&section.name);
        let needs = needs.unwrap_or_else(|| panic!("{} is needed by nobody", section.name));
        let is_in = |part: &Part| {
            let (at, len) = (part.at as usize, part.len as usize);
            at <= section.at && section.at + section.len <= at + len
        };
        let parts = (0..PARTS).filter(|n| is_in(&linked.parts[*n]));
        let parts = parts.fold(0, |all, n| all | 1 << n);
        for (n, way) in WAYS.iter().enumerate() {
            assert!(
                needs >> n & 1 == 0 || parts & way != 0,
                "{section:?}: {}",
                ENTRIES[n]
            );
        }
        seen.insert(section.name);
    }
    let lost = needs.keys().find(|name| !seen.contains(*name));
    assert_eq!(lost, None, "not in the body");
}

/// A section of an object file, where the linker has put it.
#[derive(Debug)]
struct Section {
    name: String,
    at: usize,
    len: usize,
}

/// The sections of a map with code and constants. A line has name, address, size, and file; behind a
/// long name the rest is in the next line.
fn sections(map: &str) -> Vec<Section> {
    let number = |text: &str| usize::from_str_radix(text.strip_prefix("0x")?, 16).ok();
    let (_, map) = map
        .split_once("\nLinker script and memory map\n")
        .expect("a map");
    let mut all = Vec::new();
    let mut lines = map.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(name) = line
            .strip_prefix(" .")
            .and_then(|rest| rest.split(' ').next())
        else {
            continue;
        };
        let name = format!(".{name}");
        if !name.starts_with(".text") && !name.starts_with(".rodata") {
            continue;
        }
        let rest = &line[1 + name.len()..];
        let rest = if rest.is_empty() {
            lines.next().unwrap_or("")
        } else {
            rest
        };
        let mut words = rest.split_whitespace();
        let mut next = || words.next().and_then(number);
        let (at, len) = next()
            .zip(next())
            .expect("a section has an address and a size");
        if len != 0 {
            all.push(Section { name, at, len });
        }
    }
    all
}

/// The file that is linked, and the map.
fn run(archive: &Path, script: &str, entries: &[&str], to: &Path) -> (Vec<u8>, String) {
    let [at, map] = ["ld", "map"].map(|extension| to.with_extension(extension));
    fs::write(&at, script).expect("the folder can be written to");
    let mut cc = Command::new("cc");
    cc.args(arguments::ARGUMENTS)
        .args(entries.iter().map(|entry| format!("-Wl,-u,{entry}")));
    cc.arg(format!("-Wl,-e,{}", entries[0]));
    cc.arg(format!("-Wl,-T,{}", at.display()));
    cc.arg(format!("-Wl,-Map,{}", map.display()));
    let status = cc
        .arg("-o")
        .arg(to)
        .arg(archive)
        .status()
        .expect("cc can be started");
    assert!(status.success(), "the body cannot be linked");
    let map = fs::read_to_string(map).expect("cc has written it");
    (fs::read(to).expect("cc has linked it"), map)
}
