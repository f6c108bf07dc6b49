//! Programs with musl.

use std::fs;

use crate::c::c;
use crate::pair::Pair;
use crate::programs::{build_c, dir, must};

/// Links what `musl-gcc` cannot: `line` is a linker with its options.
pub(crate) fn musl_linked(line: &str) -> tempfile::TempDir {
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
