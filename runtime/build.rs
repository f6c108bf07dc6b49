//! Link arguments of the payload's two parts, each with its reason; nothing else.

fn main() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/payload.ld");
    println!("cargo::rerun-if-changed={script}");
    // Only the profile and target that the rewriter asks for make a payload; a plain
    // `cargo clippy` or `cargo test` never links it.
    for argument in [
        // No libc and no start files: the payload is a guest in somebody else's program.
        "-nostdlib",
        "-nostartfiles",
        // Position-independent without an interpreter: it relocates itself.
        "-static-pie",
        "-Wl,--no-dynamic-linker",
        // The same input gives the same bytes.
        "-Wl,--build-id=none",
        "-Wl,--gc-sections",
        // Protection of its pages is the payload's own work; no segments beyond the two.
        "-Wl,-z,norelro",
        "-Wl,--no-eh-frame-hdr",
        "-Wl,-z,noexecstack",
    ] {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
    println!("cargo::rustc-link-arg-bins=-Wl,-T,{script}");
}
