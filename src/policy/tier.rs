//! The carriers of a route in tiers: equals stand side by side and share by weight, and a later tier is for when nobody of
//! an earlier one is there.
//!
//! Says in which order one message tries them, as a *position* that fits in an octet and is stored with the message. Does not
//! know which carriers are there: the caller says so. In a list without equals, position n begins at the n-th carrier.

/// Most positions of a route: they are stored in an octet.
const POSITIONS_MAX: usize = 255;

/// A carrier among its equals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its number, in whatever numbering the caller has.
    pub carrier: u16,
    /// Its share among those of its tier that are there; at least 1.
    pub weight: u32,
}

/// The tiers of a route. None is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tiers {
    list: Vec<Vec<Member>>,
}

/// What each tier's members are ahead or behind of their share, from one message to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spread {
    ahead: Vec<Vec<i64>>,
}

/// Where a message stands among its carriers: it tries `count` of the tier's members, from `start` on and round, then the
/// later tiers, each whole and from `later` on and round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stand {
    tier: usize,
    start: usize,
    count: usize,
    later: usize,
}

impl Tiers {
    /// Tiers of these members; empty ones are left out, and a weight of 0 counts as 1.
    #[must_use]
    pub fn new(list: Vec<Vec<Member>>) -> Self {
        let mut list: Vec<_> = list.into_iter().filter(|tier| !tier.is_empty()).collect();
        list.iter_mut().flatten().for_each(|member| member.weight = member.weight.max(1));
        Self { list }
    }

    /// One carrier after the other.
    #[must_use]
    pub fn in_order(carriers: &[u16]) -> Self {
        Self::new(carriers.iter().map(|carrier| vec![Member { carrier: *carrier, weight: 1 }]).collect())
    }

    /// The tiers, the preferred first.
    #[must_use]
    pub fn list(&self) -> &[Vec<Member>] {
        &self.list
    }

    /// All carriers, the preferred first.
    pub fn carriers(&self) -> impl Iterator<Item = u16> + '_ {
        self.list.iter().flatten().map(|member| member.carrier)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether there is a choice between equals.
    #[must_use]
    pub fn has_equals(&self) -> bool {
        self.list.iter().any(|tier| tier.len() > 1)
    }

    /// Whether every position fits in its octet.
    #[must_use]
    pub fn is_countable(&self) -> bool {
        self.positions() <= POSITIONS_MAX
    }

    /// The tiers of those carriers that `number` knows, under the number that it gives them.
    #[must_use]
    pub fn renumbered(&self, number: impl Fn(u16) -> Option<u16>) -> Self {
        let known = |member: &Member| Some(Member { carrier: number(member.carrier)?, ..*member });
        Self::new(self.list.iter().map(|tier| tier.iter().filter_map(known).collect()).collect())
    }

    /// How many positions there are.
    #[must_use]
    pub fn positions(&self) -> usize {
        (0..self.list.len()).map(|tier| self.positions_of(tier)).fold(0, usize::saturating_add)
    }

    /// The carriers that a message at this position tries, in order; none behind the last position.
    #[must_use]
    pub fn chain(&self, position: u8) -> Vec<u16> {
        let Some(stand) = self.stand(position) else { return Vec::new() };
        let round = |tier: usize, start: usize, count: usize| {
            let members = &self.list[tier];
            (0..count).map(move |step| members[(start + step) % members.len()].carrier)
        };
        let own = round(stand.tier, stand.start, stand.count);
        let later = (stand.tier + 1..self.list.len()).flat_map(|tier| round(tier, stand.later, self.list[tier].len()));
        own.chain(later).collect()
    }

