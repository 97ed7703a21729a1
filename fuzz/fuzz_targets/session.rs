//! A session fed with anything: octets in pieces, parcels, time. It must not panic, must not spin on a deadline, must hold
//! its bounds, and must give back every request exactly once.

#![no_main]

use std::collections::BTreeSet;

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use smppgate::clock::Mono;
use smppgate::pdu::{Bind, CommandId, Frame, HEADER_LENGTH, encode_header_only};
use smppgate::session::{BindMode, Control, Event, Parcel, Request, Role, Session, Settings};

const WINDOW: u32 = 3;
const MODES: [BindMode; 3] = [BindMode::Transmitter, BindMode::Receiver, BindMode::Transceiver];

struct World {
    session: Session,
    now: Mono,
    input: Vec<u8>,
    wire: BytesMut,
    events: Vec<Event>,
    handed: u64,
    ended: BTreeSet<u64>,
}

impl World {
    fn new(role: Role, mode: BindMode) -> Self {
        let settings = Settings { window: WINDOW, send_window: WINDOW, ..Settings::default() };
        let now = Mono(1);
        let mut world = Self {
            session: Session::new(role, settings, now),
            now,
            input: Vec::new(),
            wire: BytesMut::new(),
            events: Vec::new(),
            handed: 0,
            ended: BTreeSet::new(),
        };
        world.session.bind(mode.command(), &Bind::default(), now, &mut world.wire);
        world
    }

    fn read(&mut self, octets: &[u8]) {
        self.session.octets_received(self.now);
        self.input.extend_from_slice(octets);
        let mut at = 0;
        while self.session.wants_input() {
            match Frame::cut(&self.input[at..], self.session.frame_limit()) {
                Ok(Some(frame)) => {
                    let body = u32::try_from(at + HEADER_LENGTH).unwrap_or(u32::MAX);
                    at += frame.header.length as usize;
                    let (before, events) = (self.wire.len(), self.events.len());
                    self.session.receive(frame, body, self.now, &mut self.wire, &mut self.events);
                    assert!(self.wire.len() <= before + 2 * HEADER_LENGTH && self.events.len() <= events + 1);
                }
                Ok(None) => break,
                Err(broken) => {
                    self.session.broken(broken, &mut self.wire);
                    break;
                }
            }
        }
        self.input.drain(..at);
    }

    fn dispatch(&mut self, control: Control, answers: u8, commands: &[u8]) {
        let mut parcel = Parcel { control, answers: u32::from(answers), ..Parcel::default() };
        for command in commands {
            let command = CommandId::KNOWN[usize::from(*command) % CommandId::KNOWN.len()];
            let at = u32::try_from(parcel.wire.len()).unwrap_or(u32::MAX);
            parcel.requests.push(Request { at, token: self.handed });
            self.handed += 1;
            encode_header_only(command, Default::default(), 0, &mut parcel.wire);
        }
        self.session.dispatch(&mut parcel, self.now);
        assert!(parcel.wire.len() <= (commands.len() + 1) * HEADER_LENGTH);
    }

    fn wait(&mut self, time_ms: u64) {
        let end = Mono(self.now.0 + time_ms * 1_000);
        while let Some((due, why)) = self.session.deadline().filter(|(due, _)| *due <= end) {
            self.now = self.now.max(due);
            self.session.tick(self.now, &mut self.wire, &mut self.events);
            let next = self.session.deadline();
            assert!(next.is_none_or(|(next, _)| next > self.now), "{why:?} leaves {next:?}");
        }
        self.now = end;
    }

    fn check(&mut self) {
        assert!(self.session.open_sent() <= WINDOW && self.session.open_received() <= 2 * WINDOW);
        assert!(!self.session.is_bound() || self.session.mode().is_some());
        for event in self.events.drain(..) {
            if let Event::Response { token, .. } | Event::Unanswered { token } = event {
                assert!(token < self.handed && self.ended.insert(token), "{token} ended twice");
            }
        }
        self.wire.clear();
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((first, mut rest)) = data.split_first() else { return };
    let mode = MODES[usize::from(first >> 1) % MODES.len()];
    let mut world = World::new(if first & 1 == 0 { Role::Smsc } else { Role::Esme }, mode);
    // Each step: what to do, how many octets it takes, the octets.
    while let [step, length, tail @ ..] = rest {
        let (octets, after) = tail.split_at(usize::from(*length).min(tail.len()));
        rest = after;
        match step % 8 {
            0..=2 => world.read(octets),
            3 => world.dispatch(Control::Continue, step >> 5, octets),
            4 => world.dispatch(Control::Bound(mode), 0, octets),
            5 => world.wait(u64::from(*step >> 3) * u64::from(*length) * 10),
            6 => world.session.unbind(world.now, &mut world.wire),
            _ => world.dispatch(if step >> 3 == 0 { Control::Close } else { Control::Unbind }, 1, octets),
        }
        world.check();
    }
    world.session.finish(&mut world.events);
    world.check();
    assert_eq!(world.ended.len() as u64, world.handed, "every request comes back");
});
