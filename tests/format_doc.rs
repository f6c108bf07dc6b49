//! docs/IMAGE-FORMAT.md and the code say the same: tables of records, kinds, limits and messages, and the example
//! at the end, which decodes to what the text claims and encodes to the same bytes again.
//!
//! `CKPT_UPDATE=1 cargo test --test format_doc` writes the example anew.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result, ensure};
use ckpt_format::codec::{Field, FieldInfo};
use ckpt_format::header;
use ckpt_format::record::{
    Action, Adjustment, Attributes, Content, Credentials, Descriptor, Ended, File, Guard, Job,
    Lock, Machine, Message, Mm, Notice, OwnDescriptor, Packet, Pending, Place, Policy, PosixTimer,
    Program, Queued, Right, Run, Segment, Socket, SocketOption, Terminal, Thread, TimerFd, Timers,
    Vdso, Vma, Watch,
};
use ckpt_format::toc::{self, Entry, kind};
use ckpt_format::{DecodeError, limits};
use ckpt_tests::image::Parts;
use ckpt_tests::repository;

#[path = "format_doc/dump.rs"]
mod dump;
#[path = "format_doc/example.rs"]
mod example;
#[path = "format_doc/names.rs"]
mod names;
#[path = "format_doc/parts.rs"]
mod parts;

use dump::{fields, hexdump, undump};
use parts::{example, reencoded};

/// Every record with its name in the document, and the sections it stands in.
fn records() -> Vec<(&'static str, &'static [FieldInfo], Option<u32>, bool)> {
    fn of<'a, T: Field<'a>>(
        name: &'static str,
        kind: u32,
        many: bool,
    ) -> (&'static str, &'static [FieldInfo], Option<u32>, bool) {
        (name, T::FIELDS, Some(kind), many)
    }
    vec![
        ("entry", Entry::FIELDS, None, true),
        of::<Machine<'_>>("machine", kind::MACHINE, false),
        of::<Program<'_>>("program", kind::PROGRAM, false),
        of::<Mm<'_>>("mm", kind::MM, false),
        of::<Vma<'_>>("vma", kind::VMAS, true),
        of::<Run>("run", kind::RUNS, true),
        of::<Content>("content", kind::CONTENTS, true),
        of::<Guard>("guard", kind::GUARDS, true),
        of::<Thread>("thread", kind::THREADS, true),
        of::<Action>("action", kind::ACTIONS, true),
        of::<Pending>("pending", kind::PENDING, true),
        of::<Timers>("timers", kind::TIMERS, false),
        of::<File<'_>>("file", kind::FILES, true),
        of::<Descriptor>("descriptor", kind::DESCRIPTORS, true),
        of::<Lock>("lock", kind::LOCKS, true),
        of::<Packet>("packet", kind::PACKETS, true),
        of::<Watch>("watch", kind::WATCHES, true),
        of::<Job>("job", kind::JOB, false),
        of::<Queued<'_>>("queued", kind::QUEUED, true),
        of::<Adjustment>("adjustment", kind::ADJUSTMENTS, true),
        of::<Segment>("segment", kind::SEGMENTS, true),
        of::<PosixTimer>("posix timer", kind::POSIX_TIMERS, true),
        of::<TimerFd>("timerfd", kind::TIMERFDS, true),
        of::<Notice<'_>>("notice", kind::NOTICES, true),
        of::<Socket<'_>>("socket", kind::SOCKETS, true),
        of::<SocketOption<'_>>("socket option", kind::SOCKET_OPTIONS, true),
        of::<Message<'_>>("message", kind::MESSAGES, true),
        of::<Right>("right", kind::RIGHTS, true),
        of::<Place<'_>>("place", kind::PLACES, true),
        of::<Terminal<'_>>("terminal", kind::TERMINALS, true),
        of::<Ended>("ended", kind::ENDED, true),
        of::<Credentials<'_>>("credentials", kind::CREDENTIALS, false),
        of::<Policy>("policy", kind::POLICIES, true),
        of::<OwnDescriptor>("own descriptor", kind::OWN_DESCRIPTORS, true),
        of::<Attributes<'_>>("attributes", kind::ATTRIBUTES, false),
        of::<Vdso<'_>>("vdso", kind::VDSO, false),
    ]
}

const HEADER: [(&str, usize); 17] = [
    ("magic", 8),
    ("major", 2),
    ("minor", 2),
    ("header length", 4),
    ("flags", 4),
    ("page size", 4),
    ("machine", 2),
    ("reserved", 2),
    ("section count", 4),
    ("file length", 8),
    ("table offset", 8),
    ("uuid", 16),
    ("identity", 32),
    ("created", 8),
    ("table CRC", 4),
    ("reserved", 16),
    ("header CRC", 4),
];

