//! Puts the results into docs/BENCHMARKS.md and draws the charts.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};
use ckpt_tests::repository;

use crate::Group;
use crate::chart;
use crate::kit::output;
use crate::report::{Report, Row, Unit};

const BEGIN: &str = "<!-- written by tests/bench/run.sh --update-docs: begin -->\n";
const END: &str = "<!-- end -->\n";

const CHARTS: [(Group, &str, &str); 5] = [
    (Group::Checkpoint, "checkpoint", "Checkpoint"),
    (Group::Restore, "restore", "Restore"),
    (Group::Threads, "threads", "Pause by number of threads"),
    (Group::Start, "start", "Start of a patched program"),
    (Group::Patch, "patch", "Patching"),
];

/// Both, for the groups that were measured.
pub(crate) fn update(report: &Report) -> Result<()> {
    let docs = repository().join("docs");
    let charts = docs.join("bench");
    fs::create_dir_all(&charts)?;
    let mut text = format!("{}\n{}", machine()?, report.text());
    for (group, name, title) in CHARTS {
        // Counts of instructions and sizes have no place among times.
        let rows: Vec<&Row> = report
            .of(group)
            .filter(|r| r.unit == Unit::Seconds)
            .collect();
        if rows.is_empty() {
            continue;
        }
        fs::write(
            charts.join(name).with_extension("svg"),
            chart::draw(title, &rows),
        )?;
        text.push_str(&format!("\n![{title}](bench/{name}.svg)\n"));
    }
    let path = docs.join("BENCHMARKS.md");
    let old = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let (before, rest) = old
        .split_once(BEGIN)
        .context("BENCHMARKS.md has no beginning mark")?;
    let (_, after) = rest
        .split_once(END)
        .context("BENCHMARKS.md has no end mark")?;
    fs::write(&path, format!("{before}{BEGIN}{text}{END}{after}"))?;
    Ok(())
}

/// One line about processor, kernel and memory.
fn machine() -> Result<String> {
    let line = |path: &str, name: &str| -> Result<String> {
        let text = fs::read_to_string(path)?;
        let line = text.lines().find(|line| line.starts_with(name));
        let value = line
            .and_then(|line| line.split_once(':'))
            .map_or("", |(_, v)| v);
        Ok(value.trim().to_owned())
    };
    let release = output(Command::new("uname").arg("-r"))?;
    let release = release
        .trim()
        .split('-')
        .next()
        .unwrap_or_default()
        .to_owned();
    let processors = output(&mut Command::new("nproc"))?;
    let memory: f64 = line("/proc/meminfo", "MemTotal")?
        .trim_end_matches(" kB")
        .parse()?;
    Ok(format!(
        "Linux {release}, {} × {}, {:.0} GB of memory.\n",
        processors.trim(),
        line("/proc/cpuinfo", "model name")?,
        memory / 1e6
    ))
}
