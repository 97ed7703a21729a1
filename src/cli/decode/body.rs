//! The fields of each PDU, in the order of the wire.

use super::sheet::Sheet;
use super::words;
use crate::pdu::{
    Address, AlertNotification, Bind, BindResp, CancelSm, DataSm, Destination, LongAddress, Pdu, QuerySm, QuerySmResp,
    RECEIPT_SCRATCH, Receipt, ReplaceSm, Sm, SmResp, SubmitMulti, SubmitMultiResp, Tag, Tlvs, Udh,
};

/// Writes what follows the header.
pub(super) fn write(sheet: &mut Sheet, pdu: &Pdu<'_>) {
    match pdu {
        Pdu::Bind(_, bind) => self::bind(sheet, bind),
        Pdu::BindResp(_, resp) => bind_resp(sheet, resp),
        Pdu::Outbind(outbind) => {
            sheet.field("system_id", words::ascii(outbind.system_id));
            password(sheet, outbind.password.0);
        }
        Pdu::SubmitSm(sm) => submit(sheet, sm),
        Pdu::DeliverSm(sm) => {
            submit(sheet, sm);
            receipt(sheet, sm);
        }
        Pdu::SmResp(_, resp) => sm_resp(sheet, resp),
        Pdu::DataSm(sm) => data(sheet, sm),
        Pdu::SubmitMulti(multi) => submit_multi(sheet, multi),
        Pdu::SubmitMultiResp(resp) => submit_multi_resp(sheet, resp),
        Pdu::QuerySm(query) => self::query(sheet, query),
        Pdu::QuerySmResp(resp) => query_resp(sheet, resp),
        Pdu::CancelSm(cancel) => self::cancel(sheet, cancel),
        Pdu::ReplaceSm(replace) => self::replace(sheet, replace),
        Pdu::AlertNotification(alert) => self::alert(sheet, alert),
        Pdu::HeaderOnly(_) => {}
        Pdu::Unknown(_, body) => sheet.field("body of an unknown command", words::hex(body)),
    }
}

fn bind(sheet: &mut Sheet, bind: &Bind<'_>) {
    sheet.field("system_id", words::ascii(bind.system_id));
    password(sheet, bind.password.0);
    sheet.field("system_type", words::ascii(bind.system_type));
    sheet.field("interface_version", format_args!("{:#04x}", bind.interface_version));
    sheet.field("addr_ton", format_args!("{} {}", bind.addr_ton, words::ton(bind.addr_ton)));
    sheet.field("addr_npi", format_args!("{} {}", bind.addr_npi, words::npi(bind.addr_npi)));
    sheet.field("address_range", words::ascii(bind.address_range));
}

fn bind_resp(sheet: &mut Sheet, resp: &BindResp<'_>) {
    sheet.field("system_id", words::ascii(resp.system_id));
    if let Some(version) = resp.sc_interface_version {
        sheet.field(Tag::SC_INTERFACE_VERSION, format_args!("{version:#04x}"));
    }
}

fn password(sheet: &mut Sheet, octets: &[u8]) {
    sheet.field("password", format_args!("{} octets, not shown", octets.len()));
}

fn submit(sheet: &mut Sheet, sm: &Sm<'_>) {
    sheet.field("service_type", words::ascii(sm.service_type));
    address(sheet, "source_addr", &sm.source);
    address(sheet, "destination_addr", &sm.destination);
    after_addresses(sheet, sm);
}

/// What `submit_sm`, `deliver_sm` and `submit_multi` share after their addresses.
fn after_addresses(sheet: &mut Sheet, sm: &Sm<'_>) {
    esm_class(sheet, sm.esm_class);
    sheet.field("protocol_id", format_args!("{:#04x}", sm.protocol_id));
    sheet.field("priority_flag", sm.priority_flag);
    sheet.field("schedule_delivery_time", words::time(sm.schedule_delivery_time));
    sheet.field("validity_period", words::time(sm.validity_period));
    registered_delivery(sheet, sm.registered_delivery);
    sheet.field("replace_if_present_flag", sm.replace_if_present_flag);
    data_coding(sheet, sm.data_coding);
    sheet.field("sm_default_msg_id", sm.sm_default_msg_id);
    sheet.field("sm_length", sm.short_message.len());
    text(sheet, "short_message", sm.short_message, sm.data_coding, sm.has_udh());
    tlvs(sheet, sm.tlvs, sm.data_coding, sm.has_udh());
}

fn esm_class(sheet: &mut Sheet, value: u8) {
    sheet.field("esm_class", format_args!("{value:#04x} {}", words::esm_class(value)));
}

fn registered_delivery(sheet: &mut Sheet, value: u8) {
    sheet.field("registered_delivery", format_args!("{value:#04x} {}", words::registered_delivery(value)));
}

fn data_coding(sheet: &mut Sheet, value: u8) {
    sheet.field("data_coding", format_args!("{value:#04x} {}", words::data_coding(value)));
}

/// What a delivery receipt says.
fn receipt(sheet: &mut Sheet, sm: &Sm<'_>) {
    let mut scratch = [0; RECEIPT_SCRATCH];
    let Some(receipt) = Receipt::read_with(sm, &mut scratch) else { return };
    let (state, error) = (words::message_state(receipt.state), receipt.error);
    sheet.field("= receipt", format_args!("of {}: {state}, error {error}", words::ascii(receipt.id)));
}

fn sm_resp(sheet: &mut Sheet, resp: &SmResp<'_>) {
    sheet.field("message_id", words::ascii(resp.message_id));
    tlvs(sheet, resp.tlvs, 0, false);
}

