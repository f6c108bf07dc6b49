//! Terminals.

use super::{File, file_kind};
use crate::codec::record;
use crate::{DecodeError, limits};

/// Bits of [`Terminal::flags`].
pub mod terminal_flag {
    /// The program was in the foreground: the modes are those that it wants.
    pub const FRONT: u32 = 1;
    /// A pseudoterminal whose slave cannot be opened, TIOCSPTLCK.
    pub const LOCKED: u32 = 2;
    /// A pseudoterminal whose slave has been opened.
    pub const OPENED: u32 = 4;
    /// A pseudoterminal in packet mode, TIOCPKT.
    pub const PACKETS: u32 = 8;
    /// A pseudoterminal whose master is exclusive, TIOCEXCL.
    pub const EXCLUSIVE_MASTER: u32 = 16;
    /// A pseudoterminal whose slave is exclusive, TIOCEXCL.
    pub const EXCLUSIVE_SLAVE: u32 = 32;
    /// A pseudoterminal whose output is stopped, as by Ctrl-S.
    pub const STOPPED: u32 = 64;
    /// All of them.
    pub const ALL: u32 = 127;
}

record! {
    /// What a terminal has beside descriptors: of a pseudoterminal of the program's own, all; of
    /// another, what a restoring command's terminal is to have, too.
    Terminal<'a> {
        /// Place of its open file in the files section; of a pseudoterminal, of the master.
        file: u32,
        /// Bits of [`terminal_flag`].
        flags: u32,
        /// `c_iflag` of termios(3), and so on.
        input: u32,
        /// `c_oflag`.
        output: u32,
        /// `c_cflag`.
        control: u32,
        /// `c_lflag`.
        local: u32,
        /// `c_line`; zero.
        line: u32,
        /// `c_cc` as the kernel has it.
        keys: [u8; 19],
        /// Speeds, bits a second: `c_ispeed`.
        input_speed: u32,
        /// `c_ospeed`.
        output_speed: u32,
        /// Window size, characters.
        rows: u32,
        /// Likewise.
        columns: u32,
        /// Window size, pixels.
        width: u32,
        /// Likewise.
        height: u32,
        /// How much of what is typed is so before the modes are set, bytes.
        first: u32,
        /// What is typed into a pseudoterminal of the program's own to have its input again. In the
        /// first part, if it is one of lines, [`Terminal::END`] ends one without a line feed and
        /// [`Terminal::LITERAL`] comes before a byte that has another meaning.
        typed: &'a [u8],
        /// What has come out of it and was not read from the master.
        shown: &'a [u8],
    }
}

impl Terminal<'_> {
    /// Ends a line of [`Terminal::typed`] without a line feed.
    pub const END: u8 = 4;
    /// Takes the special meaning of the byte behind it.
    pub const LITERAL: u8 = 22;
    /// Bytes that have a meaning in lines: these two, the line feed, and what starts and stops
    /// output.
    pub const SPECIAL: [u8; 5] = [Self::END, Self::LITERAL, b'\n', 17, 19];

    /// Checks ranges, and the open file.
    pub fn check(&self, file: &File<'_>) -> Result<(), DecodeError> {
        let own = file.kind == file_kind::MASTER;
        let size = [self.rows, self.columns, self.width, self.height];
        let len = if own { limits::TERMINAL } else { 0 };
        let fits = self.flags & !terminal_flag::ALL == 0
            && (own || self.flags & !terminal_flag::FRONT == 0)
            && self.line == 0
            && size.iter().all(|&n| n <= u32::from(u16::MAX))
            && usize::try_from(self.first).is_ok_and(|n| n <= self.typed.len())
            && self.typed.len() <= len
            && self.shown.len() <= len;
        let kinds = [
            file_kind::MASTER,
            file_kind::STREAM,
            file_kind::TERMINAL,
            file_kind::DEVICE,
        ];
        if fits && kinds.contains(&file.kind) {
            Ok(())
        } else {
            Err(DecodeError::Value("terminal"))
        }
    }
}
