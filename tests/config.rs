//! The configuration as operators meet it: the reference file, and every mistake with its place.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use smppgate::config::{Config, Mistakes};

const REFERENCE: &str = include_str!("../conf/smppgate.toml");
const FILE: &str = "gate.toml";

const LISTEN: &str = "[listen]\nsmpp = \"127.0.0.1:2775\"\n";
const ACCOUNT: &str = "[[account]]\nsystem_id = \"acme\"\npassword = \"secret\"\n";
const CARRIER: &str = "[[carrier]]\nname = \"fjord\"\naddress = \"127.0.0.1:2776\"\nsystem_id = \"us\"\npassword = \"pw\"\n\
    legal_entity = \"Fjord AS\"\ncountry = \"NO\"\ntransfer_basis = \"eea\"\n";
const ROUTE: &str = "[[route]]\ncountry = [\"*\"]\ncarriers = [\"fjord\"]\n";

fn parse(text: &str) -> Result<Config, Mistakes> {
    Config::parse(Path::new(FILE), text)
}

fn whole(parts: &[&str]) -> String {
    parts.concat()
}

/// What is refused, one line a mistake; warnings included.
fn refusal(text: &str) -> Vec<String> {
    let mistakes = parse(text).expect_err("a configuration with a mistake");
    assert!(mistakes.refusing() > 0);
    mistakes.0.iter().map(ToString::to_string).collect()
}

/// The one mistake about a file that is right but for `account`, `carrier` or `route` lines added at the end of theirs.
fn only(text: &str) -> String {
    let lines = refusal(text);
    assert_eq!(lines.len(), 1, "{lines:#?}");
    lines.into_iter().next().unwrap_or_default()
}

fn with_account(lines: &str) -> String {
    whole(&[LISTEN, ACCOUNT, lines, CARRIER, ROUTE])
}

fn with_carrier(lines: &str) -> String {
    whole(&[LISTEN, ACCOUNT, CARRIER, lines, ROUTE])
}

fn with_route(lines: &str) -> String {
    whole(&[LISTEN, ACCOUNT, CARRIER, ROUTE, lines])
}

fn warnings(text: &str) -> Vec<String> {
    let config = parse(text).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    config.warnings.iter().map(ToString::to_string).collect()
}

#[test]
fn the_reference_is_accepted_without_a_warning() {
    let config = parse(REFERENCE).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    assert_eq!(config.warnings, []);
    assert_eq!(config.policy.carriers.len(), 2);
    assert_eq!(config.policy.carriers[1].links, 1);
    assert_eq!(config.policy.accounts[0].rate.map(|rate| rate.limit()), Some(5000));
}

