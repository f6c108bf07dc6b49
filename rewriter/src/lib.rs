//! Adds checkpoint and restart to an existing executable.
//!
//! [`patch`] is the whole of it: an x86-64 Linux ELF executable gets one more segment with the
//! runtime in it and starts there. How and why is told in `docs/PATCHING.md`; the stages are
//! modules, in this order:
//!
//! | module | takes | gives |
//! | --- | --- | --- |
//! | `input` | a path | an open file |
//! | `headers` | the file | its headers, checked |
//! | `facts` | headers | what kind of program it is, or why it is refused |
//! | `room`, `relocate`, `layout` | all of that | a plan: every offset, address and changed byte |
//! | `emit` | the plan | a file without a name |
//! | `verify` | that file, read anew | proof that it is as planned |
#![forbid(unsafe_code)]

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

mod cli;
mod elf;
mod emit;
mod error;
mod facts;
mod golang;
mod handoff;
mod headers;
mod input;
mod layout;
mod options;
mod overlay;
mod payload;
mod relocate;
mod report;
mod room;
mod verify;

pub use cli::run;
pub use error::{Kind, PatchError, Result};
pub use facts::Linkage;
pub use options::{FlagName, Options, Pattern, Signal};
pub use report::Report;

/// Where the result goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// To this path, which must not be the input.
    File(PathBuf),
    /// To the input's place.
    InPlace,
    /// Nowhere: only the plan is made.
    Nowhere,
}

/// Patches `app`. On an error nothing is left behind, and what stood at the target stands there
/// still.
///
/// # Errors
///
/// [`PatchError`] says what is wrong with which file and what to do next.
pub fn patch(app: &Path, target: &Target, options: &Options) -> Result<Report> {
    let input = input::Input::open(app).map_err(|e| e.on(app))?;
    let output = output_path(app, &input, target)?;

    let on_app = |e: PatchError| e.on(app);
    let headers = headers::Headers::read(&input).map_err(on_app)?;
    let facts = facts::classify(&input, &headers, options.force).map_err(on_app)?;
    let payload = payload::Payload::EMBEDDED;
    let block = handoff::Block { options };
    let plan = layout::plan(&input, &headers, &facts, &payload, &block).map_err(on_app)?;
    let mut report = report(&input, &headers, &facts, &plan);

    if let Some(output) = output {
        let on_output = |e: PatchError| e.on(&output);
        let draft = emit::write(&input, &facts, &plan, emit::parent(&output)).map_err(on_output)?;
        let identity = verify::contents(&input, &facts, &plan, &draft.file).map_err(on_output)?;
        emit::identify(&plan, &draft.file, &identity).map_err(on_output)?;
        verify::structure(&input, &headers, &plan, &draft.file, &identity).map_err(on_output)?;
        if *target == Target::InPlace && !emit::keep_owner(&input, &draft) {
            report
                .warnings
                .push("the owner could not be kept".to_owned());
        }
        emit::publish(&input, draft, &output).map_err(on_output)?;
        report.sha256 = identity.iter().map(|b| format!("{b:02x}")).collect();
        report.output = Some(output);
    }
    Ok(report)
}

/// Settles where the result goes and refuses what a rename would harm.
fn output_path(app: &Path, input: &input::Input, target: &Target) -> Result<Option<PathBuf>> {
    let output = match target {
        Target::Nowhere => return Ok(None),
        // A link stays one: what it names is replaced.
        Target::InPlace => {
            fs::canonicalize(app).map_err(|e| PatchError::io("find it", &e).on(app))?
        }
        Target::File(output) => output.clone(),
    };
    if let (Ok(meta), Target::File(_)) = (fs::metadata(&output), target) {
        let same = meta.dev() == input.meta.dev() && meta.ino() == input.meta.ino();
        let refused = if same {
            Some((
                "is the input",
                "name another file with -o, or use --in-place",
            ))
        } else if meta.is_dir() {
            Some(("is a directory", "name a file in it with -o"))
        } else if !meta.is_file() {
            Some(("is not a regular file", "name another file with -o"))
        } else {
            None
        };
        if let Some((what, next)) = refused {
            return Err(PatchError::unsupported(what, next).on(&output));
        }
    }
    Ok(Some(output))
}

fn report(
    input: &input::Input,
    headers: &headers::Headers,
    facts: &facts::Facts,
    plan: &layout::Plan,
) -> Report {
    let interpreter = headers.interp.as_deref();
    Report {
        input: input.path.clone(),
        output: None,
        linkage: facts.linkage,
        interpreter: interpreter.map(|path| String::from_utf8_lossy(path).into_owned()),
        go: facts.go,
        layout: plan.layout.name(),
        tactic: match plan.layout {
            layout::Layout::InPlace(tactic) => tactic.name(),
            layout::Layout::Front | layout::Layout::Compat => "none",
        },
        overlay: facts.overlay.format,
        segment_address: plan.segment.vaddr,
        segment_offset: plan.segment.offset,
        segment_size: plan.segment.filesz,
        original_entry: headers.entry,
        entry: plan.entry,
        size_before: input.len,
        size_after: plan.overlay + facts.overlay.len,
        sha256: String::new(),
        warnings: warnings(input, facts, plan),
    }
}

/// What the copy does not have or cannot do that the input had or could.
fn warnings(input: &input::Input, facts: &facts::Facts, plan: &layout::Plan) -> Vec<String> {
    let mut warnings = Vec::new();
    if facts.go && facts.go_signals.is_none() {
        warnings.push(
            "the table of signals of this Go program was not found: checkpoints can be asked for with --checkpoint only"
                .to_owned(),
        );
    }
    let mode = input.meta.mode();
    for (bit, name) in [(0o4000, "setuid"), (0o2000, "setgid")] {
        if mode & bit != 0 {
            warnings.push(format!("the {name} bit is not copied"));
        }
    }
    for (attribute, name) in [
        ("security.capability", "file capabilities are"),
        ("security.ima", "the IMA signature is"),
    ] {
        let mut value = [0; 64];
        // A value that is too long for the buffer is one, too.
        match rustix::fs::fgetxattr(&input.file, attribute, &mut value) {
            Ok(_) | Err(Errno::RANGE) => warnings.push(format!("{name} not copied")),
            Err(_) => {}
        }
    }
    if plan.layout == layout::Layout::Compat {
        warnings.push(
            "the program headers had to move: do not strip the result, strip the input".to_owned(),
        );
    }
    if matches!(facts.overlay.format, "unknown" | "deno") {
        warnings.push("bytes after the program's end moved: it may not find them".to_owned());
    }
    warnings
}
