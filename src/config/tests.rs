//! The built-in configuration and the reader's smaller promises; whole files are tested in `tests/config.rs`.

use super::*;
use crate::pdu::Address;
use crate::policy::dialled;

#[test]
fn the_sandbox_needs_no_file_and_has_nothing_to_warn_of() {
    let config = Config::sandbox();
    assert_eq!(config.warnings, []);
    assert_eq!(config.listen.smpp, "127.0.0.1:2775".parse().ok());
    assert_eq!(config.listen.admin, "127.0.0.1:8080".parse().ok());
    assert_eq!(config.policy.authenticate(b"acme", b"secret"), Some(0));
    assert_eq!(config.carriers[0].address, "127.0.0.1:2776");
    assert!(config.is_sandbox);
    let number = dialled(&Address::new(1, 1, b"4759440000").unwrap()).unwrap();
    assert_eq!(config.policy.inbound.find(0, &number, None).map(|found| found.account), Some(0));
}

#[test]
fn a_carrier_address_has_a_host_and_a_port() {
    for good in ["smsc.example:2775", "192.0.2.1:1", "[2001:db8::1]:2775", "host_1:65535"] {
        assert!(carrier::host_and_port(good).is_some(), "{good}");
    }
    for bad in ["", "smsc.example", ":2775", "host:0", "host:65536", "2001:db8::1:2775", "[host]:1", "a b:1", "[::1]"] {
        assert!(carrier::host_and_port(bad).is_none(), "{bad}");
    }
}
