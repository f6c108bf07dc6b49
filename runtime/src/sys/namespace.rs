//! Calls about namespaces, capabilities, and processes with ids of choice.
#![expect(unsafe_code, reason = "system calls")]

use core::ffi::CStr;

use super::{SysResult, call, fs, k};

/// CLONE_NEWNS: mounts.
pub const MOUNTS: u32 = k::CLONE_NEWNS;
/// CLONE_NEWUSER.
pub const USERS: u32 = k::CLONE_NEWUSER;
/// CLONE_NEWPID: of the children to come.
pub const PROCESSES: u32 = k::CLONE_NEWPID;

/// unshare(2) of namespaces.
pub fn leave(which: u32) -> SysResult<()> {
    // SAFETY: memory stays as it is.
    unsafe { call!(__NR_unshare, which) }.map(drop)
}

/// Cuts off what is mounted from here on from the rest of the host, but not the other way round.
pub fn cut_mounts_off() -> SysResult<()> {
    const MS_REC_SLAVE: usize = 0x4000 | 0x8_0000;
    let none = c"none".as_ptr();
    // SAFETY: the kernel reads the texts.
    unsafe { call!(__NR_mount, none, c"/".as_ptr(), 0, MS_REC_SLAVE, 0) }.map(drop)
}

/// Mounts a /proc of the caller's own process id namespace over the one there is.
pub fn mount_proc() -> SysResult<()> {
    // MS_NOSUID | MS_NODEV | MS_NOEXEC
    const FLAGS: usize = 2 | 4 | 8;
    let kind = c"proc".as_ptr();
    // SAFETY: the kernel reads the texts.
    unsafe { call!(__NR_mount, kind, c"/proc".as_ptr(), kind, FLAGS, 0) }.map(drop)
}

/// Writes a short text to a file of /proc.
pub fn put(path: &CStr, text: &[u8]) -> SysResult<()> {
    let file = fs::open(path, fs::O_WRONLY, 0)?;
    fs::write_all(file.number(), text)
}

/// A thread's capabilities: effective, permitted, inheritable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities(pub [u64; 3]);

/// `struct __user_cap_header_struct` of the third version, for the calling thread.
const HEADER: [u32; 2] = [0x2008_0522, 0];

impl Capabilities {
    /// Those of the calling thread.
    pub fn get() -> SysResult<Self> {
        let mut data = [0u32; 6];
        // SAFETY: the kernel writes the two triples, of which the second has the upper halves.
        unsafe { call!(__NR_capget, HEADER.as_ptr(), data.as_mut_ptr()) }?;
        let [e, p, i, e2, p2, i2] = data.map(u64::from);
        Ok(Self([e | e2 << 32, p | p2 << 32, i | i2 << 32]))
    }

    /// Makes them those of the calling thread.
    pub fn set(self) -> SysResult<()> {
        let [e, p, i] = self.0;
        let high = |set: u64| (set >> 32) as u32;
        let data = [e as u32, p as u32, i as u32, high(e), high(p), high(i)];
        // SAFETY: the kernel reads both.
        unsafe { call!(__NR_capset, HEADER.as_ptr(), data.as_ptr()) }.map(drop)
    }
}

/// `struct clone_args` (linux/sched.h) up to the ids of choice, which came with Linux 5.5.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct CloneArgs {
    /// CLONE_*.
    pub flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    /// First byte of the new stack; zero for a copy of the caller's.
    pub stack: u64,
    /// Its length.
    pub stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
}

impl CloneArgs {
    /// Of a child that has the caller's memory, and for whose end the caller waits, which is told
    /// by `signal`.
    pub fn dies_in_our_memory(&mut self, signal: u32) {
        self.flags = u64::from(k::CLONE_VM | k::CLONE_VFORK);
        self.exit_signal = signal.into();
    }

    /// Of a child whose id in the innermost namespace is `*id`, if there is one.
    #[must_use]
    pub fn with_id(id: Option<&u32>) -> Self {
        Self {
            set_tid: id.map_or(0, |id| core::ptr::from_ref(id).expose_provenance() as u64),
            set_tid_size: u64::from(id.is_some()),
            ..Self::default()
        }
    }
}

/// fork(2), with an id of choice; zero in the child.
pub fn fork(id: Option<u32>) -> SysResult<u32> {
    const SIGCHLD: u64 = 17;
    let mut args = CloneArgs::with_id(id.as_ref());
    args.exit_signal = SIGCHLD;
    let at = core::ptr::from_ref(&args);
    // SAFETY: the child has a copy of all memory, this stack included.
    unsafe { call!(__NR_clone3, at, size_of::<CloneArgs>()) }.map(|pid| pid as u32)
}

/// What became of a child (wait4(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It has ended with this status.
    Exited(i32),
    /// A signal has ended it.
    Killed(u32),
    /// A signal has stopped it.
    Stopped(u32),
}

/// wait4(2) of a child, or with `u32::MAX` of any: its end, or with `now` only if that has come;
/// then stops are told as well. `None` if there is nothing to tell yet.
pub fn wait(child: u32, now: bool) -> SysResult<Option<Fate>> {
    const WNOHANG_WUNTRACED: u32 = 3;
    let mut status = 0u32;
    let options = if now { WNOHANG_WUNTRACED } else { 0 };
    let to = core::ptr::from_mut(&mut status);
    // SAFETY: the kernel writes the number.
    let got = unsafe { call!(__NR_wait4, child as i32, to, options, 0) }?;
    let [low, high, ..] = status.to_le_bytes();
    Ok((got != 0).then_some(match low {
        0x7f => Fate::Stopped(u32::from(high)),
        0 => Fate::Exited(i32::from(high)),
        _ => Fate::Killed(u32::from(low & 0x7f)),
    }))
}

/// setsid(2).
pub fn new_session() -> SysResult<()> {
    // SAFETY: no memory.
    unsafe { call!(__NR_setsid) }.map(drop)
}

/// getsid(2) of the caller; zero for one that is not of this namespace.
#[must_use]
pub fn session() -> u32 {
    // SAFETY: asks only.
    unsafe { call!(__NR_getsid, 0) }.unwrap_or(0) as u32
}

/// setpgid(2): makes a process the leader of a group of its own.
pub fn new_group(pid: u32) -> SysResult<()> {
    // SAFETY: no memory.
    unsafe { call!(__NR_setpgid, pid, pid) }.map(drop)
}

/// setpgid(2) of the caller; zero makes it the leader of a group.
pub fn join_group(group: u32) -> SysResult<()> {
    // SAFETY: no memory.
    unsafe { call!(__NR_setpgid, 0, group) }.map(drop)
}

/// The foreground process group of a terminal.
pub fn foreground(terminal: i32) -> SysResult<u32> {
    const TIOCGPGRP: usize = 0x540f;
    let mut group = 0u32;
    let to = core::ptr::from_mut(&mut group);
    // SAFETY: the kernel writes the number.
    unsafe { call!(__NR_ioctl, terminal, TIOCGPGRP, to) }?;
    Ok(group)
}

/// Makes a group the foreground one of a terminal.
pub fn set_foreground(terminal: i32, group: u32) -> SysResult<()> {
    const TIOCSPGRP: usize = 0x5410;
    let from = core::ptr::from_ref(&group);
    // SAFETY: the kernel reads the number.
    unsafe { call!(__NR_ioctl, terminal, TIOCSPGRP, from) }.map(drop)
}
