//! Secure executions (AT_SECURE; here: setuid to another user): the program runs as ever, and the runtime in it
//! obeys nobody. Only root can make such a program, so these tests exist where root runs them.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Result, ensure};
use ckpt_tests::{Scratch, is_root, patch};
use libtest_mimic::{Arguments, Failed, Trial};

const USER: u32 = 65534;
const OWNER: u32 = 65533;
const REFUSED: &str =
    "ckpt: error: not offered to a program that runs with more rights than its user\n";

fn main() {
    let arguments = Arguments::from_args();
    let trials = if is_root() {
        vec![Trial::test("a_setuid_program_obeys_nobody", || {
            obeys_nobody().map_err(|error| Failed::from(format!("{error:#}")))
        })]
    } else {
        Vec::new()
    };
    libtest_mimic::run(&arguments, trials).exit();
}

/// Runs it as a plain user, all but `no_new_privs`, under which setuid means nothing.
fn run(program: &Path, arguments: &[&str], dir: &Path) -> Result<Output> {
    let output = Command::new("/usr/bin/setpriv")
        .args([
            "--reuid",
            &USER.to_string(),
            "--regid",
            &USER.to_string(),
            "--clear-groups",
        ])
        .arg(program)
        .args(arguments)
        .current_dir(dir)
        .env("CKPT_SIGNAL", "USR1")
        .env("CKPT_IMAGE", dir.join("secret.img"))
        .env("CKPT_LOG", "debug")
        .output()?;
    Ok(output)
}

fn obeys_nobody() -> Result<()> {
    let scratch = Scratch::new("secure")?;
    let program = scratch.join("app");
    patch(Path::new("/bin/bash"), &program)?;
    chown(&program, Some(OWNER), None)?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o4755))?;

    // -p keeps the effective user, which shows that it is another.
    let plain = run(
        &program,
        &["-p", "-c", "echo $EUID; exit 7"],
        scratch.path(),
    )?;
    ensure!(plain.status.code() == Some(7), "{plain:?}");
    ensure!(plain.stdout == format!("{OWNER}\n").as_bytes(), "{plain:?}");
    ensure!(plain.stderr.is_empty(), "{plain:?}");

    for (flag, status) in [("--restore", 125), ("--checkpoint", 1)] {
        let asked = run(&program, &[flag, "1"], scratch.path())?;
        ensure!(asked.status.code() == Some(status), "{asked:?}");
        ensure!(asked.stdout.is_empty(), "{asked:?}");
        ensure!(
            String::from_utf8_lossy(&asked.stderr) == REFUSED,
            "{asked:?}"
        );
    }

    // Neither the patched-in signal nor that of the environment is ours: each does what it does to any program.
    for (signal, number) in [("USR1", 10), ("USR2", 12)] {
        let line = format!("kill -{signal} $$; sleep 1; echo on");
        let hit = run(&program, &["-p", "-c", &line], scratch.path())?;
        ensure!(hit.status.signal() == Some(number), "{signal}: {hit:?}");
    }
    let left: Vec<_> = fs::read_dir(scratch.path())?
        .flatten()
        .map(|e| e.file_name())
        .collect();
    ensure!(left == ["app"], "{left:?}");
    Ok(())
}
