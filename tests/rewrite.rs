//! Programs of every kind are patched, run as before, and other tools still understand them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

mod programs;
use programs::{RETURNS, SAYS, build_c, ckpt_patch, dir, must, number, run};

// ---- what is promised of every patched program ----

/// A program and its patched self in one directory.
struct Pair {
    _dir: tempfile::TempDir,
    path: PathBuf,
    before: Vec<u8>,
    after: Vec<u8>,
    report: String,
}

impl Pair {
    /// Patches `app` of `dir`, which must give this layout, tactic and linkage.
    fn patch(dir: tempfile::TempDir, expected: [&str; 3]) -> Self {
        let path = dir.path().to_path_buf();
        let ran = run(ckpt_patch()
            .args(["app", "-o", "patched", "--json"])
            .current_dir(&path));
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        let pair = Self {
            _dir: dir,
            before: fs::read(path.join("app")).expect("the program"),
            after: fs::read(path.join("patched")).expect("the patched program"),
            path,
            report: ran.stdout,
        };
        let found = ["layout", "tactic", "linkage"].map(|field| pair.field(field));
        assert_eq!(found, expected);
        pair
    }

    /// A string of the report.
    fn field(&self, name: &str) -> String {
        let mark = format!("\"{name}\":\"");
        let at = self.report.find(&mark).expect("the field") + mark.len();
        let value = self.report[at..].split('"').next();
        value.expect("its end").to_owned()
    }

    /// All promises that need no tool but the program itself.
    fn keeps_its_behaviour(&self) -> &Self {
        runs(&self.path.join("patched"));
        self.bytes_are_kept();
        self.segments_are_kept();
        let again = run(ckpt_patch()
            .args(["app", "-o", "again"])
            .current_dir(&self.path));
        assert_eq!(again.status, 0, "{}", again.stderr);
        let warned = again.stderr.contains("do not strip the result");
        assert_eq!(warned, self.field("layout") == "compat", "{}", again.stderr);
        let again = fs::read(self.path.join("again")).expect("the second result");
        assert!(again == self.after, "same input, other output");
        self
    }

    /// All of the old file is in the new one, but for the headers, and for what the dynamic table
    /// says of moved tables.
    fn bytes_are_kept(&self) {
        let shift = if self.field("layout") == "front" {
            let load = loads(&self.after)[1];
            usize::try_from(load[2]).expect("an offset")
        } else {
            0
        };
        let headers = if shift == 0 {
            64 + 56 * (segments(&self.before).len() + 1)
        } else {
            0
        };
        let dynamic = segments(&self.before).into_iter().find(|s| s[0] == 2);
        let mut changed = 0;
        for load in loads(&self.before) {
            let (start, end) = (load[2], load[2] + load[5]);
            for at in start..end {
                let i = usize::try_from(at).expect("an offset");
                if self.before[i] == self.after[i + shift] || i < headers {
                    continue;
                }
                let in_dynamic = dynamic.is_some_and(|d| d[2] <= at && at < d[2] + d[5]);
                assert!(in_dynamic, "byte {at:#x} changed");
                changed += 1;
            }
        }
        let moved = self.field("tactic") == "move-tables";
        assert!(
            (changed > 0) == moved && changed <= 40,
            "{changed} in dynamic"
        );
    }

    /// Each old program header is there still, those of code and data at the same address.
    fn segments_are_kept(&self) {
        let new = segments(&self.after);
        let mut dropped = 0;
        for old in segments(&self.before) {
            // Type, flags, address, size; where these may move, type and size.
            let moves = [3, 4, 0x6474_e553].contains(&old[0]);
            let same = new.iter().any(|s| match old[0] {
                6 => s[0] == 6,
                1 => (s[0], s[1], s[3], s[7]) == (1, old[1], old[3], old[7]) && s[6] >= old[6],
                _ if moves => (s[0], s[1], s[5], s[7]) == (old[0], old[1], old[5], old[7]),
                _ => [0, 1, 3, 5, 6, 7].iter().all(|i| s[*i] == old[*i]),
            });
            if !same {
                // Only what PT_GNU_PROPERTY says, too, may go.
                let twin = |s: &[u64; 8]| s[0] == 0x6474_e553 && (s[2], s[5]) == (old[2], old[5]);
                let drops = old[0] == 4 && new.iter().any(twin);
                assert!(drops, "program header {old:x?} is lost");
                dropped += 1;
            }
        }
        let tactic = self.field("tactic");
        assert_eq!(dropped, usize::from(tactic == "drop-note"), "{tactic}");
        let table = number(&self.after, 32, 8);
        let end = table + 56 * new.len() as u64;
        let loads = loads(&self.after);
        let holds = |s: &[u64; 8]| s[2] <= table && end <= s[2] + s[5];
        assert!(loads.iter().any(holds), "the table is not all in memory");
        let ours = loads.last().copied().expect("our segment");
        assert_eq!((ours[1], ours[5] == ours[6], ours[7]), (5, true, 4096));
    }

