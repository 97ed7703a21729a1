//! Other rules while everything runs: what is counted, who is bound and what waits.

use smppgate::bridge::Input;
use smppgate::message::{AccountId, LinkId};
use smppgate::pdu::{Address, CommandId, Sm};
use smppgate::policy::{
    Destinations, Number, OverRate, Policy, Rate, Route, Routes, Tiers, TransferBasis, Transfers, When,
};
use smppgate::session::BindMode;

use crate::rig::{ACME, Gateway, OTHER, message};

/// One route for everything, by these carriers.
fn lead(policy: &mut Policy, carriers: &[u16], rate: Option<u32>) {
    let own = Route {
        destinations: Destinations::Rest,
        when: When::default(),
        carriers: Tiers::in_order(carriers),
        rate: rate.map(Rate::per_second),
        over_rate: OverRate::Throttle,
    };
    policy.routes = Routes::new(vec![own]).expect("one route");
}

fn three(policy: &mut Policy) {
    for name in ["second", "third"] {
        let mut carrier = policy.carriers[0].clone();
        name.clone_into(&mut carrier.name);
        policy.carriers.push(carrier);
    }
    lead(policy, &[0], None);
}

/// How many messages left for each of these links since the last look; each is accepted there.
fn left(gateway: &mut Gateway, links: &[LinkId]) -> Vec<usize> {
    let count = |link: &LinkId| {
        let sent = gateway.take(*link);
        sent.iter().for_each(|left| gateway.answer(*link, left, 0, b"1"));
        sent.len()
    };
    links.iter().map(count).collect()
}

/// The status of a bind.
fn bind(gateway: &mut Gateway, link: u64, account: u16) -> u32 {
    let (link, mode) = (LinkId(link), BindMode::Transceiver);
    let command = CommandId::BIND_TRANSCEIVER;
    gateway.give(Input::Bind {
        link,
        account: AccountId(account),
        mode,
        command,
        sequence: 1,
        interface_version: 0x34,
    });
    gateway.take(link)[0].status
}

#[test]
fn a_new_account_binds_and_a_removed_one_does_not() {
    let mut gateway = Gateway::new(three);
    gateway.client(ACME);
    gateway.reload(|policy| {
        let mut third = policy.accounts[0].clone();
        "third".clone_into(&mut third.system_id);
        (third.max_binds, policy.accounts[0].max_binds) = (1, 1);
        policy.accounts.remove(1);
        policy.accounts.push(third);
    });
    assert_eq!([bind(&mut gateway, 900, OTHER), bind(&mut gateway, 901, ACME)], [0x0D, 0x05]);
    assert_eq!([bind(&mut gateway, 902, 2), bind(&mut gateway, 903, 2)], [0, 0x05], "its number follows the others");
}

#[test]
fn rates_change_and_what_was_used_stays_used() {
    let mut gateway = Gateway::new(|policy| {
        three(policy);
        lead(policy, &[0, 1], Some(2));
    });
    let acme = gateway.client(ACME);
    let submit = |gateway: &mut Gateway| gateway.submit(acme, &message(b"hello")).map(drop);
    assert_eq!([0, 1, 2].map(|_| submit(&mut gateway)), [Ok(()), Ok(()), Err(0x58)]);
    gateway.reload(|policy| lead(policy, &[1, 0], Some(2)));
    assert_eq!(submit(&mut gateway), Err(0x58), "by other carriers");
    gateway.reload(|policy| lead(policy, &[1, 0], None));
    assert_eq!([0, 1, 2].map(|_| submit(&mut gateway)), [Ok(()); 3]);
    gateway.reload(|policy| policy.accounts[0].rate = Some(Rate::per_second(1)));
    assert_eq!([0, 1].map(|_| submit(&mut gateway)), [Ok(()), Err(0x58)]);
    let tally = gateway.tally();
    assert_eq!((tally.countries.len(), tally.countries[0].accepted), (1, 6), "counted on");
    assert_eq!((tally.countries[0].backlog, tally.messages_waiting), (6, 6));
}

