//! A program as everybody sees it in `/proc`: to be the same before a checkpoint, after it, and after a
//! restore.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::LIMIT;
use crate::maps::memory_of;
use crate::run::Process;

/// What was seen, by name.
pub type State = BTreeMap<String, String>;

/// Lines of `/proc/PID/status` that must stay. Process ids, memory sizes and counters may differ.
const STATUS: [&str; 17] = [
    "Name",
    "Umask",
    "Uid",
    "Gid",
    "Groups",
    "Kthread",
    "THP_enabled",
    "Threads",
    "SigPnd",
    "ShdPnd",
    "SigBlk",
    "SigIgn",
    "SigCgt",
    "NoNewPrivs",
    "Seccomp",
    "CapEff",
    "Cpus_allowed",
];

/// Fields of `/proc/PID/stat`, counted from 1 as in proc(5).
const STAT: [(usize, &str); 14] = [
    (19, "nice"),
    (26, "start_code"),
    (27, "end_code"),
    (28, "start_stack"),
    (38, "exit_signal"),
    (40, "rt_priority"),
    (41, "policy"),
    (45, "start_data"),
    (46, "end_data"),
    (47, "start_brk"),
    (48, "arg_start"),
    (49, "arg_end"),
    (50, "env_start"),
    (51, "env_end"),
];

/// Whole files.
const FILES: [&str; 8] = [
    "auxv",
    "cmdline",
    "comm",
    "coredump_filter",
    "environ",
    "limits",
    "oom_score_adj",
    "personality",
];

/// Lines of `/proc/PID/fdinfo/N` that must stay.
const DESCRIPTOR: [&str; 9] = [
    "eventfd-count:",
    "eventfd-semaphore:",
    "pos:",
    "flags:",
    "clockid:",
    "settime flags:",
    "it_interval:",
    "sigmask:",
    "inotify ",
];

/// One look.
pub fn look(pid: u32) -> Result<State> {
    let mut state = State::new();
    let proc = PathBuf::from(format!("/proc/{pid}"));
    for name in FILES {
        // Some are closed to others while the program is not dumpable; that is a property as well.
        let text = fs::read(proc.join(name)).map_or_else(
            |error| format!("{:?}", error.kind()),
            |bytes| bytes.escape_ascii().to_string().replace("\\n", "\n"),
        );
        state.insert(name.to_owned(), text);
    }
    for name in ["cwd", "root", "exe"] {
        let text = fs::read_link(proc.join(name)).map_or_else(
            |error| format!("{:?}", error.kind()),
            |path| path.display().to_string(),
        );
        state.insert(name.to_owned(), text);
    }
    let status = fs::read_to_string(proc.join("status")).context("status")?;
    for line in status.lines() {
        if let Some((name, value)) = line.split_once(':')
            && STATUS.contains(&name)
        {
            state.insert(format!("status {name}"), value.trim().to_owned());
        }
    }
    let stat = fs::read_to_string(proc.join("stat")).context("stat")?;
    // The name is in brackets and may hold any byte; fields count from after it.
    let rest = stat.rsplit_once(") ").context("stat without a name")?.1;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    for (number, name) in STAT {
        let value = fields.get(number - 3).copied().unwrap_or("missing");
        state.insert(format!("stat {name}"), value.to_owned());
    }
    state.insert("timers".to_owned(), timers(pid));
    state.insert("descriptors".to_owned(), descriptors(pid)?);
    state.insert("sockets".to_owned(), sockets(pid)?);
    state.insert("memory".to_owned(), memory_of(pid)?);
    Ok(state)
}

/// POSIX timers, by number: signal, manner of telling, clock, without the ids of process and threads.
fn timers(pid: u32) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/timers")).unwrap_or_default();
    let mut all: Vec<String> = text
        .split("ID: ")
        .map(|timer| match timer.split_once("ClockID: ") {
            Some((head, clock)) => {
                let clock: i32 = clock.trim().parse().unwrap_or_default();
                let head = head.trim_end_matches(|c: char| c.is_ascii_digit() || c == '\n');
                let kind = if clock < 0 { clock & 7 } else { clock };
                format!("{head} {} {kind}", clock < 0).replace('\n', " ")
            }
            None => String::new(),
        })
        .collect();
    all.sort();
    all.join("\n")
}

/// Number, file, flags and offset of each. Left out: mount id and inode, which a file of its own has when a
/// deleted one is made again; that a file is the same one where it must be is for the samples to judge.
fn descriptors(pid: u32) -> Result<String> {
    let mut lines = BTreeMap::new();
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        return Ok("not readable".to_owned());
    };
    for entry in entries {
        let entry = entry?;
        let number: u32 = entry.file_name().to_string_lossy().parse()?;
        let link = fs::read_link(entry.path()).map_or_else(
            // One that is too long can only be told of.
            |error| error.kind().to_string(),
            |path| path.display().to_string(),
        );
        // A pipe or socket made again has another inode too.
        let link = if link.ends_with(" (deleted)") {
            "(deleted)".to_owned()
        } else if link.starts_with("pipe:[") {
            "pipe".to_owned()
        } else if link.starts_with("socket:[") {
            "socket".to_owned()
        } else if link.starts_with("/dev/pts/") && link != "/dev/pts/ptmx" {
            // So has a terminal, whose number another may have taken.
            "terminal".to_owned()
        } else {
            link
        };
        let info = fs::read_to_string(format!("/proc/{pid}/fdinfo/{number}"))?;
        let kept: Vec<&str> = info
            .lines()
            .filter(|line| DESCRIPTOR.iter().any(|label| line.starts_with(label)))
            .collect();
        // In the order of the kernel's own addresses, with an inode at the end.
        let mut watched: Vec<&str> = info
            .lines()
            .filter(|line| line.starts_with("tfd:"))
            .filter_map(|line| line.split("pos:").next())
            .collect();
        watched.sort_unstable();
        let kept = [kept, watched].concat();
        lines.insert(number, format!("{number}: {link} {}", kept.join(" ")));
    }
    Ok(lines.into_values().collect::<Vec<_>>().join("\n"))
}

