//! How likely each value of half a byte is, learned while going along.

use core::arch::x86_64::{
    __m128i, _mm_add_epi16, _mm_adds_epi16, _mm_and_si128, _mm_cmpgt_epi16, _mm_cvtsi32_si128,
    _mm_cvtsi128_si64, _mm_insert_epi16, _mm_movemask_epi8, _mm_mulhi_epi16, _mm_mullo_epi16,
    _mm_packs_epi16, _mm_set_epi16, _mm_set_epi64x, _mm_set1_epi16, _mm_sra_epi16, _mm_sub_epi16,
    _mm_unpackhi_epi64,
};

/// Odds are out of so many: `1 << BITS`.
pub(crate) const BITS: u32 = 15;
pub(crate) const ALL: u32 = 1 << BITS;
/// Least odds of a value, in half bytes and in flags.
const LEAST: i16 = 4;
const LEAST_FLAG: u16 = 32;

/// Odds of the values 0 to 15: lane `n` has those of all values below `n` together. The first would
/// be zero and has a note instead, which is negative: a tag, and below it how many values were seen.
#[derive(Clone, Copy, Debug)]
#[repr(align(32))]
pub(crate) struct Odds([u64; 4]);

/// Longest count in a note, and how far its tag is above.
const MOST: u16 = 127;
const TAG: u32 = 7;
/// Slowest learning: a value counts for so many bits less than all before it.
const SLOWEST: u32 = 5;

#[target_feature(enable = "sse2")]
fn words(lanes: __m128i) -> [u64; 2] {
    let word = |lanes| _mm_cvtsi128_si64(lanes).cast_unsigned();
    [word(lanes), word(_mm_unpackhi_epi64(lanes, lanes))]
}

/// The lanes' numbers times `step`.
#[target_feature(enable = "sse2")]
fn numbers(step: i16) -> [__m128i; 2] {
    let low = _mm_mullo_epi16(_mm_set_epi16(7, 6, 5, 4, 3, 2, 1, 0), _mm_set1_epi16(step));
    [
        low,
        _mm_add_epi16(low, _mm_set1_epi16(step.wrapping_mul(8))),
    ]
}

impl Odds {
    /// Nobody's.
    pub(crate) const UNUSED: Self = Self([0; 4]);

    #[target_feature(enable = "sse2")]
    fn new([low, high]: [__m128i; 2]) -> Self {
        let ([a, b], [c, d]) = (words(low), words(high));
        Self([a, b, c, d])
    }

    #[target_feature(enable = "sse2")]
    fn lanes(&self) -> [__m128i; 2] {
        let [a, b, c, d] = self.0.map(u64::cast_signed);
        [_mm_set_epi64x(b, a), _mm_set_epi64x(d, c)]
    }

    /// Any value is as likely; the tag has eight bits.
    #[target_feature(enable = "sse2")]
    pub(crate) fn even(tag: u16) -> Self {
        let [low, high] = numbers(2048);
        let note = 0x8000 | tag.wrapping_shl(TAG);
        Self::new([_mm_insert_epi16::<0>(low, i32::from(note)), high])
    }

    fn note(&self) -> u16 {
        let [first, ..] = self.0;
        u16::try_from(first & 0xffff).unwrap_or(0)
    }

    /// Whether these are what was begun with that tag.
    pub(crate) fn has(&self, tag: u16) -> bool {
        self.note().wrapping_shr(TAG) == 0x100 | tag
    }

    /// How many values were seen.
    pub(crate) fn count(&self) -> u16 {
        self.note() & MOST
    }

    /// The same roughly, 0 to 7.
    pub(crate) fn level(&self) -> u32 {
        u32::from(self.count())
            .wrapping_add(1)
            .checked_ilog2()
            .unwrap_or(0)
    }

    /// Takes note of a value: the less was seen before the more it counts.
    #[target_feature(enable = "sse2")]
    pub(crate) fn learn(&mut self, value: usize, level: u32) {
        let rate = level.wrapping_add(1).min(SLOWEST);
        let rate = _mm_cvtsi32_si128(rate.cast_signed());
        let more = _mm_cvtsi32_si128(i32::from(self.count() < MOST));
        let value = _mm_set1_epi16(i16::try_from(value).unwrap_or(0));
        // What is left when each value has its least.
        let rest = _mm_set1_epi16(LEAST.wrapping_mul(-16).wrapping_add(i16::MIN));
        let [number_low, number_high] = numbers(1);
        let [floor_low, floor_high] = numbers(LEAST);
        let way = |lanes, number, floor| {
            let goal = _mm_add_epi16(floor, _mm_and_si128(_mm_cmpgt_epi16(number, value), rest));
            _mm_sra_epi16(_mm_sub_epi16(goal, lanes), rate)
        };
        let [low, high] = self.lanes();
        let no_note = _mm_set_epi16(-1, -1, -1, -1, -1, -1, -1, 0);
        let way_low = _mm_and_si128(way(low, number_low, floor_low), no_note);
        let way_high = way(high, number_high, floor_high);
        let low = _mm_add_epi16(_mm_add_epi16(low, way_low), more);
        *self = Self::new([low, _mm_add_epi16(high, way_high)]);
    }

