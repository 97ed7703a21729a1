//! Our end of a connection: a real session and the buffers around it, driven as the rim drives them.

use std::collections::{BTreeMap, VecDeque};

use bytes::{Buf, Bytes, BytesMut};
use smppgate::bridge::Input;
use smppgate::clock::Mono;
use smppgate::message::{AccountId, CarrierId, LinkId};
use smppgate::pdu::{Bind, CommandId, CommandStatus, Frame, Frames, HEADER_LENGTH, Receipt, Sm, encode_header_only};
use smppgate::session::{BindMode, CloseReason, Control, Event, Parcel, Role, Session};

use crate::ledger::{Ledger, mobile_tag, revision_of, tag_of_sm};
use crate::plan::{PASSWORD, Plan};

/// Whose connection it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Carrier { carrier: usize, slot: usize, mode: BindMode },
}

/// A connection of ours.
pub(crate) struct Link {
    pub(crate) id: LinkId,
    pub(crate) side: Side,
    pub(crate) session: Session,
    /// What the socket holds and we have not read.
    socket: VecDeque<Vec<u8>>,
    input: BytesMut,
    unparsed: bool,
    /// What is to be written.
    pub(crate) out: BytesMut,
    /// Letters that the inbox has no room for yet.
    mail: VecDeque<Input>,
    introduced: bool,
    /// The peer closed, or the connection broke.
    pub(crate) lost: bool,
    /// Our requests in the bridge's hands: what their tokens stand for.
    open: BTreeMap<u64, u32>,
    window: u32,
    events: Vec<Event>,
}

impl Link {
    /// A client connected.
    pub(crate) fn of_client(id: u64, plan: &Plan, now: Mono) -> Self {
        Self::new(id, Side::Client, Session::new(Role::Smsc, plan.settings(1), now), 0)
    }

    /// We connected to a carrier; our bind goes out at once.
    pub(crate) fn to_carrier(id: u64, carrier: usize, slot: usize, plan: &Plan, now: Mono) -> Self {
        let (mode, window) = (plan.carriers[carrier].links[slot], plan.carriers[carrier].window);
        let session = Session::new(Role::Esme, plan.settings(window), now);
        let mut link = Self::new(id, Side::Carrier { carrier, slot, mode }, session, window);
        let bind = Bind { system_id: b"smppgate", interface_version: 0x34, ..Bind::default() };
        link.session.bind(mode.command(), &bind, now, &mut link.out);
        link
    }

    fn new(id: u64, side: Side, session: Session, window: u32) -> Self {
        Self {
            id: LinkId(id),
            side,
            session,
            socket: VecDeque::new(),
            input: BytesMut::new(),
            unparsed: false,
            out: BytesMut::new(),
            mail: VecDeque::new(),
            introduced: false,
            lost: false,
            open: BTreeMap::new(),
            window,
            events: Vec::new(),
        }
    }

    pub(crate) fn arrived(&mut self, octets: Vec<u8>) {
        self.socket.push_back(octets);
    }

    /// Whether it is one of ours to this carrier.
    pub(crate) fn is_of(&self, carrier: usize) -> bool {
        matches!(self.side, Side::Carrier { carrier: own, .. } if own == carrier)
    }

    /// It is not wanted any more: from now on it takes no message.
    pub(crate) fn leave(&mut self, now: Mono) {
        self.session.unbind(now, &mut self.out);
    }

    /// When the session wants to be looked at. Not while the inbox has no room: then we do not read, so the peer's
    /// silence is ours.
    pub(crate) fn deadline(&self) -> Option<Mono> {
        self.session.deadline().filter(|_| self.mail.is_empty()).map(|(at, _)| at)
    }

