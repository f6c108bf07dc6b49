//! Operands that say how far it is to a place, changed so that two of them to one place look alike.

use crate::Part;
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

    /// Takes note of where one begins.
    pub(crate) fn note(&mut self, at: usize) {
        if let Some(word) = self.0.get_mut(at.wrapping_shr(6)) {
            *word |= 1u64.wrapping_shl(u32::try_from(at & 63).unwrap_or(0));
        }
    }

    /// Makes those that were noted the distances that they were.
    ///
    /// [`change_operands`] has put there where the place is rather than how far away, most significant byte
    /// first: all calls of one function then are the same five bytes, wherever they stand.
    pub(crate) fn restore(&self, bytes: &mut [u8]) {
        for (n, word) in self.0.iter().enumerate() {
            let mut rest = *word;
            while rest != 0 {
                let bit = usize::try_from(rest.trailing_zeros()).unwrap_or(0);
                rest &= rest.wrapping_sub(1);
                let at = n.wrapping_shl(6) | bit;
                let Some(operand) = operand(bytes, at) else {
                    return;
                };
                *operand = i32::from_be_bytes(*operand)
                    .wrapping_sub(distance(at))
                    .to_le_bytes();
            }
        }
    }
}

/// Changes operands in the code of a part, before it is packed; `None` if there is too much code.
/// [`Work::restore_operands`](crate::Work::restore_operands) undoes it.
pub fn change_operands(bytes: &mut [u8], part: Part) -> Option<()> {
    let (start, end, _) = part.places();
    if end > CODE {
        return None;
    }
    let mut place = Place::default();
    for at in start..end {
        if is_one(&place, at, end) {
            let operand = operand(bytes, at)?;
            *operand = i32::from_le_bytes(*operand)
                .wrapping_add(distance(at))
                .to_be_bytes();
        }
        // The bytes of an operand do not say what comes next.
        place.step(*bytes.get(at)?);
    }
    Some(())
}

/// Does an operand to be changed begin at a place in code that ends at `end`? Those of calls and
/// jumps, and of what is addressed from where the instruction is; but one that is cut off stays.
pub(crate) fn is_one(place: &Place, at: usize, end: usize) -> bool {
    (place.kind == kind::BRANCH || place.kind == kind::RELATIVE) && at.wrapping_add(4) <= end
}

fn operand(bytes: &mut [u8], at: usize) -> Option<&mut [u8; 4]> {
    bytes.get_mut(at..)?.first_chunk_mut()
}

fn distance(at: usize) -> i32 {
    i32::try_from(at).unwrap_or(0)
}
