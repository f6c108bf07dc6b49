//! What cannot be saved is refused by name: `--checkpoint` ends with 1 and says what it is, no image comes
//! to be, and the program goes on with all it had.

use std::fs;

use anyhow::{Result, ensure};
use ckpt_tests::{
    Launch, Link, PASS, Process, Sample, Scratch, command_of, look_settled, patch, wait_for_ready,
    wait_for_state, wait_until,
};
use libtest_mimic::{Arguments, Failed, Trial};
use rustix::process::Signal;

/// Sample, variant, and words that the message must have.
const REFUSED: &[(&str, &str, &[&str])] = &[
    (
        "refuse/descriptors",
        "pipe",
        &["descriptor 7: pipe to another process: not carried"],
    ),
    (
        "refuse/descriptors",
        "fifo",
        &[
            "descriptor 7: fifo /",
            "/fifo, which another process has open: not carried",
        ],
    ),
    (
        "refuse/descriptors",
        "fifo_read",
        &[
            "descriptor 7: fifo /",
            "/fifo, which another process has open: not carried",
        ],
    ),
    (
        "refuse/descriptors",
        "fifo_replaced",
        &["descriptor 7: fifo /", "/fifo (deleted): not carried"],
    ),
    (
        "refuse/descriptors",
        "memfd_huge",
        &["descriptor 7: memory file large of huge pages: not carried"],
    ),
    (
        "refuse/descriptors",
        "lease_breaking",
        &["descriptor 7: file lease that is being broken: not carried"],
    ),
    (
        "refuse/descriptors",
        "proc_other",
        &[
            "descriptor 7: /proc/",
            "/stat, which is of another process: not carried",
        ],
    ),
    (
        "refuse/descriptors",
        "proc_thread",
        &[
            "descriptor 7: /proc/",
            "/mounts, which is of another thread: not carried",
        ],
    ),
    (
        "refuse/descriptors",
        "proc_message",
        &[
            "descriptor ",
            ": /proc/self/task/",
            "/stat, in a message: not carried",
        ],
    ),
    (
        "refuse/descriptors",
        "long_path",
        &["descriptor 7: file with a path of more than 4095 bytes: not carried"],
    ),
    (
        "refuse/descriptors",
        "unix_pair",
        &["descriptor 7: unix socket to another process: not carried"],
    ),
    (
        "refuse/descriptors",
        "unix_message",
        &["descriptor ", ": pidfd of process ", ": not carried"],
    ),
    (
        "refuse/descriptors",
        "unix_listening",
        &[
            "descriptor 7: listening unix socket listening, at which another process's connection waits: not carried",
        ],
    ),
    (
        "refuse/descriptors",
        "tcp",
        &[
            "descriptor 7: connected tcp socket to 127.0.0.1:",
            ": not carried",
        ],
    ),
    (
        "refuse/descriptors",
        "tcp_waiting",
        &[
            "descriptor 7: listening tcp socket on 127.0.0.1:",
            " with connections that were not accepted yet (1): not carried",
        ],
    ),
    (
        "refuse/descriptors",
        "udp",
        &[
            "descriptor 7: udp socket with a message from 127.0.0.1:",
            ", which waits to be read: not carried",
        ],
    ),
    (
        "refuse/descriptors",
        "multicast",
        &[
            "descriptor 7: udp socket with a message from 127.0.0.1:",
            ", which waits to be read: not carried",
        ],
    ),
    (
        "refuse/descriptors",
        "epoll",
        &[
            "descriptor 7: epoll watching descriptor ",
            ", which is closed: not carried",
        ],
    ),
    (
        "refuse/descriptors",
        "timerfd_cancelled",
        &["descriptor 7: timer that a change of the clock has cancelled: not carried"],
    ),
    (
        "refuse/descriptors",
        "lost_name",
        &[
            "descriptor 7: file ",
            "/file, which has lost this name but not all: not carried",
        ],
    ),
    (
        "refuse/descriptors",
        "inotify_unread",
        &["descriptor 7: inotify with unread events (32 bytes): not carried"],
    ),
    (
        "refuse/descriptors",
        "inotify_hidden",
        &[
            "descriptor 7: inotify watch 1, whose path was not found (inode ",
            "): not carried",
        ],
    ),
    (
        "refuse/descriptors",
        "inotify_unlinked",
        &[
            "descriptor 7: inotify watch 1, whose path was not found (inode ",
            "): not carried",
        ],
    ),
    (
        "refuse/descriptors",
        "pidfd",
        &[
            "descriptor 7: pidfd of process ",
            " (refuse-",
            "): not carried",
        ],
    ),
    (
        "refuse/descriptors",
        "pidfd_ended",
        &["descriptor 7: pidfd of a process that has ended: not carried"],
    ),
    (
        "refuse/descriptors",
        "pidfd_thread",
        &["descriptor 7: pidfd of thread ", ": not carried"],
    ),
    (
        "refuse/descriptors",
        "userfault",
        &["descriptor 7: ", "userfaultfd"],
    ),
    (
        "refuse/terminals",
        "slave",
        &["descriptor 7: terminal /dev/pts/", ": not carried"],
    ),
    (
        "refuse/terminals",
        "master",
        &[
            "descriptor 7: pseudoterminal that process ",
            " has open: not carried",
        ],
    ),
    (
        "refuse/terminals",
        "unread",
        &["descriptor 7: pseudoterminal with a change that was not read (tiocpkt): not carried"],
    ),
    (
        "refuse/terminals",
        "used",
        &["descriptor 7: pseudoterminal in use whose slave was never opened: not carried"],
    ),
    (
        "refuse/terminals",
        "session",
        &["descriptor 7: pseudoterminal that controls its own session: not carried"],
    ),
    ("refuse/tasks", "child", &["child"]),
    ("refuse/calls", "child", &["child"]),
    (
        "refuse/calls",
        "aio",
        &[": asynchronous i/o context with requests in flight (1): not carried"],
    ),
    (
        "refuse/calls",
        "connect",
        &["descriptor 5: tcp socket whose connection is being made: not carried"],
    ),
    (
        "refuse/tasks",
        "rights",
        &["thread ", " with rights of its own: not carried"],
    ),
    (
        "refuse/timers",
        "target",
        &["posix timer 0: of a thread that has ended: not carried"],
    ),
    (
        "refuse/timers",
        "clock",
        &["posix timer 0: of a thread that has ended: not carried"],
    ),
    (
        "refuse/timers",
        "process",
        &["posix timer 0: on the clock of process ", ": not carried"],
    ),
    (
        "refuse/threads",
        "filter",
        &["thread ", "with a seccomp filter of its own: not carried"],
    ),
    (
        "refuse/threads",
        "files",
        &["thread ", "with descriptors of its own: not carried"],
    ),
    (
        "refuse/threads",
        "files_locked",
        &["thread ", "with descriptors of its own: not carried"],
    ),
    (
        "refuse/threads",
        "awaiting",
        &[
            "thread ",
            "waits for all signals itself and cannot be stopped",
        ],
    ),
    (
        "refuse/threads",
        "sequences",
        &[
            "thread ",
            " with restartable sequences whose area was not found: not carried",
        ],
    ),
    (
        "refuse/ipc",
        "shm",
        &[
            "system v shared memory ",
            ", part of which is not mapped: not carried",
        ],
    ),
    (
        "refuse/ipc",
        "queue",
        &[
            "descriptor 7: message queue /ckpt-sample-",
            " with a notification (mq_notify): not carried",
        ],
    ),
    (
        "refuse/whole",
        "seccomp",
        &["seccomp filter of the program's own"],
    ),
    ("refuse/whole", "mdwe", &["may not be made executable"]),
    (
        "refuse/objects",
        "io_uring",
        &[
            "descriptor 7: io_uring of 4 entries (1 not submitted, 1 completed, 0 files, 0 buffers): not carried",
        ],
    ),
    (
        "refuse/objects",
        "io_uring_mapped",
        &["anon_inode:[io_uring]: not carried"],
    ),
    (
        "refuse/objects",
        "secret",
        &["descriptor 7: secret memory: not carried"],
    ),
    (
        "refuse/objects",
        "secret_mapped",
        &["secret memory /secretmem (deleted): not carried"],
    ),
    (
        "refuse/objects",
        "perf",
        &["descriptor 7: perf_event: not carried"],
    ),
    (
        "refuse/objects",
        "fanotify",
        &["descriptor 7: fanotify: not carried"],
    ),
    (
        "refuse/objects",
        "vsock",
        &["descriptor 7: vsock socket: not carried"],
    ),
    (
        "refuse/objects",
        "mptcp",
        &[
            "descriptor 7: tcp socket to 127.0.0.1:",
            " with more than plain tcp: not carried",
        ],
    ),
    (
        "refuse/objects",
        "netlink",
        &["descriptor 7: netlink socket of protocol 12: not carried"],
    ),
    (
        "refuse/objects",
        "busy_polling",
        &["descriptor 7: epoll with busy polling: not carried"],
    ),
    (
        "refuse/objects",
        "owner",
        &["descriptor 7: signals to process ", ": not carried"],
    ),
    (
        "refuse/objects",
        "namespace",
        &["descriptor 7: namespace net:[", "]: not carried"],
    ),
    (
        "refuse/objects",
        "huge_pages",
        &["huge-page mapping: not carried"],
    ),
    (
        "refuse/whole",
        "aio",
        &[
            "mapping ",
            ": asynchronous i/o context with requests in flight (2): not carried",
        ],
    ),
    (
        "refuse/whole",
        "aio_ring",
        &[": asynchronous i/o context of another process, or changed: not carried"],
    ),
    (
        "refuse/whole",
        "namespace",
        &["user namespace that the program has entered itself: not carried"],
    ),
];

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    for (sample, variant, words) in REFUSED.iter().copied() {
        let links = Sample::named(sample).expect("a sample").links;
        for link in [Link::Pie, Link::Musl] {
            if !links.contains(&link) {
                continue;
            }
            trials.push(Trial::test(
                format!("refused::{sample}:{variant}::{}", link.name()),
                move || {
                    refused(sample, variant, link, words)
                        .map_err(|error| Failed::from(format!("{error:#}")))
                },
            ));
        }
    }
    libtest_mimic::run(&arguments, trials).exit();
}

