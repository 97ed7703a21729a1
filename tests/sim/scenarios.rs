//! What a reader can follow: one thing goes wrong at a time.

use smppgate::clock::Unix;
use smppgate::policy::{BreakerState, OverRate};

use crate::net::EPOCH;
use crate::plan::Form;
use crate::queue::{HOUR, MIN, MS, S};
use crate::scenes::{DELETED, DELIVERED, EXPIRED, to, with_backup, with_two_binds};
use crate::world::World;

/// Of the first carrier.
fn breaker(world: &World) -> BreakerState {
    world.tally().carriers[0].1.breaker
}

#[test]
fn a_message_goes_out_and_its_receipt_comes_back() {
    let mut world = World::calm(|_| ());
    let tags = world.submit(10);
    world.run_for(S);
    assert_eq!((world.answered(0), world.told(&tags, DELIVERED)), (10, 10));
    world.finish();
}

#[test]
fn messages_wait_for_a_carrier_that_is_down() {
    let mut world = World::calm(|_| ());
    world.carrier_down(0);
    let tags = world.submit(10);
    world.run_for(10 * MIN);
    assert_eq!((world.answered(0), world.left(&tags)), (10, 0));
    world.carrier_up(0);
    assert_eq!(world.told(&tags, DELIVERED), 10);
    world.finish();
}

#[test]
fn a_carrier_that_throttles_gets_everything_in_the_end() {
    let mut world = World::calm(|plan| plan.carriers[0].capacity = Some(5));
    let tags = world.submit(100);
    world.run_for(2 * MIN);
    assert_eq!(world.told(&tags, DELIVERED), 100);
    let carrier = &world.tally().carriers[0].1;
    assert!(carrier.throttled > 0 && carrier.throttled < 100, "slowed down, not hammered: {carrier:?}");
    world.finish();
}

#[test]
fn parts_of_a_message_are_never_refused_one_by_one_and_stay_together() {
    let mut world = World::calm(|plan| {
        with_backup(plan);
        plan.clients[0].rate = Some(4);
        plan.clients[0].parts = 1;
        plan.clients[0].window = 100;
        plan.routes[0].rate = Some(3);
        plan.carriers[0].window = 1;
        plan.carriers[0].answer_after = (100 * MS, 100 * MS);
    });
    let mut whole = Vec::new();
    for round in 0..20 {
        if round == 10 {
            world.carrier_down(0);
        }
        let (before, parts) = (world.answered(0x58), world.submit_parts(4));
        world.run_for(50 * MS);
        let refused = world.answered(0x58) - before;
        // The second may get in where the first could not, and takes the others with it.
        let first = parts.iter().position(|tag| world.message(*tag).id.is_some()).unwrap_or(4);
        assert_eq!(refused, first as u32, "none after the first that is taken");
        whole.extend(parts.into_iter().skip(first));
        world.run_for(700 * MS);
    }
    world.carrier_up(0);
    world.run_for(MIN);
    assert!(whole.len() > 20, "{}", whole.len());
    assert_eq!(world.told(&whole, DELIVERED), whole.len());
    world.finish();
}

#[test]
fn a_carrier_that_never_answers_is_left_for_the_next() {
    let mut world = World::calm(|plan| {
        with_backup(plan);
        plan.carriers[0].mute = false;
    });
    world.carriers[0].plan.mute = true;
    let first = world.submit(20);
    world.run_for(12 * S);
    assert_eq!(breaker(&world), BreakerState::Open, "ten requests without an answer");
    let second = world.submit(5);
    world.run_for(S);
    assert_eq!(world.told(&second, DELIVERED), 5, "new messages do not wait for it");
    world.run_for(MIN);
    assert_eq!(world.told(&first, DELIVERED), 20, "and those it had are sent again");
    world.finish();
}

#[test]
fn a_link_that_breaks_is_no_silence() {
    let mut world = World::calm(|plan| {
        plan.carriers[0].window = 50;
        plan.carriers[0].answer_after = (S, S);
    });
    let tags = world.submit(50);
    world.run_for(100 * MS);
    world.carrier_down(0);
    world.carrier_up(0);
    assert_eq!(breaker(&world), BreakerState::Closed);
    world.run_for(MIN);
    assert_eq!(world.told(&tags, DELIVERED), 50);
    world.finish();
}

