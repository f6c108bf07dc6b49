//! What is promised of every patched program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::programs::{RETURNS, SAYS, ckpt_patch, must, number, run};

/// A program and its patched self in one directory.
pub(crate) struct Pair {
    _dir: tempfile::TempDir,
    pub(crate) path: PathBuf,
    before: Vec<u8>,
    pub(crate) after: Vec<u8>,
    pub(crate) report: String,
}

impl Pair {
    /// Patches `app` of `dir`, which must give this layout, tactic and linkage.
    pub(crate) fn patch(dir: tempfile::TempDir, expected: [&str; 3]) -> Self {
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
    pub(crate) fn keeps_its_behaviour(&self) -> &Self {
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
    pub(crate) fn runs_on_old_kernels(&self) -> &Self {
        let ran = run(Command::new("qemu-x86_64")
            .args(["./patched", "a"])
            .current_dir(&self.path));
        assert_eq!((ran.status, ran.stdout.as_str()), (RETURNS, SAYS));
        self
    }

    /// The dynamic loader takes it as its argument.
    pub(crate) fn loader_accepts(&self) -> &Self {
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
    pub(crate) fn debugs(&self, function: &str) -> &Self {
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

    pub(crate) fn all_tools(&self) {
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
pub(crate) fn segments(file: &[u8]) -> Vec<[u64; 8]> {
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
