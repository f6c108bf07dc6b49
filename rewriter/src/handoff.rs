//! The handoff block of a plan: what the runtime is told.

use ckpt_format::handoff::{
    FLAG_FILES, FLAG_GO, MAGIC, OFF_CHECKPOINT_FLAG, OFF_DATA, OFF_ENTRY, OFF_FLAGS,
    OFF_GO_SIGNALS, OFF_IDENTITY, OFF_PATTERN, OFF_PATTERN_LEN, OFF_RESTORE_FLAG, OFF_SEGMENT_LEN,
    OFF_SELF_VADDR, OFF_SIGNAL, OFF_VERSION, PAGE, VERSION,
};

use crate::elf::Segment;
use crate::facts::Facts;
use crate::input::to_u64;
use crate::options::Options;
use crate::payload::Payload;

/// Place of the identity in our segment.
pub(crate) const IDENTITY: u64 = 64;
const _: () = assert!(OFF_IDENTITY == 64);

/// The part that comes from the command line.
#[derive(Debug)]
pub(crate) struct Block<'a> {
    pub(crate) options: &'a Options,
}

impl Block<'_> {
    /// The page, with zeros for the identity and for what is moved.
    pub(crate) fn bytes(
        &self,
        segment: &Segment,
        entry: u64,
        payload: &Payload,
        facts: &Facts,
    ) -> Vec<u8> {
        let mut page = vec![0; PAGE];
        let mut put = |at: usize, bytes: &[u8]| page[at..at + bytes.len()].copy_from_slice(bytes);
        let flag = |set, flag| if set { flag } else { 0 };
        let flags = flag(facts.go, FLAG_GO) | flag(self.options.files, FLAG_FILES);
        let pattern = self.options.image.as_bytes();
        let pattern_len = u32::try_from(pattern.len()).expect("the pattern is checked to fit");
        put(0, &MAGIC);
        put(OFF_VERSION, &VERSION.to_le_bytes());
        put(OFF_FLAGS, &flags.to_le_bytes());
        put(OFF_ENTRY, &entry.to_le_bytes());
        put(OFF_SELF_VADDR, &segment.vaddr.to_le_bytes());
        let whole = segment.memsz.next_multiple_of(to_u64(PAGE));
        put(OFF_SEGMENT_LEN, &whole.to_le_bytes());
        put(OFF_DATA, &(to_u64(PAGE) + payload.data).to_le_bytes());
        put(OFF_SIGNAL, &self.options.signal.number().to_le_bytes());
        put(OFF_PATTERN_LEN, &pattern_len.to_le_bytes());
        put(OFF_GO_SIGNALS, &facts.go_signals.unwrap_or(0).to_le_bytes());
        put(OFF_PATTERN, pattern);
        put(OFF_RESTORE_FLAG, self.options.restore_flag.as_bytes());
        put(OFF_CHECKPOINT_FLAG, self.options.checkpoint_flag.as_bytes());
        page
    }
}
