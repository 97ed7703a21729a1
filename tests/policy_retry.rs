//! Retries end in time for every status, and damping stays bounded and monotonic for every sequence of attempts.

use std::time::Duration;

use proptest::prelude::*;
use smppgate::clock::{Mono, Unix};
use smppgate::pdu::CommandStatus;
use smppgate::policy::retry::{given_up, next, receipt_retry};
use smppgate::policy::{Attempt, Damping, Next, OnUnknown, Outcome, Validity, damping};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn outcomes() -> impl Strategy<Value = Outcome> {
    let named = prop::sample::select(CommandStatus::KNOWN).prop_map(Outcome::Status);
    prop_oneof![named, any::<u32>().prop_map(|status| Outcome::Status(CommandStatus(status))), Just(Outcome::Unknown)]
}

fn on_unknown() -> impl Strategy<Value = OnUnknown> {
    prop_oneof![Just(OnUnknown::Resend), Just(OnUnknown::Fail)]
}

proptest! {
    #[test]
    fn one_carrier_is_tried_for_a_day_at_most(outcome in outcomes(), jitter: u16, on_unknown in on_unknown()) {
        let (mut total, mut attempts) = (Duration::ZERO, 0_u8);
        loop {
            match next(outcome, attempts, jitter, on_unknown) {
                Next::Retry { after, .. } => {
                    prop_assert!(after >= Duration::from_secs(4) && after <= Duration::from_secs(15 * 60));
                    total += after;
                    attempts += 1;
                    prop_assert!(attempts <= 100);
                }
                Next::Throttle { pause } => {
                    prop_assert_eq!(outcome, Outcome::Status(CommandStatus::ESME_RTHROTTLED));
                    prop_assert!(pause > Duration::ZERO);
                    break;
                }
                Next::NextCarrier => {
                    prop_assert!(attempts > 0, "a carrier is not given up without a second try");
                    prop_assert!(given_up(outcome).0.is_final());
                    break;
                }
                Next::Final { state, error } => {
                    prop_assert!(state.is_final());
                    prop_assert_eq!((state, error), given_up(outcome));
                    break;
                }
            }
        }
        prop_assert!(total <= DAY, "{:?}", total);
    }

    #[test]
    fn delays_grow_and_later_attempts_never_turn_back(outcome in outcomes(), on_unknown in on_unknown()) {
        let mut previous = Some(Duration::ZERO);
        for attempts in 0..=u8::MAX {
            let delay = match next(outcome, attempts, 0, on_unknown) {
                Next::Retry { after, .. } => Some(after),
                _ => None,
            };
            match (previous, delay) {
                (Some(previous), Some(delay)) => prop_assert!(delay >= previous),
                (None, Some(_)) => prop_assert!(false, "retried after it was given up"),
                (_, None) => {}
            }
            previous = delay;
        }
    }

    #[test]
    fn no_retry_is_due_after_the_validity(
        outcome in outcomes(),
        jitters in prop::collection::vec(any::<u16>(), 300),
        validity_s in prop::option::of(1..1_000_000_u64),
        schedule_s in prop::option::of(0..600_000_u64),
    ) {
        // The caller's rule: what would be due at or after the expiry ends as expired.
        let now = Unix(1_700_000_000_000);
        let at = |seconds: u64| Unix(now.0 + seconds * 1000);
        let resolved = Validity::default().resolve(schedule_s.map(at), validity_s.map(at), now);
        let Ok((due, expires)) = resolved else { return Ok(()) };
        prop_assert!(due >= now && due < expires);
        prop_assert!(expires <= due.after(3 * DAY) && expires <= now.after(10 * DAY));
        let (mut clock, mut tries) = (due, 0_u8);
        for jitter in jitters {
            prop_assert!(clock < expires);
            match next(outcome, tries, jitter, OnUnknown::Resend) {
                Next::Retry { after, .. } if clock.after(after) < expires => {
                    clock = clock.after(after);
                    tries = tries.saturating_add(1);
                }
                _ => return Ok(()),
            }
        }
        prop_assert!(false, "300 attempts and no end");
    }

    #[test]
    fn receipts_are_offered_again_within_bounds(status: u32, attempts: u8, jitter: u16) {
        if let Some(after) = receipt_retry(CommandStatus(status), attempts, jitter) {
            prop_assert!(after >= Duration::from_secs(4) && after <= Duration::from_secs(5 * 60));
        } else {
            prop_assert!(attempts >= 2);
        }
    }

    #[test]
    fn damping_is_bounded_and_waits_end(
        steps in prop::collection::vec((0..8_u8, 0..4_u64, 0..30_000_000_u64, any::<bool>()), 1..400),
    ) {
        let (mut damping, mut now) = (Damping::default(), Mono(0));
        for (peer, account, gap_us, right) in steps {
            now = Mono(now.0 + gap_us);
            let attempt = Attempt::new([192, 0, 2, peer].into(), account);
            if let Some(wait) = damping.before(attempt, now) {
                prop_assert!(wait <= Duration::from_secs(60));
                prop_assert_eq!(damping.before(attempt, now.after(wait)), None);
            } else if right {
                damping.succeeded(attempt);
                let wait = damping.before(attempt, now);
                prop_assert!(wait.is_none());
            } else {
                damping.failed(attempt, now);
                prop_assert!(damping.before(attempt, now).is_some_and(|wait| wait >= Duration::from_secs(1)));
            }
            prop_assert!(damping.len() <= damping::ENTRIES_MAX);
        }
    }

    #[test]
    fn a_patient_guesser_gets_few_guesses(accounts in 1..50_u64) {
        // One peer guesses as fast as it is let, over some accounts, for ten minutes.
        let (mut damping, mut guesses, mut now) = (Damping::default(), 0_u32, Mono(0));
        while now < Mono(600_000_000) {
            let attempt = Attempt::new([192, 0, 2, 1].into(), u64::from(guesses) % accounts);
            match damping.before(attempt, now) {
                Some(wait) => now = now.after(wait),
                None => {
                    damping.failed(attempt, now);
                    guesses += 1;
                }
            }
        }
        prop_assert!(guesses <= 16 + 4 + 60, "{} guesses in ten minutes", guesses);
    }
}
