//! The value rules of a `submit_sm` at a server: what SMPP 3.4 §4.4.1 and §5.2 call invalid, and what this server does
//! not offer.
//!
//! Reserved values that harm nothing pass. Whether the number can be reached is not decided here.

use super::address::Address;
use super::command::CommandStatus;
use super::fault::Malformed;
use super::sm::{Sm, TIME_LENGTH};
use super::tag::Tag;
use super::time::Time;
use super::udh::Udh;

/// Most characters of an alphanumeric sender that a handset can show (3GPP 23.040: 11 septets).
const ALPHANUMERIC_MAX: usize = 11;
/// Most octets of `short_message` in 3.4.
const SHORT_MESSAGE_MAX: usize = 254;

fn refuse(status: CommandStatus, field: &'static str) -> Result<(), Malformed> {
    Err(Malformed::new(status, field))
}

impl Sm<'_> {
    /// Checks the values of a `submit_sm`, in wire order; the first fault wins.
    ///
    /// # Errors
    /// The status of the field at fault.
    pub fn check_submit(&self) -> Result<(), Malformed> {
        use CommandStatus as Status;
        check_plan(&self.source, Status::ESME_RINVSRCTON, Status::ESME_RINVSRCNPI)?;
        if self.source.ton() == Address::TON_ALPHANUMERIC
            && self.source.octets().len() > ALPHANUMERIC_MAX
            && self.source.octets().first() != Some(&b'+')
        {
            return refuse(Status::ESME_RINVSRCADR, "source_addr");
        }
        check_plan(&self.destination, Status::ESME_RINVDSTTON, Status::ESME_RINVDSTNPI)?;
        if self.destination.is_empty() {
            return refuse(Status::ESME_RINVDSTADR, "destination_addr");
        }
        check_esm_class(self.esm_class)?;
        if self.priority_flag > 3 {
            return refuse(Status::ESME_RINVPRTFLG, "priority_flag");
        }
        check_time(self.schedule_delivery_time, Status::ESME_RINVSCHED, "schedule_delivery_time")?;
        check_time(self.validity_period, Status::ESME_RINVEXPIRY, "validity_period")?;
        if self.replace_if_present_flag > 1 {
            return refuse(Status::ESME_RINVREPFLAG, "replace_if_present_flag");
        }
        if self.sm_default_msg_id != 0 {
            return refuse(Status::ESME_RINVDFTMSGID, "sm_default_msg_id");
        }
        if self.short_message.len() > SHORT_MESSAGE_MAX {
            return refuse(Status::ESME_RINVMSGLEN, "sm_length");
        }
        if self.has_udh() && Udh::of(self.text()).is_none() {
            return refuse(Status::ESME_RINVESMCLASS, "esm_class");
        }
        if self.tlvs.is_empty() { Ok(()) } else { self.check_submit_tlvs() }
    }

    fn check_submit_tlvs(&self) -> Result<(), Malformed> {
        let payload = self.tlvs.find(Tag::MESSAGE_PAYLOAD).unwrap_or(&[]);
        if !payload.is_empty() && !self.short_message.is_empty() {
            return refuse(CommandStatus::ESME_RINVMSGLEN, "message_payload");
        }
        let (Some(_), Some(total), Some(part)) = (
            self.tlvs.find(Tag::SAR_MSG_REF_NUM),
            self.tlvs.octet(Tag::SAR_TOTAL_SEGMENTS),
            self.tlvs.octet(Tag::SAR_SEGMENT_SEQNUM),
        ) else {
            // An incomplete set is ignored: SMPP 3.4 §5.3.2.22.
            return Ok(());
        };
        if self.has_udh() {
            return refuse(CommandStatus::ESME_RINVOPTPARAMVAL, "sar_msg_ref_num");
        }
        if part == 0 || part > total {
            return refuse(CommandStatus::ESME_RINVOPTPARAMVAL, "sar_segment_seqnum");
        }
        Ok(())
    }
}

/// Types of number 7 and up and the gaps among the numbering plans are reserved. SMPP 3.4 §5.2.5 and §5.2.6.
fn check_plan(address: &Address, ton: CommandStatus, npi: CommandStatus) -> Result<(), Malformed> {
    const NPI: u32 = 1 | 1 << 1 | 1 << 3 | 1 << 4 | 1 << 6 | 1 << 8 | 1 << 9 | 1 << 10 | 1 << 14 | 1 << 18;
    if address.ton() > 6 {
        return refuse(ton, "addr_ton");
    }
    if address.npi() > 31 || NPI >> address.npi() & 1 == 0 {
        return refuse(npi, "addr_npi");
    }
    Ok(())
}

/// A client may send an ordinary message or an acknowledgement of its own, and may not ask for transaction mode, which
/// would hold the response until delivery. SMPP 3.4 §5.2.12.
fn check_esm_class(esm_class: u8) -> Result<(), Malformed> {
    let transaction = esm_class & 0x03 == 0x02;
    if transaction || !matches!(esm_class & Sm::TYPE_MASK, 0x00 | 0x08 | 0x10) {
        return refuse(CommandStatus::ESME_RINVESMCLASS, "esm_class");
    }
    Ok(())
}