    /// readelf finds nothing to warn of, and the same notes and symbols.
    fn readelf_is_content(&self) -> &Self {
        assert_eq!(must(&self.path, "readelf -aW patched").stderr, "");
        let notes = |file: &str| must(&self.path, &format!("readelf -nW {file}")).stdout;
        assert_eq!(notes("patched"), notes("app"));
        let symbols = |file: &str| must(&self.path, &format!("readelf -sW {file}")).stdout;
        let (app, patched) = (symbols("app"), symbols("patched"));
        assert_eq!(app.lines().count(), patched.lines().count());
        let changed = app.lines().zip(patched.lines()).find(|(a, b)| {
            // The mark that stands in a note moves with it.
            a != b && !a.ends_with(" __abi_tag")
        });
        assert_eq!(changed, None);
        let lint = |file: &str| {
            let line = ["--gnu-ld", file];
            let ran = run(Command::new("eu-elflint")
                .args(line)
                .current_dir(&self.path));
            (ran.stdout + &ran.stderr).lines().count()
        };
        let (app, patched) = (lint("app"), lint("patched"));
        assert!(patched <= app, "eu-elflint: {app} lines became {patched}");
        self
    }

    /// qemu computes `AT_PHDR` as kernels before 5.18 do.
    fn runs_on_old_kernels(&self) -> &Self {
        let ran = run(Command::new("qemu-x86_64")
            .args(["./patched", "a"])
            .current_dir(&self.path));
        assert_eq!((ran.status, ran.stdout.as_str()), (RETURNS, SAYS));
        self
    }

    /// The dynamic loader takes it as its argument.
    fn loader_accepts(&self) -> &Self {
        let loader = "/lib64/ld-linux-x86-64.so.2";
        must(&self.path, &format!("{loader} --verify ./patched"));
        let ran = run(Command::new(loader)
            .args(["./patched", "a"])
            .current_dir(&self.path));
        assert_eq!((ran.status, ran.stdout.as_str()), (RETURNS, SAYS));
        self
    }

    /// What rewrites the file keeps our segment. A tool that refuses the original is left out.
    fn survives(&self, tools: &[&str]) -> &Self {
        for tool in tools {
            let words: Vec<_> = tool.split(' ').collect();
            let apply = |file: &str| {
                let mut command = Command::new(words[0]);
                command.args(&words[1..]).current_dir(&self.path);
                if words[0].ends_with("strip") {
                    run(command.args(["-o", "out", file]))
                } else {
                    run(command.args([file, "out"]))
                }
            };
            if apply("app").status != 0 {
                continue;
            }
            let ran = apply("patched");
            assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{tool}");
            runs(&self.path.join("out"));
        }
        self
    }

    /// gdb stops where it is told to and sees the stack.
    fn debugs(&self, function: &str) -> &Self {
        let ran = run(Command::new("gdb")
            .args(["-nx", "--batch", "-ex", &format!("break {function}")])
            .args(["-ex", "run", "-ex", "bt", "patched"])
            .current_dir(&self.path));
        let stop = ran.stdout.contains("Breakpoint 1, ");
        let frame = ran.stdout.lines().find(|l| l.starts_with("#0 "));
        assert!(
            stop && frame.is_some_and(|l| l.contains(function)),
            "{ran:?}"
        );
        self
    }

    fn all_tools(&self) {
        self.keeps_its_behaviour()
            .readelf_is_content()
            .runs_on_old_kernels()
            .survives(&STRIPPERS);
    }
}

const STRIPPERS: [&str; 7] = [
    "strip",
    "strip -g",
    "objcopy",
    "objcopy -R .comment",
    "eu-strip",
    "llvm-strip",
    "llvm-objcopy",
];

