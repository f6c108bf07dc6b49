//! Programs to patch, and a way to run things: shared by the tests of the rewriter.

use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// The sample: thread-local storage, a constructor, heap, a large `.bss`, an argument.
pub(crate) const C: &str = r#"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static __thread int tls = 5;
static char big[300000];
__attribute__((constructor)) static void before(void) { tls++; }
int main(int argc, char **argv) {
    char *heap = malloc(200000);
    memset(heap, 1, 200000);
    big[299999] = 3;
    printf("hello %d %d %s\n", argc, tls, argc > 1 ? argv[1] : "-");
    return 30 + tls + big[299999] + 2 + heap[9];
}
"#;
/// What it says and returns when it is run with one argument, `a`.
pub(crate) const SAYS: &str = "hello 2 6 a\n";
pub(crate) const RETURNS: i32 = 42;

/// What a command did.
#[derive(Debug)]
pub(crate) struct Ran {
    /// Exit status; 128 + the signal if one ended it, as a shell has it.
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a command to its end, which must come within a minute.
pub(crate) fn run(command: &mut Command) -> Ran {
    let named = format!("{command:?}");
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{named}: {e}: {}", hint(command)));
    let id = child.id().to_string();
    let (done, ended) = mpsc::channel::<()>();
    let limit = thread::spawn(move || {
        if ended.recv_timeout(Duration::from_secs(60)) == Err(mpsc::RecvTimeoutError::Timeout) {
            let _ = Command::new("kill").args(["-9", &id]).status();
        }
    });
    let out = reader(child.stdout.take().expect("its output"));
    let err = reader(child.stderr.take().expect("its errors"));
    let stdout = out.join().expect("a reader");
    let stderr = err.join().expect("a reader");
    let status = child.wait().expect("a child can be waited for");
    drop(done);
    limit.join().expect("the timer");
    Ran {
        status: status
            .code()
            .unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
        stdout,
        stderr,
    }
}

/// Reads a pipe to its end, beside others.
fn reader(mut from: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).expect("a pipe can be read");
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Where a missing tool comes from.
fn hint(command: &Command) -> String {
    let packages = [
        ("gcc", "gcc"),
        ("clang", "clang"),
        ("ld.lld", "lld"),
        ("musl-gcc", "musl-tools"),
        ("go", "golang-go"),
        ("eu-", "elfutils"),
        ("llvm-", "llvm"),
        ("gdb", "gdb"),
        ("qemu-x86_64", "qemu-user"),
    ];
    let name = command.get_program().to_string_lossy();
    packages
        .iter()
        .find(|(tool, _)| name.starts_with(tool))
        .map_or_else(String::new, |(_, package)| {
            format!("apt-get install {package}")
        })
}

/// Runs `line`, split at blanks, in `dir`; it must succeed.
pub(crate) fn must(dir: &Path, line: &str) -> Ran {
    let mut words = line.split(' ');
    let mut command = Command::new(words.next().expect("a command"));
    let ran = run(command.args(words).current_dir(dir));
    assert_eq!(ran.status, 0, "{line}: {}", ran.stderr);
    ran
}

/// The command under test.
pub(crate) fn ckpt_patch() -> Command {
    Command::new(env!("CARGO_BIN_EXE_ckpt-patch-under-test"))
}

/// Compiles [`C`] in `dir` with `line` (`gcc -static`) and gives the program's path.
pub(crate) fn build_c(dir: &Path, line: &str) -> PathBuf {
    std::fs::write(dir.join("app.c"), C).expect("the directory can be written");
    must(dir, &format!("{line} app.c -o app"));
    dir.join("app")
}

/// A new directory for one test.
pub(crate) fn dir() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory can be made")
}

/// A little-endian number in a file.
pub(crate) fn number(bytes: &[u8], at: usize, size: usize) -> u64 {
    let mut le = [0; 8];
    le[..size].copy_from_slice(&bytes[at..at + size]);
    u64::from_le_bytes(le)
}
