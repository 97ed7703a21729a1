//! What the peer sent: which of it is passed on, and what the rest is answered with. SMPP 3.4 §2.3 and §3.3.

use bytes::BytesMut;

use super::window::Settled;
use super::{BindMode, CloseReason, Event, Pause, Phase, Role, Session, Span, matrix};
use crate::clock::Mono;
use crate::pdu::{Broken, CommandId, CommandStatus, Frame, Header, encode_header_only};

/// Whether a `command_length` is the beginning of another protocol: text such as HTTP's, or a TLS handshake.
fn is_foreign(length: u32) -> bool {
    let octets = length.to_be_bytes();
    let text = octets.iter().all(|octet| matches!(octet, 0x20..=0x7E | b'\r' | b'\n'));
    text || octets.starts_with(&[0x16, 0x03])
}

impl Session {
    /// One frame; `at` is the offset of its body in the chunk that goes with the events. Replies of the session's own go
    /// to `wire` (at most as many octets as the frame has), everything else to `events` (at most one per frame, and one
    /// per request that could not be sent).
    pub fn receive(&mut self, frame: Frame<'_>, at: u32, now: Mono, wire: &mut BytesMut, events: &mut Vec<Event>) {
        if self.phase == Phase::Closed {
            return;
        }
        self.partial = None;
        let header = frame.header;
        let body = Span { at, len: u32::try_from(frame.body.len()).unwrap_or(u32::MAX) };
        if header.id.is_response() {
            self.receive_response(header, body, now, events);
        } else {
            self.receive_request(header, body, now, wire, events);
        }
        self.advance(now, wire);
    }

    /// Framing is lost: answers `generic_nack` and closes. Another protocol before a bind gets no answer.
    pub fn broken(&mut self, broken: Broken, wire: &mut BytesMut) {
        if self.phase == Phase::Closed {
            return;
        }
        if self.mode.is_none() && is_foreign(broken.length) {
            self.close(CloseReason::NotSmpp);
            return;
        }
        encode_header_only(CommandId::GENERIC_NACK, CommandStatus::ESME_RINVCMDLEN, 0, wire);
        self.close(CloseReason::Framing(broken));
    }

    fn receive_request(&mut self, header: Header, body: Span, now: Mono, wire: &mut BytesMut, events: &mut Vec<Event>) {
        let Header { id: command, sequence, .. } = header;
        match command {
            CommandId::ENQUIRE_LINK => encode_header_only(command.response(), CommandStatus::ESME_ROK, sequence, wire),
            CommandId::UNBIND => self.peer_unbinds(sequence, now, wire),
            CommandId::BIND_RECEIVER | CommandId::BIND_TRANSMITTER | CommandId::BIND_TRANSCEIVER => {
                self.peer_binds(header, body, now, wire, events);
            }
            _ if self.passes(command, now) => self.pass_on(header, body, now, wire, events),
            _ => self.refuse(header, wire),
        }
    }

    /// Whether a message command of the peer is taken in this state.
    fn passes(&self, command: CommandId, now: Mono) -> bool {
        let state = self.state(now);
        if matrix::allows(self.role.peer(), state, command) {
            return command != CommandId::OUTBIND;
        }
        // Some carriers deliver on any bind of ours. Refusing would lose a receipt.
        self.role == Role::Esme
            && state == matrix::State::Bound(BindMode::Transmitter)
            && matches!(command, CommandId::DELIVER_SM | CommandId::DATA_SM)
    }

    fn pass_on(&mut self, header: Header, body: Span, now: Mono, wire: &mut BytesMut, events: &mut Vec<Event>) {
        let Header { id: command, sequence, .. } = header;
        self.message = now;
        if !matrix::has_response(command) {
            // It waits for no answer, so it takes no place in the window.
            self.counters.alerts += 1;
            events.push(Event::Request { command, sequence, body });
            return;
        }
        let window = self.settings.window.max(1);
        let limit = if self.pause == Pause::Over { window } else { window.saturating_mul(2) };
        if self.open >= limit {
            self.counters.over_window += 1;
            encode_header_only(command.response(), CommandStatus::ESME_RTHROTTLED, sequence, wire);
            return;
        }
        self.open += 1;
        self.pause(now);
        events.push(Event::Request { command, sequence, body });
    }

    /// Answers a request that is not passed on.
    #[cold]
    fn refuse(&mut self, header: Header, wire: &mut BytesMut) {
        let Header { id: command, sequence, .. } = header;
        let before_bind = self.phase == Phase::Open && self.role == Role::Smsc;
        if !matrix::knows(command) {
            self.counters.unknown_commands += 1;
            encode_header_only(CommandId::GENERIC_NACK, CommandStatus::ESME_RINVCMDID, sequence, wire);
            if before_bind {
                self.close(CloseReason::NotBound(command));
            }
            return;
        }
        self.counters.wrong_state += 1;
        if !matrix::has_response(command) {
            let unbound = matches!(self.phase, Phase::Open | Phase::Binding { .. });
            if command == CommandId::OUTBIND && self.role == Role::Esme && unbound {
                self.close(CloseReason::UnwelcomeOutbind);
                return;
            }
            encode_header_only(CommandId::GENERIC_NACK, CommandStatus::ESME_RINVBNDSTS, sequence, wire);
            return;
        }
        encode_header_only(command.response(), CommandStatus::ESME_RINVBNDSTS, sequence, wire);
        if before_bind {
            self.close(CloseReason::NotBound(command));
        }
    }

