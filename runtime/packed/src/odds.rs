//! How likely each value of half a byte is, learned while going along.

/// Odds are out of so many: `1 << BITS`.
pub(crate) const BITS: u32 = 15;
pub(crate) const ALL: u32 = 1 << BITS;
/// Least odds of a value, in half bytes and in flags.
const LEAST: i16 = 4;
const LEAST_FLAG: u16 = 32;

/// Odds of the values 0 to 15: lane `n` has those of all values below `n` together. The first would
/// be zero and has a note instead, which is negative: a tag, and below it how many values were
/// seen. All lanes are treated alike, so that the compiler does eight at once.
#[derive(Clone, Copy, Debug)]
#[repr(align(32))]
pub(crate) struct Odds([i16; 16]);

/// Longest count in a note, and how far its tag is above.
const MOST: u16 = 127;
const TAG: u32 = 7;
/// Slowest learning: a value counts for so many bits less than all before it.
const SLOWEST: u32 = 7;

/// The number of a lane times `step`, and for the first one `first`.
const fn lanes(first: i16, step: i16) -> [i16; 16] {
    let mut all = [first; 16];
    let mut sum = step;
    let [_, rest @ ..] = &mut all;
    let mut rest: &mut [i16] = rest;
    while let Some((lane, others)) = rest.split_first_mut() {
        *lane = sum;
        sum = sum.wrapping_add(step);
        rest = others;
    }
    all
}

static NUMBERS: [i16; 16] = lanes(0, 1);
/// Each value has its least odds.
static FLOOR: [i16; 16] = lanes(0, LEAST);
/// What is left then.
const REST: i16 = i16::MAX
    .wrapping_sub(LEAST.wrapping_mul(16))
    .wrapping_add(1);
/// All but the note.
static NO_NOTE: [i16; 16] = {
    let mut all = [-1; 16];
    let [note, ..] = &mut all;
    *note = 0;
    all
};
/// What is added to a note that has counted enough, or not.
static MORE: [[i16; 16]; 2] = [lanes(0, 0), lanes(1, 0)];

impl Odds {
    /// Nobody's.
    pub(crate) const UNUSED: Self = Self([0; 16]);

    /// Any value is as likely; the tag has eight bits.
    pub(crate) fn even(tag: u16) -> Self {
        let mut odds = const { Self(lanes(0, 2048)) };
        let [first, ..] = &mut odds.0;
        *first = (0x8000 | tag.wrapping_shl(TAG)).cast_signed();
        odds
    }

    fn note(&self) -> u16 {
        let [note, ..] = self.0;
        note.cast_unsigned()
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
        self.count().wrapping_add(1).checked_ilog2().unwrap_or(0)
    }

    /// Takes note of a value: the less was seen before the more it counts.
    #[inline(always)]
    pub(crate) fn learn(&mut self, value: usize) {
        let rate = self.level().wrapping_add(1).min(SLOWEST);
        let more = usize::from(self.count() < MOST);
        let value = i16::try_from(value).unwrap_or(0);
        let more = MORE.get(more).unwrap_or(&NO_NOTE);
        let constants = NUMBERS.iter().zip(FLOOR).zip(NO_NOTE).zip(more);
        for (lane, (((number, floor), all), more)) in self.0.iter_mut().zip(constants) {
            let goal = floor.wrapping_add(if *number > value { REST } else { 0 });
            let way = goal.wrapping_sub(*lane).wrapping_shr(rate) & all;
            *lane = lane.wrapping_add(way).wrapping_add(*more);
        }
    }

    /// These and others, which have `share` in 32768 of the say.
    #[inline(always)]
    pub(crate) fn mixed(&self, other: &Self, share: i16) -> Self {
        let mut mixed = *self;
        for ((lane, other), all) in mixed.0.iter_mut().zip(other.0).zip(NO_NOTE) {
            let way = i32::from(other.wrapping_sub(*lane)).wrapping_mul(i32::from(share));
            let half = i16::try_from(way.wrapping_shr(16)).unwrap_or(0) & all;
            *lane = lane.wrapping_add(half).wrapping_add(half);
        }
        mixed
    }

    /// The value to which a number below [`ALL`] belongs.
    #[inline(always)]
    pub(crate) fn find(&self, number: u16) -> usize {
        let number = number.cast_signed();
        let mut values = 0u16;
        for lane in self.0 {
            values = values.wrapping_add(u16::from(lane <= number));
        }
        usize::from(values).wrapping_sub(1) & 15
    }

    /// From where to where the numbers of a value go.
    #[inline(always)]
    pub(crate) fn range(&self, value: usize) -> (u32, u32) {
        let lane = |n: usize| {
            self.0
                .get(n)
                .map_or(ALL, |lane| u32::from(lane.cast_unsigned()))
        };
        let from = if value == 0 { 0 } else { lane(value) };
        (from, lane(value.wrapping_add(1)))
    }

    /// Odds of one value.
    #[inline(always)]
    pub(crate) fn of(&self, value: usize) -> u32 {
        let (from, to) = self.range(value);
        to.wrapping_sub(from)
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

    pub(crate) fn odds(&self) -> u16 {
        self.odds.cast_unsigned().wrapping_add(1 << (BITS - 1))
    }

    pub(crate) fn learn(&mut self, so: bool) {
        let odds = self.odds();
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
