//! Files that cannot be patched: one thing wrong each, the exact error, and nothing left behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ckpt_patch::{Kind, Options, Target, patch};

mod programs;
use programs::{RETURNS, SAYS, build_c, ckpt_patch, dir, must, number, run};

const DAMAGED: &str = "the file is damaged, build or copy it again";
const NAME_ONE: &str = "name an x86-64 Linux executable";

/// Patches `file` in `dir`, which must fail with this one line and leave nothing.
fn refused(dir: &Path, file: &str, what: &str, next: &str) {
    let before = listing(dir);
    let ran = run(ckpt_patch().args([file, "-o", "patched"]).current_dir(dir));
    let line = format!("error: {file}: {what}; {next}\n");
    let got = (ran.status, ran.stdout.as_str(), ran.stderr.as_str());
    assert_eq!(got, (1, "", line.as_str()));
    assert_eq!(listing(dir), before);
}

fn listing(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).expect("a directory");
    let mut paths: Vec<_> = entries.map(|e| e.expect("an entry").path()).collect();
    paths.sort();
    paths
}

/// A good program, to be spoilt.
struct Good {
    dir: tempfile::TempDir,
    bytes: Vec<u8>,
}

impl Good {
    fn new() -> Self {
        let dir = dir();
        let bytes = fs::read(build_c(dir.path(), "gcc")).expect("the program");
        let good = Self { dir, bytes };
        let target = Target::File(good.dir.path().join("patched"));
        let app = good.dir.path().join("app");
        patch(&app, &target, &Options::default()).expect("it is good");
        let patched = good.dir.path().join("patched");
        let ran = run(Command::new(&patched).arg("a"));
        assert_eq!((ran.status, ran.stdout.as_str()), (RETURNS, SAYS));
        fs::remove_file(patched).expect("the result");
        good
    }

    /// With these bytes at `at`, it is refused.
    fn spoilt(&self, at: usize, with: &[u8], what: &str, next: &str) {
        let mut bytes = self.bytes.clone();
        bytes[at..at + with.len()].copy_from_slice(with);
        self.refused(&bytes, what, next);
    }

    fn refused(&self, bytes: &[u8], what: &str, next: &str) {
        fs::write(self.dir.path().join("app"), bytes).expect("the program");
        refused(self.dir.path(), "app", what, next);
    }

    /// Index and place of the first program header of a type, from index `from`.
    fn segment(&self, kind: u64, from: usize) -> (usize, usize) {
        let count = usize::try_from(number(&self.bytes, 56, 2)).expect("a count");
        let index = (from..count)
            .find(|i| number(&self.bytes, 64 + 56 * i, 4) == kind)
            .expect("such a segment");
        (index, 64 + 56 * index)
    }

    fn len(&self) -> usize {
        self.bytes.len()
    }
}

const LOAD: u64 = 1;
const DYNAMIC: u64 = 2;
const INTERP: u64 = 3;
const NOTE: u64 = 4;
const PHDR: u64 = 6;

// Places of fields in a program header.
const OFFSET: usize = 8;
const VADDR: usize = 16;
const FILESZ: usize = 32;
const MEMSZ: usize = 40;
const ALIGN: usize = 48;

#[test]
fn identification_and_type() {
    let good = Good::new();
    let no_elf = "is not an ELF file";
    good.spoilt(1, b"X", no_elf, NAME_ONE);
    good.spoilt(4, &[1], "is a 32-bit ELF file", NAME_ONE);
    let class = "e_ident[EI_CLASS] is 9, neither 32-bit (1) nor 64-bit (2)";
    good.spoilt(4, &[9], class, DAMAGED);
    good.spoilt(5, &[2], "is a big-endian ELF file", NAME_ONE);
    let data = "e_ident[EI_DATA] is 0, neither little-endian (1) nor big-endian (2)";
    good.spoilt(5, &[0], data, DAMAGED);
    good.spoilt(6, &[2], "e_ident[EI_VERSION] is 2, not 1", DAMAGED);
    let system = "is for another operating system (e_ident[EI_OSABI] is 9)";
    good.spoilt(7, &[9], system, NAME_ONE);
    let object = "link it and patch the executable";
    good.spoilt(16, &[1, 0], "is a relocatable object", object);
    let core = "patch the executable that dumped it";
    good.spoilt(16, &[4, 0], "is a core dump", core);
    let none = "is not an executable (e_type is 0)";
    good.spoilt(16, &[0, 0], none, NAME_ONE);
    let machine = "is for another machine (e_machine is 183)";
    good.spoilt(18, &[183, 0], machine, NAME_ONE);
    good.spoilt(20, &[2], "e_version is 2, not 1", DAMAGED);
    good.spoilt(52, &[52], "e_ehsize is 52, not 64", DAMAGED);
    good.spoilt(54, &[32], "e_phentsize is 32, not 56", DAMAGED);
}

