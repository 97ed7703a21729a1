//! Why a `submit_sm` or a bind is refused, and with which status: one row for each field and each circumstance.
//! SMPP 3.4 §5.1.3.

use smppgate::bridge::Input;
use smppgate::message::{AccountId, LinkId};
use smppgate::pdu::{Address, CommandId, Sm, Tlvs};
use smppgate::policy::{OverRate, Policy, Rate, Route, Routes};
use smppgate::session::BindMode;

use crate::rig::{ACME, Gateway, message, put};

fn to(ton: u8, npi: u8, octets: &[u8]) -> Address {
    Address::new(ton, npi, octets).expect("a short address")
}

#[test]
fn each_field_of_a_submit_sm_fails_by_its_own_status() {
    let mut gateway = Gateway::new(|_| ());
    let client = gateway.client(ACME);
    let fine = message(b"hello");
    let sar = |octets: &'static [u8]| Tlvs::decode(octets).unwrap();
    let rows = [
        (0x48, Sm { source: to(7, 0, b"x"), ..fine }),
        (0x49, Sm { source: to(5, 2, b"x"), ..fine }),
        (0x0A, Sm { source: to(5, 0, b"TwelveLetter"), ..fine }),
        (0x0A, Sm { source: Address::default(), ..fine }),
        (0x50, Sm { destination: to(7, 1, b"4791234567"), ..fine }),
        (0x51, Sm { destination: to(1, 2, b"4791234567"), ..fine }),
        (0x0B, Sm { destination: Address::default(), ..fine }),
        (0x0B, Sm { destination: to(1, 1, b"12"), ..fine }),
        (0x0B, Sm { destination: to(1, 1, b"2101234567"), ..fine }),
        (0x43, Sm { esm_class: 0x02, ..fine }),
        (0x43, Sm { esm_class: 0x04, ..fine }),
        (0x43, Sm { esm_class: 0x40, ..fine }),
        (0x06, Sm { priority_flag: 4, ..fine }),
        (0x61, Sm { schedule_delivery_time: b"1", ..fine }),
        (0x61, Sm { schedule_delivery_time: b"000100000000000R", ..fine }),
        (0x62, Sm { validity_period: b"1", ..fine }),
        (0x62, Sm { validity_period: b"200101000000000+", ..fine }),
        (0x54, Sm { replace_if_present_flag: 2, ..fine }),
        (0x63, Sm { sm_default_msg_id: 1, ..fine }),
        (0x01, Sm { short_message: &[b'x'; 255], ..fine }),
        (0x01, Sm { tlvs: sar(b"\x04\x24\0\x02Hi"), ..fine }),
        (0xC4, Sm { tlvs: sar(b"\x02\x0C\0\x02\0\x01\x02\x0E\0\x01\x02\x02\x0F\0\x01\x03"), ..fine }),
    ];
    for (status, sm) in rows {
        assert_eq!(gateway.submit(client, &sm), Err(status), "{sm:?}");
    }
    // Bodies that no encoder writes: a service_type of seven, the end in the addresses, in the text, in a parameter.
    let head = b"\0\x05\0MyBrand\0\x01\x014791234567\0\0\0\0\0\0\0\0\0\0";
    let parameter = [&head[..], b"\x02hi\x02\x04\0\x04\0"].concat();
    let size = [&head[..], b"\x02hi\x02\x04\0\x01\0"].concat();
    let text = [&head[..], b"\x09hi"].concat();
    for (status, body) in [
        (0x15, &b"seven77\0"[..]),
        (0x02, b"\0\x05\0MyBrand\0\x01\x01"),
        (0x01, &text),
        (0xC0, &parameter),
        (0xC2, &size),
    ] {
        let answer = gateway.ask(client, |sequence, wire| put(CommandId::SUBMIT_SM, sequence, body, wire));
        assert_eq!((answer.status, answer.body.len()), (status, 0), "{body:?}");
    }
    assert_eq!(gateway.tally().accounts[0].1.accepted, 0);
    assert!(gateway.submit(client, &fine).is_ok());
}

/// A carrier is free with values, and not with sizes.
#[test]
fn each_field_of_a_deliver_sm_fails_by_its_own_status() {
    let mut gateway = Gateway::new(|_| ());
    let carrier = gateway.carrier(0);
    let head = b"\0\x01\x014791234567\0\x01\x014759440000\0";
    let zeros = [&head[..], &[0; 9]].concat();
    let with = |head: &[u8], tail: &[u8]| [head, tail].concat();
    let rows = [
        (0x15, b"seven77\0".to_vec()),
        (0x0A, b"\0\x01\x01123456789012345678901\0".to_vec()),
        (0x0B, b"\0\x01\x014791234567\0\x01\x01123456789012345678901\0".to_vec()),
        (0x02, head.to_vec()),
        (0x61, with(head, b"\0\0\x00260102153000000+1\0")),
        (0x62, with(head, b"\0\0\0\x00260102153000000+1\0")),
        (0x01, with(&zeros, b"\x09hi")),
        (0xC0, with(&zeros, b"\x02hi\x02\x04\0\x04\0")),
        (0xC2, with(&zeros, b"\x02hi\x02\x04\0\x01\0")),
        (0x00, with(&zeros, b"\x02hi")),
        (0x00, with(head, b"\x02\xFF\x09\0\0\xFF\x09\xFF\x09\x02hi")),
    ];
    for (status, body) in rows {
        let answer = gateway.ask(carrier, |sequence, wire| put(CommandId::DELIVER_SM, sequence, &body, wire));
        assert_eq!(answer.status, status, "{body:?}");
    }
    assert_eq!(gateway.tally().accounts[0].1.inbound, 2);
}

