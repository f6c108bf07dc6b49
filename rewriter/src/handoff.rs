//! The handoff block of a plan: what the runtime is told.

use ckpt_format::handoff::{
    FLAG_FILES, FLAG_GO, LEN, MAGIC, OFF_CHECKPOINT_FLAG, OFF_ENTRY, OFF_FLAGS, OFF_GO_SIGNALS,
    OFF_IDENTITY, OFF_PATTERN, OFF_PATTERN_LEN, OFF_RESTORE_FLAG, OFF_SELF_VADDR, OFF_SIGNAL,
    OFF_VERSION, PAGE, VERSION,
};

use crate::facts::Facts;
use crate::options::Options;

/// Place of the block in our segment; before it is room for what has to move.
pub(crate) const BLOCK: u64 = 2736;
const _: () = assert!(PAGE - LEN == 2736);

/// Place of the identity in the block.
pub(crate) const IDENTITY: u64 = 40;
const _: () = assert!(OFF_IDENTITY == 40);

/// The part that comes from the command line.
#[derive(Debug)]
pub(crate) struct Block<'a> {
    pub(crate) options: &'a Options,
}

impl Block<'_> {
    /// The block at an address, with zeros for the identity.
    pub(crate) fn bytes(&self, address: u64, entry: u64, facts: &Facts) -> Vec<u8> {
        let mut block = vec![0; LEN];
        let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
        let flag = |set, flag| if set { flag } else { 0 };
        let flags = flag(facts.go, FLAG_GO) | flag(self.options.files, FLAG_FILES);
        let pattern = self.options.image.as_bytes();
        let pattern_len = u32::try_from(pattern.len()).expect("the pattern is checked to fit");
        put(0, &MAGIC);
        put(OFF_VERSION, &VERSION.to_le_bytes());
        put(OFF_FLAGS, &flags.to_le_bytes());
        put(OFF_ENTRY, &entry.to_le_bytes());
        put(OFF_SELF_VADDR, &address.to_le_bytes());
        put(OFF_SIGNAL, &self.options.signal.number().to_le_bytes());
        put(OFF_PATTERN_LEN, &pattern_len.to_le_bytes());
        put(OFF_GO_SIGNALS, &facts.go_signals.unwrap_or(0).to_le_bytes());
        put(OFF_PATTERN, pattern);
        put(OFF_RESTORE_FLAG, self.options.restore_flag.as_bytes());
        put(OFF_CHECKPOINT_FLAG, self.options.checkpoint_flag.as_bytes());
        block
    }
}