#[test]
fn the_defaults_in_the_reference_are_the_defaults_of_the_code() {
    let uncommented: String = REFERENCE
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if rest.starts_with(|first: char| first.is_ascii_lowercase()) => format!("{rest}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    assert!(uncommented.lines().filter(|line| line.starts_with("window = ")).count() == 2, "the defaults are in force");
    let (with, without) = (parse(&uncommented).expect("defaults are valid"), parse(REFERENCE).expect("valid"));
    assert_eq!(format!("{with:?}"), format!("{without:?}"));
}

/// A key that is not in the reference cannot be found by who reads it there.
#[test]
fn the_reference_has_every_key_that_the_code_knows() {
    let known = |text: &str| -> BTreeSet<String> {
        let expected = only_expected(text);
        expected.replace(" or ", ", ").split(", ").map(str::to_owned).collect()
    };
    let tables = [
        ("", "zzzz = 1\n"),
        ("listen", "[listen]\nzzzz = 1\n"),
        ("tls", "[tls]\nzzzz = 1\n"),
        ("encryption", "[encryption]\nzzzz = 1\n"),
        ("store", "[store]\nzzzz = 1\n"),
        ("session", "[session]\nzzzz = 1\n"),
        ("limits", "[limits]\nzzzz = 1\n"),
        ("retention", "[retention]\nzzzz = 1\n"),
        ("privacy", "[privacy]\nzzzz = 1\n"),
        ("audit", "[audit]\nzzzz = 1\n"),
        ("operator", "[[operator]]\nzzzz = 1\n"),
        ("account", "[[account]]\nzzzz = 1\n"),
        ("carrier", "[[carrier]]\nzzzz = 1\n"),
        ("route", "[[route]]\nzzzz = 1\n"),
        ("screen", "[[screen]]\nzzzz = 1\n"),
        ("guard", "[[guard]]\nzzzz = 1\n"),
        ("inbound", "[[inbound]]\nzzzz = 1\n"),
    ];
    let written = keys_of_reference();
    for (table, text) in tables {
        for key in known(text) {
            if table.is_empty() {
                assert!(written.iter().any(|(other, _)| *other == key), "[{key}] is not in the reference");
            } else {
                assert!(written.contains(&(table.to_owned(), key.clone())), "{table}.{key} is not in the reference");
            }
        }
    }
    let tables: BTreeSet<_> = tables.iter().map(|(table, _)| (*table).to_owned()).collect();
    assert!(written.iter().all(|(table, _)| tables.contains(table)), "a table of the reference is not tested here");
}

fn only_expected(text: &str) -> String {
    let mistakes = parse(text).expect_err("an unknown key");
    let found = mistakes.0.into_iter().find(|mistake| mistake.what.starts_with("unknown key"));
    found.expect("the unknown key is named").expected
}

/// Every table and key in the reference, in force or commented.
fn keys_of_reference() -> BTreeSet<(String, String)> {
    let mut table = String::new();
    let mut keys = BTreeSet::new();
    for line in REFERENCE.lines() {
        let line = line.trim_start_matches('#').trim_start();
        if let Some(name) = line.strip_prefix('[') {
            table = name.trim_start_matches('[').split(']').next().unwrap_or_default().to_owned();
        } else if let Some((key, _)) = line.split_once(" = ")
            && key.bytes().all(|octet| octet.is_ascii_lowercase() || octet == b'_')
            && !table.is_empty()
        {
            keys.insert((table.clone(), key.to_owned()));
        }
    }
    keys
}

#[test]
fn a_small_file_is_enough() {
    let text = whole(&[LISTEN, ACCOUNT, CARRIER, ROUTE]);
    assert_eq!(warnings(&text), Vec::<String>::new());
}

/// What is wrong with the file of the test below.
const ALL_MISTAKES: [&str; 16] = [
    "gate.toml:2:8 listen.smpp: \"localhost:2775\" is no address to listen on; expected an IP address and a port, \
     such as \"0.0.0.0:2775\" or \"[::]:2775\"",
    "gate.toml:3:1 listen.smtp: unknown key, did you mean \"smpp\"?; expected smpp, smpps, admin, api or \
     control",
    "gate.toml:6:14 store.durability: \"flush\" is unknown, did you mean \"flushed\"?; expected \"flushed\" or \
     \"buffered\"",
    "gate.toml:9:16 session.init_timeout: is a number without quotes; expected a duration with its unit (ms, s, m, \
     h, d) from \"100ms\" to \"1h\"",
    "gate.toml:10:16 session.enquire_link: \"30\" is no duration; expected a duration with its unit (ms, s, m, h, \
     d) from \"100ms\" to \"1day\", or \"0s\" for never",
    "gate.toml:15:10 account[0].window: 0 is out of range; expected a whole number from 1 to 10000",
    "gate.toml:16:20 account[0].countries: \"UK\" is no country, did you mean \"GB\"?; expected two capital letters \
     of ISO 3166, such as \"NO\"",
    "gate.toml:18:1 account[1].password: is missing; expected password = \"…\" or password_hash = \"$argon2id$…\"",
    "gate.toml:19:13 account[1].system_id: \"acme\" is the system_id of account[0] too; expected a name of its own",
    "gate.toml:20:1 account[1].pasword: unknown key, did you mean \"password\"?; expected system_id, password, \
     password_hash, password_next, password_hash_next, allow_from, max_binds, window, rate, countries, \
     transfer_bases, objects_to, country_code, alphabet, opt_out, opt_out_words, opt_in_words, controller, contact, body, one_time_service_types or retention",
    "gate.toml:22:1 warning: carrier[0]: legal_entity and country and transfer_basis not said, so nobody can prove \
     where the data goes; expected the company that gets the data, its country, and the ground for handing it over",
    "gate.toml:24:11 carrier[0].address: \"127.0.0.1\" cannot be dialled; expected \"host:port\", such as \
     \"smsc.example:2775\", \"192.0.2.1:2775\" or \"[2001:db8::1]:2775\"",
    "gate.toml:27:8 carrier[0].bind: \"transciever\" is unknown, did you mean \"transceiver\"?; expected \
     \"transceiver\" or \"transmitter+receiver\"",
    "gate.toml:31:13 route[0].carriers: \"fjrod\" is no carrier, did you mean \"fjord\"?; expected one of the \
     carriers: fjord",
    "gate.toml:32:8 route[0].rate: -1 is out of range; expected a whole number from 1 to 1000000",
    "gate.toml:35:12 route[1].country: \"NO\" is in route[0]; expected each country in one route",
];

#[test]
fn all_mistakes_come_at_once_with_their_places() {
    let text = "\
[listen]
smpp = \"localhost:2775\"
smtp = \"0.0.0.0:25\"

[store]
durability = \"flush\"

[session]
init_timeout = 5
enquire_link = \"30\"

[[account]]
system_id = \"acme\"
password = \"secret\"
window = 0
countries = [\"NO\", \"UK\"]

[[account]]
system_id = \"acme\"
pasword = \"hunter2\"

[[carrier]]
name = \"fjord\"
address = \"127.0.0.1\"
system_id = \"us\"
password = \"pw\"
bind = \"transciever\"

[[route]]
country = [\"NO\"]
carriers = [\"fjrod\"]
rate = -1

[[route]]
country = [\"NO\", \"SE\"]
carriers = [\"fjord\"]
";
    assert_eq!(refusal(text), ALL_MISTAKES);
}

#[test]
fn a_text_that_is_not_toml_says_where() {
    let lines = refusal("[listen]\nsmpp = \n");
    assert!(lines[0].starts_with("gate.toml:2:"), "{lines:?}");
    assert!(lines[0].contains("not TOML"), "{lines:?}");
}

#[test]
fn a_file_that_is_not_there_is_a_mistake_too() {
    let mistakes = Config::load(Path::new("/nonexistent/gate.toml")).expect_err("no such file");
    assert!(mistakes.to_string().starts_with("/nonexistent/gate.toml:1:1 cannot be read: "), "{mistakes}");
}

#[test]
fn credentials_are_one_password_or_one_hash() {
    let hash = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$fIbdC2xakJ6cNlONBQKde0ZQtJof49m9l+7mj3O30mA";
    assert!(only(&with_account(&format!("password_hash = \"{hash}\"\n"))).contains("stands beside password"));
    let hashed = |hash: &str| {
        whole(&[LISTEN, "[[account]]\nsystem_id = \"a\"\npassword_hash = \"", hash, "\"\n", CARRIER, ROUTE])
    };
    assert_eq!(parse(&hashed(hash)).expect("a hash").policy.authenticate(b"a", b"secret"), Some(0));
    assert!(only(&hashed("$2b$12$abcdefghijklmnopqrstuv")).contains("account[0].password_hash"));
    assert!(only(&hashed("plain")).contains("expected an argon2id hash in PHC form"));
}

#[test]
fn two_passwords_open_while_one_replaces_the_other() {
    let hash = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$fIbdC2xakJ6cNlONBQKde0ZQtJof49m9l+7mj3O30mA";
    let opens = |text: &str, password: &str| {
        let config = parse(text).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        config.policy.authenticate(b"acme", password.as_bytes()).is_some()
    };
    let next = with_account("password_next = \"renewed\"\n");
    assert!(opens(&next, "secret") && opens(&next, "renewed") && !opens(&next, "other"));
    let old =
        whole(&[LISTEN, &ACCOUNT.replace("secret", "old"), "password_hash_next = \"", hash, "\"\n", CARRIER, ROUTE]);
    assert!(opens(&old, "old") && opens(&old, "secret") && !opens(&old, "renewed"));
    let same = only(&with_account("password_next = \"secret\"\n"));
    assert!(same.contains("account[0].password_next: is the password in force"), "{same}");
    let both = format!("password_next = \"a\"\npassword_hash_next = \"{hash}\"\n");
    assert!(only(&with_account(&both)).contains("account[0].password_hash_next: stands beside password_next"));
    let alone = whole(&[LISTEN, "[[account]]\nsystem_id = \"a\"\npassword_next = \"b\"\n", CARRIER, ROUTE]);
    assert!(only(&alone).contains("account[0].password: is missing"));
}

#[test]
fn operators_are_persons_who_can_be_known() {
    let with = |lines: &str| whole(&[&with_account(""), "[[operator]]\n", lines]);
    let kari = "name = \"Kari Nordmann\"\nuid = 1001\nrole = \"auditor\"\n";
    let config =
        parse(&with(&format!("{kari}accounts = [\"acme\"]\n"))).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    assert_eq!(config.operators[0].role, smppgate::policy::Role::Auditor);
    assert_eq!(config.operators[0].accounts.as_deref(), Some(&["acme".to_owned()][..]));
    for shared in ["admin", "Root", "ops", "ops2", "NOC", "privacy-officer", "test_1"] {
        let line = only(&with(&kari.replace("Kari Nordmann", shared)));
        assert!(line.contains("operator[0].name: ") && line.contains("can be anybody"), "{line}");
    }
    assert!(only(&with(&kari.replace("Kari Nordmann", " "))).contains("operator[0].name: is no name"));
    assert!(only(&with(&kari.replace("auditor", "audit"))).contains("\"audit\" is unknown, did you mean \"auditor\"?"));
    assert!(
        only(&with(&kari.replace("uid = 1001\n", ""))).contains("operator[0].uid: is missing, and so is any other")
    );
    assert!(only(&with(&format!("{kari}accounts = [\"acne\"]\n"))).contains("did you mean \"acme\"?"));
    assert!(only(&with(&format!("{kari}accounts = []\n"))).contains("operator[0].accounts: is empty"));
    assert!(only(&with(&format!("{kari}password_hash = \"secret\"\n"))).contains("operator[0].password_hash"));
    assert!(only(&with(&format!("{kari}certificate = \"sha256:12\"\n"))).contains("is no fingerprint"));
    let twice = refusal(&with(&format!("{kari}[[operator]]\n{}", kari.to_lowercase())));
    assert_eq!(twice.len(), 2, "{twice:#?}");
    assert!(twice[0].contains("operator[1].name: is that of operator[0] too"), "{twice:#?}");
    assert!(twice[1].contains("operator[1].uid: is that of operator[0] too"), "{twice:#?}");
    let fingerprint =
        format!("name = \"Ola\"\nrole = \"viewer\"\ncertificate = \"sha256:{}\"\n", "Ab:".repeat(31) + "ab");
    let found = warnings(&with(&fingerprint));
    assert!(found.len() == 1 && found[0].contains("operator[0].certificate"), "{found:?}");
    assert_eq!(parse(&with(&fingerprint)).expect("good").operators[0].certificate, Some([0xab; 32]));
    let root = warnings(&with(&kari.replace("1001", "0")));
    assert!(root.len() == 1 && root[0].contains("0 is root"), "{root:?}");
}

#[test]
fn the_records_are_beside_the_store_unless_said_otherwise() {
    let with = |lines: &str| whole(&["[store]\npath = \"state\"\n", lines, ACCOUNT, CARRIER, ROUTE]);
    let config = parse(&with(LISTEN)).expect("good");
    assert_eq!(config.listen.control, Path::new("state/control.sock"));
    assert_eq!(config.audit.path, Path::new("state/audit"));
    assert_eq!(config.audit.key, Path::new("state/audit/audit.key"));
    assert_eq!(config.audit.activity, Path::new("state/activity"));
    assert_eq!(config.policy.retention.audit_log.as_secs(), 730 * 86_400);
    let text = format!(
        "{LISTEN}control = \"c\"\n[audit]\npath = \"a\"\nkey = \"k\"\n[retention]\naudit = \"1d\"\nactivity = \"2d\"\n"
    );
    let config = parse(&with(&text)).expect("good");
    assert_eq!((config.listen.control.as_path(), config.audit.key.as_path()), (Path::new("c"), Path::new("k")));
    assert_eq!(config.policy.retention.activity_log.as_secs(), 2 * 86_400);
    let long = format!("{LISTEN}control = \"/{}\"\n", "x".repeat(107));
    assert!(only(&with(&long)).contains("listen.control: is no path a socket can have"));
    assert!(only(&with(&format!("{LISTEN}[retention]\naudit = \"1h\"\n"))).contains("retention.audit"));
}

#[test]
fn networks_fail_closed() {
    assert!(only(&with_account("allow_from = []\n")).contains("is empty, so nobody could bind"));
    assert!(only(&with_account("allow_from = [\"10.0.0.1/8\"]\n")).contains("\"10.0.0.1/8\" is no network"));
    assert_eq!(refusal(&with_account("allow_from = [\"10.0.0.0/8\", \"x\", \"y\"]\n")).len(), 2);
    let config = parse(&with_account("allow_from = [\"10.0.0.0/8\"]\n")).expect("a network");
    assert!(!config.policy.accounts[0].allow_from.permits([127, 0, 0, 1].into()));
}

#[test]
fn numbers_have_bounds() {
    assert!(only(&with_account("rate = 0\n")).contains("account[0].rate: 0 is out of range"));
    assert!(only(&with_account("max_binds = 0\n")).contains("account[0].max_binds"));
    assert!(only(&with_account("window = \"500\"\n")).contains("is a text; expected a whole number"));
    assert!(only(&with_account("rate = 99999999999999999999\n")).contains("is out of range"));
    assert!(only(&with_carrier("window = 0\n")).contains("carrier[0].window"));
    assert!(only(&with_carrier("rate = 1.5\n")).contains("is a number with a fraction"));
    assert!(only(&whole(&["[limits]\nbacklog = 0\n", &with_account("")])).contains("limits.backlog"));
}

#[test]
fn durations_have_bounds_and_zero_means_never_where_it_can() {
    let with = |lines: &str| whole(&["[session]\n", lines, &with_account("")]);
    let config = parse(&with("inactivity = \"0s\"\nenquire_link = \"0s\"\n")).expect("never");
    assert_eq!(config.session.inactivity, None);
    assert!(config.session.enquire_link.is_zero() && config.carriers[0].enquire_link.is_zero());
    assert!(only(&with("response_timeout = \"0s\"\n")).contains("is out of range"));
    assert!(only(&whole(&["[retention]\nmessage = \"60\"\n", &with_account("")])).contains("retention.message"));
    let config = parse(&whole(&["[retention]\nmessage = \"2h 30m\"\n", &with_account("")])).expect("two units");
    assert_eq!(config.policy.retention.message.as_secs(), 9000);
}

#[test]
fn listeners_and_carriers_do_not_collide() {
    let listen = |lines: &str| whole(&["[listen]\n", lines, ACCOUNT, CARRIER, ROUTE]);
    assert!(only(&listen("admin = \"127.0.0.1:1\"\n")).contains("listen.smpp: there is nothing to listen on"));
    let collision = only(&listen("smpp = \"0.0.0.0:2775\"\nadmin = \"127.0.0.1:2775\"\n"));
    assert!(collision.contains("listen.admin: collides with listen.smpp"), "{collision}");
    assert!(parse(&listen("smpp = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n")).is_ok());
    assert!(only(&listen("smpp = \"0.0.0.0:2776\"\n")).contains("carrier[0].address: is listen.smpp of this process"));
    assert!(only(&listen("smpp = \"127.0.0.1:1\"\nsmpps = \"127.0.0.1:2\"\n")).contains("needs a certificate"));
}

#[test]
fn routes_name_what_exists_once() {
    assert!(only(&with_route(ROUTE)).contains("route[1].country: \"*\" is in route[0]"));
    let with = |countries: &str, carriers: &str| {
        whole(&[LISTEN, ACCOUNT, CARRIER, &format!("[[route]]\ncountry = {countries}\ncarriers = {carriers}\n")])
    };
    assert!(only(&with("[\"NO\", \"*\"]", "[\"fjord\"]")).contains("\"*\" stands beside other countries"));
    assert!(only(&with("[\"NO\", \"NO\"]", "[\"fjord\"]")).contains("is in this route already"));
    assert!(only(&with("[\"no\"]", "[\"fjord\"]")).contains("did you mean \"NO\"?"));
    assert!(only(&with("[]", "[\"fjord\"]")).contains("route[0].country: is empty"));
    assert!(only(&with("[\"NO\"]", "[\"fjord\", \"fjord\"]")).contains("is there twice"));
    assert!(refusal(&with("[\"NO\"]", "[]")).iter().any(|line| line.contains("route[0].carriers: is empty")));
    assert!(parse(&with("\"NO\"", "\"fjord\"")).is_ok(), "a list of one may be written without brackets");
    let missing = refusal(&whole(&[LISTEN, ACCOUNT, CARRIER, "[[route]]\n"]));
    assert!(missing.iter().any(|line| line.contains("route[0].country: is missing")), "{missing:?}");
    assert!(missing.iter().any(|line| line.contains("route[0].carriers: is missing")), "{missing:?}");
}

#[test]
fn split_binds_need_an_even_number_of_links() {
    let split = "bind = \"transmitter+receiver\"\n";
    assert!(only(&with_carrier(&format!("{split}links = 3\n"))).contains("expected an even number"));
    assert_eq!(parse(&with_carrier(split)).expect("a pair").policy.carriers[0].links, 2);
}

#[test]
fn what_works_but_deserves_a_look_is_a_warning() {
    let one = |text: &str, part: &str| {
        let warnings = warnings(text);
        assert!(warnings.len() == 1 && warnings[0].contains(part), "{part}: {warnings:?}");
        assert!(warnings[0].contains(" warning: "), "{warnings:?}");
    };
    let second = CARRIER.replace("fjord", "backup");
    one(&with_carrier(&second), "carrier[1].name: \"backup\" is in no route");
    one(&whole(&[LISTEN, &ACCOUNT.replace("acme", "a_name_of_sixteen"), CARRIER, ROUTE]), "at most 15");
    one(&whole(&[LISTEN, &ACCOUNT.replace("secret", "verysecret"), CARRIER, ROUTE]), "may send at most 8");
    one(
        &whole(&[LISTEN, ACCOUNT, &CARRIER.replace("transfer_basis = \"eea\"\n", ""), ROUTE]),
        "transfer_basis not said",
    );
    one(&whole(&[LISTEN, "admin = \"0.0.0.0:8080\"\n", ACCOUNT, CARRIER, ROUTE]), "asks for no password");
    one(&whole(&["[store]\ndurability = \"buffered\"\n", &with_account("")]), "store.durability");
    one(&with_carrier("ca = \"ca.pem\"\n"), "has no effect without TLS");
    one(&with_route("over_rate = \"throttle\"\n"), "has no effect without a rate");
    let norway = with_account("countries = [\"SE\"]\n").replace("[\"*\"]", "[\"NO\"]");
    one(&norway, "no route leads to \"SE\"");
    one(&whole(&[LISTEN, CARRIER, ROUTE]), "nobody can bind");
}

#[test]
fn carriers_are_checked() {
    assert!(
        only(&whole(&[LISTEN, ACCOUNT, &CARRIER.replace("eea", "gdpr"), ROUTE])).contains("carrier[0].transfer_basis")
    );
    assert!(
        only(&whole(&[LISTEN, ACCOUNT, &CARRIER.replace("\"NO\"", "\"Norge\""), ROUTE])).contains("carrier[0].country")
    );
    assert!(only(&with_carrier("on_unknown = \"retry\"\n")).contains("expected \"fail\" or \"resend\""));
    assert!(only(&with_carrier("system_type = \"thirteen_long\"\n")).contains("carrier[0].system_type: is too long"));
    assert!(refusal(&with_carrier(CARRIER))[0].contains("\"fjord\" is the name of carrier[0] too"));
    let lines = refusal(&whole(&[LISTEN, ACCOUNT, "[[carrier]]\n", ROUTE]));
    for key in ["name", "address", "system_id", "password"] {
        assert!(lines.iter().any(|line| line.contains(&format!("carrier[0].{key}: is missing"))), "{key}: {lines:?}");
    }
}

#[test]
fn no_secret_is_ever_shown() {
    const CANARY: &str = "c4n4ry-5ecret";
    let good = whole(&[
        LISTEN,
        &ACCOUNT.replace("secret", CANARY),
        &CARRIER.replace("\"pw\"", &format!("\"{CANARY}\"")),
        ROUTE,
    ]);
    let config = parse(&good).expect("long passwords are only warned of");
    assert!(!format!("{config:?} {:#?}", config.carriers).contains(CANARY));
    assert_eq!(config.carriers[0].password.reveal(), CANARY);
    let bad = [
        good.replace("[[route]]", "[[rout]]"),
        good.replace("password", "passwords"),
        good.replace("password", "password_hash"),
        good.replace(CANARY, &format!("{CANARY}\\u0000")),
        good.replace(&format!("\"{CANARY}\""), &format!("[\"{CANARY}\"]")),
        good.replace(&format!("\"{CANARY}\""), CANARY),
        good.replace(&format!("\"{CANARY}\""), &format!("\"{CANARY}")),
    ];
    for text in bad {
        let mistakes = parse(&text).expect_err("a mistake");
        assert!(!format!("{mistakes} {mistakes:?}").contains(CANARY), "{mistakes}");
    }
}

struct Pems {
    folder: tempfile::TempDir,
}

impl Pems {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["server", "other"] {
            let own = rcgen::generate_simple_self_signed(vec!["smsc.example".to_owned()]).expect("a certificate");
            fs::write(folder.path().join(format!("{name}.pem")), own.cert.pem()).expect("written");
            fs::write(folder.path().join(format!("{name}.key")), own.signing_key.serialize_pem()).expect("written");
        }
        Self { folder }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join(FILE)
    }

    fn tls(&self, certificate: &str, key: &str) -> Result<Config, Mistakes> {
        let tls = format!("smpps = \"127.0.0.1:0\"\n[tls]\ncertificate = \"{certificate}\"\nkey = \"{key}\"\n");
        Config::parse(&self.file(), &whole(&[LISTEN, &tls, ACCOUNT, CARRIER, ROUTE]))
    }
}

#[test]
fn certificates_are_read_and_belong_to_their_keys() {
    let pems = Pems::new();
    let config = pems.tls("server.pem", "server.key").unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let tls = config.tls.expect("TLS");
    assert_eq!(tls.certificate, pems.folder.path().join("server.pem"), "relative to the folder of the file");
    let refused = |certificate, key| pems.tls(certificate, key).expect_err("a mistake").to_string();
    assert!(refused("server.pem", "other.key").contains("tls.key: cannot be used with the certificate"));
    assert!(refused("missing.pem", "server.key").contains("tls.certificate: "));
    assert!(refused("server.key", "server.key").contains("holds no certificate"));
    assert!(refused("server.pem", "server.pem").contains("holds no private key"));
}

#[test]
fn carriers_verify_certificates() {
    let pems = Pems::new();
    let parse = |lines: &str| Config::parse(&pems.file(), &with_carrier(lines));
    let config = parse("tls = true\nca = \"server.pem\"\n").unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let tls = config.carriers[0].tls.as_ref().expect("TLS");
    assert_eq!((tls.server_name.as_str(), &tls.ca), ("127.0.0.1", &pems.folder.path().join("server.pem")));
    let config = parse("tls = true\nca = \"server.pem\"\nserver_name = \"smsc.example\"\n").expect("a name");
    assert_eq!(config.carriers[0].tls.as_ref().map(|tls| tls.server_name.as_str()), Some("smsc.example"));
    assert!(
        parse("tls = true\nca = \"server.key\"\n").expect_err("no certificate").to_string().contains("carrier[0].ca")
    );
    assert!(parse("tls = true\nca = \"server.pem\"\nserver_name = \"a b\"\n").is_err());
}

#[test]
fn inbound_rules_name_what_exists() {
    let with = |lines: &str| whole(&[LISTEN, ACCOUNT, CARRIER, ROUTE, "[[inbound]]\n", lines]);
    let config =
        parse(&with("to = \"+47 59 44 00 00\"\nkeywords = \"INFO\"\ncarriers = \"fjord\"\naccount = \"acme\"\n"));
    let config = config.unwrap_or_else(|mistakes| panic!("{mistakes}"));
    assert_eq!((config.policy.inbound.rules().len(), config.warnings.len()), (1, 0));
    let acme = "account = \"acme\"\n";
    for (lines, part) in [
        (
            format!("to = [\"2440\", \"24x\"]\n{acme}"),
            "gate.toml:18:15 inbound[0].to: \"24x\" is no number; expected a number",
        ),
        (format!("to = []\n{acme}"), "inbound[0].to: is empty; expected at least one number, or \"*\" for all"),
        (acme.to_owned(), "inbound[0].to: is missing; expected a list of numbers"),
        ("to = \"*\"\n".to_owned(), "inbound[0].account: is missing; expected the system_id"),
        (
            "to = \"*\"\naccount = \"acne\"\n".to_owned(),
            "\"acne\" is no account, did you mean \"acme\"?; expected one of the accounts: acme",
        ),
        (format!("to = \"*\"\ncarriers = [\"fjrod\"]\n{acme}"), "\"fjrod\" is no carrier, did you mean \"fjord\"?"),
        (
            format!("to = \"*\"\ncarriers = []\n{acme}"),
            "inbound[0].carriers: is empty; expected at least one carrier; without the key, all",
        ),
        (
            format!("to = \"*\"\nkeywords = []\n{acme}"),
            "inbound[0].keywords: is empty; expected at least one word; without the key, any",
        ),
        (
            format!("to = \"*\"\nkeywords = [\"two words\"]\n{acme}"),
            "inbound[0].keywords: \"two words\" cannot be the first word",
        ),
        (
            format!("to = \"*\"\nkeyword = \"info\"\n{acme}"),
            "inbound[0].keyword: unknown key, did you mean \"keywords\"?",
        ),
    ] {
        let line = only(&with(&lines));
        assert!(line.contains(part), "{part}\n{line}");
    }
    assert!(
        only(&whole(&["[retention]\nreceipt_queue = \"0s\"\n", &with_account("")])).contains("retention.receipt_queue")
    );
    let config = parse(&whole(&["[retention]\ninbound = \"1d\"\nreceipt_queue = \"2h\"\n", &with_account("")]));
    let retention = config.expect("durations").policy.retention.clone();
    assert_eq!((retention.inbound.as_secs(), retention.receipt_queue.as_secs()), (86_400, 7200));
}

#[test]
fn inbound_rules_do_not_get_in_each_others_way() {
    let other = "[[account]]\nsystem_id = \"other\"\npassword = \"secret\"\n";
    let with = |rules: &str| whole(&[LISTEN, ACCOUNT, other, CARRIER, ROUTE, rules]);
    let rule = |lines: &str| format!("[[inbound]]\n{lines}\n");
    let acme = rule("to = [\"2440\", \"4790*\"]\naccount = \"acme\"");
    let line = only(&with(&(acme.clone() + &rule("to = \"+24 40\"\naccount = \"other\""))));
    assert!(
        line.ends_with(
            "inbound[1].to: \"+24 40\" is in inbound[0]; expected each number, keyword and carrier in one rule"
        ),
        "{line}"
    );
    let line = only(&with(&rule("to = [\"2440\", \"2440\"]\nkeywords = \"info\"\naccount = \"acme\"")));
    assert!(line.contains("\"2440\" with \"info\" is in this rule already"), "{line}");
    // A keyword, a carrier, a whole number and a longer beginning each make another rule.
    let beside = [
        "to = \"2440\"\nkeywords = \"info\"\naccount = \"other\"",
        "to = \"2440*\"\naccount = \"other\"",
        "to = \"479*\"\naccount = \"other\"",
    ];
    assert_eq!(warnings(&with(&(acme.clone() + &beside.map(rule).concat()))), Vec::<String>::new());
    let lines = warnings(&with(&(acme.clone() + &rule("to = \"2440\"\ncarriers = \"fjord\"\naccount = \"other\""))));
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(
        lines[0].contains("warning: inbound[0].to: never leads \"2440\" anywhere: a rule for each carrier comes first"),
        "{lines:?}"
    );
    let two = [
        "to = \"2440\"\nkeywords = \"info\"\naccount = \"acme\"",
        "to = \"2440\"\ncarriers = \"fjord\"\naccount = \"other\"",
    ];
    let lines = warnings(&with(&two.map(rule).concat()));
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(
        lines[0].contains("inbound[0].to: \"2440\" with \"info\" is for inbound[1] too; the keyword wins"),
        "{lines:?}"
    );
}