    /// Does everything that can proceed. Whether the link has ended and its end is in `inbox`.
    pub(crate) fn pump(&mut self, now: Mono, plan: &Plan, ledger: &mut Ledger, inbox: &mut VecDeque<Input>) -> bool {
        loop {
            while inbox.len() < plan.inbox
                && let Some(letter) = self.mail.pop_front()
            {
                inbox.push_back(letter);
            }
            if self.deadline().is_some_and(|at| at <= now) {
                self.session.tick(now, &mut self.out, &mut self.events);
                self.post(Bytes::new(), ledger);
            }
            if self.lost && self.socket.is_empty() && !self.unparsed {
                self.session.close(CloseReason::PeerClosed);
            }
            if let Some(reason) = self.session.closing() {
                return self.finish(reason, ledger, inbox);
            }
            if !self.session.wants_input() || !self.mail.is_empty() {
                return false;
            }
            if self.unparsed {
                self.parse(now, plan, ledger);
            } else if let Some(octets) = self.socket.pop_front() {
                self.input.extend_from_slice(&octets);
                self.session.octets_received(now);
                self.parse(now, plan, ledger);
            } else {
                return false;
            }
        }
    }

    /// The end goes to the inbox whatever its size, for a link that is gone asks for nothing more.
    fn finish(&mut self, reason: CloseReason, ledger: &mut Ledger, inbox: &mut VecDeque<Input>) -> bool {
        self.session.close(reason);
        self.session.finish(&mut self.events);
        inbox.extend(self.mail.drain(..));
        if let (CloseReason::BindRejected(_), Side::Carrier { carrier, .. }) = (reason, self.side) {
            inbox.push_back(Input::CarrierRefused { carrier: CarrierId(carrier as u16) });
        }
        if self.introduced {
            self.post(Bytes::new(), ledger);
            inbox.extend(self.mail.drain(..));
            inbox.push_back(Input::Closed { link: self.id });
        }
        true
    }

    fn parse(&mut self, now: Mono, plan: &Plan, ledger: &mut Ledger) {
        let mut at = 0;
        self.unparsed = true;
        while self.session.wants_input() {
            match Frame::cut(&self.input[at..], self.session.frame_limit()) {
                Ok(Some(frame)) => {
                    let body = u32::try_from(at + HEADER_LENGTH).expect("short input");
                    self.session.receive(frame, body, now, &mut self.out, &mut self.events);
                    at += frame.header.length as usize;
                }
                Ok(None) => {
                    self.unparsed = false;
                    break;
                }
                Err(broken) => panic!("peers write whole PDUs: {broken}"),
            }
        }
        if self.events.is_empty() {
            self.input.advance(at);
            return;
        }
        let chunk = self.input.split_to(at).freeze();
        if !self.introduced {
            self.greet(&chunk, now, plan);
        }
        self.post(chunk, ledger);
    }

    /// Lets a client in whose credentials are right, and tells the bridge of a carrier that accepted our bind.
    fn greet(&mut self, chunk: &Bytes, now: Mono, plan: &Plan) {
        let events = std::mem::take(&mut self.events);
        for event in events {
            match (event, self.side) {
                (Event::Bind { sequence, command, body }, Side::Client) => {
                    let octets = &chunk[body.at as usize..(body.at + body.len) as usize];
                    let bind = Bind::decode(octets).expect("a whole bind");
                    let account = (0..plan.clients.len())
                        .find(|at| crate::plan::account_name(*at).as_bytes() == bind.system_id)
                        .filter(|_| bind.password.0 == PASSWORD);
                    let Some(account) = account else {
                        let mut parcel = Parcel { control: Control::Close, ..Parcel::default() };
                        let status = CommandStatus::ESME_RINVPASWD;
                        encode_header_only(command.response(), status, sequence, &mut parcel.wire);
                        self.session.dispatch(&mut parcel, now);
                        self.out.extend_from_slice(&parcel.wire);
                        continue;
                    };
                    let window = plan.clients[account].window;
                    self.session.set_windows(window, window);
                    self.window = window;
                    self.introduced = true;
                    self.mail.push_back(Input::Bind {
                        link: self.id,
                        account: AccountId(account as u16),
                        mode: BindMode::asked_by(command).expect("a bind"),
                        command,
                        sequence,
                        interface_version: bind.interface_version,
                    });
                }
                (Event::Bound, Side::Carrier { carrier, mode, .. }) => {
                    self.introduced = true;
                    let carrier = CarrierId(carrier as u16);
                    self.mail.push_back(Input::CarrierBound { link: self.id, carrier, mode, window: self.window });
                }
                (event, _) if self.introduced => self.events.push(event),
                _ => {}
            }
        }
    }

