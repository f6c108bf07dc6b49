//! First half of a memory restore: everything is mapped, filled and checked, at its own address
//! where that is free here, else elsewhere. Nothing of the restoring process is touched.
#![expect(unsafe_code, reason = "fills memory that Rust knows nothing of")]

use ckpt_format::limits;
use ckpt_format::record::{Guard, Run, Vma, prot, vma_flag as flag, vma_kind};
use ckpt_format::toc::kind;

use super::{PAGE, hole};
use crate::error::{Context, Error, Result, fail};
use crate::image::input::Image;
use crate::state::aio;
use crate::state::files::{Opened, changed, will_be_back};
use crate::state::ipc::shm;
use crate::state::owners::Owners;
use crate::sys::fs::{self, Fd};
use crate::sys::{Errno, mm};
use crate::util::arena::Arena;
use crate::util::crc::PageCrc;
use crate::util::text::{PathText, Show, Text};

/// Most bytes in a run.
const RUN: usize = limits::RUN_PAGES as usize * PAGE;

/// Where everything lies until it is moved.
#[derive(Debug)]
pub struct Staged<'a> {
    /// Of every mapping, in the image's order; zero for a view of a shared object.
    pub at: &'a mut [u64],
    /// Address and length of every shared object.
    pub objects: &'a mut [u64],
    /// Words that may name the owner of a lock.
    pub owners: Owners<'a>,
}

/// Maps and fills all.
#[inline(never)]
pub fn all<'a>(arena: &'a Arena, image: &Image<'_>, files: &Opened<'_>) -> Result<Staged<'a>> {
    let count = image.vmas().count();
    let objects = image
        .vmas()
        .filter(|v| v.kind == vma_kind::SHARED_ANON)
        .map(|v| v.object as usize + 1)
        .max()
        .unwrap_or(0);
    if objects > count {
        fail!(
            "{}: impossible value: number of a shared object",
            image.path
        );
    }
    let mut staged = Staged {
        owners: Owners::new(arena, image)?,
        at: arena.records(count)?,
        objects: arena.records(objects * 2)?,
    };
    let bounce = arena.bytes(RUN, PAGE)?;
    let mut runs = image.runs().peekable();
    let mut guards = image.list::<Guard>(kind::GUARDS).peekable();
    for (vma, at) in image.vmas().zip(staged.at.iter_mut()) {
        if vma.kind == vma_kind::SHARED_ANON {
            continue;
        }
        let mut area = Filling::map(image, vma, files)?;
        *at = area.at as u64;
        area.look(image, &mut staged.owners);
        while let Some((run, from)) = runs.next_if(|(run, _)| run.addr < vma.end) {
            area.fill(image, &run, from, bounce, &mut staged.owners)?;
        }
        while let Some(guard) = guards.next_if(|g| g.start < vma.end) {
            area.guard(&guard)?;
        }
        area.finish()?;
    }
    shared_objects(image, staged.objects, &mut staged.owners)?;
    Ok(staged)
}

/// A mapping being filled.
struct Filling<'v> {
    vma: Vma<'v>,
    at: usize,
    /// It shows a file, so pages of the image go over what is there only where they differ.
    file: bool,
    open: bool,
}

