//! Rates hold in every window, whatever the order of offers, counts and stalls; and a refusal names the right time.

use proptest::prelude::*;
use smppgate::clock::Mono;
use smppgate::policy::{Cell, Pace, Rate, Verdict};

/// One offer: how long after the one before, and how many units.
fn offers(count_max: u32) -> impl Strategy<Value = Vec<(u64, u32)>> {
    let gap_us = prop_oneof![Just(0), 1..50_u64, 1..2_000_000_u64];
    prop::collection::vec((gap_us, 1..=count_max), 1..200)
}

fn rates() -> impl Strategy<Value = Rate> {
    let per_second = prop_oneof![1..20_u32, 1..5_000_u32, 1..2_000_000_u32];
    (per_second, prop::option::of(1..100_u32)).prop_map(|(per_second, burst)| {
        let rate = Rate::per_second(per_second);
        burst.map_or(rate, |burst| rate.with_burst(burst))
    })
}

/// The first window in which more than rate · t + burst units passed.
fn broken_window(passed: &[(u64, u32)], rate: Rate) -> Option<(u64, u64, u128)> {
    for (index, (start, _)) in passed.iter().enumerate() {
        let mut units = 0_u128;
        for (end, count) in &passed[index..] {
            units += u128::from(*count);
            let allowed_millionths =
                u128::from(rate.limit()) * u128::from(end - start) + u128::from(rate.burst()) * 1_000_000;
            if units * 1_000_000 > allowed_millionths {
                return Some((*start, *end, units));
            }
        }
    }
    None
}

proptest! {
    #[test]
    fn no_window_exceeds_rate_and_burst(rate in rates(), start in 0..1_u64 << 48, offers in offers(1)) {
        let (mut cell, mut now, mut passed) = (Cell::default(), start, Vec::new());
        for (gap, count) in offers {
            now += gap;
            if cell.take(rate, count, Mono(now)) == Verdict::Pass {
                passed.push((now, count));
            }
        }
        prop_assert_eq!(broken_window(&passed, rate), None);
    }

    #[test]
    fn counts_up_to_the_burst_keep_the_bound(burst in 5..50_u32, per_second in 1..3_000_u32, offers in offers(5)) {
        let rate = Rate::per_second(per_second).with_burst(burst);
        let (mut cell, mut now, mut passed) = (Cell::default(), 0, Vec::new());
        for (gap, count) in offers {
            now += gap;
            if cell.take(rate, count, Mono(now)) == Verdict::Pass {
                passed.push((now, count));
            }
        }
        prop_assert_eq!(broken_window(&passed, rate), None);
    }

    #[test]
    fn a_refusal_ends_exactly_when_it_says(rate in rates(), offers in offers(3)) {
        let (mut cell, mut now) = (Cell::default(), 0);
        for (gap, count) in offers {
            now += gap;
            if let Verdict::Wait(at) = cell.take(rate, count, Mono(now)) {
                prop_assert!(at > Mono(now));
                let mut early = cell;
                prop_assert_eq!(early.take(rate, count, Mono(at.0 - 1)), Verdict::Wait(at));
                let mut in_time = cell;
                prop_assert_eq!(in_time.take(rate, count, at), Verdict::Pass);
            }
            let ready = cell.ready_at(rate, Mono(now));
            let mut asked = cell;
            prop_assert_eq!(asked.take(rate, 1, Mono(now)) == Verdict::Pass, ready == Mono(now));
        }
    }

    #[test]
    fn a_steady_client_gets_its_rate(per_second in 1..200_000_u32) {
        let rate = Rate::per_second(per_second).with_burst(1);
        let (mut cell, mut now, mut passed) = (Cell::default(), Mono(0), 0_u32);
        while now < Mono(1_000_000) && passed < 1_000 {
            prop_assert_eq!(cell.take(rate, 1, now), Verdict::Pass);
            passed += 1;
            now = cell.ready_at(rate, now);
        }
        // The time of the next unit is late by less than the microsecond it is rounded up to, and 1 in 80,000.
        let ideal_us = u64::from(passed) * 1_000_000 / u64::from(per_second);
        prop_assert!(now.0 <= ideal_us + 2 * u64::from(passed), "{} units in {} us", passed, now.0);
    }

    #[test]
    fn a_clock_that_goes_back_only_makes_it_stricter(rate in rates(), times in prop::collection::vec(0..5_000_000_u64, 1..100)) {
        let (mut cell, mut passed, mut latest) = (Cell::default(), 0_u64, 0);
        for now in times {
            latest = latest.max(now);
            passed += u64::from(cell.take(rate, 1, Mono(now)) == Verdict::Pass);
        }
        prop_assert!(passed * 1_000_000 <= u64::from(rate.limit()) * latest + u64::from(rate.burst()) * 1_000_000);
    }

    #[test]
    fn a_slowed_carrier_never_sees_more_than_before(
        before in 1..3_000_u64,
        throttles in prop::collection::vec(0..30_000_u64, 1..10),
    ) {
        let mut pace = Pace::default();
        let step_us = 1_000_000 / before;
        let mut in_second = 0_u64;
        for step in 0..30 * before {
            let now = Mono(step * step_us);
            if step % before == 0 {
                in_second = 0;
            }
            if throttles.iter().any(|at_ms| at_ms * 1_000 / step_us == step) {
                pace.on_throttle(now, std::time::Duration::from_secs(1));
                let limit = pace.limit(now);
                prop_assert!(limit.is_some_and(|limit| limit >= 1 && u64::from(limit) <= before));
            }
            match pace.allowed(now) {
                Verdict::Pass => {
                    pace.sent(now);
                    in_second += 1;
                }
                Verdict::Wait(at) => prop_assert!(at > now && at.since_us(now) <= 2_000_000),
            }
            prop_assert!(in_second <= before);
        }
        prop_assert_eq!(pace.limit(Mono(60_000_000)), None);
    }
}
