//! The facts that the bridge puts on disk, and their packed form.
//!
//! Decides nothing: what follows from a fact is the bridge's. All integers are little-endian; the version of the layout
//! is in the envelope of the block around the writes.

use std::fmt;

use super::envelope::Damage;
use crate::clock::Unix;
use crate::message::{AccountId, CarrierId, MessageId};

/// One fact. Borrowed, so that encoding and decoding copy the body at most once.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Write<'a> {
    /// A message was accepted from an account.
    Accept(Accept<'a>),
    /// A carrier took a message over.
    Sent {
        /// The message.
        id: MessageId,
        /// Which carrier took it.
        carrier: CarrierId,
        /// Unix seconds of its response.
        at: u32,
        /// Its own identity of the message, as received: at most 65 octets in SMPP 3.4, at most 255 are kept.
        carrier_message_id: &'a [u8],
    },
    /// A message goes to a carrier again, or to the next one, later.
    Retry {
        /// The message.
        id: MessageId,
        /// Index of the carrier in the route.
        position: u8,
        /// Attempts made so far.
        attempts: u8,
        /// Unix seconds before which it is not forwarded; 0 means at once.
        due: u32,
    },
    /// A message is about to be sent to a carrier that must not get it twice: without a later fact its outcome is
    /// unknown.
    Handed {
        /// The message.
        id: MessageId,
        /// Which carrier gets it.
        carrier: CarrierId,
    },
    /// A carrier that does not have the message was given it, and so the number in it.
    Passed {
        /// The message.
        id: MessageId,
        /// Which carrier it was.
        carrier: CarrierId,
    },
    /// A message reached its final state.
    Final {
        /// The message.
        id: MessageId,
        /// `message_state` octet, SMPP 3.4 §5.2.28.
        state: u8,
        /// The `err:` of the receipt, or the bridge's own.
        error: u16,
        /// `network_error_code` of the receipt (§5.3.2.31), when it had one.
        network: Option<NetworkError>,
        /// When it became final.
        at: Unix,
        /// Whether the account is owed a receipt.
        owed: bool,
    },
    /// Nothing more is owed to anyone for a message.
    Settled {
        /// The message.
        id: MessageId,
        /// Unix seconds.
        at: u32,
    },
    /// A carrier's receipt for which no message was found yet.
    Parked {
        /// The carrier that sent it.
        carrier: CarrierId,
        /// Unix seconds of its arrival.
        at: u32,
        /// `message_state` octet.
        state: u8,
        /// The `err:` of the receipt.
        error: u16,
        /// The carrier's identity of the message, as received; at most 255 octets are kept.
        carrier_message_id: &'a [u8],
        /// Address of the recipient; at most 255 octets are kept.
        recipient: &'a [u8],
    },
    /// A message from a handset was taken from a carrier for an account.
    Inbound(Inbound<'a>),
    /// There was a fact, and it was erased: nothing is left of it but the room it took.
    Blank {
        /// Octets of it, all zero, beside the head of this write.
        room: u32,
    },
    /// Nothing happened; the block exists so that numbers go on from here after a restart.
    Mark {
        /// The id the next accepted message gets, or a lower one.
        next_id: MessageId,
    },
}

/// A message as accepted: everything needed to forward it after a restart.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Accept<'a> {
    /// The message.
    pub id: MessageId,
    /// Whose it is.
    pub account: AccountId,
    /// Destination country, ISO 3166 alpha-2.
    pub country: [u8; 2],
    /// Retention class.
    pub class: u8,
    /// Bits of the bridge, kept as they are.
    pub flags: u16,
    /// When it was accepted.
    pub accepted: Unix,
    /// Unix seconds before which it is not forwarded; 0 means at once.
    pub due: u32,
    /// Unix seconds at which it expires.
    pub expires: u32,
    /// The `submit_sm` body as received.
    pub body: &'a [u8],
}

/// A message from a handset: everything needed to bring it to its account after a restart.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Inbound<'a> {
    /// The message.
    pub id: MessageId,
    /// Who gets it.
    pub account: AccountId,
    /// Which carrier brought it.
    pub carrier: CarrierId,
    /// Retention class.
    pub class: u8,
    /// When it was taken.
    pub received: Unix,
    /// Unix seconds at which it is given up.
    pub expires: u32,
    /// Its `deliver_sm` body: as received, or made of a `data_sm`.
    pub body: &'a [u8],
}

/// Value of a `network_error_code` TLV. SMPP 3.4 §5.3.2.31.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkError {
    /// Network type octet.
    pub network: u8,
    /// Error code within it.
    pub code: u16,
}

