//! When a session next has something to do by itself, and doing it.

use bytes::BytesMut;

use super::timers::{Earliest, PARTIAL_PDU, PAUSE, Silence, UNBIND_ANSWER, UNBIND_WORK, Why};
use super::{CloseReason, Event, Pause, Phase, Session};
use crate::clock::Mono;
use crate::pdu::{CommandId, CommandStatus, encode_header_only};

impl Session {
    /// When to call [`Self::tick`], and what for. Never later than the next thing to do; `None` once closing.
    #[must_use]
    pub fn deadline(&self) -> Option<(Mono, Why)> {
        if self.phase == Phase::Closed {
            return None;
        }
        let mut first = Earliest::default();
        if !self.unsent.is_empty() {
            first.or(self.unsent_since, Why::Unsent);
        }
        if let Pause::Since(since) = self.pause {
            first.or(since.after(PAUSE), Why::Pause);
        }
        let timers = [self.due_of_phase(), self.due_of_silence(), self.due_of_partial(), self.due_of_response()];
        for (at, why) in timers.into_iter().flatten() {
            first.or(at, why);
        }
        if let (Phase::Bound, Some(inactivity)) = (self.phase, self.settings.inactivity) {
            first.or(self.message.after(inactivity), Why::Inactivity);
        }
        first.0
    }

    /// Does everything that is due. Harmless when nothing is.
    pub fn tick(&mut self, now: Mono, wire: &mut BytesMut, events: &mut Vec<Event>) {
        if self.phase == Phase::Closed {
            return;
        }
        self.report_unsent(events);
        if let Pause::Since(since) = self.pause
            && now >= since.after(PAUSE)
        {
            self.read_again(Pause::Over, now);
        }
        while let Some((due, Why::Response)) = self.due_of_response()
            && due <= now
            && let Some(sent) = self.window.expire(now)
        {
            self.counters.unanswered += 1;
            events.push(Event::Unanswered { token: sent.token });
        }
        if let Some((due, _)) = self.due_of_partial()
            && due <= now
        {
            self.close(CloseReason::PartialPdu);
        }
        self.tick_phase(now);
        self.tick_silence(now, wire);
        self.advance(now, wire);
    }

    /// The timer that belongs to where the session stands.
    fn due_of_phase(&self) -> Option<(Mono, Why)> {
        Some(match self.phase {
            Phase::Open | Phase::Deciding => (self.opened.after(self.settings.init_timeout), Why::SessionInit),
            Phase::Binding { since, .. } => (since.after(self.settings.init_timeout), Why::SessionInit),
            Phase::Bound | Phase::Closed => return None,
            Phase::Draining { since } => {
                let longest = self.settings.response_timeout;
                let wait = if self.window.is_empty() { longest.min(UNBIND_WORK) } else { longest };
                (since.after(wait), Why::Drain)
            }
            Phase::Unbinding { since, answered: true, .. } => (since.after(UNBIND_WORK), Why::UnbindAnswer),
            Phase::Unbinding { since, .. } => (since.after(UNBIND_ANSWER), Why::UnbindAnswer),
            Phase::PeerUnbinding { since, .. } => (since.after(UNBIND_WORK), Why::PeerUnbind),
        })
    }

    fn tick_phase(&mut self, now: Mono) {
        match (self.phase, self.due_of_phase()) {
            (Phase::Open | Phase::Deciding, Some((due, _))) if due <= now => self.close(CloseReason::SessionInit),
            (Phase::Binding { .. }, Some((due, _))) if due <= now => self.close(CloseReason::BindUnanswered),
            (Phase::Bound, _) if self.settings.inactivity.is_some_and(|time| now >= self.message.after(time)) => {
                self.begin_unbind(CloseReason::Inactive, now);
            }
            // The unbind's own steps: `advance`.
            _ => {}
        }
    }

    /// The next `enquire_link`, or its answer's timer. Stands still while we do not read.
    fn due_of_silence(&self) -> Option<(Mono, Why)> {
        if self.phase != Phase::Bound || matches!(self.pause, Pause::Since(_)) {
            return None;
        }
        self.liveness.due(self.settings.enquire_link)
    }

    fn tick_silence(&mut self, now: Mono, wire: &mut BytesMut) {
        let Some((due, why)) = self.due_of_silence() else { return };
        if due > now {
            return;
        }
        if why == Why::EnquireAnswer {
            self.counters.enquiries_missed += 1;
        }
        match self.liveness.tick(self.settings.enquire_link, now) {
            Some(Silence::Ask) => {
                let sequence = self.window.number();
                self.enquired = Some(sequence);
                encode_header_only(CommandId::ENQUIRE_LINK, CommandStatus::ESME_ROK, sequence, wire);
            }
            Some(Silence::Dead) => self.close(CloseReason::PeerSilent),
            None => {}
        }
    }

    /// The end of our patience with an incomplete PDU.
    fn due_of_partial(&self) -> Option<(Mono, Why)> {
        self.partial.map(|since| (since.after(PARTIAL_PDU), Why::PartialPdu))
    }

    /// The end of the oldest request's timer. Stands still while we do not read.
    fn due_of_response(&self) -> Option<(Mono, Why)> {
        if matches!(self.pause, Pause::Since(_)) {
            return None;
        }
        let sent = self.window.oldest()?;
        Some((sent.after(self.settings.response_timeout).max(self.grace), Why::Response))
    }
}
