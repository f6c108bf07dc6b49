//! Programs without section headers, and bytes that no section accounts for.

use std::fs;

use crate::languages::build_go;
use crate::musl::musl_linked;
use crate::pair::{Pair, segments};
use crate::programs::{build_c, dir};

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
