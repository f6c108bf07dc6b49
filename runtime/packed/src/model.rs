//! What is expected of the next byte: both sides of the packing go through here.

use crate::Part;
use crate::code::{Place, kind};
use crate::odds::{ALL, Flag, Odds};
use crate::operands::{self, Operands};

/// One side: what reads or writes the stream.
pub(crate) trait Coder {
    /// A number below [`ALL`] in the range of what comes next; only the packing side knows better.
    fn number(&self) -> Option<u32>;
    /// The byte at a place, on the packing side.
    fn known(&self, at: usize) -> u8;
    /// Goes on over what has this range of odds.
    fn take(&mut self, range: (u32, u32));
}

/// Sets of odds, and places of repetitions: powers of two.
const SETS: usize = 1 << SETS_BITS;
const SETS_BITS: u32 = 15;
const PLACES: usize = 1 << PLACES_BITS;
const PLACES_BITS: u32 = 16;
/// What a place is noted with, so that few others are looked at.
const CHECK_BITS: u32 = 8;
/// Bytes that are alike before a repetition is expected.
const ALIKE: usize = 7;
/// The bits of a `u32`.
const LOW_HALF: usize = 0xffff_ffff;
/// For the last so many bytes.
const MASK: u64 = (1 << (8 * ALIKE)) - 1;
/// Longest repetition that makes a difference.
const LONG: usize = 16;
/// How many [`Odds::level`] there are.
const LEVELS: usize = 8;

/// All that is learned; larger than a signal handler's stack may be. Zeros throughout are the
/// beginning.
#[derive(Clone, Debug)]
pub struct Work {
    sets: [Odds; SETS],
    /// What is to be restored in the end.
    operands: Operands,
    /// Where in the output the bytes of a hash were seen last.
    places: [u32; PLACES],
    /// Whether a repetition goes on: by its length, kind of byte, how many have ended lately.
    goes_on: [Flag; (LONG + 1) * kind::COUNT * 4],
    /// What the second set of odds is worth, by how much both have seen, kind of byte, half.
    shares: [i16; LEVELS * LEVELS * kind::COUNT * 2],
}

