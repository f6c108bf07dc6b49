//! State of the whole process that is not carried, refused by name before anything is written.

use super::{credentials, files};
use crate::error::{Result, fail};
use crate::sys::{fs, process, thread};
use crate::util::text::decimal;
use crate::{config, quiesce};

/// The seccomp mode (PR_GET_SECCOMP): 0 none, 2 filters. A filter that forbids the question kills
/// who asks, or answers with an error, which only a mode can do.
#[must_use]
pub fn seccomp() -> u32 {
    const PR_GET_SECCOMP: u32 = 21;
    process::control(PR_GET_SECCOMP, 0, 0).map_or(2, |mode| mode as u32)
}

/// Refuses to go by a /proc that was mounted for another process id namespace: threads have other
/// ids there.
pub fn refuse_foreign_proc() -> Result<()> {
    let mut text = [0; 16];
    let shown = fs::read_link(c"/proc/self", &mut text)
        .ok()
        .and_then(decimal);
    if shown.is_some_and(|(pid, _)| pid != u64::from(process::id())) {
        fail!("/proc shows the processes of another namespace: not supported");
    }
    Ok(())
}

/// Refuses a root directory of the program's own.
pub fn refuse_root() -> Result<()> {
    if files::has_other_root() {
        fail!("root directory that was changed (chroot): not carried");
    }
    Ok(())
}

/// Refuses a seccomp filter of the program's own: first of all, since it may forbid the calls of a
/// checkpoint.
pub fn refuse_filter() -> Result<()> {
    if seccomp() != config::with(|c| c.seccomp) {
        fail!("seccomp filter of the program's own: not carried");
    }
    Ok(())
}

/// Refuses what the process has of it. `others` are the threads beside the caller.
pub fn refuse(others: &quiesce::Standstill) -> Result<()> {
    const PR_GET_MDWE: u32 = 66;
    // Kernels before 6.3 do not have it.
    if process::control(PR_GET_MDWE, 0, 0).unwrap_or(0) != 0 {
        fail!("memory that may not be made executable (PR_SET_MDWE): not carried");
    }
    if process::has_descriptor_table() {
        fail!("local descriptor table: not carried");
    }
    let own = thread::id();
    if let Some(tid) = others.of_other_rights(credentials::mark()) {
        fail!("thread {tid} with rights of its own: not carried");
    }
    refuse_scheduling(own)?;
    for tid in others.records().map(|record| record.tid) {
        refuse_scheduling(tid)?;
    }
    Ok(())
}

/// Refuses what only the administrator can have made of a thread's scheduling.
fn refuse_scheduling(tid: u32) -> Result<()> {
    const SCHED_DEADLINE: u32 = 6;
    if thread::policy_of(tid) == Ok(SCHED_DEADLINE) {
        fail!("thread {tid} with a deadline (SCHED_DEADLINE): not carried");
    }
    if process::has_core_cookie(tid) {
        fail!("thread {tid} with a core scheduling cookie (PR_SCHED_CORE): not carried");
    }
    Ok(())
}
