//! A simulated client: binds, submits within its window, takes receipts well or badly, leaves and comes back.

use std::collections::BTreeMap;

use bytes::BytesMut;
use smppgate::clock::Unix;
use smppgate::pdu::{
    Address, BOUND_LIMIT, Bind, CancelSm, Codec, CommandId, CommandStatus, DataSm, Frame, Frames, LongAddress, Part,
    Password, QuerySm, QuerySmResp, Receipt, ReplaceSm, Sm, SmResp, Tag, Time, Tlv, Tlvs, encode_header_only,
    encode_resp,
};
use smppgate::session::BindMode;
use tokio_util::codec::Decoder;

use crate::habits::written;
use crate::ledger::{Asked, Ledger, Message, mobile_tag};
use crate::net::Ctx;
use crate::plan::{COUNTRIES, ClientPlan, PARTS_MAX, PASSWORD, account_name};
use crate::queue::{Event, S};
use crate::rng::Rng;
use crate::smsc::handset;

/// Tags of one client begin at its number times this.
const TAGS: u32 = 1_000_000;

/// The recipient of a message: no two are the same.
fn number_of(country: usize, tag: u32) -> String {
    format!("{}{:08}", COUNTRIES[country].0, 10_000_000 + tag)
}

/// Optional parameters that say which part it is.
fn join(Part { reference, total, number }: Part, tlvs: &mut Vec<u8>) {
    let reference = reference.to_be_bytes();
    let named = [
        (Tag::SAR_MSG_REF_NUM, &reference[..]),
        (Tag::SAR_TOTAL_SEGMENTS, &[total]),
        (Tag::SAR_SEGMENT_SEQNUM, &[number]),
    ];
    named.into_iter().for_each(|(tag, value)| Tlv { tag, value }.encode(tlvs));
}

/// One of its binds.
#[derive(Debug)]
struct Link {
    bind: usize,
    mode: BindMode,
    bound: bool,
    stream: BytesMut,
    sequence: u32,
    /// Its requests without our answer; `None` for one that cannot be accepted.
    open: BTreeMap<u32, Option<u32>>,
    /// Our receipts that it has not answered; `None` for what is not kept.
    owes: BTreeMap<u32, Option<u32>>,
}

/// The client.
#[derive(Debug)]
pub(crate) struct Esme {
    pub(crate) index: usize,
    pub(crate) plan: ClientPlan,
    rng: Rng,
    links: BTreeMap<u64, Link>,
    pub(crate) made: u32,
    /// Statuses of its requests.
    pub(crate) answers: BTreeMap<u32, u32>,
    /// Tags in the order in which their receipts came.
    pub(crate) receipts: Vec<u32>,
    /// Tags of its messages that were accepted, and the ends it was told on asking.
    accepted: Vec<u32>,
    ends: BTreeMap<u32, u8>,
    /// Answers to what it asked about messages, by command and status.
    pub(crate) recalled: BTreeMap<(u32, u32), u32>,
    /// Tags of the messages from handsets that came, in their order.
    pub(crate) mobiles: Vec<u32>,
    /// Only the country at this index, else any.
    pub(crate) country: Option<usize>,
}

impl Esme {
    pub(crate) fn new(index: usize, plan: ClientPlan, seed: u64) -> Self {
        Self {
            index,
            plan,
            rng: Rng::of(seed, &format!("client {index}")),
            links: BTreeMap::new(),
            made: 0,
            answers: BTreeMap::new(),
            receipts: Vec::new(),
            accepted: Vec::new(),
            ends: BTreeMap::new(),
            recalled: BTreeMap::new(),
            mobiles: Vec::new(),
            country: None,
        }
    }

    pub(crate) fn has(&self, conn: u64) -> bool {
        self.links.contains_key(&conn)
    }

    pub(crate) fn connections(&self) -> Vec<u64> {
        self.links.keys().copied().collect()
    }

    /// Requests that live binds have no answer to.
    pub(crate) fn unanswered(&self) -> usize {
        self.links.values().filter(|link| link.bound).map(|link| link.open.len()).sum()
    }

    pub(crate) fn is_bound(&self) -> bool {
        self.links.values().any(|link| link.bound)
    }

