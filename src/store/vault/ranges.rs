//! A set of numbers that are mostly consecutive, as ranges.

use std::collections::BTreeMap;

/// Numbers, as ranges that neither touch nor overlap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ranges {
    /// First and last number of each.
    ranges: BTreeMap<u32, u32>,
}

impl Ranges {
    /// Adds all numbers from `first` to `last`; none when `last` is less.
    pub(super) fn add(&mut self, first: u32, last: u32) {
        if first > last {
            return;
        }
        let (mut first, mut last) = (first, last);
        while let Some((&start, &end)) = self.ranges.range(..=last.saturating_add(1)).next_back() {
            if end.saturating_add(1) < first {
                break;
            }
            self.ranges.remove(&start);
            (first, last) = (first.min(start), last.max(end));
        }
        self.ranges.insert(first, last);
    }

    pub(super) fn contains(&self, number: u32) -> bool {
        self.ranges.range(..=number).next_back().is_some_and(|(_, last)| *last >= number)
    }

    /// The greatest number; 0 where there is none.
    pub(super) fn greatest(&self) -> u32 {
        self.ranges.last_key_value().map_or(0, |(_, last)| *last)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        self.ranges.iter().map(|(first, last)| (*first, *last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn ranges_are_the_set_that_was_added(added in proptest::collection::vec((0_u32..60, 0_u32..6), 0..40)) {
            let (mut ranges, mut set) = (Ranges::default(), BTreeSet::new());
            for (first, length) in added {
                ranges.add(first, first + length);
                set.extend(first..=first + length);
            }
            for number in 0..80 {
                prop_assert_eq!(ranges.contains(number), set.contains(&number));
            }
            prop_assert_eq!(ranges.greatest(), set.last().copied().unwrap_or(0));
            let held: Vec<_> = ranges.iter().collect();
            prop_assert!(held.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0), "{:?} touch", held);
        }
    }

    #[test]
    fn the_last_number_there_is_can_be_in_it() {
        let mut ranges = Ranges::default();
        ranges.add(u32::MAX, u32::MAX);
        ranges.add(u32::MAX - 1, u32::MAX - 1);
        ranges.add(5, 4);
        assert_eq!(ranges.iter().collect::<Vec<_>>(), [(u32::MAX - 1, u32::MAX)]);
    }
}
