//! Where an image goes.

use crate::config::{self, Config};
use crate::error::{Result, fail};
use crate::sys::process;
use crate::util::text::{PathText, Show, Text, until_nul};

/// The pattern with its escapes filled in, absolute.
///
/// `%e` program name, `%p` pid, `%h` host, `%n` sequence number, `%t` seconds since 1970, `%%`.
pub fn from_pattern(sequence: u32) -> Result<PathText> {
    config::with(|c| fill(c, sequence))
}

fn fill(config: &Config, sequence: u32) -> Result<PathText> {
    let Some([folder, pattern, name]) = config::place(config) else {
        fail!("the image's name is too long");
    };
    let mut path = PathText::new();
    if pattern.first() != Some(&b'/') {
        if folder.is_empty() {
            fail!(
                "the working directory had no name at start: set CKPT_DIR or an absolute CKPT_IMAGE"
            );
        }
        path.push(folder);
        path.push(b"/");
    }
    let shown = Show(pattern);
    let mut rest = pattern;
    while let [byte, tail @ ..] = rest {
        rest = tail;
        if *byte != b'%' {
            path.push(&[*byte]);
            continue;
        }
        let Some((escape, tail)) = rest.split_first() else {
            fail!("image pattern {shown} ends with a bare %");
        };
        rest = tail;
        match escape {
            b'%' => path.push(b"%"),
            b'e' => path.push(name),
            b'p' => path.push_fmt(format_args!("{}", process::id())),
            b'n' => path.push_fmt(format_args!("{sequence}")),
            b't' => path.push_fmt(format_args!("{}", process::now())),
            b'h' => path.push(host().as_bytes()),
            _ => fail!(
                "image pattern {shown} has an unknown escape %{}",
                Show(&[*escape])
            ),
        }
    }
    if path.is_cut() {
        fail!("the image's name is too long");
    }
    Ok(path)
}

/// The host's name.
#[must_use]
pub fn host() -> Text<66> {
    let mut text = Text::new();
    if let Ok(names) = process::names() {
        text.push(until_nul(&names.nodename));
    }
    text
}
