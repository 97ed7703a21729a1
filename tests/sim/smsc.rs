//! A simulated carrier: takes, refuses or ignores messages, and sends receipts in its own dialect.

use std::collections::BTreeMap;

use bytes::BytesMut;
use smppgate::pdu::{
    Address, BOUND_LIMIT, BindResp, Codec, CommandId, CommandStatus, DataSm, Frame, Frames, LongAddress, Sm, Tag, Tlv,
    Tlvs, encode_header_only, encode_resp,
};
use smppgate::policy::OnUnknown;
use smppgate::session::BindMode;
use tokio_util::codec::Decoder;

use crate::habits::written;
use crate::ledger::{Ledger, MOBILE, Mobile, tag_of_sm};
use crate::net::Ctx;
use crate::plan::CarrierPlan;
use crate::queue::{Event, MS, S};
use crate::rng::Rng;

/// How long it waits for our answer to a receipt before it sends it again.
const RECEIPT_PATIENCE: u64 = 12 * S;
/// A request whose answer tells nothing: a test of the link.
const CHATTER: usize = usize::MAX;
/// Numbers of open requests from here on are messages from handsets.
const MOBILES: usize = 1 << 40;
/// Tags of the messages from one carrier's handsets begin at its number times this.
const TAGS: u32 = 1_000_000;

/// A receipt it has to send.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) tag: u32,
    pub(crate) id: String,
    pub(crate) state: u8,
    number: Vec<u8>,
    taken: bool,
}

/// A message that a handset wrote.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) tag: u32,
    to: String,
    /// We have it, or refused it for good.
    done: bool,
}

/// The number of the handset that wrote it.
pub(crate) fn handset(tag: u32) -> String {
    format!("479{:07}", tag & !MOBILE)
}

/// The number of a client.
pub(crate) fn service(client: usize) -> String {
    format!("2000{client}")
}

/// Its end of one of our links.
#[derive(Debug)]
struct Link {
    mode: Option<BindMode>,
    stream: BytesMut,
    sequence: u32,
    /// Its requests without our answer.
    open: BTreeMap<u32, usize>,
}

/// The carrier.
#[derive(Debug)]
pub(crate) struct Smsc {
    index: usize,
    pub(crate) plan: CarrierPlan,
    rng: Rng,
    links: BTreeMap<u64, Link>,
    pub(crate) reports: Vec<Report>,
    pub(crate) mobiles: Vec<Written>,
    taken: u64,
    second: (u64, u64),
    /// When each `submit_sm` came.
    pub(crate) seen: Vec<u64>,
    /// What each of them was.
    pub(crate) tags: Vec<u32>,
    /// Recipients and ids of the messages whose receipt never comes.
    untold: BTreeMap<u32, (u64, Vec<u8>)>,
    pub(crate) mute_until: u64,
}

impl Smsc {
    pub(crate) fn new(index: usize, plan: CarrierPlan, seed: u64) -> Self {
        Self {
            index,
            plan,
            rng: Rng::of(seed, &format!("carrier {index}")),
            links: BTreeMap::new(),
            reports: Vec::new(),
            mobiles: Vec::new(),
            taken: 0,
            second: (0, 0),
            seen: Vec::new(),
            tags: Vec::new(),
            untold: BTreeMap::new(),
            mute_until: 0,
        }
    }

    /// We connected.
    pub(crate) fn accept(&mut self, conn: u64) {
        let link = Link { mode: None, stream: BytesMut::new(), sequence: 0, open: BTreeMap::new() };
        self.links.insert(conn, link);
    }

    pub(crate) fn has(&self, conn: u64) -> bool {
        self.links.contains_key(&conn)
    }

    pub(crate) fn connections(&self) -> Vec<u64> {
        self.links.keys().copied().collect()
    }

    pub(crate) fn closed(&mut self, ctx: &mut Ctx, conn: u64) {
        if self.links.remove(&conn).is_some() {
            ctx.note("carrier: closed", &[self.index as u64, conn]);
        }
    }

    /// Requests of its own that live links have not answered.
    pub(crate) fn unanswered(&self) -> usize {
        self.links.values().map(|link| link.open.len()).sum()
    }