/// What the tables of `/proc/PID/net` tell of each socket: addresses and state; kind,
/// flags, state and name of a Unix socket; protocol and groups of a netlink one. The rest counts, or is an inode or
/// an address of the kernel's.
fn sockets(pid: u32) -> Result<String> {
    const INTERNET: [usize; 3] = [1, 2, 3];
    // Name, where the inode is, what is told.
    const TABLES: [(&str, usize, &[usize]); 8] = [
        ("tcp", 9, &INTERNET),
        ("tcp6", 9, &INTERNET),
        ("udp", 9, &INTERNET),
        ("udp6", 9, &INTERNET),
        ("raw", 9, &INTERNET),
        ("raw6", 9, &INTERNET),
        ("unix", 6, &[3, 4, 5, 7]),
        ("netlink", 9, &[1, 3]),
    ];
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        return Ok("not readable".to_owned());
    };
    let mut inodes = BTreeMap::new();
    for entry in entries {
        let entry = entry?;
        let link = fs::read_link(entry.path()).unwrap_or_default();
        let link = link.display().to_string();
        if let Some(inode) = link.strip_prefix("socket:[") {
            let number: u32 = entry.file_name().to_string_lossy().parse()?;
            inodes.insert(number, inode.trim_end_matches(']').to_owned());
        }
    }
    let mut found = BTreeMap::new();
    for (table, at, told) in TABLES.iter().filter(|_| !inodes.is_empty()) {
        let text = fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default();
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let mut all = vec![*table];
            all.extend(told.iter().filter_map(|&n| words.get(n).copied()));
            if let Some(inode) = words.get(*at) {
                found.insert((*inode).to_owned(), all.join(" "));
            }
        }
    }
    let told = |inode| found.get(inode).map_or("in no table", String::as_str);
    let lines = inodes
        .iter()
        .map(|(number, inode)| format!("{number}: {}", told(inode)));
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

/// Looks until two looks in a row agree, with the program at rest or at work in between: one that has just
/// said something may have been interrupted half-way, and stand still for as long as others are busy.
pub fn look_settled(process: &mut Process) -> Result<State> {
    let start = Instant::now();
    let mut last = look(process.pid())?;
    loop {
        let used = process.used_by_all()?;
        sleep(Duration::from_millis(15));
        process.check_alive()?;
        let is_at_work = process.used_by_all()? > used + Duration::from_millis(2);
        let now = look(process.pid())?;
        if now == last && (is_at_work || is_at_rest(process.pid())?) {
            return Ok(now);
        }
        if start.elapsed() > LIMIT {
            bail!("the program does not settle: {}", differences(&last, &now));
        }
        last = now;
    }
}

/// Whether its threads sleep in system calls, and are not merely waiting for a processor or a disk. (The
/// first thread may have ended before the others; then it stays behind as a zombie.)
fn is_at_rest(pid: u32) -> Result<bool> {
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let status = fs::read_to_string(task?.path().join("status"))?;
        let rests = |line: &str| line.starts_with("State:\tS") || line.starts_with("State:\tZ");
        if !status.lines().any(rests) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Looks until the program looks like that again; a restore takes its time, and nothing tells when it has
/// handed over. Parts named as unseen may differ.
pub fn wait_for_state(
    process: &mut Process,
    wanted: &State,
    unseen: &[String],
    when: &str,
) -> Result<()> {
    let is_wanted = |now: &State| {
        wanted.iter().all(|(name, value)| {
            unseen.contains(&name.replace(" ", "_")) || now.get(name) == Some(value)
        })
    };
    let start = Instant::now();
    loop {
        process.check_alive().with_context(|| when.to_owned())?;
        // While memory is being exchanged, a look may fail half-way.
        match look(process.pid()) {
            Ok(now) if is_wanted(&now) => return Ok(()),
            Ok(now) if start.elapsed() > LIMIT => {
                bail!("{when}, /proc differs: {}", differences(wanted, &now));
            }
            Err(error) if start.elapsed() > LIMIT => {
                return Err(error.context(format!("look at the program {when}")));
            }
            Ok(_) | Err(_) => sleep(Duration::from_millis(3)),
        }
    }
}

/// The lines that only one of the two has.
pub fn differences(old: &State, new: &State) -> String {
    let mut text = String::new();
    for (name, before) in old {
        let after = new.get(name).map_or("(nothing)", String::as_str);
        if before == after {
            continue;
        }
        text.push_str(&format!("\n{name}:"));
        for line in before
            .lines()
            .filter(|line| !after.lines().any(|l| l == *line))
        {
            text.push_str(&format!("\n  - {line}"));
        }
        for line in after
            .lines()
            .filter(|line| !before.lines().any(|l| l == *line))
        {
            text.push_str(&format!("\n  + {line}"));
        }
    }
    text
}