    /// Connected: sends its bind.
    pub(crate) fn connected(&mut self, ctx: &mut Ctx, bind: usize, conn: u64) {
        let mode = self.plan.binds[bind];
        let mut link = Link {
            bind,
            mode,
            bound: false,
            stream: BytesMut::new(),
            sequence: 1,
            open: BTreeMap::new(),
            owes: BTreeMap::new(),
        };
        link.open.insert(1, None);
        self.links.insert(conn, link);
        let name = account_name(self.index);
        let request = Bind {
            system_id: name.as_bytes(),
            password: Password(PASSWORD),
            interface_version: self.plan.version,
            ..Bind::default()
        };
        let mut wire = BytesMut::new();
        request.encode(mode.command(), 1, &mut wire);
        ctx.send(conn, true, &wire);
    }

    pub(crate) fn closed(&mut self, ctx: &mut Ctx, conn: u64) {
        if let Some(link) = self.links.remove(&conn) {
            ctx.note("client: closed", &[self.index as u64, conn]);
            let delay = self.rng.within(self.plan.reconnect_after);
            ctx.after(delay, Event::Connect { esme: self.index, bind: link.bind });
        }
    }

    /// Closes without a word, or unbinds.
    pub(crate) fn leave(&mut self, ctx: &mut Ctx, conn: u64, politely: bool) {
        let Some(link) = self.links.get_mut(&conn) else { return };
        if politely && link.bound {
            link.sequence += 1;
            let mut wire = BytesMut::new();
            encode_header_only(CommandId::UNBIND, CommandStatus::ESME_ROK, link.sequence, &mut wire);
            link.open.insert(link.sequence, None);
            ctx.send(conn, true, &wire);
        } else {
            ctx.close(conn, true);
            self.closed(ctx, conn);
        }
    }

    /// The time of its next message has come.
    pub(crate) fn submit_next(&mut self, ctx: &mut Ctx, ledger: &mut Ledger, unix: Unix) {
        if self.made >= self.plan.messages {
            return;
        }
        let delay = self.rng.within(self.plan.submit_every);
        ctx.after(delay.max(1), Event::Submit { esme: self.index });
        let window = self.plan.window as usize;
        let able = |link: &Link| link.bound && link.mode != BindMode::Receiver && link.open.len() < window;
        let able: Vec<u64> = self.links.iter().filter(|(_, link)| able(link)).map(|(conn, _)| *conn).collect();
        if able.is_empty() {
            return;
        }
        let conn = self.rng.pick(&able);
        if self.rng.chance(self.plan.quit) {
            let politely = self.rng.chance(500);
            return self.leave(ctx, conn, politely);
        }
        if !self.accepted.is_empty() && self.rng.chance(self.plan.recall) {
            let tag = self.rng.pick(&self.accepted);
            let kind = self.rng.below(3);
            return self.recall(ctx, ledger, conn, tag, kind);
        }
        if self.rng.chance(self.plan.parts) {
            let total = self.rng.within((2, u64::from(PARTS_MAX))) as u8;
            self.submit_parts(ctx, ledger, conn, total, unix);
            return;
        }
        self.submit(ctx, ledger, conn, None, unix);
    }

    /// Submits a long message in parts, one right behind the other; their tags.
    fn submit_parts(&mut self, ctx: &mut Ctx, ledger: &mut Ledger, conn: u64, total: u8, unix: Unix) -> Vec<u32> {
        let first = self.index as u32 * TAGS + self.made;
        let country = self.country;
        self.country = Some(country.unwrap_or_else(|| self.rng.below(COUNTRIES.len() as u64) as usize));
        let part = |number| Some((first, Part { reference: first as u16, total, number }));
        let tags = (1..=total).map(|number| self.submit(ctx, ledger, conn, part(number), unix)).collect();
        self.country = country;
        tags
    }

    /// Submits a long message in parts on its first able bind.
    pub(crate) fn submit_parts_now(&mut self, ctx: &mut Ctx, ledger: &mut Ledger, total: u8, unix: Unix) -> Vec<u32> {
        let able = |link: &&Link| link.bound && link.mode != BindMode::Receiver;
        let conn = self.links.iter().find(|(_, link)| able(link)).map(|(conn, _)| *conn);
        self.submit_parts(ctx, ledger, conn.expect("a bind that may submit"), total, unix)
    }

    /// Asks about one of its messages on its first able bind: 0 queries, 1 cancels, 2 replaces.
    pub(crate) fn recall_now(&mut self, ctx: &mut Ctx, ledger: &mut Ledger, tag: u32, kind: u64) {
        let able = |link: &&Link| link.bound && link.mode != BindMode::Receiver;
        let conn = self.links.iter().find(|(_, link)| able(link)).map(|(conn, _)| *conn);
        self.recall(ctx, ledger, conn.expect("a bind that may ask"), tag, kind);
    }