#[test]
fn a_message_is_refused_for_what_its_account_and_country_may() {
    type Change = fn(&mut Policy);
    let rows: [(u32, Change); 6] = [
        (0x0B, |policy| policy.routes = Routes::default()),
        (0x0B, |policy| policy.accounts[0].countries = Some(Vec::new())),
        (0x400, |policy| policy.accounts[0].transfers.objections = vec![0]),
        (0x58, |policy| policy.accounts[0].rate = Some(Rate::per_second(1))),
        (0x58, |policy| policy.routes = Routes::new(vec![slow(policy, OverRate::Throttle)]).unwrap()),
        (0, |policy| policy.routes = Routes::new(vec![slow(policy, OverRate::Defer)]).unwrap()),
    ];
    for (number, (status, change)) in rows.into_iter().enumerate() {
        let mut gateway = Gateway::new(change);
        let client = gateway.client(ACME);
        let last = (0..10).map(|_| gateway.submit(client, &message(b"hello"))).last().unwrap();
        assert_eq!(last.map_or_else(|status| status, |_| 0), status, "row {number}");
    }
}

fn slow(policy: &Policy, over_rate: OverRate) -> Route {
    let country = policy.prefixes.find(b"4791234567").expect("a known country");
    let route = policy.routes.find(country).expect("the sandbox has a route to everywhere");
    Route { rate: Some(Rate::per_second(1)), over_rate, ..route.clone() }
}

#[test]
fn nothing_is_accepted_that_cannot_be_kept() {
    let submit = |gateway: &mut Gateway, client| gateway.submit(client, &message(b"hello")).map(|_| ());
    let mut gateway = Gateway::new(|policy| policy.accounts[0].rate = None);
    let client = gateway.client(ACME);
    gateway.give(Input::StoreFailing(true));
    assert_eq!(submit(&mut gateway, client), Err(0x08));
    gateway.give(Input::StoreFailing(false));
    let taken = (0..2000).take_while(|_| submit(&mut gateway, client).is_ok()).count();
    assert_eq!((taken, submit(&mut gateway, client)), (1000, Err(0x14)), "as many as may wait");

    let mut gateway = Gateway::new(|_| ());
    let client = gateway.client(ACME);
    gateway.give(Input::Stop);
    assert_eq!(submit(&mut gateway, client), Err(0x08));
}

#[test]
fn a_slow_country_leaves_the_last_eighth_of_the_room_to_others() {
    let mut gateway = Gateway::new(|policy| policy.accounts[0].rate = None);
    let client = gateway.client(ACME);
    let taken = |gateway: &mut Gateway, to: &[u8]| {
        let sm = Sm { destination: Address::new(1, 1, to).expect("a short number"), ..message(b"hello") };
        (0..2000).take_while(|_| gateway.submit(client, &sm) != Err(0x14)).count()
    };
    // While it is the only one, all of the room is a country's; 1,000 may wait.
    let (norway, sweden) = (b"4791234567", b"46701234567");
    let other = Sm { destination: Address::new(1, 1, sweden).expect("a short number"), ..message(b"hello") };
    gateway.submit(client, &other).expect("accepted");
    assert_eq!((taken(&mut gateway, norway), taken(&mut gateway, sweden)), (874, 125));
    assert_eq!((taken(&mut gateway, norway), taken(&mut gateway, sweden)), (0, 0));
    let waiting: Vec<u64> = gateway.tally().countries.iter().map(|row| row.backlog).collect();
    assert_eq!(waiting, [126, 874]);
}

#[test]
fn an_account_has_as_many_binds_as_it_may_and_none_during_a_stop() {
    let mut gateway = Gateway::new(|policy| policy.accounts[0].max_binds = 1);
    let bind = |gateway: &mut Gateway, number| {
        let (link, account, mode) = (LinkId(number), AccountId(ACME), BindMode::Receiver);
        let (command, sequence, interface_version) = (mode.command(), 1, 0x34);
        gateway.give(Input::Bind { link, account, mode, command, sequence, interface_version });
        let left = gateway.take(link);
        assert_eq!((left.len(), left[0].command), (1, CommandId::BIND_RECEIVER_RESP));
        left[0].status
    };
    assert_eq!([bind(&mut gateway, 901), bind(&mut gateway, 902)], [0, 0x05]);
    gateway.give(Input::Closed { link: LinkId(901) });
    assert_eq!(bind(&mut gateway, 903), 0);
    gateway.give(Input::Closed { link: LinkId(903) });
    gateway.give(Input::Stop);
    assert_eq!(bind(&mut gateway, 904), 0x0D);
}
