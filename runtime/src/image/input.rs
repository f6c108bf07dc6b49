//! Reads an image: all of its metadata, checked before it means anything.

use core::ffi::CStr;

use ckpt_format::codec::Field;
use ckpt_format::crc::crc32c;
use ckpt_format::header::{self, Header};
use ckpt_format::record::{self, List};
use ckpt_format::toc::{self, Table, kind};
use ckpt_format::{DecodeError, limits};

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
    table: Table,
    sections: [&'a [u8]; toc::KINDS],
}

/// Turns a format error into a message that names the image.
pub trait InImage<T> {
    /// The message is "IMAGE: WHAT IS WRONG".
    fn within(self, path: &PathText) -> Result<T>;
}

impl<T> InImage<T> for core::result::Result<T, DecodeError> {
    fn within(self, path: &PathText) -> Result<T> {
        self.map_err(|e| Error::new(format_args!("{path}: {e}")))
    }
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
            return Err(DecodeError::Length).within(&path);
        }
        let bytes = arena.bytes(table_len as usize, 8)?;
        exactly(&fd, &path, bytes, header.table_at)?;
        let table = Table::decode(&header, bytes).within(&path)?;
        let mut image = Self {
            fd,
            path,
            header,
            table,
            sections: [&[]; toc::KINDS],
        };
        for (kind, slot) in (0u32..).zip(image.sections.iter_mut()) {
            if kind == kind::PAGES || !toc::ALL.contains(&kind) {
                continue;
            }
            let entry = image.table.get(kind).within(&path)?;
            let bytes = arena.bytes(entry.len as usize, 8)?;
            exactly(&image.fd, &path, bytes, entry.at)?;
            if crc32c(bytes) != entry.crc {
                return Err(DecodeError::Checksum(toc::name(kind))).within(&path);
            }
            *slot = bytes;
        }
        image.check()?;
        Ok(image)
    }

    fn bytes(&self, kind: u32) -> &'a [u8] {
        self.sections.get(kind as usize).copied().unwrap_or(&[])
    }

    /// The one record of a section.
    pub fn single<T: Field<'a>>(&self, kind: u32) -> Result<T> {
        record::single(toc::name(kind), self.bytes(kind)).within(&self.path)
    }

    /// The records of a section, each known to decode: the image was checked.
    pub fn list<T: Field<'a>>(&self, kind: u32, limit: u32) -> Result<List<'a, T>> {
        List::new(toc::name(kind), self.bytes(kind), limit).within(&self.path)
    }

    /// The mappings, in the order of their addresses.
    pub fn vmas(&self) -> Result<impl Iterator<Item = record::Vma<'a>> + use<'a>> {
        Ok(self.list(kind::VMAS, limits::VMAS)?.flatten())
    }

    /// The page runs of the mappings with their offsets in the file.
    pub fn runs(&self) -> Result<impl Iterator<Item = (record::Run, u64)> + use<'a>> {
        let mut at = self.table.get(kind::PAGES).within(&self.path)?.at;
        let list = self.list::<record::Run>(kind::RUNS, limits::RUNS)?;
        Ok(list.flatten().map(move |run| {
            let here = at;
            at += run.len();
            (run, here)
        }))
    }

    /// The page runs of files and shared objects with their offsets in the file.
    pub fn contents(&self) -> Result<impl Iterator<Item = (record::Content, u64)> + use<'a>> {
        let of_memory: u64 = self.runs()?.map(|(run, _)| run.len()).sum();
        let mut at = self.table.get(kind::PAGES).within(&self.path)?.at + of_memory;
        let list = self.list::<record::Content>(kind::CONTENTS, limits::RUNS)?;
        Ok(list.flatten().map(move |content| {
            let here = at;
            at += u64::from(content.pages) * 4096;
            (content, here)
        }))
    }

    /// The open file descriptions, by their numbers.
    pub fn files(&self) -> Result<impl Iterator<Item = record::File<'a>> + use<'a>> {
        Ok(self.list(kind::FILES, limits::DESCRIPTORS)?.flatten())
    }

    /// The descriptors, in the order of their numbers.
    pub fn descriptors(&self) -> Result<impl Iterator<Item = record::Descriptor> + use<'a>> {
        Ok(self.list(kind::DESCRIPTORS, limits::DESCRIPTORS)?.flatten())
    }

    /// Reads page-aligned bulk data; short only if the file was cut meanwhile, which is an error.
    pub fn pages(&self, to: &mut [u8], at: u64) -> Result<()> {
        exactly(&self.fd, &self.path, to, at)
    }

    /// Every record decodes, keeps its own rules, and fits the others.
    fn check(&self) -> Result<()> {
        self.check_records().within(&self.path)
    }

    fn check_records(&self) -> core::result::Result<(), DecodeError> {
        let one = |kind| (toc::name(kind), self.bytes(kind));
        let (name, bytes) = one(kind::PROGRAM);
        record::single::<record::Program<'_>>(name, bytes)?.check()?;
        let (name, bytes) = one(kind::MACHINE);
        record::single::<record::Machine<'_>>(name, bytes)?;
        let (name, bytes) = one(kind::MM);
        record::single::<record::Mm<'_>>(name, bytes)?.check()?;
        let (name, bytes) = one(kind::VDSO);
        record::single::<record::Vdso<'_>>(name, bytes)?.check()?;
        let (name, bytes) = one(kind::ATTRIBUTES);
        record::single::<record::Attributes<'_>>(name, bytes)?.check()?;
        let (name, bytes) = one(kind::TIMERS);
        record::single::<record::Timers>(name, bytes)?.check()?;
        self.check_memory()?;
        self.check_threads()?;
        self.check_files()
    }

    fn check_memory(&self) -> core::result::Result<(), DecodeError> {
        let mut floor = 0;
        let vmas = List::<record::Vma<'_>>::new("vmas", self.bytes(kind::VMAS), limits::VMAS)?;
        for vma in vmas {
            let vma = vma?;
            vma.check(floor)?;
            floor = vma.end;
        }
        // Every run lies within mappings; both are in order.
        let mut floor = 0;
        let mut total: u64 = 0;
        let mut vmas =
            List::<record::Vma<'_>>::new("vmas", self.bytes(kind::VMAS), limits::VMAS)?.flatten();
        let mut current = vmas.next();
        let runs = List::<record::Run>::new("runs", self.bytes(kind::RUNS), limits::RUNS)?;
        for run in runs {
            let run = run?;
            floor = run.check(floor)?;
            while current.is_some_and(|vma| vma.end <= run.addr) {
                current = vmas.next();
            }
            if !current.is_some_and(|vma| vma.start <= run.addr && floor <= vma.end) {
                return Err(DecodeError::Value("page run outside of all mappings"));
            }
            total = total.saturating_add(run.len());
        }
        let contents =
            List::<record::Content>::new("contents", self.bytes(kind::CONTENTS), limits::RUNS)?;
        for content in contents {
            let content = content?;
            content.check()?;
            total = total.saturating_add(u64::from(content.pages).saturating_mul(4096));
        }
        let mut floor = 0;
        for guard in List::<record::Guard>::new("guards", self.bytes(kind::GUARDS), limits::VMAS)? {
            let guard = guard?;
            guard.check(floor)?;
            floor = guard.end;
        }
        if self.table.get(kind::PAGES)?.len != total {
            return Err(DecodeError::Value("length of the pages section"));
        }
        Ok(())
    }

    fn check_threads(&self) -> core::result::Result<(), DecodeError> {
        let threads =
            List::<record::Thread>::new("threads", self.bytes(kind::THREADS), limits::THREADS)?;
        if threads.left() == 0 {
            return Err(DecodeError::Missing("thread"));
        }
        for thread in threads {
            thread?.check()?;
        }
        let actions = List::<record::Action>::new("actions", self.bytes(kind::ACTIONS), 64)?;
        if actions.left() != 64 {
            return Err(DecodeError::Value("number of signal actions"));
        }
        for action in actions {
            action?;
        }
        let pending =
            List::<record::Pending>::new("pending", self.bytes(kind::PENDING), limits::PENDING)?;
        for signal in pending {
            signal?.check()?;
        }
        Ok(())
    }

    fn check_files(&self) -> core::result::Result<(), DecodeError> {
        let files =
            List::<record::File<'_>>::new("files", self.bytes(kind::FILES), limits::DESCRIPTORS)?;
        let count = files.left();
        for file in files {
            file?.check()?;
        }
        let mut floor = 0;
        let descriptors = List::<record::Descriptor>::new(
            "descriptors",
            self.bytes(kind::DESCRIPTORS),
            limits::DESCRIPTORS,
        )?;
        for descriptor in descriptors {
            let descriptor = descriptor?;
            descriptor.check(floor, count)?;
            floor = descriptor.fd.saturating_add(1);
        }
        Ok(())
    }
}

fn read_at(fd: &Fd, path: &PathText, to: &mut [u8], at: u64) -> Result<usize> {
    fs::read_at(fd.number(), to, at).or_fail(format_args!("cannot read {path}"))
}

fn exactly(fd: &Fd, path: &PathText, to: &mut [u8], at: u64) -> Result<()> {
    if read_at(fd, path, to, at)? == to.len() {
        Ok(())
    } else {
        Err(DecodeError::Length).within(path)
    }
}