fn check_time(octets: &[u8], status: CommandStatus, field: &'static str) -> Result<(), Malformed> {
    if octets.is_empty() || (octets.len() == TIME_LENGTH && Time::parse(octets).is_ok()) {
        return Ok(());
    }
    refuse(status, field)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pdu::Tlvs;

    fn ordinary() -> Sm<'static> {
        Sm {
            source: Address::new(5, 0, b"MyBrand").unwrap(),
            destination: Address::new(1, 1, b"4712345678").unwrap(),
            short_message: b"Hi",
            ..Sm::default()
        }
    }

    fn status(change: impl FnOnce(&mut Sm<'static>)) -> u32 {
        let mut sm = ordinary();
        change(&mut sm);
        sm.check_submit().map_or_else(|fault| fault.status.0, |()| 0)
    }

    fn with_tlvs(octets: &'static [u8]) -> impl FnOnce(&mut Sm<'static>) {
        move |sm| sm.tlvs = Tlvs::decode(octets).unwrap()
    }

    #[test]
    fn each_value_fails_by_its_own_status() {
        let to = |ton, npi, octets: &[u8]| Address::new(ton, npi, octets).unwrap();
        assert_eq!(status(|_| {}), 0x00);
        assert_eq!(status(|sm| sm.source = to(7, 0, b"x")), 0x48);
        assert_eq!(status(|sm| sm.source = to(0, 2, b"x")), 0x49);
        assert_eq!(status(|sm| sm.source = to(0, 255, b"x")), 0x49);
        assert_eq!(status(|sm| sm.source = to(5, 0, b"TwelveLetter")), 0x0A);
        assert_eq!(status(|sm| sm.source = to(5, 0, b"+447700900123")), 0x00);
        assert_eq!(status(|sm| sm.source = Address::default()), 0x00);
        assert_eq!(status(|sm| sm.destination = to(9, 1, b"47")), 0x50);
        assert_eq!(status(|sm| sm.destination = to(1, 5, b"47")), 0x51);
        assert_eq!(status(|sm| sm.destination = Address::default()), 0x0B);
        assert_eq!(status(|sm| sm.priority_flag = 4), 0x06);
        assert_eq!(status(|sm| sm.schedule_delivery_time = b"261331000000000+"), 0x61);
        assert_eq!(status(|sm| sm.validity_period = b"000000240000000R"), 0x62);
        assert_eq!(status(|sm| sm.validity_period = b"1"), 0x62);
        assert_eq!(status(|sm| sm.validity_period = b"000001000000000R"), 0x00);
        assert_eq!(status(|sm| sm.replace_if_present_flag = 1), 0x00);
        assert_eq!(status(|sm| sm.replace_if_present_flag = 2), 0x54);
        assert_eq!(status(|sm| sm.sm_default_msg_id = 1), 0x63);
        assert_eq!(status(|sm| sm.short_message = &[b'x'; 255]), 0x01);
        assert_eq!(status(|sm| sm.short_message = &[]), 0x00);
    }

    #[test]
    fn esm_class_is_what_a_client_may_say() {
        for esm_class in [0x00, 0x01, 0x03, 0x08, 0x10, 0x83] {
            assert_eq!(status(|sm| sm.esm_class = esm_class), 0x00, "{esm_class:#x}");
        }
        for esm_class in [0x02, 0x04, 0x0C, 0x14, 0x18, 0x20, 0x3C, 0x40] {
            assert_eq!(status(|sm| sm.esm_class = esm_class), 0x43, "{esm_class:#x}");
        }
        let udh = |sm: &mut Sm<'static>| {
            sm.esm_class = 0x43;
            sm.short_message = b"\x05\x00\x03\xAA\x02\x01Hi";
        };
        assert_eq!(status(udh), 0x00);
    }

    #[test]
    fn contradictions_in_the_optional_parameters_are_refused() {
        const SAR: &[u8] = b"\x02\x0C\0\x02\0\x01\x02\x0E\0\x01\x02\x02\x0F\0\x01\x01";
        assert_eq!(status(with_tlvs(b"\x04\x24\0\x02Hi")), 0x01);
        assert_eq!(status(with_tlvs(b"\x04\x24\0\0")), 0x00);
        assert_eq!(status(with_tlvs(SAR)), 0x00);
        assert_eq!(status(with_tlvs(b"\x02\x0C\0\x02\0\x01\x02\x0E\0\x01\x02\x02\x0F\0\x01\x03")), 0xC4);
        assert_eq!(status(with_tlvs(b"\x02\x0E\0\x01\x00")), 0x00);
        let both = |sm: &mut Sm<'static>| {
            sm.esm_class = 0x40;
            sm.short_message = b"\x05\x00\x03\xAA\x02\x01Hi";
            sm.tlvs = Tlvs::decode(SAR).unwrap();
        };
        assert_eq!(status(both), 0xC4);
        let udh_in_payload = |sm: &mut Sm<'static>| {
            sm.esm_class = 0x40;
            sm.short_message = &[];
            sm.tlvs = Tlvs::decode(b"\x04\x24\0\x04\x09\0\x03\xAA").unwrap();
        };
        assert_eq!(status(udh_in_payload), 0x43);
    }
}
