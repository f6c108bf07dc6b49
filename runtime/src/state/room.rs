//! Room for the checkpoint's own descriptors in a program that has used its limit up.

use crate::sys::{fs, process};
use crate::util::cell::Global;

/// RLIMIT_NOFILE.
pub const NOFILE: usize = 7;

/// Soft and hard limit while they are not the program's.
static LIMIT: Global<Option<(u64, u64)>> = Global::new(None);

/// Raises the soft limit if there is hardly a number left below it. A program that has reached its
/// hard limit as well cannot be helped; what needs a descriptor then says so.
pub fn make() {
    LIMIT.set(None);
    if is_there() {
        return;
    }
    if let Ok((soft, hard)) = process::limit(NOFILE)
        && soft < hard
        && process::set_limit(NOFILE, hard, hard).is_ok()
    {
        LIMIT.set(Some((soft, hard)));
    }
}

/// Are there as many numbers as are ever needed at once?
fn is_there() -> bool {
    let open = || fs::open(c"/", fs::O_PATH, 0).ok();
    let all: [Option<fs::Fd>; 8] = core::array::from_fn(|_| open());
    all.iter().all(Option::is_some)
}

/// Gives the program its limit back.
pub fn give_back() {
    if let Some((soft, hard)) = LIMIT.get() {
        // Lowering is always allowed.
        let _ = process::set_limit(NOFILE, soft, hard);
        LIMIT.set(None);
    }
}

/// The program's limit, if another one is in force.
#[must_use]
pub fn put_aside() -> Option<(u64, u64)> {
    LIMIT.get()
}
