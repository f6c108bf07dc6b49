//! Reads an image: all of its metadata, checked before it means anything.

use core::ffi::CStr;

use ckpt_format::codec::Field;
use ckpt_format::crc::crc32c;
use ckpt_format::header::{self, Header};
use ckpt_format::record::{self, List, prot};
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
        let (at, len) = table.padding();
        let padding = arena.bytes(len as usize, 8)?;
        exactly(&fd, &path, padding, at)?;
        if padding.iter().any(|&byte| byte != 0) {
            return Err(DecodeError::Value("padding before the pages")).within(&path);
        }
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
        record::single::<record::Machine<'_>>(name, bytes)?.check()?;
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
        let objects = self.check_mappings()?;
        let mut within = Within::new(self.bytes(kind::VMAS))?;
        let mut floor = 0;
        let mut total: u64 = 0;
        let runs = List::<record::Run>::new("runs", self.bytes(kind::RUNS), limits::RUNS)?;
        for run in runs {
            let run = run?;
            floor = run.check(floor)?;
            if !within.private(run.addr, floor) {
                return Err(DecodeError::Value("page run outside of all private mappings"));
            }
            total = total.saturating_add(run.len());
        }
        let contents =
            List::<record::Content>::new("contents", self.bytes(kind::CONTENTS), limits::RUNS)?;
        for content in contents {
            let content = content?;
            content.check()?;
            if content.of == 1 && content.index >= objects {
                return Err(DecodeError::Value("content of an unknown shared object"));
            }
            total = total.saturating_add(u64::from(content.pages).saturating_mul(4096));
        }
        let mut within = Within::new(self.bytes(kind::VMAS))?;
        let mut floor = 0;
        for guard in List::<record::Guard>::new("guards", self.bytes(kind::GUARDS), limits::VMAS)? {
            let guard = guard?;
            guard.check(floor)?;
            floor = guard.end;
            if !within.private(guard.start, guard.end) {
                return Err(DecodeError::Value("guard region outside of all private mappings"));
            }
        }
        if self.table.get(kind::PAGES)?.len != total {
            return Err(DecodeError::Value("length of the pages section"));
        }
        Ok(())
    }

    /// Mappings one by one, against each other and against the vDSO; tells how many shared objects
    /// there are.
    fn check_mappings(&self) -> core::result::Result<u32, DecodeError> {
        let vdso: record::Vdso<'_> = record::single("vdso", self.bytes(kind::VDSO))?;
        let (from, to) = vdso.range();
        let mut floor = 0;
        let mut objects: u32 = 0;
        for vma in List::<record::Vma<'_>>::new("vmas", self.bytes(kind::VMAS), limits::VMAS)? {
            let vma = vma?;
            vma.check(floor)?;
            floor = vma.end;
            if vma.start < to && from < vma.end {
                return Err(DecodeError::Value("mapping where the vDSO is"));
            }
            // Objects are numbered as they first occur.
            if vma.kind == record::vma_kind::SHARED_ANON && vma.object >= objects {
                if vma.object != objects {
                    return Err(DecodeError::Value("mapping's shared object"));
                }
                objects += 1;
            }
        }
        Ok(objects)
    }

    fn check_threads(&self) -> core::result::Result<(), DecodeError> {
        let threads =
            List::<record::Thread>::new("threads", self.bytes(kind::THREADS), limits::THREADS)?;
        if threads.left() == 0 {
            return Err(DecodeError::Value("no thread"));
        }
        for thread in threads.clone() {
            let thread = thread?;
            thread.check()?;
            self.check_addresses(&thread)?;
        }
        let program: record::Program<'_> = record::single("program", self.bytes(kind::PROGRAM))?;
        if !self.has(program.resume, prot::EXEC) {
            return Err(DecodeError::Value("address of the resume stub"));
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
            let signal = signal?;
            signal.check()?;
            if signal.tid != 0 && !threads.clone().flatten().any(|t| t.tid == signal.tid) {
                return Err(DecodeError::Value("thread of a queued signal"));
            }
        }
        Ok(())
    }

    /// What the restorer or the kernel reads and writes for a thread can be read and written.
    fn check_addresses(&self, thread: &record::Thread) -> core::result::Result<(), DecodeError> {
        // `struct ucontext` up to the signal mask and with it.
        const FRAME: u64 = 304;
        let last = |at: u64, len: u64| at.saturating_add(len - 1);
        if !self.has(thread.frame, prot::READ) || !self.has(last(thread.frame, FRAME), prot::READ) {
            return Err(DecodeError::Value("address of the signal frame"));
        }
        let len = u64::from(thread.rseq_len);
        if len != 0
            && !(self.has(thread.rseq, prot::WRITE) && self.has(last(thread.rseq, len), prot::WRITE))
        {
            return Err(DecodeError::Value("address of the restartable sequences"));
        }
        let mut words = thread.tid_words.iter().filter(|&&word| word != 0);
        if words.any(|&word| !self.has(word, prot::WRITE)) {
            return Err(DecodeError::Value("address of a thread id"));
        }
        Ok(())
    }

    /// True if the address lies in a mapping with this protection.
    fn has(&self, address: u64, wanted: u32) -> bool {
        List::<record::Vma<'_>>::new("vmas", self.bytes(kind::VMAS), limits::VMAS).is_ok_and(|all| {
            all.flatten()
                .any(|v| (v.start..v.end).contains(&address) && v.prot & wanted != 0)
        })
    }

    fn check_files(&self) -> core::result::Result<(), DecodeError> {
        let files =
            List::<record::File<'_>>::new("files", self.bytes(kind::FILES), limits::DESCRIPTORS)?;
        let count = files.left();
        for file in files {
            file?.check()?;
        }
        let mut floor = 0;
        let mut seen: u32 = 0;
        let descriptors = List::<record::Descriptor>::new(
            "descriptors",
            self.bytes(kind::DESCRIPTORS),
            limits::DESCRIPTORS,
        )?;
        for descriptor in descriptors {
            let descriptor = descriptor?;
            descriptor.check(floor, count)?;
            floor = descriptor.fd.saturating_add(1);
            // Descriptions are numbered as they first occur.
            if descriptor.file > seen {
                return Err(DecodeError::Value("descriptor"));
            }
            seen = seen.max(descriptor.file + 1);
        }
        if seen != count {
            return Err(DecodeError::Value("open file without a descriptor"));
        }
        let contents =
            List::<record::Content>::new("contents", self.bytes(kind::CONTENTS), limits::RUNS)?;
        if contents.flatten().any(|c| c.of == 0 && c.index >= count) {
            return Err(DecodeError::Value("content of an unknown file"));
        }
        Ok(())
    }
}

/// Walks the mappings along with ranges that are in order, too.
struct Within<'a, I: Iterator<Item = record::Vma<'a>>> {
    rest: I,
    current: Option<record::Vma<'a>>,
}

impl<'a> Within<'a, core::iter::Flatten<List<'a, record::Vma<'a>>>> {
    fn new(bytes: &'a [u8]) -> core::result::Result<Self, DecodeError> {
        let mut rest = List::new("vmas", bytes, limits::VMAS)?.flatten();
        let current = rest.next();
        Ok(Self { rest, current })
    }

    /// True if one private mapping holds the whole range.
    fn private(&mut self, start: u64, end: u64) -> bool {
        while self.current.is_some_and(|vma| vma.end <= start) {
            self.current = self.rest.next();
        }
        self.current
            .is_some_and(|vma| vma.is_private() && vma.start <= start && end <= vma.end)
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