    /// Events on their way to the bridge.
    fn post(&mut self, chunk: Bytes, ledger: &mut Ledger) {
        if self.events.is_empty() {
            return;
        }
        for event in &self.events {
            let (token, failed, unknown) = match event {
                Event::Response { token, status, .. } => (*token, *status != CommandStatus::ESME_ROK, false),
                Event::Unanswered { token } => (*token, true, true),
                _ => continue,
            };
            let tag = self.open.remove(&token).expect("an answer to what is open");
            match self.side {
                Side::Client if failed => ledger.deliver_again(tag),
                Side::Client => {}
                Side::Carrier { .. } => {
                    let message = ledger.of(tag);
                    message.again += u32::from(failed);
                    message.unknown += u32::from(unknown);
                }
            }
        }
        if self.introduced {
            let events = std::mem::take(&mut self.events);
            self.mail.push_back(Input::Batch { link: self.id, chunk, events });
        }
        self.events.clear();
    }

    /// A parcel of the bridge leaves; its octets as they are written.
    pub(crate) fn dispatch(&mut self, mut parcel: Parcel, at: u64, now: Mono, ledger: &mut Ledger) -> BytesMut {
        for request in &parcel.requests {
            let frame = Frame::cut(&parcel.wire[request.at as usize..], u32::MAX).ok().flatten().expect("a whole PDU");
            let sm = Sm::decode(frame.body).expect("what we encoded");
            let tag = if frame.header.id == CommandId::SUBMIT_SM {
                let tag = tag_of_sm(&sm).expect("we forward only what was tagged");
                let durable = ledger.of(tag).revision;
                assert_eq!(revision_of(sm.words()), durable, "{tag}: the text that leaves is the durable one");
                if let Side::Carrier { carrier, .. } = self.side {
                    ledger.rules.check_form(tag, carrier, &sm);
                }
                Some(tag)
            } else if let Some(tag) = mobile_tag(sm.text()) {
                Some(tag)
            } else {
                let receipt = Receipt::read(&sm).expect("a receipt, or a message from a handset");
                ledger.durable_id(&String::from_utf8_lossy(receipt.id))
            };
            let known = self.open.insert(request.token, tag.expect("only what is durable leaves"));
            assert!(known.is_none(), "a token is open twice on one link");
        }
        self.session.dispatch(&mut parcel, now);
        assert!(self.session.open_sent() <= self.window, "more requests are open than the window holds");
        match self.side {
            Side::Client => ledger.leaves_to_client(self.id.0, &parcel.wire),
            Side::Carrier { carrier, .. } => {
                for request in &parcel.requests {
                    ledger.departs(self.open[&request.token], at, carrier);
                }
            }
        }
        self.out.extend_from_slice(&parcel.wire);
        parcel.wire
    }

    /// Our answers to a carrier's requests in these octets: sequence numbers of those with `ESME_ROK`.
    pub(crate) fn receipts_taken(wire: &[u8]) -> Vec<u32> {
        let ok = |frame: &Frame<'_>| {
            matches!(frame.header.id, CommandId::DELIVER_SM_RESP | CommandId::DATA_SM_RESP)
                && frame.header.status == CommandStatus::ESME_ROK
        };
        Frames::new(wire).filter(|(_, frame)| ok(frame)).map(|(_, frame)| frame.header.sequence).collect()
    }
}
