//! Builds the runtime, which are two programs of their own with their own profile, and leaves the
//! payload in `OUT_DIR` for `src/payload.rs` to embed: the resident part as it lies in memory, behind
//! it the body, packed.

mod flat;
mod link;
mod pack;

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// The runtime's target: the gnu target with no libc linked in, since it needs no download.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Position-independent without a libc. (LLVM's outliner, which makes functions of what is repeated,
/// would make the code smaller, but not when it is packed.)
const FLAGS: &str = "-C relocation-model=pic -C target-feature=+crt-static";

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
    for path in [&runtime, &here.join("../Cargo.toml"), &here.join("build")] {
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
        .args(["--package", "ckpt-runtime", "--package", "ckpt-body"])
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
    let built = target_dir.join(TARGET).join("payload");
    let resident_file = fs::read(built.join("ckpt-payload")).expect("cargo has built it");
    let script = fs::read_to_string(runtime.join("payload.ld")).expect("a script");
    let body = link::link(&built.join("libckpt_body.a"), &script, &target_dir);
    let flat = |file| flat::Flat::of(file).unwrap_or_else(|e| panic!("the runtime: {e}"));
    let resident = flat(&resident_file);
    let mut payload = resident.image;
    let packed_at = resident.used.next_multiple_of(ckpt_packed::ALIGN);
    payload.resize(packed_at, 0);
    let packed = pack::pack(&body, &flat(&body.file), &payload[..resident.data]);
    payload.extend(packed);
    let numbers = format!(
        "Numbers {{ entry: {}, data: {}, packed: {packed_at} }}",
        resident.entry, resident.data,
    );
    let files: [(&str, &[u8]); 4] = [
        ("payload", &payload),
        ("payload.rs", numbers.as_bytes()),
        // For tests.
        ("ckpt-payload", &resident_file),
        ("ckpt-body", &body.file),
    ];
    for (name, bytes) in files {
        fs::write(out.join(name), bytes).unwrap_or_else(|e| panic!("write {name}: {e}"));
    }
    ExitCode::SUCCESS
}

fn var(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("cargo sets {name} for build scripts"))
}