#[test]
fn what_an_account_objected_to_holds_after_it_is_gone() {
    let mut gateway = Gateway::new(|policy| {
        three(policy);
        lead(policy, &[0, 1], None);
        policy.accounts[1].transfers = Transfers { bases: None, objections: vec![1] };
    });
    let other = gateway.client(OTHER);
    for _ in 0..5 {
        gateway.submit(other, &message(b"hello")).expect("accepted");
    }
    gateway.reload(|policy| {
        policy.accounts.remove(1);
        lead(policy, &[1, 0], None);
    });
    let links = [1, 0].map(|carrier| gateway.carrier(carrier));
    assert_eq!(left(&mut gateway, &links), [0, 5]);
}

#[test]
fn a_basis_that_is_no_longer_accepted_sends_what_waits_elsewhere() {
    let mut gateway = Gateway::new(|policy| {
        three(policy);
        lead(policy, &[0, 1], None);
        policy.accounts[0].transfers.bases = Some(vec![TransferBasis::Eea]);
        policy.carriers[0].transfer_basis = Some(TransferBasis::Eea);
        policy.carriers[1].transfer_basis = Some(TransferBasis::Scc);
    });
    let (acme, other) = (gateway.client(ACME), gateway.client(OTHER));
    for client in [acme, acme, other] {
        gateway.submit(client, &message(b"hello")).expect("accepted");
    }
    gateway.reload(|policy| policy.accounts[0].transfers.bases = Some(vec![TransferBasis::Scc]));
    assert_eq!(gateway.tally().rerouted, 2);
    let links = [1, 0].map(|carrier| gateway.carrier(carrier));
    assert_eq!(left(&mut gateway, &links), [3, 0], "the third takes whoever is there");
    gateway.reload(|policy| policy.carriers[1].transfer_basis = None);
    assert_eq!(gateway.submit(acme, &message(b"hello")).map(drop), Err(0x400), "nobody is left");
    assert_eq!(gateway.submit(other, &message(b"hello")).map(drop), Ok(()));
}

#[test]
fn rules_about_numbers_are_asked_of_what_waits_also_where_it_must_be_read_first() {
    let to = |number: &str| Sm {
        destination: Address::new(1, 1, number.as_bytes()).expect("short"),
        ..message(b"hello to all of you out there")
    };
    let mut gateway = Gateway::new(three);
    let acme = gateway.client(ACME);
    for index in 0..200 {
        let number = if index % 2 == 0 { "4790000001" } else { "4790000002" };
        gateway.submit(acme, &to(number)).expect("accepted");
    }
    // Nothing of it is in memory any more.
    gateway.restart();
    gateway.reload(|policy| {
        let when = When { prefixes: vec![Number::prefix("4790000002").expect("a prefix")], ..When::default() };
        let own = |at: u16, when| Route { carriers: Tiers::in_order(&[at]), when, ..policy.routes.list()[0].clone() };
        policy.routes = Routes::new(vec![own(0, When::default()), own(1, when)]).expect("no two for the same");
    });
    assert_eq!(gateway.tally().rerouted, 100);
    let links = [0, 1].map(|carrier| gateway.carrier(carrier));
    let mut sum = [0, 0];
    for _ in 0..50 {
        let more = left(&mut gateway, &links);
        (sum[0], sum[1]) = (sum[0] + more[0], sum[1] + more[1]);
    }
    assert_eq!(sum, [100, 100]);
}