impl Work {
    /// Nothing yet.
    #[expect(
        clippy::large_stack_arrays,
        reason = "a constant; what holds it is not on a stack"
    )]
    pub const NEW: Self = Self {
        sets: [Odds::UNUSED; SETS],
        operands: Operands::NONE,
        places: [0; PLACES],
        goes_on: [Flag::NEW; (LONG + 1) * kind::COUNT * 4],
        shares: [0; LEVELS * LEVELS * kind::COUNT * 2],
    };

    /// Makes the operands in what was unpacked what they were: the last step.
    pub fn restore_operands(&self, bytes: &mut [u8]) {
        self.operands.restore(bytes);
    }

    /// There is none yet to be restored.
    pub(crate) fn forget_operands(&mut self) {
        self.operands = Operands::NONE;
    }

    /// Goes through a part, behind those that were gone through before.
    #[expect(unsafe_code, reason = "asks for vector instructions")]
    pub(crate) fn walk(
        &mut self,
        coder: &mut impl Coder,
        bytes: &mut [u8],
        part: Part,
    ) -> Option<()> {
        // SAFETY: every processor of this architecture has SSE2.
        unsafe { self.bytes(coder, bytes, part) }
    }

    #[target_feature(enable = "sse2")]
    fn bytes(&mut self, coder: &mut impl Coder, bytes: &mut [u8], part: Part) -> Option<()> {
        let (start, code, end) = part.places();
        let mut place = Place::default();
        let mut repetition = Repetition::default();
        let mut before = 0;
        for at in start..end {
            if at == code {
                place.leave();
            }
            if operands::is_one(&place, at, code) {
                self.operands.note(at);
            }
            let known = coder.known(at);
            self.look(&mut repetition, bytes, at, before)?;
            let byte = match self.repeated(coder, &mut repetition, bytes, place.kind, known)? {
                Some(byte) => byte,
                None => self.byte(coder, &place, before, known)?,
            };
            *bytes.get_mut(at)? = byte;
            before = before.wrapping_shl(8) | u64::from(byte);
            place.step(byte);
        }
        Some(())
    }

    /// Notes a place, and looks for another one with the same bytes before it.
    fn look(
        &mut self,
        repetition: &mut Repetition,
        bytes: &[u8],
        at: usize,
        before: u64,
    ) -> Option<()> {
        let hash = hash(before & MASK, PLACES_BITS + CHECK_BITS);
        let check = u32::try_from(hash & ((1 << CHECK_BITS) - 1)).ok()?;
        let noted = self.places.get_mut(hash.wrapping_shr(CHECK_BITS))?;
        let seen = core::mem::replace(
            noted,
            u32::try_from(at.wrapping_shl(CHECK_BITS) & LOW_HALF).unwrap_or(0) | check,
        );
        if repetition.from == 0 && seen & ((1 << CHECK_BITS) - 1) == check {
            let from = usize::try_from(seen.wrapping_shr(CHECK_BITS)).ok()?;
            let len = alike(bytes, from, at);
            if len >= ALIKE {
                repetition.from = from;
                repetition.len = len;
            }
        }
        Some(())
    }

    /// Goes on in a repetition, if there is one; the byte if it does not end here.
    fn repeated(
        &mut self,
        coder: &mut impl Coder,
        repetition: &mut Repetition,
        bytes: &[u8],
        kind: u8,
        known: u8,
    ) -> Option<Option<u8>> {
        let Repetition { from, len, ended } = repetition;
        if *from == 0 {
            return Some(None);
        }
        // The other place may lie behind this one, and a repetition there run to the end.
        let expected = bytes.get(*from).copied().unwrap_or(0);
        let by_kind = len
            .wrapping_mul(kind::COUNT)
            .wrapping_add(usize::from(kind));
        let flag = self
            .goes_on
            .get_mut(by_kind.wrapping_mul(4).wrapping_add(*ended))?;
        let odds = flag.odds();
        let so = match coder.number() {
            Some(number) => number < odds,
            None => known == expected,
        };
        coder.take(if so { (0, odds) } else { (odds, ALL) });
        flag.learn(so);
        if so {
            *from = from.wrapping_add(1);
            *len = len.wrapping_add(1).min(LONG);
            *ended = 0;
            return Some(Some(expected));
        }
        *from = 0;
        *ended = ended.wrapping_add(1).min(3);
        Some(None)
    }

    /// A byte that is not part of a repetition.
    #[target_feature(enable = "sse2")]
    fn byte(
        &mut self,
        coder: &mut impl Coder,
        place: &Place,
        before: u64,
        known: u8,
    ) -> Option<u8> {
        let contexts = contexts(place, before);
        let kind = usize::from(place.kind).wrapping_mul(2);
        let high = self.half(coder, contexts, kind, usize::from(known.wrapping_shr(4)))?;
        let low = u64::try_from(high).ok()?.wrapping_add(1).wrapping_mul(LOW);
        let contexts = contexts.map(|c| c.wrapping_add(low));
        let low = self.half(
            coder,
            contexts,
            kind.wrapping_add(1),
            usize::from(known & 15),
        )?;
        u8::try_from(high.wrapping_shl(4) | low).ok()
    }

    #[target_feature(enable = "sse2")]
    fn half(
        &mut self,
        coder: &mut impl Coder,
        contexts: [u64; 2],
        kind: usize,
        known: usize,
    ) -> Option<usize> {
        let [first, second] = contexts;
        let (first, second) = (self.set(first)?, self.set(second)?);
        let (a, b) = (*self.sets.get(first)?, *self.sets.get(second)?);
        let (level_a, level_b) = (a.level(), b.level());
        let level = kind
            .wrapping_mul(64)
            .wrapping_add(usize::try_from(level_a.wrapping_mul(8).wrapping_add(level_b)).ok()?);
        let share = self.shares.get_mut(level)?;
        let now = share.wrapping_add(1 << 14);
        let mixed = a.mixed(&b, now);
        let value = match coder.number() {
            Some(number) => mixed.find(number),
            None => known,
        };
        coder.take(mixed.range(value));
        // Whoever would have known better has more to say the next time.
        let (better, other) = mixed.better(value);
        let goal = if better { i16::MAX } else { 0 };
        let way = goal.wrapping_sub(now).wrapping_shr(4);
        *share = share.wrapping_add(way.wrapping_mul(i16::from(other)));
        self.sets.get_mut(first)?.learn(value, level_a);
        self.sets.get_mut(second)?.learn(value, level_b);
        Some(value)
    }

    /// Where the odds of a context are: one of two places; the one that has seen less gives way.
    #[target_feature(enable = "sse2")]
    fn set(&mut self, context: u64) -> Option<usize> {
        let hash = hash(context, SETS_BITS + 8);
        let tag = u16::try_from(hash & 255).ok()?;
        let first = hash.wrapping_shr(8);
        let second = first ^ 1;
        // No branch decides between the two, for none would be foreseen.
        let there = first ^ usize::from(self.sets.get(second)?.has(tag));
        if self.sets.get(there)?.has(tag) {
            return Some(there);
        }
        let (a, b) = (self.sets.get(first)?, self.sets.get(second)?);
        let worse = if b.count() < a.count() { second } else { first };
        *self.sets.get_mut(worse)? = Odds::even(tag);
        Some(worse)
    }
}

