//! What a restored program may: what it could, and never more. Only root can start programs that give something up,
//! so these tests exist where root runs them.

use std::fs;
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use anyhow::{Result, ensure};
use ckpt_tests::{Link, PASS, Sample, Scratch, is_root, patch, wait_until};
use libtest_mimic::{Arguments, Failed, Trial};
use rustix::process::{Pid, Signal, kill_process};

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    if is_root() {
        let mut refusals = vec![
            (
                "another_root_directory_is_refused",
                "ids/jail",
                "ckpt: error: root directory that was changed (chroot): not carried\n",
            ),
            (
                "another_namespace_of_a_thread_is_refused",
                "ids/namespace",
                "ckpt: error: thread  with a uts namespace of its own: not carried\n",
            ),
        ];
        // Not where no interface has an address of its link (scope 20).
        let addresses = fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
        if addresses.lines().any(|line| line.contains(" 40 20 ")) {
            refusals.push((
                "an_anycast_address_is_refused",
                "ids/anycast",
                "ckpt: error: descriptor : socket with groups or anycast addresses that nothing tells: not carried\n",
            ));
        }
        for (name, sample, said) in refusals {
            trials.push(Trial::test(name, move || {
                refused(sample, said).map_err(|error| Failed::from(format!("{error:#}")))
            }));
        }
        for link in [Link::Pie, Link::Musl] {
            let name = format!("root_restores_what_has_dropped_rights::{}", link.name());
            trials.push(Trial::test(name, move || {
                dropped(link).map_err(|error| Failed::from(format!("{error:#}")))
            }));
        }
    }
    libtest_mimic::run(&arguments, trials).exit();
}

fn start(command: &mut Command, dir: &Path) -> Result<Child> {
    let file = |name: &str| {
        fs::File::options()
            .append(true)
            .create(true)
            .open(dir.join(name))
    };
    let child = command
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(file("out")?)
        .stderr(file("err")?)
        .spawn()?;
    Ok(child)
}

/// `setpriv` is what makes a plain user of root.
fn as_nobody(program: &Path, arguments: &[&str], dir: &Path) -> Result<Output> {
    let output = Command::new("/usr/bin/setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .arg(program)
        .args(arguments)
        .current_dir(dir)
        .output()?;
    Ok(output)
}

fn dropped(link: Link) -> Result<()> {
    let scratch = Scratch::new("dropped")?;
    let (dir, program) = (scratch.path(), scratch.join("app"));
    patch(&Sample::named("ids/dropped")?.build(link)?, &program)?;
    // Everybody's, since the restored program opens its output again as who it is by then.
    for name in ["out", "err"] {
        scratch.write(name, "")?;
        chown(scratch.join(name), Some(65534), Some(1001))?;
    }
    chown(dir, Some(65534), Some(1001))?;
    let mut process = start(Command::new(&program).arg("go"), dir)?;
    wait_until("\"ready\"", || Ok(scratch.text("out").contains("ready\n")))?;
    // The command would have to show its request to another user.
    let pid = process.id();
    kill_process(Pid::from_child(&process), Signal::USR2)?;
    let image = format!("app-{pid}.img");
    wait_until("an image", || Ok(scratch.join(&image).exists()))?;
    process.kill()?;
    process.wait()?;

    // Somebody else cannot be that user, even if he has the image.
    let other = as_nobody(&program, &["--restore", &image], dir)?;
    let said = String::from_utf8_lossy(&other.stderr).into_owned();
    ensure!(
        other.status.code() == Some(125)
            && said
                == "ckpt: error: the program was user 65534, group 1001, and you are user 65534, group 65534: \
                    not permitted here (--force: as yourself)\n",
        "{other:?}"
    );

    // The image belongs to that user.
    let mut restored = start(
        Command::new(&program).args(["--restore", &image, "--force"]),
        dir,
    )?;
    scratch.write("go.new", "restored")?;
    fs::rename(scratch.join("go.new"), scratch.join("go"))?;
    let status = restored.wait()?;
    let said = scratch.text("err");
    ensure!(
        status.code() == Some(PASS) && said.is_empty(),
        "{status}: {}{said}",
        scratch.text("out")
    );
    Ok(())
}

/// What root's program has made of itself is refused by name, and it goes on. A signal asks: in a jail
/// there is no /proc.
fn refused(sample: &str, said: &str) -> Result<()> {
    let scratch = Scratch::new("refused")?;
    let (dir, program) = (scratch.path(), scratch.join("app"));
    patch(&Sample::named(sample)?.build(Link::Static)?, &program)?;
    let mut process = start(Command::new(&program).arg("go"), dir)?;
    wait_until("\"ready\"", || Ok(scratch.text("out").contains("ready\n")))?;
    kill_process(Pid::from_child(&process), Signal::USR2)?;
    wait_until("a message", || Ok(scratch.text("err").ends_with('\n')))?;
    scratch.write("go", "go")?;
    let (status, err) = (process.wait()?, scratch.text("err"));
    ensure!(
        status.code() == Some(PASS) && without_numbers(&err) == said,
        "{status}: {err:?}"
    );
    Ok(())
}

fn without_numbers(text: &str) -> String {
    text.replace(|c: char| c.is_ascii_digit(), "")
}
