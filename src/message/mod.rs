//! The domain's values: identities, states and the decision whether a receipt is owed. No storage, no wire format.

mod id;
mod state;

pub use id::{AccountId, CarrierId, LinkId, MessageId};
pub use state::{MessageState, owes_receipt};
