//! No text makes a receipt's reader panic, and what it reads keeps its promises.
//!
//! Input: `esm_class`, `data_coding`, how many of the octets after them are optional parameters, those, the text.

#![no_main]

use libfuzzer_sys::fuzz_target;
use smppgate::pdu::{RECEIPT_SCRATCH, Receipt, Sm, Tlvs};

fn check(receipt: &Receipt<'_>) {
    assert!((1..=8).contains(&receipt.state));
    assert!(receipt.error <= 999);
    assert!(!receipt.id.contains(&0));
    assert!(!receipt.tlv_id || !receipt.id.is_empty());
}

fuzz_target!(|data: &[u8]| {
    let [esm_class, data_coding, split, rest @ ..] = data else { return };
    let (tlvs, text) = rest.split_at(usize::from(*split).min(rest.len()));
    let tlvs = Tlvs::lenient(tlvs);
    let sm = Sm { esm_class: *esm_class, data_coding: *data_coding, short_message: text, tlvs, ..Sm::default() };
    let mut scratch = [0; RECEIPT_SCRATCH];
    if let Some(receipt) = Receipt::read_with(&sm, &mut scratch) {
        check(&receipt);
        assert!(sm.is_receipt() || !tlvs.is_empty());
    }
    if let Some(receipt) = Receipt::from_text(text) {
        check(&receipt);
        assert!(!receipt.id.is_empty() && !receipt.tlv_id);
    }
});
