//! Every byte layout that crosses a file or process boundary.
//!
//! Two kinds of layout with different lifetimes live here:
//!
//! - [`handoff`]: rewriter to payload, built together, may change at will;
//! - the image, on disk and versioned: [`header`], [`toc`], [`record`], [`sections`];
//!   `docs/IMAGE-FORMAT.md` is
//!   its specification.
//!
//! The crate forbids unsafe code, indexing and unchecked arithmetic: it reads what an enemy may
//! have written.
#![no_std]
#![forbid(unsafe_code)]
#![deny(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable,
    clippy::unwrap_used
)]

pub mod codec;
pub mod crc;
pub mod error;
pub mod handoff;
pub mod header;
pub mod limits;
pub mod record;
pub mod sections;
pub mod toc;

pub use codec::{Reader, Writer};
pub use error::DecodeError;
