//! What we send: parcels with their requests, our bind, our unbind, and how a session is brought to its end.

use bytes::BytesMut;

use super::timers::{UNBIND_ANSWER, UNBIND_WORK};
use super::{BindMode, CloseReason, Control, Event, Parcel, Phase, Request, Role, Sent, Session, Span, matrix};
use crate::clock::Mono;
use crate::pdu::{Bind, CommandId, CommandStatus, HEADER_LENGTH, Header, encode_header_only};

/// What a request that this bind may not send comes back with.
const WRONG_STATE: CommandStatus = CommandStatus::ESME_RINVBNDSTS;

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
            let start = at as usize;
            // Behind `from`, a request out of order would lie in what was cut out.
            let sent = if start < from { Err(WRONG_STATE) } else { self.send_request(wire, start, token, now) };
            match sent {
                Ok(()) => {
                    requests[kept] = Request { at: at - cut as u32, token };
                    kept += 1;
                }
                Err(status) => {
                    self.unsent(token, status, now);
                    if let Some(octets) = wire.get(start..).filter(|_| start >= from) {
                        let length = pdu_length(octets);
                        wire.copy_within(from..start, from - cut);
                        from = start + length;
                        cut += length;
                    }
                }
            }
        }
        requests.truncate(kept);
        if cut > 0 {
            wire.copy_within(from.., from - cut);
            wire.truncate(wire.len() - cut);
        }
    }

    /// Takes a slot for the PDU at `at` and writes its sequence number; otherwise the status that says why not.
    fn send_request(&mut self, wire: &mut BytesMut, at: usize, token: u64, now: Mono) -> Result<(), CommandStatus> {
        let header = wire.get_mut(at..).and_then(|octets| octets.first_chunk_mut::<HEADER_LENGTH>());
        let (true, Some(header)) = (self.phase == Phase::Bound, header) else {
            return Err(WRONG_STATE);
        };
        let command = Header::decode(header).id;
        if !matrix::allows(self.role, self.state(now), command) || !matrix::has_response(command) {
            return Err(WRONG_STATE);
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

    /// ESME role: sends our bind, the first PDU of a session. `command` is one of the three binds. Does nothing in any
    /// other role or state.
    pub fn bind(&mut self, command: CommandId, bind: &Bind<'_>, now: Mono, wire: &mut BytesMut) {
        if self.role != Role::Esme || self.phase != Phase::Open || BindMode::asked_by(command).is_none() {
            return;
        }
        let sequence = self.window.number();
        bind.encode(command, sequence, wire);
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
            encode_header_only(CommandId::UNBIND, CommandStatus::ESME_ROK, sequence, wire);
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
                encode_header_only(CommandId::UNBIND_RESP, CommandStatus::ESME_ROK, sequence, wire);
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