/// The sample runs as it should, and the runtime is in it.
fn runs(program: &Path) {
    let ran = run(Command::new(program).arg("a"));
    let said = (ran.status, ran.stdout.as_str(), ran.stderr.as_str());
    assert_eq!(said, (RETURNS, SAYS, ""), "{}", program.display());
    let ran = run(Command::new(program).args(["--restore", "/nonexistent"]));
    assert_eq!(ran.status, 125, "{}: {}", program.display(), ran.stderr);
}

/// Program headers: type, flags, offset, address, (physical), size in file and memory, alignment.
fn segments(file: &[u8]) -> Vec<[u64; 8]> {
    let phoff = usize::try_from(number(file, 32, 8)).expect("an offset");
    let phnum = usize::try_from(number(file, 56, 2)).expect("a count");
    let each = |i| {
        let at = phoff + 56 * i;
        let wide = |n: usize| number(file, at + n, 8);
        [
            number(file, at, 4),
            number(file, at + 4, 4),
            wide(8),
            wide(16),
            wide(24),
            wide(32),
            wide(40),
            wide(48),
        ]
    };
    (0..phnum).map(each).collect()
}

fn loads(file: &[u8]) -> Vec<[u64; 8]> {
    let all = segments(file).into_iter();
    all.filter(|s| s[0] == 1).collect()
}

// ---- C: compilers, linkers, link kinds ----

fn c(line: &str, expected: [&str; 3]) -> Pair {
    let dir = dir();
    build_c(dir.path(), line);
    Pair::patch(dir, expected)
}

#[test]
fn dynamic_pie() {
    let pair = c("gcc", ["in-place", "move-notes", "dynamic-pie"]);
    pair.loader_accepts().debugs("main").all_tools();
}

#[test]
fn dynamic_at_a_fixed_address() {
    let pair = c("gcc -no-pie", ["in-place", "move-notes", "dynamic"]);
    pair.loader_accepts().debugs("main").all_tools();
}

#[test]
fn static_at_a_fixed_address() {
    let pair = c("gcc -static", ["in-place", "drop-note", "static"]);
    pair.debugs("main").all_tools();
}

#[test]
fn static_pie() {
    let pair = c("gcc -static-pie", ["in-place", "drop-note", "static-pie"]);
    pair.debugs("main").all_tools();
}

#[test]
fn with_cet_marks() {
    let line = "gcc -fcf-protection=full -Wl,-z,ibt,-z,shstk";
    let pair = c(line, ["in-place", "move-notes", "dynamic-pie"]);
    let notes = must(&pair.path, "readelf -nW patched").stdout;
    assert!(notes.contains("x86 feature: IBT, SHSTK"), "{notes}");
    pair.loader_accepts().all_tools();
}

#[test]
fn with_pages_of_2_mib() {
    let line = "gcc -Wl,-z,max-page-size=0x200000";
    let pair = c(line, ["in-place", "move-notes", "dynamic-pie"]);
    pair.loader_accepts().all_tools();
}

#[test]
fn without_separate_code() {
    let line = "gcc -static -Wl,-z,noseparate-code";
    c(line, ["in-place", "drop-note", "static"]).all_tools();
}

#[test]
fn linked_by_lld() {
    let pair = c(
        "clang -fuse-ld=lld",
        ["in-place", "move-build-id", "dynamic-pie"],
    );
    pair.loader_accepts().debugs("main").all_tools();
}

#[test]
fn linked_by_lld_static() {
    let line = "clang -fuse-ld=lld -static";
    c(line, ["in-place", "move-build-id", "static"]).all_tools();
}

#[test]
fn linked_by_lld_static_pie() {
    let line = "clang -fuse-ld=lld -static-pie";
    c(line, ["in-place", "move-build-id", "static-pie"]).all_tools();
}

#[test]
fn stripped() {
    let pair = c("gcc -s", ["in-place", "move-notes", "dynamic-pie"]);
    pair.loader_accepts().all_tools();
}

#[test]
fn with_a_large_bss() {
    let dir = dir();
    let source = r#"
#include <stdio.h>
static char big[1500u << 20];
int main(int argc, char **argv) {
    big[1u << 30] = 40;
    printf("hello %d 6 %s\n", argc, argv[1]);
    return big[1u << 30] + argc;
}
"#;
    fs::write(dir.path().join("app.c"), source).expect("source");
    must(dir.path(), "gcc -static app.c -o app");
    let pair = Pair::patch(dir, ["in-place", "drop-note", "static"]);
    assert!(pair.after.len() < 4 << 20, "the zeros are not in the file");
    pair.all_tools();
}

