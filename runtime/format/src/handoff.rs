//! The handoff block: what the rewriter tells the payload.
//!
//! It is the end of the first page of the segment that the rewriter adds to a program; the payload
//! follows it. Tool and payload are built together, so the block may change at will; [`VERSION`]
//! only guards against a file patched by another build being taken apart by this one.
//!
//! All numbers are little-endian. Addresses are unbiased (as in the program headers): the load bias
//! is the block's address in memory less [`SELF_VADDR`]'s value.

/// Size of the block, and distance from the block to the payload's first byte.
pub const LEN: usize = 1360;
/// Distance from the segment's first byte to the payload's. Before the block the rewriter may put
/// what had to move: `.interp`, notes, dynamic tables or the program headers.
pub const PAGE: usize = 4096;
/// First bytes of the block, at offset 0.
pub const MAGIC: [u8; 8] = *b"CKPTPTCH";
/// Value of the `u32` at [`OFF_VERSION`].
pub const VERSION: u32 = 3;

/// `u32`: layout of this block.
pub const OFF_VERSION: usize = 8;
/// `u32`: [`FLAG_GO`] and friends.
pub const OFF_FLAGS: usize = 12;
/// `u64`: the program's own `e_entry`.
pub const OFF_ENTRY: usize = 16;
/// `u64`: this block's own address.
pub const OFF_SELF_VADDR: usize = 24;
/// `u32`: number of the signal that asks for a checkpoint, 0 for none.
pub const OFF_SIGNAL: usize = 32;
/// `u32`: length of the image pattern.
pub const OFF_PATTERN_LEN: usize = 36;
/// 32 bytes: SHA-256 of the file that was patched; the program's identity in images.
pub const OFF_IDENTITY: usize = 40;
/// `u64`: address of a Go program's table of signals (`runtime.sigtable`), unbiased; 0 if there is
/// none.
pub const OFF_GO_SIGNALS: usize = 72;
/// Image pattern (`%e-%p.img`), up to [`PATTERN_MAX`] bytes, no NUL.
pub const OFF_PATTERN: usize = 80;
/// Most bytes in an image pattern.
pub const PATTERN_MAX: usize = 1024;
/// `--restore`, NUL-padded, up to [`FLAG_NAME_MAX`] bytes with at least one NUL.
pub const OFF_RESTORE_FLAG: usize = 1104;
/// `--checkpoint`, likewise.
pub const OFF_CHECKPOINT_FLAG: usize = 1232;
/// Room for a reserved argument's name with its NUL.
pub const FLAG_NAME_MAX: usize = 128;
/// The program is Go: its stacks are small, so handlers must use the alternate stack.
pub const FLAG_GO: u32 = 1;
/// Images hold the contents of files that are open for writing.
pub const FLAG_FILES: u32 = 2;
