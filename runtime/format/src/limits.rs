//! Every maximum of the format, checked before anything is allocated or believed.

/// Sections in a table: the kinds that exist, with room for those to come.
pub const SECTIONS: u32 = 64;
/// Mappings: the kernel's own ceiling `vm.max_map_count` is 65,530 by default; hosts raise it to
/// 262,144 for databases.
pub const VMAS: u32 = 1 << 20;
/// Page runs: a terabyte image in runs of one mebibyte.
pub const RUNS: u32 = 1 << 24;
/// Threads: `pid_max` on 64-bit kernels.
pub const THREADS: u32 = 1 << 22;
/// Descriptors: `fs.nr_open` by default.
pub const DESCRIPTORS: u32 = 1 << 20;
/// File locks: as many as descriptors; a database has a handful.
pub const LOCKS: u32 = 1 << 20;
/// POSIX timers: each holds one of the signals that `RLIMIT_SIGPENDING` allows.
pub const POSIX_TIMERS: u32 = 1 << 20;
/// Adjustments of System V semaphores: more than a host has semaphores by default (`SEMMNI` sets of
/// `SEMMSL`) is not in use anywhere.
pub const ADJUSTMENTS: u32 = 1 << 20;
/// Packets in all pipes together: a plain user's pipes have room for 16,384
/// (`fs.pipe-user-pages-soft`).
pub const PACKETS: u32 = 1 << 20;
/// What all epoll instances, or all inotify instances, watch together: `fs.epoll.max_user_watches` lets a user of a host with
/// 4 GiB of memory have as many.
pub const WATCHES: u32 = 1 << 20;
/// Bytes in a path: the kernel's `PATH_MAX`.
pub const PATH: usize = 4096;
/// Queued signals: well above usual `RLIMIT_SIGPENDING`.
pub const PENDING: u32 = 1 << 20;
/// Bytes of all sections together but the bulk data; larger metadata is refused unread.
pub const METADATA: u64 = 1 << 30;
/// Pages in one run, so that a checksum covers at most one mebibyte.
pub const RUN_PAGES: u32 = 256;
/// Bytes of a vDSO with its data pages: two orders above today's.
pub const VDSO: usize = 1 << 18;
/// Bytes of a host's name or kernel's release: `__NEW_UTS_LEN`.
pub const UTS: usize = 64;
/// Bytes of the auxiliary vector: `AT_VECTOR_SIZE` words, with room.
pub const AUXV: usize = 1024;
/// Messages in all sockets together: a full datagram queue has ten, a stream one for each change
/// of credentials or descriptor under way.
pub const MESSAGES: u32 = 1 << 22;
/// Options of all sockets together: some thirty for each.
pub const OPTIONS: u32 = 1 << 25;
/// Bytes of one option: a multicast group with sixty-four sources.
pub const OPTION: usize = 8448;
/// Numbers of pseudoterminals: NR_UNIX98_PTY_MAX of linux/tty.h.
pub const PTYS: u64 = 1 << 20;
/// Bytes under way in a pseudoterminal, each way: some 25,000 were seen; a line's are escaped.
pub const TERMINAL: usize = 1 << 17;
