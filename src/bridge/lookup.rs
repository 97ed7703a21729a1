//! What clients call a message, and looking one up in the archive: a lap of its own, made by the journal's thread.

use crate::message::{AccountId, MessageId};
use crate::policy::Class;
use crate::store::ArchiveRecord;

/// How many times the low 32 bits of an id, which 3.3 peers see, may have come round since the message.
const WRAPS: u64 = 512;

/// What a client may mean by a `message_id`: it is decimal digits for one and hexadecimal ones for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name {
    whole: Option<MessageId>,
    low: Option<u32>,
}

impl Name {
    /// Reads a `message_id`; `None` for one that smppgate never gives.
    pub(super) fn read(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?.trim();
        if text.is_empty() || !text.bytes().all(|octet| octet.is_ascii_hexdigit()) {
            return None;
        }
        let (whole, low) = (text.parse().ok().map(MessageId), u32::from_str_radix(text, 16).ok());
        (whole.is_some() || low.is_some()).then_some(Self { whole, low })
    }

    /// The id it may be of a message whose client sees whole ids.
    pub(super) fn whole(self) -> Option<MessageId> {
        self.whole
    }

    /// The ids it may be, newest first, of a message whose client sees their low half; all are below `next_id`.
    pub(super) fn legacy(self, next_id: u64) -> impl Iterator<Item = MessageId> {
        let newest = |low: u32| {
            let id = (next_id & !0xFFFF_FFFF) | u64::from(low);
            if id < next_id { Some(id) } else { id.checked_sub(1 << 32) }
        };
        let newest = self.low.and_then(newest);
        (0..WRAPS).map_while(move |wrap| newest?.checked_sub(wrap << 32)).map(MessageId)
    }
}

/// A look into the archive that the bridge asks for; answered by [`Input::Archived`](super::Input::Archived).
#[derive(Clone, Copy, Debug)]
pub struct Lookup {
    /// Comes back with the answer.
    pub ticket: u64,
    pub(super) account: AccountId,
    pub(super) name: Name,
    /// Whether the client sees the low half of ids.
    pub(super) legacy: bool,
    pub(super) next_id: u64,
}

impl Lookup {
    /// Looks with `archived`, the store's [`archived`](crate::store::Store::archived): the record of the account that
    /// is meant, `None` where there is none.
    pub fn run(&self, mut archived: impl FnMut(MessageId) -> Option<ArchiveRecord>) -> Option<ArchiveRecord> {
        // Messages from handsets have ids of the same row, and clients know none of them.
        let asked = |record: &ArchiveRecord| record.account == self.account && record.class != Class::Inbound as u8;
        let mut own = |id| archived(id).filter(asked);
        if self.legacy {
            return self.name.legacy(self.next_id).find_map(own);
        }
        self.name.whole().and_then(&mut own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_both_forms() {
        let name = |text: &[u8]| Name::read(text).map(|name| (name.whole.map(|id| id.0), name.low));
        assert_eq!(name(b"1234"), Some((Some(1234), Some(0x1234))));
        assert_eq!(name(b"00AB"), Some((None, Some(0xAB))));
        assert_eq!(name(b"18446744073709551615"), Some((Some(u64::MAX), None)));
        for wrong in [&b""[..], b"x", b"-1", b"+1", b"1.5", b"18446744073709551616", b"\xFF", b"123456789abcdef"] {
            assert_eq!(name(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_low_half_stands_for_the_newest_id_first() {
        let next = (7 << 32) + 100;
        let name = Name::read(b"63").unwrap();
        assert_eq!(
            name.legacy(next).take(2).collect::<Vec<_>>(),
            [MessageId((7 << 32) + 99), MessageId((6 << 32) + 99)]
        );
        assert_eq!(name.legacy(next).last(), Some(MessageId(99)));
        let name = Name::read(b"64").unwrap();
        assert_eq!(name.legacy(next).next(), Some(MessageId((6 << 32) + 100)));
        assert_eq!(Name::read(b"64").unwrap().legacy(50).next(), None);
    }
}