    /// The receipt that went out as `sequence`.
    pub(crate) fn report_of(&self, conn: u64, sequence: u32) -> Option<&Report> {
        let report = *self.links.get(&conn)?.open.get(&sequence)?;
        self.reports.get(report)
    }

    /// The message from a handset that went out as `sequence`.
    pub(crate) fn mobile_of(&self, conn: u64, sequence: u32) -> Option<u32> {
        let open = *self.links.get(&conn)?.open.get(&sequence)?;
        self.mobiles.get(open.checked_sub(MOBILES)?).map(|written| written.tag)
    }

    /// Messages from handsets that we neither have nor refused for good.
    pub(crate) fn unheard(&self) -> usize {
        self.mobiles.iter().filter(|written| !written.done).count()
    }

    pub(crate) fn receive(&mut self, ctx: &mut Ctx, ledger: &mut Ledger, conn: u64, octets: &[u8]) {
        let mute = self.plan.mute || ctx.now < self.mute_until;
        let Some(link) = self.links.get_mut(&conn) else { return };
        link.stream.extend_from_slice(octets);
        loop {
            let Some(link) = self.links.get_mut(&conn) else { return };
            let chunk = Codec::new(BOUND_LIMIT).decode(&mut link.stream).expect("we write whole PDUs");
            let Some(chunk) = chunk else { return };
            for (_, frame) in Frames::new(&chunk) {
                if !mute {
                    self.take(ctx, ledger, conn, &frame);
                } else if frame.header.id.is_response()
                    && let Some(link) = self.links.get_mut(&conn)
                {
                    // Read and forgotten.
                    link.open.remove(&frame.header.sequence);
                }
            }
        }
    }

    fn take(&mut self, ctx: &mut Ctx, ledger: &mut Ledger, conn: u64, frame: &Frame<'_>) {
        let header = frame.header;
        let mut wire = BytesMut::new();
        match header.id {
            CommandId::BIND_RECEIVER | CommandId::BIND_TRANSMITTER | CommandId::BIND_TRANSCEIVER => {
                if self.rng.chance(self.plan.refuse_bind) {
                    let status = CommandStatus::ESME_RBINDFAIL;
                    encode_header_only(header.id.response(), status, header.sequence, &mut wire);
                } else {
                    let response = BindResp { system_id: b"smsc", sc_interface_version: Some(0x34) };
                    response.encode(header.id.response(), header.sequence, &mut wire);
                    let mode = BindMode::asked_by(header.id);
                    self.links.get_mut(&conn).into_iter().for_each(|link| link.mode = mode);
                }
            }
            CommandId::SUBMIT_SM => self.submitted(ctx, ledger, conn, frame),
            CommandId::ENQUIRE_LINK => {
                encode_resp(header.id.response(), header.status, header.sequence, None, &mut wire);
            }
            CommandId::UNBIND => {
                encode_resp(header.id.response(), header.status, header.sequence, None, &mut wire);
                ctx.send(conn, true, &wire);
                ctx.close(conn, true);
                self.closed(ctx, conn);
                return;
            }
            CommandId::DELIVER_SM_RESP | CommandId::DATA_SM_RESP | CommandId::ENQUIRE_LINK_RESP => {
                self.answered(ctx, ledger, conn, header.sequence, header.status);
            }
            other => panic!("a carrier gets {other} with status {}", header.status),
        }
        ctx.send(conn, true, &wire);
    }