#[test]
fn a_temporary_status_is_tried_five_times_and_then_at_the_next_carrier() {
    let mut world = World::calm(|plan| {
        with_backup(plan);
        (plan.carriers[0].refuse, plan.carriers[0].statuses) = (1000, vec![0x08]);
    });
    let tags = world.submit(1);
    world.run_for(10 * MIN);
    let gaps: Vec<u64> = world.carriers[0].seen.windows(2).map(|pair| (pair[1] - pair[0]) / S).collect();
    assert_eq!(gaps.len(), 5, "{gaps:?}");
    for (gap, full) in gaps.iter().zip([5, 10, 20, 40, 80]) {
        assert!((full * 4 / 5..=full + 1).contains(gap), "{gaps:?}");
    }
    assert_eq!(world.told(&tags, DELIVERED), 1);
    world.finish();
}

#[test]
fn a_doubtful_status_is_tried_once_more() {
    let mut world = World::calm(|plan| (plan.carriers[0].refuse, plan.carriers[0].statuses) = (1000, vec![0x45]));
    let tags = world.submit(1);
    world.run_for(5 * MIN);
    assert_eq!((world.carriers[0].seen.len(), world.states(&tags)), (2, vec![Some(5)]));
    world.finish();
}

#[test]
fn a_full_queue_is_asked_again_at_growing_distance() {
    let mut world = World::calm(|plan| (plan.carriers[0].refuse, plan.carriers[0].statuses) = (1000, vec![0x14]));
    let tags = world.submit(1);
    world.run_for(30 * MIN);
    let gaps: Vec<u64> = world.carriers[0].seen.windows(2).map(|pair| (pair[1] - pair[0]) / S).collect();
    for (gap, full) in gaps.iter().zip([30, 60, 120, 240, 480]) {
        assert!((full * 4 / 5..=full + 1).contains(gap), "{gaps:?}");
    }
    world.carriers[0].plan.refuse = 0;
    world.run_for(30 * MIN);
    assert_eq!(world.told(&tags, DELIVERED), 1);
    world.finish();
}

#[test]
fn a_retry_waits_for_its_own_carrier_where_the_next_is_not_there() {
    let mut world = World::calm(|plan| {
        with_backup(plan);
        (plan.carriers[0].refuse, plan.carriers[0].statuses) = (1000, vec![0x45]);
    });
    world.carrier_down(1);
    let tags = world.submit(1);
    world.run_for(S);
    world.carriers[0].plan.refuse = 0;
    world.run_for(MIN);
    assert_eq!(world.told(&tags, DELIVERED), 1, "the first carrier takes it although the second is down");
    world.finish();
}

#[test]
fn a_receipt_may_overtake_the_answer_to_its_message() {
    let mut world = World::calm(|plan| {
        (plan.carriers[0].receipt_early, plan.carriers[0].answer_after) = (1000, (S, S));
    });
    let tags = world.submit(5);
    world.run_for(3 * S);
    assert_eq!(world.told(&tags, DELIVERED), 5);
    assert_eq!(world.tally().carriers[0].1.receipts_early, 5);
    world.finish();
}

#[test]
fn a_receipt_may_bring_its_id_in_another_base() {
    for (form, receipt_form) in [(Form::Decimal, Form::PaddedHex), (Form::UpperHex, Form::Decimal)] {
        for early in [0, 1000] {
            let mut world = World::calm(|plan| {
                let carrier = &mut plan.carriers[0];
                (carrier.form, carrier.receipt_form, carrier.receipt_early) = (form, receipt_form, early);
                (carrier.answer_after, carrier.receipt_after) = ((S, S), (20 * S, 20 * S));
            });
            let tags = world.submit(5);
            world.run_for(5 * S);
            // After a restart no block is at hand.
            world.crash();
            world.run_for(MIN);
            assert_eq!(world.told(&tags, DELIVERED), 5, "{form:?} {receipt_form:?} {early}");
            world.finish();
        }
    }
}

#[test]
fn a_reused_id_belongs_to_the_message_that_waits_for_it() {
    let mut world = World::calm(|plan| {
        plan.carriers[0].id_period = 1;
        plan.carriers[0].receipt_after = (10 * S, 10 * S);
    });
    let first = world.submit(1);
    world.run_for(S);
    let second = world.submit(1);
    world.run_for(20 * S);
    assert_eq!((world.told(&first, DELIVERED), world.told(&second, DELIVERED)), (1, 1));
    world.finish();
}

