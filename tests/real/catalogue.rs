//! The programs, their input, and what to compare.

#[path = "threaded.rs"]
mod threaded;

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use ckpt_tests::{Scratch, build, installed, of_other_release, random_bytes, words};

use crate::golang::{go, go_by};

/// One program and a job for it, which may be of any size.
pub(crate) struct Real {
    /// Name of the test.
    pub(crate) name: &'static str,
    /// Name that the program has in the working directory.
    pub(crate) file_name: &'static str,
    /// Where the original is, or how to make it.
    pub(crate) program: fn(&Scratch) -> Result<PathBuf>,
    /// The job's size to begin with, for a run of a second or two; work grows with it about in proportion.
    pub(crate) size: u64,
    /// Makes the input, which is of that size.
    pub(crate) prepare: fn(&Scratch, u64) -> Result<()>,
    /// `SIZE` in them is the job's size.
    pub(crate) args: &'static [&'static str],
    /// The job's size is the number of times that the last argument is given.
    pub(crate) repeats_last: bool,
    /// Content of a file named `script`, with `SIZE` likewise.
    pub(crate) script: &'static str,
    /// Standard input.
    pub(crate) input: Option<&'static str>,
    /// Files to compare, besides standard output and error.
    pub(crate) files: &'static [&'static str],
    /// It changes or removes files that it will read again, so they must not run ahead of an image.
    pub(crate) in_place: bool,
    /// It runs with the working directory as its root directory, where there is nothing else.
    pub(crate) chroot: bool,
    /// It uses SIGUSR2 itself, so only the command asks.
    pub(crate) own_usr2: bool,
    /// What it writes to standard error tells times.
    pub(crate) tells_times: bool,
}

const PLAIN: Real = Real {
    name: "",
    file_name: "",
    program: |_| Ok(PathBuf::new()),
    size: 1,
    prepare: |_, _| Ok(()),
    args: &[],
    repeats_last: false,
    script: "",
    input: None,
    files: &[],
    in_place: false,
    chroot: false,
    own_usr2: false,
    tells_times: false,
};

/// All of them.
pub(crate) fn catalogue() -> Vec<Real> {
    let mut all = compressors();
    all.extend(readers());
    all.extend(interpreters());
    all.extend(machines());
    all.extend(databases());
    all.extend(compiled());
    all.extend(golang());
    all.extend(threaded::threaded());
    all
}

/// A file named `text` of so many megabytes.
fn text(scratch: &Scratch, megabytes: u64) -> Result<()> {
    let length = usize::try_from(megabytes << 20)?;
    scratch.write("text", words(length, 7))?;
    Ok(())
}

fn compressors() -> Vec<Real> {
    vec![
        Real {
            name: "bzip2",
            file_name: "bzip2",
            program: |_| installed("/bin/bzip2"),
            size: 20,
            prepare: text,
            args: &["-9", "-c", "text"],
            ..PLAIN
        },
        Real {
            name: "xz",
            file_name: "xz",
            program: |_| installed("/usr/bin/xz"),
            size: 2,
            prepare: text,
            args: &["-T1", "-6", "-c"],
            input: Some("text"),
            ..PLAIN
        },
        Real {
            name: "gzip",
            file_name: "gzip",
            program: |_| installed("/bin/gzip"),
            size: 10,
            prepare: text,
            args: &["-9", "-n", "-k", "text"],
            files: &["text.gz"],
            ..PLAIN
        },
    ]
}

fn readers() -> Vec<Real> {
    vec![
        // Little memory, so that it sorts through files of its own in the working directory.
        Real {
            name: "sort",
            file_name: "sort",
            program: |_| installed("/usr/bin/sort"),
            size: 80,
            prepare: text,
            args: &[
                "--parallel=1",
                "-S",
                "3M",
                "-T",
                ".",
                "-k2",
                "-o",
                "sorted",
                "text",
            ],
            files: &["sorted"],
            in_place: true,
            ..PLAIN
        },
        Real {
            name: "sha256sum",
            file_name: "sha256sum",
            program: |_| installed("/usr/bin/sha256sum"),
            size: 5,
            prepare: |scratch, _| {
                scratch.write("bytes", random_bytes(100 << 20, 3))?;
                Ok(())
            },
            args: &["bytes"],
            repeats_last: true,
            ..PLAIN
        },
        Real {
            name: "busybox",
            file_name: "busybox",
            program: |_| installed("/bin/busybox"),
            size: 12,
            prepare: |scratch, _| text(scratch, 40),
            args: &["sha512sum", "text"],
            repeats_last: true,
            ..PLAIN
        },
    ]
}

