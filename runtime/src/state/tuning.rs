//! What a process has told the kernel about itself: how soon it may be killed for want of memory,
//! what a core file is to hold, for which barriers it is ready.

use core::ffi::CStr;

use ckpt_format::record::Attributes;

use crate::log;
use crate::sys::{fs, process};
use crate::util::text::{Text, after, decimal, hexadecimal};

const OOM_SCORE: &CStr = c"/proc/self/oom_score_adj";
const CORE_FILTER: &CStr = c"/proc/self/coredump_filter";

/// The adjustment that the kernel adds to the badness score; zero where there is no /proc.
#[must_use]
pub fn oom_score() -> i32 {
    let mut text = [0; 16];
    let text = fs::glance(OOM_SCORE, &mut text);
    let number = |digits| decimal(digits).map_or(0, |(n, _)| n as i32);
    after(text, b"-").map_or_else(|| number(text), |digits| -number(digits))
}

/// The bits of core(5), "Controlling which mappings are written"; zero where there is no /proc.
#[must_use]
pub fn core_filter() -> u32 {
    let mut text = [0; 16];
    hexadecimal(fs::glance(CORE_FILTER, &mut text)).map_or(0, |(bits, _)| bits as u32)
}

/// The registrations of membarrier(2) as commands, one bit each. Kernels before 6.3 do not tell.
#[must_use]
pub fn barriers() -> u32 {
    const GET_REGISTRATIONS: u32 = 1 << 9;
    process::barrier(GET_REGISTRATIONS).unwrap_or(0) as u32
}

/// Sets them. A score may be too low for this user here, which is told.
pub fn restore(attributes: &Attributes<'_>) {
    let (score, filter) = (attributes.oom_score, attributes.core_filter);
    if score != oom_score() {
        let sign = if score < 0 { "-" } else { "" };
        let text = Text::<16>::format(format_args!("{sign}{}", score.unsigned_abs()));
        put(OOM_SCORE, &text);
    }
    if filter != core_filter() {
        put(
            CORE_FILTER,
            &Text::<16>::format(format_args!("{filter:#x}")),
        );
    }
    let missing = attributes.barriers & !barriers();
    for command in (0..u32::BITS)
        .map(|n| 1 << n)
        .filter(|bit| missing & bit != 0)
    {
        if let Err(e) = process::barrier(command) {
            log::info!("membarrier registration {command:#x} is not to be had here: {e}");
        }
    }
}

fn put(path: &CStr, text: &Text<16>) {
    let done = fs::open(path, fs::O_WRONLY, 0)
        .and_then(|file| fs::write_all(file.number(), text.as_bytes()));
    if let Err(e) = done {
        log::info!(
            "{}: {text} is not permitted here: {e}",
            crate::util::text::Show(path.to_bytes())
        );
    }
}
