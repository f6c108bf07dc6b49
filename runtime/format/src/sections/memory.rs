//! Mappings, and what is said of parts of them.

use super::{Checked, Sections};
use crate::DecodeError;
use crate::record::{self, Known};
use crate::toc::kind;

impl Sections<'_> {
    /// Mappings one by one, against each other and against the vDSO; tells how many shared objects
    /// there are.
    pub(super) fn mappings(&self) -> Checked<u32> {
        let (from, to) = self.record::<record::Vdso<'_>>(kind::VDSO).range();
        let mut floor = 0;
        let mut objects: u32 = 0;
        for vma in self.vmas() {
            vma.check(floor)?;
            floor = vma.end;
            if vma.start < to && from < vma.end {
                return Err(DecodeError::Value("mapping where the vDSO is"));
            }
            let has_file = || self.file(vma.object).is_some_and(|file| file.is_nameless());
            if vma.kind == record::vma_kind::OPEN_FILE && !has_file() {
                return Err(DecodeError::Value("mapping's open file"));
            }
            // Objects are numbered as they first occur.
            if vma.kind == record::vma_kind::SHARED_ANON && vma.object >= objects {
                if vma.object != objects {
                    return Err(DecodeError::Value("mapping's shared object"));
                }
                objects = objects.saturating_add(1);
            }
        }
        Ok(objects)
    }

    /// Segments come in the order of their shared objects, whose views lie within them.
    pub(super) fn segments(&self, objects: u32) -> Checked {
        let mut floor = 0;
        for segment in self.known::<record::Segment>(kind::SEGMENTS) {
            segment.check(floor)?;
            floor = segment.object.saturating_add(1);
            let shared = record::vma_kind::SHARED_ANON;
            let mut views = self
                .vmas()
                .filter(|vma| vma.kind == shared && vma.object == segment.object);
            let ends = |vma: record::Vma<'_>| vma.offset.saturating_add(vma.len());
            if segment.object >= objects || views.any(|vma| ends(vma) > segment.room()) {
                return Err(DecodeError::Value("System V shared memory"));
            }
        }
        Ok(())
    }

    /// Tells how many bytes of pages belong to mappings.
    pub(super) fn runs(&self) -> Checked<u64> {
        let mut within = Within::new(self.vmas());
        let mut floor = 0;
        let mut total: u64 = 0;
        for run in self.known::<record::Run>(kind::RUNS) {
            floor = run.check(floor)?;
            if !within.holds(run.addr, floor, record::vma_kind::AIO) {
                return Err(DecodeError::Value(
                    "page run outside of all private mappings",
                ));
            }
            total = total.saturating_add(run.len());
        }
        Ok(total)
    }

    pub(super) fn guards(&self) -> Checked {
        let mut within = Within::new(self.vmas());
        let mut floor = 0;
        for guard in self.known::<record::Guard>(kind::GUARDS) {
            guard.check(floor)?;
            floor = guard.end;
            if !within.holds(guard.start, guard.end, record::vma_kind::ANON) {
                return Err(DecodeError::Value(
                    "guard region outside of all private mappings",
                ));
            }
        }
        Ok(())
    }

    /// Memory policies are of whole mappings, in their order.
    pub(super) fn policies(&self) -> Checked {
        let mut vmas = self.vmas();
        for policy in self.known::<record::Policy>(kind::POLICIES) {
            if !vmas.any(|vma| (vma.start, vma.end) == (policy.start, policy.end)) {
                return Err(DecodeError::Value("memory policy"));
            }
        }
        Ok(())
    }
}

/// Walks the mappings along with ranges that are in order, too.
struct Within<'a> {
    rest: Known<'a, record::Vma<'a>>,
    current: Option<record::Vma<'a>>,
}

impl<'a> Within<'a> {
    fn new(mut vmas: Known<'a, record::Vma<'a>>) -> Self {
        let current = vmas.next();
        Self {
            rest: vmas,
            current,
        }
    }

    /// True if one mapping holds the whole range that is private, or of a kind.
    fn holds(&mut self, start: u64, end: u64, kind: u32) -> bool {
        while self.current.is_some_and(|vma| vma.end <= start) {
            self.current = self.rest.next();
        }
        self.current.is_some_and(|vma| {
            let may = vma.is_private() || vma.kind == kind;
            may && vma.start <= start && end <= vma.end
        })
    }
}