impl<'v> Filling<'v> {
    #[inline(never)]
    fn map(image: &Image<'_>, vma: Vma<'v>, files: &Opened<'_>) -> Result<Self> {
        let writable = vma.flags & flag::MAYWRITE != 0;
        let file = if vma.kind == vma_kind::OPEN_FILE {
            let file = files.view(image, vma.object, writable);
            Some(file.or_fail(format_args!("cannot map {}", Place(&vma)))?)
        } else {
            backing(image, &vma)?
        };
        let flags = if matches!(vma.kind, vma_kind::SHARED_FILE | vma_kind::OPEN_FILE) {
            mm::SHARED
        } else if vma.flags & flag::DROPPABLE != 0 {
            mm::DROPPABLE
        } else {
            mm::PRIVATE
        };
        let bit = |f: u32, m: u32| if vma.flags & f != 0 { m } else { 0 };
        let flags = flags
            | bit(flag::GROWSDOWN, mm::GROWSDOWN)
            | bit(flag::NORESERVE, mm::NORESERVE)
            | if file.is_none() { mm::ANON } else { 0 };
        let source = file.as_ref().map(|fd| (fd.number(), vma.offset));
        let (start, len) = (vma.start as usize, vma.len() as usize);
        let at = match mm::map_free(start, len, vma.prot, flags, source) {
            Ok(()) => start,
            Err(Errno::EXIST) => {
                let at = hole::reserve(image, len)?;
                // SAFETY: just reserved for this.
                unsafe { mm::map(at, len, vma.prot, flags | mm::FIXED, source) }
                    .or_fail(format_args!("cannot map {}", Place(&vma)))?
            }
            Err(e) => fail!("cannot map {}: {e}", Place(&vma)),
        };
        let this = Self {
            vma,
            at,
            file: file.is_some(),
            open: false,
        };
        advise(&this.vma, this.at)?;
        Ok(this)
    }

    fn fill(
        &mut self,
        image: &Image<'_>,
        run: &Run,
        from: u64,
        bounce: &mut [u8],
        owners: &mut Owners<'_>,
    ) -> Result<()> {
        let writable = self.vma.prot & prot::WRITE != 0;
        let to = self.at + (run.addr - self.vma.start) as usize;
        let len = run.len() as usize;
        let reach = self
            .vma
            .size
            .next_multiple_of(PAGE as u64)
            .saturating_sub(self.vma.offset);
        if self.file && run.addr - self.vma.start + run.len() > reach {
            // Touching it would raise SIGBUS.
            fail!(
                "{}: impossible value: pages beyond the end of {}",
                image.path,
                Show(self.vma.path)
            );
        }
        // SAFETY: the run lies in this mapping (the image was checked), which is ours.
        let target = unsafe { core::slice::from_raw_parts_mut(to as *mut u8, len) };
        if self.file {
            let page = bounce.get_mut(..len).unwrap_or(&mut []);
            image.pages(page, from)?;
            checked(image, page, run.crc, run.addr)?;
            if writable {
                owners.look(page, run.addr);
            }
            if self.vma.prot & prot::READ != 0 && page == target {
                return Ok(());
            }
            self.open()?;
            // Page by page: only those that differ cease to be the file's.
            for (new, old) in page.chunks_exact(PAGE).zip(target.chunks_exact_mut(PAGE)) {
                if new != old {
                    old.copy_from_slice(new);
                }
            }
            return Ok(());
        }
        self.open()?;
        // One fault for many pages. Older kernels fault one by one.
        let _ = mm::advise(to, len, MADV_POPULATE_WRITE);
        image.pages(target, from)?;
        checked(image, target, run.crc, run.addr)?;
        if writable {
            owners.look(target, run.addr);
        }
        Ok(())
    }

    /// Makes the mapping writable for the moment.
    fn open(&mut self) -> Result<()> {
        let both = prot::READ | prot::WRITE;
        if !self.open && self.vma.prot & both != both {
            // SAFETY: gives access to memory of ours.
            unsafe { mm::protect(self.at, self.vma.len() as usize, both) }
                .or_fail(format_args!("cannot fill {}", Place(&self.vma)))?;
        }
        self.open = true;
        Ok(())
    }

    /// Looks for locks in what the mapping shows of an open file, whose contents are in it already.
    fn look(&self, image: &Image<'_>, owners: &mut Owners<'_>) {
        let vma = &self.vma;
        let both = prot::READ | prot::WRITE;
        if vma.kind != vma_kind::OPEN_FILE || vma.prot & both != both {
            return;
        }
        for (content, _) in image.contents() {
            if content.of != 0 || content.index != vma.object {
                continue;
            }
            let from = content.offset.max(vma.offset) - vma.offset;
            let end = content.offset + content.len();
            let end = end.saturating_sub(vma.offset).min(vma.len());
            if from < end {
                let len = (end - from) as usize;
                // SAFETY: within the mapping, and within the file, to which it was written.
                let shown = unsafe {
                    core::slice::from_raw_parts((self.at as u64 + from) as *const u8, len)
                };
                owners.look(shown, vma.start + from);
            }
        }
    }

