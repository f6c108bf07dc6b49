//! Segments of System V shared memory that the program has attached.
//!
//! They belong to the system. One that is still there is attached again, and if nobody else has it
//! attached it gets the contents that it had; one that is gone is made again, with its key, but
//! with another identifier, since the kernel lets nobody choose (ipc_idr_alloc, ipc/util.c, wants
//! CAP_CHECKPOINT_RESTORE). One that was to be removed is gone with the last process that had it.
//!
//! Contents and views are those of a shared object without a name ([`crate::state::memory`]); when
//! all is checked and the old address space is gone, the segment takes the object's place. Room
//! for it is staged behind the object: for a view that may be written, and for one that may not.
#![expect(unsafe_code, reason = "attaches memory")]

use ckpt_format::limits;
use ckpt_format::record::{Segment, Vma, vma_flag, vma_kind};
use ckpt_format::toc::kind;

use crate::error::{Context, Result, fail};
use crate::image::input::Image;
use crate::state::memory::{Area, Space};
use crate::sys::ipc::{self, SHM_RDONLY, SHM_REMAP};
use crate::sys::{Errno, mm};
use crate::util::list::List;

/// How many times its size a segment's object has room for.
pub const ROOMS: u64 = 3;

/// What there is of the segments among the mappings.
pub fn collect(space: &Space) -> Result<List<Segment>> {
    let mut all: List<Segment> = List::new(limits::VMAS as usize);
    for area in space.areas.as_slice().iter().filter(|a| a.segment) {
        if all.as_slice().iter().any(|s| s.object == area.object) {
            continue;
        }
        let id = area.ino as u32;
        let what = format_args!("cannot look at System V shared memory {id}");
        let status = ipc::segment(id).or_fail(what)?;
        let segment = Segment {
            object: area.object,
            id,
            key: status.key,
            mode: status.mode,
            maker: status.maker,
            size: status.size,
        };
        refuse_part(space, &segment)?;
        all.push(segment)?;
    }
    Ok(all)
}

/// What is not mapped anywhere cannot be read here, but by whoever attaches the segment.
fn refuse_part(space: &Space, segment: &Segment) -> Result<()> {
    let areas = space.areas.as_slice().iter();
    let is_view = |a: &&Area| a.kind == vma_kind::SHARED_ANON && a.object == segment.object;
    let mut seen = 0;
    while let Some(view) = areas
        .clone()
        .filter(is_view)
        .find(|a| a.offset <= seen && seen < a.offset + a.len() as u64)
    {
        seen = view.offset + view.len() as u64;
    }
    if seen < segment.room() {
        let id = segment.id;
        fail!("System V shared memory {id}, part of which is not mapped: not carried");
    }
    Ok(())
}

/// The segment that the image's shared object `number` is, if it is one.
#[must_use]
pub fn of_object(image: &Image<'_>, number: u32) -> Option<Segment> {
    let mut all = image.list::<Segment>(kind::SEGMENTS);
    all.find(|segment| segment.object == number)
}

/// The segment if it is still there, or the one that has taken its place: with its key and size, of
/// which nobody makes use.
fn there(segment: &Segment) -> Option<(u32, ipc::Status)> {
    let is_it = |now: &ipc::Status| (now.key, now.size) == (segment.key, segment.size);
    let same = ipc::segment(segment.id);
    if let Some(now) = same
        .ok()
        .filter(|now| is_it(now) && now.maker == segment.maker)
    {
        return Some((segment.id, now));
    }
    let id = with_key(segment)?;
    let other = ipc::segment(id).ok().filter(is_it)?;
    (other.attached == 0).then_some((id, other))
}

/// What others would find by the segment's key.
fn with_key(segment: &Segment) -> Option<u32> {
    let has_key = segment.key != 0 && segment.mode & Segment::REMOVED == 0;
    ipc::find_segment(segment.key, 0, 0)
        .ok()
        .filter(|_| has_key)
}

/// Looks whether the image's segments can be had, while the restore can be given up.
pub fn check(image: &Image<'_>) -> Result<()> {
    for segment in image.list::<Segment>(kind::SEGMENTS) {
        let (id, key) = (segment.id, segment.key);
        if let Some((id, _)) = there(&segment) {
            let writes = needs(image, &segment, true);
            let flags = if writes { 0 } else { SHM_RDONLY };
            // SAFETY: where there is room.
            let place = unsafe { ipc::attach(id, 0, flags) }
                .or_fail(format_args!("cannot attach System V shared memory {id}"))?;
            // SAFETY: just attached.
            let _ = unsafe { ipc::detach(place) };
        } else if with_key(&segment).is_some() {
            fail!(
                "System V shared memory {id} is gone, and another is in use with its key {key:#x}"
            );
        }
    }
    Ok(())
}

