//! Benchmarks: how far what the tool does is from the least that the machine needs for it.
//!
//! Each figure stands beside a floor that is measured in the same run, in turns with it, so that
//! what else the machine does meets both. Run `tests/bench/run.sh`; `--help` lists what can be
//! chosen. Nothing here passes or fails.

mod chart;
mod checkpoint;
mod docs;
mod hold;
mod kit;
mod patching;
mod report;
mod start;
mod threads;

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;

use kit::Kit;
use report::Report;

/// Benchmarks of ckpt-patch: ratios to floors measured in the same run.
#[derive(Debug, Parser)]
#[command(name = "tests/bench/run.sh")]
struct Options {
    /// Only these groups
    #[arg(long, value_delimiter = ',', value_enum)]
    only: Vec<Group>,

    /// Sizes of memory for checkpoints and restores, in MiB
    #[arg(long, value_delimiter = ',', default_values_t = [8, 1024])]
    sizes: Vec<usize>,

    /// Numbers of threads
    #[arg(long, value_delimiter = ',', default_values_t = [1, 10, 100, 1000, 10_000])]
    threads: Vec<usize>,

    /// How often everything is measured: 1 as usual, 0.2 for a quick look
    #[arg(long, default_value_t = 1.0)]
    effort: f64,

    /// A folder on a disk
    #[arg(long, default_value = "/var/tmp")]
    disk: PathBuf,

    /// A folder in memory
    #[arg(long, default_value = "/dev/shm")]
    memory: PathBuf,

    /// Write all single values there
    #[arg(long)]
    json: Option<PathBuf>,

    /// Bring docs/BENCHMARKS.md and the charts in docs/bench up to date
    #[arg(long, conflicts_with = "only")]
    update_docs: bool,
}

/// What belongs together in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Group {
    /// A checkpoint: the program's pause, and the time until the image is durable
    Checkpoint,
    /// A restore, until the program has ended
    Restore,
    /// The pause by number of threads
    Threads,
    /// The start of a patched program, and what it costs afterwards
    Start,
    /// Patching: time, memory, growth of the file
    Patch,
}

impl Group {
    const ALL: [Self; 5] = [
        Self::Checkpoint,
        Self::Restore,
        Self::Threads,
        Self::Start,
        Self::Patch,
    ];
}

fn main() -> Result<()> {
    let options = Options::parse();
    let wanted = |group: Group| options.only.is_empty() || options.only.contains(&group);
    // A program must not inherit what the caller of the benchmarks has left open.
    close_fds::set_fds_cloexec_threadsafe(3, &[]);
    let kit = Kit::new(options.effort, [&options.disk, &options.memory])?;
    kit::tell_load();
    let mut report = Report::default();
    if wanted(Group::Start) {
        start::measure(&kit, &mut report)?;
    }
    if wanted(Group::Patch) {
        patching::measure(&kit, &mut report)?;
    }
    if wanted(Group::Threads) {
        threads::measure(&kit, &options.threads, &mut report)?;
    }
    if wanted(Group::Checkpoint) || wanted(Group::Restore) {
        for &size in &options.sizes {
            for medium in &kit.media {
                checkpoint::measure(&kit, medium, size, &mut report, wanted)?;
            }
        }
    }
    kit::tell_load();
    print!("{}", report.text());
    if let Some(path) = &options.json {
        std::fs::write(path, report.json())?;
    }
    if options.update_docs {
        docs::update(&report)?;
    }
    Ok(())
}
