//! Writes the pages of all mappings.
#![expect(
    unsafe_code,
    reason = "reads the program's memory, opens unreadable parts of it"
)]

use ckpt_format::record::{Guard, prot, vma_kind};

use super::pages::{PageMap, is};
use super::{Area, PAGE, Source, Space};
use crate::error::{Context, Result, fail};
use crate::image::output::{Output, Owner};
use crate::sys::mm;
use crate::util::arena::Arena;
use crate::util::list::List;

/// Bytes copied at a time where pages cannot be read in place.
const BOUNCE: usize = 512 << 10;

/// Writes all pages; tells where guard regions are.
pub fn all(space: &Space, arena: &Arena, out: &mut Output<'_>) -> Result<List<Guard>> {
    let mut dump = Dump {
        out,
        bounce: arena.bytes(BOUNCE.min((arena.left() / 4) & !(PAGE - 1)), PAGE)?,
        map: if crate::sys::fs::has_proc() {
            Some(PageMap::open()?)
        } else {
            None
        },
        guards: List::new(1 << 20),
    };
    let areas = space.areas.as_slice();
    for area in areas {
        match area.source {
            Source::Anonymous => dump.private(area, true)?,
            Source::Changes => dump.private(area, false)?,
            Source::WholeFile if area.kind != vma_kind::SHARED_ANON => dump.file(area)?,
            Source::WholeFile | Source::Object | Source::Nothing => {}
        }
    }
    // Pages of shared objects stand behind those of all mappings.
    for (n, area) in areas.iter().enumerate() {
        match area.source {
            Source::Object => dump.object(areas.get(..n).unwrap_or(&[]), area)?,
            Source::WholeFile if area.kind == vma_kind::SHARED_ANON => dump.file(area)?,
            _ => {}
        }
    }
    Ok(dump.guards)
}

struct Dump<'d, 'o> {
    out: &'d mut Output<'o>,
    bounce: &'d mut [u8],
    /// None without /proc, where all is read that can be read.
    map: Option<PageMap>,
    guards: List<Guard>,
}

impl Dump<'_, '_> {
    /// Pages that the program wrote, read in place.
    fn private(&mut self, area: &Area, anonymous: bool) -> Result<()> {
        let Some(map) = &self.map else {
            return self.file(area);
        };
        let mut opened = None;
        let (out, guards) = (&mut *self.out, &mut self.guards);
        map.visit(area.start, area.end, |start, end, categories| {
            if categories & is::GUARD != 0 {
                return guards.push(Guard {
                    start: start as u64,
                    end: end as u64,
                });
            }
            // The kernel's page of zeros stands for nothing in memory without a file.
            if categories & if anonymous { is::ZERO } else { is::FILE } != 0 {
                return Ok(());
            }
            if opened.is_none() {
                opened = Readable::make(area)?;
            }
            let (data, count) = (start, (end - start) / PAGE);
            // SAFETY: present and readable; the program stands still.
            unsafe { out.pages(Owner::Memory, data, data as u64, count, anonymous) }
        })?;
        if opened.is_some() {
            self.out.flush()?;
        }
        drop(opened);
        Ok(())
    }

    /// All pages of a view of a file, copied by the kernel: it may end anywhere, and touching a
    /// page beyond its end would raise SIGBUS.
    fn file(&mut self, area: &Area) -> Result<()> {
        let opened = Readable::make(area)?;
        let mut at = area.start;
        while at < area.end {
            let want = (area.end - at).min(self.bounce.len());
            let room = self.bounce.get_mut(..want).unwrap_or(&mut []);
            let got = match mm::read_own(at, room) {
                Ok(n) => n,
                Err(crate::sys::Errno::FAULT) => 0,
                Err(e) => fail!("cannot read mapping {:x}-{:x}: {e}", area.start, area.end),
            };
            let pages = got / PAGE;
            let data = self.bounce.as_ptr().addr();
            let sparse = area.kind != vma_kind::CARRIED;
            let (owner, place) = if area.kind == vma_kind::SHARED_ANON {
                let offset = area.offset + (at - area.start) as u64;
                (Owner::Object(area.object), offset)
            } else {
                (Owner::Memory, at as u64)
            };
            // SAFETY: the bounce buffer is not changed before the flush.
            unsafe { self.out.pages(owner, data, place, pages, sparse)? };
            self.out.flush()?;
            if got < want {
                break;
            }
            at += want;
        }
        drop(opened);
        Ok(())
    }

    /// A shared object, as far as this view of it shows what no earlier view did.
    #[inline(never)]
    fn object(&mut self, earlier: &[Area], area: &Area) -> Result<()> {
        let opened = Readable::make(area)?;
        let mut resident = [0u8; 1024];
        let mut at = area.start;
        while at < area.end {
            let count = ((area.end - at) / PAGE).min(resident.len());
            let marks = resident.get_mut(..count).unwrap_or(&mut []);
            mm::resident(at, marks).or_fail(format_args!("cannot tell which pages are there"))?;
            let wanted = |n: usize, mark: u8| {
                let offset = area.offset + (at + n * PAGE - area.start) as u64;
                let seen = earlier.iter().any(|a| {
                    a.kind == vma_kind::SHARED_ANON
                        && a.object == area.object
                        && (a.offset..a.offset + a.len() as u64).contains(&offset)
                });
                // A page in swap is not resident but must be read.
                !seen && (mark & 1 == 1 || area.swapped)
            };
            let mut n = 0;
            while n < count {
                let rest = marks.get(n..).unwrap_or(&[]);
                let len = rest
                    .iter()
                    .zip(n..)
                    .take_while(|(m, n)| wanted(*n, **m))
                    .count();
                let page = at + n * PAGE;
                let offset = area.offset + (page - area.start) as u64;
                let owner = Owner::Object(area.object);
                let mut done = 0;
                while done < len * PAGE {
                    // Others may write to it meanwhile: what is summed up and what is written has
                    // to be the same.
                    let want = (len * PAGE - done).min(self.bounce.len());
                    let room = self.bounce.get_mut(..want).unwrap_or(&mut []);
                    let from = (page + done) as *const u8;
                    // SAFETY: mapped and readable; the buffer is the runtime's own.
                    unsafe { core::ptr::copy_nonoverlapping(from, room.as_mut_ptr(), room.len()) };
                    self.out.buffered(owner, room, offset + done as u64)?;
                    done += want;
                }
                n += len.max(1);
            }
            at += count * PAGE;
        }
        drop(opened);
        Ok(())
    }
}

/// A mapping made readable for the moment.
struct Readable {
    start: usize,
    len: usize,
    prot: u32,
}

impl Readable {
    /// Opens a mapping that cannot be read; `None` if it can.
    fn make(area: &Area) -> Result<Option<Self>> {
        if area.prot & prot::READ != 0 {
            return Ok(None);
        }
        let this = Self {
            start: area.start,
            len: area.len(),
            prot: area.prot,
        };
        // SAFETY: gives access, takes none.
        unsafe { mm::protect(this.start, this.len, this.prot | prot::READ) }.or_fail(
            format_args!("cannot read mapping {:x}-{:x}", area.start, area.end),
        )?;
        Ok(Some(this))
    }
}

impl Drop for Readable {
    fn drop(&mut self) {
        // SAFETY: as it was; the runtime has no memory there.
        let _ = unsafe { mm::protect(self.start, self.len, self.prot) };
    }
}
