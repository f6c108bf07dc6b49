//! The runtime that is linked into a patched program.
//!
//! It is a guest in somebody else's process, and these rules hold for all of it:
//!
//! - no libc, no thread-local storage, no allocation from the program, no lock of the program's;
//! - quiet: nothing is printed unless a checkpoint or a restore fails or a log is asked for;
//! - data is not writable and not relocated before [`entry`] has seen to it;
//! - scratch memory is mapped for a checkpoint and unmapped after it ([`util::arena`]), and is
//!   never part of an image;
//! - in a checkpoint all signals are blocked and the program's other threads stand still, so that
//!   there is one user of every static at a time.
//!
//! All of it is part of every patched file, so its size counts: messages are most of its constants,
//! and `#[inline(never)]` stands where it was measured to make the whole smaller (a function merged
//! into a large one reaches its variables by longer instructions).
//!
//! Data goes one way: `sys` (the kernel's calls) and `util` know of nothing above them, `state`
//! has a file for every kind of state with both its dump and its restore, `checkpoint` and
//! `restore` say in what order.
#![no_std]
#![deny(unsafe_code)]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    reason = "x86-64 only: usize, u64 and the kernel's long are one size, and register values change sign at the system call boundary"
)]

pub mod again;
pub mod allow;
pub mod arch;
pub mod body;
pub mod checkpoint;
pub mod config;
pub mod entry;
pub mod error;
pub mod fault;
pub mod gate;
pub mod golang;
pub mod image;
pub mod log;
pub mod quiesce;
pub mod request;
pub mod restore;
pub mod state;
pub mod step;
pub mod sys;
pub mod trigger;
pub mod unpack;
pub mod util;