/// Has the segment views that may be written, or that may not?
fn needs(image: &Image<'_>, segment: &Segment, writable: bool) -> bool {
    image.vmas().any(|vma| {
        vma.kind == vma_kind::SHARED_ANON
            && vma.object == segment.object
            && (vma.flags & vma_flag::MAYWRITE != 0) == writable
    })
}

/// How far into its object's room a view is to be taken from.
#[must_use]
pub fn shift(image: &Image<'_>, vma: &Vma<'_>) -> u64 {
    of_object(image, vma.object).map_or(0, |segment| {
        let writable = vma.flags & vma_flag::MAYWRITE != 0;
        segment.room() * if writable { 1 } else { 2 }
    })
}

/// Puts the segments where room for them is, with their contents. `objects` has the address and the
/// length of each shared object.
///
/// # Safety
///
/// The objects are staged, and nobody else uses them.
pub unsafe fn restore(image: &Image<'_>, objects: &[u64]) -> Result<()> {
    for segment in image.list::<Segment>(kind::SEGMENTS) {
        let Some(&[at, _]) = objects
            .get(segment.object as usize * 2..)
            .and_then(|o| o.first_chunk())
        else {
            continue;
        };
        let now = there(&segment);
        let (id, made) = match &now {
            Some((id, _)) => (*id, false),
            None => (make(&segment)?, true),
        };
        let what = format_args!("cannot attach System V shared memory {id}");
        let place = |rooms: u64| (at + segment.room() * rooms) as usize;
        // SAFETY: room that was staged for it.
        let attach = |rooms, flags| unsafe { ipc::attach(id, place(rooms), flags | SHM_REMAP) };
        let fill = now.is_none_or(|(_, now)| now.attached == 0);
        if needs(image, &segment, true) || made {
            attach(1, 0).or_fail(what)?;
        }
        if needs(image, &segment, false) {
            attach(2, SHM_RDONLY).or_fail(what)?;
        }
        if fill && (needs(image, &segment, true) || made) {
            // SAFETY: both are there, and the caller's alone.
            unsafe { copy(image, &segment, place(0), place(1)) };
        }
        if made && segment.mode & Segment::LOCKED != 0 && ipc::lock_segment(id).is_err() {
            crate::log::info!("System V shared memory {id} may not be locked in memory here");
        }
        if made && segment.mode & Segment::REMOVED != 0 {
            ipc::remove_segment(id).or_fail(format_args!("cannot remove {id}"))?;
        } else if id != segment.id {
            let old = segment.id;
            crate::log::info!("System V shared memory {old} is gone; it is {id} now");
        }
    }
    Ok(())
}

fn make(segment: &Segment) -> Result<u32> {
    const IPC_CREAT: u32 = 0o1000;
    const IPC_EXCL: u32 = 0o2000;
    let flags = IPC_CREAT | IPC_EXCL | (segment.mode & 0o777);
    let make = |key| ipc::find_segment(key, segment.size as usize, flags);
    let made = match make(segment.key) {
        // Nobody finds one by its key that is to be removed; only /proc shows it.
        Err(Errno::EXIST) if segment.mode & Segment::REMOVED != 0 => make(0),
        other => other,
    };
    let old = segment.id;
    made.or_fail(format_args!(
        "cannot make System V shared memory {old} again"
    ))
}

/// Gives a segment at `to` the contents of the object at `from`; pages that the image does not have
/// are zero.
///
/// # Safety
///
/// Both are mapped, and nobody else uses them.
unsafe fn copy(image: &Image<'_>, segment: &Segment, from: usize, to: usize) {
    const MADV_REMOVE: u32 = 9;
    let _ = mm::advise(to, segment.room() as usize, MADV_REMOVE);
    for (content, _) in image.contents() {
        if content.of == 1 && content.index == segment.object {
            let offset = content.offset as usize;
            let (from, to) = ((from + offset) as *const u8, (to + offset) as *mut u8);
            // SAFETY: contents lie within the object, as was checked when it was staged.
            unsafe { core::ptr::copy_nonoverlapping(from, to, content.len() as usize) };
        }
    }
}
