//! The command line: arguments to a typed request, the outcome to lines and an exit code.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

use crate::error::PatchError;
use crate::options::{FlagName, Options, Pattern, Signal};
use crate::report::Report;
use crate::{Target, patch};

/// Add checkpoint and restart to an existing executable.
///
/// The patched program behaves as the original. Send it the signal, and it writes an image of
/// itself; run it with --restore IMAGE, and it goes on from there.
#[derive(Debug, Parser)]
#[command(name = "ckpt-patch", version)]
struct Cli {
    /// The executable to patch (x86-64 Linux ELF)
    #[arg(value_name = "APP")]
    app: PathBuf,

    /// The patched executable; written whole or not at all
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,

    /// The signal that asks for a checkpoint: USR2, RTMIN+3, a number, or none
    #[arg(long, value_name = "SIG", default_value = "USR2")]
    signal: Signal,

    /// Where images go: %e program, %p pid, %h host, %n sequence number, %t seconds since 1970, %%
    #[arg(long, value_name = "PATTERN", default_value = "%e-%p.img")]
    image: Pattern,

    /// The first argument that asks for a restore
    #[arg(
        long,
        value_name = "F",
        default_value = "--restore",
        allow_hyphen_values = true
    )]
    restore_flag: FlagName,

    /// The first argument that asks another process for a checkpoint
    #[arg(
        long,
        value_name = "F",
        default_value = "--checkpoint",
        allow_hyphen_values = true
    )]
    checkpoint_flag: FlagName,

    /// Save the contents of files that are open for writing, too, and bring them back at a restore
    #[arg(long)]
    files: bool,

    /// Patch even if the program may miss data that is appended to it
    #[arg(long)]
    force: bool,

    /// Replace the executable itself
    #[arg(long)]
    in_place: bool,

    /// Say what would be done, write nothing
    #[arg(long)]
    dry_run: bool,

    /// Report as one JSON object on standard output
    #[arg(long)]
    json: bool,

    /// Say what was found and done
    #[arg(short, long)]
    verbose: bool,

    /// No warnings
    #[arg(short, long, conflicts_with = "verbose")]
    quiet: bool,
}

/// Runs the command line of this process: 0 done, 1 could not, 2 wrong usage.
#[must_use]
pub fn run() -> ExitCode {
    run_with(std::env::args_os())
}

fn run_with(args: impl Iterator<Item = OsString>) -> ExitCode {
    let request = Cli::try_parse_from(args).and_then(|cli| cli.target().map(|t| (cli, t)));
    let (cli, target) = match request {
        Ok(request) => request,
        Err(e) => {
            // Help and version are "errors" too, for standard output and with status 0.
            let _ = e.print();
            return if e.use_stderr() {
                ExitCode::from(2)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    match patch(&cli.app, &target, &cli.options()) {
        Ok(report) => cli.show(&report),
        Err(e) => fail(&e),
    }
}

fn fail(e: &PatchError) -> ExitCode {
    // If even this cannot be written, the exit code still says it.
    let _ = writeln!(std::io::stderr(), "error: {e}");
    ExitCode::FAILURE
}

impl Cli {
    fn options(&self) -> Options {
        Options {
            signal: self.signal,
            image: self.image.clone(),
            restore_flag: self.restore_flag.clone(),
            checkpoint_flag: self.checkpoint_flag.clone(),
            files: self.files,
            force: self.force,
        }
    }

    /// Where the result goes, or what is wrong about the options together.
    fn target(&self) -> Result<Target, clap::Error> {
        let usage = |kind, text: &str| Err(Self::command().error(kind, text));
        if self.restore_flag == self.checkpoint_flag {
            let text = "--restore-flag and --checkpoint-flag must differ";
            return usage(ErrorKind::ArgumentConflict, text);
        }
        if self.in_place && self.output.as_ref().is_some_and(|out| *out != self.app) {
            let text = "--in-place writes to APP itself: leave out -o, or --in-place";
            return usage(ErrorKind::ArgumentConflict, text);
        }
        if self.dry_run {
            return Ok(Target::Nowhere);
        }
        if self.in_place {
            return Ok(Target::InPlace);
        }
        match &self.output {
            Some(output) => Ok(Target::File(output.clone())),
            None => usage(
                ErrorKind::MissingRequiredArgument,
                "say where the result goes: -o OUT, or --in-place",
            ),
        }
    }

    fn show(&self, report: &Report) -> ExitCode {
        let mut lines = String::new();
        if !self.quiet {
            for warning in &report.warnings {
                lines.push_str(&format!("warning: {}: {warning}\n", report.input.display()));
            }
        }
        if self.verbose {
            lines.push_str(&report.text());
        }
        let _ = std::io::stderr().write_all(lines.as_bytes());
        let out = if self.json {
            report.json() + "\n"
        } else if self.dry_run {
            report.text()
        } else {
            String::new()
        };
        match std::io::stdout().write_all(out.as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(e) => fail(&PatchError::io("write the report", &e)),
        }
    }
}
