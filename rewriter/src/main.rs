//! The command line of `ckpt-patch`.
fn main() {}