#[test]
fn owed_receipts_outlive_a_crash_and_wait_for_their_client() {
    let mut world = World::calm(with_two_binds);
    world.carriers[0].plan.receipt_after = (10 * S, 10 * S);
    let tags = world.submit(20);
    world.run_for(S);
    world.client_leaves(HOUR);
    world.run_for(20 * S);
    assert_eq!(world.tally().accounts[0].1.receipts_owed, 20);
    world.crash();
    world.run_for(30 * S);
    assert_eq!(world.tally().accounts[0].1.receipts_owed, 20);
    world.run_for(HOUR);
    assert_eq!((world.told(&tags, DELIVERED), world.clients[0].receipts.len()), (20, 20));
    assert_eq!(world.clients[0].receipts, tags, "in the order of their ends");
    world.finish();
}

#[test]
fn a_receipt_that_meets_an_unbind_is_not_held_against_the_message() {
    let mut world = World::calm(with_two_binds);
    let tags = world.submit(30);
    world.clients[0].plan.answer_never = 1000;
    world.run_for(S);
    // The receiver's window is full of receipts that it will not answer; it unbinds and comes back, four times.
    for _ in 0..4 {
        for conn in world.clients[0].connections() {
            world.clients[0].leave(&mut world.ctx, conn, true);
        }
        world.run_for(12 * S);
    }
    assert_eq!(world.tally().accounts[0].1.receipts_dropped, 0);
    world.clients[0].plan.answer_never = 0;
    world.run_for(MIN);
    assert_eq!(world.told(&tags, DELIVERED), 30);
    world.finish();
}

#[test]
fn a_message_that_no_carrier_takes_expires_with_a_receipt() {
    let mut world = World::calm(|plan| plan.clients[0].validity_s = vec![30]);
    world.carrier_down(0);
    let tags = world.submit(5);
    world.run_for(25 * S);
    assert_eq!(world.told(&tags, EXPIRED), 0);
    world.run_for(10 * S);
    assert_eq!(world.told(&tags, EXPIRED), 5);
    world.finish();
}

#[test]
fn a_country_above_its_rate_is_deferred_or_refused() {
    for over_rate in [OverRate::Defer, OverRate::Throttle] {
        let mut world = World::calm(|plan| (plan.routes[0].rate, plan.routes[0].over_rate) = (Some(5), over_rate));
        let tags = world.submit(30);
        world.run_for(S);
        let refused = world.answered(0x58);
        assert_eq!((refused == 0, world.left(&tags) <= 11), (over_rate == OverRate::Defer, true), "{refused}");
        world.run_for(MIN);
        assert_eq!(world.told(&tags, DELIVERED), 30 - refused as usize);
        world.finish();
    }
}

#[test]
fn a_backlog_leaves_no_faster_than_the_rate_of_its_country() {
    let mut world = World::calm(|plan| {
        (plan.routes[0].rate, plan.routes[0].over_rate) = (Some(5), OverRate::Throttle);
        plan.carriers[0].window = 100;
    });
    world.carrier_down(0);
    for _ in 0..10 {
        world.submit(5);
        world.run_for(S);
    }
    world.carriers[0].plan.up = true;
    world.run_for(MIN);
    world.finish();
}

#[test]
fn an_account_above_its_rate_is_told_to_slow_down() {
    let mut world = World::calm(|plan| plan.clients[0].rate = Some(10));
    let tags = world.submit(30);
    world.run_for(S);
    assert_eq!((world.answered(0), world.answered(0x58)), (10, 20));
    assert_eq!(world.told(&tags, DELIVERED), 10);
    world.finish();
}

#[test]
fn a_slow_country_does_not_delay_another() {
    let mut world = World::calm(|plan| {
        plan.routes = vec![to("NO", Some(1)), to("SE", None)];
        plan.clients[0].window = 200;
    });
    let slow = world.submit_to(0, 100);
    let fast = world.submit_to(1, 50);
    world.run_for(S);
    assert_eq!(world.told(&fast, DELIVERED), 50);
    assert!(world.left(&slow) <= 2, "{}", world.left(&slow));
    world.run_for(3 * MIN);
    assert_eq!(world.told(&slow, DELIVERED), 100);
    world.finish();
}

#[test]
fn a_stop_drains_what_is_under_way_and_keeps_the_rest() {
    let mut world = World::calm(|plan| {
        plan.carriers[0].rate = Some(20);
        plan.carriers[0].answer_after = (200 * MS, 200 * MS);
        plan.clients[0].window = 100;
    });
    let tags = world.submit(100);
    world.run_for(S);
    world.stop();
    assert_eq!(world.answered(0), 100);
    world.start();
    world.run_for(MIN);
    assert_eq!(world.told(&tags, DELIVERED), 100);
    assert!(tags.iter().all(|tag| world.message(*tag).copies == 1), "nothing is sent twice");
    world.finish();
}

