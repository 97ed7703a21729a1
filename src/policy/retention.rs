//! How long data of each class is kept after its clock starts. Computes deadlines; the store's sweep removes.

use std::time::Duration;

use crate::clock::Unix;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Kinds of data with a deadline of their own. The numbers are stored with each record: never reuse or change one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Class {
    /// Addresses, times, state and identifiers of a message; from its final state.
    Message = 1,
    /// The text of a message; from its final state.
    Body = 2,
    /// Opt-out lists and imported names; from the closing of the account.
    Contact = 3,
    /// A bulk import as it was uploaded; from the end of the import.
    OriginalFile = 4,
    /// Files uploaded for messages; from the upload.
    Attachment = 5,
    /// What a client did; from the entry.
    ActivityLog = 6,
    /// What operators did and saw; from the entry.
    AuditLog = 7,
    /// Receipts and mobile-originated messages that wait for a bind; from their arrival.
    ReceiptQueue = 8,
    /// A carrier's identifier of a message; from the end of the message's validity.
    Correlation = 9,
    /// Copies for disaster; from the copy.
    Backup = 10,
    /// Addresses, times, state and identifiers of a message from a handset; from its end.
    Inbound = 11,
}

impl Class {
    /// All classes, in the order of their numbers.
    pub const ALL: [Self; 11] = [
        Self::Message,
        Self::Body,
        Self::Contact,
        Self::OriginalFile,
        Self::Attachment,
        Self::ActivityLog,
        Self::AuditLog,
        Self::ReceiptQueue,
        Self::Correlation,
        Self::Backup,
        Self::Inbound,
    ];

    /// The class of a stored number; `None` for one this build does not know.
    #[must_use]
    pub fn from_octet(octet: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|class| *class as u8 == octet)
    }

    /// The name used in configuration and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Body => "body",
            Self::Contact => "contact",
            Self::OriginalFile => "original_file",
            Self::Attachment => "attachment",
            Self::ActivityLog => "activity_log",
            Self::AuditLog => "audit_log",
            Self::ReceiptQueue => "receipt_queue",
            Self::Correlation => "correlation",
            Self::Backup => "backup",
            Self::Inbound => "inbound",
        }
    }
}

/// How long each class is kept after its clock starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// [`Class::Message`]; 60 days.
    pub message: Duration,
    /// [`Class::Body`]; nothing: a text goes with the final state. Never longer than the record of its message.
    pub body: Duration,
    /// Values of `service_type` (SMPP 3.4 §5.2.11) that say that a text is a one-time code: it goes with the final state
    /// whatever [`Self::body`] says.
    pub one_time_service_types: Vec<String>,
    /// [`Class::Contact`]; 60 days.
    pub contact: Duration,
    /// [`Class::OriginalFile`]; 60 days.
    pub original_file: Duration,
    /// [`Class::Attachment`]; 60 days.
    pub attachment: Duration,
    /// [`Class::ActivityLog`]; 30 days.
    pub activity_log: Duration,
    /// [`Class::AuditLog`]; 730 days.
    pub audit_log: Duration,
    /// [`Class::ReceiptQueue`]; 7 days.
    pub receipt_queue: Duration,
    /// [`Class::Correlation`]; 3 days.
    pub correlation: Duration,
    /// [`Class::Backup`]; 30 days.
    pub backup: Duration,
    /// [`Class::Inbound`]; 60 days.
    pub inbound: Duration,
    /// The longest that the record of any message is kept, from its acceptance; 365 days.
    pub max_age: Duration,
    /// How long the records of a closed account are set aside: nobody sees them, and the client may have them back; 60 days.
    pub set_aside: Duration,
    /// How long they are sealed after that: only two operators together may give them back; 60 days.
    pub sealed: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            message: 60 * DAY,
            body: Duration::ZERO,
            one_time_service_types: Vec::new(),
            contact: 60 * DAY,
            original_file: 60 * DAY,
            attachment: 60 * DAY,
            activity_log: 30 * DAY,
            audit_log: 730 * DAY,
            receipt_queue: 7 * DAY,
            correlation: 3 * DAY,
            backup: 30 * DAY,
            inbound: 60 * DAY,
            max_age: 365 * DAY,
            set_aside: 60 * DAY,
            sealed: 60 * DAY,
        }
    }
}