impl<'a> Write<'a> {
    /// Appends the packed form.
    #[inline]
    pub fn encode(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Accept(ref accept) => accept.encode(out),
            Self::Inbound(ref inbound) => inbound.encode(out),
            Self::Sent { id, carrier, at, carrier_message_id } => {
                let name = clamp(carrier_message_id);
                let mut head = [0; 16];
                head[0] = SENT;
                head[1..9].copy_from_slice(&id.0.to_le_bytes());
                head[9..11].copy_from_slice(&carrier.0.to_le_bytes());
                head[11..15].copy_from_slice(&at.to_le_bytes());
                head[15] = name.len() as u8;
                out.extend_from_slice(&head);
                out.extend_from_slice(name);
            }
            Self::Retry { id, position, attempts, due } => {
                let mut head = [0; 15];
                head[0] = RETRY;
                head[1..9].copy_from_slice(&id.0.to_le_bytes());
                head[9] = position;
                head[10] = attempts;
                head[11..15].copy_from_slice(&due.to_le_bytes());
                out.extend_from_slice(&head);
            }
            Self::Handed { id, carrier } | Self::Passed { id, carrier } => {
                let mut head = [0; 11];
                head[0] = if matches!(self, Self::Handed { .. }) { HANDED } else { PASSED };
                head[1..9].copy_from_slice(&id.0.to_le_bytes());
                head[9..11].copy_from_slice(&carrier.0.to_le_bytes());
                out.extend_from_slice(&head);
            }
            Self::Final { id, state, error, network, at, owed } => {
                let octets = network.unwrap_or(NetworkError { network: 0, code: 0 });
                let mut head = [0; 24];
                head[0] = FINAL;
                head[1..9].copy_from_slice(&id.0.to_le_bytes());
                head[9] = state;
                head[10] = (u8::from(owed) * OWED) | (u8::from(network.is_some()) * NETWORK);
                head[11..13].copy_from_slice(&error.to_le_bytes());
                head[13] = octets.network;
                head[14..16].copy_from_slice(&octets.code.to_le_bytes());
                head[16..24].copy_from_slice(&at.0.to_le_bytes());
                out.extend_from_slice(&head);
            }
            Self::Settled { id, at } => {
                let mut head = [0; 13];
                head[0] = SETTLED;
                head[1..9].copy_from_slice(&id.0.to_le_bytes());
                head[9..13].copy_from_slice(&at.to_le_bytes());
                out.extend_from_slice(&head);
            }
            Self::Parked { carrier, at, state, error, carrier_message_id, recipient } => {
                let mut head = [0; 10];
                head[0] = PARKED;
                head[1..3].copy_from_slice(&carrier.0.to_le_bytes());
                head[3..7].copy_from_slice(&at.to_le_bytes());
                head[7] = state;
                head[8..10].copy_from_slice(&error.to_le_bytes());
                out.extend_from_slice(&head);
                encode_short(carrier_message_id, out);
                encode_short(recipient, out);
            }
            Self::Blank { room } => encode_blank(room, out),
            Self::Mark { next_id } => out.extend([MARK].into_iter().chain(next_id.0.to_le_bytes())),
        }
    }

    /// Reads the write at the start of `octets`, and says how many octets it takes.
    ///
    /// # Errors
    /// [`Damage`] when no whole write of a known kind starts there.
    pub fn decode(octets: &'a [u8]) -> Result<(Self, usize), Damage> {
        let mut reader = Reader { octets };
        let write = match reader.octet()? {
            ACCEPT => Self::Accept(Accept::decode(&mut reader)?),
            SENT => Self::Sent {
                id: MessageId(reader.u64()?),
                carrier: CarrierId(reader.u16()?),
                at: reader.u32()?,
                carrier_message_id: reader.short_slice()?,
            },
            RETRY => Self::Retry {
                id: MessageId(reader.u64()?),
                position: reader.octet()?,
                attempts: reader.octet()?,
                due: reader.u32()?,
            },
            HANDED => Self::Handed { id: MessageId(reader.u64()?), carrier: CarrierId(reader.u16()?) },
            PASSED => Self::Passed { id: MessageId(reader.u64()?), carrier: CarrierId(reader.u16()?) },
            FINAL => decode_final(&mut reader)?,
            SETTLED => Self::Settled { id: MessageId(reader.u64()?), at: reader.u32()? },
            PARKED => Self::Parked {
                carrier: CarrierId(reader.u16()?),
                at: reader.u32()?,
                state: reader.octet()?,
                error: reader.u16()?,
                carrier_message_id: reader.short_slice()?,
                recipient: reader.short_slice()?,
            },
            INBOUND => Self::Inbound(Inbound::decode(&mut reader)?),
            BLANK => {
                let room = reader.u32()?;
                let is_erased = reader.slice(room as usize)?.iter().all(|octet| *octet == 0);
                if is_erased { Self::Blank { room } } else { return Err(Damage::Field) }
            }
            MARK => Self::Mark { next_id: MessageId(reader.u64()?) },
            found => return Err(Damage::Kind { found }),
        };
        Ok((write, octets.len() - reader.octets.len()))
    }

    /// The message it is about; `None` for a parked receipt and a mark.
    #[must_use]
    pub fn id(&self) -> Option<MessageId> {
        match *self {
            Self::Accept(Accept { id, .. })
            | Self::Inbound(Inbound { id, .. })
            | Self::Sent { id, .. }
            | Self::Retry { id, .. }
            | Self::Handed { id, .. }
            | Self::Passed { id, .. }
            | Self::Final { id, .. }
            | Self::Settled { id, .. } => Some(id),
            Self::Parked { .. } | Self::Blank { .. } | Self::Mark { .. } => None,
        }
    }

    /// How many octets at the end of its packed form are personal, and whose they are; [`NOBODY`] for what was not found
    /// to be anybody's yet.
    #[inline]
    pub(super) fn secret(&self) -> Option<(AccountId, usize)> {
        match self {
            Self::Accept(accept) => Some((accept.account, accept.body.len())),
            Self::Inbound(inbound) => Some((inbound.account, inbound.body.len())),
            Self::Parked { recipient, .. } => Some((NOBODY, clamp(recipient).len())),
            _ => None,
        }
    }
}

