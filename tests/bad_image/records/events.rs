//! Descriptors that wait for something: eventfd, epoll, timerfd.

use anyhow::Result;
use ckpt_format::limits;
use ckpt_format::record::{File, Notice, TimerFd, Watch, file_kind};
use ckpt_format::toc::kind;
use ckpt_tests::image::list;

use super::{LONG, count, files_with, first_of};
use crate::victim::Cases;

#[test]
fn eventfds() -> Result<()> {
    let mut cases = Cases::new("eventfds")?;
    let parts = cases.parts();
    let counter = first_of(&parts, file_kind::EVENTFD);
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
fn inotify() -> Result<()> {
    let mut cases = Cases::new("inotify")?;
    let parts = cases.parts();
    let files = count(parts.bytes(kind::FILES));
    let with = |change: &dyn Fn(&mut Vec<Notice<'_>>)| {
        let notices = parts.with(kind::NOTICES, |b| {
            list(b, |all: &mut Vec<Notice<'_>>| change(all))
        });
        notices.build()
    };
    let what = "impossible value: watch of an inotify instance";
    cases.refused("no such file", &with(&|m| m[1].file = files), what);
    cases.refused("no instance", &with(&|m| m[0].file = 0), what);
    cases.refused("next file", &with(&|m| m[1].file += 1), what);
    cases.refused("no number", &with(&|m| m[0].wd = 0), what);
    let large = with(&|m| m[1].wd = limits::WATCHES + 1);
    cases.refused("large number", &large, what);
    cases.refused("twice", &with(&|m| m[1].wd = m[0].wd), what);
    cases.refused("out of order", &with(&|m| m.swap(0, 1)), what);
    cases.refused("nothing", &with(&|m| m[0].mask = 0x8000_0000), what);
    cases.refused("unknown bit", &with(&|m| m[0].mask |= 1 << 30), what);
    cases.refused("no path", &with(&|m| m[0].path = b""), what);
    cases.refused("relative path", &with(&|m| m[0].path = b"large"), what);
    cases.refused("long path", &with(&|m| m[0].path = &LONG), what);
    cases.refused("NUL", &with(&|m| m[0].path = b"/a\0b"), what);
    let gone = with(&|m| m[0].path = b"/no/such/file");
    let what = "cannot watch /no/such/file again (inotify): no such file or directory";
    cases.refused_with("gone", &gone, what);
    let same = with(&|m| m[1].path = m[0].path);
    let notices = parts.all::<Notice<'_>>(kind::NOTICES);
    let path = String::from_utf8_lossy(notices[0].path).into_owned();
    let what =
        format!("cannot watch {path} again (inotify): it is the same as another that is watched");
    cases.refused_with("the same", &same, &what);
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
