//! What a configuration may say of carriers that share or fail, of routes that ask for more than a country, of what may be
//! sent, and of the API; and every mistake in it.

use std::path::Path;

use smppgate::config::{Config, Mistakes};
use smppgate::policy::GuardAction;

const LISTEN: &str = "[listen]\nsmpp = \"127.0.0.1:2775\"\n";
const ACCOUNT: &str = "[[account]]\nsystem_id = \"acme\"\npassword = \"secret\"\n";
const CARRIER: &str = "[[carrier]]\nname = \"fjord\"\naddress = \"127.0.0.1:2776\"\nsystem_id = \"us\"\npassword = \"pw\"\n\
    legal_entity = \"Fjord AS\"\ncountry = \"NO\"\ntransfer_basis = \"eea\"\n";
const ROUTE: &str = "[[route]]\ncountry = [\"*\"]\ncarriers = [\"fjord\"]\n";

fn parse(text: &str) -> Result<Config, Mistakes> {
    Config::parse(Path::new("gate.toml"), text)
}

fn whole(parts: &[&str]) -> String {
    parts.concat()
}

/// What is refused, one line a mistake; warnings included.
fn refusal(text: &str) -> Vec<String> {
    parse(text).expect_err("a configuration with a mistake").0.iter().map(ToString::to_string).collect()
}

