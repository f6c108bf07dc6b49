//! The kinds of state of a process, one file each, holding both its dump and its restore.

pub mod aio;
pub mod attributes;
pub mod calls;
pub mod children;
pub mod credentials;
pub mod files;
pub mod golang;
pub mod ipc;
pub mod job;
pub mod machine;
pub mod memory;
pub mod mm;
pub mod namespaces;
pub mod numa;
pub mod owners;
pub mod places;
pub mod posix_timers;
pub mod room;
pub mod rseq;
pub mod signals;
pub mod thread;
pub mod timers;
pub mod tuning;
pub mod unsupported;
pub mod vdso;