#[test]
fn entry_point() {
    let good = Good::new();
    good.spoilt(24, &[0; 8], "has no entry point (e_entry is 0)", DAMAGED);
    for entry in [1_u64, 0x3000, u64::MAX] {
        let what = format!("the entry point {entry:#x} is in no executable segment's bytes");
        good.spoilt(24, &entry.to_le_bytes(), &what, DAMAGED);
    }
}

#[test]
fn program_header_table() {
    let good = Good::new();
    good.spoilt(32, &[0; 8], "has no program headers", DAMAGED);
    good.spoilt(56, &[0; 2], "has no program headers", DAMAGED);
    good.spoilt(32, &[8], "e_phoff is 0x8, inside the ELF header", DAMAGED);
    let len = good.len();
    let size = 56 * number(&good.bytes, 56, 2);
    for far in [len as u64, u64::MAX - 7] {
        let what = format!(
            "the program header table ({size} bytes at offset {far:#x}) reaches beyond the end of the file ({len} bytes)"
        );
        good.spoilt(32, &far.to_le_bytes(), &what, DAMAGED);
    }
    let many = "no Linux kernel runs a program with more than 1170";
    good.spoilt(56, &[0xff; 2], "has 65535 program headers", many);
    good.spoilt(56, &[0, 8], "has 2048 program headers", many);
}

#[test]
fn segments() {
    let good = Good::new();
    let (i, at) = good.segment(LOAD, 0);
    let (j, next) = good.segment(LOAD, i + 1);
    let len = good.len();
    let filesz = number(&good.bytes, at + FILESZ, 8);

    let far = len as u64;
    let what = format!(
        "program header {i} ({filesz} bytes at offset {far:#x}) reaches beyond the end of the file ({len} bytes)"
    );
    good.spoilt(at + OFFSET, &far.to_le_bytes(), &what, DAMAGED);
    let what = format!(
        "program header {i} ({} bytes at offset 0x0) reaches beyond the end of the file ({len} bytes)",
        u64::MAX
    );
    good.spoilt(at + FILESZ, &[0xff; 8], &what, DAMAGED);
    let what = format!(
        "program header {i} (0xffffffffffffffff bytes at address 0x0) reaches beyond the address space"
    );
    good.spoilt(at + MEMSZ, &[0xff; 8], &what, DAMAGED);
    let more = filesz - 1;
    let what = format!("program header {i}: p_filesz {filesz:#x} is more than p_memsz {more:#x}");
    good.spoilt(at + MEMSZ, &more.to_le_bytes(), &what, DAMAGED);
    let what = format!("program header {i}: p_align 0x3 is not a power of two");
    good.spoilt(at + ALIGN, &3_u64.to_le_bytes(), &what, DAMAGED);
    let what =
        format!("program header {j}: p_vaddr 0x1008 and p_offset 0x1000 differ within a page");
    good.spoilt(next + VADDR, &0x1008_u64.to_le_bytes(), &what, DAMAGED);
    let what = format!(
        "program header {j}: PT_LOAD at 0x0 does not come after the one before, which ends at {filesz:#x}"
    );
    good.spoilt(next + VADDR, &[0; 8], &what, DAMAGED);

    let mut bytes = good.bytes.clone();
    for i in 0..usize::try_from(number(&bytes, 56, 2)).expect("a count") {
        bytes[64 + 56 * i..64 + 56 * i + 4].fill(0);
    }
    good.refused(&bytes, "has no PT_LOAD program header", DAMAGED);
}

#[test]
fn special_segments() {
    let good = Good::new();
    let (_, phdr) = good.segment(PHDR, 0);
    let what = "PT_PHDR (offset 0x48, address 0x40) is not the program header table at 0x40";
    good.spoilt(phdr + OFFSET, &[0x48], what, DAMAGED);
    let what = "PT_PHDR (offset 0x40, address 0x48) is not the program header table at 0x40";
    good.spoilt(phdr + VADDR, &[0x48], what, DAMAGED);

    let (_, interp) = good.segment(INTERP, 0);
    let what = "PT_INTERP has 1 bytes, which is no path";
    good.spoilt(interp + FILESZ, &[1], what, DAMAGED);
    let what = "PT_INTERP does not end with a NUL";
    good.spoilt(interp + FILESZ, &[5], what, DAMAGED);
    let (_, note) = good.segment(NOTE, 0);
    let what = "has more than one PT_INTERP";
    good.spoilt(note, &[3], what, DAMAGED);

    let (_, dynamic) = good.segment(DYNAMIC, 0);
    let what = "PT_DYNAMIC has 17 bytes, not a multiple of 16";
    good.spoilt(dynamic + FILESZ, &[17, 0], what, DAMAGED);
    good.spoilt(note, &[2], "has more than one PT_DYNAMIC", DAMAGED);
}