    /// Where a message at `position` goes on that `carrier` did not take; `None` where nobody is left. Those of its chain that
    /// stand before the carrier were not there, and are not waited for; of a whole tier they are tried again.
    #[must_use]
    pub fn behind(&self, position: u8, carrier: u16) -> Option<u8> {
        let stand = self.stand(position)?;
        let mut places = (stand.tier..self.list.len()).map(|tier| (tier, self.place(tier, carrier)));
        let (tier, place) = places.find_map(|(tier, place)| Some((tier, place?)))?;
        let members = self.list[tier].len();
        let is_whole = tier > stand.tier || stand.count == members;
        let left = if is_whole {
            members - 1
        } else {
            let tried = (place + members - stand.start) % members + 1;
            stand.count.checked_sub(tried)?
        };
        let next = if left > 0 {
            Stand { tier, start: (place + 1) % members, count: left, ..stand }
        } else {
            let members = self.list.get(tier + 1)?.len();
            Stand { tier: tier + 1, start: stand.later % members, count: members, ..stand }
        };
        Some(self.position(next))
    }

    /// Where a new message begins: its tiers share by weight among those of their members that are there, or among all where
    /// nobody is.
    pub fn begin(&self, spread: &mut Spread, is_there: impl Fn(u16) -> bool) -> u8 {
        spread.ahead.resize_with(self.list.len(), Vec::new);
        let pick = |tier: usize| pick(&self.list[tier], &mut spread.ahead[tier], &is_there);
        self.begin_by(&is_there, pick)
    }

    /// As [`Self::begin`], for what belongs together under one number and begins at one place, while the same are there.
    /// Many such numbers share by weight too.
    #[must_use]
    pub fn begin_at(&self, number: u64, is_there: impl Fn(u16) -> bool) -> u8 {
        self.begin_by(&is_there, |tier| pick_at(&self.list[tier], number, &is_there))
    }

    fn begin_by(&self, is_there: &impl Fn(u16) -> bool, mut pick: impl FnMut(usize) -> usize) -> u8 {
        let Some(first) = self.list.first() else { return 0 };
        let start = if first.len() > 1 { pick(0) } else { 0 };
        let shared = |tier: &usize| self.list[*tier].len() > 1;
        let there = |tier: &usize| self.list[*tier].iter().any(|member| is_there(member.carrier));
        let mut later = (1..self.list.len()).filter(shared);
        let later = later.clone().find(there).or_else(|| later.next()).map_or(0, pick);
        self.position(Stand { tier: 0, start, count: first.len(), later })
    }

    fn place(&self, tier: usize, carrier: u16) -> Option<usize> {
        self.list[tier].iter().position(|member| member.carrier == carrier)
    }

    /// In how many ways the tiers behind this one are gone round.
    fn rounds_behind(&self, tier: usize) -> usize {
        self.list[tier + 1..].iter().map(Vec::len).max().unwrap_or(1)
    }

    fn positions_of(&self, tier: usize) -> usize {
        let members = self.list[tier].len();
        members.saturating_mul(members).saturating_mul(self.rounds_behind(tier))
    }

    /// At most the number of positions, which was checked to fit.
    fn position(&self, stand: Stand) -> u8 {
        let before: usize = (0..stand.tier).map(|tier| self.positions_of(tier)).sum();
        let members = self.list[stand.tier].len();
        let round = stand.later % self.rounds_behind(stand.tier);
        let own = (round * members + members - stand.count) * members + stand.start;
        u8::try_from(before + own).unwrap_or(u8::MAX)
    }

    fn stand(&self, position: u8) -> Option<Stand> {
        let mut rest = usize::from(position);
        for (tier, members) in self.list.iter().enumerate() {
            let own = self.positions_of(tier);
            if rest < own {
                let members = members.len();
                let (later, rest) = (rest / (members * members), rest % (members * members));
                return Some(Stand { tier, start: rest % members, count: members - rest / members, later });
            }
            rest -= own;
        }
        None
    }
}

/// Smooth weighted round robin: who is behind its share most goes next. Deterministic, and even over short stretches too.
fn pick(members: &[Member], ahead: &mut Vec<i64>, is_there: &impl Fn(u16) -> bool) -> usize {
    ahead.resize(members.len(), 0);
    let nobody = !members.iter().any(|member| is_there(member.carrier));
    let (mut total, mut next): (i64, Option<usize>) = (0, None);
    for (place, member) in members.iter().enumerate() {
        if nobody || is_there(member.carrier) {
            total += i64::from(member.weight);
            ahead[place] -= i64::from(member.weight);
            if next.is_none_or(|best| ahead[place] < ahead[best]) {
                next = Some(place);
            }
        }
    }
    let next = next.unwrap_or_default();
    ahead[next] += total;
    next
}

