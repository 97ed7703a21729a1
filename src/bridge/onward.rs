//! What leaves for a carrier otherwise than it came: the one place where a carrier's habits are put on a message.
//!
//! The addresses that are kept stay as the client wrote them, so its receipt bears them, and the next carrier gets the
//! message by its own habits.

use bytes::BytesMut;

use super::fit;
use super::recode::Text;
use super::submit::RECODED;
use crate::pdu::{CommandId, HEADER_LENGTH, Malformed, Sm};
use crate::policy::{DefaultAlphabet, Habits, Home};
use crate::store::Accept;

/// Appends the `submit_sm` with which a stored message goes on to a carrier with these habits, as
/// [`Sm::encode_onward`] does for one without. `home` is the country whose national numbers the client may write.
///
/// # Errors
/// Those of [`Sm::decode`]; nothing is appended then.
pub(super) fn encode(
    habits: &Habits,
    home: Option<Home>,
    accept: &Accept<'_>,
    validity: &[u8],
    wire: &mut BytesMut,
) -> Result<(), Malformed> {
    let sm = Sm::onward(accept.body, validity)?;
    let alone = if habits.payload { None } else { fit::alone(&sm) };
    let sm = alone.as_ref().map_or(Ok(sm), |wire| Sm::decode(&wire[HEADER_LENGTH..]))?;
    let sm =
        Sm { source: habits.source(&sm.source, home), destination: habits.destination(&sm.destination, home), ..sm };
    let text = match (accept.flags & RECODED != 0, habits.alphabet) {
        (true, to) if to != DefaultAlphabet::Gsm => Text::back(&sm, to, habits.payload),
        (_, to) => Text::of(&sm, DefaultAlphabet::Gsm, to, habits.payload),
    };
    let sm = text.as_ref().map_or(sm, |text| text.put(&sm));
    sm.encode(CommandId::SUBMIT_SM, 0, wire);
    Ok(())
}