    /// These and others, which have `share` in 32768 of the say.
    #[target_feature(enable = "sse2")]
    pub(crate) fn mixed(&self, other: &Self, share: i16) -> Mixed {
        let share = _mm_set1_epi16(share);
        let ([low, high], [other_low, other_high]) = (self.lanes(), other.lanes());
        let more_low = _mm_insert_epi16::<0>(_mm_sub_epi16(other_low, low), 0);
        let more_high = _mm_sub_epi16(other_high, high);
        let mix = |lanes, more| {
            let half = _mm_mulhi_epi16(more, share);
            // Saturated it never is; but the compiler would turn a plain sum into a longer way.
            _mm_add_epi16(lanes, _mm_adds_epi16(half, half))
        };
        let lanes = [
            _mm_insert_epi16::<0>(mix(low, more_low), 0),
            mix(high, more_high),
        ];
        Mixed {
            lanes,
            odds: Lanes::new(lanes, ALL),
            more: Lanes::new([more_low, more_high], 0),
        }
    }
}

/// Two odds as one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mixed {
    lanes: [__m128i; 2],
    odds: Lanes,
    /// What the other odds have more, value by value.
    more: Lanes,
}

impl Mixed {
    /// The value to which a number below [`ALL`] belongs.
    #[target_feature(enable = "sse2")]
    pub(crate) fn find(&self, number: u32) -> usize {
        let number = _mm_set1_epi16(i16::try_from(number).unwrap_or(0));
        let [low, high] = self.lanes;
        let above = _mm_packs_epi16(_mm_cmpgt_epi16(low, number), _mm_cmpgt_epi16(high, number));
        let mask = _mm_movemask_epi8(above) | 0x1_0000;
        usize::try_from(mask.trailing_zeros())
            .unwrap_or(0)
            .wrapping_sub(1)
    }

    /// From where to where the numbers of a value go.
    pub(crate) fn range(&self, value: usize) -> (u32, u32) {
        (self.odds.get(value), self.odds.get(value.wrapping_add(1)))
    }

    /// Whether the second odds had more for a value than the first, and whether they had not the same.
    pub(crate) fn better(&self, value: usize) -> (bool, bool) {
        let more = |n| u16::try_from(self.more.get(n)).unwrap_or(0).cast_signed();
        let (from, to) = (more(value), more(value.wrapping_add(1)));
        (to > from, to != from)
    }
}

/// Lanes that can be looked up, and one behind the last.
#[derive(Clone, Copy, Debug)]
struct Lanes([u64; 5]);

impl Lanes {
    #[target_feature(enable = "sse2")]
    fn new([low, high]: [__m128i; 2], last: u32) -> Self {
        let ([a, b], [c, d]) = (words(low), words(high));
        Self([a, b, c, d, u64::from(last)])
    }

    fn get(&self, n: usize) -> u32 {
        let word = self.0.get(n.wrapping_shr(2)).copied().unwrap_or(0);
        let shift = u32::try_from(n & 3).unwrap_or(0).wrapping_mul(16);
        u32::try_from(word.wrapping_shr(shift) & 0xffff).unwrap_or(0)
    }
}

/// How likely something is that is so or not.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flag {
    /// Less the half of [`ALL`], so that zeros are the beginning.
    odds: i16,
    count: u16,
}

impl Flag {
    pub(crate) const NEW: Self = Self { odds: 0, count: 0 };

    pub(crate) fn odds(&self) -> u32 {
        u32::from(self.now())
    }

    fn now(&self) -> u16 {
        self.odds.cast_unsigned().wrapping_add(1 << (BITS - 1))
    }

    pub(crate) fn learn(&mut self, so: bool) {
        let odds = self.now();
        self.count = self.count.wrapping_add(1).min(MOST);
        let rate = self
            .count
            .checked_ilog2()
            .unwrap_or(0)
            .wrapping_add(2)
            .min(5);
        let odds = if so {
            let most = (1u16 << BITS).wrapping_sub(LEAST_FLAG);
            odds.wrapping_add(most.wrapping_sub(odds).wrapping_shr(rate))
        } else {
            odds.wrapping_sub(odds.wrapping_sub(LEAST_FLAG).wrapping_shr(rate))
        };
        self.odds = odds.wrapping_sub(1 << (BITS - 1)).cast_signed();
    }
}