/// What was there before, and seems to come again.
#[derive(Clone, Copy, Debug, Default)]
struct Repetition {
    /// Where; zero if there is none.
    from: usize,
    /// For how long it has gone on, up to [`LONG`].
    len: usize,
    /// How many have ended since one went on, up to three.
    ended: usize,
}

/// What a byte is looked at by, for each kind of byte: parts of [`Place::around`]. The first are met
/// often and soon known, the second say more. Found by trying out which parts, more or fewer, make
/// the runtime smaller.
static PARTS: [[u64; 2]; kind::COUNT] = [
    [0x0000_0000_007f_0000, 0x0060_03ff_00fd_0080],
    [0x00f0_0000_00ff_0000, 0x00e0_03fd_00fa_000a],
    [0x0000_0000_00ff_0000, 0x0000_03ff_00ff_0000],
    [0x00f0_01de_00f7_0010, 0x000f_7f16_bf04_00bb],
    [0x0000_0004_07bb_3400, 0x0000_0000_c302_0040],
    [0x0000_03f9_000a_0040, 0x0080_03eb_f888_0000],
    [0x0000_0000_4201_0004, 0x0080_03fd_009a_8080],
    [0x0000_0000_0000_0000, 0x00fa_fffb_c000_00e2],
    [0x00e0_0144_8088_0100, 0x0000_0000_c000_0000],
    [0x0000_0000_4000_c080, 0x0000_0000_c000_80f0],
    [0x0000_0000_c000_0000, 0x0000_0000_4000_00c0],
    [0x0000_0000_0000_80e0, 0x0000_0000_0000_00e7],
    [0x0000_0000_0100_0000, 0x0000_0000_0100_0004],
    [0x0000_0004_0000_07a9, 0x0000_0002_0400_007f],
    [0x00f0_03ff_d7ff_00b7, 0x0000_0000_0708_80ff],
    [0x0000_0000_0000_fc00, 0x0000_0044_07f8_f7ff],
    [0x0000_0000_0000_0000, 0x00f0_03fd_0000_00bd],
    [0x00f0_0000_0000_7000, 0x0000_03f8_0000_f97b],
    [0x0000_0000_0000_332f, 0x000f_ffff_c700_2fff],
    [0x0000_0000_0000_efff, 0x00f0_03fd_0000_f7ff],
    [0x0000_0000_0000_0000, 0x0000_00fa_00f8_0081],
    [0x0000_0002_0000_00a4, 0x0000_0080_0000_80fa],
    [0x0080_0000_0022_0883, 0x0000_0000_0002_80f0],
    [0x0000_0000_0026_1006, 0x0000_0040_0000_00e0],
    [0x0000_0060_7000_80f0, 0x0000_0000_0000_ffff],
];

/// Odd numbers without a pattern, which keep apart the contexts of different kinds and halves.
const KIND: u64 = 0xd134_2543_de82_ef95;
const LOW: u64 = 0x9fb2_1c65_1e98_df25;

/// One for each of the two parts.
fn contexts(place: &Place, before: u64) -> [u64; 2] {
    let kind = usize::from(place.kind);
    let around = place.around(before);
    let mark = u64::from(place.kind).wrapping_mul(2).wrapping_add(1);
    let [first, second] = PARTS.get(kind).copied().unwrap_or_default();
    let first = (around & first).wrapping_add(mark.wrapping_mul(KIND));
    let second = (around & second).wrapping_add(mark.wrapping_add(1).wrapping_mul(KIND));
    [first, second]
}

/// Multiplies by 2^64 over the golden ratio (Knuth, The Art of Computer Programming, 6.4).
fn hash(value: u64, bits: u32) -> usize {
    let product = value.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    usize::try_from(product.wrapping_shr(64u32.wrapping_sub(bits))).unwrap_or(0)
}

/// How many bytes before two places are alike, as far as it matters.
fn alike(bytes: &[u8], a: usize, b: usize) -> usize {
    let (a, b) = (bytes.get(..a).unwrap_or(&[]), bytes.get(..b).unwrap_or(&[]));
    let both = a.iter().rev().zip(b.iter().rev());
    both.take(LONG).take_while(|(a, b)| a == b).count()
}