fn only(text: &str) -> String {
    let lines = refusal(text);
    assert_eq!(lines.len(), 1, "{lines:#?}");
    lines.concat()
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
fn carriers_of_a_route_may_share() {
    let with = |carriers: &str| {
        let route = format!("[[route]]\ncountry = \"*\"\ncarriers = {carriers}\n");
        whole(&[
            LISTEN,
            ACCOUNT,
            CARRIER,
            &CARRIER.replace("fjord", "sund"),
            &CARRIER.replace("fjord", "backup"),
            &route,
        ])
    };
    let config = parse(&with("[{ sund = 1, fjord = 3 }, \"backup\"]")).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let tiers = config.policy.routes.list()[0].carriers.list();
    let tiers: Vec<Vec<_>> =
        tiers.iter().map(|tier| tier.iter().map(|own| (own.carrier, own.weight)).collect()).collect();
    assert_eq!(tiers, [vec![(1, 1), (0, 3)], vec![(2, 1)]], "in the order in which they are written");
    assert_eq!(config.warnings, []);
    for (carriers, part) in [
        (
            "[{ fjord = 3, sund = 0 }, \"backup\"]",
            "route[0].carriers: 0 is out of range; expected a whole number from 1 to 1000",
        ),
        ("[{ fjord = 3, sund = 1 }, \"sund\", \"backup\"]", "\"sund\" is there twice"),
        ("[{ fjord = 3, sand = 1 }, \"sund\", \"backup\"]", "\"sand\" is no carrier, did you mean \"sund\"?"),
        (
            "[\"fjord\", [\"sund\"], \"backup\"]",
            "route[0].carriers: is a list; expected texts in quotes, and tables such as",
        ),
        ("[{}, \"fjord\", \"sund\", \"backup\"]", "route[0].carriers: is empty"),
    ] {
        let lines = refusal(&with(carriers));
        assert!(lines.iter().any(|line| line.contains(part)), "{part}\n{lines:#?}");
    }
}

#[test]
fn a_route_may_ask_for_accounts_senders_and_prefixes() {
    let other = ACCOUNT.replace("acme", "other");
    let with = |lines: &str| whole(&[LISTEN, ACCOUNT, &other, CARRIER, ROUTE, lines]);
    let rule = |lines: &str| format!("[[route]]\n{lines}\ncarriers = \"fjord\"\n");
    let good = with(
        &(rule(
            "accounts = \"acme\"\nsenders = [\"ACME*\", \"2440\"]\nprefixes = [\"+47 90\", \"4791*\"]\ncountry = \"NO\"",
        ) + &rule("prefixes = \"4790\"")
            + &rule("accounts = [\"acme\", \"other\"]")),
    );
    let config = parse(&good).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    assert_eq!(config.policy.routes.list()[1].when.prefixes.len(), 2);
    assert!(config.policy.routes.has_rules() && config.policy.routes.reads_sender());
    // Everybody has a route of their own for everything, so the two for all are never reached.
    let lines: Vec<_> = config.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(lines[0].contains("warning: route[0]: never gets a message"), "{lines:#?}");
    assert!(lines[1].contains("warning: route[2]: never gets a message"), "{lines:#?}");
    for (lines, part) in [
        (rule("accounts = \"acne\""), "route[1].accounts: \"acne\" is no account, did you mean \"acme\"?"),
        (rule("accounts = []"), "route[1].accounts: is empty; expected at least one; without the key, all"),
        (rule("senders = \"*\""), "route[1].senders: \"*\" can be no sender"),
        (rule("senders = [\"ACME\", \"acme\"]"), "route[1].senders: \"acme\" is there twice; case does not count"),
        (rule("prefixes = \"0479\""), "route[1].prefixes: \"0479\" begins no international number"),
        (
            rule("prefixes = \"46\"\ncountry = \"NO\""),
            "route[1].prefixes: \"46\" begins no number of the route's countries",
        ),
        (rule("prefixes = \"210\""), "route[1].prefixes: \"210\" begins no number of the route's countries"),
        (
            rule("prefixes = \"4790\"") + &rule("prefixes = [\"4791\", \"+4790\"]"),
            "route[2].prefixes: \"+4790\" is in route[1]; expected each prefix in one route",
        ),
        (
            rule("accounts = \"acme\"\nsenders = \"A*\"\ncountry = \"NO\"")
                + &rule("accounts = [\"other\", \"acme\"]\nsenders = \"a*\"\ncountry = [\"SE\", \"NO\"]"),
            "route[2].country: \"NO\" for acme from a* is in route[1]; expected each country in one route",
        ),
        (
            rule("accounts = \"acme\"") + &rule("accounts = \"acme\"\ncountry = \"*\""),
            "route[2].country: \"*\" for acme is in route[1]",
        ),
    ] {
        let line = only(&with(&lines));
        assert!(line.contains(part), "{part}\n{line}");
    }
    // An account that may not send where its route leads.
    let confined = ACCOUNT.to_owned() + "countries = [\"NO\"]\n";
    let lines = warnings(&whole(&[LISTEN, &confined, CARRIER, ROUTE, &rule("accounts = \"acme\"\ncountry = \"SE\"")]));
    assert!(lines.len() == 1 && lines[0].contains("route[1]: never gets a message"), "{lines:?}");
    let only_by_prefix = whole(&[LISTEN, &confined, CARRIER, &rule("prefixes = \"4790\"")]);
    assert_eq!(warnings(&only_by_prefix), Vec::<String>::new());
}

#[test]
fn screens_say_what_they_ask_for() {
    let with = |lines: &str| with_route(&format!("[[screen]]\n{lines}\n"));
    let config =
        parse(&with("accounts = \"acme\"\ncountry = \"NO\"\nsenders = \"ACME*\"\nblock_words = [\"x\", \"y*\"]"));
    let config = config.unwrap_or_else(|mistakes| panic!("{mistakes}"));
    assert_eq!((config.policy.screens.rules().count(), config.warnings.len()), (1, 0));
    for (lines, part) in [
        ("", "screen[0]: asks for nothing; expected senders, sender_kinds,"),
        ("accounts = \"acne\"\nsenders = \"A\"", "screen[0].accounts: \"acne\" is no account, did you mean \"acme\"?"),
        ("country = \"UK\"\nsenders = \"A\"", "screen[0].country: \"UK\" is no country"),
        ("senders = []", "screen[0].senders: has 0 entries; expected 1 to 100000; or no such key"),
        ("senders = [\"Bærum\"]", "screen[0].senders: \"Bærum\" can be no sender"),
        ("sender_kinds = \"alpha\"", "screen[0].sender_kinds: \"alpha\" is unknown"),
        ("block_prefixes = \"0\"", "screen[0].block_prefixes: \"0\" begins no international number"),
        ("block_words = \"two words\"", "screen[0].block_words: \"two words\" can be no word of a text"),
        ("block_sender = \"A\"\nsenders = \"A\"", "unknown key, did you mean \"block_senders\"?"),
    ] {
        let line = only(&with(lines));
        assert!(line.contains(part), "{part}\n{line}");
    }
}

#[test]
fn a_breaker_has_bounds() {
    let config = parse(&with_carrier("breaker_failures = 0\nbreaker_pause = \"1m\"\nbreaker_probes = 3\n"));
    let rules = config.expect("good").policy.carriers[0].breaker;
    assert_eq!((rules.failures, rules.percent, rules.pause.as_secs(), rules.probes), (0, 50, 60, 3));
    assert!(only(&with_carrier("breaker_pause = \"20m\"\n")).contains("carrier[0].breaker_pause_max: is shorter than"));
    assert!(only(&with_carrier("breaker_probes = 0\n")).contains("carrier[0].breaker_probes: 0 is out of range"));
    assert!(only(&with_carrier("breaker_percent = 101\n")).contains("carrier[0].breaker_percent"));
}

#[test]
fn a_guard_is_for_named_accounts_or_for_the_others() {
    let other = ACCOUNT.replace("acme", "other");
    let with = |lines: &str| whole(&[LISTEN, ACCOUNT, &other, CARRIER, ROUTE, lines]);
    let general = "[[guard]]\nprefix_limit = 100\n";
    let named = "[[guard]]\naccounts = \"other\"\nsequence = 20\nwindow = \"1h\"\naction = \"refuse\"\n";
    let config = parse(&with(&(general.to_owned() + named))).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let guards = config.policy.accounts.iter().map(|account| account.guard.expect("each has one"));
    let guards: Vec<_> = guards.map(|own| (own.prefix_limit, own.sequence, own.window.as_secs(), own.action)).collect();
    assert_eq!(guards, [(Some(100), None, 600, GuardAction::Warn), (None, Some(20), 3600, GuardAction::Refuse)]);
    assert!(parse(&with(named)).expect("good").policy.accounts[0].guard.is_none());
    for (lines, part) in [
        ("[[guard]]\n".to_owned(), "guard[0]: looks at nothing; expected prefix_limit or sequence, or both"),
        (general.to_owned() + general, "guard[1]: is for every account, as guard[0] is"),
        (named.to_owned() + named, "guard[1].accounts: \"other\" is in guard[0]; expected each account in one guard"),
        (
            named.replace("20", "2\nprefix_limit = 9"),
            "guard[0].sequence: 2 is out of range; expected a whole number from 3 to 64",
        ),
        (named.replace("refuse", "block"), "guard[0].action: \"block\" is unknown"),
        (named.replace("\"other\"", "[]"), "guard[0].accounts: is empty"),
    ] {
        let line = only(&with(&lines));
        assert!(line.contains(part), "{part}\n{line}");
    }
    let lines = warnings(&with(&(named.to_owned() + "prefix_digits = 5\n")));
    assert!(
        lines.len() == 1 && lines[0].contains("guard[0].prefix_digits: has no effect without a limit"),
        "{lines:?}"
    );
}

#[test]
fn the_api_is_never_open_and_never_in_clear_to_other_machines() {
    let folder = tempfile::tempdir().expect("a folder");
    let own = rcgen::generate_simple_self_signed(vec!["gateway.example".to_owned()]).expect("a certificate");
    std::fs::write(folder.path().join("server.pem"), own.cert.pem()).expect("written");
    std::fs::write(folder.path().join("server.key"), own.signing_key.serialize_pem()).expect("written");
    let tls = "[tls]\ncertificate = \"server.pem\"\nkey = \"server.key\"\n";
    let hash = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$fIbdC2xakJ6cNlONBQKde0ZQtJof49m9l+7mj3O30mA";
    let kari = |way: &str| format!("[[operator]]\nname = \"Kari Nordmann\"\nrole = \"viewer\"\n{way}\n");
    let password = kari(&format!("password_hash = \"{hash}\""));
    let certificate = kari(&format!("certificate = \"sha256:{}\"", "ab".repeat(32)));
    let parse = |address: &str, more: &[&str]| {
        let api = format!("api = \"{address}\"\n");
        let parts = [&[LISTEN, &api][..], more, &[ACCOUNT, CARRIER, ROUTE]].concat();
        Config::parse(&folder.path().join("gate.toml"), &whole(&parts))
    };
    let good = |address: &str, more: &[&str]| {
        let config = parse(address, more).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        assert_eq!(config.warnings, [], "{address} {more:?}");
        assert_eq!(config.listen.api, address.parse().ok());
    };
    good("0.0.0.0:8443", &[tls, &password]);
    good("0.0.0.0:8443", &[tls, &certificate]);
    for loopback in ["127.0.0.1:8081", "[::1]:8081"] {
        good(loopback, &[&password]);
    }
    for (address, more, why) in [
        ("0.0.0.0:8443", &[&password[..]][..], "listen.api: would carry passwords in clear; expected a table [tls]"),
        ("10.0.0.5:8443", &[&password], "listen.api: would carry passwords in clear"),
        ("0.0.0.0:8443", &[tls], "listen.api: nobody can log in there; expected an [[operator]] with password_hash or"),
        ("127.0.0.1:8081", &[&kari("uid = 1001")], "listen.api: nobody can log in there"),
        (
            "127.0.0.1:8081",
            &[&certificate],
            "listen.api: nobody can log in there; expected an [[operator]] with password_hash",
        ),
        ("127.0.0.1:2775", &[&password], "listen.api: collides with listen.smpp"),
        ("gateway:8443", &[&password], "\"gateway:8443\" is no address to listen on"),
    ] {
        let refused = parse(address, more).expect_err("a mistake").to_string();
        assert!(refused.contains(why), "{refused}");
    }
}

fn with_account(lines: &str) -> String {
    let inbound = "[[inbound]]\nto = \"2440\"\naccount = \"acme\"\n";
    whole(&[LISTEN, ACCOUNT, lines, CARRIER, ROUTE, inbound])
}

#[test]
fn words_to_opt_out_are_those_of_the_account_or_the_usual_ones() {
    let words = |lines: &str| parse(&with_account(lines)).unwrap().policy.accounts[0].opt_out.clone();
    assert_eq!(words(""), None);
    assert_eq!(words("opt_out = false\n"), None);
    assert_eq!(words("opt_out = true\n"), Some(Box::default()));
    let own = "opt_out = true\nopt_out_words = [\"Opphør\"]\nopt_in_words = []\n";
    assert!(words(own).is_some_and(|words| words != Box::default()));
}

#[test]
fn mistakes_of_opt_out_lists_are_named() {
    for (lines, why) in [
        ("opt_out_words = [\"STOP\"]\n", "account[0].opt_out_words: names words, and no list is kept"),
        ("opt_out = false\nopt_in_words = [\"START\"]\n", "account[0].opt_in_words: names words, and no list is kept"),
        ("opt_out = true\nopt_out_words = []\n", "account[0].opt_out_words: is empty, so no handset could opt out"),
        ("opt_out = true\nopt_out_words = [\"stop it\"]\n", "account[0].opt_out_words: \"stop it\" is no word"),
        ("opt_out = true\nopt_in_words = [\"stop\"]\n", "account[0].opt_in_words: \"stop\" would opt out and in"),
        ("opt_out = \"yes\"\n", "account[0].opt_out"),
    ] {
        let line = only(&with_account(lines));
        assert!(line.contains(why), "{line}");
    }
    let config = parse(&whole(&[LISTEN, ACCOUNT, "opt_out = true\n", CARRIER, ROUTE])).expect("only a warning");
    let warning = config.warnings.iter().map(ToString::to_string).find(|line| line.contains("account[0].opt_out"));
    assert!(warning.is_some_and(|line| line.contains("no [[inbound]] leads a message")), "{:?}", config.warnings);
}
