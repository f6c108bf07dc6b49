//! Tools that are talked to through their standard streams, in the midst of something: killed, and restored with
//! other pipes.

use std::path::{Path, PathBuf};
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
    /// Likewise, after the restore.
    then: &'static [Talk],
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
            first: &[("pragma journal_mode = wal;\n", "wal\n"), (MANY, "20001\n")],
            then: &[
                (MORE, "40002\nok\n"),
                ("pragma wal_checkpoint(truncate);\n", "0|0|0\n"),
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
select count(*) from numbers;
";
const MORE: &str = "\
insert into numbers select n + 50000, name from numbers;
commit;
select count(*) from numbers;
pragma integrity_check;
";

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
    for generation in ["1.img", "2.img"] {
        let image: PathBuf = scratch.join(generation);
        checkpoint(&program, dialog.process().pid(), &image, false)?;
        dialog.process().kill()?;
        dialog = restored(&start, &image)?;
    }
    talk(&mut dialog, tool.then).context("after the restore")?;
    dialog.hang_up();
    let status = dialog.end()?;
    ensure!(status.code() == Some(0), "{status}: {}", dialog.all());
    Ok(())
}

fn restored(start: &impl Fn(&[String]) -> Result<Dialog>, image: &Path) -> Result<Dialog> {
    let mut dialog = start(&["--restore".to_owned(), image.display().to_string()])?;
    ckpt_tests::wait_for_runtime(dialog.process())?;
    Ok(dialog)
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
