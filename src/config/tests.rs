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
        ("alphabet = \"utf8\"", "carrier[0].alphabet: \"utf8\" is unknown"),
        ("alphabet = \"ucs2\"\npayload = false", "carrier[0].payload: leaves no room for texts in UCS-2"),
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

fn with(retention: &str, account: &str) -> String {
    format!(
        "[listen]\nsmpp = \"127.0.0.1:0\"\n[retention]\n{retention}\n[[account]]\nsystem_id = \"acme\"\n\
         password = \"secret\"\n{account}\n[[carrier]]\nname = \"fjord\"\naddress = \"127.0.0.1:1\"\n\
         system_id = \"x\"\npassword = \"x\"\n[[route]]\ncountry = [\"*\"]\ncarriers = [\"fjord\"]\n"
    )
}

#[test]
fn an_account_may_keep_its_data_for_a_shorter_time_only() {
    let path = std::path::Path::new("gate.toml");
    let days = |days: u64| std::time::Duration::from_secs(days * 86_400);
    let all = "message = \"40d\"\nmax_age = \"100d\"\nset_aside = \"10d\"";
    let text = with(all, "retention = { message = \"7d\", sealed = \"0s\" }");
    let policy = Config::parse(path, &text).expect("shorter").policy;
    let own = &policy.accounts[0].retention;
    assert_eq!((own.message, own.max_age, own.set_aside, own.sealed), (days(7), days(100), days(10), days(0)));
    assert_eq!((policy.retention.message, policy.retention.sealed), (days(40), days(60)));
    for (key, value) in [("message", "61d"), ("inbound", "61d"), ("receipt_queue", "8d"), ("sealed", "61d")] {
        let text = with("", &format!("retention = {{ {key} = \"{value}\" }}"));
        let mistakes = Config::parse(path, &text).expect_err("longer").to_string();
        assert!(
            mistakes.contains(&format!("account[0].retention.{key}: is longer than for all accounts")),
            "{mistakes}"
        );
    }
    let mistakes = Config::parse(path, &with("", "retention = { audit = \"1d\" }")).expect_err("not its own");
    assert!(mistakes.to_string().contains("unknown key"));
}

#[test]
fn an_account_may_have_its_texts_kept_but_no_longer_than_its_records() {
    let path = std::path::Path::new("gate.toml");
    let days = |days: u64| std::time::Duration::from_secs(days * 86_400);
    for (lines, kept) in [
        ("", 0),
        ("body = \"until_final\"", 0),
        ("body = \"retain\"", 40),
        ("body = \"retain\"\nretention = { message = \"7d\" }", 7),
        ("body = \"retain\"\nretention = { body = \"3d\" }", 3),
    ] {
        let lines = format!("{lines}\none_time_service_types = [\"OTP\"]");
        let policy = Config::parse(path, &with("message = \"40d\"", &lines)).expect(&lines).policy;
        let own = &policy.accounts[0].retention;
        assert_eq!((own.body, policy.retention.body), (days(kept), days(0)), "{lines}");
        assert_eq!((own.keeps_text(b""), own.keeps_text(b"otp")), (kept > 0, false), "{lines}");
    }
    for (lines, expected) in [
        ("body = \"keep\"", "account[0].body: "),
        ("retention = { body = \"3d\" }", "account[0].retention.body: is for texts that stay, and these do not"),
        (
            "body = \"retain\"\nretention = { message = \"2d\", body = \"3d\" }",
            "account[0].retention.body: is longer than records of messages stay",
        ),
        ("body = \"retain\"\nretention = { body = \"0s\" }", "account[0].retention.body: "),
        ("one_time_service_types = [\"ONETIME\"]", "\"ONETIME\" is no service_type"),
        ("one_time_service_types = [\"\"]", "account[0].one_time_service_types: \"\" is no service_type"),
    ] {
        let mistakes = Config::parse(path, &with("", lines)).expect_err(lines).to_string();
        assert!(mistakes.contains(expected), "{lines}: {mistakes}");
    }
}
