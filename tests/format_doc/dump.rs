//! An image as text: its bytes, and field by field what they are.

use std::fmt::Write as _;

use anyhow::{Context, Result, ensure};
use ckpt_format::codec::{Field, FieldInfo};
use ckpt_format::toc::{self, Entry};
use ckpt_tests::image::Parts;

use crate::{HEADER, records};

/// As `hexdump -C`.
pub(crate) fn hexdump(bytes: &[u8]) -> String {
    let mut text = String::new();
    let mut last: &[u8] = &[];
    let mut repeats = false;
    for (n, line) in bytes.chunks(16).enumerate() {
        if line == last {
            if !repeats {
                text.push_str("*\n");
            }
            repeats = true;
            continue;
        }
        (last, repeats) = (line, false);
        let hex: Vec<String> = line.iter().map(|b| format!("{b:02x}")).collect();
        let (left, right) = hex.split_at(hex.len().min(8));
        let columns = format!("{}  {}", left.join(" "), right.join(" "));
        let shown: String = line
            .iter()
            .map(|&b| {
                if (0x20..0x7f).contains(&b) {
                    char::from(b)
                } else {
                    '.'
                }
            })
            .collect();
        writeln!(text, "{:08x}  {columns:<48}  |{shown}|", n * 16).expect("memory");
    }
    writeln!(text, "{:08x}", bytes.len()).expect("memory");
    text
}

/// The bytes of a dump.
pub(crate) fn undump(text: &str) -> Result<Vec<u8>> {
    let mut bytes: Vec<u8> = Vec::new();
    let mut line: Vec<u8> = Vec::new();
    for row in text.lines().filter(|row| *row != "*") {
        let (offset, rest) = row.split_once(' ').unwrap_or((row, ""));
        let offset = usize::from_str_radix(offset, 16).context("offset")?;
        while bytes.len() < offset {
            ensure!(line.len() == 16, "nothing to repeat at {offset:x}");
            bytes.extend_from_slice(&line);
        }
        ensure!(bytes.len() == offset, "lines overlap at {offset:x}");
        let hex = rest.split('|').next().unwrap_or("");
        line = hex
            .split_whitespace()
            .map(|word| u8::from_str_radix(word, 16))
            .collect::<Result<_, _>>()?;
        bytes.extend_from_slice(&line);
    }
    Ok(bytes)
}

/// A field's value as the document shows it.
fn value(bytes: &[u8]) -> String {
    if bytes.len() <= 8 {
        let mut wide = [0; 8];
        wide[..bytes.len()].copy_from_slice(bytes);
        return u64::from_le_bytes(wide).to_string();
    }
    hex(bytes)
}

fn hex(bytes: &[u8]) -> String {
    let used = bytes.iter().rposition(|&b| b != 0).map_or(0, |n| n + 1);
    let zeros = bytes.len() - used;
    let (used, zeros) = if zeros < 4 {
        (bytes.len(), 0)
    } else {
        (used, zeros)
    };
    let mut words: Vec<String> = bytes[..used].iter().map(|b| format!("{b:02x}")).collect();
    if zeros > 0 {
        words.push(format!("00*{zeros}"));
    }
    words.join(" ")
}

/// Walks over all bytes of an image that have a field, and writes them down.
struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
    text: String,
}

impl Walk<'_> {
    fn field(&mut self, name: &str, size: usize, show: impl Fn(&[u8]) -> String) -> Result<()> {
        let bytes = self.bytes.get(self.at..self.at + size).context("the end")?;
        writeln!(self.text, "{:08x}  {name:<24}  {}", self.at, show(bytes))?;
        self.at += size;
        Ok(())
    }

    fn record(&mut self, prefix: &str, fields: &[FieldInfo]) -> Result<()> {
        for (name, size, fixed) in fields {
            let name = format!("{prefix}.{name}");
            if *fixed {
                self.field(&name, *size, value)?;
            } else {
                let len = self.bytes.get(self.at..self.at + 4).context("the end")?;
                let len = usize::try_from(u32::from_le_bytes(len.try_into()?))?;
                self.field(&name, 4 + len, |bytes| {
                    format!("{len} bytes {:?}", bytes[4..].escape_ascii().to_string())
                })?;
            }
        }
        Ok(())
    }
}

pub(crate) fn fields(bytes: &[u8]) -> Result<String> {
    let parts = Parts::take_apart(bytes)?;
    let mut walk = Walk {
        bytes,
        at: 0,
        text: String::new(),
    };
    for (name, size) in HEADER {
        let show = if name == "magic" { hex } else { value };
        walk.field(&format!("header.{name}"), size, show)?;
    }
    let entries = parts.lay().entries;
    for entry in &entries {
        let name = toc::name(entry.kind);
        writeln!(walk.text, "\nsection {name}")?;
        let start = usize::try_from(entry.at)?;
        let padding = start - walk.at;
        if padding > 0 {
            walk.field("padding", padding, value)?;
        }
        let found = records().into_iter().find(|r| r.2 == Some(entry.kind));
        let Some((record, fields, _, many)) = found else {
            walk.field("page", usize::try_from(entry.len)?, value)?;
            continue;
        };
        if many {
            let count = parts
                .bytes(entry.kind)
                .first_chunk()
                .map(|n| u32::from_le_bytes(*n));
            let count = count.context("a count")?;
            walk.field("count", 4, value)?;
            for n in 0..count {
                let before = (walk.at, walk.text.len());
                walk.record(&format!("{record}[{n}]"), fields)?;
                // Records of zeros alone are left out.
                if walk.bytes[before.0..walk.at].iter().all(|&b| b == 0) {
                    walk.text.truncate(before.1);
                }
            }
        } else {
            walk.record(record, fields)?;
        }
        ensure!(
            walk.at == start + usize::try_from(entry.len)?,
            "section {name}"
        );
    }
    writeln!(walk.text, "\nsection table")?;
    for n in 0..entries.len() {
        walk.record(&format!("entry[{n}]"), Entry::FIELDS)?;
    }
    ensure!(walk.at == bytes.len(), "bytes without a field");
    Ok(walk.text)
}
