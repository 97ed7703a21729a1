//! One connection of the simulated carrier: binds, answers, receipts and their window.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use crate::clock::{Clock, Mono, Now};
use crate::pdu::{CommandId, CommandStatus, Frame};
use crate::sandbox::due::DueQueue;
use crate::sandbox::duplex::{Duplex, Nudge, Stream, Turn};
use crate::sandbox::window::Window;
use crate::sandbox::wire::{self, Message};
use crate::session::BindMode;

use super::receipt::{Receipt, response_id};
use super::smsc::{Smsc, Verdict};

/// The identity of the simulated SMSC in bind responses.
const SYSTEM_ID: &[u8] = b"sandbox";

/// Time for the last octets to leave.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long a receipt refused for now rests.
const RESEND_DELAY: Duration = Duration::from_secs(1);

/// How often open `deliver_sm` are looked over for missing answers.
const EXPIRY_CHECK: Duration = Duration::from_millis(500);

/// An answer held back.
#[derive(Clone, Copy)]
struct Answer {
    sequence: u32,
    id: u64,
}

struct Link {
    number: u64,
    nudge: Rc<Nudge>,
    bound: Option<(usize, BindMode)>,
    window: Window<Receipt>,
    answers: DueQueue<Answer>,
    expiry_check: Mono,
    closing: bool,
}

/// Serves one connection until it ends.
pub(super) async fn serve(stream: Box<dyn Stream>, smsc: Rc<RefCell<Smsc>>, clock: Clock, number: u64) {
    let nudge = Rc::new(Nudge::default());
    let mut duplex = Duplex::new(stream, clock, Rc::clone(&nudge));
    let window = Window::new(smsc.borrow().args.window as usize);
    let (answers, expiry_check) = (DueQueue::new(), Mono::default());
    let mut link = Link { number, nudge, bound: None, window, answers, expiry_check, closing: false };
    loop {
        let deadline = link.advance(&mut duplex, &mut smsc.borrow_mut(), clock.now());
        if link.closing || duplex.turn(deadline).await == Turn::Closed {
            break;
        }
    }
    link.end(&mut smsc.borrow_mut(), clock.now().mono);
    duplex.close(PATIENCE).await;
}

impl Link {
    /// Does all there is to do now; returns when to look again at the latest.
    fn advance(&mut self, duplex: &mut Duplex, smsc: &mut Smsc, now: Now) -> Option<Mono> {
        let cut = duplex.frames(|frame, out| {
            if !self.closing {
                self.frame(&frame, out, smsc, now);
            }
        });
        if cut.is_err() {
            wire::put_header(duplex.output(), CommandId::GENERIC_NACK, CommandStatus::ESME_RINVCMDLEN, 0);
            self.closing = true;
        }
        while let Some(answer) = self.answers.pop(now.mono) {
            self.accept(duplex.output(), answer, smsc);
        }
        self.expire(smsc, now.mono);
        let receipts = self.send_receipts(duplex, smsc, now);
        let expiry = (self.window.open() > 0).then_some(self.expiry_check);
        [receipts, expiry, self.answers.next_due()].into_iter().flatten().min()
    }

    /// Sends the receipts that are due and fit; returns when the next one will.
    fn send_receipts(&mut self, duplex: &mut Duplex, smsc: &mut Smsc, now: Now) -> Option<Mono> {
        let (account, mode) = self.bound?;
        if mode == BindMode::Transmitter || !duplex.has_room() {
            return None;
        }
        let next_handset = smsc.handsets_write(account, now.mono);
        let (form, ids) = (smsc.args.receipts, smsc.args.id_form);
        let text = if smsc.args.mobile_to.is_some() { smsc.args.mobile_text.clone() } else { String::new() };
        let (free, window, out) = (self.window.free(), &mut self.window, duplex.output());
        smsc.take_receipts(account, self.number, now.mono, free, |receipt| {
            // There is room: no more than the free slots are taken.
            if let Some(sequence) = window.take(receipt, now.mono) {
                if receipt.mobile {
                    receipt.write_mobile(out, sequence, &text);
                } else {
                    receipt.write(out, sequence, now.unix, form, ids);
                }
            }
        });
        let next_receipt = if self.window.free() == 0 { None } else { smsc.next_due(account, self.number) };
        next_handset.into_iter().chain(next_receipt).min()
    }

    fn expire(&mut self, smsc: &mut Smsc, now: Mono) {
        let Some((account, _)) = self.bound.filter(|_| self.window.open() > 0 && now >= self.expiry_check) else {
            return;
        };
        self.expiry_check = now.after(EXPIRY_CHECK);
        let timeout_us = smsc.args.response_timeout.as_micros() as u64;
        let number = self.number;
        self.window.expire(Mono(now.0.saturating_sub(timeout_us)), |receipt| {
            smsc.send_again(account, receipt, now, number);
        });
    }