impl<'a> Accept<'a> {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        let mut head = [0; 36];
        head[0] = ACCEPT;
        head[1] = self.class;
        head[2..4].copy_from_slice(&self.flags.to_le_bytes());
        head[4..6].copy_from_slice(&self.country);
        head[6..8].copy_from_slice(&self.account.0.to_le_bytes());
        head[8..16].copy_from_slice(&self.id.0.to_le_bytes());
        head[16..24].copy_from_slice(&self.accepted.0.to_le_bytes());
        head[24..28].copy_from_slice(&self.due.to_le_bytes());
        head[28..32].copy_from_slice(&self.expires.to_le_bytes());
        // The limit of a PDU keeps a body far below 4 GB; clamping keeps length and octets in step whatever comes.
        let length = u32::try_from(self.body.len()).unwrap_or(u32::MAX);
        head[32..36].copy_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&head);
        out.extend_from_slice(&self.body[..length as usize]);
    }

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Damage> {
        let (class, flags) = (reader.octet()?, reader.u16()?);
        let [first, second] = reader.chunk()?;
        let account = AccountId(reader.u16()?);
        let id = MessageId(reader.u64()?);
        let accepted = Unix(reader.u64()?);
        let (due, expires, length) = (reader.u32()?, reader.u32()?, reader.u32()?);
        let body = reader.slice(length as usize)?;
        Ok(Self { id, account, country: [first, second], class, flags, accepted, due, expires, body })
    }
}

impl<'a> Inbound<'a> {
    fn encode(&self, out: &mut Vec<u8>) {
        let mut head = [0; 30];
        head[0] = INBOUND;
        head[1] = self.class;
        head[2..4].copy_from_slice(&self.account.0.to_le_bytes());
        head[4..6].copy_from_slice(&self.carrier.0.to_le_bytes());
        head[6..14].copy_from_slice(&self.id.0.to_le_bytes());
        head[14..22].copy_from_slice(&self.received.0.to_le_bytes());
        head[22..26].copy_from_slice(&self.expires.to_le_bytes());
        let length = u32::try_from(self.body.len()).unwrap_or(u32::MAX);
        head[26..30].copy_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&head);
        out.extend_from_slice(&self.body[..length as usize]);
    }

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Damage> {
        let class = reader.octet()?;
        let (account, carrier) = (AccountId(reader.u16()?), CarrierId(reader.u16()?));
        let (id, received) = (MessageId(reader.u64()?), Unix(reader.u64()?));
        let (expires, length) = (reader.u32()?, reader.u32()?);
        Ok(Self { id, account, carrier, class, received, expires, body: reader.slice(length as usize)? })
    }
}

impl fmt::Debug for Inbound<'_> {
    /// Shows no content: a body holds numbers and text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbound")
            .field("id", &self.id)
            .field("account", &self.account)
            .field("carrier", &self.carrier)
            .field("class", &self.class)
            .field("received", &self.received)
            .field("expires", &self.expires)
            .field("body_octets", &self.body.len())
            .finish()
    }
}

