//! The command line of `ckpt-patch`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    ckpt_patch::run()
}
