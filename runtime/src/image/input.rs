//! Reads an image: all of its metadata, checked before it means anything.

use core::ffi::CStr;

use ckpt_format::DecodeError;
use ckpt_format::codec::{Field, Writer};
use ckpt_format::header::{self, Header};
use ckpt_format::record::{self, Known};
use ckpt_format::sections::Sections;
use ckpt_format::toc::{self, Table, kind};

use crate::error::{Context, Error, Result, fail};
use crate::sys::fs::{self, Fd};
use crate::util::arena::Arena;
use crate::util::text::{PathText, Show};

/// An open image whose header, table and metadata sections have been checked against their
/// checksums, and every record against its own rules. Pages are not read yet.
#[derive(Debug)]
pub struct Image<'a> {
    /// The file.
    pub fd: Fd,
    /// Its name, for messages.
    pub path: PathText,
    /// Its header.
    pub header: Header,
    /// Where the pages begin in the file.
    pages_at: u64,
    sections: Sections<'a>,
}

/// Turns a format error into a message that names the image.
pub trait InImage<T> {
    /// The message is "IMAGE: WHAT IS WRONG".
    fn within(self, path: &PathText) -> Result<T>;
}

impl<T> InImage<T> for core::result::Result<T, DecodeError> {
    fn within(self, path: &PathText) -> Result<T> {
        self.map_err(|e| wrong(path, e))
    }
}

/// Out of line: there are many callers, and none is in a hurry.
#[cold]
#[inline(never)]
fn wrong(path: &PathText, e: DecodeError) -> Error {
    Error::new(format_args!("{path}: {e}"))
}

impl<'a> Image<'a> {
    /// Opens and checks; metadata is read into `arena`.
    pub fn open(arena: &'a Arena, name: &CStr) -> Result<Self> {
        let shown = Show(name.to_bytes());
        let fd = fs::open(name, fs::O_RDONLY | fs::O_NOCTTY | fs::O_NONBLOCK, 0)
            .or_fail(format_args!("cannot open {shown}"))?;
        let mut path = PathText::new();
        path.push(name.to_bytes());
        Self::read(arena, fd, path)
    }

    /// Checks an image that is open already.
    pub fn read(arena: &'a Arena, fd: Fd, path: PathText) -> Result<Self> {
        const S_IFMT: u32 = 0o170_000;
        const S_IFREG: u32 = 0o100_000;
        let stat = fs::stat_fd(fd.number()).or_fail(format_args!("cannot read {path}"))?;
        if stat.st_mode & S_IFMT != S_IFREG {
            fail!("{path}: not a regular file");
        }
        let size = stat.st_size as u64;
        let mut head = [0; header::LEN];
        let got = read_at(&fd, &path, &mut head, 0)?;
        let header = Header::decode(head.get(..got).unwrap_or(&[])).within(&path)?;
        let table_len = u64::from(header.section_count) * toc::ENTRY_LEN as u64;
        if header.file_len != size || header.table_at.checked_add(table_len) != Some(size) {
            return Err(wrong(&path, DecodeError::Length));
        }
        let bytes = arena.bytes(table_len as usize, 8)?;
        exactly(&fd, &path, bytes, header.table_at)?;
        let table = Table::decode(&header, bytes).within(&path)?;
        let (at, len) = table.padding();
        let padding = arena.bytes(len as usize, 8)?;
        exactly(&fd, &path, padding, at)?;
        if padding.iter().any(|&byte| byte != 0) {
            return Err(wrong(&path, DecodeError::Value("padding before the pages")));
        }
        let mut sections = Sections::default();
        for kind in toc::ALL {
            if kind == kind::PAGES {
                continue;
            }
            let entry = table.get(kind).within(&path)?;
            let bytes = arena.bytes(entry.len as usize, 8)?;
            exactly(&fd, &path, bytes, entry.at)?;
            sections.put(&entry, bytes).within(&path)?;
        }
        sections.check(&table).within(&path)?;
        Ok(Self {
            fd,
            header,
            pages_at: table.get(kind::PAGES).within(&path)?.at,
            path,
            sections,
        })
    }

    /// The one record of a section.
    pub fn single<T: Field<'a>>(&self, kind: u32) -> T {
        self.sections.record(kind)
    }

    /// The records of a section.
    pub fn list<T: Field<'a>>(&self, kind: u32) -> Known<'a, T> {
        self.sections.known(kind)
    }

    /// The mappings, in the order of their addresses.
    pub fn vmas(&self) -> Known<'a, record::Vma<'a>> {
        self.list(kind::VMAS)
    }

    /// The page runs of the mappings with their offsets in the file.
    pub fn runs(&self) -> impl Iterator<Item = (record::Run, u64)> + use<'a> {
        let mut at = self.pages_at;
        self.list::<record::Run>(kind::RUNS).map(move |run| {
            let here = at;
            at += run.len();
            (run, here)
        })
    }

    /// The page runs of files and shared objects with their offsets in the file.
    pub fn contents(&self) -> impl Iterator<Item = (record::Content, u64)> + use<'a> {
        let of_memory: u64 = self.runs().map(|(run, _)| run.len()).sum();
        let mut at = self.pages_at + of_memory;
        self.list::<record::Content>(kind::CONTENTS)
            .map(move |content| {
                let here = at;
                at += content.len();
                (content, here)
            })
    }

    /// The open file descriptions, by their numbers.
    pub fn files(&self) -> Known<'a, record::File<'a>> {
        self.list(kind::FILES)
    }

    /// The descriptors, in the order of their numbers.
    pub fn descriptors(&self) -> Known<'a, record::Descriptor> {
        self.list(kind::DESCRIPTORS)
    }

    /// The lowest descriptor of a description.
    #[inline(never)]
    pub fn descriptor_of(&self, file: u32) -> Option<i32> {
        let mut descriptors = self.descriptors();
        descriptors.find(|d| d.file == file).map(|d| d.fd as i32)
    }

    /// Writes a section anew, into `arena`, at most `more` bytes longer; its records are to keep the
    /// rules that they were checked by.
    pub fn replace(
        &mut self,
        arena: &'a Arena,
        kind: u32,
        more: usize,
        write: impl FnOnce(&mut Writer<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut w = Writer::new(arena.bytes(self.sections.bytes(kind).len() + more, 8)?);
        write(&mut w)?;
        match w.finish() {
            Some(bytes) if self.sections.replace(kind, bytes) => Ok(()),
            _ => fail!("{}: a section becomes longer than foreseen", self.path),
        }
    }

    /// Reads page-aligned bulk data; short only if the file was cut meanwhile, which is an error.
    pub fn pages(&self, to: &mut [u8], at: u64) -> Result<()> {
        exactly(&self.fd, &self.path, to, at)
    }
}

fn read_at(fd: &Fd, path: &PathText, to: &mut [u8], at: u64) -> Result<usize> {
    fs::read_at(fd.number(), to, at).or_fail(format_args!("cannot read {path}"))
}

fn exactly(fd: &Fd, path: &PathText, to: &mut [u8], at: u64) -> Result<()> {
    if read_at(fd, path, to, at)? == to.len() {
        Ok(())
    } else {
        Err(wrong(path, DecodeError::Length))
    }
}
