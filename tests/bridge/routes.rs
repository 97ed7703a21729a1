//! Which carrier a message goes to by the rules of the routes, also after a restart.

use smppgate::message::LinkId;
use smppgate::pdu::{Address, Sm};
use smppgate::policy::{
    Destinations, Member, Number, OverRate, Policy, Rate, Route, Routes, SenderPattern, Tiers, When,
};

use crate::rig::{ACME, Gateway, OTHER, message};

fn route(when: When, carriers: Tiers) -> Route {
    Route { destinations: Destinations::Rest, when, carriers, rate: None, over_rate: OverRate::Defer }
}

/// Three carriers. acme's messages as MyBrand go to the second one, numbers with 4690 to the third.
fn rules(policy: &mut Policy) {
    for name in ["second", "third"] {
        let mut carrier = policy.carriers[0].clone();
        name.clone_into(&mut carrier.name);
        policy.carriers.push(carrier);
    }
    let brand = SenderPattern::parse("mybrand*").expect("a beginning");
    let prefix = Number::prefix("4690").expect("a prefix");
    let routes = vec![
        route(When::default(), Tiers::in_order(&[0])),
        route(When { accounts: vec![ACME], senders: vec![brand], ..When::default() }, Tiers::in_order(&[1, 0])),
        route(When { prefixes: vec![prefix], ..When::default() }, Tiers::in_order(&[2, 0])),
    ];
    policy.routes = Routes::new(routes).expect("no two for the same");
}

fn from_to(source: &str, to: &str) -> Sm<'static> {
    let address = |ton, text: &str| Address::new(ton, 1, text.as_bytes()).expect("short");
    Sm { source: address(5, source), destination: address(1, to), ..message(b"hello") }
}

/// Texts of the destinations that left for each link.
fn left(gateway: &mut Gateway, links: [LinkId; 3]) -> [Vec<String>; 3] {
    links.map(|link| {
        let sent = gateway.take(link);
        for left in &sent {
            gateway.answer(link, left, 0, b"1");
        }
        sent.iter().map(|left| String::from_utf8_lossy(left.sm().destination.octets()).into_owned()).collect()
    })
}

#[test]
fn account_sender_and_prefix_choose_the_route_also_after_a_restart() {
    for restart in [false, true] {
        let mut gateway = Gateway::new(rules);
        let (acme, other) = (gateway.client(ACME), gateway.client(OTHER));
        for (client, source, to) in [
            (acme, "MyBrand", "4790000001"),
            (acme, "MYBRAND24", "4690000002"),
            (acme, "Else", "4790000003"),
            (acme, "Else", "4690000004"),
            (other, "MyBrand", "4790000005"),
            (other, "MyBrand", "4690000006"),
        ] {
            gateway.submit(client, &from_to(source, to)).expect("accepted");
        }
        if restart {
            gateway.restart();
        }
        // The first one is behind the others in their routes, and would take what waits for them.
        let links = [1, 2, 0].map(|carrier| gateway.carrier(carrier));
        let expected = [["4790000001", "4690000002"], ["4690000004", "4690000006"], ["4790000003", "4790000005"]];
        assert_eq!(left(&mut gateway, links), expected.map(|own| own.map(str::to_owned).to_vec()), "{restart}");
        let countries: Vec<_> = gateway.tally().countries.iter().map(|row| row.accepted).collect();
        assert_eq!(countries, if restart { [0, 0] } else { [3, 3] }, "a row for each country, not for each route");
    }
}

#[test]
fn what_waits_keeps_its_route_across_a_restart() {
    let alone = |policy: &mut Policy| {
        rules(policy);
        let only = |at: u16| {
            let own = policy.routes.list()[usize::from(at)].clone();
            Route { carriers: Tiers::in_order(&[at]), ..own }
        };
        policy.routes = Routes::new([0, 1, 2].map(only).to_vec()).expect("no two for the same");
    };
    let mut gateway = Gateway::new(alone);
    let acme = gateway.client(ACME);
    for (source, to) in [("MyBrand", "4790000001"), ("Else", "4690000002"), ("Else", "4790000003")] {
        gateway.submit(acme, &from_to(source, to)).expect("accepted");
    }
    gateway.restart();
    let links = [0, 1, 2].map(|carrier| gateway.carrier(carrier));
    assert_eq!(
        left(&mut gateway, links),
        [["4790000003"], ["4790000001"], ["4690000002"]].map(|own| own.map(str::to_owned).to_vec())
    );
}

#[test]
fn each_route_has_a_rate_of_its_own_to_a_country() {
    let mut gateway = Gateway::new(|policy| {
        rules(policy);
        let mut list = policy.routes.list().to_vec();
        (list[1].rate, list[1].over_rate) = (Some(Rate::per_second(1)), OverRate::Throttle);
        policy.routes = Routes::new(list).expect("no two for the same");
    });
    let acme = gateway.client(ACME);
    let submit = |gateway: &mut Gateway, source| gateway.submit(acme, &from_to(source, "4790000001")).map(|_| ());
    assert_eq!(submit(&mut gateway, "MyBrand"), Ok(()));
    assert_eq!(submit(&mut gateway, "MyBrand"), Err(0x58));
    assert_eq!(submit(&mut gateway, "Else"), Ok(()), "the other route has no limit");
}

#[test]
fn shares_outlive_a_restart() {
    let mut gateway = Gateway::new(|policy| {
        rules(policy);
        let member = |carrier, weight| Member { carrier, weight };
        let tiers = Tiers::new(vec![vec![member(0, 3), member(1, 1)], vec![member(2, 1)]]);
        policy.routes = Routes::new(vec![route(When::default(), tiers)]).expect("one route");
    });
    let acme = gateway.client(ACME);
    for _ in 0..20 {
        gateway.submit(acme, &message(b"hello")).expect("accepted");
    }
    gateway.restart();
    // The second tier is there first, and gets nothing that it need not.
    let links = [1, 0].map(|carrier| gateway.carrier(carrier));
    let counts = links.map(|link| gateway.take(link).len());
    assert_eq!(counts, [20, 0], "whoever comes first takes all that waits");
    let acme = gateway.client(ACME);
    for _ in 0..20 {
        gateway.submit(acme, &message(b"hello")).expect("accepted");
    }
    assert_eq!(links.map(|link| gateway.take(link).len()), [5, 15]);
}
