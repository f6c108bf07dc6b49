//! Builds the runtime, which is a program of its own with its own profile, and leaves it in
//! `OUT_DIR` for `src/payload.rs` to embed.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// The runtime's target: the gnu target with no libc linked in, since it needs no download.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Position-independent without a libc; sequences of instructions that occur often become functions.
const FLAGS: &str = "-C relocation-model=pic -C target-feature=+crt-static \
                     -C llvm-args=-enable-machine-outliner=always";

/// Beginnings of the names of variables that are not handed on, and of those that are all the same.
const CLEARED: [&str; 9] = [
    "CARGO",
    "RUSTC_W",
    "RUSTFLAGS",
    "TARGET",
    "HOST",
    "PROFILE",
    "OPT_LEVEL",
    "DEBUG",
    "NUM_JOBS",
];
const KEPT: [&str; 5] = [
    "CARGO_HOME",
    "CARGO_HTTP_",
    "CARGO_NET_",
    "CARGO_REGISTR",
    "CARGO_SOURCE_",
];

fn main() -> ExitCode {
    let here = PathBuf::from(var("CARGO_MANIFEST_DIR"));
    let out = PathBuf::from(var("OUT_DIR"));
    let runtime = here.join("../runtime");
    for path in [
        &runtime,
        &here.join("../Cargo.toml"),
        &here.join("build.rs"),
    ] {
        println!("cargo::rerun-if-changed={}", path.display());
    }
    println!("cargo::rerun-if-env-changed=CARGO_NET_OFFLINE");

    // A target directory of its own: the outer cargo holds the lock of the usual one.
    let target_dir = out.join("rt");
    let mut cargo = Command::new(var("CARGO"));
    cargo
        .arg("build")
        .arg("--manifest-path")
        .arg(runtime.join("Cargo.toml"))
        .args(["--package", "ckpt-runtime", "--bin", "ckpt-payload"])
        .args(["--profile", "payload", "--target", TARGET])
        .arg("--target-dir")
        .arg(&target_dir);
    // The outer cargo has settled the lock file; it must not be written from in here.
    let lock = here.join("../Cargo.lock");
    if lock.exists() {
        println!("cargo::rerun-if-changed={}", lock.display());
        cargo.arg("--locked");
    }
    // What the outer cargo sets is for this crate and would change how the runtime is built: flags,
    // clippy's wrapper, the profile. What the user set about networks and registries stays.
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        let cleared = CLEARED.iter().any(|p| name.starts_with(p));
        if cleared && !KEPT.iter().any(|p| name.starts_with(p)) {
            cargo.env_remove(&*name);
        }
    }
    // With --target these reach the runtime only, not its build script.
    cargo.env("RUSTFLAGS", FLAGS);
    let status = cargo.status().expect("cargo can be started");
    if !status.success() {
        println!("cargo::error=the runtime does not build");
        return ExitCode::FAILURE;
    }
    let built = target_dir.join(TARGET).join("payload/ckpt-payload");
    copy(&built, &out.join("ckpt-payload"));
    ExitCode::SUCCESS
}

fn var(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("cargo sets {name} for build scripts"))
}

fn copy(from: &Path, to: &Path) {
    fs::copy(from, to).unwrap_or_else(|e| panic!("copy {}: {e}", from.display()));
}