fn interpreters() -> Vec<Real> {
    vec![
        Real {
            name: "bc",
            file_name: "bc",
            program: |_| installed("/usr/bin/bc"),
            size: 14,
            script: "for (i = 0; i < SIZE; i++) { scale = 500 + i % 12 * 10; a(1) * 4; e(1) }\n",
            args: &["-l", "-q", "script"],
            ..PLAIN
        },
        Real {
            name: "dash",
            file_name: "dash",
            program: |_| installed("/bin/dash"),
            size: 300,
            script: include_str!("programs/builtins.sh"),
            args: &["script", "SIZE"],
            files: &["lines"],
            in_place: true,
            ..PLAIN
        },
        Real {
            name: "bash",
            file_name: "bash",
            program: |_| installed("/bin/bash"),
            size: 600,
            script: include_str!("programs/builtins.bash"),
            args: &["script", "SIZE"],
            files: &["lines"],
            in_place: true,
            ..PLAIN
        },
        Real {
            name: "gawk",
            file_name: "gawk",
            program: |_| installed("/usr/bin/gawk"),
            size: 24,
            prepare: text,
            script: include_str!("programs/count.awk"),
            args: &["-f", "script", "text"],
            ..PLAIN
        },
        Real {
            name: "perl",
            file_name: "perl",
            program: |_| installed("/usr/bin/perl"),
            size: 48,
            script: include_str!("programs/words.pl"),
            args: &["script", "SIZE"],
            ..PLAIN
        },
        Real {
            name: "lua5.4",
            file_name: "lua5.4",
            program: |_| installed("/usr/bin/lua5.4"),
            size: 5,
            script: include_str!("programs/queens.lua"),
            args: &["script", "SIZE"],
            ..PLAIN
        },
        Real {
            name: "python3",
            file_name: "python3",
            program: |_| installed("/usr/bin/python3"),
            size: 32,
            script: include_str!("programs/compute.py"),
            args: &["-B", "script", "SIZE"],
            ..PLAIN
        },
    ]
}

/// They make machine code, or take signals for themselves, or have threads of their own.
fn machines() -> Vec<Real> {
    vec![
        Real {
            name: "ruby",
            file_name: "ruby",
            program: |_| installed("/usr/bin/ruby"),
            size: 300,
            script: include_str!("programs/words.rb"),
            args: &["script"],
            ..PLAIN
        },
        // Its heap is at a fixed address, and its collector stops threads with SIGUSR2.
        Real {
            name: "sbcl",
            file_name: "sbcl",
            program: |_| installed("/usr/bin/sbcl"),
            size: 800,
            script: include_str!("programs/queens.lisp"),
            args: &["--core", "/usr/lib/sbcl/sbcl.core", "--script", "script"],
            own_usr2: true,
            ..PLAIN
        },
        // A translator of machine code, which takes signals for its guest.
        Real {
            name: "qemu",
            file_name: "qemu",
            program: |_| installed("/usr/bin/qemu-x86_64"),
            size: 250,
            prepare: |scratch, _| {
                let guest = build(scratch, &["cc", "-O1", "-static"], "real/programs/digits.c")?;
                scratch.copy(&guest, "guest")?;
                Ok(())
            },
            args: &["guest", "SIZE"],
            own_usr2: true,
            ..PLAIN
        },
    ]
}

fn databases() -> Vec<Real> {
    vec![
        Real {
            name: "python3_with_a_database",
            file_name: "python3",
            program: |_| installed("/usr/bin/python3"),
            size: 110,
            script: include_str!("programs/database.py"),
            args: &["-B", "script", "SIZE"],
            files: &["numbers.db"],
            in_place: true,
            ..PLAIN
        },
        Real {
            name: "sqlite3",
            file_name: "sqlite3",
            program: |_| installed("/usr/bin/sqlite3"),
            size: 400_000,
            script: include_str!("programs/load.sql"),
            args: &["-batch", "-init", "/dev/null", "numbers.db"],
            input: Some("script"),
            files: &["numbers.db"],
            in_place: true,
            ..PLAIN
        },
    ]
}

