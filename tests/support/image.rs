//! Images taken apart and put together again with right checksums, so that exactly one thing can be wrong.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use ckpt_format::codec::{Field, Writer};
use ckpt_format::crc::{self, crc32c};
use ckpt_format::header::{self, Header};
use ckpt_format::record::{Content, List, Run, Thread};
use ckpt_format::sections::Sections;
use ckpt_format::toc::{self, Entry, Table, kind};

const PAGE: usize = 4096;

/// An image's sections, in the order of the file.
#[derive(Debug, Clone)]
pub struct Parts {
    /// What its header told.
    pub header: Header,
    /// The sections.
    pub sections: Vec<Section>,
}

/// A section and what its table entry says of it.
#[derive(Debug, Clone)]
pub struct Section {
    /// Its kind.
    pub kind: u32,
    /// Version of its records.
    pub version: u16,
    /// Flags of its entry.
    pub flags: u16,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// A file and its table, before the table's and the header's checksums are made.
#[derive(Debug, Clone)]
pub struct Laid {
    /// The header; lengths and checksums in it are made by [`Laid::seal`].
    pub header: Header,
    /// The file up to the table, with room for the header.
    pub body: Vec<u8>,
    /// The table.
    pub entries: Vec<Entry>,
}

impl Parts {
    /// Takes an image apart. It must be whole: everything is checked as a restore checks it.
    pub fn take_apart(file: &[u8]) -> Result<Self> {
        let header = Header::decode(file).map_err(said)?;
        ensure!(header.file_len == file.len() as u64, "length of the file");
        let at = usize::try_from(header.table_at)?;
        let table_bytes = file.get(at..).context("no table")?;
        let table = Table::decode(&header, table_bytes).map_err(said)?;
        let mut r = ckpt_format::Reader::new("table", table_bytes);
        let mut parts = Self {
            header,
            sections: Vec::new(),
        };
        let mut metadata = Sections::default();
        while !r.is_empty() {
            let entry: Entry = r.take();
            r.intact().map_err(said)?;
            let (at, len) = (usize::try_from(entry.at)?, usize::try_from(entry.len)?);
            let bytes = file.get(at..at + len).context("no section")?;
            if entry.kind != kind::PAGES && toc::ALL.contains(&entry.kind) {
                metadata.put(&entry, bytes).map_err(said)?;
            }
            parts.sections.push(Section {
                kind: entry.kind,
                version: entry.version,
                flags: entry.flags,
                bytes: bytes.to_vec(),
            });
        }
        metadata.check(&table).map_err(said)?;
        let (at, len) = table.padding();
        let padding = file.get(usize::try_from(at)?..usize::try_from(at + len)?);
        ensure!(
            padding.context("no padding")?.iter().all(|&b| b == 0),
            "padding"
        );
        let mut again = parts.clone();
        again.sum_pages();
        ensure!(again.build() == file, "checksum of pages");
        Ok(parts)
    }

    /// What is in a section.
    pub fn bytes(&self, kind: u32) -> &[u8] {
        self.sections
            .iter()
            .find(|s| s.kind == kind)
            .map_or(&[], |s| &s.bytes)
    }

    /// The one record of a section.
    pub fn one<'a, T: Field<'a>>(&'a self, kind: u32) -> T {
        ckpt_format::record::single(toc::name(kind), self.bytes(kind)).expect("a good section")
    }

    /// The records of a section.
    pub fn all<'a, T: Field<'a>>(&'a self, kind: u32) -> Vec<T> {
        records(self.bytes(kind))
    }

    /// The image with one section replaced by what a function makes of it.
    #[must_use]
    pub fn with(&self, kind: u32, change: impl FnOnce(&[u8]) -> Vec<u8>) -> Self {
        let mut parts = self.clone();
        let section = parts.sections.iter_mut().find(|s| s.kind == kind);
        let section = section.expect("every image has every kind of section");
        section.bytes = change(&section.bytes);
        parts
    }

    /// Makes the checksums of all page runs anew.
    pub fn sum_pages(&mut self) {
        let pages = self.bytes(kind::PAGES).to_vec();
        let mut rest = &pages[..];
        let mut next = |count: u32| {
            let (run, tail) = rest.split_at(count as usize * PAGE);
            rest = tail;
            crc::pages(run)
        };
        *self = self
            .with(kind::RUNS, |bytes| {
                list(bytes, |runs: &mut Vec<Run>| {
                    runs.iter_mut().for_each(|run| run.crc = next(run.pages));
                })
            })
            .with(kind::CONTENTS, |bytes| {
                list(bytes, |runs: &mut Vec<Content>| {
                    runs.iter_mut().for_each(|run| run.crc = next(run.pages));
                })
            });
    }