    fn submitted(&mut self, ctx: &mut Ctx, ledger: &mut Ledger, conn: u64, frame: &Frame<'_>) {
        let sequence = frame.header.sequence;
        let sm = Sm::decode(frame.body).expect("we forward what can be read");
        let tag = tag_of_sm(&sm).expect("we forward only what was tagged");
        assert_eq!(sm.registered_delivery & 0b11, 1, "a receipt is always asked for");
        assert!(sm.schedule_delivery_time.is_empty(), "scheduling is done here");
        self.seen.push(ctx.now);
        self.tags.push(tag);
        let carrier = self.index;
        if self.rng.chance(self.plan.chatter) {
            self.chatter(ctx, ledger, conn);
        }
        let second = ctx.now / S;
        self.second = if self.second.0 == second { (second, self.second.1 + 1) } else { (second, 1) };
        let refused = if self.plan.capacity.is_some_and(|capacity| self.second.1 > capacity) {
            Some(0x58)
        } else {
            self.rng.chance(self.plan.refuse).then(|| self.rng.pick(&self.plan.statuses))
        };
        // Nobody answers in no time.
        let mut after = self.rng.within(self.plan.answer_after).max(1);
        if self.rng.chance(self.plan.answer_late) {
            after += 40 * S;
        }
        let never = self.rng.chance(self.plan.answer_never);
        let twice = self.rng.chance(self.plan.answer_twice);
        let mut id = String::new();
        if refused.is_none() {
            let number = self.plan.first_id + self.taken % self.plan.id_period;
            self.taken += 1;
            if !self.rng.chance(self.plan.anonymous) {
                id = self.plan.form.write(number);
            }
            let lossy = ledger.lossy;
            let message = ledger.of(tag);
            message.copies += 1;
            assert!(message.copies <= 1 + message.unknown, "{tag}: a duplicate without a reason: {message:?}");
            if self.plan.on_unknown == OnUnknown::Fail {
                let first = message.taken_once.insert(carrier) || lossy;
                assert!(first, "{tag}: carrier {carrier} got it twice, which its policy forbids: {message:?}");
            }
            self.plan_receipts(ctx, tag, number, sm.destination.octets(), after);
        }
        let status = refused.unwrap_or(0);
        ctx.note("carrier: submit_sm", &[carrier as u64, u64::from(tag), u64::from(status), u64::from(never)]);
        if !never {
            for delay in [after, after + 100 * MS].into_iter().take(1 + usize::from(twice)) {
                let id = id.clone();
                ctx.after(delay, Event::Answer { carrier, conn, sequence, status, id });
            }
        }
    }

    /// Decides what the subscriber's handset will have said, and how often that is told.
    fn plan_receipts(&mut self, ctx: &mut Ctx, tag: u32, number: u64, destination: &[u8], answer_after: u64) {
        if self.rng.chance(self.plan.receipt_never) {
            self.untold.insert(tag, (number, destination.to_vec()));
            return;
        }
        let digits = destination.iter().position(|octet| (b'1'..=b'9').contains(octet)).unwrap_or_default();
        let destination = &destination[digits..];
        let early = self.rng.chance(self.plan.receipt_early);
        let first = if early { answer_after / 2 } else { answer_after + self.rng.within(self.plan.receipt_after) };
        let failed = self.rng.chance(self.plan.receipt_fails);
        let state = if failed { self.rng.pick(&[3, 4, 5, 7, 8]) } else { 2 };
        let mut told = Vec::new();
        if self.rng.chance(self.plan.receipt_staged) {
            told.push((first / 2, self.rng.pick(&[1, 6])));
        }
        told.push((first, state));
        if self.rng.chance(self.plan.receipt_twice) {
            told.push((first + self.rng.below(5 * S), state));
        }
        if self.rng.chance(self.plan.receipt_contradicts) {
            told.push((first + 1 + self.rng.below(5 * S), self.rng.pick(&[2, 5])));
        }
        for (delay, state) in told {
            let number_form = match self.rng.below(3) {
                0 => [b"+", destination].concat(),
                1 => destination[destination.len() - 8..].to_vec(),
                _ => destination.to_vec(),
            };
            let id = self.plan.receipt_form.write(number);
            self.reports.push(Report { tag, id, state, number: number_form, taken: false });
            ctx.after(delay, Event::Report { carrier: self.index, report: self.reports.len() - 1 });
        }
    }

    /// The receipts of these messages come after all: delivered.
    pub(crate) fn tell_after_all(&mut self, ctx: &mut Ctx, tags: &[u32]) {
        for tag in tags {
            let (number, destination) = self.untold.remove(tag).expect("nobody was told of it");
            let id = self.plan.receipt_form.write(number);
            self.reports.push(Report { tag: *tag, id, state: 2, number: destination, taken: false });
            ctx.after(0, Event::Report { carrier: self.index, report: self.reports.len() - 1 });
        }
    }