#[test]
fn section_header_table() {
    let good = Good::new();
    let len = good.len();
    let count = number(&good.bytes, 60, 2);
    let shoff = number(&good.bytes, 40, 8);
    let names = number(&good.bytes, 62, 2);

    let what = format!("e_shnum is {count}, but e_shoff is 0x0: both or neither must be 0");
    good.spoilt(40, &[0; 8], &what, DAMAGED);
    let what = format!("e_shnum is 0, but e_shoff is {shoff:#x}: both or neither must be 0");
    good.spoilt(60, &[0; 2], &what, DAMAGED);
    let what = "e_shoff is 0x8, inside the ELF header";
    good.spoilt(40, &8_u64.to_le_bytes(), what, DAMAGED);
    let what = format!(
        "the section header table ({} bytes at offset {len:#x}) reaches beyond the end of the file ({len} bytes)",
        64 * count
    );
    good.spoilt(40, &(len as u64).to_le_bytes(), &what, DAMAGED);
    good.spoilt(58, &[40], "e_shentsize is 40, not 64", DAMAGED);
    let strip = "strip it and patch the result";
    good.spoilt(60, &[0xff; 2], "has 65535 sections", strip);
    let what = format!("e_shstrndx is 65521, but there are {count} sections");
    good.spoilt(62, &[0xf1, 0xff], &what, DAMAGED);
    let what = "e_shstrndx is 1, which is no string table";
    good.spoilt(62, &[1, 0], what, DAMAGED);

    let last = usize::try_from(shoff + 64 * names).expect("an offset");
    let size = number(&good.bytes, last + 32, 8);
    let what = format!(
        "section {names} ({size} bytes at offset 0xffffffffffffffff) reaches beyond the end of the file ({len} bytes)"
    );
    good.spoilt(last + 24, &[0xff; 8], &what, DAMAGED);
    let what = format!("the name of section {names} (0xffffff) is outside the table of names");
    good.spoilt(last, &[0xff, 0xff, 0xff, 0], &what, DAMAGED);
}

#[test]
fn cut_short() {
    let good = Good::new();
    let what = "the ELF header is cut short: the file has 63 bytes, the header 64";
    good.refused(&good.bytes[..63], what, DAMAGED);
    let size = 56 * number(&good.bytes, 56, 2);
    let what = format!(
        "the program header table ({size} bytes at offset 0x40) reaches beyond the end of the file (64 bytes)"
    );
    good.refused(&good.bytes[..64], &what, DAMAGED);
    let app = good.dir.path().join("app");
    for len in (4..good.len()).step_by(61).chain([good.len() - 1]) {
        fs::write(&app, &good.bytes[..len]).expect("the program");
        let e = patch(&app, &Target::Nowhere, &Options::default()).expect_err("it is cut short");
        assert_eq!(e.kind(), Kind::Malformed, "{len}: {e}");
    }
}

#[test]
fn not_a_program_file() {
    let dir = dir();
    let path = dir.path();
    let write = |name: &str, bytes: &[u8]| fs::write(path.join(name), bytes).expect("a file");
    let one = "name an executable";
    refused(
        path,
        "missing",
        "cannot open it: No such file or directory",
        "check the path",
    );
    fs::create_dir(path.join("dir")).expect("a directory");
    refused(path, "dir", "is a directory", one);
    must(path, "mkfifo pipe");
    refused(path, "pipe", "is not a regular file", one);
    refused(path, "/dev/null", "is not a regular file", one);
    write("empty", b"");
    refused(path, "empty", "is empty", one);
    write("text", b"hello\n");
    refused(path, "text", "is not an ELF file", NAME_ONE);
    write("script", b"#!/usr/bin/env python3\nprint(1)\n");
    let what = "is a script for `/usr/bin/env python3`, not an ELF executable";
    let next = "patch its interpreter and run the script with that";
    refused(path, "script", what, next);
    write("odd\nname", b"hello\n");
    let ran = run(ckpt_patch()
        .args(["odd\nname", "-o", "x"])
        .current_dir(path));
    assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
}

