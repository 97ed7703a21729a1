//! The guard against artificially inflated traffic: too many messages of an account to one stretch of numbers, and numbers that
//! follow each other.
//!
//! Tables of a fixed size, whatever comes: what finds no room pushes out what matters least, so that a flood of numbers makes
//! the guard forgetful and never large. Holds hashes of numbers under a seed, never digits. Says what it sees; what follows
//! is the caller's.

use std::time::Duration;

use crate::clock::Mono;

/// What is too much for an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuardRules {
    /// First digits of a number that make a stretch of numbers.
    pub prefix_digits: u8,
    /// Messages to one such stretch; `None` for no limit.
    pub prefix_limit: Option<u32>,
    /// In which time.
    pub window: Duration,
    /// Numbers in sequence, in any order, within that time; `None` for any.
    pub sequence: Option<u8>,
    /// What follows.
    pub action: GuardAction,
}

/// What follows when the guard sees something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GuardAction {
    /// It is counted and told.
    #[default]
    Warn,
    /// The message is refused, too.
    Refuse,
}

/// What the guard sees in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inflation {
    /// Too many messages to numbers that begin alike.
    Prefix,
    /// One of many numbers that follow each other.
    Sequence,
}

impl Inflation {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Prefix, Self::Sequence];

    /// Its label in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Prefix => "prefix",
            Self::Sequence => "sequence",
        }
    }
}

/// Entries that a key may be in.
const WAYS: usize = 8;
/// Groups of entries; a power of two.
const GROUPS: usize = 4096;
/// Numbers in one block, a bit each.
const BLOCK: u64 = 64;

/// One stretch of numbers of one account, and when what was sent to it is paid off at the limit's pace.
#[derive(Clone, Copy, Debug, Default)]
struct Level {
    key: u64,
    paid_at: u64,
}

/// The numbers of one block that one account sent to.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    key: u64,
    numbers: u64,
    last: u64,
}

/// What was sent lately. A megabyte and a half, made when the first message of a guarded account comes.
#[derive(Clone, Debug)]
pub struct Guard {
    seed: u64,
    levels: Vec<Level>,
    blocks: Vec<Seen>,
}