    /// Lays the sections out as the format says.
    pub fn lay(&self) -> Laid {
        let mut body = vec![0; header::LEN];
        let mut entries = Vec::new();
        for section in &self.sections {
            let pages = section.kind == kind::PAGES;
            if pages {
                body.resize(body.len().next_multiple_of(PAGE), 0);
            }
            entries.push(Entry {
                kind: section.kind,
                version: section.version,
                flags: section.flags,
                at: body.len() as u64,
                len: section.bytes.len() as u64,
                crc: if pages { 0 } else { crc32c(&section.bytes) },
                reserved: 0,
            });
            body.extend_from_slice(&section.bytes);
        }
        Laid {
            header: self.header,
            body,
            entries,
        }
    }

    /// The file.
    pub fn build(&self) -> Vec<u8> {
        self.lay().seal()
    }
}

impl Laid {
    /// The file: table and header with their checksums.
    pub fn seal(&self) -> Vec<u8> {
        let mut file = self.body.clone();
        let table = encode(self.entries.len() * toc::ENTRY_LEN, |w| {
            self.entries.iter().for_each(|entry| w.put(entry));
        });
        file.extend_from_slice(&table);
        let mut header = self.header;
        header.section_count = u32::try_from(self.entries.len()).expect("few sections");
        header.file_len = file.len() as u64;
        header.table_at = self.body.len() as u64;
        header.table_crc = crc32c(&table);
        file[..header::LEN].copy_from_slice(&header.encode());
        file
    }
}

/// An image's threads and private memory, read without a look at anything else: for images taken one after the other.
#[derive(Debug)]
pub struct Memory {
    /// The threads.
    pub threads: Vec<Thread>,
    file: Vec<u8>,
    runs: Vec<Run>,
    pages: usize,
}

impl Memory {
    /// Reads an image.
    pub fn of(image: &Path) -> Result<Self> {
        let file = std::fs::read(image)?;
        let header = Header::decode(&file).map_err(said)?;
        let at = usize::try_from(header.table_at)?;
        let table = Table::decode(&header, file.get(at..).context("no table")?).map_err(said)?;
        let section = |kind| -> Result<&[u8]> {
            let entry = table.get(kind).map_err(said)?;
            let (at, len) = (usize::try_from(entry.at)?, usize::try_from(entry.len)?);
            file.get(at..at + len).context("no section")
        };
        let pages = table.get(kind::PAGES).map_err(said)?.at;
        Ok(Self {
            threads: records(section(kind::THREADS)?),
            runs: records(section(kind::RUNS)?),
            pages: usize::try_from(pages)?,
            file,
        })
    }

    /// What is at an address, if it is in the image and no gap comes between.
    pub fn at<const N: usize>(&self, address: u64) -> Option<[u8; N]> {
        let mut place = self.pages;
        for run in &self.runs {
            let end = run.addr + run.len();
            if (run.addr..end).contains(&address) {
                let from = place + usize::try_from(address - run.addr).ok()?;
                let inside = address + N as u64 <= end;
                return inside.then(|| self.file.get(from..from + N)?.try_into().ok())?;
            }
            place += usize::try_from(run.len()).ok()?;
        }
        None
    }
}

/// A section of one record, changed.
pub fn single<'a, T: Field<'a>>(bytes: &'a [u8], change: impl FnOnce(&mut T)) -> Vec<u8> {
    let mut record = ckpt_format::record::single("", bytes).expect("a good section");
    change(&mut record);
    encode(bytes.len() + (1 << 20), |w| w.put(&record))
}

/// A section of many records, changed.
pub fn list<'a, T: Field<'a>>(bytes: &'a [u8], change: impl FnOnce(&mut Vec<T>)) -> Vec<u8> {
    let mut all = records(bytes);
    change(&mut all);
    encode(bytes.len() + (1 << 20), |w| {
        w.put(&u32::try_from(all.len()).expect("few records"));
        all.iter().for_each(|record| w.put(record));
    })
}

fn records<'a, T: Field<'a>>(bytes: &'a [u8]) -> Vec<T> {
    let all: Result<_, _> = List::new("", bytes, u32::MAX).and_then(Iterator::collect);
    all.expect("a good section")
}

/// What a function writes.
pub fn encode(most: usize, write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut buffer = vec![0; most];
    let mut w = Writer::new(&mut buffer);
    write(&mut w);
    let len = w.len().expect("room for the record");
    buffer.truncate(len);
    buffer
}

fn said(error: ckpt_format::DecodeError) -> anyhow::Error {
    anyhow::anyhow!("{error}")
}
