//! Addresses that must be in memory of the image.

use super::{Checked, Sections};
use crate::DecodeError;
use crate::record::{self, Known, Mark, prot};
use crate::toc::kind;

/// Bytes of the kernel's `struct ucontext` up to the signal mask and with it, and of the siginfo
/// behind them: what a return through a signal frame reads first, and the note of an interrupted
/// system call.
const FRAME: u64 = 432;

/// Looks addresses up in the mappings: every so many of them is marked, so that a process of many
/// threads and mappings need not be gone through for every address.
pub(super) struct Space<'a> {
    bytes: &'a [u8],
    /// First address of a mapping, and the place of its record.
    marks: [(u64, Mark); MARKS],
    used: usize,
}

/// Marks of a [`Space`].
const MARKS: usize = 128;

impl<'a> Space<'a> {
    pub(super) fn index(sections: &Sections<'a>) -> Self {
        let mut space = Self {
            bytes: sections.bytes(kind::VMAS),
            marks: [(0, Mark::default()); MARKS],
            used: 0,
        };
        let mut vmas = sections.vmas();
        let apart = usize::try_from(vmas.left())
            .unwrap_or(usize::MAX)
            .div_ceil(MARKS);
        let mut marks = space.marks.iter_mut();
        let mut number: usize = 0;
        loop {
            let mark = vmas.mark();
            let Some(vma) = vmas.next() else {
                return space;
            };
            if number.is_multiple_of(apart)
                && let Some(slot) = marks.next()
            {
                *slot = (vma.start, mark);
                space.used = space.used.saturating_add(1);
            }
            number = number.saturating_add(1);
        }
    }

    /// True if the first and the last of so many bytes lie in mappings with this protection; they
    /// are fewer than a page, or the kernel looks at them itself.
    pub(super) fn has(&self, address: u64, len: u64, wanted: u32) -> bool {
        let last = address.saturating_add(len.saturating_sub(1));
        self.holds(address, wanted) && self.holds(last, wanted)
    }

    fn holds(&self, address: u64, wanted: u32) -> bool {
        let marks = self.marks.get(..self.used).unwrap_or(&[]);
        let before = marks.partition_point(|(start, _)| *start <= address);
        let Some((_, mark)) = before.checked_sub(1).and_then(|n| marks.get(n)) else {
            return false;
        };
        Known::<record::Vma<'_>>::at(self.bytes, *mark)
            .take_while(|vma| vma.start <= address)
            .any(|vma| address < vma.end && vma.prot & wanted != 0)
    }

    /// What restorer and kernel read and write for a thread can be read and written.
    pub(super) fn check(&self, thread: &record::Thread) -> Checked {
        if !self.has(thread.frame, FRAME, prot::READ) {
            return Err(DecodeError::Value("address of the signal frame"));
        }
        let len = u64::from(thread.rseq_len);
        if thread.rseq != 0 && !self.has(thread.rseq, len, prot::WRITE) {
            return Err(DecodeError::Value("address of the restartable sequences"));
        }
        let mut words = thread.tid_words.into_iter().filter(|&word| word != 0);
        if words.all(|word| self.has(word, 4, prot::WRITE)) {
            Ok(())
        } else {
            Err(DecodeError::Value("address of a thread id"))
        }
    }
}
