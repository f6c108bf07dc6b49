//! Terminals.

use anyhow::Result;
use ckpt_format::limits;
use ckpt_format::record::{Terminal, file_kind, terminal_flag};
use ckpt_format::toc::kind;
use ckpt_tests::image::list;

use super::{files_with, first_of};
use crate::victim::Cases;

static MUCH: [u8; limits::TERMINAL + 1] = [b'x'; limits::TERMINAL + 1];

#[test]
fn terminals() -> Result<()> {
    let mut cases = Cases::new("terminals")?;
    let parts = cases.parts();
    let with = |change: &dyn Fn(&mut Vec<Terminal<'_>>)| {
        let terminals = parts.with(kind::TERMINALS, |b| {
            list(b, |all: &mut Vec<Terminal<'_>>| change(all))
        });
        terminals.build()
    };
    let what = "impossible value: terminal";
    cases.refused("another file", &with(&|t| t[0].file += 1), what);
    cases.refused("one too many", &with(&|t| t.push(t[0])), what);
    cases.refused("none", &with(&|t| t.clear()), what);
    let unknown = terminal_flag::ALL + 1;
    cases.refused("flags", &with(&|t| t[0].flags |= unknown), what);
    cases.refused("discipline", &with(&|t| t[0].line = 1), what);
    cases.refused("rows", &with(&|t| t[0].rows = 1 << 16), what);
    cases.refused("columns", &with(&|t| t[0].columns = 1 << 16), what);
    cases.refused("width", &with(&|t| t[0].width = 1 << 16), what);
    cases.refused("height", &with(&|t| t[0].height = 1 << 16), what);
    cases.refused("first", &with(&|t| t[0].first = 1), what);
    cases.refused("typed", &with(&|t| t[0].typed = &MUCH), what);
    cases.refused("shown", &with(&|t| t[0].shown = &MUCH), what);
    let master = first_of(&parts, file_kind::MASTER);
    let number = files_with(&parts, master, |f| f.size = limits::PTYS);
    cases.refused("number", &number, "impossible value: open file");
    let nothing = files_with(&parts, master, |f| f.kind = file_kind::EPOLL);
    cases.refused("of something else", &nothing, what);
    cases.end()
}
