//! Go and Rust.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::pair::Pair;
use crate::programs::{dir, must, run};

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
pub(crate) fn build_go(dir: &Path, flags: &str, cgo: &str) {
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