/// The member in whose share the number falls.
fn pick_at(members: &[Member], number: u64, is_there: &impl Fn(u16) -> bool) -> usize {
    let nobody = !members.iter().any(|member| is_there(member.carrier));
    let weight = |member: &Member| if nobody || is_there(member.carrier) { u64::from(member.weight) } else { 0 };
    let total: u64 = members.iter().map(weight).sum();
    let mut rest = number % total.max(1);
    let share = members.iter().position(|member| {
        let own = weight(member);
        let falls = rest < own;
        rest = rest.saturating_sub(own);
        falls
    });
    share.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn tiers(list: &[&[(u16, u32)]]) -> Tiers {
        let member = |own: &(u16, u32)| Member { carrier: own.0, weight: own.1 };
        Tiers::new(list.iter().map(|tier| tier.iter().map(member).collect()).collect())
    }

    #[test]
    fn without_equals_a_position_is_a_place_in_the_list() {
        let list = Tiers::in_order(&[7, 5, 9]);
        assert_eq!((list.positions(), list.has_equals()), (3, false));
        assert_eq!([0, 1, 2, 3].map(|position| list.chain(position)), [vec![7, 5, 9], vec![5, 9], vec![9], vec![]]);
        assert_eq!(
            [(0, 7), (0, 5), (1, 5), (0, 9), (2, 9), (0, 4)].map(|(at, by)| list.behind(at, by)),
            [Some(1), Some(2), Some(2), None, None, None]
        );
        assert_eq!(list.begin(&mut Spread::default(), |_| false), 0);
        assert!(Tiers::in_order(&[0; 255]).is_countable() && !Tiers::in_order(&[0; 256]).is_countable());
    }

    #[test]
    fn equals_are_tried_before_the_next_tier_whoever_was_first() {
        let list = tiers(&[&[(1, 3), (2, 1)], &[(3, 1)]]);
        assert_eq!(list.positions(), 5);
        assert_eq!([list.chain(0), list.chain(1)], [[1, 2, 3], [2, 1, 3]]);
        for (position, by, then) in [(0, 1, &[2, 3][..]), (1, 2, &[1, 3]), (0, 2, &[1, 3]), (1, 1, &[2, 3])] {
            let next = list.behind(position, by).unwrap();
            assert_eq!(list.chain(next), then, "at {position}, {by} refuses");
            let last = list.behind(next, then[0]).unwrap();
            assert_eq!((list.chain(last), list.behind(last, 3)), (vec![3], None));
        }
    }

    #[test]
    fn weights_are_kept_exactly_and_evenly() {
        let list = tiers(&[&[(1, 3), (2, 1)], &[(3, 1)]]);
        let mut spread = Spread::default();
        let firsts: Vec<u16> = (0..8).map(|_| list.chain(list.begin(&mut spread, |_| true))[0]).collect();
        assert_eq!(firsts, [1, 1, 2, 1, 1, 1, 2, 1]);
        let list = tiers(&[&[(1, 5), (2, 3), (3, 2)]]);
        let mut counts = [0; 4];
        let mut spread = Spread::default();
        for _ in 0..1000 {
            counts[usize::from(list.chain(list.begin(&mut spread, |carrier| carrier != 2))[0])] += 1;
        }
        assert_eq!(counts[2], 0);
        assert_eq!((counts[1], counts[3]), (714, 286), "5 to 2");
    }

    #[test]
    fn what_belongs_together_begins_at_one_place() {
        let list = tiers(&[&[(1, 3), (2, 1)], &[(3, 1)]]);
        let first = |number, away: u16| list.chain(list.begin_at(number, |carrier| carrier != away))[0];
        assert_eq!([0, 1, 2, 3, 4].map(|number| first(number, 0)), [1, 1, 1, 2, 1]);
        assert_eq!([0, 1, 2, 3, 4].map(|number| first(number, 1)), [2; 5]);
        assert_eq!(list.chain(list.begin_at(7, |_| false))[0], 2, "nobody is there");
    }

    #[test]
    fn a_later_tier_is_shared_too() {
        let list = tiers(&[&[(0, 1)], &[(1, 1), (2, 1)], &[(3, 1)]]);
        assert_eq!(list.positions(), 2 + 4 + 1);
        let mut spread = Spread::default();
        let chains: Vec<_> = (0..2).map(|_| list.chain(list.begin(&mut spread, |carrier| carrier != 0))).collect();
        assert_eq!(chains, [[0, 1, 2, 3], [0, 2, 1, 3]]);
        let next = list.behind(1, 0).unwrap();
        assert_eq!(list.chain(next), [2, 1, 3]);
        assert_eq!(list.chain(list.behind(1, 2).unwrap()), [1, 3], "the first was not there");
    }

    fn any_tiers() -> impl Strategy<Value = Tiers> {
        prop::collection::vec(prop::collection::vec(1..9_u32, 1..4), 1..4).prop_map(|weights| {
            let mut carrier = 0;
            let mut member = |weight: &u32| {
                carrier += 1;
                Member { carrier, weight: *weight }
            };
            Tiers::new(weights.iter().map(|tier| tier.iter().map(&mut member).collect()).collect())
        })
    }

    proptest! {
        /// From wherever a message begins: it tries each carrier at most once and each tier before the next one, all of them
        /// where all are there, and comes to an end.
        #[test]
        fn a_message_tries_each_carrier_once(list in any_tiers(), there in any::<u16>(), begins in 1..20_usize) {
            prop_assume!(list.is_countable());
            let is_there = |carrier: u16| there >> carrier & 1 == 1;
            let mut spread = Spread::default();
            let mut position = 0;
            for _ in 0..begins {
                position = list.begin(&mut spread, is_there);
            }
            let tier_of = |carrier: u16| {
                list.list().iter().position(|tier| tier.iter().any(|member| member.carrier == carrier)).unwrap()
            };
            let all: BTreeSet<u16> = list.carriers().collect();
            prop_assert_eq!(list.chain(position).into_iter().collect::<BTreeSet<_>>(), all.clone());
            let (mut tried, mut at) = (Vec::new(), Some(position));
            while let Some(position) = at {
                prop_assert!(usize::from(position) < list.positions());
                let chain = list.chain(position);
                prop_assert!(chain.windows(2).all(|pair| tier_of(pair[0]) <= tier_of(pair[1])));
                let Some(next) = chain.into_iter().find(|carrier| is_there(*carrier)) else { break };
                prop_assert!(!tried.contains(&next), "{} twice", next);
                tried.push(next);
                at = list.behind(position, next);
            }
            let reachable: BTreeSet<u16> = all.into_iter().filter(|carrier| is_there(*carrier)).collect();
            prop_assert_eq!(tried.into_iter().collect::<BTreeSet<_>>(), reachable);
        }

        /// Over any stretch each member that is there gets its share, less or more than one message for each of them.
        #[test]
        fn shares_are_kept(weights in prop::collection::vec(1..50_u32, 1..6), messages in 1..500_u32) {
            let members = weights.iter().zip(0..).map(|(weight, carrier)| Member { carrier, weight: *weight }).collect();
            let list = Tiers::new(vec![members]);
            let mut spread = Spread::default();
            let mut counts = vec![0_u32; weights.len()];
            for _ in 0..messages {
                counts[usize::from(list.chain(list.begin(&mut spread, |_| true))[0])] += 1;
            }
            let total: u32 = weights.iter().sum();
            for (count, weight) in counts.iter().zip(&weights) {
                let share = f64::from(messages) * f64::from(*weight) / f64::from(total);
                prop_assert!((f64::from(*count) - share).abs() <= weights.len() as f64, "{} of {}", count, share);
            }
        }
    }
}
