//! What we send: parcels with their requests, our bind, our unbind, and how a session is brought to its end.

use bytes::{BufMut, BytesMut};

use super::inbound::put_header;
use super::timers::{UNBIND_ANSWER, UNBIND_WORK};
use super::{BindMode, CloseReason, Control, Event, Parcel, Phase, Request, Role, Sent, Session, Span, matrix};
use crate::clock::Mono;
use crate::pdu::{CommandId, CommandStatus, HEADER_LENGTH, Header};

impl Session {
    /// Makes a parcel's octets ready to write: gives each request its window slot and sequence number, counts the
    /// answers, applies the control. May append an `unbind` or `unbind_resp` that was waiting for these answers.
    ///
    /// A request that may not be sent now is cut out of the octets and of the list, and is reported by the next
    /// [`Self::tick`], which [`Self::deadline`] then asks for at once.
    pub fn dispatch(&mut self, parcel: &mut Parcel, now: Mono) {
        self.open = self.open.saturating_sub(parcel.answers);
        self.resume(now);
        if let Control::Bound(mode) = parcel.control
            && self.phase == Phase::Deciding
        {
            self.enter_bound(mode, now);
        }
        if !parcel.requests.is_empty() {
            self.send_requests(parcel, now);
        }
        match parcel.control {
            Control::Continue | Control::Bound(_) => {}
            Control::Unbind => self.begin_unbind(CloseReason::Unbound, now),
            Control::Close => {
                let refused = self.phase == Phase::Deciding;
                self.close(if refused { CloseReason::BindRefused } else { CloseReason::Ordered });
            }
        }
        self.advance(now, &mut parcel.wire);
    }

    fn send_requests(&mut self, parcel: &mut Parcel, now: Mono) {
        let Parcel { wire, requests, .. } = parcel;
        // `from` is the start of the octets not yet closed up, `cut` how many were cut out before it.
        let (mut from, mut cut, mut kept) = (0, 0, 0);
        for index in 0..requests.len() {
            let Request { at, token } = requests[index];
            match self.send_request(wire, at as usize, token, now) {
                Ok(()) => {
                    requests[kept] = Request { at: at - cut as u32, token };
                    kept += 1;
                }
                Err(status) => {
                    self.unsent(token, status, now);
                    let at = (at as usize).clamp(from, wire.len());
                    let length = wire.get(at..).map_or(0, pdu_length);
                    wire.copy_within(from..at, from - cut);
                    from = at + length;
                    cut += length;
                }
            }
        }
        if cut > 0 {
            wire.copy_within(from.., from - cut);
            wire.truncate(wire.len() - cut);
            requests.truncate(kept);
        }
    }

    /// Takes a slot for the PDU at `at` and writes its sequence number; otherwise the status that says why not.
    fn send_request(&mut self, wire: &mut BytesMut, at: usize, token: u64, now: Mono) -> Result<(), CommandStatus> {
        let header = wire.get_mut(at..).and_then(|octets| octets.first_chunk_mut::<HEADER_LENGTH>());
        let (true, Some(header)) = (self.phase == Phase::Bound, header) else {
            return Err(CommandStatus::ESME_RINVBNDSTS);
        };
        let command = Header::decode(header).id;
        if !matrix::allows(self.role, self.state(now), command) || !matrix::has_response(command) {
            return Err(CommandStatus::ESME_RINVBNDSTS);
        }
        let Some(sequence) = self.window.take(Sent { token, response: command.response() }, now) else {
            return Err(CommandStatus::ESME_RTHROTTLED);
        };
        header[12..].copy_from_slice(&sequence.to_be_bytes());
        self.message = now;
        Ok(())
    }

    #[cold]
    fn unsent(&mut self, token: u64, status: CommandStatus, now: Mono) {
        if self.unsent.is_empty() {
            self.unsent_since = now;
        }
        self.counters.unsent += 1;
        self.unsent.push((token, status));
    }

    /// Reports the requests that were cut out of parcels.
    pub(super) fn report_unsent(&mut self, events: &mut Vec<Event>) {
        events.extend(self.unsent.drain(..).map(|(token, status)| Event::Response {
            token,
            status,
            body: Span::default(),
            elapsed_us: 0,
        }));
    }

    /// ESME role: sends our bind, the first PDU of a session. `command` is one of the three binds, `body` its encoded
    /// body. Does nothing in any other role or state.
    pub fn bind(&mut self, command: CommandId, body: &[u8], now: Mono, wire: &mut BytesMut) {
        let length = u32::try_from(HEADER_LENGTH + body.len());
        let (Ok(length), true) = (length, BindMode::asked_by(command).is_some()) else { return };
        if self.role != Role::Esme || self.phase != Phase::Open {
            return;
        }
        let header = Header { length, id: command, status: CommandStatus::ESME_ROK, sequence: self.window.number() };
        header.encode(wire);
        wire.put_slice(body);
        self.phase = Phase::Binding { command, since: now };
    }

    /// Ends the session in order: no new requests, then what is open, then `unbind`, then its response. A session that
    /// is not bound closes at once.
    pub fn unbind(&mut self, now: Mono, wire: &mut BytesMut) {
        self.begin_unbind(CloseReason::Unbound, now);
        self.advance(now, wire);
    }

    /// Starts to drain; [`Self::advance`] does the rest.
    pub(super) fn begin_unbind(&mut self, reason: CloseReason, now: Mono) {
        match self.phase {
            Phase::Bound => {
                self.unbind_reason = reason;
                self.phase = Phase::Draining { since: now };
            }
            Phase::Open | Phase::Deciding | Phase::Binding { .. } => self.close(reason),
            Phase::Draining { .. } | Phase::Unbinding { .. } | Phase::PeerUnbinding { .. } | Phase::Closed => {}
        }
    }

    /// Takes an unbind one step further when what it waits for has come. Cheap when none is under way.
    pub(super) fn advance(&mut self, now: Mono, wire: &mut BytesMut) {
        if let Phase::Draining { since } = self.phase
            && (self.is_settled(since, now) || now >= since.after(self.settings.response_timeout))
        {
            let sequence = self.window.number();
            put_header(wire, CommandId::UNBIND, CommandStatus::ESME_ROK, sequence);
            self.phase = Phase::Unbinding { since: now, sequence, answered: false };
        }
        match self.phase {
            Phase::Unbinding { since, answered, .. } => {
                if answered && (self.open == 0 || now >= since.after(UNBIND_WORK)) {
                    self.close(self.unbind_reason);
                } else if now >= since.after(UNBIND_ANSWER) {
                    let reason = self.unbind_reason;
                    self.close(if reason == CloseReason::Unbound { CloseReason::UnbindUnanswered } else { reason });
                }
            }
            Phase::PeerUnbinding { since, sequence }
                if (self.open == 0 && self.window.is_empty()) || now >= since.after(UNBIND_WORK) =>
            {
                put_header(wire, CommandId::UNBIND_RESP, CommandStatus::ESME_ROK, sequence);
                self.close(CloseReason::PeerUnbound);
            }
            _ => {}
        }
    }

    /// Whether our unbind may go out: our requests are answered, and so are the peer's, or they had their time.
    fn is_settled(&self, since: Mono, now: Mono) -> bool {
        self.window.is_empty() && (self.open == 0 || now >= since.after(UNBIND_WORK))
    }
}

/// Octets of the PDU at the start of `octets`, at most all of them.
fn pdu_length(octets: &[u8]) -> usize {
    octets.first_chunk::<4>().map_or(octets.len(), |length| (u32::from_be_bytes(*length) as usize).min(octets.len()))
}