    fn peer_binds(&mut self, header: Header, body: Span, now: Mono, wire: &mut BytesMut, events: &mut Vec<Event>) {
        let Header { id: command, sequence, .. } = header;
        if self.role == Role::Esme {
            self.refuse(header, wire);
        } else if self.phase == Phase::Open {
            self.phase = Phase::Deciding;
            events.push(Event::Bind { sequence, command, body });
        } else if self.phase == Phase::Deciding || matches!(self.state(now), matrix::State::Bound(_)) {
            self.counters.second_binds += 1;
            encode_header_only(command.response(), CommandStatus::ESME_RALYBND, sequence, wire);
        } else {
            self.refuse(header, wire);
        }
    }

    fn peer_unbinds(&mut self, sequence: u32, now: Mono, wire: &mut BytesMut) {
        match self.phase {
            Phase::Bound | Phase::Draining { .. } => self.phase = Phase::PeerUnbinding { since: now, sequence },
            Phase::Unbinding { .. } => {
                // Both sides unbound at once: each has the other's word.
                encode_header_only(CommandId::UNBIND_RESP, CommandStatus::ESME_ROK, sequence, wire);
                self.unbind_answered();
            }
            Phase::PeerUnbinding { .. } => {
                encode_header_only(CommandId::UNBIND_RESP, CommandStatus::ESME_ROK, sequence, wire);
            }
            Phase::Open | Phase::Deciding | Phase::Binding { .. } | Phase::Closed => {
                encode_header_only(CommandId::UNBIND_RESP, CommandStatus::ESME_ROK, sequence, wire);
                self.close(CloseReason::PeerUnbound);
            }
        }
    }

    fn receive_response(&mut self, header: Header, body: Span, now: Mono, events: &mut Vec<Event>) {
        match header.id {
            // Any is as good as any other: some peers echo a wrong number. The octets have proved the peer alive.
            CommandId::ENQUIRE_LINK_RESP => self.liveness.heard(now),
            CommandId::UNBIND_RESP => {
                if !self.unbind_answered() {
                    self.counters.unasked_responses += 1;
                }
            }
            CommandId::GENERIC_NACK => self.receive_nack(header, body, now, events),
            id if !matrix::knows(id) => self.counters.unknown_responses += 1,
            id => {
                if let Phase::Binding { command, .. } = self.phase {
                    self.receive_bind_response(command, header, now, events);
                    return;
                }
                self.settle(id, header, body, now, events);
            }
        }
    }

    fn settle(&mut self, id: CommandId, header: Header, body: Span, now: Mono, events: &mut Vec<Event>) {
        match self.window.settle(header.sequence) {
            Settled::Open { value, sent } if value.response == id || id == CommandId::GENERIC_NACK => {
                self.message = now;
                let elapsed_us = now.since_us(sent);
                events.push(Event::Response { token: value.token, status: header.status, body, elapsed_us });
            }
            Settled::Open { value, .. } => {
                self.counters.mismatched_responses += 1;
                self.counters.unanswered += 1;
                events.push(Event::Unanswered { token: value.token });
            }
            Settled::Late { sent } => {
                self.counters.late_responses += 1;
                self.late_age_us_max = self.late_age_us_max.max(now.since_us(sent));
            }
            Settled::Unknown if id == CommandId::GENERIC_NACK => self.unknown_nack(now),
            Settled::Unknown => self.counters.unasked_responses += 1,
        }
    }

    /// ESME role, our bind is out: it is the only request that can be answered, so its kind decides, not its number.
    fn receive_bind_response(&mut self, command: CommandId, header: Header, now: Mono, events: &mut Vec<Event>) {
        let Some(mode) = BindMode::asked_by(command).filter(|_| header.id == command.response()) else {
            self.counters.unasked_responses += 1;
            return;
        };
        if header.status == CommandStatus::ESME_ROK {
            self.enter_bound(mode, now);
            events.push(Event::Bound);
        } else {
            self.bind_rejected(header.status, events);
        }
    }

    fn bind_rejected(&mut self, status: CommandStatus, events: &mut Vec<Event>) {
        // A nack may carry any status, also none.
        let status = if status == CommandStatus::ESME_ROK { CommandStatus::ESME_RBINDFAIL } else { status };
        events.push(Event::BindRefused { status });
        self.close(CloseReason::BindRejected(status));
    }

    /// Notes the answer to our unbind; false when none is out.
    fn unbind_answered(&mut self) -> bool {
        match &mut self.phase {
            Phase::Unbinding { answered, .. } => {
                *answered = true;
                true
            }
            _ => false,
        }
    }

    fn receive_nack(&mut self, header: Header, body: Span, now: Mono, events: &mut Vec<Event>) {
        match self.phase {
            // Often with sequence number 0: the peer did not understand our bind, whatever the number says.
            Phase::Binding { .. } => self.bind_rejected(header.status, events),
            // A peer without unbind has still read it.
            Phase::Unbinding { sequence, .. } if sequence == header.sequence => {
                self.unbind_answered();
            }
            _ if self.enquired == Some(header.sequence) => self.enquired = None,
            _ => self.settle(header.id, header, Span { at: body.at, len: 0 }, now, events),
        }
    }

    fn unknown_nack(&mut self, now: Mono) {
        self.counters.unknown_nacks += 1;
        if self.nacks.count(now) {
            self.begin_unbind(CloseReason::Nacks, now);
        }
    }
}
