//! What becomes of files that have changed between a checkpoint and a restore: told with the facts, accepted
//! if the user says so, or brought back with `--files`.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use ckpt_tests::{
    Launch, Link, PASS, Sample, Scratch, checkpoint, patch_with, wait_for_ready, wait_for_runtime,
};

/// A program with files that has ended, and an image of it.
struct Case {
    scratch: Scratch,
    launch: Launch,
    image: PathBuf,
}

impl Case {
    /// `saved`: with the contents of its files.
    fn new(label: &str, options: &[&str], env: &[(&str, &str)]) -> Result<Self> {
        let saved = if options.is_empty() && env.is_empty() {
            "plain"
        } else {
            "saved"
        };
        Self::of("image/saved", saved, label, options, env)
    }

    fn of(
        sample: &str,
        variant: &str,
        label: &str,
        options: &[&str],
        env: &[(&str, &str)],
    ) -> Result<Self> {
        let scratch = Scratch::new(label)?;
        let program = scratch.join("app");
        let sample = Sample::named(sample)?.build(Link::Pie)?;
        patch_with(&sample, &program, options)?;
        let go = scratch.join("go").display().to_string();
        let mut launch = Launch::new(&program, &[&go, variant], scratch.path());
        let set = env.iter().map(|&(n, v)| (n.to_owned(), v.to_owned()));
        launch.env.extend(set);
        let mut process = launch.start()?;
        wait_for_ready(&mut process, &scratch)?;
        let image = scratch.join("kept.img");
        checkpoint(&program, process.pid(), &image, true)?;
        process.wait()?;
        Ok(Self {
            scratch,
            launch,
            image,
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.join(name)
    }

    fn contents(&self, name: &str) -> Result<Vec<u8>> {
        fs::read(self.path(name)).with_context(|| name.to_owned())
    }

    /// A restore is refused with this line.
    fn refused(&self, options: &[&str], what: &str) -> Result<()> {
        let mut launch = self.launch.restore(&self.image);
        launch.args.extend(options.iter().map(|&o| o.to_owned()));
        launch.streams.error = "refused.err".to_owned();
        let status = launch.start()?.wait()?;
        let said = self.scratch.text("refused.err");
        let dir = self.scratch.path().display().to_string();
        let what = format!("ckpt: error: {}\n", what.replace("DIR", &dir));
        ensure!(
            status.code() == Some(125) && is_like(&said, &what),
            "{status} {said:?} instead of {what:?}"
        );
        Ok(())
    }

    /// A restore goes on to its end.
    fn passes(&self, options: &[&str]) -> Result<()> {
        let mut launch = self.launch.restore(&self.image);
        launch.args.extend(options.iter().map(|&o| o.to_owned()));
        let mut process = launch.start()?;
        wait_for_runtime(&mut process)?;
        self.scratch.write("go.new", "restored")?;
        fs::rename(self.path("go.new"), self.path("go"))?;
        let status = process.wait()?;
        fs::remove_file(self.path("go"))?;
        let out = self.scratch.text("out");
        ensure!(
            status.code() == Some(PASS),
            "{status}: {out}; {}",
            process.complaint()
        );
        Ok(())
    }

    /// No file of a restore that failed is left.
    fn nothing_left(&self) -> Result<()> {
        for entry in fs::read_dir(self.scratch.path())? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            ensure!(!name.ends_with(".tmp"), "{name} is left");
        }
        Ok(())
    }
}

/// Equal, where `#` stands for a number.
fn is_like(said: &str, wanted: &str) -> bool {
    let mut rest = said;
    for (n, piece) in wanted.split('#').enumerate() {
        if n > 0 {
            rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        }
        let Some(tail) = rest.strip_prefix(piece) else {
            return false;
        };
        rest = tail;
    }
    rest.is_empty()
}

fn set_time(path: &Path, ago: u64) -> Result<()> {
    let time = SystemTime::now() - Duration::from_secs(ago);
    File::options().write(true).open(path)?.set_modified(time)?;
    Ok(())
}

#[test]
fn a_file_that_has_shrunk_is_named() -> Result<()> {
    let case = Case::new("shrunk", &[], &[])?;
    case.passes(&[])?;
    File::options()
        .write(true)
        .open(case.path("log"))?
        .set_len(20)?;
    case.refused(&[], "descriptor #: DIR/log shrank from 23 to 20 bytes")?;
    case.refused(
        &["--allow", "tcp"],
        "descriptor #: DIR/log shrank from 23 to 20 bytes",
    )?;
    case.passes(&["--allow", "changed"])
}

#[test]
fn a_file_that_was_changed_is_named_if_it_is_only_read() -> Result<()> {
    let case = Case::new("changed", &[], &[])?;
    let what = "descriptor #: DIR/input was changed since the checkpoint (size 10 then, # now; modified at # then, at # now)";
    // What the program writes, it may have changed itself.
    File::options()
        .write(true)
        .open(case.path("data"))?
        .write_all_at(b"changed", 0)?;
    set_time(&case.path("both"), 1000)?;
    case.passes(&[])?;
    File::options()
        .write(true)
        .open(case.path("input"))?
        .write_all_at(b"changed", 0)?;
    set_time(&case.path("input"), 1000)?;
    case.refused(&[], what)?;
    case.passes(&["--allow", "changed"])?;
    // Replaced by a larger one, as editors do it; made first, since a file system may give a new one the inode that
    // has just become free.
    case.scratch
        .write("input.new", "another text of another length")?;
    set_time(&case.path("input.new"), 500)?;
    fs::remove_file(case.path("input"))?;
    case.refused(
        &["--allow", "changed"],
        "descriptor #: cannot open DIR/input: no such file or directory",
    )?;
    fs::rename(case.path("input.new"), case.path("input"))?;
    case.refused(&[], what)?;
    case.passes(&["--allow", "changed"])
}

#[test]
fn a_file_that_has_grown_is_none_of_our_affairs() -> Result<()> {
    let case = Case::new("grown", &[], &[])?;
    for name in ["log", "input", "both", "data"] {
        File::options()
            .append(true)
            .open(case.path(name))?
            .write_all(b"more")?;
    }
    case.passes(&[])
}

/// Changes all files in one way or another.
fn change(case: &Case) -> Result<()> {
    let data = File::options().write(true).open(case.path("data"))?;
    data.write_all_at(b"changed", 5000)?;
    data.write_all_at(&vec![7; 9000], 2_000_000)?;
    File::options()
        .append(true)
        .open(case.path("log"))?
        .write_all(b"third line\n")?;
    File::options()
        .write(true)
        .open(case.path("both"))?
        .set_len(0)?;
    let sparse = File::options().write(true).open(case.path("sparse"))?;
    sparse.write_all_at(&vec![1; 100_000], 16 << 20)?;
    sparse.write_all_at(&[1; 10], (32 << 20) - 4)?;
    File::options()
        .write(true)
        .open(case.path("mapped"))?
        .set_len(10)?;
    Ok(())
}

#[test]
fn saved_contents_are_brought_back() -> Result<()> {
    for (label, options, env) in [
        ("patched", &["--files"][..], &[][..]),
        ("environment", &[], &[("CKPT_FILES", "1")]),
    ] {
        let case = Case::new(label, options, env)?;
        case.passes(&[])?;
        let inode = |name| Ok::<_, anyhow::Error>(fs::metadata(case.path(name))?.ino());
        let before = [inode("data")?, inode("both")?, inode("log")?];
        change(&case)?;
        case.passes(&[])?;
        ensure!(
            before == [inode("data")?, inode("both")?, inode("log")?],
            "they are other files"
        );
        ensure!(
            inode("link")? == before[1],
            "the other name is another file's"
        );
        case.nothing_left()?;
    }
    Ok(())
}

#[test]
fn the_environment_takes_the_option_back() -> Result<()> {
    let case = Case::new("taken-back", &["--files"], &[("CKPT_FILES", "0")])?;
    change(&case)?;
    case.refused(&[], "descriptor #: DIR/both shrank from 9 to 0 bytes")
}

#[test]
fn saved_files_that_are_gone_are_made_again() -> Result<()> {
    let case = Case::new("made-again", &["--files"], &[])?;
    for name in ["data", "log", "sparse", "both", "link"] {
        fs::remove_file(case.path(name))?;
    }
    case.passes(&[])?;
    let mode = fs::metadata(case.path("sparse"))?.permissions().mode() & 0o7777;
    ensure!(mode == 0o640, "mode {mode:o}");
    ensure!(!case.path("link").exists(), "the other name");
    case.nothing_left()
}

#[test]
fn a_restore_that_fails_leaves_files_alone() -> Result<()> {
    let case = Case::new("left-alone", &["--files"], &[])?;
    change(&case)?;
    fs::remove_file(case.path("data"))?;
    let before = [case.contents("log")?, case.contents("both")?];
    let same = || -> Result<()> {
        ensure!(
            before == [case.contents("log")?, case.contents("both")?],
            "a file was written"
        );
        ensure!(!case.path("data").exists(), "a file was made");
        case.nothing_left()
    };
    // Somebody works with one of them.
    let file = File::open(case.path("locked"))?;
    file.lock()?;
    drop(file);
    // The last page in the image is wrong.
    let good = fs::read(&case.image)?;
    let at = good
        .windows(6)
        .rposition(|w| w == b"middle")
        .context("contents")?;
    let mut bad = good.clone();
    bad[at] ^= 1;
    fs::write(&case.image, bad)?;
    let image = case.image.display().to_string();
    case.refused(
        &[],
        &format!("{image}: checksum of the pages of a deleted file does not match"),
    )?;
    same()?;
    fs::write(&case.image, good)?;
    // A file that the program only reads is gone.
    fs::rename(case.path("input"), case.path("kept"))?;
    case.refused(
        &[],
        "descriptor #: cannot open DIR/input: no such file or directory",
    )?;
    same()?;
    fs::rename(case.path("kept"), case.path("input"))?;
    case.passes(&[])
}

#[test]
fn saved_files_can_be_kept_as_they_are() -> Result<()> {
    let case = Case::new("kept", &["--files"], &[])?;
    change(&case)?;
    let before = case.contents("log")?;
    case.refused(
        &["--keep-files"],
        "descriptor #: DIR/both shrank from 9 to 0 bytes",
    )?;
    ensure!(case.contents("log")? == before, "a file was written");
    case.passes(&[])
}

#[test]
fn removed_directories_come_back_where_they_can() -> Result<()> {
    let case = Case::of("image/removed", "", "removed", &[], &[])?;
    let dir = case.scratch.path().display().to_string();
    let upper = case.path("upper");
    let is = |options: &[&str], wanted: &str| -> Result<()> {
        // Standard output goes on where it was.
        let out = File::options().write(true).open(case.path("out"))?;
        out.set_len("ready\n".len() as u64)?;
        case.passes(options)?;
        let out = case.scratch.text("out");
        let told = out.lines().nth(1).context("no line")?.replace(&dir, "DIR");
        ensure!(is_like(&told, wanted), "{told} instead of {wanted}");
        Ok(())
    };
    let is_empty = || -> Result<()> {
        ensure!(fs::read_dir(&upper)?.next().is_none(), "something is left");
        Ok(())
    };
    is(&[], "DIR/upper/gone (deleted) above there")?;
    is_empty()?;
    let taken = case.scratch.make_dir("upper/gone")?;
    is(&[], "DIR/upper/gone.# (deleted) above there")?;
    fs::remove_dir(taken)?;
    is_empty()?;
    // The one above cannot be written to, or is gone.
    fs::set_permissions(&upper, PermissionsExt::from_mode(0o555))?;
    is(&[], "/tmpDIR/upper/gone (deleted) above removed")?;
    is_empty()?;
    fs::remove_dir(&upper)?;
    is(&[], "DIR/upper/gone (deleted) above removed")?;
    ensure!(
        !upper.exists() && !Path::new("/tmp/tmp").exists(),
        "it is left"
    );
    case.scratch.make_dir("other")?;
    let rule = format!("{dir}/upper={dir}/other");
    is(&["--remap", &rule], "DIR/other/gone (deleted) above there")
}

#[test]
fn a_removed_working_directory_has_to_be_entered() -> Result<()> {
    let case = Case::of("image/removed", "closed", "removed-closed", &[], &[])?;
    case.refused(&[], "working directory DIR/upper/gone: permission denied")
}