#[test]
fn a_first_day_that_moves_away_stops_a_carrier() {
    let mut gateway = Gateway::new(|policy| {
        three(policy);
        lead(policy, &[0, 1], None);
    });
    let acme = gateway.client(ACME);
    let links = [0, 1].map(|carrier| gateway.carrier(carrier));
    let tomorrow = gateway.now.unix.after(std::time::Duration::from_secs(86_400));
    gateway.submit(acme, &message(b"hello")).expect("accepted");
    gateway.reload(|policy| policy.carriers[0].effective_from = Some(tomorrow));
    gateway.submit(acme, &message(b"hello")).expect("accepted");
    assert_eq!(left(&mut gateway, &links), [1, 1]);
    gateway.reload(|policy| policy.carriers[0].effective_from = None);
    gateway.submit(acme, &message(b"hello")).expect("accepted");
    assert_eq!(left(&mut gateway, &links), [1, 0]);
}

/// A receipt of the carrier for a message that it knows by this id; our answer.
fn report(gateway: &mut Gateway, link: LinkId, id: &str) -> u32 {
    let text =
        format!("id:{id} sub:001 dlvrd:001 submit date:2601021530 done date:2601021530 stat:DELIVRD err:000 text:");
    let receipt = Sm { esm_class: 0x04, short_message: text.as_bytes(), ..message(b"") };
    gateway.ask(link, |sequence, wire| receipt.encode(CommandId::DELIVER_SM, sequence, wire)).status
}

/// The carriers in another order, and every rule that names them by their place follows.
fn turn_round(policy: &mut Policy) {
    policy.carriers.reverse();
    let last = policy.carriers.len() as u16 - 1;
    let follow = |places: &mut Vec<u16>| places.iter_mut().for_each(|place| *place = last - *place);
    policy.accounts.iter_mut().for_each(|account| follow(&mut account.transfers.objections));
    let mut order: Vec<u16> = policy.routes.list()[0].carriers.carriers().collect();
    follow(&mut order);
    lead(policy, &order, None);
}

#[test]
fn the_order_of_carriers_means_nothing() {
    let mut gateway = Gateway::new(|policy| {
        three(policy);
        lead(policy, &[0, 1], None);
        policy.accounts[0].transfers = Transfers { bases: None, objections: vec![0] };
        policy.carriers[0].rate = Some(Rate::per_second(1));
    });
    let (acme, other) = (gateway.client(ACME), gateway.client(OTHER));
    for client in [acme, other, acme] {
        gateway.submit(client, &message(b"hello")).expect("accepted");
    }
    gateway.reload(turn_round);
    let tally = gateway.tally();
    assert_eq!((tally.rerouted, tally.messages_waiting), (0, 3));
    gateway.submit(acme, &message(b"hello")).expect("accepted");
    let links = [0, 1, 2].map(|carrier| gateway.carrier(carrier));
    assert_eq!(left(&mut gateway, &links), [1, 3, 0], "each by its name");
    gateway.submit(other, &message(b"hello")).expect("accepted");
    gateway.reload(turn_round);
    assert_eq!(left(&mut gateway, &links), [0, 0, 0], "what its rate has counted stays");
    let names: Vec<String> = gateway.tally().carriers.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["sandbox", "second", "third"], "and so do its counters");
}

#[test]
fn a_removed_carrier_keeps_what_it_was_handed_and_gets_nothing_more() {
    let mut gateway = Gateway::new(|policy| {
        three(policy);
        lead(policy, &[0, 1], None);
        policy.carriers[0].window = 2;
    });
    let acme = gateway.client(ACME);
    let first = gateway.carrier(0);
    for _ in 0..5 {
        gateway.submit(acme, &message(b"hello")).expect("accepted");
    }
    let handed = gateway.take(first);
    assert_eq!(handed.len(), 2);
    gateway.reload(|policy| {
        policy.carriers.remove(0);
        lead(policy, &[0], None);
    });
    assert_eq!(gateway.tally().rerouted, 3);
    assert_eq!(gateway.renewed().unreported, 0, "they are still under way");
    gateway.answer(first, &handed[0], 0, b"77");
    let second = gateway.carrier(1);
    assert_eq!(left(&mut gateway, &[first, second]), [0, 3], "its answer makes no room for more");
    assert_eq!(report(&mut gateway, first, "77"), 0);
    assert_eq!(gateway.take(acme).iter().filter(|left| left.command == CommandId::DELIVER_SM).count(), 1);
    gateway.give(Input::Closed { link: first });
    gateway.later(60);
    assert_eq!(left(&mut gateway, &[second]), [1], "what it did not answer is another's now");
    gateway.reload(|policy| policy.carriers.clear());
    assert_eq!(gateway.renewed().unreported, 4, "the receipts that second owes");
}

