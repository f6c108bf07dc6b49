//! The first code of ours in a process: a fresh start, a request, or a restore. Resident.
#![expect(unsafe_code, reason = "reads the initial stack, opens the data pages")]

use core::ffi::CStr;

use ckpt_format::handoff;

use crate::arch::entry::{extent, relocate, table};
use crate::body::Task;
use crate::state::{files, unsupported};
use crate::sys::{mm, process, thread};
use crate::util::text::find_last;
use crate::{config, gate};

/// Called by the entry stub; tells where the program's own entry is.
///
/// Order matters: the data pages are neither writable nor relocated at first, and until they are,
/// nothing here may use a static or a table of the compiler's.
///
/// # Safety
///
/// `sp` is the initial stack pointer (argc, argv, environment, auxiliary vector; psABI 3.4.1) and
/// `payload` the address of the payload.
pub unsafe extern "C" fn start(sp: *const usize, payload: usize) -> usize {
    let (base, data, end) = extent();
    // SAFETY: the pages are this payload's own; what the last one has of the packed body is only read.
    if unsafe { mm::open(data, end - data) }.is_err() {
        process::exit(125);
    }
    // SAFETY: just made writable; the linker's addends are used, whatever stood there.
    unsafe { relocate(base, table()) };
    config::take_home(gate::addresses());

    let at = payload - handoff::LEN;
    // SAFETY: the rewriter put the handoff block right before the payload, in the same segment.
    let block = unsafe { core::slice::from_raw_parts(at as *const u8, handoff::LEN) };
    let (entry, self_address) = config::addresses(block);
    let target = entry.wrapping_add(at.wrapping_sub(self_address));

    // SAFETY: the caller's promise.
    let stack = unsafe { InitialStack::read(sp) };
    let (restore_flag, checkpoint_flag) = config::reserved(block);
    let first = stack.argument(1).map(CStr::to_bytes);
    let asked_restore = first == Some(restore_flag) && !restore_flag.is_empty();
    let asked_checkpoint = first == Some(checkpoint_flag) && !checkpoint_flag.is_empty();
    config::take_handoff(at, block);
    config::with(|c| c.bias = at.wrapping_sub(self_address));
    if stack.auxiliary(AT_SECURE) != Some(0) {
        // A secure execution obeys nobody but the owner of a folder named at patch time; without
        // one there are neither checkpoints nor restores, and the environment is not looked at.
        if asked_restore || asked_checkpoint {
            gate::call_once(Task::RefuseSecure, sp.addr());
            process::exit(if asked_restore { 125 } else { 1 });
        }
        return target;
    }
    let understood = stack.settings(block);
    if asked_restore || asked_checkpoint {
        if !understood {
            gate::call_once(Task::Complain, sp.addr());
        }
        let task = if asked_restore {
            Task::Restore
        } else {
            Task::Request
        };
        // Ends the process; it comes back only if there is no memory for it.
        gate::call_once(task, sp.addr());
        process::exit(if asked_restore { 125 } else { 1 });
    }
    // Only the body has words.
    if !gate::install() || !understood {
        gate::call_once(Task::Complain, sp.addr());
    }
    target
}

const AT_PHDR: usize = 3;
const AT_PHNUM: usize = 5;
const AT_EUID: usize = 12;
const AT_SECURE: usize = 23;
const AT_EXECFN: usize = 31;
/// Where the vDSO lies.
pub const AT_SYSINFO_EHDR: usize = 33;

/// The initial stack of a process, which stays as it is while our code runs.
#[derive(Clone, Copy, Debug)]
pub struct InitialStack {
    argv: *const *const core::ffi::c_char,
    argc: usize,
    environment: *const *const core::ffi::c_char,
    auxv: *const [usize; 2],
    auxv_len: usize,
}

impl InitialStack {
    /// # Safety
    ///
    /// `sp` is the initial stack pointer.
    pub unsafe fn read(sp: *const usize) -> Self {
        // SAFETY: argc is the first word.
        let argc = unsafe { sp.read() };
        let argv = sp.wrapping_add(1).cast();
        // The arguments end with a null pointer, then comes the environment.
        let environment: *const *const core::ffi::c_char = sp.wrapping_add(argc + 2).cast();
        let mut after = environment;
        // SAFETY: the environment ends with a null pointer, which ends this loop.
        while !unsafe { after.read() }.is_null() {
            after = after.wrapping_add(1);
        }
        let auxv: *const [usize; 2] = after.wrapping_add(1).cast();
        let mut auxv_len = 0;
        loop {
            // SAFETY: the vector ends with AT_NULL, which ends this loop.
            let [key, _] = unsafe { auxv.wrapping_add(auxv_len).read() };
            auxv_len += 1;
            if key == 0 {
                break;
            }
        }
        Self {
            argv,
            argc,
            environment,
            auxv,
            auxv_len,
        }
    }

