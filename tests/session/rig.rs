//! A session with its buffers and a clock that only the test moves.

use std::time::Duration;

use bytes::BytesMut;
use smppgate::clock::Mono;
use smppgate::pdu::{Bind, CommandId, CommandStatus, Frame, HEADER_LENGTH, Header, Password};
use smppgate::session::{BindMode, Control, Event, Parcel, Request, Role, Session, Settings, Span};

pub(crate) const INSTANT: Duration = Duration::ZERO;
pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// An encoded PDU.
pub(crate) fn pdu(id: CommandId, status: CommandStatus, sequence: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(HEADER_LENGTH + body.len()).unwrap();
    let mut wire = Vec::new();
    Header { length, id, status, sequence }.encode(&mut wire);
    wire.extend_from_slice(body);
    wire
}

/// A request without a body.
pub(crate) fn request(id: CommandId, sequence: u32) -> Vec<u8> {
    pdu(id, CommandStatus::ESME_ROK, sequence, &[])
}

/// The PDU of exactly these octets, written as hexadecimal.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

pub(crate) struct Rig {
    pub(crate) session: Session,
    pub(crate) now: Mono,
    wire: BytesMut,
    events: Vec<Event>,
    tokens: u64,
}

impl Rig {
    pub(crate) fn new(role: Role, settings: Settings) -> Self {
        let now = Mono(1_000_000);
        Self { session: Session::new(role, settings, now), now, wire: BytesMut::new(), events: Vec::new(), tokens: 0 }
    }

    /// A session bound in `mode`, its buffers empty.
    pub(crate) fn bound(role: Role, mode: BindMode, settings: Settings) -> Self {
        let mut rig = Self::new(role, settings);
        match role {
            Role::Smsc => {
                rig.feed(&request(mode.command(), 1));
                rig.control(Control::Bound(mode));
            }
            Role::Esme => {
                rig.bind(mode.command());
                rig.feed(&pdu(mode.command().response(), CommandStatus::ESME_ROK, 1, b"\0"));
            }
        }
        assert!(rig.session.is_bound());
        assert_eq!(rig.session.mode(), Some(mode));
        rig.take();
        rig
    }

    /// Reads whole PDUs whether or not the session wants them, and returns what came of it.
    pub(crate) fn feed(&mut self, octets: &[u8]) -> (Vec<u8>, Vec<Event>) {
        self.session.octets_received(self.now);
        let mut at = 0;
        while at < octets.len() {
            match Frame::cut(&octets[at..], self.session.frame_limit()) {
                Ok(Some(frame)) => {
                    let body = u32::try_from(at + HEADER_LENGTH).unwrap();
                    self.session.receive(frame, body, self.now, &mut self.wire, &mut self.events);
                    at += frame.header.length as usize;
                }
                Ok(None) => break,
                Err(broken) => {
                    self.session.broken(broken, &mut self.wire);
                    break;
                }
            }
        }
        self.take()
    }

    /// Hands over a parcel of requests; returns its octets as they would be written.
    pub(crate) fn send(&mut self, commands: &[CommandId]) -> Vec<u8> {
        let mut parcel = Parcel::default();
        for command in commands {
            self.tokens += 1;
            parcel.requests.push(Request { at: u32::try_from(parcel.wire.len()).unwrap(), token: self.tokens });
            parcel.wire.extend_from_slice(&request(*command, 0));
        }
        self.dispatch(&mut parcel)
    }

    pub(crate) fn dispatch(&mut self, parcel: &mut Parcel) -> Vec<u8> {
        self.session.dispatch(parcel, self.now);
        parcel.wire.to_vec()
    }

    /// Hands over answers to `count` of the peer's requests; returns what was appended to them.
    pub(crate) fn answer(&mut self, count: u32) -> Vec<u8> {
        let mut parcel = Parcel { answers: count, ..Parcel::default() };
        self.dispatch(&mut parcel)
    }

    pub(crate) fn control(&mut self, control: Control) -> Vec<u8> {
        let mut parcel = Parcel { control, ..Parcel::default() };
        self.dispatch(&mut parcel)
    }

    pub(crate) fn unbind(&mut self) -> Vec<u8> {
        self.session.unbind(self.now, &mut self.wire);
        self.take().0
    }

    pub(crate) fn bind(&mut self, command: CommandId) -> Vec<u8> {
        let bind =
            Bind { system_id: b"esme01", password: Password(b"secret08"), interface_version: 0x34, ..Bind::default() };
        self.session.bind(command, &bind, self.now, &mut self.wire);
        self.take().0
    }

    /// Lets time pass, ticking at each deadline on the way, and returns what came of it.
    pub(crate) fn pass(&mut self, duration: Duration) -> (Vec<u8>, Vec<Event>) {
        let end = self.now.after(duration);
        while let Some((due, _)) = self.session.deadline().filter(|(due, _)| *due <= end) {
            self.now = self.now.max(due);
            self.session.tick(self.now, &mut self.wire, &mut self.events);
            let next = self.session.deadline();
            assert!(next.is_none_or(|(next, _)| next > self.now), "a tick leaves nothing due: {next:?}");
        }
        self.now = end;
        self.take()
    }

    pub(crate) fn finish(&mut self) -> Vec<Event> {
        self.session.finish(&mut self.events);
        self.take().1
    }

    fn take(&mut self) -> (Vec<u8>, Vec<Event>) {
        (self.wire.split().to_vec(), std::mem::take(&mut self.events))
    }
}

/// The event of a request fed alone.
pub(crate) fn passed(command: CommandId, sequence: u32, len: u32) -> Vec<Event> {
    vec![Event::Request { command, sequence, body: Span { at: 16, len } }]
}
