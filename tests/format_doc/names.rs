//! What the documents name is there.

use std::fs;

use anyhow::{Result, ensure};
use ckpt_tests::repository;

use crate::table;

/// Files and folders that the documents name are there, and the code map leaves none out.
#[test]
fn documents_name_what_is_there() -> Result<()> {
    const TOPS: [&str; 5] = ["rewriter/", "runtime/", "tests/", "samples/", "docs/"];
    // Written when it is first needed.
    const LATER: [&str; 1] = ["tests/images/"];
    let root = repository();
    for entry in fs::read_dir(root.join("docs"))? {
        let path = entry?.path();
        if path.extension().is_none_or(|e| e != "md") {
            continue;
        }
        let text = fs::read_to_string(&path)?;
        // Every second piece is in backquotes, but for the fences of blocks.
        for word in text.replace("```", "").split('`').skip(1).step_by(2) {
            let file = TOPS.iter().any(|top| word.starts_with(top)) && !word.contains(' ');
            if file && !LATER.contains(&word) {
                ensure!(
                    root.join(word).exists(),
                    "{}: there is no {word}",
                    path.display()
                );
            }
        }
    }
    let map = fs::read_to_string(root.join("docs/ARCHITECTURE.md"))?;
    for folder in ["rewriter/src/", "runtime/format/src/", "runtime/src/"] {
        let rows = table(&map, &format!("### `{folder}`"))?;
        let mut named: Vec<String> = rows.iter().map(|row| row[0].replace('`', "")).collect();
        let mut there = Vec::new();
        for entry in fs::read_dir(root.join(folder))? {
            let entry = entry?;
            let slash = if entry.file_type()?.is_dir() { "/" } else { "" };
            there.push(format!("{}{slash}", entry.file_name().display()));
        }
        named.sort();
        there.sort();
        ensure!(
            named == there,
            "{folder}: {named:?}, but there is {there:?}"
        );
    }
    for row in table(&map, "### `tests/`")? {
        for name in row[0].split(", ") {
            let name = name.replace('`', "");
            ensure!(
                root.join("tests").join(&name).exists(),
                "there is no tests/{name}"
            );
        }
    }
    Ok(())
}