#[test]
fn not_a_program() {
    let dir = dir();
    let path = dir.path();
    fs::write(path.join("a.c"), "int f(void) { return 1; }").expect("source");
    must(path, "gcc -c -fPIC a.c -o a.o");
    must(path, "gcc -shared -fPIC a.c -o liba.so");
    must(
        path,
        "gcc -shared -fPIC a.c -Wl,-soname,liba.so.1 -o liba.so.1",
    );
    must(path, "ar rc liba.a a.o");
    let user = "patch the program that uses it";
    let library = "is a shared library, not a program";
    refused(
        path,
        "a.o",
        "is a relocatable object",
        "link it and patch the executable",
    );
    refused(path, "liba.so", library, user);
    refused(path, "liba.so.1", library, user);
    // It has an interpreter and an entry point: `/lib/x86_64-linux-gnu/libc.so.6` can be run.
    refused(path, "/lib/x86_64-linux-gnu/libc.so.6", library, user);
    let loader = "is a dynamic loader, not a program";
    refused(path, "/lib64/ld-linux-x86-64.so.2", loader, user);
    refused(path, "liba.a", "is not an ELF file", NAME_ONE);
}

#[test]
fn patched_already() {
    let dir = dir();
    build_c(dir.path(), "gcc");
    let ran = run(ckpt_patch()
        .args(["app", "-o", "once"])
        .current_dir(dir.path()));
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    must(dir.path(), "strip once -o stripped");
    let next = "run it as it is, or patch the original again";
    refused(dir.path(), "once", "is patched already", next);
    refused(dir.path(), "stripped", "is patched already", next);
}

#[test]
fn prelinked() {
    let dir = dir();
    build_c(dir.path(), "gcc");
    must(
        dir.path(),
        "objcopy --add-section .gnu.prelink_undo=app.c app",
    );
    refused(
        dir.path(),
        "app",
        "is prelinked",
        "undo that first with `prelink -u`",
    );
}

#[test]
fn dumped_with_its_heap() {
    let dir = dir();
    build_c(dir.path(), "gcc");
    let rename = "objcopy --rename-section .init_array=.data app";
    must(dir.path(), rename);
    refused(
        dir.path(),
        "app",
        "was dumped with its heap, which must go on right behind its data",
        "patch the program that dumped it, or try --force",
    );
    let forced = run(ckpt_patch()
        .args(["app", "-o", "patched", "--force"])
        .current_dir(dir.path()));
    assert_eq!((forced.status, forced.stderr.as_str()), (0, ""));
    let ran = run(Command::new(dir.path().join("patched")).arg("a"));
    assert_eq!((ran.status, ran.stdout.as_str()), (RETURNS, SAYS));
}

#[test]
fn no_room_for_a_program_header() {
    let dir = dir();
    fs::write(
        dir.path().join("app.c"),
        "static char b[1100u << 20]; int main(void) { return b[5]; }",
    )
    .expect("source");
    must(dir.path(), "musl-gcc app.c -o app");
    must(dir.path(), "llvm-objcopy --strip-sections app");
    let what = "has no room for a program header, in its table or elsewhere";
    let next = "link it with GNU ld, lld or Go's linker at default addresses";
    refused(dir.path(), "app", what, next);
}

/// Whatever the headers hold, there is a result or an error of one line.
#[test]
fn any_bytes_in_the_headers() {
    let dir = dir();
    let kinds = [
        "gcc",
        "gcc -static-pie",
        "musl-gcc",
        "musl-gcc -static -Wl,-z,noseparate-code",
    ];
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        // xorshift64: the same on every run.
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed >> 16).expect("48 bits") % below
    };
    let (mut patched, mut errors) = (0, 0);
    for line in kinds {
        let app = build_c(dir.path(), line);
        let good = fs::read(&app).expect("the program");
        let shoff = usize::try_from(number(&good, 40, 8)).expect("an offset");
        for round in 0..400 {
            let mut bytes = good.clone();
            for _ in 0..=random(3) {
                let table = [16, 64, shoff][random(3)];
                let at = table + random(if table == 16 { 48 } else { 640 });
                let byte = [0, 1, 0x7f, 0x80, 0xff, bytes[at] ^ (1 << random(8))][random(6)];
                bytes[at] = byte;
            }
            fs::write(&app, &bytes).expect("the program");
            let target = match round % 8 {
                0 => Target::File(dir.path().join("patched")),
                _ => Target::Nowhere,
            };
            match patch(&app, &target, &Options::default()) {
                Ok(_) => patched += 1,
                Err(e) => {
                    assert_ne!(e.kind(), Kind::Bug, "{line}, round {round}: {e}");
                    assert_eq!(e.to_string().lines().count(), 1);
                    errors += 1;
                }
            }
        }
    }
    assert!(
        patched > 100 && errors > 100,
        "{patched} patched, {errors} errors"
    );
}