#[test]
fn a_backlog_larger_than_memory_is_read_back_in_order() {
    let mut world = World::calm(|plan| {
        plan.clients[0].text_octets = 60_000;
        plan.clients[0].window = 1000;
    });
    world.carrier_down(0);
    let mut tags = Vec::new();
    // 24 MB; blocks of the last 16 MB are at hand.
    for _ in 0..20 {
        tags.extend(world.submit(20));
        world.run_for(S);
    }
    assert_eq!(world.answered(0), 400);
    world.carrier_up(0);
    world.run_for(MIN);
    assert_eq!(world.told(&tags, DELIVERED), 400);
    assert!(world.process.as_ref().is_some_and(|process| process.reads > 100), "blocks were read back");
    let order: Vec<u32> = world.carriers[0].tags.clone();
    assert_eq!(order, tags, "first in, first out");
    world.finish();
}

#[test]
fn the_journal_is_cut_although_some_receipts_never_come() {
    let mut world = World::calm(|plan| {
        plan.clients[0].text_octets = 60_000;
        plan.clients[0].window = 1000;
        plan.carriers[0].window = 100;
    });
    let mut stragglers = Vec::new();
    // 150 MB through a journal of 64 MB.
    for round in 0..25 {
        world.carriers[0].plan.receipt_never = 1000;
        stragglers.extend(world.submit(2));
        world.run_for(S);
        world.carriers[0].plan.receipt_never = 0;
        world.submit(100);
        world.run_for(3 * S);
        if round % 8 == 7 {
            world.crash();
            world.run_for(10 * S);
        }
    }
    let tally = world.tally();
    assert!(tally.journal_octets < 72 << 20, "{} octets", tally.journal_octets);
    assert!(world.octets_max < 80 << 20, "{} octets", world.octets_max);
    assert_eq!(world.ledger.awaiting, 50, "{tally:?}");
    world.crash();
    world.run_for(10 * S);
    assert_eq!(world.ledger.awaiting, 50);
    world.reach.add(world.process.as_ref().expect("it is up"));
    assert!(world.reach.carried >= 20, "{:?}", world.reach);
    // The last receipts come after all: the messages are still known.
    world.carriers[0].tell_after_all(&mut world.ctx, &stragglers[..10]);
    world.run_for(MIN);
    assert_eq!(world.told(&stragglers[..10], DELIVERED), 10);
}

#[test]
fn a_block_that_the_store_lost_ends_its_messages_and_does_not_stop_the_rest() {
    let mut world = World::calm(|_| ());
    world.carrier_down(0);
    let lost = world.submit(5);
    world.run_for(S);
    world.crash();
    world.run_for(10 * S);
    (world.ctx.loses_blocks, world.ledger.lossy) = (true, true);
    world.carriers[0].plan.up = true;
    world.run_for(10 * S);
    world.ctx.loses_blocks = false;
    let tags = world.submit(5);
    world.run_for(10 * S);
    assert_eq!(world.told(&tags, DELIVERED), 5);
    assert_eq!(world.states(&lost), [Some(7); 5]);
    let tally = world.tally();
    assert_eq!((tally.messages_waiting, tally.messages_live), (0, 0), "{tally:?}");
    assert!(tally.journal_octets < 100, "{tally:?}");
}

#[test]
fn an_objection_sends_messages_the_other_way_or_refuses_them() {
    let mut world = World::calm(|plan| {
        with_backup(plan);
        plan.clients[0].objects_to = vec![0];
    });
    let tags = world.submit(10);
    world.run_for(S);
    assert_eq!((world.answered(0), world.told(&tags, DELIVERED)), (10, 10));
    assert_eq!((world.carriers[0].tags.len(), world.carriers[1].tags.len()), (0, 10));
    world.finish();

    let mut world = World::calm(|plan| {
        with_backup(plan);
        plan.clients[0].objects_to = vec![0, 1];
    });
    world.submit(10);
    world.run_for(S);
    assert_eq!((world.answered(0), world.answered(0x400)), (0, 10));
    assert_eq!(world.tally().accounts[0].1.refused.iter().sum::<u64>(), 10);
    world.finish();
}

