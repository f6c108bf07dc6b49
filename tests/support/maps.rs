//! Memory as `/proc/PID/smaps` shows it, reduced to what a restored program must share with the old one.
//!
//! What is left out, and why:
//! * Device, inode and path of *private* mappings: text and libraries travel in the image, so private file
//!   memory comes back as anonymous memory. For the program that is the same memory.
//! * Boundaries between neighbours that are alike in all that is compared: such mappings merge or stay
//!   apart by the kernel's own reasons (one was file-backed, one has been written to).
//! * `sd` (soft-dirty) and `ac` (accounted): histories of the mapping, not properties of it.
//! * The low end of mappings that grow down: the handler runs on the program's stack and may have made it
//!   a page longer.
//! * Which object without a name a shared mapping is of: a deleted file that nobody else has open, and shared
//!   anonymous memory (`/dev/zero (deleted)`), are the same to the program.

use std::fs;
use std::io::ErrorKind;

use anyhow::{Context, Result};

#[derive(Debug, Clone, PartialEq, Eq)]
struct Area {
    start: u64,
    end: u64,
    protection: String,
    what: String,
    flags: String,
    /// Shared mappings are compared one by one, by file and offset.
    merges: bool,
}

/// One line for each mapping, then the kernel's labels that occur.
pub(crate) fn memory_of(pid: u32) -> Result<String> {
    let text = match fs::read_to_string(format!("/proc/{pid}/smaps")) {
        Ok(text) => text,
        // A program that is not dumpable shows it to root alone; that is a property as well.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return Ok(error.to_string()),
        Err(error) => return Err(error).context("smaps"),
    };
    let mut areas: Vec<Area> = Vec::new();
    let mut labels: Vec<String> = Vec::new();
    for line in text.lines() {
        if let Some(flags) = line.strip_prefix("VmFlags:") {
            if let Some(area) = areas.last_mut() {
                area.flags = kept_flags(flags);
            }
        } else if let Some((area, label)) = parse_header(line) {
            areas.push(area);
            labels.extend(label);
        }
    }
    labels.sort();
    labels.dedup();
    let mut merged: Vec<Area> = Vec::new();
    for area in areas {
        match merged.last_mut() {
            Some(last) if is_same_but_for_place(last, &area) => last.end = area.end,
            _ => merged.push(area),
        }
    }
    let mut lines: Vec<String> = merged.iter().map(line_of).collect();
    lines.push(format!("labels: {}", labels.join(" ")));
    Ok(lines.join("\n"))
}

fn kept_flags(flags: &str) -> String {
    flags
        .split_whitespace()
        .filter(|flag| !matches!(*flag, "sd" | "ac"))
        .collect::<Vec<_>>()
        .join(" ")
}

/// `7f00-7f80 rw-p 00000000 00:00 0   [stack]`, or none for the other lines of smaps.
fn parse_header(line: &str) -> Option<(Area, Option<String>)> {
    let mut words = line.splitn(6, ' ');
    let (start, end) = words.next()?.split_once('-')?;
    let start = u64::from_str_radix(start, 16).ok()?;
    let end = u64::from_str_radix(end, 16).ok()?;
    let protection = words.next()?.to_owned();
    let offset = words.next()?.to_owned();
    let path = words.nth(2).unwrap_or_default().trim();
    let shared = protection.ends_with('s');
    let special = path.starts_with("[v");
    let what = if shared && path.ends_with("(deleted)") {
        format!("(deleted) at {offset}")
    } else if shared {
        format!("{path} at {offset}")
    } else if special {
        path.to_owned()
    } else {
        "private".to_owned()
    };
    let label = matches!(path, "[heap]" | "[stack]").then(|| path.to_owned());
    let area = Area {
        start,
        end,
        protection,
        what,
        flags: String::new(),
        merges: !shared && !special,
    };
    Some((area, label))
}

fn is_same_but_for_place(last: &Area, next: &Area) -> bool {
    last.merges
        && next.merges
        && last.end == next.start
        && last.protection == next.protection
        && last.flags == next.flags
}

fn line_of(area: &Area) -> String {
    let Area {
        start,
        end,
        protection,
        what,
        flags,
        merges: _,
    } = area;
    if flags.split(' ').any(|flag| flag == "gd") {
        format!("...-{end:x} {protection} {what}: {flags}")
    } else {
        format!("{start:x}-{end:x} {protection} {what}: {flags}")
    }
}
