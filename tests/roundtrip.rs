//! Every sample in every kind of linking: checkpointed and going on; killed and restored. And each of them,
//! left alone but with its state spoiled, must notice.
//!
//! `cargo test --test roundtrip -- memory/` runs a part; `-- --list` names them all.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use ckpt_tests::{
    Ask, LIMIT, Launch, Link, PASS, Process, Sample, Scratch, checkpoint, checkpoint_by_signal,
    look_settled, patch, repository, wait_for_state, wait_until,
};
use libtest_mimic::{Arguments, Failed, Trial};

const DIRECTORIES: [&str; 13] = [
    "calls",
    "memory",
    "signals",
    "files",
    "sockets",
    "time",
    "fpu",
    "process",
    "lang",
    "threads",
    "events",
    "ipc",
    "terminals",
];
const INPUT: &str = "input line 1\ninput line 2\ninput line 3\n";

fn main() {
    let arguments = Arguments::from_args();
    let samples = Sample::all(&DIRECTORIES).unwrap_or_else(|error| panic!("{error:#}"));
    let mut trials = vec![Trial::test("every_sample_is_in_the_index", || {
        indexed().map_err(|error| Failed::from(format!("{error:#}")))
    })];
    for sample in samples {
        for variant in sample.variants.clone() {
            for (index, &link) in sample.links.iter().enumerate() {
                let case = Case {
                    sample: sample.clone(),
                    variant: variant.clone(),
                    link,
                };
                // That a sample notices damage depends on its source, not on how it is linked.
                if index == 0 {
                    trials.push(trial("notices", &case, notices));
                }
                trials.push(trial("goes_on", &case, goes_on));
                trials.push(trial("restored", &case, restored));
            }
        }
    }
    libtest_mimic::run(&arguments, trials).exit();
}

fn indexed() -> Result<()> {
    let index = fs::read_to_string(repository().join("samples/README.md"))?;
    for sample in Sample::all(&DIRECTORIES)?
        .into_iter()
        .chain(Sample::all(&["refuse"])?)
    {
        let line = format!("| `{}.", sample.name);
        ensure!(
            index.contains(&line),
            "samples/README.md does not list {}",
            sample.name
        );
    }
    Ok(())
}

/// One program in one kind of linking, with one second argument.
#[derive(Clone)]
struct Case {
    sample: Sample,
    variant: String,
    link: Link,
}

fn trial(kind: &str, case: &Case, test: fn(&Case) -> Result<()>) -> Trial {
    let Case {
        sample,
        variant,
        link,
    } = case;
    let mut name = sample.name.clone();
    if !variant.is_empty() {
        name.push(':');
        name.push_str(variant);
    }
    let case = case.clone();
    Trial::test(format!("{kind}::{name}::{}", link.name()), move || {
        test(&case).map_err(|error| Failed::from(format!("{error:#}")))
    })
}

/// A run of a case in a directory of its own.
struct Run {
    scratch: Scratch,
    launch: Launch,
}

impl Run {
    fn new(case: &Case, patched: bool) -> Result<Self> {
        let scratch = Scratch::new(&case.sample.name)?;
        let built = case.sample.build(case.link)?;
        let program = scratch.join("app");
        if patched {
            patch(&built, &program)?;
        } else {
            scratch.copy(&built, "app")?;
        }
        scratch.write("in", INPUT)?;
        let go = scratch.join("go").display().to_string();
        let mut launch = Launch::new(&program, &[&go], scratch.path());
        if let Some(kinds) = &case.sample.allow {
            launch.env.push(("CKPT_ALLOW".to_owned(), kinds.clone()));
        }
        if !case.variant.is_empty() {
            launch.args.push(case.variant.clone());
        }
        launch.streams.input = Some("in".to_owned());
        Ok(Self { scratch, launch })
    }

    fn start(&self) -> Result<Process> {
        let mut process = self.launch.start()?;
        wait_until("\"ready\"", || {
            process
                .check_alive()
                .with_context(|| format!("output: {:?}", self.scratch.text("out")))?;
            Ok(self.scratch.text("out").lines().any(|line| line == "ready"))
        })?;
        Ok(process)
    }