/// No libc, no section for its headers to be in, and a segment of zeros at an odd offset.
#[test]
fn bare_assembly() {
    let dir = dir();
    let source = r#"
.globl _start
_start: mov $1, %eax
        mov $1, %edi
        lea text(%rip), %rsi
        mov $12, %edx
        syscall
        mov zeros+8000(%rip), %edi
        add $42, %edi
        mov $231, %eax
        syscall
text:   .ascii "hello 2 6 a\n"
.bss
zeros:  .skip 9000
"#;
    fs::write(dir.path().join("app.s"), source).expect("source");
    must(
        dir.path(),
        "gcc -nostdlib -static -Wl,--build-id=none app.s -o app",
    );
    let app = dir.path().join("app");
    let mut file = fs::read(&app).expect("the program");
    let zeros = segments(&file).iter().position(|s| s[0] == 1 && s[5] == 0);
    let at = 64 + 56 * zeros.expect("a segment of zeros") + 8;
    file[at] ^= 8;
    fs::write(&app, file).expect("the program");
    Pair::patch(dir, ["in-place", "slack", "static"])
        .keeps_its_behaviour()
        .runs_on_old_kernels();
}

// ---- musl ----

/// Links what `musl-gcc` cannot: `line` is a linker with its options.
fn musl_linked(line: &str) -> tempfile::TempDir {
    let dir = dir();
    build_c(dir.path(), "musl-gcc -c -fPIE");
    fs::rename(dir.path().join("app"), dir.path().join("app.o")).expect("object");
    let libgcc = must(dir.path(), "gcc -print-libgcc-file-name").stdout;
    let lib = "/usr/lib/x86_64-linux-musl";
    let start = if line.contains("-pie") {
        "rcrt1.o"
    } else {
        "crt1.o"
    };
    let objects = format!("{lib}/{start} {lib}/crti.o app.o {lib}/libc.a");
    let end = format!("{} {lib}/crtn.o", libgcc.trim());
    must(dir.path(), &format!("{line} {objects} {end} -o app"));
    dir
}

#[test]
fn musl_dynamic() {
    let pair = c("musl-gcc", ["in-place", "move-tables", "dynamic-pie"]);
    pair.debugs("main").all_tools();
}

#[test]
fn musl_dynamic_at_a_fixed_address() {
    c("musl-gcc -no-pie", ["in-place", "move-tables", "dynamic"]).all_tools();
}

#[test]
fn musl_static() {
    c("musl-gcc -static", ["in-place", "slack", "static"]).all_tools();
}

#[test]
fn musl_static_pie() {
    let dir = musl_linked("ld -static -pie --no-dynamic-linker -z text");
    Pair::patch(dir, ["in-place", "move-tables", "static-pie"]).all_tools();
}

#[test]
fn musl_static_without_separate_code() {
    let line = "musl-gcc -static -Wl,-z,noseparate-code";
    let pair = c(line, ["front", "none", "static"]);
    pair.debugs("main").all_tools();
}

#[test]
fn musl_static_linked_by_lld() {
    let dir = musl_linked("ld.lld -static");
    Pair::patch(dir, ["front", "none", "static"]).all_tools();
}

// ---- without section headers ----

/// Cuts the section headers off.
fn sectionless(dir: tempfile::TempDir, expected: [&str; 3]) -> Pair {
    // llvm-objcopy refuses static glibc programs; what it does for others is this.
    let path = dir.path().join("app");
    let mut file = fs::read(&path).expect("the program");
    let end = segments(&file).iter().map(|s| s[2] + s[5]).max();
    file.truncate(usize::try_from(end.expect("segments")).expect("a size"));
    file[40..48].fill(0);
    file[60..64].fill(0);
    fs::write(&path, file).expect("the program");
    Pair::patch(dir, expected)
}

fn c_sectionless(line: &str, expected: [&str; 3]) {
    let dir = dir();
    build_c(dir.path(), line);
    sectionless(dir, expected)
        .keeps_its_behaviour()
        .runs_on_old_kernels();
}

#[test]
fn sectionless_dynamic_pie() {
    c_sectionless("gcc", ["in-place", "move-notes", "dynamic-pie"]);
}

#[test]
fn sectionless_static() {
    c_sectionless("gcc -static", ["in-place", "drop-note", "static"]);
}

#[test]
fn sectionless_static_pie() {
    c_sectionless("gcc -static-pie", ["in-place", "drop-note", "static-pie"]);
}

#[test]
fn sectionless_lld() {
    let expected = ["in-place", "move-build-id", "dynamic-pie"];
    c_sectionless("clang -fuse-ld=lld", expected);
}

