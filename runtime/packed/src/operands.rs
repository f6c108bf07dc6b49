//! Operands of calls and jumps, changed so that two of them to one place look alike.

/// The one-byte operations of x86 whose operand is a distance of 32 bits: call and jump.
const BRANCHES: [u8; 2] = [0xe8, 0xe9];

/// Makes the operands of calls and jumps the distances that they were.
///
/// [`change_operands`] has put there where a branch leads rather than how far it goes, most
/// significant byte first: calls of one function then are the same five bytes wherever they stand.
/// What is no branch but looks like one is changed back just as well.
pub fn restore_operands(code: &mut [u8]) {
    for_each_operand(code, |operand, at, len| {
        let value = i32::from_be_bytes(operand);
        let distance = if (0..len).contains(&value) {
            value.wrapping_sub(at)
        } else if (at.wrapping_neg()..0).contains(&value) {
            value.wrapping_add(len)
        } else {
            value
        };
        distance.to_le_bytes()
    });
}

/// What [`restore_operands`] undoes. Each of the 2^32 operands becomes another one: distances that
/// lead into the code become places, those that would be taken for places become what is free.
pub fn change_operands(code: &mut [u8]) {
    for_each_operand(code, |operand, at, len| {
        let distance = i32::from_le_bytes(operand);
        let value = if (at.wrapping_neg()..len.wrapping_sub(at)).contains(&distance) {
            distance.wrapping_add(at)
        } else if (len.wrapping_sub(at)..len).contains(&distance) {
            distance.wrapping_sub(len)
        } else {
            distance
        };
        value.to_be_bytes()
    });
}

/// Replaces operands: `with(operand, place, length of the code)`.
fn for_each_operand(code: &mut [u8], with: impl Fn([u8; 4], i32, i32) -> [u8; 4]) {
    let whole = code.len();
    let len = i32::try_from(whole).unwrap_or(i32::MAX);
    let mut rest = code;
    while let Some(before) = rest.iter().position(|byte| BRANCHES.contains(byte)) {
        let at = whole.wrapping_sub(rest.len()).wrapping_add(before);
        let behind = rest.get_mut(before.wrapping_add(1)..).unwrap_or_default();
        let Some((operand, after)) = behind.split_first_chunk_mut::<4>() else {
            return;
        };
        *operand = with(*operand, i32::try_from(at).unwrap_or(i32::MAX), len);
        rest = after;
    }
}