    fn guard(&self, guard: &Guard) -> Result<()> {
        if guard.start < self.vma.start || guard.end > self.vma.end {
            fail!(
                "guard region {:x}-{:x} crosses a mapping's end",
                guard.start,
                guard.end
            );
        }
        let at = self.at + (guard.start - self.vma.start) as usize;
        mm::advise(at, (guard.end - guard.start) as usize, MADV_GUARD_INSTALL).or_fail(
            format_args!("guard region {:x}-{:x}", guard.start, guard.end),
        )
    }

    #[inline(never)]
    fn finish(mut self) -> Result<()> {
        let (at, len) = (self.at, self.vma.len() as usize);
        if self.vma.kind == vma_kind::AIO {
            self.open()?;
            // SAFETY: memory of ours; this code does not touch it any more.
            unsafe { aio::restore(&self.vma, at)? };
            advise(&self.vma, at)?;
        }
        if self.open {
            // SAFETY: what the image says of memory of ours; this code does not touch it any more.
            unsafe { mm::protect(at, len, self.vma.prot) }
                .or_fail(format_args!("cannot protect {}", Place(&self.vma)))?;
        }
        if self.vma.flags & flag::LOCKED != 0 {
            mm::lock(at, len, self.vma.flags & flag::LOCK_ON_FAULT != 0)
                .or_fail(format_args!("cannot lock {} in memory", Place(&self.vma)))?;
        }
        Ok(())
    }
}

/// Kernel 5.14.
const MADV_POPULATE_WRITE: u32 = 23;
/// Kernel 6.13.
const MADV_GUARD_INSTALL: u32 = 102;

/// Compares a run with its checksum.
pub fn checked(image: &Image<'_>, data: &[u8], crc: u32, addr: u64) -> Result<()> {
    let mut sum = PageCrc::new();
    sum.update(data);
    if sum.finish() == crc {
        Ok(())
    } else {
        fail!(
            "{}: checksum of the pages at {addr:#x} does not match",
            image.path
        )
    }
}

/// The file that a mapping shows, opened and checked.
fn backing(image: &Image<'_>, vma: &Vma<'_>) -> Result<Option<Fd>> {
    let mut path = PathText::new();
    path.push(vma.path);
    let writable = vma.kind == vma_kind::SHARED_FILE && vma.flags & flag::MAYWRITE != 0;
    let mode = if writable { fs::O_RDWR } else { fs::O_RDONLY };
    let open = || fs::open(path.as_c(), mode | fs::O_NOCTTY | fs::O_NONBLOCK, 0);
    match vma.kind {
        vma_kind::CARRIED => {
            let same =
                |fd: &Fd| fs::stat_fd(fd.number()).is_ok_and(|s| s.st_size as u64 == vma.size);
            return Ok(open().ok().filter(same));
        }
        vma_kind::FILE | vma_kind::SHARED_FILE => {}
        _ => return Ok(None),
    }
    let shown = Show(vma.path);
    let fd = open().or_fail(format_args!("cannot open mapped file {shown}"))?;
    let stat = fs::stat_fd(fd.number()).or_fail(format_args!("cannot open mapped file {shown}"))?;
    let size = stat.st_size as u64;
    if vma.kind == vma_kind::FILE && (size, fs::mtime(&stat)) != (vma.size, vma.mtime) {
        let then = vma.size;
        changed(format_args!(
            "mapped file {shown} was changed since the checkpoint (size {then} then, {size} now)"
        ))?;
    }
    let shared = vma.kind == vma_kind::SHARED_FILE;
    if size < vma.size && !(shared && will_be_back(image, vma.path)) {
        let what = format_args!(
            "mapped file {shown} shrank from {} to {size} bytes",
            vma.size
        );
        // Of a private view, changed pages may lie where the file does not reach any more.
        if !shared {
            return Err(Error::new(what));
        }
        changed(what)?;
    }
    Ok(Some(fd))
}