impl Guard {
    /// Nothing was sent. `seed` keeps clients from choosing numbers that push each other out.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, levels: Vec::new(), blocks: Vec::new() }
    }

    /// Counts a message of an account to a number and tells what is wrong with it. A message that is refused for it counts
    /// too: whoever goes on trying stays refused.
    pub fn see(&mut self, rules: &GuardRules, account: u16, digits: &[u8], now: Mono) -> Option<Inflation> {
        let window_us = u64::try_from(rules.window.as_micros()).unwrap_or(u64::MAX).max(1);
        let prefix =
            rules.prefix_limit.is_some_and(|limit| self.is_over(rules, limit, window_us, account, digits, now));
        let sequence = rules.sequence.is_some_and(|most| self.run(window_us, account, digits, now) >= u32::from(most));
        if sequence { Some(Inflation::Sequence) } else { prefix.then_some(Inflation::Prefix) }
    }

    /// Whether the stretch of this number has had its limit: a bucket that holds `limit` and empties in the window.
    fn is_over(
        &mut self,
        rules: &GuardRules,
        limit: u32,
        window_us: u64,
        account: u16,
        digits: &[u8],
        now: Mono,
    ) -> bool {
        self.levels.resize(GROUPS * WAYS, Level::default());
        let stretch = digits.get(..usize::from(rules.prefix_digits)).unwrap_or(digits);
        let (key, group) = self.hash(account, value(stretch), stretch.len() as u64);
        let ways = &mut self.levels[group..group + WAYS];
        // The one that is paid off first tells least.
        let place = ways.iter().position(|level| level.key == key).unwrap_or_else(|| {
            let place = (0..WAYS).min_by_key(|place| ways[*place].paid_at).unwrap_or_default();
            ways[place] = Level { key, paid_at: 0 };
            place
        });
        let level = &mut ways[place];
        let interval = (window_us / u64::from(limit.max(1))).max(1);
        let paid_at = level.paid_at.max(now.0).saturating_add(interval);
        let full = now.0.saturating_add(window_us).saturating_add(interval / 2);
        // It does not grow beyond, so that the account is heard again one interval after it stopped.
        level.paid_at = paid_at.min(full.saturating_add(interval));
        paid_at > full
    }

    /// How many numbers around this one, without a gap, the account sent to within the window.
    fn run(&mut self, window_us: u64, account: u16, digits: &[u8], now: Mono) -> u32 {
        self.blocks.resize(GROUPS * WAYS, Seen::default());
        let number = value(digits);
        let (block, bit) = (number / BLOCK, (number % BLOCK) as u32);
        let length = digits.len() as u64;
        let numbers = self.mark(window_us, account, block, bit, length, now);
        let up = (!(numbers >> bit)).trailing_zeros().min(64 - bit);
        let down = (!(numbers << (63 - bit))).leading_zeros().min(bit + 1) - 1;
        let above =
            if bit + up == 64 { (!self.seen(window_us, account, block + 1, length, now)).trailing_zeros() } else { 0 };
        let below = if down == bit && block > 0 {
            (!self.seen(window_us, account, block - 1, length, now)).leading_zeros()
        } else {
            0
        };
        up + down + above + below
    }

    /// Marks a number of a block; all marked ones.
    fn mark(&mut self, window_us: u64, account: u16, block: u64, bit: u32, length: u64, now: Mono) -> u64 {
        let (key, group) = self.hash(account, block, 32 + length);
        let ways = &mut self.blocks[group..group + WAYS];
        let place = ways.iter().position(|seen| seen.key == key).unwrap_or_else(|| {
            let stale =
                |seen: &Seen| (now.0.saturating_sub(seen.last) < window_us, seen.numbers.count_ones(), seen.last);
            let place = (0..WAYS).min_by_key(|place| stale(&ways[*place])).unwrap_or_default();
            ways[place] = Seen { key, numbers: 0, last: now.0 };
            place
        });
        let seen = &mut ways[place];
        if now.0.saturating_sub(seen.last) >= window_us {
            seen.numbers = 0;
        }
        seen.numbers |= 1 << bit;
        seen.last = now.0;
        seen.numbers
    }

    /// The marked numbers of a block.
    fn seen(&self, window_us: u64, account: u16, block: u64, length: u64, now: Mono) -> u64 {
        let (key, group) = self.hash(account, block, 32 + length);
        let fresh = |seen: &&Seen| seen.key == key && now.0.saturating_sub(seen.last) < window_us;
        self.blocks[group..group + WAYS].iter().find(fresh).map_or(0, |seen| seen.numbers)
    }

    /// Key, never 0, and first entry of its group.
    fn hash(&self, account: u16, value: u64, kind: u64) -> (u64, usize) {
        let mut key = self.seed ^ value.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (u64::from(account) << 8 | kind);
        for _ in 0..2 {
            key = (key ^ key >> 32).wrapping_mul(0xD6E8_FEB8_6659_FD93);
        }
        key ^= key >> 32;
        (key | 1, (key >> 20) as usize % GROUPS * WAYS)
    }
}

