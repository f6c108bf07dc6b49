//! Which part of an instruction a byte of x86-64 machine code is: that tells more about it than the
//! bytes before it do.
//!
//! Instructions are told apart as far as compilers make them (Intel SDM, volume 2, chapter 2 and
//! appendix A). A mistake costs space and nothing else, for both sides make the same one.

/// What a byte is. Those with four bytes are four kinds, one for each of them.
pub(crate) mod kind {
    pub(crate) const OPERATION: u8 = 0;
    /// Behind 0F; behind 0F 38 and 0F 3A.
    pub(crate) const OPERATION_0F: u8 = 1;
    pub(crate) const OPERATION_LONG: u8 = 2;
    pub(crate) const MODRM: u8 = 3;
    pub(crate) const SIB: u8 = 4;
    pub(crate) const BYTE: u8 = 5;
    pub(crate) const NEAR_BY: u8 = 6;
    pub(crate) const SHORT_JUMP: u8 = 7;
    /// A displacement, one from the instruction's end, the distance of a branch, a number.
    pub(crate) const DISPLACEMENT: u8 = 8;
    pub(crate) const RELATIVE: u8 = 12;
    pub(crate) const BRANCH: u8 = 16;
    pub(crate) const NUMBER: u8 = 20;
    /// No code.
    pub(crate) const DATA: u8 = 24;
    pub(crate) const COUNT: usize = 25;
}

/// What follows an operation.
mod form {
    pub(super) const MODRM: u8 = 1;
    /// A byte, a distance of one byte, one of four bytes.
    pub(super) const BYTE: u8 = 2;
    pub(super) const SHORT_JUMP: u8 = 4;
    pub(super) const BRANCH: u8 = 6;
    /// Four bytes, or two; eight in one with REX.W; two in any case.
    pub(super) const NUMBER: u8 = 8;
    pub(super) const LONG: u8 = 10;
    pub(super) const PAIR: u8 = 12;
    /// A byte or a number, if it is a test.
    pub(super) const TEST: u8 = 14;
}

/// The forms of all operations of one byte, and in the upper half of those behind 0F.
static FORMS: [u8; 256] = forms();

const fn forms() -> [u8; 256] {
    let mut all = [0; 256];
    let mut byte = 0u8;
    let mut rest: &mut [u8] = &mut all;
    while let Some((first, others)) = rest.split_first_mut() {
        *first = form(byte) | form_behind_0f(byte).wrapping_shl(4);
        byte = byte.wrapping_add(1);
        rest = others;
    }
    all
}

const fn form(byte: u8) -> u8 {
    use form::{BRANCH, BYTE, LONG, MODRM, NUMBER, PAIR, SHORT_JUMP, TEST};
    match byte {
        0x00..=0x3f => match byte & 7 {
            0..=3 => MODRM,
            4 => BYTE,
            5 => NUMBER,
            _ => 0,
        },
        0x63 | 0x84..=0x8f | 0xd0..=0xd3 | 0xd8..=0xdf | 0xfe | 0xff => MODRM,
        0x68 | 0xa9 => NUMBER,
        0x69 | 0x81 | 0xc7 => MODRM | NUMBER,
        0x6a | 0xa8 | 0xb0..=0xb7 | 0xcd => BYTE,
        0x6b | 0x80 | 0x83 | 0xc0 | 0xc1 | 0xc6 => MODRM | BYTE,
        0x70..=0x7f | 0xe0..=0xe3 | 0xeb => SHORT_JUMP,
        0xb8..=0xbf => LONG,
        0xc2 => PAIR,
        0xe8 | 0xe9 => BRANCH,
        0xf6 | 0xf7 => MODRM | TEST,
        _ => 0,
    }
}

const fn form_behind_0f(byte: u8) -> u8 {
    use form::{BRANCH, BYTE, MODRM};
    match byte {
        0x80..=0x8f => BRANCH,
        0x70..=0x73 | 0xa4 | 0xac | 0xba | 0xc2 | 0xc4..=0xc6 => MODRM | BYTE,
        0x05..=0x09 | 0x0b | 0x30..=0x32 | 0x77 | 0xa0..=0xa2 | 0xa8 | 0xa9 | 0xc8..=0xcf => 0,
        _ => MODRM,
    }
}

/// Where in an instruction the next byte is, and what was before.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Place {
    /// One of [`kind`].
    pub(crate) kind: u8,
    /// Last operation, one behind 0F marked.
    pub(crate) operation: u16,
    /// The operation before it.
    pub(crate) earlier: u16,
    /// Last prefix of this instruction; zero if there is none.
    pub(crate) prefix: u8,
    /// Last byte that says which registers and what memory.
    pub(crate) modrm: u8,
    /// How many bytes of this instruction there were, up to 15.
    length: u8,
    /// What the operation's form still asks for.
    form: u8,
    /// Operands have two bytes.
    short: bool,
}