    fn recall(&mut self, ctx: &mut Ctx, ledger: &mut Ledger, conn: u64, tag: u32, kind: u64) {
        let message = ledger.of(tag);
        let id = message.told.clone().expect("an accepted message");
        let source = Address::new(5, 0, b"sim").expect("a short name");
        let number = number_of(message.country, message.to);
        let (revision, is_part) = (message.revision + 1, message.is_part);
        let link = self.links.get_mut(&conn).expect("chosen among them");
        link.sequence += 1;
        let sequence = link.sequence;
        link.open.insert(sequence, None);
        let mut wire = BytesMut::new();
        let asked = match kind {
            0 => {
                QuerySm { message_id: id.as_bytes(), source }.encode(sequence, &mut wire);
                Asked::Query(tag, self.ends.get(&tag).copied())
            }
            1 => {
                let mut cancel = CancelSm { message_id: id.as_bytes(), source, ..CancelSm::default() };
                // By its addresses, unless the other parts have them too.
                if !is_part && self.rng.chance(300) {
                    cancel.message_id = b"";
                    cancel.destination = Address::new(1, 1, number.as_bytes()).expect("a short number");
                }
                cancel.encode(sequence, &mut wire);
                Asked::Cancel(tag)
            }
            _ => {
                let text = written(self.plan.alphabet, &format!("#{tag}#r{revision}#"));
                let later = self.rng.chance(300);
                let replace = ReplaceSm {
                    message_id: id.as_bytes(),
                    source,
                    schedule_delivery_time: if later { b"000000000010000R" } else { b"" },
                    registered_delivery: self.rng.pick(&self.plan.registered),
                    short_message: &text,
                    ..ReplaceSm::default()
                };
                replace.encode(sequence, &mut wire);
                Asked::Replace(tag, revision)
            }
        };
        ctx.note("client: asks about a message", &[self.index as u64, conn, u64::from(tag), kind]);
        ledger.asked.insert((conn, sequence), asked);
        ctx.send(conn, true, &wire);
    }

    /// Submits one message on its first able bind, whatever its window says.
    pub(crate) fn submit_now(&mut self, ctx: &mut Ctx, ledger: &mut Ledger, unix: Unix) -> u32 {
        let able = |link: &&Link| link.bound && link.mode != BindMode::Receiver;
        let conn = self.links.iter().find(|(_, link)| able(link)).map(|(conn, _)| *conn);
        self.submit(ctx, ledger, conn.expect("a bind that may submit"), None, unix)
    }