    /// A `submit_sm_resp` goes out.
    pub(crate) fn answer(&mut self, ctx: &mut Ctx, conn: u64, sequence: u32, status: u32, id: &str) {
        if !self.links.contains_key(&conn) || ctx.now < self.mute_until || self.plan.mute {
            return;
        }
        let mut wire = BytesMut::new();
        encode_resp(CommandId::SUBMIT_SM_RESP, CommandStatus(status), sequence, Some(id.as_bytes()), &mut wire);
        ctx.send(conn, true, &wire);
    }

    /// Chooses a link that can carry a delivery, and opens one there that is known as `open`; its connection and sequence
    /// number. `event` is the delivery, to be made again later: until it is answered, or until there is a link.
    fn begin_delivery(&mut self, ctx: &mut Ctx, event: Event, open: usize) -> Option<(u64, u32)> {
        let able = |link: &Link| matches!(link.mode, Some(BindMode::Receiver | BindMode::Transceiver));
        let able: Vec<u64> = self.links.iter().filter(|(_, link)| able(link)).map(|(conn, _)| *conn).collect();
        if able.is_empty() || ctx.now < self.mute_until || self.plan.mute {
            ctx.after(S, event);
            return None;
        }
        ctx.after(RECEIPT_PATIENCE, event);
        let conn = self.rng.pick(&able);
        let link = self.links.get_mut(&conn)?;
        link.sequence += 1;
        link.open.insert(link.sequence, open);
        Some((conn, link.sequence))
    }

    /// A receipt goes out, on any link that can carry it.
    pub(crate) fn report(&mut self, ctx: &mut Ctx, report: usize) {
        if self.reports[report].taken {
            return;
        }
        let event = Event::Report { carrier: self.index, report };
        let Some((conn, sequence)) = self.begin_delivery(ctx, event, report) else { return };
        let Report { tag, id, state, number, .. } = &self.reports[report];
        ctx.note("carrier: receipt", &[self.index as u64, u64::from(*tag), u64::from(*state)]);
        let stat = smppgate::message::MessageState::from_octet(*state).map_or("WHATEVER", |state| state.stat());
        let text = format!("id:{id} sub:001 dlvrd:001 submit date:2601021530 done date:2601021531 stat:{stat} err:000");
        let mut tlvs = Vec::new();
        if self.plan.receipt_tlvs {
            let id = [id.as_bytes(), b"\0"].concat();
            Tlv { tag: Tag::RECEIPTED_MESSAGE_ID, value: &id }.encode(&mut tlvs);
            Tlv { tag: Tag::MESSAGE_STATE, value: &[*state] }.encode(&mut tlvs);
        }
        let mut wire = BytesMut::new();
        if self.rng.chance(self.plan.receipt_data) {
            Tlv { tag: Tag::MESSAGE_PAYLOAD, value: text.as_bytes() }.encode(&mut tlvs);
            let data = DataSm {
                source: LongAddress { ton: 1, npi: 1, octets: number },
                destination: LongAddress { ton: 5, npi: 0, octets: b"sim" },
                esm_class: Sm::TYPE_RECEIPT,
                tlvs: Tlvs::lenient(&tlvs),
                ..DataSm::default()
            };
            data.encode(sequence, &mut wire);
        } else {
            let sm = Sm {
                source: Address::new(1, 1, number).expect("a short number"),
                destination: Address::new(5, 0, b"sim").expect("a short name"),
                esm_class: Sm::TYPE_RECEIPT,
                short_message: text.as_bytes(),
                tlvs: Tlvs::lenient(&tlvs),
                ..Sm::default()
            };
            sm.encode(CommandId::DELIVER_SM, sequence, &mut wire);
        }
        ctx.send(conn, true, &wire);
    }