impl Place {
    /// Not in code.
    pub(crate) fn leave(&mut self) {
        self.kind = kind::DATA;
    }

    /// All that a byte may depend on; its last bytes, lowest first, then what is known of the
    /// instructions: prefix, registers and memory (8 bits each), operation, the one before it (10
    /// each), how many bytes this instruction has so far (4).
    pub(crate) fn around(&self, before: u64) -> u64 {
        [
            (u64::from(self.prefix), 16),
            (u64::from(self.modrm), 24),
            (u64::from(self.operation), 32),
            (u64::from(self.earlier), 42),
            (u64::from(self.length), 52),
        ]
        .into_iter()
        .fold(before & 0xffff, |all, (part, at)| {
            all | part.wrapping_shl(at)
        })
    }

    /// Goes on over a byte.
    pub(crate) fn step(&mut self, byte: u8) {
        self.kind_of_next(byte);
        let begins = self.kind == kind::OPERATION && self.prefix == 0;
        self.length = if begins {
            0
        } else {
            self.length.wrapping_add(1).min(15)
        };
    }

    fn kind_of_next(&mut self, byte: u8) {
        match self.kind {
            kind::OPERATION => match byte {
                0x40..=0x4f | 0xf0 | 0xf2 | 0xf3 | 0x2e | 0x3e | 0x64 | 0x65 => self.prefix = byte,
                0x66 => {
                    self.prefix = byte;
                    self.short = true;
                }
                0x0f => self.kind = kind::OPERATION_0F,
                _ => self.operation(u16::from(byte), look_up(byte) & 15),
            },
            kind::OPERATION_0F => match byte {
                0x38 | 0x3a => {
                    self.form = if byte == 0x38 { 0 } else { form::BYTE };
                    self.kind = kind::OPERATION_LONG;
                }
                _ => self.operation(256 | u16::from(byte), look_up(byte).wrapping_shr(4)),
            },
            kind::OPERATION_LONG => {
                self.operation(512 | u16::from(byte), self.form | form::MODRM);
            }
            kind::MODRM => {
                self.modrm = byte;
                if self.form == form::TEST {
                    self.form = match byte & 0x30 {
                        0 if self.operation & 1 == 0 => form::BYTE,
                        0 => form::NUMBER,
                        _ => 0,
                    };
                }
                match byte & 0xc7 {
                    0x04 | 0x44 | 0x84 => self.kind = kind::SIB,
                    0x05 => self.kind = kind::RELATIVE,
                    _ => self.displacement(false),
                }
            }
            kind::SIB => self.displacement(self.modrm < 0x40 && byte & 7 == 5),
            kind::NEAR_BY => self.operand(),
            kind::DISPLACEMENT..kind::DATA if self.kind & 3 != 3 => {
                self.kind = self.kind.wrapping_add(1);
            }
            kind::DISPLACEMENT..kind::BRANCH => self.operand(),
            kind::DATA => {}
            _ => {
                self.kind = kind::OPERATION;
                self.prefix = 0;
                self.short = false;
            }
        }
    }

    fn operation(&mut self, operation: u16, form: u8) {
        self.earlier = self.operation;
        self.operation = operation;
        self.form = form & !form::MODRM;
        if form & form::MODRM == 0 {
            self.operand();
        } else {
            self.kind = kind::MODRM;
        }
    }

    /// Behind the bytes that say where in memory; `far` if those ask for four bytes more.
    fn displacement(&mut self, far: bool) {
        match self.modrm & 0xc0 {
            0x40 => self.kind = kind::NEAR_BY,
            0x80 => self.kind = kind::DISPLACEMENT,
            _ if far => self.kind = kind::DISPLACEMENT,
            _ => self.operand(),
        }
    }

    /// What comes last.
    fn operand(&mut self) {
        const TWO: u8 = kind::NUMBER.wrapping_add(2);
        self.kind = match self.form {
            form::BYTE => kind::BYTE,
            form::SHORT_JUMP => kind::SHORT_JUMP,
            form::BRANCH => kind::BRANCH,
            form::PAIR => TWO,
            form::NUMBER | form::LONG if self.short => TWO,
            form::NUMBER => kind::NUMBER,
            form::LONG if self.prefix & 0xf8 == 0x48 => {
                // Two halves alike.
                self.form = form::NUMBER;
                kind::DISPLACEMENT
            }
            form::LONG => kind::NUMBER,
            _ => {
                self.prefix = 0;
                self.short = false;
                kind::OPERATION
            }
        };
    }
}

fn look_up(byte: u8) -> u8 {
    FORMS.get(usize::from(byte)).copied().unwrap_or(0)
}
