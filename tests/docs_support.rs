//! docs/SUPPORT.md: every sample is in it, and what it names is there.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result, ensure};
use ckpt_tests::{Sample, repository};

/// Folders of samples for whose kind of state there is a row.
const FOLDERS: [&str; 17] = [
    "memory",
    "threads",
    "signals",
    "files",
    "sockets",
    "time",
    "fpu",
    "process",
    "lang",
    "calls",
    "events",
    "ids",
    "refuse",
    "ipc",
    "terminals",
    "shell",
    "load",
];
/// Kind of state, what becomes of it, what shows it.
fn rows() -> Result<Vec<[String; 3]>> {
    let text = fs::read_to_string(repository().join("docs/SUPPORT.md"))?;
    let mut rows = Vec::new();
    for line in text.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<String> = line
            .trim_matches('|')
            .split(" | ")
            .map(|cell| cell.trim().to_owned())
            .collect();
        let row: [String; 3] = cells
            .try_into()
            .ok()
            .with_context(|| format!("no row of three: {line}"))?;
        let head = row[0] == "kind" || row[0].starts_with("---");
        if !head {
            rows.push(row);
        }
    }
    ensure!(rows.len() > 50, "only {} rows", rows.len());
    Ok(rows)
}

/// The words in backquotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn every_sample_has_a_row() -> Result<()> {
    let rows = rows()?;
    let named: BTreeSet<&str> = rows.iter().flat_map(|row| quoted(&row[2])).collect();
    for sample in Sample::all(&FOLDERS)? {
        let name = &sample.name;
        if name.starts_with("refuse/") {
            for variant in &sample.variants {
                let full = format!("{name}:{variant}");
                ensure!(named.contains(full.as_str()), "no row names {full}");
            }
        } else {
            ensure!(named.contains(name.as_str()), "no row names {name}");
        }
    }
    let mut folders = BTreeSet::new();
    for entry in fs::read_dir(repository().join("samples"))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            folders.insert(entry.file_name().to_string_lossy().into_owned());
        }
    }
    // What the samples share, and programs for tests of images.
    for other in ["lib", "image"] {
        folders.remove(other);
    }
    ensure!(
        folders == FOLDERS.map(str::to_owned).into(),
        "folders of samples: {folders:?}"
    );
    Ok(())
}

#[test]
fn what_shows_a_row_is_there() -> Result<()> {
    let samples = Sample::all(&FOLDERS)?;
    for [kind, _, shown] in rows()? {
        let words: Vec<&str> = quoted(&shown).collect();
        ensure!(
            !words.is_empty() || shown == "—",
            "{kind}: {shown:?} names nothing"
        );
        for word in words {
            let there = match word.split_once("::") {
                Some((file, test)) => has_test(file, test),
                None => {
                    let (name, variant) = word.split_once(':').unwrap_or((word, ""));
                    let is = |s: &Sample| {
                        s.name == name
                            && (variant.is_empty() || s.variants.iter().any(|v| v == variant))
                    };
                    samples.iter().any(is)
                }
            };
            ensure!(there, "{kind}: there is no {word}");
        }
    }
    Ok(())
}

/// `streams::name`, or `bad_image::vdso::name`: a function, or the name of a test that is made at run time.
fn has_test(file: &str, test: &str) -> bool {
    let (part, name) = test.rsplit_once("::").unwrap_or(("", test));
    let folder = repository().join("tests").join(file);
    let places = if part.is_empty() {
        let within = fs::read_dir(&folder).into_iter().flatten().flatten();
        let parts = within.map(|entry| entry.path());
        parts.chain([folder.with_extension("rs")]).collect()
    } else {
        vec![folder.join(part).with_extension("rs")]
    };
    let marks = [format!("fn {name}("), format!("name: \"{name}\"")];
    places
        .iter()
        .filter_map(|place| fs::read_to_string(place).ok())
        .any(|text| marks.iter().any(|mark| text.contains(mark)))
}
