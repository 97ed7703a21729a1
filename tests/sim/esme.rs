//! A simulated client: binds, submits within its window, takes receipts well or badly, leaves and comes back.

use std::collections::BTreeMap;

use bytes::BytesMut;
use smppgate::clock::Unix;
use smppgate::pdu::{
    Address, BOUND_LIMIT, Bind, Codec, CommandId, CommandStatus, Frame, Frames, Password, Receipt, Sm, SmResp, Tag,
    Time, Tlv, Tlvs, encode_header_only, encode_resp,
};
use smppgate::session::BindMode;
use tokio_util::codec::Decoder;

use crate::ledger::{Ledger, Message};
use crate::net::Ctx;
use crate::plan::{COUNTRIES, ClientPlan, PASSWORD, account_name};
use crate::queue::{Event, S};
use crate::rng::Rng;

/// Tags of one client begin at its number times this.
const TAGS: u32 = 1_000_000;

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
    /// Our receipts that it has not answered.
    owes: BTreeMap<u32, u32>,
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
        self.submit(ctx, ledger, conn, unix);
    }

    /// Submits one message on its first able bind, whatever its window says.
    pub(crate) fn submit_now(&mut self, ctx: &mut Ctx, ledger: &mut Ledger, unix: Unix) -> u32 {
        let able = |link: &&Link| link.bound && link.mode != BindMode::Receiver;
        let conn = self.links.iter().find(|(_, link)| able(link)).map(|(conn, _)| *conn);
        self.submit(ctx, ledger, conn.expect("a bind that may submit"), unix)
    }

    fn submit(&mut self, ctx: &mut Ctx, ledger: &mut Ledger, conn: u64, unix: Unix) -> u32 {
        let tag = self.index as u32 * TAGS + self.made;
        self.made += 1;
        let country = self.country.unwrap_or_else(|| self.rng.below(COUNTRIES.len() as u64) as usize);
        let registered = self.rng.pick(&self.plan.registered);
        let garbage = self.rng.chance(self.plan.garbage);
        let mut text = if garbage { String::new() } else { format!("#{tag}#") };
        while (text.len() as u64) < self.plan.text_octets {
            text.push('x');
        }
        let mut payload = Vec::new();
        if text.len() > 254 {
            Tlv { tag: Tag::MESSAGE_PAYLOAD, value: text.as_bytes() }.encode(&mut payload);
            text.clear();
        }
        let number = if garbage { "12".to_owned() } else { format!("{}{:08}", COUNTRIES[country].0, 10_000_000 + tag) };
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
            short_message: text.as_bytes(),
            tlvs: Tlvs::lenient(&payload),
            ..Sm::default()
        };
        let message = Message { registered, country, client: self.index, ..Message::default() };
        ledger.messages.insert(tag, message);
        let link = self.links.get_mut(&conn).expect("chosen among them");
        link.sequence += 1;
        link.open.insert(link.sequence, (!garbage).then_some(tag));
        ctx.note("client: submit_sm", &[self.index as u64, conn, u64::from(tag)]);
        let mut wire = BytesMut::new();
        sm.encode(CommandId::SUBMIT_SM, link.sequence, &mut wire);
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
                if id == CommandId::SUBMIT_SM_RESP {
                    *self.answers.entry(header.status.0).or_default() += 1;
                }
                if header.status != CommandStatus::ESME_ROK {
                    return;
                }
                if BindMode::asked_by(link.mode.command()).is_some() && id == link.mode.command().response() {
                    link.bound = true;
                }
                if id == CommandId::SUBMIT_SM_RESP {
                    let tag = asked.expect("what cannot be accepted is refused");
                    let told = SmResp::decode(frame.body).message_id;
                    ledger.of(tag).told = Some(String::from_utf8_lossy(told).into_owned());
                }
            }
            other => panic!("a client gets {other}"),
        }
    }

    fn receipt(&mut self, ctx: &mut Ctx, ledger: &mut Ledger, conn: u64, frame: &Frame<'_>) {
        let sm = Sm::decode(frame.body).expect("a deliver_sm");
        let receipt = Receipt::read(&sm).expect("a receipt");
        let tag = ledger.durable_id(&String::from_utf8_lossy(receipt.id)).expect("an id that was given");
        let message = ledger.of(tag);
        assert_eq!(message.client, self.index, "{tag}: the receipt of another client");
        if let Some(told) = &message.told {
            assert_eq!(told.as_bytes(), receipt.id, "{tag}: the id that was told");
        }
        let number = format!("{}{:08}", COUNTRIES[message.country].0, 10_000_000 + tag);
        assert_eq!(sm.source.octets(), number.as_bytes(), "{tag}: a receipt comes from the recipient");
        let link = self.links.get_mut(&conn).expect("it came on it");
        assert!(link.bound && link.mode != BindMode::Transmitter, "{tag}: a receipt on a bind that takes none");
        self.receipts.push(tag);
        let sequence = frame.header.sequence;
        assert!(link.owes.insert(sequence, tag).is_none(), "sequence {sequence} is open twice");
        ctx.note("client: receipt", &[self.index as u64, conn, u64::from(tag), u64::from(receipt.state)]);
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
        let message = ledger.of(tag);
        match status {
            0 => message.taken += 1,
            0x0B => message.declined += 1,
            _ => {}
        }
        let mut wire = BytesMut::new();
        encode_resp(CommandId::DELIVER_SM_RESP, CommandStatus(status), sequence, None, &mut wire);
        ctx.send(conn, true, &wire);
    }
}
