//! Names under which there is no image.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};

use crate::victim::Victim;

#[test]
fn not_an_image() -> Result<()> {
    let victim = Victim::new("kinds-of-file")?;
    let place = |name: &str| victim.scratch.join(name);
    let refused =
        |path: &Path, what: &str| victim.refused_file(path, &format!("{}: {what}", path.display()));
    refused(
        &victim.scratch.write("empty", "")?,
        "too short to be an image",
    )?;
    refused(&victim.scratch.make_dir("folder")?, "not a regular file")?;
    refused(Path::new("/dev/null"), "not a regular file")?;
    refused(Path::new("/dev/zero"), "not a regular file")?;
    // Nobody writes into it: opening must not wait.
    let status = Command::new("mkfifo")
        .args(["-m", "666"])
        .arg(place("fifo"))
        .status()?;
    ensure!(status.success(), "mkfifo");
    refused(&place("fifo"), "not a regular file")?;
    refused(&victim.launch.program, "not an image (magic number)")?;
    let cannot = |path: &Path, why: &str| {
        victim.refused_file(path, &format!("cannot open {}: {why}", path.display()))
    };
    cannot(&place("nothing"), "no such file or directory")?;
    cannot(&place("app/x"), "not a directory")?;
    cannot(&place("").join("n".repeat(300)), "file name too long")?;
    symlink("nothing", place("dangling"))?;
    cannot(&place("dangling"), "no such file or directory")?;
    victim.file(&victim.image[..4096])?;
    symlink("bad.img", place("link"))?;
    let what = "truncated or extended: length differs from the header's";
    refused(&place("link"), what)?;
    victim.file(&victim.image)?;
    victim.restores_file(&place("link"))
}

#[test]
fn not_a_request() -> Result<()> {
    const USAGE: &str = "usage: --restore IMG [--pid same|new] [--remap OLD=NEW]... [--allow KIND]... [--keep-files] [--log off|error|info|debug] [--force]";
    let victim = Victim::new("restore-usage")?;
    let image = victim.scratch.join("good.img");
    let cases = [
        (
            vec!["--nonsense"],
            format!("unknown option --nonsense; {USAGE}"),
        ),
        (vec!["second.img"], USAGE.to_owned()),
        (vec!["--log"], USAGE.to_owned()),
        (vec!["--log", "loud"], USAGE.to_owned()),
    ];
    for (options, what) in cases {
        let (status, said) = victim.restore(&image, &options)?;
        let right = said == format!("ckpt: error: {what}\n") && status == Some(125);
        ensure!(right, "{options:?}: {status:?} {said:?}");
        ensure!(victim.scratch.text("out") == "ready\n", "the program ran");
    }
    Ok(())
}