impl fmt::Debug for Accept<'_> {
    /// Shows no content: a body holds numbers and text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accept")
            .field("id", &self.id)
            .field("account", &self.account)
            .field("class", &self.class)
            .field("flags", &self.flags)
            .field("accepted", &self.accepted)
            .field("due", &self.due)
            .field("expires", &self.expires)
            .field("body_octets", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Write<'_> {
    /// Shows no number and no text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accept(accept) => accept.fmt(f),
            Self::Inbound(inbound) => inbound.fmt(f),
            Self::Sent { id, carrier, at, .. } => write!(f, "Sent({id}, {carrier:?}, {at})"),
            Self::Retry { id, position, attempts, due } => write!(f, "Retry({id}, {position}, {attempts}, {due})"),
            Self::Handed { id, carrier } => write!(f, "Handed({id}, {carrier:?})"),
            Self::Passed { id, carrier } => write!(f, "Passed({id}, {carrier:?})"),
            Self::Final { id, state, error, at, owed, .. } => {
                write!(f, "Final({id}, state {state}, error {error}, {at:?}, owed {owed})")
            }
            Self::Settled { id, at } => write!(f, "Settled({id}, {at})"),
            Self::Blank { room } => write!(f, "Blank({room} octets)"),
            Self::Mark { next_id } => write!(f, "Mark({next_id})"),
            Self::Parked { carrier, at, state, error, .. } => {
                write!(f, "Parked({carrier:?}, {at}, state {state}, error {error})")
            }
        }
    }
}

fn encode_short(octets: &[u8], out: &mut Vec<u8>) {
    let octets = clamp(octets);
    out.push(octets.len() as u8);
    out.extend_from_slice(octets);
}

fn encode_blank(room: u32, out: &mut Vec<u8>) {
    out.push(BLANK);
    out.extend_from_slice(&room.to_le_bytes());
    out.resize(out.len() + room as usize, 0);
}

fn decode_final<'a>(reader: &mut Reader<'a>) -> Result<Write<'a>, Damage> {
    let id = MessageId(reader.u64()?);
    let [state, bits] = reader.chunk()?;
    let error = reader.u16()?;
    let network = NetworkError { network: reader.octet()?, code: reader.u16()? };
    let at = Unix(reader.u64()?);
    let present = bits & NETWORK != 0;
    if bits & !(OWED | NETWORK) != 0 || !(present || network == NetworkError { network: 0, code: 0 }) {
        return Err(Damage::Field);
    }
    let network = present.then_some(network);
    Ok(Write::Final { id, state, error, network, at, owed: bits & OWED != 0 })
}

/// Takes packed fields off the front of octets.
pub(super) struct Reader<'a> {
    pub(super) octets: &'a [u8],
}

impl<'a> Reader<'a> {
    #[inline]
    pub(super) fn chunk<const N: usize>(&mut self) -> Result<[u8; N], Damage> {
        let Some((chunk, rest)) = self.octets.split_first_chunk::<N>() else {
            return Err(Damage::Short { found: self.octets.len(), expected: N });
        };
        self.octets = rest;
        Ok(*chunk)
    }

    pub(super) fn slice(&mut self, length: usize) -> Result<&'a [u8], Damage> {
        let Some((slice, rest)) = self.octets.split_at_checked(length) else {
            return Err(Damage::Short { found: self.octets.len(), expected: length });
        };
        self.octets = rest;
        Ok(slice)
    }

    /// A length octet and as many octets.
    pub(super) fn short_slice(&mut self) -> Result<&'a [u8], Damage> {
        let length = self.octet()?;
        self.slice(usize::from(length))
    }

    pub(super) fn octet(&mut self) -> Result<u8, Damage> {
        self.chunk::<1>().map(|[octet]| octet)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Damage> {
        self.chunk().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Damage> {
        self.chunk().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Damage> {
        self.chunk().map(u64::from_le_bytes)
    }
}

/// What a one-octet length can describe.
fn clamp(octets: &[u8]) -> &[u8] {
    &octets[..octets.len().min(usize::from(u8::MAX))]
}

const ACCEPT: u8 = 1;
const SENT: u8 = 2;
const RETRY: u8 = 3;
const FINAL: u8 = 4;
const SETTLED: u8 = 5;
const PARKED: u8 = 6;
const MARK: u8 = 7;
const HANDED: u8 = 8;
const INBOUND: u8 = 9;
const PASSED: u8 = 10;
const BLANK: u8 = 15;

/// Octets of a [`Write::Blank`] before its room; every fact about a message is longer.
pub(super) const BLANK_HEAD: usize = 5;

/// No account has this number.
pub(super) const NOBODY: AccountId = AccountId(u16::MAX);

/// Bits of a final write.
const OWED: u8 = 1;
const NETWORK: u8 = 2;