    /// The n-th argument; the zeroth is the program's name.
    #[must_use]
    pub fn argument(&self, n: usize) -> Option<&CStr> {
        if n >= self.argc {
            return None;
        }
        // SAFETY: one of argc pointers to strings.
        let text = unsafe { self.argv.wrapping_add(n).read() };
        // SAFETY: the kernel put a NUL-terminated string there.
        (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) })
    }

    /// A value of the auxiliary vector.
    #[must_use]
    pub fn auxiliary(&self, key: usize) -> Option<usize> {
        (0..self.auxv_len).find_map(|n| {
            // SAFETY: one of `auxv_len` pairs.
            let [k, value] = unsafe { self.auxv.wrapping_add(n).read() };
            (k == key).then_some(value)
        })
    }

    /// The environment, in its order.
    pub fn variables(&self) -> impl Iterator<Item = &'static [u8]> + use<> {
        let mut at = self.environment;
        core::iter::from_fn(move || {
            // SAFETY: ends with the null pointer, which is never passed.
            let text = unsafe { at.read() };
            if text.is_null() {
                return None;
            }
            at = at.wrapping_add(1);
            // SAFETY: the kernel put a NUL-terminated string there.
            Some(unsafe { CStr::from_ptr(text) }.to_bytes())
        })
    }

    /// Takes the environment and what else is known only at start; tells whether all of it was
    /// understood.
    fn settings(&self, block: &[u8]) -> bool {
        let mut place = config::Place::new(block);
        let mut understood = true;
        for variable in self.variables() {
            understood &= place.take_variable(variable);
        }
        files::note_streams(self.auxiliary(AT_EUID) == Some(0));
        let name = self.auxiliary(AT_EXECFN).map_or(&b""[..], |place| {
            // SAFETY: the kernel put the path that was executed there.
            unsafe { CStr::from_ptr(place as *const core::ffi::c_char) }.to_bytes()
        });
        let name = find_last(name, b'/').map_or(name, |at| name.get(at + 1..).unwrap_or(b""));
        place.settle(name);
        let seccomp = unsupported::seccomp();
        let strings = self.strings();
        let code = self.code();
        config::with(|c| {
            c.vdso = self.auxiliary(AT_SYSINFO_EHDR).unwrap_or(0);
            c.seccomp = seccomp;
            c.stack = strings;
            c.code = code;
            c.auxv = (self.auxv.addr(), self.auxv_len * 16);
            c.start_break = mm::current_break();
            c.start_fs = thread::fs_base().unwrap_or(0);
        });
        understood
    }

    /// Stack pointer, then bounds of the argument and environment strings, which the kernel put
    /// one behind the other (create_elf_tables, fs/binfmt_elf.c).
    fn strings(&self) -> [usize; 5] {
        let sp = self.argv.addr() - 8;
        // SAFETY: pointers of the initial stack, or the null pointer that ends them.
        let arg = unsafe { self.argv.read() }.addr();
        // SAFETY: likewise.
        let env = unsafe { self.environment.read() }.addr();
        let end = self.auxiliary(AT_EXECFN).unwrap_or(env);
        let env = if env == 0 { end } else { env };
        let arg = if arg == 0 { env } else { arg };
        [sp, arg, env.max(arg), env.max(arg), end.max(env)]
    }

    /// The executable's segments that may be run. `self_address` of the handoff block gives the
    /// load bias.
    fn code(&self) -> [(usize, usize); 4] {
        const PT_LOAD: u32 = 1;
        const PF_X: u32 = 1;
        let mut all = [(0, 0); 4];
        let (Some(headers), Some(count)) = (self.auxiliary(AT_PHDR), self.auxiliary(AT_PHNUM))
        else {
            return all;
        };
        let bias = config::with(|c| c.bias);
        let segments = (0..count).filter_map(|n| {
            let place = (headers + n * size_of::<Segment>()) as *const Segment;
            // SAFETY: the kernel says that the program headers are there.
            let segment = unsafe { place.read() };
            (segment.kind == PT_LOAD && segment.flags & PF_X != 0).then(|| {
                let start = segment.address.wrapping_add(bias);
                (
                    start & !0xfff,
                    (start + segment.size).next_multiple_of(4096),
                )
            })
        });
        for (slot, segment) in all.iter_mut().zip(segments) {
            *slot = segment;
        }
        all
    }
}

/// `Elf64_Phdr`.
#[repr(C)]
struct Segment {
    kind: u32,
    flags: u32,
    offset: usize,
    address: usize,
    physical: usize,
    file_size: usize,
    size: usize,
    align: usize,
}
