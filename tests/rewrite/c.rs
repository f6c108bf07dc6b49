//! C: compilers, linkers, link kinds.

use std::fs;

use crate::pair::{Pair, segments};
use crate::programs::{build_c, dir, must};

pub(crate) fn c(line: &str, expected: [&str; 3]) -> Pair {
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