fn refused(sample: &str, variant: &str, link: Link, words: &[&str]) -> Result<()> {
    let scratch = Scratch::new(&format!("refuse-{variant}"))?;
    let program = scratch.join("app");
    patch(&Sample::named(sample)?.build(link)?, &program)?;
    let go = scratch.join("go");
    let launch = Launch::new(
        &program,
        &[&go.display().to_string(), variant],
        scratch.path(),
    );
    let mut process = launch.start()?;
    wait_for_ready(&mut process, &scratch)?;
    // A thread that counts never looks quite the same; then there is nothing to compare.
    let before = look_settled(&mut process)?;

    let image = scratch.join("refused.img");
    let ask = command_of(&program, None)
        .args(["--checkpoint", &process.pid().to_string(), "-o"])
        .arg(&image)
        .output()?;
    let message = String::from_utf8_lossy(&ask.stderr).into_owned();
    ensure!(
        ask.status.code() == Some(1),
        "--checkpoint: {}; {message:?}",
        ask.status
    );
    ensure!(ask.stdout.is_empty(), "--checkpoint printed something");
    is_refusal(&message, words)?;
    no_image(&scratch)?;
    wait_for_state(&mut process, &before, &[], "after a refused request")?;

    // The signal has nobody else to tell: the program's own standard error.
    process.signal(Signal::USR2)?;
    wait_until("the message after SIGUSR2", || {
        process.check_alive()?;
        Ok(scratch.text("err").ends_with('\n'))
    })?;
    let lines = scratch.text("err");
    let last = lines.lines().last().unwrap_or_default();
    is_refusal(&format!("{last}\n"), words)?;
    no_image(&scratch)?;
    finish(&scratch, &mut process)
}

/// One line, with the prefix, that names what it is about.
fn is_refusal(message: &str, words: &[&str]) -> Result<()> {
    ensure!(
        message.starts_with("ckpt: error: "),
        "no error line: {message:?}"
    );
    ensure!(
        message.lines().count() == 1,
        "more than one line: {message:?}"
    );
    let lower = message.to_lowercase();
    for word in words {
        ensure!(lower.contains(word), "{message:?} does not say {word:?}");
    }
    Ok(())
}

fn no_image(scratch: &Scratch) -> Result<()> {
    for entry in fs::read_dir(scratch.path())? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        ensure!(!name.contains(".img"), "there is {name}");
    }
    Ok(())
}

fn finish(scratch: &Scratch, process: &mut Process) -> Result<()> {
    scratch.write("go.new", "go")?;
    fs::rename(scratch.join("go.new"), scratch.join("go"))?;
    let status = process.wait()?;
    ensure!(
        status.code() == Some(PASS),
        "the program ended with {status}: {}",
        scratch.text("out")
    );
    Ok(())
}
