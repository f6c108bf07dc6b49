//! The patch command: its options, what it writes and what it leaves alone.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use ckpt_format::handoff;

mod programs;
use programs::{RETURNS, Ran, SAYS, build_c, ckpt_patch, dir, must, number, run};

fn patch(dir: &Path, line: &str) -> Ran {
    run(ckpt_patch().args(line.split(' ')).current_dir(dir))
}

/// Patches as `line` says, in silence.
fn patches(dir: &Path, line: &str) {
    let ran = patch(dir, line);
    let got = (ran.status, ran.stdout.as_str(), ran.stderr.as_str());
    assert_eq!(got, (0, "", ""), "{line}");
}

fn runs(program: &Path) {
    let ran = run(Command::new(program).arg("a"));
    assert_eq!((ran.status, ran.stdout.as_str()), (RETURNS, SAYS));
    let ran = run(Command::new(program).args(["--restore", "/nonexistent"]));
    assert_eq!(ran.status, 125, "the runtime is not in it");
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("a directory");
    let name = |e: std::io::Result<fs::DirEntry>| e.expect("an entry").file_name();
    let mut names: Vec<_> = entries
        .map(|e| name(e).to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// The handoff block of a patched file.
fn block(dir: &Path) -> Vec<u8> {
    let file = fs::read(dir.join("patched")).expect("the result");
    let mut ends = file
        .chunks_exact(handoff::PAGE)
        .map(|page| &page[handoff::PAGE - handoff::LEN..]);
    let found = ends.find(|end| end.starts_with(&handoff::MAGIC));
    found.expect("the block").to_vec()
}

fn text(block: &[u8], at: usize) -> String {
    let end = block[at..].iter().position(|b| *b == 0).expect("a NUL");
    String::from_utf8_lossy(&block[at..at + end]).into_owned()
}

// ---- options ----

#[test]
fn defaults_and_identity_are_handed_on() {
    let dir = dir();
    build_c(dir.path(), "gcc");
    patches(dir.path(), "app -o patched");
    let block = block(dir.path());
    assert_eq!(
        number(&block, handoff::OFF_VERSION, 4),
        u64::from(handoff::VERSION)
    );
    assert_eq!(number(&block, handoff::OFF_SIGNAL, 4), 12);
    assert_eq!(number(&block, handoff::OFF_FLAGS, 4), 0);
    assert_eq!(text(&block, handoff::OFF_PATTERN), "%e-%p.img");
    assert_eq!(number(&block, handoff::OFF_PATTERN_LEN, 4), 9);
    assert_eq!(text(&block, handoff::OFF_RESTORE_FLAG), "--restore");
    assert_eq!(text(&block, handoff::OFF_CHECKPOINT_FLAG), "--checkpoint");
    let identity = &block[handoff::OFF_IDENTITY..handoff::OFF_IDENTITY + 32];
    let identity: String = identity.iter().map(|b| format!("{b:02x}")).collect();
    let sum = must(dir.path(), "sha256sum app").stdout;
    assert_eq!(sum.split(' ').next(), Some(identity.as_str()));
    let app = fs::read(dir.path().join("app")).expect("the program");
    assert_eq!(number(&block, handoff::OFF_ENTRY, 8), number(&app, 24, 8));
}

#[test]
fn options_are_handed_on() {
    let dir = dir();
    build_c(dir.path(), "gcc");
    let options =
        "--signal RTMIN+3 --image /tmp/%h-%e.%n --restore-flag --thaw --checkpoint-flag=--freeze";
    patches(dir.path(), &format!("app -o patched {options}"));
    let block = block(dir.path());
    assert_eq!(number(&block, handoff::OFF_SIGNAL, 4), 37);
    assert_eq!(text(&block, handoff::OFF_PATTERN), "/tmp/%h-%e.%n");
    assert_eq!(text(&block, handoff::OFF_RESTORE_FLAG), "--thaw");
    assert_eq!(text(&block, handoff::OFF_CHECKPOINT_FLAG), "--freeze");
    let program = dir.path().join("patched");
    let ran = run(Command::new(&program).args(["--thaw", "/nonexistent"]));
    assert_eq!(ran.status, 125);
    let ran = run(Command::new(&program).arg("--restore"));
    assert_eq!(
        ran.stdout, "hello 2 6 --restore\n",
        "it is the program's own now"
    );
}

#[test]
fn wrong_usage_is_status_2() {
    let dir = dir();
    build_c(dir.path(), "gcc");
    let wrong = [
        "",
        "app",
        "app -o",
        "app -o patched --signal KILL",
        "app -o patched --signal 33",
        "app -o patched --signal 65",
        "app -o patched --image %z",
        "app -o patched --restore-flag=--x --checkpoint-flag=--x",
        "app -o patched --in-place",
        "app -o patched -q -v",
        "app -o patched --nonsense",
        "app extra -o patched",
    ];
    for line in wrong {
        let words = line.split(' ').filter(|w| !w.is_empty());
        let ran = run(ckpt_patch().args(words).current_dir(dir.path()));
        assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{line}");
        assert!(ran.stderr.starts_with("error: "), "{line}: {}", ran.stderr);
    }
    assert_eq!(names(dir.path()), ["app", "app.c"]);
}

#[test]
fn help_lists_what_there_is() {
    let dir = dir();
    let ran = patch(dir.path(), "--help");
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
    for option in [
        "--output",
        "--signal",
        "--image",
        "--restore-flag",
        "--in-place",
    ] {
        assert!(ran.stdout.contains(option), "{option}");
    }
    for later in ["--interval", "--compress", "inspect", "unpatch"] {
        assert!(!ran.stdout.contains(later), "{later}");
    }
}

#[test]
fn a_dry_run_writes_nothing() {
    let dir = dir();
    build_c(dir.path(), "gcc");
    let ran = patch(dir.path(), "app -o patched --dry-run");
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
    assert!(
        ran.stdout.contains("layout:      in-place (move-notes)\n"),
        "{}",
        ran.stdout
    );
    assert_eq!(names(dir.path()), ["app", "app.c"]);
}

#[test]
fn the_report_is_json() {
    let dir = dir();
    build_c(dir.path(), "gcc");
    let ran = patch(dir.path(), "app -o patched --json -q");
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
    let size = fs::metadata(dir.path().join("patched"))
        .expect("the result")
        .len();
    let fields = [
        r#"{"input":"app","output":"patched","linkage":"dynamic-pie","#.to_owned(),
        r#""interpreter":"/lib64/ld-linux-x86-64.so.2","go":false,"#.to_owned(),
        format!(r#""size_after":{size},"#),
        "\"warnings\":[]}\n".to_owned(),
    ];
    for field in fields {
        assert!(ran.stdout.contains(&field), "{field} in {}", ran.stdout);
    }
    let script = "import json, sys; json.load(sys.stdin)";
    let mut python = Command::new("python3")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .spawn()
        .expect("python3");
    let stdin = python.stdin.take().expect("its input");
    std::io::Write::write_all(&mut { stdin }, ran.stdout.as_bytes()).expect("its input");
    assert!(python.wait().expect("python3").success());
}

// ---- the output file ----

#[test]
fn the_mode_is_kept_but_for_special_rights() {
    let dir = dir();
    let app = build_c(dir.path(), "gcc");
    for (mode, after, warnings) in [
        (0o755, 0o755, vec![]),
        (0o700, 0o700, vec![]),
        (0o555, 0o555, vec![]),
        (
            0o4755,
            0o755,
            vec!["warning: app: the setuid bit is not copied"],
        ),
        (
            0o6711,
            0o711,
            vec![
                "warning: app: the setuid bit is not copied",
                "warning: app: the setgid bit is not copied",
            ],
        ),
    ] {
        fs::set_permissions(&app, fs::Permissions::from_mode(mode)).expect("its mode");
        let ran = patch(dir.path(), "app -o patched");
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        assert_eq!(ran.stderr.lines().collect::<Vec<_>>(), warnings);
        let made = fs::metadata(dir.path().join("patched")).expect("the result");
        assert_eq!(made.mode() & 0o7777, after, "{mode:o}");
    }
}

#[test]
fn file_capabilities_are_not_kept() {
    let dir = dir();
    build_c(dir.path(), "gcc");
    // cap_net_raw+ep, as linux/capability.h lays it out; only root may set it.
    let script = "import os; os.setxattr('app', 'security.capability', bytes.fromhex('0100000200200000000000000000000000000000'))";
    let set = run(Command::new("python3")
        .args(["-c", script])
        .current_dir(dir.path()));
    let ran = patch(dir.path(), "app -o patched");
    let warning = "warning: app: file capabilities are not copied\n";
    let want = if set.status == 0 { warning } else { "" };
    assert_eq!((ran.status, ran.stderr.as_str()), (0, want));
    runs(&dir.path().join("patched"));
}

#[test]
fn an_old_output_is_replaced() {
    let dir = dir();
    build_c(dir.path(), "gcc");
    patches(dir.path(), "app -o patched");
    let old = fs::metadata(dir.path().join("patched"))
        .expect("the result")
        .ino();
    patches(dir.path(), "app -o patched");
    let new = fs::metadata(dir.path().join("patched"))
        .expect("the result")
        .ino();
    assert_ne!(old, new, "a new file took the name");
    assert_eq!(names(dir.path()), ["app", "app.c", "patched"]);
    runs(&dir.path().join("patched"));
}

#[test]
fn in_place_replaces_the_file_behind_a_link() {
    let dir = dir();
    let app = build_c(dir.path(), "gcc");
    fs::set_permissions(&app, fs::Permissions::from_mode(0o750)).expect("its mode");
    symlink("app", dir.path().join("link")).expect("a link");
    patches(dir.path(), "link --in-place");
    assert_eq!(names(dir.path()), ["app", "app.c", "link"]);
    let link = fs::symlink_metadata(dir.path().join("link")).expect("the link");
    assert!(link.is_symlink());
    assert_eq!(
        fs::metadata(&app).expect("the result").mode() & 0o7777,
        0o750
    );
    runs(&app);
}

#[test]
fn the_input_is_never_the_output() {
    let dir = dir();
    let app = build_c(dir.path(), "gcc");
    let before = fs::read(&app).expect("the program");
    symlink("app", dir.path().join("link")).expect("a link");
    fs::hard_link(&app, dir.path().join("twin")).expect("a second name");
    for output in ["app", "./app", "link", "twin"] {
        let ran = patch(dir.path(), &format!("app -o {output}"));
        let line = format!(
            "error: {output}: is the input; name another file with -o, or use --in-place\n"
        );
        assert_eq!((ran.status, ran.stderr), (1, line));
    }
    assert!(fs::read(&app).expect("the program") == before);
}

#[test]
fn outputs_that_are_no_files_are_refused() {
    let dir = dir();
    build_c(dir.path(), "gcc");
    fs::create_dir(dir.path().join("sub")).expect("a directory");
    for (output, what) in [
        ("sub", "is a directory; name a file in it with -o"),
        (
            "/dev/null",
            "is not a regular file; name another file with -o",
        ),
        (
            "none/x",
            "cannot create it: No such file or directory; check the path",
        ),
        (
            "app.c/x",
            "cannot create it: Not a directory; check the file system that holds it",
        ),
    ] {
        let ran = patch(dir.path(), &format!("app -o {output}"));
        assert_eq!(
            (ran.status, ran.stderr),
            (1, format!("error: {output}: {what}\n"))
        );
    }
    assert_eq!(names(dir.path()), ["app", "app.c", "sub"]);
    must(dir.path(), "test -c /dev/null");
}

/// A write that fails half way leaves the old output and nothing else.
#[test]
fn a_full_disk_leaves_the_old_output() {
    let dir = dir();
    build_c(dir.path(), "gcc -static");
    fs::write(dir.path().join("patched"), "old").expect("an old output");
    let tool = ckpt_patch();
    let ran = run(Command::new("bash")
        .args([
            "-c",
            "trap '' XFSZ; ulimit -f 300; exec \"$0\" app -o patched",
        ])
        .arg(tool.get_program())
        .current_dir(dir.path()));
    let line = "error: patched: cannot write it: File too large; ";
    assert!(ran.status == 1 && ran.stderr.starts_with(line), "{ran:?}");
    assert_eq!(ran.stderr.lines().count(), 1);
    assert_eq!(fs::read(dir.path().join("patched")).expect("it"), b"old");
    assert_eq!(names(dir.path()), ["app", "app.c", "patched"]);
}

/// Killed at any moment, it leaves nothing or a whole file.
#[test]
fn a_kill_leaves_nothing_or_all() {
    let dir = dir();
    let compiler = must(dir.path(), "gcc -print-prog-name=cc1").stdout;
    let mut whole = 0;
    for round in 0..12 {
        let mut child = ckpt_patch()
            .args([compiler.trim(), "-o", "patched"])
            .current_dir(dir.path())
            .spawn()
            .expect("it starts");
        // Slower and slower, until it is done before.
        std::thread::sleep(Duration::from_millis(4 << (round / 2)));
        child.kill().expect("it can be killed");
        child.wait().expect("it ends");
        let left = names(dir.path());
        if left.is_empty() {
            continue;
        }
        assert_eq!(left, ["patched"]);
        let ran = run(Command::new("./patched")
            .arg("--version")
            .current_dir(dir.path()));
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        fs::remove_file(dir.path().join("patched")).expect("the result");
        whole += 1;
    }
    assert!(whole < 12, "never killed in time");
}

// ---- bytes after the end ----

/// Finds what is appended to its own file in the two ways that formats use.
const SELF_READER: &str = r#"
#include <elf.h>
#include <stdio.h>
#include <string.h>
int main(int argc, char **argv) {
    char end[4] = "", after[4] = "";
    Elf64_Ehdr e;
    FILE *f = fopen("/proc/self/exe", "rb");
    if (argc > 1 && !strcmp(argv[1], "--restore")) return 1;
    fread(&e, sizeof e, 1, f);
    fseek(f, e.e_shoff + e.e_shnum * 64, SEEK_SET);
    fread(after, 4, 1, f);
    fseek(f, -4, SEEK_END);
    fread(end, 4, 1, f);
    printf("%.4s %.4s\n", after, end);
    return 42;
}
"#;

/// A program with `overlay` after its end, patched with `line`.
fn with_overlay(overlay: &[u8], line: &str) -> (tempfile::TempDir, Ran) {
    let dir = dir();
    let app = dir.path().join("app");
    fs::write(dir.path().join("app.c"), SELF_READER).expect("source");
    must(dir.path(), "gcc app.c -o app");
    let mut file = fs::read(&app).expect("the program");
    file.extend_from_slice(overlay);
    fs::write(&app, file).expect("the program");
    let ran = patch(dir.path(), line);
    (dir, ran)
}

fn overlay(start: &[u8], end: &[u8]) -> Vec<u8> {
    [start, &vec![7; 5000], end].concat()
}

#[test]
fn overlays_that_are_found_from_the_end_stay_there() {
    let zip = overlay(
        b"DATA",
        b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x04\0TAIL",
    );
    let bun = overlay(b"DATA", b"\n---- Bun! ----\n\0\0\0\0TAIL");
    let pyinstaller = overlay(b"DATA", b"MEI\x0c\x0b\x0a\x0b\x0e\0\0\0\0TAIL");
    for (bytes, format) in [(zip, "zip"), (bun, "bun"), (pyinstaller, "PyInstaller")] {
        let (dir, ran) = with_overlay(&bytes, "app -o patched --json");
        assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
        let field = format!("\"overlay\":\"{format}\"");
        assert!(ran.stdout.contains(&field), "{field} in {}", ran.stdout);
        let ran = run(&mut Command::new(dir.path().join("patched")));
        assert_eq!((ran.status, ran.stdout.as_str()), (42, "DATA TAIL\n"));
        let file = fs::read(dir.path().join("patched")).expect("the result");
        assert!(file.ends_with(&bytes));
    }
}

#[test]
fn appimages_find_their_file_system() {
    let dir = dir();
    let app = dir.path().join("app");
    fs::write(dir.path().join("app.c"), SELF_READER).expect("source");
    must(dir.path(), "gcc -static app.c -o app");
    let mut file = fs::read(&app).expect("the program");
    file[8..11].copy_from_slice(b"AI\x02");
    file.extend_from_slice(&overlay(b"hsqs", b"TAIL"));
    fs::write(&app, file).expect("the program");
    patches(dir.path(), "app -o patched");
    let ran = run(&mut Command::new(dir.path().join("patched")));
    assert_eq!((ran.status, ran.stdout.as_str()), (42, "hsqs TAIL\n"));
}

#[test]
fn unknown_overlays_need_force() {
    let deno = overlay(b"DATA", b"d3n0l4nd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    for (bytes, format) in [(overlay(b"DATA", b"TAIL"), "unknown"), (deno, "deno")] {
        let (dir, ran) = with_overlay(&bytes, "app -o patched");
        let line = format!(
            "error: app: has {} bytes after its end ({format} format) that it may look for at a fixed offset; strip them if the program needs none, or try --force\n",
            bytes.len()
        );
        assert_eq!((ran.status, ran.stderr), (1, line));
        assert_eq!(names(dir.path()), ["app", "app.c"]);
        let ran = patch(dir.path(), "app -o patched --force");
        let warning = "warning: app: bytes after the program's end moved: it may not find them\n";
        assert_eq!((ran.status, ran.stderr.as_str()), (0, warning));
        let ran = run(&mut Command::new(dir.path().join("patched")));
        assert!(ran.stdout.starts_with("DATA "), "{}", ran.stdout);
    }
}

#[test]
fn zeros_after_the_end_are_no_overlay() {
    let (dir, ran) = with_overlay(&[0; 64], "app -o patched --json");
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(
        ran.stdout.contains("\"overlay\":\"none\""),
        "{}",
        ran.stdout
    );
    let ran = run(&mut Command::new(dir.path().join("patched")));
    assert_eq!(ran.status, 42);
}
