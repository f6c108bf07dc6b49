//! `--remap OLD=NEW`: what the program had open is elsewhere now, or is to be.
//!
//! All names of an image are exchanged at once, in the copy of its metadata that the restore works
//! from: everything that comes later finds the new ones, and nothing else has to know.

use core::ffi::CStr;

use ckpt_format::codec::{Field, Writer};
use ckpt_format::record::{
    ADDRESS, Attributes, File, Message, Notice, Place, Socket, Vma, family, file_kind, vma_kind,
};
use ckpt_format::toc::kind;

use crate::entry::InitialStack;
use crate::error::{Error, Result};
use crate::image::input::Image;
use crate::log;
use crate::sys::address::Address;
use crate::sys::socket::{DATAGRAM, Name, STREAM};
use crate::util::arena::Arena;
use crate::util::text::{PathText, Show, Text, after, decimal, find, find_last, until_nul};

/// Longest path of a Unix socket: `sun_path` of `struct sockaddr_un` with its NUL (unix(7)).
const SOCKET_PATH: usize = 107;

/// What one argument asks for.
#[derive(Clone, Copy, Debug)]
enum Rule<'a> {
    /// A path, and all below it.
    Path([&'a [u8]; 2]),
    /// The abstract name of a Unix socket.
    Abstract([&'a [u8]; 2]),
    /// Internet addresses of one kind of socket, or of all (zero).
    Internet(u32, [At; 2]),
}

/// An Internet address; a part that is missing is any.
#[derive(Clone, Copy, Debug)]
struct At {
    host: Option<Address>,
    port: u16,
}

impl At {
    /// `HOST:PORT`, either of which may be missing; `PORT` alone.
    fn parse(text: &[u8]) -> Option<Self> {
        let (host, port) = match find_last(text, b':') {
            // A colon of version 6 is none.
            Some(at) if text.last() != Some(&b']') => text.split_at_checked(at)?,
            _ if text.first().is_some_and(u8::is_ascii_digit) => (&[][..], text),
            _ => return None,
        };
        let port = after(port, b":").unwrap_or(port);
        Some(Self {
            host: match host {
                [] => None,
                host => Some(Address::parse(host)?),
            },
            port: match decimal(port) {
                None if port.is_empty() => 0,
                Some((port @ 1..=0xffff, [])) => port as u16,
                _ => return None,
            },
        })
    }
}

impl<'a> Rule<'a> {
    fn read(text: &'a [u8]) -> Option<Self> {
        // A path may have a sign of equality in it, but before a slash.
        let mut at = find(text, b'=')?;
        let first = text.first();
        while first == Some(&b'/') && text.get(at + 1) != Some(&b'/') {
            at += 1 + find(text.get(at + 1..)?, b'=')?;
        }
        let sides = [text.get(..at)?, text.get(at + 1..)?];
        Some(match first {
            Some(b'/') => Self::Path(sides.map(without_slash)),
            Some(b'@') => {
                let [old, new] = sides;
                Self::Abstract([after(old, b"@")?, after(new, b"@")?])
            }
            _ => {
                let [old, new] = sides;
                let (kind, old) = if let Some(old) = after(old, b"tcp:") {
                    (STREAM, old)
                } else if let Some(old) = after(old, b"udp:") {
                    (DATAGRAM, old)
                } else {
                    (0, old)
                };
                Self::Internet(kind, [At::parse(old)?, At::parse(new)?])
            }
        })
    }

    fn parse(text: &'a [u8]) -> Result<Self> {
        let wrong = || {
            Error::new(format_args!(
                "--remap {}: not OLD=NEW, both of them absolute paths, @NAMEs of Unix sockets, or addresses ([tcp:|udp:]HOST:PORT=HOST:PORT, either part may be missing, version 6 in brackets)",
                Show(text)
            ))
        };
        Self::read(text).ok_or_else(wrong)
    }
}

/// A path without slashes at its end: of the root, nothing.
fn without_slash(mut path: &[u8]) -> &[u8] {
    while let [rest @ .., b'/'] = path {
        path = rest;
    }
    path
}

/// Checks an argument.
pub(super) fn check(rule: &CStr) -> Result<()> {
    Rule::parse(rule.to_bytes()).map(drop)
}

/// The rules of a command line that was checked.
struct Rules<'a> {
    stack: &'a InitialStack,
    /// Of every argument, whether it is a rule that something was found for.
    used: &'a mut [u8],
}

/// The rules of a command line, with the numbers of their arguments.
struct Each<'a> {
    stack: &'a InitialStack,
    next: usize,
}

impl<'a> Iterator for Each<'a> {
    type Item = (usize, &'a [u8], Rule<'a>);

    #[inline(never)]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let n = self.next;
            let text = self.stack.argument(n)?.to_bytes();
            self.next += 1;
            let before = self.stack.argument(n - 1)?.to_bytes();
            if before == b"--remap"
                && let Some(rule) = Rule::read(text)
            {
                return Some((n, text, rule));
            }
        }
    }
}