#[test]
fn a_carrier_gets_nothing_before_its_first_day() {
    let mut world = World::calm(|plan| plan.carriers[0].effective_from = Some(Unix(EPOCH.0 + 600_000)));
    let tags = world.submit(10);
    world.run_for(9 * MIN);
    assert_eq!((world.answered(0), world.left(&tags)), (10, 0));
    world.run_for(2 * MIN);
    assert_eq!(world.told(&tags, DELIVERED), 10);
    world.finish();
}

#[test]
fn what_is_cancelled_stays_so_across_a_crash_and_what_has_left_is_not_cancelled() {
    let mut world = World::calm(|plan| plan.carriers[0].receipt_after = (30 * S, 30 * S));
    let gone = world.submit(3);
    world.run_for(S);
    world.carrier_down(0);
    let waiting = world.submit(10);
    world.run_for(S);
    world.recall(&gone, 1);
    world.recall(&waiting[..4], 1);
    world.run_for(S / 2);
    assert_eq!((world.recalled(0), world.recalled(0x11)), (4, 3));
    world.crash();
    world.carriers[0].plan.up = true;
    world.run_for(MIN);
    assert_eq!((world.told(&waiting[..4], DELETED), world.left(&waiting[..4])), (4, 0));
    assert_eq!((world.told(&waiting[4..], DELIVERED), world.told(&gone, DELIVERED)), (6, 3));
    world.finish();
}

#[test]
fn what_is_replaced_leaves_as_it_became_across_a_crash() {
    let mut world = World::calm(|_| ());
    world.carrier_down(0);
    let tags = world.submit(10);
    world.run_for(S);
    for _ in 0..3 {
        world.recall(&tags[..5], 2);
        world.run_for(S);
        world.crash();
        world.run_for(10 * S);
    }
    assert_eq!(world.recalled(0), 15);
    assert!(tags[..5].iter().all(|tag| world.message(*tag).revision == 3));
    world.carrier_up(0);
    world.run_for(2 * MIN);
    assert_eq!(world.told(&tags, DELIVERED), 10);
    world.finish();
}

#[test]
fn queries_are_answered_from_the_archive_as_from_memory() {
    let mut world = World::calm(|plan| plan.clients[0].version = 0x33);
    let tags = world.submit(10);
    world.run_for(S);
    world.recall(&tags, 0);
    world.run_for(5 * MIN);
    assert_eq!(world.tally().messages_live, 0);
    world.recall(&tags, 0);
    world.run_for(S);
    assert_eq!((world.recalled(0), world.tally().accounts[0].1.queried), (20, 20));
    world.finish();
}

#[test]
fn messages_from_handsets_outlive_a_crash_and_wait_for_their_client() {
    let mut world = World::calm(with_two_binds);
    world.client_leaves(HOUR);
    let tags = world.handsets_write(20);
    world.run_for(S);
    assert!(tags.iter().all(|tag| world.ledger.mobiles[tag].acknowledged), "taken although the client is away");
    world.crash();
    world.run_for(30 * S);
    assert_eq!(world.tally().accounts[0].1.inbound_waiting, 20);
    world.run_for(HOUR);
    assert_eq!(world.clients[0].mobiles, tags, "each once, in their order");
    assert_eq!(world.tally().accounts[0].1.inbound_waiting, 0);
    world.finish();
}

#[test]
fn a_message_from_a_handset_comes_again_only_when_its_answer_is_unknown() {
    let mut world = World::calm(|_| ());
    world.clients[0].plan.answer_never = 1000;
    let tags = world.handsets_write(5);
    world.run_for(5 * S);
    assert_eq!(world.clients[0].mobiles, tags);
    world.clients[0].plan.answer_never = 0;
    world.crash();
    world.run_for(MIN);
    assert_eq!(world.clients[0].mobiles, [tags.clone(), tags.clone()].concat());
    world.crash();
    world.run_for(MIN);
    assert_eq!(world.clients[0].mobiles.len(), 10, "not after its answer");
    world.finish();
}

#[test]
fn a_message_from_a_handset_is_not_taken_while_the_store_fails() {
    let mut world = World::calm(|_| ());
    world.ctx.faults.fail = 1000;
    world.submit(1);
    world.run_for(S);
    let tags = world.handsets_write(3);
    world.run_for(S);
    assert!(tags.iter().all(|tag| !world.ledger.mobiles[tag].acknowledged));
    world.ctx.faults.fail = 0;
    world.run_for(MIN);
    assert_eq!(world.clients[0].mobiles, tags);
    world.finish();
}