    /// Writes the go file, whole at once.
    fn go(&self, text: &str) -> Result<()> {
        self.scratch.write("go.new", text)?;
        fs::rename(self.scratch.join("go.new"), self.scratch.join("go"))?;
        Ok(())
    }

    fn finish(&self, process: &mut Process) -> Result<()> {
        let status = process.wait_for(LIMIT)?;
        let output = self.scratch.text("out");
        ensure!(
            status.code() == Some(PASS),
            "the sample ended with {status}: {}; {}",
            output.trim_end(),
            process.complaint()
        );
        Ok(())
    }

    /// Takes a checkpoint, by the command where that can be.
    fn take(&self, name: &str, process: &mut Process, case: &Case) -> Result<PathBuf> {
        let library_has_it = match case.link {
            Link::Musl => case.sample.ask == Ask::SignalInMusl,
            // It takes the signal of `--checkpoint` for pthread_cancel when it starts, after ours has been set.
            Link::OldStatic => true,
            _ => false,
        };
        if library_has_it {
            return checkpoint_by_signal(process, self.scratch.path());
        }
        let image = self.scratch.join(name);
        checkpoint(&self.launch.program, process.pid(), &image, false)?;
        Ok(image)
    }
}

/// What the program prints when nothing is done to it.
fn undisturbed(case: &Case) -> Result<(String, String)> {
    let run = Run::new(case, false)?;
    run.go("go")?;
    let mut process = run.launch.start()?;
    run.finish(&mut process).context("undisturbed")?;
    Ok((run.scratch.text("out"), run.scratch.text("err")))
}

fn notices(case: &Case) -> Result<()> {
    undisturbed(case)?;
    ensure!(!case.sample.spoils.is_empty(), "the sample has no SPOIL");
    for &number in &case.sample.spoils {
        let run = Run::new(case, false)?;
        run.go(&format!("spoil {number}"))?;
        let mut process = run.launch.start()?;
        let status = process.wait()?;
        ensure!(
            status.code() != Some(PASS),
            "the sample does not notice its spoil {number}"
        );
    }
    Ok(())
}

fn goes_on(case: &Case) -> Result<()> {
    let expected = undisturbed(case)?;
    let run = Run::new(case, true)?;
    let mut process = run.start()?;
    let before = look_settled(&mut process)?;
    if case.sample.ask != Ask::Command {
        checkpoint_by_signal(&mut process, run.scratch.path())?;
        wait_for_state(&mut process, &before, &[], "after a checkpoint by signal")?;
    }
    let image = run.take("by-command.img", &mut process, case)?;
    wait_for_state(&mut process, &before, &[], "after a checkpoint by command")?;
    let size = fs::metadata(&image)?.len();
    if let Some(most) = case.sample.max_image {
        ensure!(size <= most, "the image has {size} bytes, more than {most}");
    }
    run.go("go")?;
    run.finish(&mut process)?;
    let got = (run.scratch.text("out"), run.scratch.text("err"));
    ensure!(got == expected, "output {got:?} instead of {expected:?}");
    Ok(())
}

fn restored(case: &Case) -> Result<()> {
    let expected = undisturbed(case)?;
    let run = Run::new(case, true)?;
    let mut process = run.start()?;
    let before = look_settled(&mut process)?;
    for generation in 1..=case.sample.generations {
        let image = run
            .take(&format!("{generation}.img"), &mut process, case)
            .with_context(|| format!("checkpoint {generation}"))?;
        process.kill()?;
        process = run.launch.restore(&image).start()?;
        let when = format!("after restore {generation}");
        wait_for_state(&mut process, &before, &case.sample.unseen, &when)?;
        fs::remove_file(&image)?;
    }
    run.go("restored")?;
    run.finish(&mut process).context("after the restore")?;
    let got = (run.scratch.text("out"), run.scratch.text("err"));
    ensure!(got == expected, "output {got:?} instead of {expected:?}");
    for stream in ["restore.out", "restore.err"] {
        let text = run.scratch.text(stream);
        ensure!(text.is_empty(), "{stream} is {text:?}");
    }
    Ok(())
}
