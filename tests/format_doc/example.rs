//! The records of the document's example.

use ckpt_format::record::{
    Action, Attributes, Credentials, File, Job, Machine, Mm, Program, Thread, Timers, Vma,
    file_kind, prot, vma_kind,
};

pub(crate) fn vma(start: u64) -> Vma<'static> {
    Vma {
        start,
        end: start + 2 * 4096,
        prot: prot::READ | prot::WRITE | prot::EXEC,
        kind: vma_kind::ANON,
        flags: 0,
        object: 0,
        offset: 0,
        dev: 0,
        ino: 0,
        size: 0,
        mtime: 0,
        path: b"",
    }
}

pub(crate) fn mm(code: u64) -> Mm<'static> {
    let end = code + 4096;
    Mm {
        map: [code, end, code, end, end, end, end, code, code, code, code],
        lock_future: 0,
        auxv: &[0; 16],
    }
}

pub(crate) fn machine() -> Machine<'static> {
    Machine {
        cpuid: [0; 8],
        xcr0: 3,
        xsave_len: 512,
        release: b"6.1.0",
        host: b"example",
    }
}

pub(crate) fn program(code: u64) -> Program<'static> {
    Program {
        pid: 4711,
        uid: 1000,
        generation: 1,
        sequence: 1,
        runtime: code,
        resume: code + 0x100,
        exe: b"/bin/example.ckpt",
    }
}

pub(crate) fn attributes() -> Attributes<'static> {
    Attributes {
        umask: 0o22,
        personality: 0,
        subreaper: 0,
        no_new_privs: 0,
        dumpable: 1,
        thp_disable: 0,
        oom_score: 200,
        core_filter: 0x33,
        barriers: 16,
        memory_merge: 0,
        soft: [1024; 16],
        hard: [u64::MAX; 16],
        removed: 0,
        cwd: b"/tmp",
    }
}

pub(crate) fn action(signal: u32) -> Action {
    Action {
        // SIGPIPE is ignored.
        handler: u64::from(signal == 13),
        flags: 0,
        restorer: 0,
        mask: 0,
    }
}

pub(crate) fn credentials() -> Credentials<'static> {
    Credentials {
        real_user: 1000,
        user: 1000,
        saved_user: 1000,
        file_user: 1000,
        real_group: 1000,
        group: 1000,
        saved_group: 1000,
        file_group: 1000,
        secure: 0,
        effective: 0,
        permitted: 0,
        inheritable: 0,
        bounding: (1 << 41) - 1,
        ambient: 0,
        groups: &[27, 0, 0, 0, 0xe8, 3, 0, 0],
    }
}

pub(crate) fn job() -> Job {
    Job {
        group: 4711,
        session: 4000,
        terminal: 1,
    }
}

pub(crate) fn timers() -> Timers {
    Timers {
        real: [1, 500_000, 0, 250_000],
        virt: [0; 4],
        prof: [0; 4],
    }
}

pub(crate) fn files() -> [File<'static>; 2] {
    let stream = File {
        kind: file_kind::STREAM,
        flags: 2,
        stream: 1,
        mode: 0o20620,
        pos: 0,
        dev: 22,
        ino: 3,
        rdev: 0x8800,
        size: 0,
        owner: 0,
        owner_signal: 0,
        mtime: 0,
        path: b"/dev/pts/0",
    };
    let regular = File {
        kind: file_kind::REGULAR,
        flags: 0o100_000,
        stream: 0,
        mode: 0o100_644,
        pos: 12,
        rdev: 0,
        ino: 99,
        size: 100,
        path: b"/tmp/input",
        ..stream
    };
    [stream, regular]
}

pub(crate) fn thread(code: u64) -> Thread {
    Thread {
        tid: 4711,
        timer_slack: 50_000,
        frame: code + 0x800,
        fs_base: code + 0x400,
        gs_base: 0,
        robust: 0,
        robust_len: 24,
        clear_tid: 0,
        rseq: 0,
        rseq_len: 0,
        rseq_sig: 0,
        tid_words: [code + 0x410, 0, 0, 0],
        name: *b"example\0\0\0\0\0\0\0\0\0",
        policy: 0,
        priority: 0,
        nice: 0,
        io_priority: 0,
        death_signal: 0,
        affinity: std::array::from_fn(|n| u64::from(n == 0) * 0xf),
        time_stamp: 1,
        machine_check: 2,
        io_flusher: 0,
        speculation: [3, 3, 0],
        policy_mode: 0,
        policy_nodes: [0; 16],
    }
}
