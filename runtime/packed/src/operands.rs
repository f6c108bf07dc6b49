//! Operands that say how far it is to a place, changed so that two of them to one place look alike.

use crate::code::{Place, kind};

/// Most machine code there may be.
const CODE: usize = 1 << 19;

/// Which bytes are the first of an operand that was changed, a bit each.
#[derive(Clone, Debug)]
pub(crate) struct Operands([u64; CODE / 64]);

impl Operands {
    #[expect(
        clippy::large_stack_arrays,
        reason = "a constant; what holds it is not on a stack"
    )]
    pub(crate) const NONE: Self = Self([0; CODE / 64]);

    /// Takes note of a byte of code, if an operand to be changed begins there.
    pub(crate) fn note(&mut self, at: usize, kind: u8) {
        if begins(kind)
            && let Some(word) = self.0.get_mut(at.wrapping_shr(6))
        {
            *word |= 1u64.wrapping_shl(u32::try_from(at & 63).unwrap_or(0));
        }
    }

    /// Makes those that were noted the distances that they were.
    ///
    /// [`change`] has put there where the place is rather than how far away, most significant byte
    /// first: all calls of one function then are the same five bytes, wherever they stand.
    pub(crate) fn restore(&self, code: &mut [u8]) {
        for (word, first) in self.0.iter().zip((0..CODE).step_by(64)) {
            let mut rest = *word;
            while rest != 0 {
                let bit = usize::try_from(rest.trailing_zeros()).unwrap_or(0);
                rest &= rest.wrapping_sub(1);
                let at = first | bit;
                let Some(operand) = operand(code, at) else {
                    return;
                };
                *operand = i32::from_be_bytes(*operand)
                    .wrapping_sub(distance(at))
                    .to_le_bytes();
            }
        }
    }
}

/// What [`Operands::restore`] undoes; `None` if there is too much code.
pub(crate) fn change(code: &mut [u8]) -> Option<()> {
    if code.len() > CODE {
        return None;
    }
    let mut place = Place::default();
    for at in 0..code.len() {
        if begins(place.kind)
            && let Some(operand) = operand(code, at)
        {
            *operand = i32::from_le_bytes(*operand)
                .wrapping_add(distance(at))
                .to_be_bytes();
        }
        // The bytes of an operand do not say what comes next.
        place.step(*code.get(at)?);
    }
    Some(())
}

/// The operands of calls and jumps, and of what is addressed from where the instruction is.
fn begins(kind: u8) -> bool {
    kind == kind::BRANCH || kind == kind::RELATIVE
}

/// The four bytes at a place; those at the end of the code may be fewer, and stay.
fn operand(code: &mut [u8], at: usize) -> Option<&mut [u8; 4]> {
    code.get_mut(at..)?.first_chunk_mut()
}

fn distance(at: usize) -> i32 {
    i32::try_from(at).unwrap_or(0)
}
