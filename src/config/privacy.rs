//! Who answers for personal data: the processor that runs the gateway, and the controller behind each account.
//!
//! Text for the record of processing (GDPR Art. 30(2)); decides nothing.

use super::cursor::At;
use super::raw::{Raw, RawAccount, RawPrivacy};

/// Persons and companies of the record of processing. What was not configured is `None` and shows as such in the record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Privacy {
    /// The company that runs the gateway.
    pub processor: Option<String>,
    /// How to reach it about personal data.
    pub contact: Option<String>,
    /// Its data protection officer, with address.
    pub dpo: Option<String>,
    /// The controllers, by system_id of their account.
    pub controllers: Vec<Controller>,
}

/// The company on whose behalf an account's messages are processed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Controller {
    /// Its account.
    pub system_id: String,
    /// Its legal name.
    pub name: Option<String>,
    /// How to reach it about personal data.
    pub contact: Option<String>,
}

/// `[privacy]`, and what the accounts say.
pub(super) fn privacy(raw: &Raw) -> Privacy {
    let RawPrivacy { processor, contact, dpo } = &raw.privacy;
    Privacy {
        processor: text(processor),
        contact: text(contact),
        dpo: text(dpo),
        controllers: raw.accounts.iter().map(controller).collect(),
    }
}

fn controller(raw: &RawAccount) -> Controller {
    Controller {
        system_id: text(&raw.system_id).unwrap_or_default(),
        name: text(&raw.controller),
        contact: text(&raw.contact),
    }
}

fn text(text: &Option<At<String>>) -> Option<String> {
    text.as_ref().map(|text| text.value.trim().to_owned()).filter(|text| !text.is_empty())
}
