//! Where an image goes.

use crate::config;
use crate::error::{Result, fail};
use crate::sys::process;
use crate::util::text::{PathText, Text};

/// The pattern with its escapes filled in, absolute.
///
/// `%e` program name, `%p` pid, `%h` host, `%n` sequence number, `%t` seconds since 1970, `%%`.
pub fn from_pattern(sequence: u32) -> Result<PathText> {
    let (pattern, folder, name) = config::with(|c| (c.pattern, c.folder, c.name));
    let mut path = PathText::new();
    if pattern.as_bytes().first() != Some(&b'/') {
        if folder.as_bytes().is_empty() {
            fail!(
                "the working directory had no name at start: set CKPT_DIR or an absolute CKPT_IMAGE"
            );
        }
        path.push(folder.as_bytes());
        path.push(b"/");
    }
    let mut rest = pattern.as_bytes();
    while let [byte, tail @ ..] = rest {
        rest = tail;
        if *byte != b'%' {
            path.push(&[*byte]);
            continue;
        }
        let Some((escape, tail)) = rest.split_first() else {
            fail!("image pattern {pattern} ends with a bare %");
        };
        rest = tail;
        match escape {
            b'%' => path.push(b"%"),
            b'e' => path.push(name.as_bytes()),
            b'p' => path.push_fmt(format_args!("{}", process::id())),
            b'n' => path.push_fmt(format_args!("{sequence}")),
            b't' => path.push_fmt(format_args!("{}", process::now())),
            b'h' => path.push(host().as_bytes()),
            _ => fail!(
                "image pattern {pattern} has an unknown escape %{}",
                char::from(*escape)
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
        for byte in names.nodename.iter().take_while(|&&b| b != 0) {
            text.push(&[*byte]);
        }
    }
    text
}