/// The number that digits write; at most 15 of them fit.
fn value(digits: &[u8]) -> u64 {
    digits.iter().fold(0, |value, digit| value.wrapping_mul(10).wrapping_add(u64::from(digit.wrapping_sub(b'0'))))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const S: u64 = 1_000_000;

    fn rules() -> GuardRules {
        GuardRules {
            prefix_digits: 7,
            prefix_limit: Some(10),
            window: Duration::from_secs(600),
            sequence: None,
            action: GuardAction::Warn,
        }
    }

    fn see(guard: &mut Guard, rules: &GuardRules, number: u64, at: u64) -> Option<Inflation> {
        guard.see(rules, 3, number.to_string().as_bytes(), Mono(at))
    }

    #[test]
    fn a_stretch_of_numbers_has_its_limit_and_others_have_theirs() {
        let (rules, mut guard) = (rules(), Guard::new(7));
        let over: Vec<bool> =
            (0..12).map(|at| see(&mut guard, &rules, 4_791_234_567 + at * 7, at * S).is_some()).collect();
        assert_eq!(over, [[false; 10].as_slice(), &[true; 2]].concat());
        assert_eq!(see(&mut guard, &rules, 4_791_235_567, 12 * S), None, "another stretch");
        assert_eq!(guard.see(&rules, 4, b"4791234567", Mono(12 * S)), None, "another account");
        assert_eq!(see(&mut guard, &rules, 4_791_234_568, 13 * S), Some(Inflation::Prefix));
        assert_eq!(see(&mut guard, &rules, 4_791_234_568, 13 * S + 121 * S), None, "a tenth of the window per message");
        assert_eq!(see(&mut guard, &rules, 4_791_234_568, 13 * S + 122 * S), Some(Inflation::Prefix));
    }

    #[test]
    fn what_keeps_to_the_limit_is_never_over() {
        let (rules, mut guard) = (rules(), Guard::new(7));
        for message in 0..1000 {
            assert_eq!(see(&mut guard, &rules, 4_791_234_567, message * 60 * S), None, "{message}");
        }
    }

    #[test]
    fn numbers_in_sequence_are_seen_in_any_order_and_across_blocks() {
        let rules = GuardRules { prefix_limit: None, sequence: Some(20), ..rules() };
        // 4791234560 is a multiple of 64.
        for first in [4_791_234_560, 4_791_234_560 - 10, 4_791_234_560 - 1] {
            for step in [1, 7, 19] {
                let mut guard = Guard::new(9);
                let seen: Vec<bool> =
                    (0..20).map(|at| see(&mut guard, &rules, first + at * step % 20, at).is_some()).collect();
                assert_eq!(seen, [[false; 19].as_slice(), &[true]].concat(), "from {first} by {step}");
            }
        }
        let mut guard = Guard::new(9);
        assert!(
            (0..500).all(|at| see(&mut guard, &rules, 4_791_234_560 + 2 * at, at).is_none()),
            "every second number"
        );
        assert!((0..30).all(|at| see(&mut guard, &rules, 4_791_000_000, at).is_none()), "one number again and again");
        let mut guard = Guard::new(9);
        assert!((0..100).all(|at| see(&mut guard, &rules, 4_791_234_560 + at, at * 601 * S).is_none()), "one a window");
    }

    #[test]
    fn a_flood_of_numbers_does_not_hide_what_is_pumped() {
        let rules = GuardRules { sequence: Some(20), ..rules() };
        let (mut guard, mut pumped, mut flooded) = (Guard::new(11), 0, 0);
        for message in 0..200_000_u64 {
            let stray = 33_000_000_000 + message * 1_000_003 % 999_999_937;
            flooded += u32::from(see(&mut guard, &rules, stray, message * 1000).is_some());
            if message % 100 == 0 {
                let inflated = see(&mut guard, &rules, 4_791_000_000 + message / 100 % 10_000, message * 1000);
                pumped += u32::from(inflated.is_some());
            }
        }
        assert!(pumped > 1900, "{pumped} of 2000");
        assert!(flooded < 2000, "{flooded} of 200,000");
        assert_eq!((guard.levels.len(), guard.blocks.len()), (GROUPS * WAYS, GROUPS * WAYS), "as large as ever");
    }

    #[test]
    fn what_is_not_guarded_costs_no_memory() {
        let rules = GuardRules { prefix_limit: None, sequence: None, ..rules() };
        let mut guard = Guard::new(1);
        assert_eq!(see(&mut guard, &rules, 4_791_234_567, 0), None);
        assert!(guard.levels.is_empty() && guard.blocks.is_empty());
    }

    proptest! {
        /// Beside few other numbers the run is what a set of the numbers says, as long as it is within two blocks.
        #[test]
        fn runs_are_counted_exactly(numbers in prop::collection::vec(0..100_u64, 1..80), base in 0..1000_u64) {
            let mut guard = Guard::new(5);
            let mut known = std::collections::BTreeSet::new();
            // Blocks 10 to 12; the middle one is never crossed whole.
            let base = 4_791_234_560 + 64 * base;
            for number in numbers {
                let number = if number < 50 { base + number } else { base + number + 14 };
                known.insert(number);
                let up = (number..).take_while(|other| known.contains(other)).count();
                let down = (0..number).rev().take_while(|other| known.contains(other)).count();
                let run = guard.run(600 * S, 1, number.to_string().as_bytes(), Mono(1));
                prop_assert_eq!(run as usize, up + down);
            }
        }

        #[test]
        fn nothing_panics(digits in prop::collection::vec(any::<u8>(), 0..24), limit in any::<u32>(), most in any::<u8>(), prefix in any::<u8>(), now in any::<u64>()) {
            let rules = GuardRules { prefix_digits: prefix, prefix_limit: Some(limit), window: Duration::MAX, sequence: Some(most), action: GuardAction::Refuse };
            let _seen = Guard::new(now).see(&rules, 1, &digits, Mono(now));
        }
    }
}
