//! Descriptors that wait for something: eventfd, epoll, timerfd.

use anyhow::Result;
use ckpt_format::limits;
use ckpt_format::record::{File, TimerFd, Watch, file_kind};
use ckpt_format::toc::kind;
use ckpt_tests::image::list;

use super::{count, files_with};
use crate::victim::Cases;

#[test]
fn eventfds() -> Result<()> {
    let mut cases = Cases::new("eventfds")?;
    let parts = cases.parts();
    let all: Vec<File<'_>> = parts.all(kind::FILES);
    let counter = all.iter().position(|f| f.kind == file_kind::EVENTFD);
    let counter = counter.expect("an eventfd");
    let with = |change: fn(&mut File<'_>)| files_with(&parts, counter, change);
    let what = "impossible value: open file";
    cases.refused("value", &with(|f| f.size = u64::MAX), what);
    cases.refused("mode", &with(|f| f.pos = 2), what);
    cases.end()
}

#[test]
fn watches() -> Result<()> {
    let mut cases = Cases::new("watches")?;
    let parts = cases.parts();
    let files = count(parts.bytes(kind::FILES));
    let with = |change: &dyn Fn(&mut Vec<Watch>)| {
        let watches = parts.with(kind::WATCHES, |b| {
            list(b, |all: &mut Vec<Watch>| change(all))
        });
        watches.build()
    };
    let what = "impossible value: watch of an epoll instance";
    cases.refused("no such file", &with(&|w| w[1].file = files), what);
    cases.refused("no instance", &with(&|w| w[1].file += 1), what);
    cases.refused("out of order", &with(&|w| w[1].file = 0), what);
    cases.refused("nothing there", &with(&|w| w[1].target = files), what);
    cases.refused("number", &with(&|w| w[0].fd = limits::DESCRIPTORS), what);
    cases.refused("due", &with(&|w| w[0].due = 2), what);
    cases.refused("itself", &with(&|w| w[0].target = w[0].file), what);
    cases.end()
}

#[test]
fn timers_with_descriptors() -> Result<()> {
    let mut cases = Cases::new("timerfds")?;
    let parts = cases.parts();
    let with = |change: &dyn Fn(&mut Vec<TimerFd>)| {
        parts.with(kind::TIMERFDS, |b| list(b, change)).build()
    };
    let what = "impossible value: timer of a descriptor";
    cases.refused("another file", &with(&|t| t[0].file -= 1), what);
    cases.refused("one too many", &with(&|t| t.push(t[0])), what);
    cases.refused("none", &with(&Vec::clear), what);
    cases.refused("clock", &with(&|t| t[0].clock = 2), what);
    cases.refused("flags", &with(&|t| t[0].flags = 4), what);
    cases.refused("seconds", &with(&|t| t[0].value[0] = 1 << 63), what);
    cases.refused(
        "nanoseconds",
        &with(&|t| t[0].value[1] = 1_000_000_000),
        what,
    );
    cases.refused("interval", &with(&|t| t[0].interval[1] = u64::MAX), what);
    cases.end()
}
