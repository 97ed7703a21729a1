//! The window against a model that searches a list.

use proptest::prelude::*;
use smppgate::clock::Mono;
use smppgate::session::{SEQUENCE_MAX, Settled, Window};

#[derive(Clone, Debug)]
enum Step {
    Take,
    Number,
    /// Answers the n-th open request.
    Settle(usize),
    /// Answers a number that nobody chose.
    Stray(u32),
    /// Gives up everything older than so much.
    Expire(u64),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Take),
        1 => Just(Step::Number),
        5 => any::<usize>().prop_map(Step::Settle),
        1 => any::<u32>().prop_map(Step::Stray),
        1 => (0..40u64).prop_map(Step::Expire),
        2 => (0..20u64).prop_map(Step::Wait),
    ]
}

fn first() -> impl Strategy<Value = u32> {
    prop_oneof![Just(1), SEQUENCE_MAX - 70..=SEQUENCE_MAX]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_window_is_a_list_by_sequence_number(
        limit in 1..40u32,
        first in first(),
        steps in prop::collection::vec(step(), 0..400),
    ) {
        let mut window: Window<u64> = Window::new(limit, first);
        let mut model: Vec<(u32, Mono, u64)> = Vec::new();
        let (mut now, mut token) = (Mono(100), 0);
        for step in steps {
            match step {
                Step::Take => {
                    token += 1;
                    match window.take(token, now) {
                        Some(sequence) => {
                            prop_assert!((1..=SEQUENCE_MAX).contains(&sequence));
                            prop_assert!(model.iter().all(|open| open.0 != sequence), "{sequence} is open");
                            model.push((sequence, now, token));
                        }
                        None => prop_assert_eq!(model.len(), limit as usize),
                    }
                }
                Step::Number => {
                    let sequence = window.number();
                    prop_assert!((1..=SEQUENCE_MAX).contains(&sequence));
                    prop_assert!(model.iter().all(|open| open.0 != sequence), "{sequence} is open");
                }
                Step::Settle(_) if model.is_empty() => {}
                Step::Settle(index) => {
                    let (sequence, sent, value) = model.remove(index % model.len());
                    prop_assert_eq!(window.settle(sequence), Settled::Open { value, sent });
                    prop_assert_eq!(window.settle(sequence), Settled::Unknown);
                }
                Step::Stray(sequence) if model.iter().all(|open| open.0 != sequence) => {
                    let settled = window.settle(sequence);
                    let open = matches!(settled, Settled::Open { .. });
                    prop_assert!(!open, "{sequence} was never given out, or is answered");
                }
                Step::Stray(_) => {}
                Step::Expire(age) => {
                    let until = Mono(now.0.saturating_sub(age));
                    let mut given_up = Vec::new();
                    while let Some(token) = window.expire(until) {
                        given_up.push(token);
                    }
                    let old: Vec<u64> = model.iter().filter(|open| open.1 <= until).map(|open| open.2).collect();
                    prop_assert_eq!(given_up, old, "oldest first");
                    model.retain(|open| open.1 > until);
                }
                Step::Wait(time) => now = Mono(now.0 + time),
            }
            prop_assert_eq!(window.open() as usize, model.len());
            prop_assert_eq!(window.free(), limit - window.open());
            prop_assert_eq!(window.oldest(), model.first().map(|open| open.1));
            prop_assert_eq!(window.is_empty(), model.is_empty());
        }
    }
}

#[test]
fn the_number_after_the_greatest_is_one() {
    let mut window: Window<u8> = Window::new(4, SEQUENCE_MAX);
    assert_eq!(window.take(1, Mono(0)), Some(SEQUENCE_MAX));
    assert_eq!(window.take(2, Mono(0)), Some(1));
    assert_eq!(window.number(), 2);
}

#[test]
fn a_number_still_open_is_skipped_after_the_wrap() {
    // Number 5 is open and its wait is longer than the whole range of numbers.
    let mut window: Window<u8> = Window::new(4, 5);
    assert_eq!(window.take(1, Mono(0)), Some(5));
    for _ in 0..50 {
        let sequence = window.take(2, Mono(0)).unwrap();
        assert_ne!(sequence % 8, 5, "the slot of 5 is taken, so its number is passed over");
        assert_eq!(window.settle(sequence), Settled::Open { value: 2, sent: Mono(0) });
    }
    assert_eq!(window.settle(5), Settled::Open { value: 1, sent: Mono(0) });
}

#[test]
fn an_answer_after_the_timer_is_known_as_late_once() {
    let mut window: Window<u8> = Window::new(2, 1);
    let sequence = window.take(9, Mono(3)).unwrap();
    assert_eq!(window.expire(Mono(2)), None);
    assert_eq!(window.expire(Mono(3)), Some(9));
    assert_eq!(window.settle(sequence), Settled::Late { sent: Mono(3) });
    assert_eq!(window.settle(sequence), Settled::Unknown);
}

#[test]
fn a_closed_window_numbers_and_takes_nothing() {
    let mut window: Window<u8> = Window::closed();
    assert_eq!((window.number(), window.number()), (1, 2));
    assert_eq!(window.take(1, Mono(0)), None);
    assert_eq!(window.settle(1), Settled::Unknown);
    assert_eq!(window.expire(Mono(u64::MAX)), None);
    assert_eq!((window.open(), window.free(), window.oldest()), (0, 0, None));
}
