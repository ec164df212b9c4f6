//! Chance that can be repeated.

use std::{ops::Range, time::Duration};

/// `SplitMix64`: a seed gives the same numbers for ever, on every machine.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// For one round: what an earlier round drew does not matter to it.
    pub(crate) fn of_round(seed: u64, round: u64) -> Self {
        let mut random = Self::new(seed ^ round.wrapping_mul(0xD6E8_FEB8_6659_FD93));
        random.next();
        random
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// One of `range`, which must not be empty.
    pub(crate) fn within(&mut self, range: Range<usize>) -> usize {
        range.start + (self.next() % (range.end - range.start) as u64) as usize
    }

    /// True once in `times`.
    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.within(0..times) == 0
    }

    /// One of them. `None` if there is none.
    pub(crate) fn one_of<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        if all.is_empty() { None } else { Some(&all[self.within(0..all.len())]) }
    }

    /// At most `count` of them, each once.
    pub(crate) fn some_of<T: Clone>(&mut self, all: &[T], count: usize) -> Vec<T> {
        let mut left = all.to_vec();
        (0..count.min(all.len())).map(|_| left.swap_remove(self.within(0..left.len()))).collect()
    }

    /// All of them, in any order.
    pub(crate) fn shuffled<T: Clone>(&mut self, all: &[T]) -> Vec<T> {
        self.some_of(all, all.len())
    }

    /// A moment of the next `milliseconds`: half of all are in its first tenth, where most happens.
    pub(crate) fn moment(&mut self, milliseconds: usize) -> Duration {
        let most = if self.once_in(2) { milliseconds } else { milliseconds / 10 };
        Duration::from_micros(self.within(0..most * 1000 + 1) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_itself_and_rounds_differ() {
        let draw = |seed, round| {
            let mut random = Random::of_round(seed, round);
            (0..8).map(|_| random.within(0..1000)).collect::<Vec<_>>()
        };
        assert_eq!(draw(7, 1), draw(7, 1));
        assert_ne!(draw(7, 1), draw(7, 2));
        assert_ne!(draw(7, 1), draw(8, 1));
    }

    #[test]
    fn some_are_different_ones() {
        let mut some = Random::new(1).some_of(&[1, 2, 3, 4, 5], 3);
        some.sort_unstable();
        some.dedup();
        assert_eq!(some.len(), 3);
        assert_eq!(Random::new(1).some_of(&[1, 2], 9).len(), 2);
        assert_eq!(Random::new(1).one_of::<u8>(&[]), None);
    }
}
