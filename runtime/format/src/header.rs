//! The fixed header, readable by every version.

use crate::crc::crc32c;
use crate::{DecodeError, Reader, Writer, limits};

/// First bytes of an image: not text in any encoding, and damaged by any transfer that treats it
/// as text (a byte above 127, both line ends, an end-of-file mark), as in PNG.
pub const MAGIC: [u8; 8] = [0x89, b'C', b'K', b'P', 0x0d, 0x0a, 0x1a, 0x0a];
/// Changes when an older reader cannot read the image.
pub const MAJOR: u16 = 1;
/// Changes when something was added that an older reader may ignore.
pub const MINOR: u16 = 0;
/// Bytes of the header.
pub const LEN: usize = 128;
/// [`LEN`] as the header itself tells it.
pub const LEN32: u32 = 128;
/// The only page size of the architecture.
pub const PAGE_SIZE: u32 = 4096;
/// `EM_X86_64` of the ELF specification.
pub const MACHINE: u16 = 62;

const CRC_AT: usize = 124;

/// What the header tells. All else in it is fixed or zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Format version, minor part.
    pub minor: u16,
    /// Entries in the section table.
    pub section_count: u32,
    /// Bytes in the whole file.
    pub file_len: u64,
    /// Where the section table begins.
    pub table_at: u64,
    /// Names this image among all others.
    pub uuid: [u8; 16],
    /// SHA-256 of the executable before it was patched.
    pub identity: [u8; 32],
    /// When the checkpoint was taken, seconds since 1970.
    pub created: u64,
    /// CRC-32C of the section table.
    pub table_crc: u32,
}

impl Header {
    /// The header's bytes, checksum included.
    #[must_use]
    pub fn encode(&self) -> [u8; LEN] {
        let mut bytes = [0; LEN];
        let mut w = Writer::new(&mut bytes);
        w.bytes(&MAGIC);
        w.put(&MAJOR);
        w.put(&self.minor);
        w.put(&LEN32);
        w.put(&0u32);
        w.put(&PAGE_SIZE);
        w.put(&MACHINE);
        w.put(&0u16);
        w.put(&self.section_count);
        w.put(&self.file_len);
        w.put(&self.table_at);
        w.put(&self.uuid);
        w.put(&self.identity);
        w.put(&self.created);
        w.put(&self.table_crc);
        if let Some((head, tail)) = bytes.split_at_mut_checked(CRC_AT) {
            tail.copy_from_slice(&crc32c(head).to_le_bytes());
        }
        bytes
    }

    /// Reads and checks a header, in the order of trust: length, magic, version, checksum, fields.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let Some((bytes, _)) = bytes.split_first_chunk::<LEN>() else {
            let known = bytes.len().min(MAGIC.len());
            return Err(if bytes.get(..known) == MAGIC.get(..known) {
                DecodeError::TooShort
            } else {
                DecodeError::Magic
            });
        };
        let mut r = Reader::new("header", bytes);
        if r.array::<8>() != MAGIC {
            return Err(DecodeError::Magic);
        }
        let major = r.take();
        if major != MAJOR {
            return Err(DecodeError::Version(major, MAJOR));
        }
        let (head, tail) = bytes
            .split_at_checked(CRC_AT)
            .ok_or(DecodeError::TooShort)?;
        if tail != crc32c(head).to_le_bytes() {
            return Err(DecodeError::Checksum("header"));
        }
        Self::fields(&mut r)
    }

    fn fields(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        fn fixed(found: u64, want: u64, name: &'static str) -> Result<(), DecodeError> {
            if found == want {
                Ok(())
            } else {
                Err(DecodeError::Header(name))
            }
        }
        let minor = r.take();
        fixed(r.take::<u32>().into(), LEN32.into(), "header length")?;
        fixed(r.take::<u32>().into(), 0, "flags")?;
        fixed(r.take::<u32>().into(), PAGE_SIZE.into(), "page size")?;
        fixed(r.take::<u16>().into(), MACHINE.into(), "machine")?;
        fixed(r.take::<u16>().into(), 0, "reserved")?;
        let header = Self {
            minor,
            section_count: r.take(),
            file_len: r.take(),
            table_at: r.take(),
            uuid: r.take(),
            identity: r.take(),
            created: r.take(),
            table_crc: r.take(),
        };
        let [one, other] = r.take::<[u64; 2]>();
        fixed(one | other, 0, "reserved")?;
        r.intact()?;
        if header.section_count == 0 || header.section_count > limits::SECTIONS {
            return Err(DecodeError::Header("section count"));
        }
        Ok(header)
    }
}