impl Retention {
    /// How long `class` is kept.
    #[must_use]
    pub fn kept_for(&self, class: Class) -> Duration {
        match class {
            Class::Message => self.message,
            Class::Body => self.body,
            Class::Contact => self.contact,
            Class::OriginalFile => self.original_file,
            Class::Attachment => self.attachment,
            Class::ActivityLog => self.activity_log,
            Class::AuditLog => self.audit_log,
            Class::ReceiptQueue => self.receipt_queue,
            Class::Correlation => self.correlation,
            Class::Backup => self.backup,
            Class::Inbound => self.inbound,
        }
    }

    /// When data of `class` whose clock starts at `final_at` must be gone: kept before, forgotten from then on.
    ///
    /// The result is stored with the data, so a later, longer setting does not revive what is already past its time.
    #[must_use]
    pub fn forget_at(&self, class: Class, final_at: Unix) -> Unix {
        final_at.after(self.kept_for(class))
    }

    /// Whether the text of a message with this `service_type` is kept beyond its final state.
    #[must_use]
    pub fn keeps_text(&self, service_type: &[u8]) -> bool {
        let is_one_time = |declared: &String| declared.as_bytes().eq_ignore_ascii_case(service_type);
        !self.body.is_zero() && !self.one_time_service_types.iter().any(is_one_time)
    }

    /// When the text of a message is forgotten whose record, of this class, is forgotten at `record`.
    #[must_use]
    pub fn forget_text_at(&self, final_at: Unix, record: Unix) -> Unix {
        self.forget_at(Class::Body, final_at).min(record)
    }

    /// The same for the record of a message, which is not kept beyond [`Self::max_age`] after its acceptance either.
    #[must_use]
    pub fn forget_message_at(&self, class: Class, accepted: Unix, final_at: Unix) -> Unix {
        self.forget_at(class, final_at).min(accepted.after(self.max_age).max(final_at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_stable_and_unknown_ones_are_none() {
        let numbers = Class::ALL.map(|class| class as u8);
        assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
        for octet in 0..=255 {
            assert_eq!(Class::from_octet(octet).map(|class| class as u8), numbers.contains(&octet).then_some(octet));
        }
    }

    #[test]
    fn texts_stay_where_asked_and_one_time_codes_never_do() {
        let none = Retention { one_time_service_types: vec!["OTP".to_owned()], ..Retention::default() };
        let kept = Retention { body: 7 * DAY, ..none.clone() };
        for (service_type, stays) in
            [(&b""[..], true), (b"CMT", true), (b"OTPX", true), (b"OTP", false), (b"otp", false)]
        {
            assert_eq!(kept.keeps_text(service_type), stays, "{service_type:?}");
            assert!(!none.keeps_text(service_type));
        }
        let week = Unix(7 * 86_400_000 + 5);
        assert_eq!(kept.forget_text_at(Unix(5), Unix(u64::MAX)), week);
        assert_eq!(kept.forget_text_at(Unix(5), Unix(9)), Unix(9));
    }

    #[test]
    fn deadlines_follow_the_table() {
        const DAYS: [(Class, u64); 11] = [
            (Class::Message, 60),
            (Class::Body, 0),
            (Class::Contact, 60),
            (Class::OriginalFile, 60),
            (Class::Attachment, 60),
            (Class::ActivityLog, 30),
            (Class::AuditLog, 730),
            (Class::ReceiptQueue, 7),
            (Class::Correlation, 3),
            (Class::Backup, 30),
            (Class::Inbound, 60),
        ];
        for (class, days) in DAYS {
            let forget_at = Retention::default().forget_at(class, Unix(1_000));
            assert_eq!(forget_at, Unix(1_000 + days * 86_400_000), "{}", class.name());
        }
        assert_eq!(Retention::default().forget_at(Class::Message, Unix(u64::MAX)), Unix(u64::MAX));
        const DAY_MS: u64 = 86_400_000;
        let long = Retention { message: 1_000 * DAY, ..Retention::default() };
        for (ended, forgotten) in [(0, 365), (300, 365), (364, 365), (400, 400)] {
            let at = long.forget_message_at(Class::Message, Unix(0), Unix(ended * DAY_MS));
            assert_eq!(at, Unix(forgotten * DAY_MS), "ended on day {ended}");
        }
        assert_eq!(Retention::default().forget_message_at(Class::Message, Unix(0), Unix(7)), Unix(60 * DAY_MS + 7));
    }
}
