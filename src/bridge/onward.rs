//! What leaves for a carrier otherwise than it came: the one place where a carrier's habits are put on a message.
//!
//! What is kept of a message stays as the client wrote it, so its receipt bears the client's own addresses, and the next
//! carrier gets it by its own habits.

use bytes::BytesMut;

use crate::pdu::{CommandId, Malformed, Sm};
use crate::policy::{Habits, Home};

/// Appends the `submit_sm` with which a stored body goes on to a carrier with these habits, as
/// [`Sm::encode_onward`] does for one without. `home` is the country whose national numbers the client may write.
///
/// # Errors
/// Those of [`Sm::decode`]; nothing is appended then.
pub(super) fn encode(
    habits: &Habits,
    home: Option<Home>,
    body: &[u8],
    validity: &[u8],
    wire: &mut BytesMut,
) -> Result<(), Malformed> {
    let sm = Sm::onward(body, validity)?;
    let sm =
        Sm { source: habits.source(&sm.source, home), destination: habits.destination(&sm.destination, home), ..sm };
    sm.encode(CommandId::SUBMIT_SM, 0, wire);
    Ok(())
}
