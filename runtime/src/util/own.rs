//! Address ranges of the runtime's own that are no part of an image: scratch memory, the stack of
//! a checkpoint, a request.

use crate::util::cell::Global;

/// More than are ever in use at once.
const MOST: usize = 24;

static RANGES: Global<[(usize, usize); MOST]> = Global::new([(0, 0); MOST]);

/// Notes a range by first address and length.
pub fn claim(base: usize, len: usize) {
    RANGES.with(|all| {
        if let Some(free) = all.iter_mut().find(|(_, len)| *len == 0) {
            *free = (base, len);
        }
    });
}

/// Forgets the range that begins at `base`.
pub fn release(base: usize) {
    RANGES.with(|all| {
        if let Some(range) = all.iter_mut().find(|(b, len)| *b == base && *len > 0) {
            *range = (0, 0);
        }
    });
}

/// The first part of `start..end` that is not the runtime's own.
#[must_use]
pub fn first_foreign(start: usize, end: usize) -> Option<(usize, usize)> {
    let all = RANGES.get();
    let mut start = start;
    while let Some((base, len)) = all
        .iter()
        .find(|(base, len)| *len > 0 && (*base..*base + *len).contains(&start))
    {
        start = base + len;
    }
    if start >= end {
        return None;
    }
    let stop = all
        .iter()
        .filter(|(base, len)| *len > 0 && *base > start)
        .map(|(base, _)| *base)
        .min()
        .unwrap_or(end);
    Some((start, stop.min(end)))
}