    fn frame(&mut self, frame: &Frame<'_>, out: &mut Vec<u8>, smsc: &mut Smsc, now: Now) {
        let header = frame.header;
        match header.id {
            CommandId::SUBMIT_SM => self.submit(frame, out, smsc, now),
            CommandId::DELIVER_SM_RESP | CommandId::GENERIC_NACK => {
                let Some((account, _)) = self.bound else { return };
                let Some(receipt) = self.window.answer(header.sequence) else { return };
                if smsc.acknowledge(&receipt, header.status) {
                    smsc.send_again(account, receipt, now.mono.after(RESEND_DELAY), self.number);
                }
            }
            CommandId::BIND_TRANSMITTER | CommandId::BIND_RECEIVER | CommandId::BIND_TRANSCEIVER => {
                self.bind(frame, out, smsc);
            }
            CommandId::UNBIND => {
                wire::put_header(out, header.id.response(), CommandStatus::ESME_ROK, header.sequence);
                self.closing = true;
            }
            CommandId::ENQUIRE_LINK => {
                wire::put_header(out, header.id.response(), CommandStatus::ESME_ROK, header.sequence);
            }
            CommandId::QUERY_SM => {
                wire::put_header(out, header.id.response(), CommandStatus::ESME_RQUERYFAIL, header.sequence);
            }
            CommandId::CANCEL_SM => {
                wire::put_header(out, header.id.response(), CommandStatus::ESME_RCANCELFAIL, header.sequence);
            }
            CommandId::REPLACE_SM => {
                wire::put_header(out, header.id.response(), CommandStatus::ESME_RREPLACEFAIL, header.sequence);
            }
            id if id.is_response() => {}
            _ => wire::put_header(out, CommandId::GENERIC_NACK, CommandStatus::ESME_RINVCMDID, header.sequence),
        }
    }

    fn bind(&mut self, frame: &Frame<'_>, out: &mut Vec<u8>, smsc: &mut Smsc) {
        let (response, sequence) = (frame.header.id.response(), frame.header.sequence);
        if self.bound.is_some() {
            return wire::put_header(out, response, CommandStatus::ESME_RALYBND, sequence);
        }
        let admitted = match wire::credentials(frame.body) {
            Some((system_id, password)) => smsc.admit(system_id, password).map(|()| system_id),
            None => Err(CommandStatus::ESME_RINVSYSID),
        };
        let system_id = match admitted {
            Ok(system_id) => system_id,
            Err(status) => {
                self.closing = true;
                return wire::put_header(out, response, status, sequence);
            }
        };
        let mode = match frame.header.id {
            CommandId::BIND_TRANSMITTER => BindMode::Transmitter,
            CommandId::BIND_RECEIVER => BindMode::Receiver,
            _ => BindMode::Transceiver,
        };
        let account = smsc.account(system_id);
        self.bound = Some((account, mode));
        if mode != BindMode::Transmitter {
            smsc.attach(account, self.number, Rc::clone(&self.nudge));
        }
        let at = out.len();
        wire::put_string_response(out, response, sequence, SYSTEM_ID);
        wire::put_tlv(out, wire::SC_INTERFACE_VERSION, &[0x34]);
        wire::finish(out, at);
    }

    fn submit(&mut self, frame: &Frame<'_>, out: &mut Vec<u8>, smsc: &mut Smsc, now: Now) {
        let sequence = frame.header.sequence;
        let refuse = |out: &mut Vec<u8>, status| wire::put_header(out, CommandId::SUBMIT_SM_RESP, status, sequence);
        let Some((account, BindMode::Transmitter | BindMode::Transceiver)) = self.bound else {
            smsc.invalid();
            return refuse(out, CommandStatus::ESME_RINVBNDSTS);
        };
        let Some(message) = Message::read(frame.body) else {
            smsc.invalid();
            return refuse(out, CommandStatus::ESME_RINVMSGLEN);
        };
        match smsc.submit(account, &message, self.number, now) {
            Verdict::Accept { id, answer_at } if answer_at <= now.mono => {
                self.accept(out, Answer { sequence, id }, smsc);
            }
            Verdict::Accept { id, answer_at } => self.answers.push(answer_at, Answer { sequence, id }),
            Verdict::Refuse(status) => refuse(out, status),
            Verdict::Disconnect => self.closing = true,
            Verdict::AcceptSilently | Verdict::Ignore => {}
        }
    }

    fn accept(&self, out: &mut Vec<u8>, answer: Answer, smsc: &Smsc) {
        let mut digits = [0; 36];
        let id = response_id(answer.id, smsc.args.id_form, &mut digits);
        wire::put_string_response(out, CommandId::SUBMIT_SM_RESP, answer.sequence, id);
    }

    /// Gives back what is still owed.
    fn end(&mut self, smsc: &mut Smsc, now: Mono) {
        smsc.report.answers_lost += self.answers.len() as u64;
        let Some((account, _)) = self.bound else { return };
        let mut open = Vec::new();
        self.window.expire(Mono(u64::MAX), |receipt| open.push(receipt));
        smsc.detach(account, self.number, open.into_iter(), now);
    }
}
