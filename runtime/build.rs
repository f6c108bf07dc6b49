//! Link arguments of the payload's resident part; nothing else.

mod arguments;

fn main() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/payload.ld");
    println!("cargo::rerun-if-changed={script}");
    println!("cargo::rerun-if-changed=arguments.rs");
    // Only the profile and target that the rewriter asks for make a payload; a plain
    // `cargo clippy` or `cargo test` never links it.
    for argument in arguments::ARGUMENTS {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
    println!("cargo::rustc-link-arg-bins=-Wl,-T,{script}");
}
