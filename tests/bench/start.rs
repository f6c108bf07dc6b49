//! What a patched program costs before its first instruction, and after.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::Group;
use crate::kit::{Kit, command, in_turns, output, tell, time};
use crate::report::{Report, Row, Unit};

/// Allowed at the start: 0.2 ms.
const BUDGET: f64 = 0.2e-3;

/// Source, what it is, compiler, flags.
const TINY: [(&str, &str, &str, &[&str]); 4] = [
    ("tiny", "dynamic", "cc", &[]),
    ("tiny", "static", "cc", &["-static"]),
    ("tiny", "static musl", "musl-gcc", &["-static"]),
    (
        "bare",
        "no C library",
        "cc",
        &["-static", "-nostdlib", "-no-pie"],
    ),
];

pub(crate) fn measure(kit: &Kit, report: &mut Report) -> Result<()> {
    for (source, kind, compiler, flags) in TINY {
        tell(&format!("start, {kind}"));
        let plain = kit.build(source, &kind.replace(' ', "-"), compiler, flags)?;
        let patched = kit.patch(&plain)?;
        let (mut floor, mut ours) = (Vec::new(), Vec::new());
        in_turns(
            kit.runs(2000),
            || {
                floor.push(time(&mut command(&plain), 0)?);
                Ok(())
            },
            || {
                ours.push(time(&mut command(&patched), 0)?);
                Ok(())
            },
        )?;
        let row = Row::new(
            Group::Start,
            &format!("spawn to exit, {kind}"),
            Unit::Seconds,
        );
        report.add(row.floor("unpatched", floor).ours(ours).budget(BUDGET));
    }
    tell("instructions");
    instructions(kit, report)
}

/// Instructions as valgrind counts them, where they are the same in each run. From a short and a
/// long run follows what belongs to the start and what to the work.
fn instructions(kit: &Kit, report: &mut Report) -> Result<()> {
    // Equally long: the runtime reads the first argument at the start.
    const SHORT: &str = "01";
    const LONG: &str = "60";
    let plain = kit.build("count", "count", "cc", &["-static"])?;
    let patched = kit.patch(&plain)?;
    let few = [count(kit, &plain, SHORT)?, count(kit, &patched, SHORT)?];
    let many = [count(kit, &plain, LONG)?, count(kit, &patched, LONG)?];
    let row = |what: &str| Row::new(Group::Start, what, Unit::Instructions);
    let [plain_few, ours_few] = few;
    let [plain_many, ours_many] = many;
    report.add(
        row("a short run")
            .floor("unpatched", vec![plain_few])
            .ours(vec![ours_few]),
    );
    report.add(
        row("59 rounds of work more")
            .floor("unpatched", vec![plain_many - plain_few])
            .ours(vec![ours_many - ours_few])
            .budget(0.0),
    );
    Ok(())
}

fn count(kit: &Kit, program: &Path, argument: &str) -> Result<f64> {
    let into = kit.path("instructions");
    let mut valgrind = Command::new("valgrind");
    valgrind
        .args(["--quiet", "--tool=callgrind"])
        .arg(format!("--callgrind-out-file={}", into.display()))
        .arg(program)
        .arg(argument);
    let printed = output(&mut valgrind)?;
    ensure!(
        printed.trim().len() == 16,
        "{} printed {printed:?}",
        program.display()
    );
    let text = fs::read_to_string(&into)?;
    let line = text.lines().find_map(|line| line.strip_prefix("summary: "));
    Ok(line.context("valgrind tells no sum")?.trim().parse()?)
}