fn document() -> Result<String> {
    Ok(fs::read_to_string(
        repository().join("docs/IMAGE-FORMAT.md"),
    )?)
}

/// Cells of the table rows behind a heading.
fn table(document: &str, heading: &str) -> Result<Vec<Vec<String>>> {
    let start = format!("\n{heading}\n");
    let at = document.find(&start).with_context(|| heading.to_owned())?;
    let lines = document[at + start.len()..].lines();
    let rows = lines
        .skip_while(|line| !line.starts_with("| ---"))
        .skip(1)
        .take_while(|line| line.starts_with('|'));
    Ok(rows
        .map(|row| {
            let cells = row.trim_matches('|').split('|');
            cells.map(|cell| cell.trim().to_owned()).collect()
        })
        .collect())
}

#[test]
fn records_are_as_described() -> Result<()> {
    let document = document()?;
    for (name, fields, ..) in records() {
        let rows = table(&document, &format!("### Record `{name}`"))?;
        let mut at = Some(0);
        let mut expected = Vec::new();
        for (field, size, fixed) in fields {
            let offset = at.map_or_else(|| "-".to_owned(), |at: usize| at.to_string());
            let shown = if *fixed {
                size.to_string()
            } else {
                "4 + n".to_owned()
            };
            expected.push([offset, shown, format!("`{field}`")]);
            at = at.filter(|_| *fixed).map(|at| at + size);
        }
        let got: Vec<_> = rows.iter().map(|row| row[..3].to_vec()).collect();
        ensure!(
            got == expected,
            "record {name}: {got:?} instead of {expected:?}"
        );
    }
    let rows = table(&document, "## Header")?;
    let mut at = 0;
    for (row, (name, size)) in rows.iter().zip(HEADER) {
        ensure!(
            row[..3] == [at.to_string(), size.to_string(), name.to_owned()],
            "{row:?}"
        );
        at += size;
    }
    ensure!(rows.len() == HEADER.len() && at == header::LEN, "header");
    Ok(())
}

#[test]
fn kinds_and_limits_are_as_described() -> Result<()> {
    let document = document()?;
    let rows = table(
        &document,
        "An image of this version has every kind once, all of them marked required:",
    )?;
    let got: Vec<_> = rows.iter().map(|row| row[..2].to_vec()).collect();
    let expected: Vec<_> = toc::ALL
        .iter()
        .map(|&kind| vec![kind.to_string(), format!("`{}`", toc::name(kind))])
        .collect();
    ensure!(got == expected, "{got:?} instead of {expected:?}");
    let many: BTreeMap<_, _> = records()
        .iter()
        .filter_map(|r| Some((r.2?, (r.0, r.3))))
        .collect();
    for (row, kind) in rows.iter().zip(toc::ALL) {
        if let Some((name, many)) = many.get(&kind) {
            let how = if *many { "list of" } else { "one" };
            ensure!(row[2].starts_with(&format!("{how} `{name}`")), "{row:?}");
        }
    }
    let numbers: [(&str, u64); 22] = [
        ("SECTIONS", limits::SECTIONS.into()),
        ("VMAS", limits::VMAS.into()),
        ("RUNS", limits::RUNS.into()),
        ("THREADS", limits::THREADS.into()),
        ("DESCRIPTORS", limits::DESCRIPTORS.into()),
        ("LOCKS", limits::LOCKS.into()),
        ("PACKETS", limits::PACKETS.into()),
        ("WATCHES", limits::WATCHES.into()),
        ("MESSAGES", limits::MESSAGES.into()),
        ("OPTIONS", limits::OPTIONS.into()),
        ("OPTION", limits::OPTION.try_into()?),
        ("PTYS", limits::PTYS),
        ("TERMINAL", limits::TERMINAL.try_into()?),
        ("PENDING", limits::PENDING.into()),
        ("POSIX_TIMERS", limits::POSIX_TIMERS.into()),
        ("ADJUSTMENTS", limits::ADJUSTMENTS.into()),
        ("PATH", limits::PATH.try_into()?),
        ("METADATA", limits::METADATA),
        ("RUN_PAGES", limits::RUN_PAGES.into()),
        ("VDSO", limits::VDSO.try_into()?),
        ("UTS", limits::UTS.try_into()?),
        ("AUXV", limits::AUXV.try_into()?),
    ];
    let rows = table(&document, "## Limits")?;
    ensure!(rows.len() == numbers.len(), "{} limits", rows.len());
    for (row, (name, value)) in rows.iter().zip(numbers) {
        ensure!(
            row[0].starts_with(&format!("`{name}`")) && row[1] == value.to_string(),
            "{row:?}"
        );
    }
    // No constant of the code is left out.
    let source = fs::read_to_string(repository().join("runtime/format/src/limits.rs"))?;
    ensure!(
        source.matches("pub const ").count() == numbers.len(),
        "a limit is not described"
    );
    let version = format!("Version {}.{}, ", header::MAJOR, header::MINOR);
    ensure!(document.contains(&version), "the version");
    Ok(())
}