    /// Submits one message, or a part of the one whose first tag is given.
    fn submit(&mut self, ctx: &mut Ctx, ledger: &mut Ledger, conn: u64, part: Option<(u32, Part)>, unix: Unix) -> u32 {
        let tag = self.index as u32 * TAGS + self.made;
        self.made += 1;
        let country = self.country.unwrap_or_else(|| self.rng.below(COUNTRIES.len() as u64) as usize);
        let registered = self.rng.pick(&self.plan.registered);
        let garbage = part.is_none() && self.rng.chance(self.plan.garbage);
        let mut text = if garbage { String::new() } else { format!("#{tag}#") };
        let head = text.clone();
        while (text.len() as u64) < self.plan.text_octets {
            // Where it may be cut, a part begins.
            let begins = !head.is_empty() && text.len().is_multiple_of(153);
            text.push_str(if begins { &head } else { "x" });
        }
        let (mut text, mut payload) = (written(self.plan.alphabet, &text), Vec::new());
        if text.len() > 254 {
            Tlv { tag: Tag::MESSAGE_PAYLOAD, value: &text }.encode(&mut payload);
            text.clear();
        }
        part.into_iter().for_each(|(_, part)| join(part, &mut payload));
        let to = part.map_or(tag, |(first, _)| first);
        let number = if garbage { "12".to_owned() } else { number_of(country, to) };
        let at = |seconds: u32| Time::absolute(Unix(unix.0 + u64::from(seconds) * 1000));
        let schedule_s = if self.rng.chance(self.plan.schedule) { self.rng.within((1, 60)) as u32 } else { 0 };
        let validity_s = self.rng.pick(&self.plan.validity_s);
        let (schedule, validity) = (at(schedule_s), at(schedule_s + validity_s));
        let sm = Sm {
            source: Address::new(5, 0, b"sim").expect("a short name"),
            destination: Address::new(1, 1, number.as_bytes()).expect("a short number"),
            registered_delivery: registered,
            schedule_delivery_time: if schedule_s > 0 { &schedule } else { b"" },
            validity_period: if validity_s > 0 { &validity } else { b"" },
            short_message: &text,
            tlvs: Tlvs::lenient(&payload),
            ..Sm::default()
        };
        let message =
            Message { registered, to, is_part: part.is_some(), country, client: self.index, ..Message::default() };
        ledger.messages.insert(tag, message);
        let link = self.links.get_mut(&conn).expect("chosen among them");
        link.sequence += 1;
        link.open.insert(link.sequence, (!garbage).then_some(tag));
        ctx.note("client: submit_sm", &[self.index as u64, conn, u64::from(tag)]);
        let mut wire = BytesMut::new();
        // A data_sm names no times.
        if part.is_none()
            && self.rng.chance(self.plan.data)
            && sm.schedule_delivery_time.is_empty()
            && sm.validity_period.is_empty()
        {
            let long = |address: &Address| (address.ton(), address.npi(), address.octets().to_vec());
            let (source, destination) = (long(&sm.source), long(&sm.destination));
            if payload.is_empty() {
                Tlv { tag: Tag::MESSAGE_PAYLOAD, value: &text }.encode(&mut payload);
            }
            let data = DataSm {
                source: LongAddress { ton: source.0, npi: source.1, octets: &source.2 },
                destination: LongAddress { ton: destination.0, npi: destination.1, octets: &destination.2 },
                registered_delivery: registered,
                tlvs: Tlvs::lenient(&payload),
                ..DataSm::default()
            };
            data.encode(link.sequence, &mut wire);
        } else {
            sm.encode(CommandId::SUBMIT_SM, link.sequence, &mut wire);
        }
        ctx.send(conn, true, &wire);
        tag
    }

    pub(crate) fn receive(&mut self, ctx: &mut Ctx, ledger: &mut Ledger, conn: u64, octets: &[u8]) {
        let Some(link) = self.links.get_mut(&conn) else { return };
        link.stream.extend_from_slice(octets);
        loop {
            let Some(link) = self.links.get_mut(&conn) else { return };
            let chunk = Codec::new(BOUND_LIMIT).decode(&mut link.stream).expect("we write whole PDUs");
            let Some(chunk) = chunk else { return };
            for (_, frame) in Frames::new(&chunk) {
                self.take(ctx, ledger, conn, &frame);
            }
        }
    }

    fn take(&mut self, ctx: &mut Ctx, ledger: &mut Ledger, conn: u64, frame: &Frame<'_>) {
        let header = frame.header;
        let Some(link) = self.links.get_mut(&conn) else { return };
        let mut wire = BytesMut::new();
        match header.id {
            CommandId::ENQUIRE_LINK => {
                encode_resp(header.id.response(), header.status, header.sequence, None, &mut wire);
                ctx.send(conn, true, &wire);
            }
            CommandId::UNBIND => {
                encode_resp(header.id.response(), header.status, header.sequence, None, &mut wire);
                ctx.send(conn, true, &wire);
                ctx.close(conn, true);
                self.closed(ctx, conn);
            }
            CommandId::DELIVER_SM => self.receipt(ctx, ledger, conn, frame),
            id if id.is_response() => {
                let asked = link.open.remove(&header.sequence);
                let asked = asked.unwrap_or_else(|| panic!("client {} gets {id} unasked", self.index));
                ctx.note("client: answer", &[self.index as u64, conn, u64::from(id.0), u64::from(header.status.0)]);
                let submitted = matches!(id, CommandId::SUBMIT_SM_RESP | CommandId::DATA_SM_RESP);
                if submitted {
                    *self.answers.entry(header.status.0).or_default() += 1;
                }
                if matches!(id, CommandId::QUERY_SM_RESP | CommandId::CANCEL_SM_RESP | CommandId::REPLACE_SM_RESP) {
                    *self.recalled.entry((id.0, header.status.0)).or_default() += 1;
                }
                if header.status != CommandStatus::ESME_ROK {
                    return;
                }
                if id == CommandId::QUERY_SM_RESP {
                    let told = QuerySmResp::decode(frame.body).expect("a whole answer");
                    let tag = ledger.durable_id(&String::from_utf8_lossy(told.message_id)).expect("its message");
                    if told.message_state != 1 {
                        self.ends.insert(tag, told.message_state);
                    }
                }
                if BindMode::asked_by(link.mode.command()).is_some() && id == link.mode.command().response() {
                    link.bound = true;
                }
                if submitted {
                    let tag = asked.expect("what cannot be accepted is refused");
                    let told = SmResp::decode(frame.body).message_id;
                    self.accepted.push(tag);
                    ledger.of(tag).told = Some(String::from_utf8_lossy(told).into_owned());
                }
            }
            other => panic!("a client gets {other}"),
        }
    }