/// Gives a mapping the flags that advice sets.
pub fn advise(vma: &Vma<'_>, at: usize) -> Result<()> {
    let len = vma.len() as usize;
    for (bit, advice) in [
        (flag::SEQUENTIAL, 2),
        (flag::RANDOM, 1),
        (flag::DONTFORK, 10),
        (flag::MERGEABLE, 12),
        (flag::HUGEPAGE, 14),
        (flag::NOHUGEPAGE, 15),
        (flag::DONTDUMP, 16),
        (flag::WIPEONFORK, 18),
    ] {
        // Droppable memory is wiped in a child by nature.
        let natural = vma.flags & flag::DROPPABLE != 0;
        if vma.flags & bit != 0 && !natural {
            match mm::advise(at, len, advice) {
                // A kernel without merging or huge pages: a matter of speed only.
                Err(Errno::INVAL)
                    if bit & (flag::MERGEABLE | flag::HUGEPAGE | flag::NOHUGEPAGE) != 0 => {}
                result => result.or_fail(format_args!("advice {advice} for {}", Place(vma)))?,
            }
        }
    }
    if vma.kind == vma_kind::ANON && !vma.path.is_empty() {
        let mut name = Text::<84>::new();
        name.push(vma.path);
        // A label for people; kernels before 5.17 have none.
        let _ = mm::name(at, len, name.as_c());
    }
    Ok(())
}

fn shared_objects(image: &Image<'_>, objects: &mut [u64], owners: &mut Owners<'_>) -> Result<()> {
    for (index, object) in objects.chunks_exact_mut(2).enumerate() {
        let views = || {
            let of =
                move |v: &Vma<'_>| v.kind == vma_kind::SHARED_ANON && v.object as usize == index;
            image.vmas().filter(of)
        };
        let end = views()
            .map(|v| v.offset.saturating_add(v.len()))
            .max()
            .unwrap_or(0);
        if end == 0 {
            continue;
        }
        if end > ckpt_format::record::TASK_END {
            fail!("{}: impossible value: shared object's size", image.path);
        }
        // A segment of System V shared memory takes the object's place in the end.
        let room =
            shm::of_object(image, index as u32).map_or(end, |segment| segment.room() * shm::ROOMS);
        let noreserve = views().any(|v| v.flags & flag::NORESERVE != 0);
        let at = hole::reserve(image, room as usize)?;
        let flags = mm::SHARED | mm::ANON | mm::FIXED | if noreserve { mm::NORESERVE } else { 0 };
        // SAFETY: just reserved for this.
        unsafe { mm::map(at, end as usize, mm::RW, flags, None) }
            .or_fail(format_args!("cannot make shared memory of {end} bytes"))?;
        for (content, from) in image.contents() {
            if content.of != 1 || content.index as usize != index {
                continue;
            }
            let len = content.pages as usize * PAGE;
            if content.offset + len as u64 > end {
                fail!("{}: impossible value: shared object's contents", image.path);
            }
            let to = (at as u64 + content.offset) as *mut u8;
            // SAFETY: inside the object, as just checked.
            let target = unsafe { core::slice::from_raw_parts_mut(to, len) };
            image.pages(target, from)?;
            checked(image, target, content.crc, content.offset)?;
            // A lock is looked at where the program sees it; one view will do.
            let shown = |v: &Vma<'_>| {
                v.prot & prot::WRITE != 0
                    && (v.offset..v.offset.saturating_add(v.len())).contains(&content.offset)
            };
            if let Some(view) = views().find(shown) {
                owners.look(target, view.start + (content.offset - view.offset));
            }
        }
        if let [place, length] = object {
            *place = at as u64;
            *length = room;
        }
    }
    Ok(())
}

/// Formats a mapping for a message.
pub struct Place<'a>(pub &'a Vma<'a>);

impl core::fmt::Debug for Place<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Display::fmt(self, f)
    }
}

impl core::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(
            f,
            "mapping {:x}-{:x} {}",
            self.0.start,
            self.0.end,
            Show(self.0.path)
        )
    }
}
