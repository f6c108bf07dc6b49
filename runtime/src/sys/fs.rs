//! Calls on files and descriptors.
#![expect(unsafe_code, reason = "system calls")]

use core::ffi::CStr;

use super::{Errno, SysResult, call, k};
use crate::util::text::until_nul;

/// Flags of open(2) used here; see there.
pub const O_RDONLY: u32 = 0;
/// Write only.
pub const O_WRONLY: u32 = 1;
/// Read and write.
pub const O_RDWR: u32 = 2;
/// Which of the three.
pub const O_ACCMODE: u32 = 3;
/// Create.
pub const O_CREAT: u32 = 0o100;
/// Fail if it exists.
pub const O_EXCL: u32 = 0o200;
/// Do not become the controlling terminal.
pub const O_NOCTTY: u32 = 0o400;
/// Truncate.
pub const O_TRUNC: u32 = 0o1000;
/// Every write at the end.
pub const O_APPEND: u32 = 0o2000;
/// Do not wait.
pub const O_NONBLOCK: u32 = 0o4000;
/// Only a directory.
pub const O_DIRECTORY: u32 = 0o200_000;
/// Not through a symbolic link.
pub const O_NOFOLLOW: u32 = 0o400_000;
/// Close on exec.
pub const O_CLOEXEC: u32 = 0o2_000_000;
/// A place in the file tree only.
pub const O_PATH: u32 = 0o10_000_000;
/// A file without a name, in a directory.
pub const O_TMPFILE: u32 = 0o20_200_000;

/// A descriptor of the runtime's own, closed when dropped.
#[derive(Debug)]
pub struct Fd(i32);

impl Fd {
    /// Takes a descriptor over.
    #[must_use]
    pub fn own(number: i32) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub fn number(&self) -> i32 {
        self.0
    }

    /// Gives the descriptor up without closing it.
    #[must_use]
    pub fn release(self) -> i32 {
        core::mem::ManuallyDrop::new(self).0
    }
}

impl Drop for Fd {
    fn drop(&mut self) {
        // After close(2) the descriptor is gone whatever it returns.
        let _ = close(self.0);
    }
}

/// openat(2) from the working directory; always close-on-exec.
pub fn open(path: &CStr, flags: u32, mode: u32) -> SysResult<Fd> {
    const AT_FDCWD: i32 = -100;
    let flags = flags | O_CLOEXEC;
    // SAFETY: the kernel reads the string.
    let fd = unsafe { call!(__NR_openat, AT_FDCWD, path.as_ptr(), flags, mode) }?;
    Ok(Fd(fd as i32))
}

/// close(2).
pub fn close(fd: i32) -> SysResult<()> {
    // SAFETY: no memory.
    unsafe { call!(__NR_close, fd) }.map(drop)
}

/// close_range(2), kernel 5.9.
pub fn close_range(first: u32, last: u32) -> SysResult<()> {
    // SAFETY: no memory.
    unsafe { call!(__NR_close_range, first, last, 0) }.map(drop)
}

/// read(2), once.
pub fn read(fd: i32, to: &mut [u8]) -> SysResult<usize> {
    // SAFETY: the kernel writes within `to`.
    unsafe { call!(__NR_read, fd, to.as_mut_ptr(), to.len()) }
}

/// The beginning of a small file, as of /proc; nothing if it cannot be read.
#[inline(never)]
pub fn glance<'a>(path: &CStr, to: &'a mut [u8]) -> &'a [u8] {
    let got = open(path, O_RDONLY, 0)
        .and_then(|file| read(file.number(), to))
        .unwrap_or(0);
    to.get(..got).unwrap_or(&[])
}