#[test]
fn sectionless_musl_static_pie() {
    let dir = musl_linked("ld -static -pie --no-dynamic-linker -z text");
    sectionless(dir, ["compat", "none", "static-pie"])
        .keeps_its_behaviour()
        .runs_on_old_kernels();
}

/// With section headers, the zeros after the table are known to be padding.
#[test]
fn sectionless_zeros_may_be_data() {
    let dir = dir();
    build_go(dir.path(), "", "0");
    sectionless(dir, ["front", "none", "static"])
        .keeps_its_behaviour()
        .runs_on_old_kernels();
}

/// Bytes that no section accounts for are left alone if they are not zero.
#[test]
fn padding_with_something_in_it() {
    let dir = dir();
    let app = build_c(dir.path(), "musl-gcc -static");
    let mut file = fs::read(&app).expect("the program");
    let end = 64 + 56 * segments(&file).len();
    assert_eq!(file[end..end + 56], [0; 56]);
    file[end + 55] = 1;
    fs::write(&app, file).expect("the program");
    Pair::patch(dir, ["front", "none", "static"]).all_tools();
}

#[test]
fn sectionless_musl_dynamic() {
    c_sectionless("musl-gcc", ["compat", "none", "dynamic-pie"]);
}

// ---- Go and Rust ----

const GO: &str = r#"
package main

import (
	"fmt"
	"os"
)

func main() {
	c := make(chan int)
	for i := 0; i < 4; i++ {
		go func(i int) { c <- i }(i)
	}
	s := 0
	for i := 0; i < 4; i++ {
		s += <-c
	}
	fmt.Println("hello", len(os.Args), s, os.Args[1])
	os.Exit(42)
}
"#;

/// Builds [`GO`] in `dir` with these words between `go build` and the file.
fn build_go(dir: &Path, flags: &str, cgo: &str) {
    fs::write(dir.join("app.go"), GO).expect("source");
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("go-cache");
    let ran = run(Command::new("go")
        .arg("build")
        .args(flags.split_whitespace())
        .args(["-o", "app", "app.go"])
        .env("GOCACHE", cache)
        .env("GO111MODULE", "off")
        .env("CGO_ENABLED", cgo)
        .current_dir(dir));
    assert_eq!(ran.status, 0, "{}", ran.stderr);
}

fn go(flags: &str, cgo: &str, expected: [&str; 3]) -> Pair {
    let dir = dir();
    build_go(dir.path(), flags, cgo);
    let pair = Pair::patch(dir, expected);
    assert!(pair.report.contains("\"go\":true"), "{}", pair.report);
    for line in ["go version -m", "go tool buildid"] {
        let of = |file: &str| must(&pair.path, &format!("{line} {file}")).stdout;
        assert_eq!(of("patched").replace("patched", "app"), of("app"));
    }
    pair
}

#[test]
fn go_static() {
    let pair = go("", "0", ["in-place", "slack", "static"]);
    pair.debugs("main.main").all_tools();
}

#[test]
fn go_pie() {
    let pair = go("-buildmode=pie", "1", ["in-place", "slack", "dynamic-pie"]);
    pair.debugs("main.main").all_tools();
}

#[test]
fn go_stripped() {
    go("-ldflags=-s", "0", ["in-place", "slack", "static"]).all_tools();
}

const RUST: &str = r#"
fn main() {
    let six = std::thread::spawn(|| 6).join().unwrap();
    let args: Vec<String> = std::env::args().collect();
    println!("hello {} {six} {}", args.len(), args[1]);
    std::process::exit(42)
}
"#;

fn rust(flags: &str, expected: [&str; 3]) -> Pair {
    let dir = dir();
    fs::write(dir.path().join("app.rs"), RUST).expect("source");
    must(dir.path(), &format!("rustc{flags} app.rs -o app"));
    Pair::patch(dir, expected)
}

#[test]
fn rust_dynamic() {
    let pair = rust("", ["in-place", "move-build-id", "dynamic-pie"]);
    pair.loader_accepts().debugs("main").all_tools();
}

#[test]
fn rust_static_pie() {
    let flags = " -C target-feature=+crt-static";
    rust(flags, ["in-place", "move-build-id", "static-pie"]).all_tools();
}

#[test]
fn rust_static() {
    let flags = " -C target-feature=+crt-static -C relocation-model=static";
    rust(flags, ["in-place", "move-build-id", "static"]).all_tools();
}