/// Every message that the format crate can give stands in the document.
#[test]
fn messages_are_as_described() -> Result<()> {
    let document = document()?;
    let messages = [
        DecodeError::TooShort,
        DecodeError::Magic,
        DecodeError::Length,
        DecodeError::Table,
        DecodeError::Checksum("header"),
        DecodeError::Checksum("section table"),
        DecodeError::Checksum("NAME"),
        DecodeError::Checksum("pages of a deleted file"),
        DecodeError::Missing("NAME"),
        DecodeError::Record("NAME"),
        DecodeError::Limit("NAME"),
        DecodeError::Limit("bytes of metadata"),
        DecodeError::Limit("bytes of auxiliary vector"),
        DecodeError::Header("section count"),
    ];
    let mut expected: Vec<String> = messages.iter().map(ToString::to_string).collect();
    expected.push(
        DecodeError::Version(77, header::MAJOR)
            .to_string()
            .replace("77", "N"),
    );
    expected.push(
        DecodeError::UnknownSection(77)
            .to_string()
            .replace("77", "N"),
    );
    expected.push(
        DecodeError::SectionVersion(77)
            .to_string()
            .replace("77", "N"),
    );
    expected.push(DecodeError::Twice(77).to_string().replace("77", "N"));
    for directory in [
        "runtime/format/src",
        "runtime/format/src/record",
        "runtime/format/src/sections",
        "runtime/src/image",
        "runtime/src/state/files",
    ] {
        for entry in fs::read_dir(repository().join(directory))? {
            let path = entry?.path();
            if path.extension().is_none_or(|e| e != "rs") {
                continue;
            }
            let source = fs::read_to_string(&path)?;
            for rest in source.split("DecodeError::Value(").skip(1) {
                if let Some(text) = rest.trim_start().strip_prefix('"') {
                    let text = text.split('"').next().unwrap_or("");
                    expected.push(format!("impossible value: {text}"));
                }
            }
        }
    }
    ensure!(expected.len() > 45, "only {} messages", expected.len());
    for text in expected {
        ensure!(
            document.contains(&format!("`{text}`")),
            "not described: {text}"
        );
    }
    Ok(())
}

/// The text between "```name" and "```".
fn block<'a>(document: &'a str, name: &str) -> Result<&'a str> {
    let (_, rest) = document
        .split_once(&format!("\n```{name}\n"))
        .with_context(|| name.to_owned())?;
    let end = rest.find("```").context("the block does not end")?;
    Ok(&rest[..end])
}

#[test]
fn example_is_what_it_says() -> Result<()> {
    let made = example().build();
    let path = repository().join("docs/IMAGE-FORMAT.md");
    let mut document = document()?;
    if std::env::var_os("CKPT_UPDATE").is_some() {
        for (name, text) in [("hexdump", hexdump(&made)), ("fields", fields(&made)?)] {
            let old = format!("\n```{name}\n{}```", block(&document, name)?);
            document = document.replace(&old, &format!("\n```{name}\n{text}```"));
        }
        fs::write(&path, &document)?;
    }
    let bytes = undump(block(&document, "hexdump")?)?;
    let parts = Parts::take_apart(&bytes).context("the document's example")?;
    // Every claim, from the bytes in the document.
    let claimed = block(&document, "fields")?;
    let said = fields(&bytes)?;
    for (n, (claim, fact)) in claimed.lines().zip(said.lines()).enumerate() {
        ensure!(
            claim == fact,
            "line {}: {claim:?}, but it is {fact:?}",
            n + 1
        );
    }
    ensure!(claimed == said, "the fields are not complete");
    // Decoded and encoded again, record by record, it is the same; and so is what the text says it is made of.
    ensure!(
        reencoded(&parts)?.build() == bytes,
        "encoded anew it differs"
    );
    ensure!(
        made == bytes,
        "the example of the code differs: CKPT_UPDATE=1"
    );
    Ok(())
}
