//! Children, which are not carried: a process that has any is refused.

use crate::error::{Result, fail};
use crate::sys::{fs, process};
use crate::util::text::{Line, ShortText, Show, decimal};

/// Refuses a process that has a child, be it one that has ended and is not waited for.
pub fn refuse() -> Result<()> {
    if !process::has_child() {
        return Ok(());
    }
    let Some(child) = first_child() else {
        fail!("a child process: not carried");
    };
    let path = ShortText::format(format_args!("/proc/{child}/comm"));
    let mut name = [0; 64];
    let got = read_file(&path, &mut name);
    let name = name.get(..got).unwrap_or(&[]);
    fail!(
        "child {child} ({}): not carried",
        Show(name.trim_ascii_end())
    )
}

/// The first one that /proc tells of; each thread has its own list there.
fn first_child() -> Option<u64> {
    let folder = fs::open(c"/proc/self/task", fs::O_RDONLY | fs::O_DIRECTORY, 0).ok()?;
    let mut buffer = [0; 2048];
    loop {
        let got = fs::entries(folder.number(), &mut buffer)
            .ok()
            .filter(|&got| got > 0)?;
        for name in fs::names(buffer.get(..got)?) {
            let Some((thread, [])) = decimal(name) else {
                continue;
            };
            let path = ShortText::format(format_args!("/proc/self/task/{thread}/children"));
            let mut list = [0; 32];
            let got = read_file(&path, &mut list);
            if let Some((child, _)) = list.get(..got).and_then(decimal) {
                return Some(child);
            }
        }
    }
}

fn read_file(path: &Line, to: &mut [u8]) -> usize {
    fs::open(path.as_c(), fs::O_RDONLY, 0)
        .and_then(|file| fs::read(file.number(), to))
        .unwrap_or(0)
}