fn compiled() -> Vec<Real> {
    vec![
        Real {
            name: "cc1",
            file_name: "cc1",
            program: |_| {
                let output = Command::new("cc").arg("-print-prog-name=cc1").output()?;
                installed(String::from_utf8_lossy(&output.stdout).trim())
            },
            size: 300,
            prepare: |scratch, size| {
                scratch.write("large.i", generated_c(size))?;
                Ok(())
            },
            args: &[
                "-quiet",
                "-O2",
                "-fpreprocessed",
                "large.i",
                "-o",
                "large.s",
            ],
            files: &["large.s"],
            ..PLAIN
        },
        Real {
            name: "musl_static",
            file_name: "digits",
            program: |scratch| {
                build(
                    scratch,
                    &["musl-gcc", "-O1", "-static"],
                    "real/programs/digits.c",
                )
            },
            size: 250,
            args: &["SIZE"],
            ..PLAIN
        },
        // There is nothing but the program: no /proc, no /dev, no library.
        Real {
            name: "musl_static_in_an_empty_chroot",
            file_name: "digits",
            program: |scratch| {
                build(
                    scratch,
                    &["musl-gcc", "-O1", "-static"],
                    "real/programs/digits.c",
                )
            },
            size: 250,
            args: &["SIZE"],
            chroot: true,
            ..PLAIN
        },
        Real {
            name: "cxx_exceptions",
            file_name: "throwing",
            program: |scratch| build(scratch, &["c++", "-O1"], "real/programs/throwing.cc"),
            size: 400_000,
            args: &["SIZE"],
            ..PLAIN
        },
        Real {
            name: "fortran",
            file_name: "heat",
            program: |scratch| build(scratch, &["gfortran", "-O1"], "real/programs/heat.f90"),
            size: 18_000,
            args: &["SIZE"],
            ..PLAIN
        },
    ]
}

/// Ten thousand goroutines, timers, garbage, and loops that only a signal interrupts.
fn golang() -> Vec<Real> {
    const FILES: [&str; 2] = ["load.go", "plain.go"];
    const WITH_C: [&str; 2] = ["load.go", "withc.go"];
    vec![
        Real {
            name: "go_static",
            file_name: "load",
            program: |scratch| go(scratch, &FILES, &[], "0"),
            size: 12,
            args: &["SIZE"],
            ..PLAIN
        },
        Real {
            name: "go_pie_stripped",
            file_name: "load",
            program: |scratch| {
                let flags = ["-buildmode=pie", "-ldflags=-s -w"];
                go(scratch, &FILES, &flags, "0")
            },
            size: 12,
            args: &["SIZE"],
            ..PLAIN
        },
        Real {
            name: "go_cgo",
            file_name: "load",
            program: |scratch| go(scratch, &WITH_C, &[], "1"),
            size: 12,
            args: &["SIZE"],
            ..PLAIN
        },
        Real {
            name: "go_cgo_pie",
            file_name: "load",
            program: |scratch| go(scratch, &WITH_C, &["-buildmode=pie"], "1"),
            size: 12,
            args: &["SIZE"],
            ..PLAIN
        },
        Real {
            name: "newer_go_static",
            file_name: "load",
            program: |scratch| go_by(&newer_go()?, scratch, &FILES, &[], "0"),
            size: 12,
            args: &["SIZE"],
            ..PLAIN
        },
        Real {
            name: "newer_go_cgo_pie",
            file_name: "load",
            program: |scratch| go_by(&newer_go()?, scratch, &WITH_C, &["-buildmode=pie"], "1"),
            size: 12,
            args: &["SIZE"],
            ..PLAIN
        },
    ]
}

/// Debian 13's.
fn newer_go() -> Result<PathBuf> {
    Ok(of_other_release("go")?.join("usr/lib/go-1.24/bin/go"))
}

/// C without a preprocessor: functions that keep an optimiser busy.
fn generated_c(functions: u64) -> String {
    let mut text = String::from("extern int printf(const char *, ...);\n");
    for n in 0..functions {
        text.push_str(&format!(
            "static unsigned f{n}(unsigned a, unsigned *p) {{\n\
               unsigned s = {n}; struct {{ unsigned x, y; }} q[8];\n\
               for (unsigned i = 0; i < (a & 15) + {extra}; i++) {{\n\
                 q[i & 7].x = p[i & 3] * {odd}u; q[(i + 1) & 7].y = s ^ q[i & 7].x;\n\
                 switch ((s >> 3) % 5) {{ case 0: s += q[i & 7].y; break; case 1: s ^= a; break;\n\
                   case 2: s = s * 33 + i; break; case 3: s -= p[i & 1]; break; default: s++; }}\n\
               }}\n  return s + q[s & 7].x;\n}}\n",
            extra = n % 13,
            odd = n * 2 + 1,
        ));
    }
    text.push_str("int main(void) { unsigned p[4] = {1, 2, 3, 4}, s = 0;\n");
    for n in 0..functions {
        text.push_str(&format!("  s += f{n}(s, p);\n"));
    }
    text.push_str("  printf(\"%u\\n\", s);\n  return 0;\n}\n");
    text
}