#[test]
fn a_carrier_that_comes_back_is_the_one_it_was() {
    let mut gateway = Gateway::new(three);
    let acme = gateway.client(ACME);
    let link = gateway.carrier(0);
    gateway.submit(acme, &message(b"hello")).expect("accepted");
    let handed = gateway.take(link);
    gateway.answer(link, &handed[0], 0, b"77");
    let gone = gateway.policy.carriers[0].clone();
    gateway.reload(|policy| {
        policy.carriers.remove(0);
        lead(policy, &[1], None);
    });
    gateway.give(Input::Closed { link });
    gateway.later(3600);
    gateway.reload(|policy| {
        policy.carriers.push(gone);
        lead(policy, &[2], None);
    });
    let link = gateway.carrier(0);
    assert_eq!(report(&mut gateway, link, "77"), 0);
    assert_eq!(gateway.take(acme).iter().filter(|left| left.command == CommandId::DELIVER_SM).count(), 1);
    assert_eq!(gateway.tally().carriers.len(), 3, "under its old number");
    assert_eq!(gateway.tally().carriers[0].1.receipts_orphaned, 0);
}

#[test]
fn what_a_removed_account_objected_to_is_known_by_name() {
    let mut gateway = Gateway::new(|policy| {
        three(policy);
        lead(policy, &[0, 1], None);
        policy.accounts[1].transfers = Transfers { bases: None, objections: vec![0] };
    });
    let other = gateway.client(OTHER);
    for _ in 0..4 {
        gateway.submit(other, &message(b"hello")).expect("accepted");
    }
    let gone = gateway.policy.carriers[0].clone();
    gateway.reload(|policy| {
        policy.accounts.remove(1);
        policy.carriers.reverse();
        lead(policy, &[2, 0], None);
    });
    let first = gateway.carrier(0);
    assert_eq!(left(&mut gateway, &[first]), [0], "at another place");
    gateway.reload(|policy| {
        policy.carriers.pop();
        lead(policy, &[1], None);
    });
    gateway.reload(|policy| {
        policy.carriers.insert(0, gone);
        lead(policy, &[0], None);
    });
    assert_eq!((left(&mut gateway, &[first]), gateway.tally().messages_waiting), (vec![0], 4), "nor once it is back");
    gateway.reload(|policy| lead(policy, &[0, 2], None));
    let second = gateway.carrier(1);
    assert_eq!(left(&mut gateway, &[first, second]), [0, 4]);
}

#[test]
fn messages_whose_only_carrier_is_removed_wait_for_another() {
    let mut gateway = Gateway::new(three);
    let acme = gateway.client(ACME);
    let links = [0, 1].map(|carrier| gateway.carrier(carrier));
    let tomorrow = gateway.now.unix.after(std::time::Duration::from_secs(86_400));
    gateway.reload(|policy| policy.carriers[0].effective_from = Some(tomorrow));
    gateway.submit(acme, &message(b"hello")).expect("accepted");
    gateway.reload(|policy| {
        policy.carriers.remove(0);
        policy.routes = Routes::default();
    });
    assert_eq!(gateway.submit(acme, &message(b"hello")).map(drop), Err(0x0B), "nothing leads there");
    assert_eq!((gateway.tally().messages_waiting, gateway.tally().rerouted), (1, 1));
    gateway.reload(|policy| lead(policy, &[0], None));
    assert_eq!(left(&mut gateway, &links), [0, 1]);
}