fn data(sheet: &mut Sheet, sm: &DataSm<'_>) {
    sheet.field("service_type", words::ascii(sm.service_type));
    long_address(sheet, "source_addr", &sm.source);
    long_address(sheet, "destination_addr", &sm.destination);
    esm_class(sheet, sm.esm_class);
    registered_delivery(sheet, sm.registered_delivery);
    data_coding(sheet, sm.data_coding);
    tlvs(sheet, sm.tlvs, sm.data_coding, sm.esm_class & Sm::UDHI != 0);
}

fn submit_multi(sheet: &mut Sheet, multi: &SubmitMulti<'_>) {
    sheet.field("service_type", words::ascii(multi.sm.service_type));
    address(sheet, "source_addr", &multi.sm.source);
    sheet.field("number_of_dests", multi.destinations.len());
    for destination in multi.destinations.iter() {
        match destination {
            Destination::Sme(own) => address(sheet, "destination_addr", &own),
            Destination::List(name) => sheet.field("dl_name", words::ascii(name)),
        }
    }
    after_addresses(sheet, &multi.sm);
}

fn submit_multi_resp(sheet: &mut Sheet, resp: &SubmitMultiResp<'_>) {
    sheet.field("message_id", words::ascii(resp.message_id));
    sheet.field("no_unsuccess", resp.failures().count());
    for failure in resp.failures() {
        address(sheet, "unsuccess_sme", &failure.address);
        sheet.field("error_status_code", format_args!("{:#010x} {}", failure.status.0, failure.status));
    }
    tlvs(sheet, resp.tlvs, 0, false);
}

fn query(sheet: &mut Sheet, query: &QuerySm<'_>) {
    sheet.field("message_id", words::ascii(query.message_id));
    address(sheet, "source_addr", &query.source);
}

fn query_resp(sheet: &mut Sheet, resp: &QuerySmResp<'_>) {
    sheet.field("message_id", words::ascii(resp.message_id));
    sheet.field("final_date", words::time(resp.final_date));
    sheet.field("message_state", format_args!("{} {}", resp.message_state, words::message_state(resp.message_state)));
    sheet.field("error_code", resp.error_code);
}

fn cancel(sheet: &mut Sheet, cancel: &CancelSm<'_>) {
    sheet.field("service_type", words::ascii(cancel.service_type));
    sheet.field("message_id", words::ascii(cancel.message_id));
    address(sheet, "source_addr", &cancel.source);
    address(sheet, "destination_addr", &cancel.destination);
}

fn replace(sheet: &mut Sheet, replace: &ReplaceSm<'_>) {
    sheet.field("message_id", words::ascii(replace.message_id));
    address(sheet, "source_addr", &replace.source);
    sheet.field("schedule_delivery_time", words::time(replace.schedule_delivery_time));
    sheet.field("validity_period", words::time(replace.validity_period));
    registered_delivery(sheet, replace.registered_delivery);
    sheet.field("sm_default_msg_id", replace.sm_default_msg_id);
    sheet.field("sm_length", replace.short_message.len());
    // A replacement names no alphabet: it keeps that of the message.
    sheet.field("short_message", words::hex(replace.short_message));
    tlvs(sheet, replace.tlvs, 0, false);
}

fn alert(sheet: &mut Sheet, alert: &AlertNotification<'_>) {
    long_address(sheet, "source_addr", &alert.source);
    long_address(sheet, "esme_addr", &alert.esme);
    tlvs(sheet, alert.tlvs, 0, false);
}

fn address(sheet: &mut Sheet, name: &str, own: &Address) {
    long_address(sheet, name, &LongAddress { ton: own.ton(), npi: own.npi(), octets: own.octets() });
}

fn long_address(sheet: &mut Sheet, name: &str, own: &LongAddress<'_>) {
    let LongAddress { ton, npi, octets } = own;
    let kind = format_args!("ton {ton} {}, npi {npi} {}", words::ton(*ton), words::npi(*npi)).to_string();
    sheet.field(name, format_args!("{} ({kind})", words::ascii(octets)));
}

/// A text as octets, and where they can be read, in words.
fn text(sheet: &mut Sheet, name: &str, octets: &[u8], coding: u8, has_udh: bool) {
    sheet.field(name, words::hex(octets));
    let mut rest = octets;
    if has_udh {
        let Some((udh, after)) = Udh::of(octets) else {
            sheet.field("= user data header", "does not fit in the text");
            return;
        };
        for (identifier, data) in udh.elements() {
            sheet.field("= header element", format_args!("{identifier:#04x}: {}", words::hex(data)));
        }
        if let Some(part) = udh.part() {
            let (number, total, reference) = (part.number, part.total, part.reference);
            sheet.field("= part", format_args!("{number} of {total}, reference {reference}"));
        }
        rest = after;
    }
    if let Some(text) = words::text(coding, rest).filter(|text| !text.is_empty()) {
        sheet.field("= text", format_args!("\"{}\"", text.escape_debug()));
    }
}

fn tlvs(sheet: &mut Sheet, tlvs: Tlvs<'_>, coding: u8, has_udh: bool) {
    for tlv in tlvs {
        let name = format!("tlv {:#06x} {}", tlv.tag.0, tlv.tag.name().unwrap_or("unknown"));
        match (tlv.tag, tlv.value) {
            (Tag::MESSAGE_PAYLOAD, value) => text(sheet, &name, value, coding, has_udh),
            (Tag::MESSAGE_STATE, [state]) => {
                sheet.field(name, format_args!("{state:02x} {}", words::message_state(*state)));
            }
            (_, value) if value.iter().rev().skip(1).all(u8::is_ascii_graphic) && value.len() > 3 => {
                sheet.field(name, format_args!("{} {}", words::hex(value), words::ascii(value)));
            }
            (_, value) => sheet.field(name, words::hex(value)),
        }
    }
}
