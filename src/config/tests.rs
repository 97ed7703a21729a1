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

/// The one mistake of a file that is right but for these lines of its account and its carrier.
fn refusal(account: &str, carrier: &str) -> String {
    let text = format!(
        "[listen]\nsmpp = \"127.0.0.1:2775\"\n[[account]]\nsystem_id = \"acme\"\npassword = \"secret\"\n{account}\n\
         [[carrier]]\nname = \"fjord\"\naddress = \"127.0.0.1:2776\"\nsystem_id = \"us\"\npassword = \"pw\"\n{carrier}\n\
         [[route]]\ncountry = [\"*\"]\ncarriers = [\"fjord\"]\n"
    );
    let mistakes = Config::parse(Path::new("gate.toml"), &text).expect_err("a mistake");
    assert_eq!(mistakes.refusing(), 1, "{mistakes}");
    mistakes.0.iter().filter(|mistake| !mistake.warning).map(ToString::to_string).collect()
}

#[test]
fn habits_of_carriers_are_checked() {
    for (lines, expected) in [
        ("numbers = \"plus\"", "carrier[0].numbers: \"plus\" is unknown"),
        ("senders = \"Acme\"", "carrier[0].senders: is a text; expected a table such as"),
        (
            "senders = { \"Acme\" = \"Longer than eleven\" }",
            "carrier[0].senders: \"Longer than eleven\" can be no source",
        ),
        ("source_types = { nmae = \"1/1\" }", "carrier[0].source_types: \"nmae\" is unknown, did you mean \"name\"?"),
        ("source_types = { name = \"1\" }", "carrier[0].source_types: \"1\" is no type"),
        ("destination_type = \"1/256\"", "carrier[0].destination_type: \"1/256\" is no type"),
        ("receipt_ids = \"octal\"", "carrier[0].receipt_ids: \"octal\" is unknown"),
        ("errors = { \"45\" = \"retry\" }", "carrier[0].errors: \"45\" is no error"),
        ("errors = { \"0x0\" = \"retry\" }", "carrier[0].errors: \"0x0\" is no error"),
        ("errors = { \"0x45\" = \"again\" }", "carrier[0].errors: \"again\" is unknown"),
        ("errors = { \"0x45\" = 1 }", "carrier[0].errors: is a number without quotes"),
    ] {
        let line = refusal("", lines);
        assert!(line.contains(expected), "{line}");
    }
    let line = refusal("country_code = \"047\"", "");
    assert!(line.contains("account[0].country_code: \"047\" is no calling code"), "{line}");
}