    /// Says something that is no receipt: a handset writes where it may, else a test of the link.
    fn chatter(&mut self, ctx: &mut Ctx, ledger: &mut Ledger, conn: u64) {
        let Some(link) = self.links.get_mut(&conn) else { return };
        if link.mode == Some(BindMode::Transceiver) {
            let client = self.rng.below(self.plan.clients as u64 + 1) as usize;
            self.write(ctx, ledger, Some(client).filter(|client| *client < self.plan.clients));
            return;
        }
        link.sequence += 1;
        link.open.insert(link.sequence, CHATTER);
        let mut wire = BytesMut::new();
        encode_header_only(CommandId::ENQUIRE_LINK, CommandStatus::ESME_ROK, link.sequence, &mut wire);
        ctx.send(conn, true, &wire);
    }

    /// A handset writes to a client, or to nobody; the message's tag.
    pub(crate) fn write(&mut self, ctx: &mut Ctx, ledger: &mut Ledger, client: Option<usize>) -> u32 {
        let tag = MOBILE | (self.index as u32 * TAGS + self.mobiles.len() as u32);
        ledger.mobiles.insert(tag, Mobile { client, ..Mobile::default() });
        self.mobiles.push(Written { tag, to: client.map_or_else(|| "2999".to_owned(), service), done: false });
        ctx.after(0, Event::Write { carrier: self.index, mobile: self.mobiles.len() - 1 });
        tag
    }

    /// A message from a handset goes out, on any link that can carry it, until we have it.
    pub(crate) fn send_written(&mut self, ctx: &mut Ctx, ledger: &mut Ledger, mobile: usize) {
        if self.mobiles[mobile].done {
            return;
        }
        let event = Event::Write { carrier: self.index, mobile };
        let Some((conn, sequence)) = self.begin_delivery(ctx, event, MOBILES + mobile) else { return };
        let Written { tag, to, .. } = &self.mobiles[mobile];
        ledger.mobiles.get_mut(tag).expect("made above").written += 1;
        ctx.note("carrier: from a handset", &[self.index as u64, u64::from(*tag)]);
        let text = written(self.plan.habits.alphabet, &format!("*{}*", tag & !MOBILE));
        let from = handset(*tag);
        let mut wire = BytesMut::new();
        if tag % 3 == 0 {
            let mut tlvs = Vec::new();
            Tlv { tag: Tag::MESSAGE_PAYLOAD, value: &text }.encode(&mut tlvs);
            let address = |octets| LongAddress { ton: 1, npi: 1, octets };
            let (source, destination) = (address(from.as_bytes()), address(to.as_bytes()));
            let data = DataSm { source, destination, tlvs: Tlvs::lenient(&tlvs), ..DataSm::default() };
            data.encode(sequence, &mut wire);
        } else {
            let address = |text: &str| Address::new(1, 1, text.as_bytes()).expect("a short number");
            let (source, destination) = (address(&from), address(to));
            let sm = Sm { source, destination, protocol_id: 7, short_message: &text, ..Sm::default() };
            sm.encode(CommandId::DELIVER_SM, sequence, &mut wire);
        }
        ctx.send(conn, true, &wire);
    }

    fn answered(&mut self, ctx: &mut Ctx, ledger: &Ledger, conn: u64, sequence: u32, status: CommandStatus) {
        let Some(link) = self.links.get_mut(&conn) else { return };
        let open = link.open.remove(&sequence);
        let open = open.unwrap_or_else(|| panic!("carrier {} gets an answer it did not ask for", self.index));
        ctx.note("carrier: receipt answered", &[self.index as u64, open as u64, u64::from(status.0)]);
        if open == CHATTER {
            return;
        }
        let Some(written) = open.checked_sub(MOBILES).and_then(|mobile| self.mobiles.get_mut(mobile)) else {
            self.reports[open].taken |= status == CommandStatus::ESME_ROK;
            return;
        };
        let is_somebodys = ledger.mobiles[&written.tag].client.is_some();
        match status {
            CommandStatus::ESME_ROK => assert!(is_somebodys, "{written:?} is taken for nobody"),
            CommandStatus::ESME_RX_R_APPN => assert!(!is_somebodys, "{written:?} is refused"),
            // The session says the latter to a peer with too many open requests.
            CommandStatus::ESME_RX_T_APPN | CommandStatus::ESME_RTHROTTLED => return,
            other => panic!("{written:?} is answered {other}"),
        }
        written.done = true;
    }
}