impl<'a> Rules<'a> {
    fn all(stack: &'a InitialStack) -> Each<'a> {
        Each { stack, next: 3 }
    }

    fn note(&mut self, n: usize) {
        if let Some(used) = self.used.get_mut(n) {
            *used = 1;
        }
    }

    /// A path by its new name, for which there is room at `to`.
    fn path<'t>(&mut self, path: &'t [u8], to: &'t mut PathText) -> Result<&'t [u8]> {
        let mut best = None;
        let mut longest = 0;
        for (n, _, rule) in Self::all(self.stack) {
            if let Rule::Path([old, new]) = rule
                && let Some(rest @ ([] | [b'/', ..])) = after(path, old)
                && (best.is_none() || longest < old.len())
            {
                best = Some((n, rest, new));
                longest = old.len();
            }
        }
        let Some((n, rest, new)) = best.filter(|_| path.first() == Some(&b'/')) else {
            return Ok(path);
        };
        self.note(n);
        to.push(new);
        to.push(rest);
        if to.as_bytes().is_empty() {
            to.push(b"/");
        }
        if to.is_cut() {
            return Err(too_long(to.as_bytes()));
        }
        Ok(to.as_bytes())
    }

    /// The new name of a socket of this kind.
    fn name(&mut self, kind: u32, old: &[u8]) -> Result<Name> {
        let name = Name::new(old);
        match (name.family(), name.rest()) {
            (family::UNIX, [0, abstract_name @ ..]) => {
                let is_it = |rule: &Rule<'_>| matches!(rule, Rule::Abstract([old, _]) if *old == abstract_name);
                let found = Self::all(self.stack).find(|(.., rule)| is_it(rule));
                let Some((n, _, Rule::Abstract([_, new]))) = found else {
                    return Ok(name);
                };
                self.note(n);
                unix(&[0], new)
            }
            (family::UNIX, path @ [b'/', ..]) => {
                let mut room = PathText::new();
                let old = until_nul(path);
                match self.path(old, &mut room)? {
                    new if new == old => Ok(name),
                    new => unix(new, &[0]),
                }
            }
            (family @ (family::INET | family::INET6), _) => {
                let Ok(at) = name.internet() else {
                    return Ok(name);
                };
                let found = Self::all(self.stack).find_map(|(n, _, rule)| match rule {
                    Rule::Internet(of, [old, new]) if of == 0 || of == kind => {
                        let meant = old.host.is_none_or(|host| host.is_host_of(&at))
                            && (old.port == 0 || old.port == at.port());
                        let host = new.host.unwrap_or(at);
                        let fits = family == family::INET6 || host.is_short();
                        let port = if new.port == 0 { at.port() } else { new.port };
                        (meant && fits).then(|| (n, host.with_port(port)))
                    }
                    _ => None,
                });
                let Some((n, new)) = found else {
                    return Ok(name);
                };
                self.note(n);
                Ok(Name::at(&new, family))
            }
            _ => Ok(name),
        }
    }
}

/// The name of a Unix socket, of two parts.
fn unix(first: &[u8], second: &[u8]) -> Result<Name> {
    let mut bytes = Text::<{ ADDRESS + 1 }>::new();
    for part in [&(family::UNIX as u16).to_le_bytes(), first, second] {
        bytes.push(part);
    }
    if bytes.as_bytes().len() > 2 + SOCKET_PATH + 1 {
        return Err(too_long(if first == [0] { second } else { first }));
    }
    Ok(Name::new(bytes.as_bytes()))
}

#[cold]
fn too_long(name: &[u8]) -> Error {
    let start = name.get(..name.len().min(200)).unwrap_or(name);
    Error::new(format_args!(
        "--remap: a name becomes too long: {}",
        Show(start)
    ))
}

/// Gives the records of an image the names that the command line asks for.
#[inline(never)]
pub(super) fn all<'a>(
    arena: &'a Arena,
    image: &mut Image<'a>,
    stack: &'a InitialStack,
) -> Result<()> {
    let Some((last, ..)) = Rules::all(stack).last() else {
        return Ok(());
    };
    let mut rules = Rules {
        stack,
        used: arena.bytes(last + 1, 1)?,
    };
    let longest = Rules::all(stack).map(|(_, text, _)| text.len());
    let more = longest.max().unwrap_or(0);
    files(arena, image, &mut rules, more)?;
    directories(arena, image, &mut rules, more)?;
    sockets(arena, image, &mut rules)?;
    for (n, text, _) in Rules::all(stack) {
        if rules.used.get(n) == Some(&0) {
            let text = Show(text);
            log::info!("--remap {text}: nothing in the image has such a name");
        }
    }
    Ok(())
}

