//! What must hold, kept apart from how the bridge does it: one entry per message, filled from what is durable and from
//! what passes on the wire. Knows no lanes, slots or credit.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use smppgate::message::{MessageState, owes_receipt};
use smppgate::pdu::{CommandId, CommandStatus, Frame, Frames, QuerySmResp, Receipt, Sm, SmResp};
use smppgate::store::{Block, Inbound, Write};

use crate::habits::readable;
use crate::rules::Rules;

/// One message, known by the number in its text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Message {
    pub(crate) registered: u8,
    /// The tag whose number it goes to: its own, or that of the first part.
    pub(crate) to: u32,
    pub(crate) is_part: bool,
    /// Durable: into how many parts it was cut; 0 for what is not cut. Later parts are messages of their own here, see
    /// [`tag_of_sm`].
    pub(crate) cut: u8,
    /// A part that a shorter text had no use for.
    pub(crate) dropped: bool,
    /// Durable: state and error of this part alone.
    pub(crate) own: Option<(u8, u16)>,
    pub(crate) country: usize,
    pub(crate) client: usize,
    /// Its identity, once durable.
    pub(crate) id: Option<u64>,
    /// The identity its client was told.
    pub(crate) told: Option<String>,
    /// Durable: how often its text was replaced.
    pub(crate) revision: u32,
    /// Durable: the revisions that it ever was. Requests on two links may come in another order than they were made.
    pub(crate) revisions: BTreeSet<u32>,
    /// The greatest revision that a client was told of.
    pub(crate) promised: u32,
    /// Times it was written to a carrier, and reasons to write it again.
    pub(crate) handed: u32,
    pub(crate) again: u32,
    /// Outcomes nobody could know.
    pub(crate) unknown: u32,
    /// Copies a carrier took.
    pub(crate) copies: u32,
    /// Carriers that took one and never get another.
    pub(crate) taken_once: BTreeSet<usize>,
    /// Durable: a carrier took it, under these ids.
    pub(crate) sent: BTreeSet<(u16, Vec<u8>)>,
    /// Durable: state, error and whether a receipt is owed.
    pub(crate) end: Option<(u8, u16, bool)>,
    pub(crate) settled: bool,
    /// Times its receipt was written to a client, and reasons to write it again.
    pub(crate) delivered: u32,
    pub(crate) deliver_again: u32,
    /// Receipts the client took, and refused for good.
    pub(crate) taken: u32,
    pub(crate) declined: u32,
    /// Final states that carriers reported and we acknowledged, with the carrier and its id.
    pub(crate) reported: Vec<(u16, Vec<u8>, u8)>,
}

/// Tags of messages from handsets have this bit.
pub(crate) const MOBILE: u32 = 1 << 31;

/// One message from a handset, known by the number in its text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mobile {
    /// Whose it is; `None` for nobody's.
    pub(crate) client: Option<usize>,
    /// Times its carrier wrote it to us, and whether we told it that we have it.
    pub(crate) written: u32,
    pub(crate) acknowledged: bool,
    /// Durable copies by identity, with the state of those that ended.
    pub(crate) copies: BTreeMap<u64, Option<u8>>,
    /// Times it was written to a client, and reasons to write it again.
    pub(crate) delivered: u32,
    pub(crate) deliver_again: u32,
    /// Times the client took it, and refused it for good.
    pub(crate) taken: u32,
    pub(crate) declined: u32,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) messages: BTreeMap<u32, Message>,
    pub(crate) mobiles: BTreeMap<u32, Mobile>,
    pub(crate) mobile_by_id: BTreeMap<u64, u32>,
    /// Durable copies of messages from handsets that have not ended.
    pub(crate) mobile_waiting: u64,
    pub(crate) by_id: BTreeMap<u64, u32>,
    /// Durable parked receipts: carrier and id as received.
    pub(crate) parked: BTreeSet<(u16, Vec<u8>)>,
    /// Durable finals that owe a receipt, without those settled.
    pub(crate) owed: u64,
    pub(crate) finals: u64,
    /// Durable, taken by a carrier, not final.
    pub(crate) awaiting: u64,
    /// When a message left for a carrier: time, carrier, country.
    pub(crate) departures: Vec<(u64, usize, usize)>,
    /// Who may get what.
    pub(crate) rules: Rules,
    /// What clients asked about their messages and have no answer to, by connection and sequence number.
    pub(crate) asked: BTreeMap<(u64, u32), Asked>,
    /// One carrier id may stand for several messages.
    pub(crate) reused_ids: bool,
    /// The store lost blocks, and with them the addresses of receipts.
    pub(crate) lossy: bool,
}

