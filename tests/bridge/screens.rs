//! What a client is told of messages that it may not send, however they come. SMPP 3.4 §5.1.3.

use std::time::Duration;

use smppgate::pdu::{
    Address, DataSm, Destination, Destinations, LongAddress, ReplaceSm, Sm, SubmitMulti, SubmitMultiResp, Tag, Tlv,
    Tlvs,
};
use smppgate::policy::{GuardAction, GuardRules, Number, ScreenRule, Screens, SenderPattern, Word};

use crate::rig::{ACME, Gateway, OTHER, message};

/// acme sends as MyBrand or 2440 only; nobody writes of casinos or to 4782.
fn screened() -> Gateway {
    Gateway::new(|policy| {
        let senders = ["MyBrand", "2440"].map(|text| SenderPattern::parse(text).expect("a sender")).to_vec();
        policy.screens = Screens::new(vec![
            ScreenRule { accounts: vec![ACME], senders, ..ScreenRule::default() },
            ScreenRule {
                block_prefixes: vec![Number::prefix("4782").expect("a prefix")],
                block_words: vec![Word::parse("casino*").expect("a word")],
                ..ScreenRule::default()
            },
        ]);
    })
}

fn address(ton: u8, text: &str) -> Address {
    Address::new(ton, 1, text.as_bytes()).expect("short")
}

#[test]
fn what_a_screen_refuses_has_its_status_however_it_comes() {
    let mut gateway = screened();
    let (acme, other) = (gateway.client(ACME), gateway.client(OTHER));
    let elsewhere = Sm { source: address(5, "Else"), ..message(b"hello") };
    let blocked = Sm { destination: address(1, "4782000000"), ..message(b"hello") };
    for (client, sm, status) in [
        (acme, message(b"hello"), None),
        (acme, elsewhere, Some(0x0A)),
        (other, elsewhere, None),
        (acme, blocked, Some(0x0B)),
        (other, blocked, Some(0x0B)),
        (acme, message(b"A Casino!"), Some(0x401)),
        (other, message(b"casinos"), Some(0x401)),
    ] {
        assert_eq!(gateway.submit(client, &sm).err(), status);
    }
    let payload = Tlv { tag: Tag::MESSAGE_PAYLOAD, value: b"go to the casino" };
    let mut octets = Vec::new();
    payload.encode(&mut octets);
    let data = DataSm {
        source: LongAddress { ton: 5, npi: 0, octets: b"MyBrand" },
        destination: LongAddress { ton: 1, npi: 1, octets: b"4791234567" },
        tlvs: Tlvs::lenient(&octets),
        ..DataSm::default()
    };
    let answer = gateway.ask(acme, |sequence, wire| data.encode(sequence, wire));
    assert_eq!(answer.status, 0x401);
    let refused = |account: usize, label: &str| {
        let at = smppgate::bridge::Refusal::LABELS.iter().position(|own| *own == label).expect("a label");
        gateway.tally().accounts[account].1.refused[at]
    };
    assert_eq!(["sender", "destination_blocked", "content"].map(|label| refused(0, label)), [1, 1, 2]);
    assert_eq!(["sender", "destination_blocked", "content"].map(|label| refused(1, label)), [0, 1, 1]);
}

#[test]
fn of_many_recipients_only_those_that_are_blocked_are_refused() {
    let mut gateway = screened();
    let acme = gateway.client(ACME);
    let list = ["4791234567", "4782000000"].map(|to| Destination::Sme(address(1, to)));
    let mut octets = Vec::new();
    let destinations = Destinations::write(&list, &mut octets).expect("two");
    let multi = SubmitMulti { destinations, sm: message(b"hello") };
    let answer = gateway.ask(acme, |sequence, wire| multi.encode(sequence, wire));
    let failures: Vec<_> = SubmitMultiResp::decode(&answer.body).failures().map(|failure| failure.status.0).collect();
    assert_eq!((answer.status, failures), (0, vec![0x0B]));
}

#[test]
fn what_replaces_a_message_is_screened_too() {
    let mut gateway = screened();
    let acme = gateway.client(ACME);
    let id = gateway.submit(acme, &message(b"hello")).expect("accepted");
    let replace = ReplaceSm {
        message_id: &id,
        source: address(5, "MyBrand"),
        short_message: b"my casino",
        ..ReplaceSm::default()
    };
    let answer = gateway.ask(acme, |sequence, wire| replace.encode(sequence, wire));
    assert_eq!(answer.status, 0x401);
    let whole = Sm { replace_if_present_flag: 1, ..message(b"CASINO") };
    assert_eq!(gateway.submit(acme, &whole), Err(0x401));
    let carrier = gateway.carrier(0);
    let sent = gateway.take(carrier);
    assert_eq!((sent.len(), sent[0].sm().text()), (1, &b"hello"[..]), "it leaves as it was");
}

#[test]
fn inflated_traffic_is_counted_and_refused_where_it_is_said() {
    let guarded = |action| {
        Gateway::new(move |policy| {
            policy.accounts[usize::from(ACME)].guard = Some(GuardRules {
                prefix_digits: 7,
                prefix_limit: Some(10),
                window: Duration::from_secs(600),
                sequence: Some(5),
                action,
            });
        })
    };
    let to = |number: u64| Sm { destination: address(1, &number.to_string()), ..message(b"hello") };
    for (action, refused) in [(GuardAction::Warn, 0), (GuardAction::Refuse, 0x402)] {
        let mut gateway = guarded(action);
        let (acme, other) = (gateway.client(ACME), gateway.client(OTHER));
        let told = |gateway: &mut Gateway, client, number| gateway.submit(client, &to(number)).err().unwrap_or(0);
        let scattered: Vec<u32> = (0..12).map(|at| told(&mut gateway, acme, 4_790_123_001 + 17 * at)).collect();
        assert_eq!(scattered, [[0; 10].as_slice(), &[refused; 2]].concat());
        let sequence: Vec<u32> = (0..6).map(|at| told(&mut gateway, acme, 4_791_000_060 + at)).collect();
        assert_eq!(sequence, [0, 0, 0, 0, refused, refused]);
        assert!((0..30).all(|at| told(&mut gateway, other, 4_790_123_000 + at) == 0), "nobody guards the other");
        gateway.later(660);
        assert_eq!(told(&mut gateway, acme, 4_790_123_001), 0, "it is over");
        let acme = &gateway.tally().accounts[usize::from(ACME)].1;
        assert_eq!((acme.inflated, acme.refused.iter().sum::<u64>()), ([2, 2], if refused == 0 { 0 } else { 4 }));
    }
}
