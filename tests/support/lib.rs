//! What the tests share: building samples, patching and running them, looking at them from outside.
//!
//! Programs under test run as a plain user with `no_new_privs` and an almost empty environment, in a
//! directory of their own under `/tmp`. Every wait has a limit and says what it waited for.

mod ask;
mod build;
mod data;
mod dialog;
pub mod image;
mod launch;
mod maps;
mod originals;
mod place;
mod product;
mod run;
mod sample;
mod series;
mod subject;
mod terminal;
mod visible;

pub use ask::{checkpoint, checkpoint_by_signal, wait_for_runtime};
pub use build::of_other_release;
pub use data::{Random, random_bytes, words};
pub use dialog::Dialog;
pub use launch::{Launch, Streams, command_of};
pub use originals::{JVM, build, installed, java};
pub use place::{Scratch, is_root, repository};
pub use product::{patch, patch_tool, patch_with};
pub use run::{Process, wait_for_ready, wait_until};
pub use sample::{Ask, Link, Sample};
pub use series::{Series, times};
pub use subject::Subject;
pub use terminal::{Cat, at_terminal, echo, noted_pid};
pub use visible::{State, differences, look, look_settled, wait_for_state};

use std::time::Duration;

/// No single step of a test takes longer than this, unless something hangs: many times what it takes where
/// tests have the machine to themselves.
pub const LIMIT: Duration = Duration::from_secs(60);

/// Exit status by which a sample says that all is well.
pub const PASS: i32 = 42;