/// pread(2) until `to` is full or the file ends; tells how much was read.
pub fn read_at(fd: i32, to: &mut [u8], at: u64) -> SysResult<usize> {
    let mut done = 0;
    while let Some(rest @ [_, ..]) = to.get_mut(done..) {
        // SAFETY: the kernel writes within `rest`.
        match unsafe {
            call!(
                __NR_pread64,
                fd,
                rest.as_mut_ptr(),
                rest.len(),
                at + done as u64
            )
        } {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(Errno::INTR) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(done)
}

/// write(2), once.
pub fn write(fd: i32, from: &[u8]) -> SysResult<usize> {
    // SAFETY: the kernel reads within `from`.
    unsafe { call!(__NR_write, fd, from.as_ptr(), from.len()) }
}

/// write(2) until all is written.
pub fn write_all(fd: i32, mut from: &[u8]) -> SysResult<()> {
    while !from.is_empty() {
        match write(fd, from) {
            Ok(n) => from = from.get(n..).unwrap_or(&[]),
            Err(Errno::INTR) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// pwrite(2) until all is written.
pub fn write_at(fd: i32, from: &[u8], at: u64) -> SysResult<()> {
    let mut done = 0;
    while let Some(rest @ [_, ..]) = from.get(done..) {
        // SAFETY: the kernel reads within `rest`.
        match unsafe {
            call!(
                __NR_pwrite64,
                fd,
                rest.as_ptr(),
                rest.len(),
                at + done as u64
            )
        } {
            Ok(n) => done += n,
            Err(Errno::INTR) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// A piece of memory for [`gather_at`], `struct iovec`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Piece {
    /// First address.
    pub base: usize,
    /// Bytes.
    pub len: usize,
}

/// pwritev(2), once; tells how much was written. The pieces are addresses, not slices: memory of
/// the program, of which Rust knows nothing.
pub fn gather_at(fd: i32, pieces: &[Piece], at: u64) -> SysResult<usize> {
    // SAFETY: the kernel reads only, and returns EFAULT for what it cannot read.
    unsafe { call!(__NR_pwritev, fd, pieces.as_ptr(), pieces.len(), at, 0) }
}

/// lseek(2).
pub fn seek(fd: i32, offset: i64, whence: u32) -> SysResult<u64> {
    // SAFETY: no memory.
    unsafe { call!(__NR_lseek, fd, offset, whence) }.map(|n| n as u64)
}

/// What fstat(2) and stat(2) tell.
pub type Stat = k::stat;

/// fstat(2).
pub fn stat_fd(fd: i32) -> SysResult<Stat> {
    let mut stat = zero_stat();
    // SAFETY: the kernel writes the structure.
    unsafe { call!(__NR_fstat, fd, core::ptr::from_mut(&mut stat)) }?;
    Ok(stat)
}

/// stat(2), through symbolic links.
pub fn stat(path: &CStr) -> SysResult<Stat> {
    let mut stat = zero_stat();
    // SAFETY: the kernel reads the string and writes the structure.
    unsafe { call!(__NR_stat, path.as_ptr(), core::ptr::from_mut(&mut stat)) }?;
    Ok(stat)
}

/// Major and minor number of an `st_dev`, the major in the upper half (new_encode_dev,
/// include/linux/kdev_t.h).
#[must_use]
pub fn device(dev: u64) -> u64 {
    let (major, minor) = (dev >> 8 & 0xfff, dev & 0xff | dev >> 12 & 0xf_ff00);
    major << 32 | minor
}

fn zero_stat() -> Stat {
    // SAFETY: a structure of integers.
    unsafe { core::mem::zeroed() }
}

/// Modification time in nanoseconds since 1970.
#[must_use]
pub fn mtime(stat: &Stat) -> i64 {
    (stat.st_mtime as i64)
        .saturating_mul(1_000_000_000)
        .saturating_add(stat.st_mtime_nsec as i64)
}

/// readlink(2).
pub fn read_link<'a>(path: &CStr, to: &'a mut [u8]) -> SysResult<&'a [u8]> {
    // SAFETY: the kernel reads the string and writes within `to`.
    let n = unsafe { call!(__NR_readlink, path.as_ptr(), to.as_mut_ptr(), to.len()) }?;
    Ok(to.get(..n).unwrap_or(&[]))
}

/// getcwd(2), without the NUL.
pub fn working_directory(to: &mut [u8]) -> SysResult<&[u8]> {
    // SAFETY: the kernel writes within `to`.
    let n = unsafe { call!(__NR_getcwd, to.as_mut_ptr(), to.len()) }?;
    Ok(to.get(..n.saturating_sub(1)).unwrap_or(&[]))
}

/// chdir(2).
pub fn change_directory(path: &CStr) -> SysResult<()> {
    // SAFETY: the kernel reads the string.
    unsafe { call!(__NR_chdir, path.as_ptr()) }.map(drop)
}

/// fcntl(2) with a number for argument.
pub fn control(fd: i32, command: u32, argument: usize) -> SysResult<usize> {
    // SAFETY: only commands without a pointer are used.
    unsafe { call!(__NR_fcntl, fd, command, argument) }
}

/// dup3(2).
pub fn duplicate_to(from: i32, to: i32, cloexec: bool) -> SysResult<()> {
    let flags = if cloexec { O_CLOEXEC } else { 0 };
    // SAFETY: no memory.
    unsafe { call!(__NR_dup3, from, to, flags) }.map(drop)
}

/// fsync(2).
pub fn sync(fd: i32) -> SysResult<()> {
    // SAFETY: no memory.
    unsafe { call!(__NR_fsync, fd) }.map(drop)
}

/// sync_file_range(2) with SYNC_FILE_RANGE_WRITE: begin writing to the disk, do not wait.
pub fn start_sync(fd: i32, at: u64, len: u64) -> SysResult<()> {
    // SAFETY: no memory.
    unsafe { call!(__NR_sync_file_range, fd, at, len, 2) }.map(drop)
}

/// ftruncate(2).
pub fn truncate(fd: i32, len: u64) -> SysResult<()> {
    // SAFETY: no memory.
    unsafe { call!(__NR_ftruncate, fd, len) }.map(drop)
}

/// fallocate(2): zeros that take no room, within the file.
pub fn punch_hole(fd: i32, at: u64, len: u64) -> SysResult<()> {
    /// FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE.
    const HOLE: u32 = 3;
    // SAFETY: no memory.
    unsafe { call!(__NR_fallocate, fd, HOLE, at, len) }.map(drop)
}

/// rename(2).
pub fn rename(from: &CStr, to: &CStr) -> SysResult<()> {
    // SAFETY: the kernel reads the strings.
    unsafe { call!(__NR_rename, from.as_ptr(), to.as_ptr()) }.map(drop)
}

/// unlink(2).
pub fn unlink(path: &CStr) -> SysResult<()> {
    // SAFETY: the kernel reads the string.
    unsafe { call!(__NR_unlink, path.as_ptr()) }.map(drop)
}

/// mkdir(2).
pub fn make_directory(path: &CStr, mode: u32) -> SysResult<()> {
    // SAFETY: the kernel reads the string.
    unsafe { call!(__NR_mkdir, path.as_ptr(), mode) }.map(drop)
}

/// rmdir(2).
pub fn remove_directory(path: &CStr) -> SysResult<()> {
    // SAFETY: the kernel reads the string.
    unsafe { call!(__NR_rmdir, path.as_ptr()) }.map(drop)
}

/// getdents64(2), once.
pub fn entries(fd: i32, to: &mut [u8]) -> SysResult<usize> {
    // SAFETY: the kernel writes within `to`.
    unsafe { call!(__NR_getdents64, fd, to.as_mut_ptr(), to.len()) }
}

/// memfd_create(2), close-on-exec.
pub fn memory_file(name: &CStr) -> SysResult<Fd> {
    memory_file_with(name, 0)
}

/// memfd_create(2) with flags besides close-on-exec.
pub fn memory_file_with(name: &CStr, flags: u32) -> SysResult<Fd> {
    const MFD_CLOEXEC: u32 = 1;
    // SAFETY: the kernel reads the string.
    let fd = unsafe { call!(__NR_memfd_create, name.as_ptr(), MFD_CLOEXEC | flags) }?;
    Ok(Fd(fd as i32))
}

/// Do two descriptors of this process share one open file description? kcmp(2), KCMP_FILE.
pub fn same_description(pid: u32, a: i32, b: i32) -> SysResult<bool> {
    // SAFETY: no memory.
    unsafe { call!(__NR_kcmp, pid, pid, 0, a, b) }.map(|order| order == 0)
}

/// Is `fd` what an epoll instance watches under the number `number`? There may be several of that
/// number, of which `nth` is meant. kcmp(2), KCMP_EPOLL_TFD.
pub fn is_watched(pid: u32, epoll: i32, number: u32, nth: u32, fd: i32) -> SysResult<bool> {
    const KCMP_EPOLL_TFD: u32 = 7;
    // `struct kcmp_epoll_slot`.
    let slot = [epoll as u32, number, nth];
    // SAFETY: the kernel reads the slot.
    unsafe { call!(__NR_kcmp, pid, pid, KCMP_EPOLL_TFD, fd, slot.as_ptr()) }.map(|order| order == 0)
}

/// eventfd2(2), close-on-exec, of value zero.
pub fn event_counter(semaphore: bool) -> SysResult<Fd> {
    // SAFETY: no memory.
    let fd = unsafe { call!(__NR_eventfd2, 0, O_CLOEXEC | u32::from(semaphore)) }?;
    Ok(Fd(fd as i32))
}

/// epoll_create1(2), close-on-exec.
pub fn epoll() -> SysResult<Fd> {
    // SAFETY: no memory.
    let fd = unsafe { call!(__NR_epoll_create1, O_CLOEXEC) }?;
    Ok(Fd(fd as i32))
}

/// What an epoll instance is told and tells, `struct epoll_event` of x86-64.
#[repr(C, packed)]
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// EPOLL* bits.
    pub events: u32,
    /// The program's own.
    pub data: u64,
}

/// epoll_ctl(2).
pub fn epoll_control(epoll: i32, operation: u32, fd: i32, event: Event) -> SysResult<()> {
    let event = core::ptr::from_ref(&event);
    // SAFETY: the kernel reads the event.
    unsafe { call!(__NR_epoll_ctl, epoll, operation, fd, event) }.map(drop)
}

/// epoll_wait(2), without waiting; tells how many events there are.
pub fn epoll_take(epoll: i32, events: &mut [Event]) -> SysResult<usize> {
    let len = events.len();
    // SAFETY: the kernel writes within the slice.
    unsafe { call!(__NR_epoll_wait, epoll, events.as_mut_ptr(), len, 0) }
}

/// inotify_init1(2), close-on-exec.
pub fn inotify() -> SysResult<Fd> {
    // SAFETY: no memory.
    let fd = unsafe { call!(__NR_inotify_init1, O_CLOEXEC) }?;
    Ok(Fd(fd as i32))
}

/// inotify_add_watch(2): tells the number.
pub fn inotify_watch(fd: i32, path: &CStr, mask: u32) -> SysResult<u32> {
    // SAFETY: the kernel reads the string.
    unsafe { call!(__NR_inotify_add_watch, fd, path.as_ptr(), mask) }.map(|wd| wd as u32)
}

/// inotify_rm_watch(2).
pub fn inotify_forget(fd: i32, wd: u32) -> SysResult<()> {
    // SAFETY: no memory.
    unsafe { call!(__NR_inotify_rm_watch, fd, wd) }.map(drop)
}

/// Does waiting for an epoll instance poll the network (EPIOCSPARAMS, kernel 6.9)?
#[must_use]
pub fn epoll_busy_polling(epoll: i32) -> bool {
    const EPIOCGPARAMS: u32 = 0x8008_8a02;
    let mut parameters = 0u64;
    let place = core::ptr::from_mut(&mut parameters);
    // SAFETY: the kernel writes `struct epoll_params`, 8 bytes.
    unsafe { call!(__NR_ioctl, epoll, EPIOCGPARAMS, place) }.is_ok() && parameters != 0
}

/// Who gets SIGIO and SIGURG, F_GETOWN_EX: 0 a thread, 1 a process, 2 a group; and its id.
/// F_GETOWN cannot be used: a small group's negative number looks like an error.
pub fn owner(fd: i32) -> SysResult<(u32, i32)> {
    const F_GETOWN_EX: u32 = 16;
    let mut pair = [0i32; 2];
    // SAFETY: the kernel writes the pair.
    unsafe { call!(__NR_fcntl, fd, F_GETOWN_EX, pair.as_mut_ptr()) }?;
    let [of, id] = pair;
    Ok((of as u32, id))
}

/// True if it is a terminal: TCGETS works.
#[must_use]
pub fn is_terminal(fd: i32) -> bool {
    const TCGETS: u32 = 0x5401;
    // `struct termios` of the kernel has 36 bytes.
    let mut termios = [0u32; 16];
    // SAFETY: the kernel writes within the buffer.
    unsafe { call!(__NR_ioctl, fd, TCGETS, termios.as_mut_ptr()) }.is_ok()
}

/// fchmod(2).
pub fn set_mode(fd: i32, mode: u32) -> SysResult<()> {
    // SAFETY: no memory.
    unsafe { call!(__NR_fchmod, fd, mode) }.map(drop)
}

/// chmod(2).
pub fn set_mode_of(path: &CStr, mode: u32) -> SysResult<()> {
    // SAFETY: the kernel reads the string.
    unsafe { call!(__NR_chmod, path.as_ptr(), mode) }.map(drop)
}

/// fchdir(2).
pub fn change_directory_to(fd: i32) -> SysResult<()> {
    // SAFETY: no memory.
    unsafe { call!(__NR_fchdir, fd) }.map(drop)
}

/// The names in what [`entries`] filled in.
pub fn names(filled: &[u8]) -> impl Iterator<Item = &[u8]> {
    listed(filled).map(|(_, _, name)| name)
}

/// Inode, whether it is (or may be) a directory, and name of each entry that [`entries`] filled in.
pub fn listed(filled: &[u8]) -> impl Iterator<Item = (u64, bool, &[u8])> {
    // `struct linux_dirent64`: inode 8, offset 8, length 2, type 1, then the name with its NUL.
    const LENGTH: usize = 16;
    const TYPE: usize = 18;
    const NAME: usize = 19;
    const DT_UNKNOWN: u8 = 0;
    const DT_DIR: u8 = 4;
    let mut rest = filled;
    core::iter::from_fn(move || {
        let len = rest.get(LENGTH..).and_then(|r| r.first_chunk())?;
        let len = usize::from(u16::from_le_bytes(*len));
        let (entry, tail) = rest.split_at_checked(len)?;
        rest = tail;
        let ino = u64::from_le_bytes(*entry.first_chunk()?);
        let kind = *entry.get(TYPE)?;
        let is_directory = kind == DT_DIR || kind == DT_UNKNOWN;
        Some((ino, is_directory, until_nul(entry.get(NAME..)?)))
    })
}

/// access(2) with X_OK: may a directory be entered?
pub fn may_enter(path: &CStr) -> SysResult<()> {
    const X_OK: u32 = 1;
    // SAFETY: the kernel reads the string.
    unsafe { call!(__NR_access, path.as_ptr(), X_OK) }.map(drop)
}

/// Is there a /proc to ask about this process? Not in an empty chroot.
#[must_use]
pub fn has_proc() -> bool {
    stat(c"/proc/thread-self/maps").is_ok()
}

/// pipe2(2), close-on-exec: the end to read from and the one to write to.
pub fn pipe() -> SysResult<(Fd, Fd)> {
    let mut ends = [0i32; 2];
    // SAFETY: the kernel writes both numbers.
    unsafe { call!(__NR_pipe2, ends.as_mut_ptr(), O_CLOEXEC) }?;
    Ok((Fd(ends[0]), Fd(ends[1])))
}

/// mknod(2): a FIFO.
pub fn make_fifo(path: &CStr, mode: u32) -> SysResult<()> {
    const S_IFIFO: u32 = 0o010_000;
    // SAFETY: the kernel reads the string.
    unsafe { call!(__NR_mknod, path.as_ptr(), S_IFIFO | mode, 0) }.map(drop)
}

/// socketpair(2) of Unix stream sockets, close-on-exec.
pub fn socket_pair() -> SysResult<(Fd, Fd)> {
    const AF_UNIX: u32 = 1;
    const SOCK_STREAM: u32 = 1;
    let mut ends = [0i32; 2];
    // SAFETY: the kernel writes both numbers.
    unsafe {
        call!(
            __NR_socketpair,
            AF_UNIX,
            SOCK_STREAM | O_CLOEXEC,
            0,
            ends.as_mut_ptr()
        )
    }?;
    Ok((Fd(ends[0]), Fd(ends[1])))
}

/// A lock on part of a file: whose, kind and range, as `struct flock` has them.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct Flock {
    kind: i16,
    whence: i16,
    start: i64,
    len: i64,
    pid: i32,
}

/// F_SETLK, or F_OFD_SETLK if `of_description`: locks from byte `start` to `end`, without waiting.
pub fn lock_range(
    fd: i32,
    of_description: bool,
    exclusive: bool,
    start: u64,
    end: u64,
) -> SysResult<()> {
    const F_SETLK: u32 = 6;
    const F_OFD_SETLK: u32 = 37;
    let lock = Flock {
        // F_RDLCK, F_WRLCK.
        kind: i16::from(exclusive),
        whence: 0,
        start: start as i64,
        // Zero: to whatever the end is.
        len: if end >= i64::MAX as u64 {
            0
        } else {
            (end - start + 1) as i64
        },
        pid: 0,
    };
    let command = if of_description { F_OFD_SETLK } else { F_SETLK };
    // SAFETY: the kernel reads the structure.
    unsafe { call!(__NR_fcntl, fd, command, core::ptr::from_ref(&lock)) }.map(drop)
}

/// flock(2), without waiting.
pub fn lock_whole(fd: i32, exclusive: bool) -> SysResult<()> {
    // LOCK_SH, LOCK_EX; LOCK_NB.
    let operation = if exclusive { 2 } else { 1 } | 4;
    // SAFETY: no memory.
    unsafe { call!(__NR_flock, fd, operation) }.map(drop)
}

/// FIONREAD: bytes that can be read now.
pub fn readable_bytes(fd: i32) -> SysResult<u32> {
    const FIONREAD: u32 = 0x541b;
    let mut count = 0u32;
    // SAFETY: the kernel writes the number.
    unsafe { call!(__NR_ioctl, fd, FIONREAD, core::ptr::from_mut(&mut count)) }?;
    Ok(count)
}

/// tee(2), without waiting: copies what is in a pipe into another one and leaves it there.
pub fn copy_pipe(from: i32, to: i32, most: usize) -> SysResult<usize> {
    const SPLICE_F_NONBLOCK: u32 = 2;
    // SAFETY: no memory.
    unsafe { call!(__NR_tee, from, to, most, SPLICE_F_NONBLOCK) }
}

/// fstatfs(2): the number that tells the kind of file system (linux/magic.h).
pub fn file_system(fd: i32) -> SysResult<u64> {
    // `struct statfs` has 120 bytes; the number comes first.
    let mut statfs = [0u64; 16];
    // SAFETY: the kernel writes within the buffer.
    unsafe { call!(__NR_fstatfs, fd, statfs.as_mut_ptr()) }?;
    let [magic, ..] = statfs;
    Ok(magic)
}

/// POLLERR or POLLHUP of poll(2): nobody has the other end of the pipe.
pub fn is_hung_up(fd: i32) -> SysResult<bool> {
    const POLLERR: u16 = 8;
    const POLLHUP: u16 = 16;
    Ok(events(fd, 0)? & (POLLERR | POLLHUP) != 0)
}

/// poll(2), without waiting: what is so of what is asked for; errors need not be asked for.
pub fn events(fd: i32, asked: u16) -> SysResult<u16> {
    // `struct pollfd`: descriptor, what is asked for, what is so.
    #[repr(C)]
    struct Poll(i32, u16, u16);
    let mut poll = Poll(fd, asked, 0);
    // SAFETY: the kernel reads and writes the structure.
    unsafe { call!(__NR_poll, core::ptr::from_mut(&mut poll), 1, 0) }?;
    Ok(poll.2)
}

/// SIOCATMARK: is the next byte of a stream the urgent one?
#[must_use]
pub fn at_mark(fd: i32) -> bool {
    const SIOCATMARK: u32 = 0x8905;
    let mut mark = 0u32;
    // SAFETY: the kernel writes the number.
    let asked = unsafe { call!(__NR_ioctl, fd, SIOCATMARK, core::ptr::from_mut(&mut mark)) };
    asked.is_ok() && mark != 0
}

/// SIOCOUTQ: bytes that were sent and not taken, as the kind of socket counts them.
pub fn unsent_bytes(fd: i32) -> SysResult<u32> {
    const SIOCOUTQ: u32 = 0x5411;
    let mut count = 0u32;
    // SAFETY: the kernel writes the number.
    unsafe { call!(__NR_ioctl, fd, SIOCOUTQ, core::ptr::from_mut(&mut count)) }?;
    Ok(count)
}
