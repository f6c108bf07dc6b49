//! Starting programs, as the plain user and with streams that are files.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Once;

use anyhow::{Context, Result};

use crate::place::{PLAIN, give, is_root};
use crate::run::Process;

/// How a program is started: what, with which arguments, where, and with which standard streams.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The executable.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its working directory.
    pub dir: PathBuf,
    /// Its environment is this and nothing else.
    pub env: Vec<(String, String)>,
    /// Its standard streams.
    pub streams: Streams,
    /// A directory to make the root directory first.
    pub chroot: Option<PathBuf>,
}

/// Names of files in the working directory; the streams are those files.
#[derive(Debug, Clone)]
pub struct Streams {
    /// Standard input; `/dev/null` if there is no name.
    pub input: Option<String>,
    /// Standard output, made anew.
    pub output: String,
    /// Standard error, made anew.
    pub error: String,
    /// Standard output is appended to, as by a shell's `>>`.
    pub append: bool,
}

impl Launch {
    /// With `out` and `err` as streams and one variable in the environment.
    pub fn new(program: &Path, args: &[&str], dir: &Path) -> Self {
        Self {
            program: program.to_path_buf(),
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
            dir: dir.to_path_buf(),
            env: vec![("SAMPLE".to_owned(), "kept".to_owned())],
            streams: Streams {
                input: None,
                output: "out".to_owned(),
                error: "err".to_owned(),
                append: false,
            },
            chroot: None,
        }
    }

    /// The restore of an image by this program; its own streams are `restore.out` and `restore.err`.
    pub fn restore(&self, image: &Path) -> Self {
        let mut launch = self.clone();
        launch.args = vec!["--restore".to_owned(), image.display().to_string()];
        launch.streams = Streams {
            input: None,
            output: "restore.out".to_owned(),
            error: "restore.err".to_owned(),
            append: false,
        };
        launch
    }

    /// Starts it.
    pub fn start(&self) -> Result<Process> {
        let open = |name: &str, append: bool| -> Result<File> {
            let path = self.dir.join(name);
            let file = OpenOptions::new()
                .create(true)
                .append(append)
                .write(true)
                .truncate(!append)
                .open(&path)
                .with_context(|| format!("make {}", path.display()))?;
            give(&path)?;
            Ok(file)
        };
        let mut command = command_of(&self.program, self.chroot.as_deref());
        command
            .args(&self.args)
            .current_dir(&self.dir)
            .envs(self.env.iter().cloned())
            .stdout(open(&self.streams.output, self.streams.append)?)
            .stderr(open(&self.streams.error, false)?);
        match &self.streams.input {
            Some(name) => command.stdin(File::open(self.dir.join(name))?),
            None => command.stdin(Stdio::null()),
        };
        let child = command
            .spawn()
            .with_context(|| format!("start {}", self.program.display()))?;
        Ok(Process::new(child, self.dir.join(&self.streams.error)))
    }
}

/// A command that runs the program as the plain user, with `no_new_privs` and no environment, and
/// with the signals of the keyboard as a terminal's programs have them: a shell's background job,
/// which the tests may be, ignores them. The helpers all `exec`, so the child's process id is the
/// program's.
pub fn command_of(program: &Path, chroot: Option<&Path>) -> Command {
    // A descriptor that somebody left open (a job server's pipe, a log) would end up in the program, and
    // a checkpoint rightly refuses a pipe that it does not know.
    static CLOSED: Once = Once::new();
    CLOSED.call_once(|| close_fds::set_fds_cloexec_threadsafe(3, &[]));
    let mut command = Command::new("/usr/bin/env");
    command.env_clear().args([
        "--default-signal=INT,QUIT",
        "/usr/bin/setpriv",
        "--no-new-privs",
    ]);
    let user = format!("--userspec={PLAIN}:{PLAIN}");
    match (chroot, is_root()) {
        (None, true) => {
            command.args([
                format!("--reuid={PLAIN}"),
                format!("--regid={PLAIN}"),
                "--clear-groups".to_owned(),
            ]);
        }
        (None, false) => {}
        (Some(root), true) => {
            command
                .args(["/usr/sbin/chroot", "--groups=", &user])
                .arg(root);
        }
        (Some(root), false) => {
            command
                .args([
                    "/usr/bin/unshare",
                    "--user",
                    "--map-root-user",
                    "/usr/sbin/chroot",
                ])
                .arg(root);
        }
    }
    command.arg(program);
    command
}