/// A request of a client about its message with this tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// How it stands, and the end that the client knew before.
    Query(u32, Option<u8>),
    Cancel(u32),
    /// To replace it by this revision of its text.
    Replace(u32, u32),
}

/// How often a message's text was replaced: it says so behind its number.
pub(crate) fn revision_of(text: &[u8]) -> u32 {
    let text = readable(text);
    let behind = text.splitn(4, |octet| *octet == b'#').nth(2).unwrap_or_default();
    let digits = behind.strip_prefix(b"r").unwrap_or_default();
    std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// Where the tag of a later part of a cut message says which one it is.
const PART_SHIFT: u32 = 23;

/// The tag of a message, or of a part of one that was cut: every part of a text begins with the tag.
pub(crate) fn tag_of_sm(sm: &Sm<'_>) -> Option<u32> {
    let later = if sm.has_udh() { u32::from(sm.part()?.number) - 1 } else { 0 };
    tag_of(sm.words()).map(|tag| tag | later << PART_SHIFT)
}

/// The tag of the first part.
fn first_of(tag: u32) -> u32 {
    tag & ((1 << PART_SHIFT) - 1)
}

/// Which of several ends is that of all.
fn badness(state: u8) -> usize {
    [2, 6, 7, 4, 3, 5, 8].iter().position(|other| *other == state).expect("a final state")
}

/// The number in a message's text.
pub(crate) fn tag_of(text: &[u8]) -> Option<u32> {
    number_between(text, b'#')
}

/// The tag of a message from a handset.
pub(crate) fn mobile_tag(text: &[u8]) -> Option<u32> {
    number_between(text, b'*').map(|number| MOBILE | number)
}

fn number_between(text: &[u8], mark: u8) -> Option<u32> {
    let text = readable(text);
    let digits = text.strip_prefix(&[mark])?;
    let end = digits.iter().position(|octet| *octet == mark)?;
    std::str::from_utf8(&digits[..end]).ok()?.parse().ok()
}

impl Ledger {
    pub(crate) fn of(&mut self, tag: u32) -> &mut Message {
        self.messages.get_mut(&tag).expect("a tag that a client made")
    }

    fn of_id(&mut self, id: u64) -> &mut Message {
        let tag = self.by_id[&id];
        self.of(tag)
    }

    /// These blocks are on the disk.
    pub(crate) fn durable(&mut self, blocks: &[Block]) {
        for block in blocks {
            for (_, write) in block.writes() {
                self.fact(&write.expect("the bridge writes whole facts"));
            }
        }
    }

    fn fact(&mut self, write: &Write<'_>) {
        match *write {
            Write::Accept(accept) => {
                let sm = Sm::decode(accept.body).expect("an accepted body");
                let tag = tag_of_sm(&sm).expect("only tagged messages are accepted");
                self.cut(tag, &sm);
                let known = self.by_id.insert(accept.id.0, tag);
                assert!(known.is_none_or(|known| known == tag), "id {} was given twice", accept.id);
                let message = self.of(tag);
                assert!(message.id.is_none_or(|id| id == accept.id.0), "message {tag} was accepted twice");
                message.id = Some(accept.id.0);
                // Read again after a restart, the old ones come first.
                let revision = revision_of(sm.words());
                (message.revision, message.registered) = (revision, sm.registered_delivery);
                message.revisions.insert(revision);
            }
            Write::Sent { id, carrier, carrier_message_id, .. } => {
                let message = self.of_id(id.0);
                let again = !message.sent.insert((carrier.0, carrier_message_id.to_vec()));
                assert!(again || message.end.is_none(), "message {id} was sent after its end");
                let first = !again && message.sent.len() == 1;
                assert!(again || first, "message {id} was taken by two carriers");
                self.awaiting += u64::from(first);
            }
            Write::Inbound(inbound) => self.mobile_received(&inbound),
            Write::Final { id, state, owed, .. } if self.mobile_by_id.contains_key(&id.0) => {
                assert!(!owed, "nobody is owed a receipt for a message from a handset");
                self.mobile_ended(id.0, state);
            }
            Write::Final { id, state, error, owed, .. } if self.is_cut(self.by_id[&id.0]) => {
                self.part_ended(self.by_id[&id.0], (state, error), owed);
            }
            Write::Final { id, state, error, owed, .. } => {
                let lossy = self.lossy;
                let message = self.of_id(id.0);
                let end = (state, error, owed);
                assert!(
                    message.end.is_none_or(|before| before == end),
                    "message {id} ended twice: {message:?} {end:?}"
                );
                if message.end.replace(end).is_none() {
                    let state = MessageState::from_octet(state).expect("a state");
                    let due = owes_receipt(message.registered, state);
                    assert!(owed == due || (due && lossy), "message {id}: {message:?}");
                    let sent = !message.sent.is_empty();
                    (self.finals, self.owed) = (self.finals + 1, self.owed + u64::from(owed));
                    self.awaiting -= u64::from(sent);
                }
            }
            Write::Settled { id, .. } => {
                let message = self.of_id(id.0);
                assert!(message.end.is_some_and(|(_, _, owed)| owed), "message {id} owed nothing");
                if !std::mem::replace(&mut message.settled, true) {
                    self.owed -= 1;
                }
            }
            Write::Parked { carrier, carrier_message_id, .. } => {
                self.parked.insert((carrier.0, carrier_message_id.to_vec()));
            }
            Write::Retry { .. }
            | Write::Handed { .. }
            | Write::Passed { .. }
            | Write::Blank { .. }
            | Write::Mark { .. } => {}
        }
    }

    /// A message was written down, or a part of one.
    fn cut(&mut self, tag: u32, sm: &Sm<'_>) {
        let total = if sm.has_udh() { sm.part().map_or(0, |part| part.total) } else { 0 };
        let first = self.of(first_of(tag));
        let Message { to, country, client, cut: before, .. } = *first;
        if first_of(tag) != tag {
            self.messages.entry(tag).or_insert_with(|| Message { to, country, client, ..Message::default() });
            return;
        }
        first.cut = total;
        for later in u32::from(total.max(1))..u32::from(before) {
            self.of(tag | later << PART_SHIFT).dropped = true;
        }
    }

    fn is_cut(&self, tag: u32) -> bool {
        first_of(tag) != tag || self.messages[&tag].cut > 0
    }

    /// A part ended; or, once all have, its whole.
    fn part_ended(&mut self, tag: u32, (state, error): (u8, u16), owed: bool) {
        let message = self.of(tag);
        let (ended, sent) = (message.end.is_some(), !message.sent.is_empty());
        if ended && !owed && message.own == Some((state, error)) {
            // Read again after a restart: what the whole made of it comes later.
            return;
        }
        message.own.get_or_insert((state, error));
        let was_owed = message.end.replace((state, error, owed)).is_some_and(|(_, _, owed)| owed);
        if !ended {
            self.finals += 1;
            self.awaiting -= u64::from(sent);
        }
        self.owed += u64::from(owed && !was_owed);
        assert!(!was_owed || owed, "{tag}: its receipt is owed no more");
        if owed {
            assert_eq!(self.whole_end(tag), Some((state, error)), "{tag}: the end of the whole");
        }
    }

    /// The end of a cut message, from those of its parts; `None` while one has none.
    pub(crate) fn whole_end(&self, first: u32) -> Option<(u8, u16)> {
        let parts = (0..u32::from(self.messages[&first].cut)).map(|later| first | later << PART_SHIFT);
        let ends: Option<Vec<_>> = parts.map(|tag| self.messages.get(&tag)?.own).collect();
        ends?.into_iter().rev().max_by_key(|(state, _)| badness(*state))
    }

    /// The octets of a parcel leave for a client.
    pub(crate) fn leaves_to_client(&mut self, conn: u64, wire: &[u8]) {
        for (_, frame) in Frames::new(wire) {
            if let Some(asked) =
                self.asked.remove(&(conn, frame.header.sequence)).filter(|_| frame.header.id.is_response())
            {
                self.answer_leaves(asked, &frame);
            }
            match frame.header.id {
                CommandId::SUBMIT_SM_RESP | CommandId::DATA_SM_RESP
                    if frame.header.status == CommandStatus::ESME_ROK =>
                {
                    let id = SmResp::decode(frame.body).message_id;
                    let id = std::str::from_utf8(id).expect("digits");
                    let durable = self.durable_id(id).is_some();
                    assert!(durable, "message {id} is acknowledged and not durable");
                }
                CommandId::DELIVER_SM => {
                    let sm = Sm::decode(frame.body).expect("what we encoded");
                    if let Some(tag) = mobile_tag(sm.text()) {
                        self.mobile_delivered(tag);
                        continue;
                    }
                    let receipt = Receipt::read(&sm).expect("a receipt, or a message from a handset");
                    let id = std::str::from_utf8(receipt.id).expect("digits");
                    let tag = self.durable_id(id).expect("a receipt of a durable message");
                    let intermediate = Sm::decode(frame.body).is_ok_and(|sm| sm.esm_class == Sm::TYPE_INTERMEDIATE);
                    let message = self.of(tag);
                    if intermediate {
                        assert!(message.registered & 0x10 != 0, "{tag}: nobody asked for a state in between");
                        assert!(matches!(receipt.state, 1 | 6), "{tag}: a final state in between");
                        continue;
                    }
                    let end = message.end.unwrap_or_else(|| panic!("{tag}: a receipt before its end is durable"));
                    assert_eq!(receipt.state, end.0, "{tag}: the receipt tells the durable state");
                    assert!(end.2, "{tag}: nobody asked for a receipt");
                    assert!(!message.settled, "{tag}: a receipt after the client took it: {message:?}");
                    message.delivered += 1;
                    let allowed = 1 + message.deliver_again;
                    assert!(message.delivered <= allowed, "{tag}: a receipt twice without a reason: {message:?}");
                }
                _ => {}
            }
        }
    }

    fn mobile_received(&mut self, inbound: &Inbound<'_>) {
        let sm = Sm::decode(inbound.body).expect("a deliver_sm");
        let tag = mobile_tag(sm.text()).expect("handsets write tagged messages");
        self.mobile_by_id.insert(inbound.id.0, tag);
        let mobile = self.mobiles.get_mut(&tag).expect("a tag that a carrier made");
        assert_eq!(mobile.client, Some(usize::from(inbound.account.0)), "{tag}: taken for another");
        if let Entry::Vacant(copy) = mobile.copies.entry(inbound.id.0) {
            copy.insert(None);
            self.mobile_waiting += 1;
        }
        assert!(mobile.copies.len() as u32 <= mobile.written, "{tag}: a copy without a reason: {mobile:?}");
    }

    fn mobile_ended(&mut self, id: u64, state: u8) {
        let mobile = self.mobiles.get_mut(&self.mobile_by_id[&id]).expect("a tag that a carrier made");
        let end = mobile.copies.get_mut(&id).expect("a durable copy");
        assert!(end.is_none_or(|before| before == state), "message {id} ended twice");
        self.mobile_waiting -= u64::from(end.replace(state).is_none());
    }

    /// A message from a handset leaves for a client.
    fn mobile_delivered(&mut self, tag: u32) {
        let mobile = self.mobiles.get_mut(&tag).expect("a tag that a carrier made");
        mobile.delivered += 1;
        assert!(mobile.copies.values().any(Option::is_none), "{tag}: delivered and no live copy durable: {mobile:?}");
        let allowed = mobile.copies.len() as u32 + mobile.deliver_again;
        assert!(mobile.delivered <= allowed, "{tag}: delivered twice without a reason: {mobile:?}");
    }

    /// Our OK for a message from a handset leaves.
    pub(crate) fn mobile_acknowledged(&mut self, tag: u32) {
        let mobile = self.mobiles.get_mut(&tag).expect("a tag that a carrier made");
        assert!(!mobile.copies.is_empty(), "{tag}: acknowledged and not durable: {mobile:?}");
        mobile.acknowledged = true;
    }

    /// A client answered what it got: took it, refused it for good, or neither.
    pub(crate) fn answered(&mut self, tag: u32, status: u32) {
        let (taken, declined) = match self.mobiles.get_mut(&tag) {
            Some(mobile) => (&mut mobile.taken, &mut mobile.declined),
            None => {
                let message = self.of(tag);
                (&mut message.taken, &mut message.declined)
            }
        };
        match status {
            0 => *taken += 1,
            0x0B => *declined += 1,
            _ => {}
        }
    }

    /// What went to a client may go again: it was refused, or its answer is not known.
    pub(crate) fn deliver_again(&mut self, tag: u32) {
        match self.mobiles.get_mut(&tag) {
            Some(mobile) => mobile.deliver_again += 1,
            None => self.of(tag).deliver_again += 1,
        }
    }

    /// Our answer to a request about a message: what it says is durable.
    fn answer_leaves(&mut self, asked: Asked, frame: &Frame<'_>) {
        let ok = frame.header.status == CommandStatus::ESME_ROK;
        let (tag, busy) = match asked {
            Asked::Query(tag, _) | Asked::Cancel(tag) | Asked::Replace(tag, _) => (tag, [0x58, 0x08]),
        };
        let message = self.of(tag);
        match asked {
            Asked::Query(_, known) if ok => {
                let told = QuerySmResp::decode(frame.body).expect("a whole answer");
                if told.message_state == MessageState::Enroute as u8 {
                    assert_eq!(known, None, "{tag}: it had ended: {message:?}");
                    return assert!(told.final_date.is_empty());
                }
                let (state, error, _) = message.end.unwrap_or_else(|| panic!("{tag}: its end is not durable"));
                let error = u8::try_from(error).unwrap_or(u8::MAX);
                assert_eq!((told.message_state, told.error_code, told.final_date.len()), (state, error, 16), "{tag}");
            }
            Asked::Cancel(_) if ok => {
                let end = message.end.map(|(state, _, _)| state);
                assert_eq!(end, Some(MessageState::Deleted as u8), "{tag}: cancelled and not durable: {message:?}");
            }
            Asked::Replace(_, revision) if ok => {
                assert!(message.revisions.contains(&revision), "{tag}: replaced and not durable: {message:?}");
                // Of two requests on two links the one that was made first may come last.
                message.promised = revision;
            }
            Asked::Query(..) => assert!(busy.contains(&frame.header.status.0), "{tag}: unknown: {message:?}"),
            Asked::Cancel(_) | Asked::Replace(..) => {
                let status = frame.header.status.0;
                assert!(busy.contains(&status) || [0x11, 0x13, 0x62].contains(&status), "{tag}: {status:#x}");
            }
        }
    }

    /// The message of an id as a client sees it: decimal, or the low half in hexadecimal.
    pub(crate) fn durable_id(&self, shown: &str) -> Option<u32> {
        if let Some(tag) = shown.parse().ok().and_then(|id: u64| self.by_id.get(&id)) {
            return Some(*tag);
        }
        let low = u64::from_str_radix(shown, 16).ok()?;
        self.by_id.iter().find(|(id, _)| *id & 0xFFFF_FFFF == low).map(|(_, tag)| *tag)
    }

    /// A message leaves for a carrier.
    pub(crate) fn departs(&mut self, tag: u32, at: u64, carrier: usize) {
        let message = self.of(tag);
        assert!(message.id.is_some(), "{tag}: handed over before it is durable");
        assert!(message.end.is_none(), "{tag}: handed over after its end: {message:?}");
        assert!(message.sent.is_empty(), "{tag}: handed over although a carrier has it: {message:?}");
        assert!(message.revision >= message.promised, "{tag}: an old text is back: {message:?}");
        message.handed += 1;
        let (client, number) = (message.client, carrier as u16);
        let country = message.country;
        self.rules.check(tag, client, country, number);
        let message = self.of(tag);
        let allowed = 1 + message.again;
        assert!(message.handed <= allowed, "{tag}: handed over twice without a reason: {message:?}");
        let country = message.country;
        self.departures.push((at, carrier, country));
    }

    /// Our OK for a carrier's receipt leaves.
    pub(crate) fn receipt_acknowledged(&mut self, carrier: u16, id: &str, tag: u32, state: u8) {
        if !MessageState::from_octet(state).is_some_and(MessageState::is_final) {
            return;
        }
        let parked = self.parked.contains(&(carrier, id.as_bytes().to_vec()));
        let unbound = self.reused_ids;
        let message = self.of(tag);
        assert!(
            parked || unbound || message.end.is_some(),
            "{tag}: receipt {id} is acknowledged and nothing of it durable: {message:?}"
        );
        message.reported.push((carrier, id.as_bytes().to_vec(), state));
    }

    /// The process died: what was on its way may have arrived or not.
    pub(crate) fn crashed(&mut self) {
        for mobile in self.mobiles.values_mut().filter(|mobile| mobile.copies.values().any(Option::is_none)) {
            mobile.deliver_again = mobile.delivered;
        }
        for message in self.messages.values_mut() {
            if message.handed > 0 && message.sent.is_empty() && message.end.is_none() {
                message.again = message.handed;
                message.unknown += 1;
            }
            if message.delivered > 0 && !message.settled {
                message.deliver_again = message.delivered;
            }
        }
    }
}

/// The carrier's id as both its forms may be compared: lower case, no leading zeros.
pub(crate) fn plain(id: &[u8]) -> Vec<u8> {
    let zeros = id.iter().take_while(|octet| **octet == b'0').count();
    id[zeros.min(id.len().saturating_sub(1))..].to_ascii_lowercase()
}