/// Paths of files, open or mapped.
fn files<'a>(
    arena: &'a Arena,
    image: &mut Image<'a>,
    rules: &mut Rules<'_>,
    more: usize,
) -> Result<()> {
    change(arena, image, kind::FILES, more, &mut |file: File<'_>, w| {
        let mut room = PathText::new();
        let mut file: File<'_> = file;
        // The name of a queue is no path.
        if file.kind != file_kind::QUEUE {
            file.path = rules.path(file.path, &mut room)?;
        }
        w.put(&file);
        Ok(())
    })?;
    change(arena, image, kind::VMAS, more, &mut |vma: Vma<'_>, w| {
        let mut room = PathText::new();
        let mut vma: Vma<'_> = vma;
        let of_file = [vma_kind::CARRIED, vma_kind::FILE, vma_kind::SHARED_FILE];
        if of_file.contains(&vma.kind) {
            vma.path = rules.path(vma.path, &mut room)?;
        }
        w.put(&vma);
        Ok(())
    })
}

/// Paths of directories that are worked in, and of what is watched.
fn directories<'a>(
    arena: &'a Arena,
    image: &mut Image<'a>,
    rules: &mut Rules<'_>,
    more: usize,
) -> Result<()> {
    change(
        arena,
        image,
        kind::NOTICES,
        more,
        &mut |notice: Notice<'_>, w| {
            let mut room = PathText::new();
            let path = rules.path(notice.path, &mut room)?;
            w.put(&Notice { path, ..notice });
            Ok(())
        },
    )?;
    change(
        arena,
        image,
        kind::PLACES,
        more,
        &mut |place: Place<'_>, w| {
            let mut room = PathText::new();
            let cwd = rules.path(place.cwd, &mut room)?;
            w.put(&Place { cwd, ..place });
            Ok(())
        },
    )?;
    let attributes = image.single::<Attributes<'_>>(kind::ATTRIBUTES);
    image.replace(arena, kind::ATTRIBUTES, more, |w| {
        let mut room = PathText::new();
        let cwd = rules.path(attributes.cwd, &mut room)?;
        w.put(&Attributes { cwd, ..attributes });
        Ok(())
    })
}

/// Names of sockets, and of those who have sent what waits in them.
fn sockets<'a>(arena: &'a Arena, image: &mut Image<'a>, rules: &mut Rules<'_>) -> Result<()> {
    change(
        arena,
        image,
        kind::SOCKETS,
        2 * ADDRESS,
        &mut |socket: Socket<'_>, w| {
            let local = rules.name(socket.kind, socket.local)?;
            let remote = rules.name(socket.kind, socket.remote)?;
            let (local, remote) = (local.as_bytes(), remote.as_bytes());
            w.put(&Socket {
                local,
                remote,
                ..socket
            });
            Ok(())
        },
    )?;
    change(
        arena,
        image,
        kind::MESSAGES,
        2 * ADDRESS,
        &mut |message: Message<'_>, w| {
            let from = rules.name(DATAGRAM, message.from)?;
            let from = from.as_bytes();
            w.put(&Message { from, ..message });
            Ok(())
        },
    )
}

/// Writes the records of a section anew, each at most `more` bytes longer.
fn change<'a, T: Field<'a>>(
    arena: &'a Arena,
    image: &mut Image<'a>,
    kind: u32,
    more: usize,
    one: &mut dyn FnMut(T, &mut Writer<'_>) -> Result<()>,
) -> Result<()> {
    let records = image.list::<T>(kind);
    let count = records.left();
    image.replace(arena, kind, more * count as usize, |w| {
        w.put(&count);
        for record in records {
            one(record, w)?;
        }
        Ok(())
    })
}
