//! Messages from handsets through the real bridge, without sockets: whose they are, when the carrier is told so, how they
//! reach the account, and what a restart keeps.

use std::path::Path;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use smppgate::bridge::{AccountTally, Bridge, CarrierTally, InboundRefusal, Input, Outbox};
use smppgate::clock::{Mono, Now, Unix};
use smppgate::config::Config;
use smppgate::message::{CarrierId, LinkId, MessageState};
use smppgate::pdu::{
    Address, CommandId, CommandStatus, DataSm, Frames, HEADER_LENGTH, LongAddress, Sm, Tag, Tlv, Tlvs,
};
use smppgate::policy::Class;
use smppgate::session::{BindMode, Event, Parcel, Span};
use smppgate::store::{ArchiveRecord, Block, Enrolled, MemoryStore, Recovered, Store};

const FILE: &str = "\
[listen]
smpp = \"127.0.0.1:2775\"
[[account]]
system_id = \"acme\"
password = \"secret\"
window = 4
[[account]]
system_id = \"other\"
password = \"secret\"
[[carrier]]
name = \"fjord\"
address = \"127.0.0.1:2776\"
system_id = \"us\"
password = \"pw\"
[[carrier]]
name = \"backup\"
address = \"127.0.0.1:2777\"
system_id = \"us\"
password = \"pw\"
[[route]]
country = [\"*\"]
carriers = [\"fjord\", \"backup\"]
[[inbound]]
to = [\"4759440000\", \"4790*\"]
account = \"acme\"
[[inbound]]
to = \"2440\"
keywords = [\"info\", \"BLÅBÆR\"]
account = \"other\"
[[inbound]]
to = \"2440\"
account = \"acme\"
[[inbound]]
to = \"1987\"
keywords = \"info\"
account = \"other\"
[[inbound]]
to = \"4746*\"
carriers = \"backup\"
account = \"other\"
";

const FJORD: LinkId = LinkId(1);
const BACKUP: LinkId = LinkId(2);
const ACME: u16 = 0;
const OTHER: u16 = 1;
const OK: CommandStatus = CommandStatus::ESME_ROK;
const LATER: CommandStatus = CommandStatus::ESME_RX_T_APPN;
const NEVER: CommandStatus = CommandStatus::ESME_RX_R_APPN;
const EPOCH: Unix = Unix(1_767_367_800_000);

/// A `deliver_sm` on its way to a client.
#[derive(Clone, Debug)]
struct Delivered {
    link: LinkId,
    token: u64,
    body: Vec<u8>,
}

impl Delivered {
    fn sm(&self) -> Sm<'_> {
        Sm::decode(&self.body).expect("a deliver_sm")
    }
}

struct Rig {
    bridge: Bridge,
    enrolled: Enrolled,
    out: Outbox,
    store: MemoryStore,
    now: Now,
    sequence: u32,
    backlog: u64,
}

impl Rig {
    fn new() -> Self {
        Self::with_backlog(1000)
    }

    fn with_backlog(backlog: u64) -> Self {
        let mut store = MemoryStore::new();
        let enrolled = store.enroll(&["acme", "other"], &["fjord", "backup"]).expect("room");
        let mut rig = Self {
            bridge: Bridge::new(policy(), &enrolled, backlog, 7),
            enrolled,
            out: Outbox::default(),
            store,
            now: Now { mono: Mono(1_000_000), unix: EPOCH },
            sequence: 0,
            backlog,
        };
        rig.bridge.recovered(&Recovered { next_block: 1, ..Recovered::default() }, rig.now);
        rig.connect_carriers();
        rig
    }

    fn connect_carriers(&mut self) {
        for (link, carrier) in [(FJORD, CarrierId(0)), (BACKUP, CarrierId(1))] {
            self.handle(Input::CarrierBound { link, carrier, mode: BindMode::Transceiver, window: 10 });
        }
    }

    /// A client binds and takes what waits for it.
    fn bind(&mut self, link: u64, account: u16, mode: BindMode, interface_version: u8) -> Vec<Delivered> {
        let account = self.enrolled.accounts[usize::from(account)];
        let link = LinkId(link);
        let command = mode.command();
        self.handle(Input::Bind { link, account, mode, command, sequence: 1, interface_version });
        self.flush()
    }

    fn handle(&mut self, input: Input) {
        self.bridge.handle(input, self.now, &mut self.out);
    }

    fn pass(&mut self, duration: Duration) {
        self.now = Now { mono: self.now.mono.after(duration), unix: self.now.unix.after(duration) };
    }

    /// The carrier sends a body; its answer, and whether that waits for the flush.
    fn says(&mut self, link: LinkId, command: CommandId, body: &[u8]) -> (CommandStatus, bool) {
        self.sequence += 1;
        let span = Span { at: 0, len: body.len() as u32 };
        let events = vec![Event::Request { command, sequence: self.sequence, body: span }];
        self.handle(Input::Batch { link, chunk: Bytes::copy_from_slice(body), events });
        let refused = answers(&self.out.now.take(), link);
        if let [(_, status)] = refused[..] {
            return (status, false);
        }
        self.bridge.turn(self.now, &mut self.out);
        let then = self.out.then.take();
        let taken = answers(&then, link);
        let [(sequence, status)] = taken[..] else { panic!("one answer, not {taken:?}") };
        assert_eq!(sequence, self.sequence);
        self.commit();
        // What went with the same commit to clients is not looked at here: those tests bind afterwards, or flush.
        assert!(then.iter().all(|(_, parcel)| parcel.requests.is_empty()), "no client is bound");
        (status, true)
    }

    fn brings(&mut self, sm: &Sm<'_>) -> CommandStatus {
        self.says(FJORD, CommandId::DELIVER_SM, &body(sm)).0
    }

    fn commit(&mut self) {
        let blocks: Vec<Block> = self.bridge.close_commit(self.now, &mut self.out);
        let commit = smppgate::store::Commit {
            blocks,
            archive: std::mem::take(&mut self.out.archive),
            cut: std::mem::take(&mut self.out.cut),
            opt_outs: std::mem::take(&mut self.out.opt_outs),
        };
        self.store.commit(&commit, smppgate::store::Durability::Flushed).expect("a model store");
    }

    /// Ends the turn and the commit; what goes to clients.
    fn flush(&mut self) -> Vec<Delivered> {
        self.bridge.turn(self.now, &mut self.out);
        self.commit();
        for number in std::mem::take(&mut self.out.reads) {
            let block = self.store.read(number).expect("a model store");
            self.handle(Input::Read { number, block });
        }
        self.bridge.turn(self.now, &mut self.out);
        self.commit();
        let then = self.out.then.take();
        then.iter().flat_map(|(link, parcel)| requests(*link, parcel)).collect()
    }

    fn answer(&mut self, delivered: &Delivered, status: CommandStatus) -> Vec<Delivered> {
        let event = Event::Response { token: delivered.token, status, body: Span::default(), elapsed_us: 1000 };
        self.handle(Input::Batch { link: delivered.link, chunk: Bytes::new(), events: vec![event] });
        self.flush()
    }

    /// The process dies and starts again on what the store has.
    fn restart(&mut self) {
        self.bridge = Bridge::new(policy(), &self.enrolled, self.backlog, 9);
        self.out = Outbox::default();
        let bridge = &mut self.bridge;
        let recovered = self.store.recover(&mut |block, _| bridge.replay(&block).expect("a whole block"));
        self.bridge.recovered(&recovered.expect("a model store"), self.now);
        self.connect_carriers();
    }

    fn acme(&self) -> AccountTally {
        self.bridge.tally().accounts[usize::from(ACME)].1.clone()
    }

    fn other(&self) -> AccountTally {
        self.bridge.tally().accounts[usize::from(OTHER)].1.clone()
    }

    fn fjord(&self) -> CarrierTally {
        self.bridge.tally().carriers[0].1.clone()
    }

    /// The archive record of the only message, once it is sealed.
    fn archived(&mut self) -> ArchiveRecord {
        for _ in 0..3 {
            self.pass(Duration::from_secs(2));
            self.flush();
        }
        assert_eq!(self.bridge.tally().messages_live, 0);
        let first = EPOCH.0 << 8;
        let found = (first..first + 100)
            .find_map(|id| self.store.archived(smppgate::message::MessageId(id)).expect("a model store"));
        found.expect("it is in the archive")
    }
}

fn policy() -> smppgate::policy::Policy {
    (*Config::parse(Path::new("gate.toml"), FILE).unwrap_or_else(|mistakes| panic!("{mistakes}")).policy).clone()
}

fn answers(parcels: &[(LinkId, Parcel)], of: LinkId) -> Vec<(u32, CommandStatus)> {
    let own = parcels.iter().filter(|(link, _)| *link == of);
    own.flat_map(|(_, parcel)| Frames::new(&parcel.wire).map(|(_, frame)| frame.header).collect::<Vec<_>>())
        .filter(|header| header.id.is_response())
        .map(|header| (header.sequence, header.status))
        .collect()
}

fn requests(link: LinkId, parcel: &Parcel) -> Vec<Delivered> {
    let frames: Vec<_> = Frames::new(&parcel.wire).filter(|(_, frame)| !frame.header.id.is_response()).collect();
    assert_eq!(frames.len(), parcel.requests.len());
    let delivered = |(request, (_, frame)): (&smppgate::session::Request, &(_, smppgate::pdu::Frame<'_>))| {
        assert_eq!(frame.header.id, CommandId::DELIVER_SM);
        Delivered { link, token: request.token, body: frame.body.to_vec() }
    };
    parcel.requests.iter().zip(&frames).map(delivered).collect()
}

fn address(digits: &str) -> Address {
    Address::new(1, 1, digits.as_bytes()).expect("a short number")
}

fn body(sm: &Sm<'_>) -> Vec<u8> {
    let mut wire = BytesMut::new();
    sm.encode(CommandId::DELIVER_SM, 0, &mut wire);
    wire[HEADER_LENGTH..].to_vec()
}

fn from_handset<'a>(to: &str, text: &'a [u8]) -> Sm<'a> {
    Sm { source: address("4791234567"), destination: address(to), short_message: text, ..Sm::default() }
}

fn texts(delivered: &[Delivered]) -> Vec<String> {
    delivered.iter().map(|one| String::from_utf8_lossy(one.sm().words()).into_owned()).collect()
}

#[test]
fn the_rules_say_whose_a_message_is() {
    let mut rig = Rig::new();
    let wide: Vec<u8> = "blåbær nå".encode_utf16().flat_map(u16::to_be_bytes).collect();
    for (to, coding, text, acme, other) in [
        ("4759440000", 0, &b"hello"[..], 1, 0),
        ("+47 90 00 00 00", 0, b"INFO", 1, 0),
        ("2440", 0, b"Info, please", 0, 1),
        ("2440", 3, b"bl\xE5b\xE6r", 0, 1),
        ("2440", 8, &wide, 0, 1),
        ("2440", 4, b"info", 1, 0),
        ("2440", 0, b"information", 1, 0),
        ("1987", 0, b"INFO", 0, 1),
    ] {
        let before = (rig.acme().inbound, rig.other().inbound);
        assert_eq!(rig.brings(&Sm { data_coding: coding, ..from_handset(to, text) }), OK, "{to} {text:?}");
        let after = (rig.acme().inbound, rig.other().inbound);
        assert_eq!((after.0 - before.0, after.1 - before.1), (acme, other), "{to} {coding} {text:?}");
    }
    for (link, to, text) in [(FJORD, "1987", "hello"), (FJORD, "4670", "info"), (FJORD, "4746", "x"), (FJORD, "", "x")]
    {
        let refused = rig.says(link, CommandId::DELIVER_SM, &body(&from_handset(to, text.as_bytes())));
        assert_eq!(refused, (NEVER, false), "{to} {text}");
    }
    assert_eq!(rig.says(BACKUP, CommandId::DELIVER_SM, &body(&from_handset("4746", b"x"))), (OK, true));
    assert_eq!(rig.fjord().inbound_refused[InboundRefusal::Nobody.index()], 4);
    assert_eq!((rig.fjord().inbound, rig.acme().inbound_waiting, rig.other().inbound_waiting), (8, 4, 5));
}

#[test]
fn what_cannot_be_taken_now_is_asked_for_again() {
    let mut rig = Rig::with_backlog(2);
    let hello = from_handset("4759440000", b"hello");
    rig.handle(Input::StoreFailing(true));
    assert_eq!(rig.says(FJORD, CommandId::DELIVER_SM, &body(&hello)), (LATER, false));
    rig.handle(Input::StoreFailing(false));
    assert_eq!([rig.brings(&hello), rig.brings(&hello), rig.brings(&hello)], [OK, OK, LATER]);
    let delivered = rig.bind(10, ACME, BindMode::Receiver, 0x34);
    rig.answer(&delivered[0], OK);
    rig.handle(Input::Closed { link: LinkId(10) });
    assert_eq!(rig.brings(&hello), OK, "there is room again");
    let refused = rig.fjord().inbound_refused;
    assert_eq!((refused[InboundRefusal::StoreFailing.index()], refused[InboundRefusal::BacklogFull.index()]), (1, 1));
}

#[test]
fn malformed_messages_and_receipts_that_cannot_be_read_are_refused() {
    let mut rig = Rig::new();
    let whole = body(&from_handset("4759440000", b"hello"));
    let (status, _) = rig.says(FJORD, CommandId::DELIVER_SM, &whole[..whole.len() - 1]);
    assert_eq!(status, CommandStatus::ESME_RINVMSGLEN);
    let (status, _) = rig.says(FJORD, CommandId::DATA_SM, &whole[..4]);
    assert_ne!(status, OK);
    let unreadable = Sm { esm_class: Sm::TYPE_RECEIPT, ..from_handset("4759440000", b"no receipt") };
    assert_eq!(rig.brings(&unreadable), NEVER);
    let refused = rig.fjord().inbound_refused;
    assert_eq!(
        [InboundRefusal::Malformed(OK), InboundRefusal::UnreadableReceipt].map(|why| refused[why.index()]),
        [2, 1]
    );
    assert_eq!(rig.acme().inbound, 0);
}

#[test]
fn everything_the_carrier_said_is_passed_on() {
    let mut rig = Rig::new();
    let mut tlvs = BytesMut::new();
    Tlv { tag: Tag::SOURCE_PORT, value: &[0, 7] }.encode(&mut tlvs);
    Tlv { tag: Tag(0x1501), value: b"vendor" }.encode(&mut tlvs);
    let sent = Sm {
        service_type: b"WAP",
        source: Address::new(2, 8, b"91234567").expect("a number"),
        esm_class: Sm::UDHI | 0x80,
        protocol_id: 0x41,
        priority_flag: 2,
        registered_delivery: 0x04,
        data_coding: 0xF5,
        short_message: b"\x05\x00\x03\x07\x02\x02\x00binary\xFF",
        tlvs: Tlvs::lenient(&tlvs),
        ..from_handset("4759440000", b"")
    };
    assert_eq!(rig.brings(&sent), OK);
    let delivered = rig.bind(10, ACME, BindMode::Transceiver, 0x34);
    assert_eq!(delivered.len(), 1);
    assert_eq!(delivered[0].sm(), sent);
}

#[test]
fn a_data_sm_arrives_as_a_deliver_sm_and_a_client_of_3_3_gets_no_tlvs() {
    let mut rig = Rig::new();
    let long = vec![b'x'; 300];
    for text in [&b"hello"[..], &long] {
        let mut tlvs = BytesMut::new();
        Tlv { tag: Tag::MESSAGE_PAYLOAD, value: text }.encode(&mut tlvs);
        let data = DataSm {
            source: LongAddress { ton: 1, npi: 1, octets: b"4791234567" },
            destination: LongAddress { ton: 1, npi: 1, octets: b"4759440000" },
            data_coding: 3,
            tlvs: Tlvs::lenient(&tlvs),
            ..DataSm::default()
        };
        let mut wire = BytesMut::new();
        data.encode(0, &mut wire);
        assert_eq!(rig.says(FJORD, CommandId::DATA_SM, &wire[HEADER_LENGTH..]), (OK, true));
    }
    let delivered = rig.bind(10, ACME, BindMode::Receiver, 0x34);
    let of = |one: &Delivered| (one.sm().short_message.len(), one.sm().text().len(), one.sm().data_coding);
    assert_eq!(delivered.iter().map(of).collect::<Vec<_>>(), [(0, 5, 3), (0, 300, 3)]);
    rig.handle(Input::Closed { link: LinkId(10) });
    let delivered = rig.bind(11, ACME, BindMode::Receiver, 0x33);
    assert_eq!(
        delivered.iter().map(of).collect::<Vec<_>>(),
        [(5, 5, 3), (0, 300, 3)],
        "what is too long keeps its TLV"
    );
    let mut wire = BytesMut::new();
    let far = LongAddress { ton: 1, npi: 1, octets: &[b'4'; 30] };
    DataSm { destination: far, ..DataSm::default() }.encode(0, &mut wire);
    assert_eq!(rig.says(FJORD, CommandId::DATA_SM, &wire[HEADER_LENGTH..]).0, NEVER);
}

#[test]
fn binds_take_turns_and_transmitters_get_nothing() {
    let mut rig = Rig::new();
    for number in 0..10 {
        assert_eq!(rig.brings(&from_handset("4759440000", format!("{number}").as_bytes())), OK);
    }
    assert!(rig.bind(9, ACME, BindMode::Transmitter, 0x34).is_empty());
    let first = rig.bind(10, ACME, BindMode::Receiver, 0x34);
    assert_eq!(texts(&first), ["0", "1", "2", "3"], "as many as its window takes");
    let second = rig.bind(11, ACME, BindMode::Transceiver, 0x34);
    assert_eq!(texts(&second), ["4", "5", "6", "7"]);
    let mut next = Vec::new();
    for one in first.iter().zip(&second).flat_map(|(first, second)| [first, second]) {
        next.extend(rig.answer(one, OK));
    }
    assert_eq!(texts(&next), ["8", "9"]);
    assert_eq!(next.iter().map(|one| one.link.0).collect::<Vec<_>>(), [10, 11]);
    assert_eq!((rig.acme().inbound_delivered, rig.acme().inbound_waiting), (8, 2));
}

#[test]
fn parts_of_a_long_message_take_one_bind_in_their_order() {
    let mut rig = Rig::new();
    for reference in 0..20_u8 {
        for number in 1..=3 {
            let text = [5, 0, 3, reference, 3, number, b'a' + number];
            let sm = Sm { esm_class: Sm::UDHI, ..from_handset("4759440000", &text) };
            assert_eq!(rig.brings(&sm), OK);
        }
    }
    let mut seen = Vec::new();
    let mut open = rig.bind(10, ACME, BindMode::Receiver, 0x34);
    open.extend(rig.bind(11, ACME, BindMode::Receiver, 0x34));
    while let Some(one) = (!open.is_empty()).then(|| open.remove(0)) {
        open.extend(rig.answer(&one, OK));
        seen.push(one);
    }
    assert_eq!(seen.len(), 60);
    let parts = |one: &Delivered| one.sm().part().map(|part| (part.reference, part.number));
    let mut together = 0;
    for reference in 0..20 {
        let own: Vec<_> = seen.iter().filter(|one| parts(one).is_some_and(|(own, _)| own == reference)).collect();
        let numbers: Vec<_> = own.iter().filter_map(|one| parts(one)).map(|(_, number)| number).collect();
        assert_eq!(numbers, [1, 2, 3], "{reference}");
        together += usize::from(own.iter().all(|one| one.link == own[0].link));
    }
    assert!(together >= 10, "a full window is the only reason for another bind: {together} of 20");
}

#[test]
fn later_parts_follow_the_keyword_in_the_first() {
    let mut rig = Rig::new();
    let part = |number: u8, words: &str| {
        let text = [&[5, 0, 3, 9, 2, number][..], words.as_bytes()].concat();
        body(&Sm { esm_class: Sm::UDHI, ..from_handset("2440", &text) })
    };
    let (first, second) = (part(1, "INFO in two"), part(2, "parts"));
    assert_eq!(rig.says(FJORD, CommandId::DELIVER_SM, &second).0, LATER, "whose it is, is in the first");
    assert_eq!(rig.says(FJORD, CommandId::DELIVER_SM, &first).0, OK);
    assert_eq!(rig.says(FJORD, CommandId::DELIVER_SM, &second).0, OK);
    assert_eq!((rig.other().inbound, rig.acme().inbound), (2, 0));
    rig.restart();
    assert_eq!(rig.says(FJORD, CommandId::DELIVER_SM, &second).0, OK, "the journal knows of the first");
    assert_eq!(rig.other().inbound_waiting, 3);
    // Another message, whose first part never comes.
    let lost = [&[5, 0, 3, 10, 2, 2][..], b"rest"].concat();
    let lost = Sm { esm_class: Sm::UDHI, ..from_handset("2440", &lost) };
    assert_eq!(rig.brings(&lost), LATER);
    rig.pass(Duration::from_secs(61));
    assert_eq!(rig.brings(&lost), OK, "then its number decides");
    assert_eq!(rig.acme().inbound, 1);
    assert_eq!(rig.fjord().inbound_refused[InboundRefusal::EarlyPart.index()], 1);
}

#[test]
fn a_message_survives_a_restart_and_comes_again_only_after_an_unknown_answer() {
    let mut rig = Rig::new();
    for text in ["one", "two", "three"] {
        assert_eq!(rig.brings(&from_handset("4759440000", text.as_bytes())), OK);
    }
    let delivered = rig.bind(10, ACME, BindMode::Receiver, 0x34);
    assert_eq!(texts(&delivered), ["one", "two", "three"]);
    assert!(rig.answer(&delivered[1], OK).is_empty());
    rig.restart();
    assert_eq!(rig.acme().inbound_waiting, 2);
    let delivered = rig.bind(11, ACME, BindMode::Receiver, 0x34);
    assert_eq!(texts(&delivered), ["one", "three"], "the answers to these were not known");
    let event = Event::Unanswered { token: delivered[0].token };
    rig.handle(Input::Batch { link: LinkId(11), chunk: Bytes::new(), events: vec![event] });
    assert_eq!(texts(&rig.flush()), ["one"]);
    rig.handle(Input::Closed { link: LinkId(11) });
    let delivered = rig.bind(12, ACME, BindMode::Receiver, 0x34);
    assert_eq!(texts(&delivered), ["three", "one"], "in the order in which they went out last");
    for one in &delivered {
        rig.answer(one, OK);
    }
    assert_eq!((rig.acme().inbound_retried, rig.acme().inbound_waiting), (3, 0));
    rig.restart();
    assert!(rig.bind(13, ACME, BindMode::Receiver, 0x34).is_empty(), "nothing comes after its answer");
}

#[test]
fn a_client_that_is_not_ready_gets_it_later_and_one_that_refuses_thrice_does_not() {
    let mut rig = Rig::new();
    assert_eq!(rig.brings(&from_handset("4759440000", b"hello")), OK);
    let mut delivered = rig.bind(10, ACME, BindMode::Receiver, 0x34);
    for status in [LATER, CommandStatus::ESME_RX_P_APPN] {
        assert!(rig.answer(&delivered[0], status).is_empty(), "it rests");
        rig.pass(Duration::from_secs(301));
        delivered = rig.flush();
        assert_eq!(texts(&delivered), ["hello"]);
    }
    assert!(rig.answer(&delivered[0], CommandStatus::ESME_RX_P_APPN).is_empty());
    rig.pass(Duration::from_secs(600));
    assert!(rig.flush().is_empty());
    let tally = rig.acme();
    assert_eq!((tally.inbound_retried, tally.inbound_rejected, tally.inbound_waiting), (2, 1, 0));
    assert_eq!(
        (tally.receipts_retried, tally.receipts_dropped, tally.receipts_owed),
        (0, 0, 0),
        "these are no receipts"
    );
    let record = rig.archived();
    assert_eq!((record.state, record.error), (MessageState::Rejected as u8, 0x65));
}

#[test]
fn a_message_that_nobody_fetches_expires() {
    let mut rig = Rig::new();
    assert_eq!(rig.brings(&from_handset("4759440000", b"hello")), OK);
    rig.pass(Duration::from_secs(7 * 24 * 3600 - 60));
    rig.flush();
    assert_eq!(rig.acme().inbound_waiting, 1);
    rig.restart();
    rig.pass(Duration::from_secs(120));
    rig.flush();
    assert_eq!((rig.acme().inbound_waiting, rig.acme().inbound_expired), (0, 1));
    assert!(rig.bind(10, ACME, BindMode::Receiver, 0x34).is_empty());
    assert_eq!(rig.archived().state, MessageState::Expired as u8);
}

#[test]
fn the_archive_tells_direction_and_keeps_no_text() {
    let mut rig = Rig::new();
    assert_eq!(rig.brings(&from_handset("4759440000", b"a secret")), OK);
    let delivered = rig.bind(10, ACME, BindMode::Receiver, 0x34);
    rig.answer(&delivered[0], OK);
    let record = rig.archived();
    assert_eq!(record.class, Class::Inbound as u8);
    assert_eq!((record.state, record.error), (MessageState::Delivered as u8, 0));
    assert_eq!((record.account, record.carrier), (rig.enrolled.accounts[0], Some(CarrierId(0))));
    assert_eq!((record.source.octets(), record.destination.octets()), (&b"4791234567"[..], &b"4759440000"[..]));
    assert_eq!(&record.country, b"NO");
    assert_eq!(record.accepted, EPOCH);
    rig.restart();
    assert!(rig.bind(11, ACME, BindMode::Receiver, 0x34).is_empty());
    // Forgotten by its own class.
    let at = EPOCH.after(Duration::from_secs(61 * 24 * 3600));
    let swept = rig.store.sweep(at, 100).expect("a model store");
    assert_eq!(swept.records.iter().map(|records| (records.class, records.records)).collect::<Vec<_>>(), [(11, 1)]);
}

#[test]
fn the_text_stays_where_the_account_keeps_texts() {
    let mut rig = Rig::new();
    let mut policy = policy();
    policy.accounts[usize::from(ACME)].retention.body = Duration::from_secs(24 * 3600);
    let (policy, enrolled) = (Box::new(policy), Box::new(rig.enrolled.clone()));
    rig.handle(Input::Policy { policy, enrolled });
    assert_eq!(rig.brings(&from_handset("4759440000", b"a secret")), OK);
    let delivered = rig.bind(10, ACME, BindMode::Receiver, 0x34);
    rig.answer(&delivered[0], OK);
    let id = rig.archived().id;
    let (_, text) = rig.store.kept_text(id).expect("a model store").expect("it is kept");
    assert_eq!(smppgate::bridge::kept_text(&text).expect("a text").text(), b"a secret");
    let swept = rig.store.sweep(EPOCH.after(Duration::from_secs(26 * 3600)), 100).expect("a model store");
    let rows: Vec<_> = swept.records.iter().map(|records| (records.class, records.records)).collect();
    assert_eq!(rows, [(Class::Body as u8, 1)]);
}
