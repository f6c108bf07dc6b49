//! What all measurements need: places, programs, the tool, repetitions.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use ckpt_tests::repository;
use tempfile::TempDir;

/// A file system to write to.
#[derive(Debug)]
pub(crate) struct Medium {
    /// Its kind, as statfs tells it.
    pub(crate) name: String,
    pub(crate) dir: TempDir,
}

/// The tool, programs, and room.
#[derive(Debug)]
pub(crate) struct Kit {
    effort: f64,
    tool: PathBuf,
    programs: TempDir,
    pub(crate) media: Vec<Medium>,
}

impl Kit {
    /// Finds the tool beside this program, where run.sh has built it, unless `CKPT_PATCH` names one.
    pub(crate) fn new(effort: f64, places: [&Path; 2]) -> Result<Self> {
        let beside = env::current_exe()?.with_file_name("ckpt-patch");
        let tool = env::var_os("CKPT_PATCH").map_or(beside, PathBuf::from);
        ensure!(
            tool.is_file(),
            "there is no {}; start tests/bench/run.sh",
            tool.display()
        );
        let room = |place: &Path| {
            tempfile::Builder::new()
                .prefix("ckpt-bench-")
                .tempdir_in(place)
                .with_context(|| format!("make a folder in {}", place.display()))
        };
        let mut media = Vec::new();
        for place in places {
            let name = output(Command::new("stat").args(["-f", "-c", "%T"]).arg(place))?;
            let name = match name.trim() {
                "ext2/ext3" => "ext4".to_owned(),
                other => other.to_owned(),
            };
            let dir = room(place)?;
            media.push(Medium { name, dir });
        }
        Ok(Self {
            effort,
            tool,
            programs: room(places[0])?,
            media,
        })
    }

    /// How often to measure what is usually measured so often.
    pub(crate) fn runs(&self, usual: u32) -> u32 {
        // At least three: fewer have no median.
        let wanted = (f64::from(usual) * self.effort).round().clamp(3.0, 1e6);
        (3..)
            .take_while(|&n| f64::from(n) <= wanted)
            .last()
            .unwrap_or(3)
    }

    /// A path among the programs.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.programs.path().join(name)
    }

    /// Compiles `SOURCE.c` of this folder.
    pub(crate) fn build(
        &self,
        source: &str,
        name: &str,
        compiler: &str,
        flags: &[&str],
    ) -> Result<PathBuf> {
        let built = self.path(name);
        let from = repository()
            .join("tests/bench")
            .join(source)
            .with_extension("c");
        let mut command = Command::new(compiler);
        command.args(["-O2", "-Wall", "-Wextra"]).args(flags);
        command.arg(from).arg("-o").arg(&built);
        output(command.current_dir(self.programs.path()))?;
        Ok(built)
    }

    /// Patches a program.
    pub(crate) fn patch(&self, program: &Path) -> Result<PathBuf> {
        let patched = self.path(&format!(
            "{}.ckpt",
            program.file_name().unwrap_or_default().display()
        ));
        output(self.patch_command(program, &patched))?;
        Ok(patched)
    }

    /// The command that does.
    pub(crate) fn patch_command(&self, program: &Path, patched: &Path) -> Command {
        let mut command = Command::new(&self.tool);
        command.arg(program).arg("-o").arg(patched).arg("--quiet");
        command
    }
}

/// A program without the caller's environment, which may hold settings for the runtime.
pub(crate) fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().stdin(Stdio::null());
    command
}

/// What a command that must succeed prints.
pub(crate) fn output(mut command: impl std::borrow::BorrowMut<Command>) -> Result<String> {
    let command = command.borrow_mut();
    let run = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("run {command:?}"))?;
    ensure!(
        run.status.success(),
        "{command:?}: {}: {}",
        run.status,
        String::from_utf8_lossy(&run.stderr)
    );
    Ok(String::from_utf8_lossy(&run.stdout).into_owned())
}

/// Seconds from the start of a command to its end with this exit status.
pub(crate) fn time(command: &mut Command, status: i32) -> Result<f64> {
    let begin = Instant::now();
    let ended = command
        .status()
        .with_context(|| format!("run {command:?}"))?;
    let took = begin.elapsed().as_secs_f64();
    ensure!(ended.code() == Some(status), "{command:?}: {ended}");
    Ok(took)
}

/// Measures two things in turns, each first as often as the other.
pub(crate) fn in_turns(
    runs: u32,
    mut floor: impl FnMut() -> Result<()>,
    mut ours: impl FnMut() -> Result<()>,
) -> Result<()> {
    for n in 0..runs {
        if n % 2 == 0 {
            floor()?;
            ours()?;
        } else {
            ours()?;
            floor()?;
        }
    }
    Ok(())
}

/// Says what is being measured: the large ones take a while.
pub(crate) fn tell(what: &str) {
    eprintln!("measuring: {what}");
}

/// Others' work on the machine makes all figures worse, and single ones wrong.
pub(crate) fn tell_load() {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = text.split(' ').next().and_then(|n| n.parse::<f64>().ok());
    if let Some(load) = load.filter(|&load| load > 1.5) {
        eprintln!("the machine is busy (load {load}): the figures are not worth much");
    }
}