    fn receipt(&mut self, ctx: &mut Ctx, ledger: &mut Ledger, conn: u64, frame: &Frame<'_>) {
        let sm = Sm::decode(frame.body).expect("a deliver_sm");
        if let Some(tag) = mobile_tag(sm.text()) {
            self.mobile(ledger, tag, &sm);
            return self.taken(ctx, conn, frame.header.sequence, Some(tag));
        }
        let receipt = Receipt::read(&sm).expect("a receipt, or a message from a handset");
        let tag = ledger.durable_id(&String::from_utf8_lossy(receipt.id)).expect("an id that was given");
        let message = ledger.of(tag);
        assert_eq!(message.client, self.index, "{tag}: the receipt of another client");
        if let Some(told) = &message.told {
            assert_eq!(told.as_bytes(), receipt.id, "{tag}: the id that was told");
        }
        let number = number_of(message.country, message.to);
        assert_eq!(sm.source.octets(), number.as_bytes(), "{tag}: a receipt comes from the recipient");
        // A notification of what comes before the end is told once, whatever the answer.
        let kept = (sm.esm_class != Sm::TYPE_INTERMEDIATE).then_some(tag);
        self.receipts.extend(kept);
        ctx.note("client: receipt", &[self.index as u64, conn, u64::from(tag), u64::from(receipt.state)]);
        self.taken(ctx, conn, frame.header.sequence, kept);
    }

    /// A message from a handset: for this client, and as the carrier said it.
    fn mobile(&mut self, ledger: &Ledger, tag: u32, sm: &Sm<'_>) {
        let mobile = &ledger.mobiles[&tag];
        assert_eq!(mobile.client, Some(self.index), "{tag}: the message of another client");
        assert_eq!(sm.source.octets(), handset(tag).as_bytes(), "{tag}");
        let has_payload = sm.short_message.is_empty();
        // A data_sm has no protocol_id, and a client of 3.3 gets no TLVs.
        let keeps_payload = sm.protocol_id == 0 && self.plan.version >= 0x34;
        // What is turned into another alphabet goes where it fits.
        assert!(has_payload == keeps_payload || self.plan.recoded, "{tag}");
        self.mobiles.push(tag);
    }

    /// A `deliver_sm` that will be answered, well or badly or not at all.
    fn taken(&mut self, ctx: &mut Ctx, conn: u64, sequence: u32, tag: Option<u32>) {
        let link = self.links.get_mut(&conn).expect("it came on it");
        assert!(link.bound && link.mode != BindMode::Transmitter, "{tag:?}: a deliver_sm on a bind that takes none");
        assert!(link.owes.insert(sequence, tag).is_none(), "sequence {sequence} is open twice");
        ctx.note("client: deliver_sm", &[self.index as u64, conn, u64::from(tag.unwrap_or_default())]);
        let mut delay = self.rng.within(self.plan.answer_after);
        if self.rng.chance(self.plan.answer_later) {
            delay += 35 * S;
        }
        let refused = self.rng.chance(self.plan.answer_refuse);
        let status = if refused { self.rng.pick(&[0x14, 0x08, 0x64, 0x0B]) } else { 0 };
        if !self.rng.chance(self.plan.answer_never) {
            ctx.after(delay, Event::Receive { esme: self.index, conn, sequence, status });
        }
    }

    /// Answers a receipt.
    pub(crate) fn answer(&mut self, ctx: &mut Ctx, ledger: &mut Ledger, conn: u64, sequence: u32, status: u32) {
        let Some(link) = self.links.get_mut(&conn) else { return };
        let Some(tag) = link.owes.remove(&sequence) else { return };
        if let Some(tag) = tag {
            ledger.answered(tag, status);
        }
        let mut wire = BytesMut::new();
        encode_resp(CommandId::DELIVER_SM_RESP, CommandStatus(status), sequence, None, &mut wire);
        ctx.send(conn, true, &wire);
    }
}
