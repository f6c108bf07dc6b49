//! Tools that are talked to through their standard streams, in the midst of something: killed, and restored with
//! other pipes.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use ckpt_tests::{Dialog, Scratch, checkpoint, command_of, installed, patch};

use crate::catalogue::Talk;

/// One tool. `DIR` stands for its directory.
#[derive(Clone, Copy)]
pub(crate) struct Tool {
    /// Name of its test.
    pub(crate) name: &'static str,
    file_name: &'static str,
    original: &'static str,
    prepare: fn(&Scratch) -> Result<()>,
    args: &'static [&'static str],
    /// What is said, and what is heard then.
    first: &'static [Talk],
    /// Likewise, before the checkpoint and after each restore.
    still: Talk,
    /// Likewise, at last.
    then: &'static [Talk],
    /// The images, one after the other.
    images: &'static [&'static str],
    /// Options of the restores.
    options: &'static [&'static str],
}

/// All of them.
pub(crate) fn tools() -> Vec<Tool> {
    vec![
        // Changes are in the file of the log, its index is shared memory, and readers and writer have locks.
        Tool {
            name: "sqlite3_in_a_transaction",
            file_name: "sqlite3",
            original: "/usr/bin/sqlite3",
            prepare: |_| Ok(()),
            args: &["-batch", "-init", "/dev/null", "numbers.db"],
            first: &[("pragma journal_mode = wal;\n", "wal\n"), (MANY, "done\n")],
            still: ("select count(*) from numbers;\n", "20001\n"),
            images: &["1.img", "2.img"],
            options: &[],
            then: &[
                (MORE, "40002\nok\n"),
                ("pragma wal_checkpoint(truncate);\n", "0|0|0\n"),
            ],
        },
        Tool {
            name: "postgres_in_a_transaction",
            file_name: "bin/postgres",
            original: "/usr/lib/postgresql/15/bin/postgres",
            prepare: cluster,
            args: &["--single", "-D", "DIR/data", "template1"],
            first: &[
                (
                    "create table numbers (n int primary key, name text)\n",
                    "backend> ",
                ),
                ("insert into numbers values (0, 'zero')\n", "backend> "),
                ("begin\n", "backend> "),
                (
                    "insert into numbers select n, 'number ' || n from generate_series(1, 20000) n\n",
                    "backend> ",
                ),
            ],
            still: ("select count(*) from numbers\n", "count = \"20001\""),
            // It remembers its process id, and does not end in good order with another.
            images: &["1.img"],
            options: &["--pid", "same"],
            then: &[
                (
                    "insert into numbers select n + 50000, name from numbers\n",
                    "backend> ",
                ),
                ("commit\n", "backend> "),
                ("select count(*), max(n) from numbers\n", "max = \"70000\""),
            ],
        },
    ]
}

const MANY: &str = "\
create table numbers (n integer primary key, name text);
insert into numbers values (0, 'zero');
begin immediate;
insert into numbers with recursive c(n) as (select 1 union all select n + 1 from c where n < 20000)
  select n, 'number ' || n from c;
select 'done';
";
const MORE: &str = "\
insert into numbers select n + 50000, name from numbers;
commit;
select count(*) from numbers;
pragma integrity_check;
";

/// A cluster of databases in `data`, and where the server looks for its libraries.
fn cluster(scratch: &Scratch) -> Result<()> {
    const HOME: &str = "/usr/lib/postgresql/15";
    let initdb = installed(&format!("{HOME}/bin/initdb"))?;
    let run = command_of(&initdb, None)
        .args([
            "-A",
            "trust",
            "--no-sync",
            "-N",
            "-E",
            "UTF8",
            "--locale=C",
            "-D",
        ])
        .arg(scratch.join("data"))
        .current_dir(scratch.path())
        .output()?;
    let complaint = String::from_utf8_lossy(&run.stderr);
    ensure!(run.status.success(), "initdb: {complaint}");
    scratch.make_dir("bin")?;
    std::os::unix::fs::symlink(format!("{HOME}/lib"), scratch.join("lib"))?;
    Ok(())
}

/// Builds something up, takes a checkpoint, is killed; what it was about is brought to its end after a restore.
pub(crate) fn survives(tool: &Tool) -> Result<()> {
    let scratch = Scratch::new(tool.name)?;
    (tool.prepare)(&scratch).context("prepare")?;
    let program = scratch.join(tool.file_name);
    patch(&installed(tool.original)?, &program)?;
    let dir = scratch.path().display().to_string();
    let start = |args: &[String]| {
        let mut command: Command = command_of(&program, None);
        Dialog::start(command.args(args), scratch.path())
    };
    let args: Vec<String> = tool
        .args
        .iter()
        .map(|arg| arg.replace("DIR", &dir))
        .collect();
    let mut dialog = start(&args)?;
    talk(&mut dialog, tool.first)?;
    talk(&mut dialog, &[tool.still])?;
    for name in tool.images {
        let image: PathBuf = scratch.join(name);
        checkpoint(&program, dialog.process().pid(), &image, false)?;
        dialog.process().kill()?;
        let image = image.display().to_string();
        let args = [&["--restore", &image], tool.options].concat();
        dialog = start(&args.into_iter().map(str::to_owned).collect::<Vec<_>>())?;
        talk(&mut dialog, &[tool.still]).context("after a restore")?;
    }
    talk(&mut dialog, tool.then).context("at last")?;
    dialog.hang_up();
    let status = dialog.end()?;
    ensure!(status.code() == Some(0), "{status}: {}", dialog.all());
    Ok(())
}

fn talk(dialog: &mut Dialog, talks: &[Talk]) -> Result<()> {
    for (say, hear) in talks {
        dialog.say(say)?;
        dialog
            .hear(hear)
            .with_context(|| format!("after {say:?}"))?;
    }
    Ok(())
}
