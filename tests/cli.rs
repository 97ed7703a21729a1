//! The binary as people and machines use it: output, exit codes, signals, and what never shows.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use smppgate::clock::{Clock, Mono};

const CANARY: &str = "c4n4ry99";
const NUMBER: &str = "4791234567";

fn smppgate(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_smppgate"));
    command.args(arguments).env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> (i32, String, String) {
    told(&smppgate(arguments).output().expect("the binary runs"))
}

fn told(output: &Output) -> (i32, String, String) {
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    (output.status.code().expect("an exit code"), text(&output.stdout), text(&output.stderr))
}

fn reference() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("conf/smppgate.toml").display().to_string()
}

#[test]
fn check_shows_which_carrier_may_get_whose_data() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("gate.toml");
    let text = fs::read_to_string(reference()).expect("the reference");
    let text = text.replace("# objects_to", "objects_to").replace("# effective_from", "effective_from");
    fs::write(&file, &text).expect("written");
    let file = file.display().to_string();
    let (code, out, error) = run(&["check", "--config", &file]);
    assert_eq!(code, 0, "{error}");
    assert!(
        out.contains("transfers       fjord  backup\n          acme  eea    refused: the account objects to it\n"),
        "{out}"
    );
    assert!(out.contains("(eea), from 2026-12-31\n"), "{out}");
    let (code, out, error) = run(&["explain", "--config", &file, "--account", "acme", "--to", NUMBER]);
    assert_eq!(code, 0, "{error}");
    assert!(out.contains("backup may not get it: the account objects to it"), "{out}");

    fs::write(&file, text.replace("[\"backup\"]           #", "[\"backup\", \"fjord\"] #")).expect("written");
    let (code, _, error) = run(&["explain", "--config", &file, "--account", "acme", "--to", NUMBER]);
    assert_eq!(code, 1);
    assert!(error.contains("(0x400)"), "{error}");

    let bad = [
        ("\"eea\", \"adequacy\"", "\"eu\""),
        ("2026-12-31", "\"soon\""),
        ("[\"backup\"]           #", "[\"bakup\"] #"),
    ];
    let text =
        bad.iter().fold(text.replace("# transfer_bases", "transfer_bases"), |text, (is, was)| text.replace(is, was));
    fs::write(&file, text).expect("written");
    let (code, _, error) = run(&["check", "--config", &file]);
    assert_eq!(code, 1);
    assert!(error.contains("account[0].transfer_bases: \"eu\" is unknown"), "{error}");
    assert!(error.contains("account[0].objects_to: \"bakup\" is no carrier, did you mean \"backup\"?"), "{error}");
    assert!(error.contains("carrier[0].effective_from: \"soon\" is no date; expected a date"), "{error}");
}

#[test]
fn the_record_of_processing_names_everybody_for_people_and_programs() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("gate.toml");
    let text = fs::read_to_string(reference()).expect("the reference");
    let keys = ["objects_to", "processor", "contact", "dpo", "controller"];
    let text =
        text.replace("#body = \"until_final\"", "retention = { max_age = \"90d\", body = \"7d\" }\nbody = \"retain\"");
    let text = keys.iter().fold(text, |text, key| text.replace(&format!("# {key}"), key));
    fs::write(&file, text).expect("written");
    let file = file.display().to_string();
    let (code, out, error) = run(&["report", "processing", "--config", &file]);
    assert_eq!(code, 0, "{error}");
    for part in [
        "* Processor: Gateway AS, Oslo\n",
        "* Data protection officer: Kari Nordmann, dpo@gateway.example\n",
        "| acme | Acme AS, Bergen | privacy@acme.example | fjord | backup (the account objects to it) |\n",
        "| fjord | Fjord AS | NO | eea | in use |\n",
        "| message | 60 days |\n| body | not at all |\n| body, acme | 7 days |\n| inbound | 60 days |\n",
        "| any record, from its acceptance | 365 days |\n| any record, from its acceptance, acme | 90 days |\n",
        "| audit_log | 730 days |\n",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    let (code, out, error) = run(&["report", "processing", "--format", "json", "--config", &file]);
    assert_eq!(code, 0, "{error}");
    let record: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(record["controllers"][0]["may_not_go_to"][0]["carrier"], "backup");
    assert_eq!(record["sub_processors"][0]["transfer_basis"], "eea");
}

#[test]
fn check_says_good_or_lists_the_mistakes() {
    let (code, out, _) = run(&["check", "--config", &reference()]);
    assert_eq!(code, 0);
    assert!(out.contains("smppgate.toml: good\n"), "{out}");
    assert!(out.contains("route     NO SE DK: fjord then backup, 3000/s\n"), "{out}");

    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("gate.toml");
    let text = fs::read_to_string(reference()).expect("the reference");
    fs::write(
        &file,
        text.replace("max_binds", "maxbinds")
            .replace("#maxbinds", "maxbinds")
            .replace("\"NO\", \"SE\", \"DK\"", "\"NO\", \"XX\""),
    )
    .expect("written");
    let (code, out, error) = run(&["check", "--config", &file.display().to_string()]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(error.contains("account[0].maxbinds: unknown key, did you mean \"max_binds\"?"), "{error}");
    assert!(error.contains("route[0].country: \"XX\" is no country"), "{error}");
    assert!(error.ends_with("2 mistakes; nothing was started\n"), "{error}");

    let (code, _, error) = run(&["serve", "--config", &file.display().to_string()]);
    assert_eq!(code, 1, "{error}");
    let (code, _, error) = run(&["check", "--config", "/nonexistent.toml"]);
    assert_eq!(code, 1);
    assert!(error.contains("cannot be read"), "{error}");
}

#[test]
fn explain_names_each_decision_or_the_reason() {
    let explain =
        |account: &str, to: &str| run(&["explain", "--account", account, "--to", to, "--config", &reference()]);
    let (code, out, _) = explain("acme", "+47 912 34 567");
    assert_eq!(code, 0);
    for line in [
        "account        acme: may send to NO SE, 5000/s\n",
        "country        NO, by the prefix 47\n",
        "route          route[0]: NO SE DK\n",
        "rate           3000/s to NO; above it, messages are accepted and sent later\n",
        "carriers       1. fjord at 127.0.0.1:2776, 10000/s\n",
        "               2. backup at 127.0.0.1:2777, no rate limit\n",
    ] {
        assert!(out.contains(line), "{line}{out}");
    }
    let refused = |account, to, part: &str| {
        let (code, _, error) = explain(account, to);
        assert_eq!(code, 1, "{to}");
        assert!(error.contains(part), "{error}");
    };
    refused("acme", "4915112345678", "ESME_RINVDSTADR (0x0b): the number is in DE, where the account may not send to");
    refused("acme", "hello", "no international number");
    refused("acme", "123456789012345678901", "expected at most 20");
    refused("acmee", "4791234567", "no account \"acmee\"");
}

#[test]
fn explain_shows_what_carriers_get_otherwise() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("gate.toml");
    let text = fs::read_to_string(reference()).expect("the reference");
    let text =
        text.replace("#numbers = \"as_sent\" ", "numbers = \"+\" ").replace("#payload = true", "payload = false");
    let keys = ["senders", "source_types", "errors", "country_code"];
    // Of each key the first one, which is a carrier's or an account's.
    let text = keys.iter().fold(text, |text, key| text.replacen(&format!("# {key} ="), &format!("{key} ="), 1));
    fs::write(&file, text).expect("a file");
    let file = file.display().to_string();
    let (code, out, error) =
        run(&["explain", "--account", "acme", "--ton", "2", "--to", "91234567", "--config", &file]);
    assert_eq!(code, 0, "{error}");
    for line in [
        "country        NO, by the prefix 47\n",
        "gets it to +4791234567 (1/1)\n",
        "gets it from +4759440000 (1/1) in place of Acme (5/0)\n",
        "gets it from 2440 (3/0) in place of any other source\n",
        "gets a name as source of type 5/0\n",
        "takes no message_payload, so longer texts are cut\n",
        "its answer ESME_RSUBMITFAIL (0x045) is tried again\n",
        "sends the message to the next carrier\n",
    ] {
        assert!(out.contains(line), "{line}{out}");
    }
}

#[test]
fn explain_says_which_route_wins_and_why() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("gate.toml");
    let rules = "[[route]]\naccounts = \"acme\"\nsenders = \"ACME*\"\ncarriers = [{ fjord = 3, backup = 1 }]\n\
                 [[route]]\nprefixes = \"4790\"\ncarriers = \"backup\"\n";
    let text = fs::read_to_string(reference()).expect("the reference");
    fs::write(&file, text + rules).expect("written");
    let file = file.display().to_string();
    let explain = |to: &str, from: &[&str]| {
        let all = [&["explain", "--account", "acme", "--to", to, "--config", &file], from].concat();
        let (code, out, error) = run(&all);
        assert_eq!(code, 0, "{error}");
        out
    };
    let out = explain("4790234567", &["--from", "AcmeBank"]);
    for line in [
        "route          route[1]: any country, for acme, from acme*\n",
        "               names the account, the sender acme*; no more specific one fits\n",
        "carriers       1. fjord at 127.0.0.1:2776, 10000/s, 75 % while its equals are there\n",
        "               1. backup at 127.0.0.1:2777, no rate limit, 25 % while its equals are there\n",
    ] {
        assert!(out.contains(line), "{line}{out}");
    }
    assert!(!out.contains("note"), "{out}");
    let out = explain("4790234567", &[]);
    assert!(out.contains("route[2]: any country, to one prefix\n"), "{out}");
    assert!(out.contains("names the prefix 4790; no more specific one fits\n"), "{out}");
    assert!(out.contains("note           the sender was not looked at; --from SENDER says it\n"), "{out}");
    let out = explain("4670234567", &["--from", "Else"]);
    assert!(out.contains("route[0]: NO SE DK\n               names the country; no more"), "{out}");
    let (code, out, _) = run(&["check", "--config", &file]);
    assert_eq!(code, 0);
    assert!(
        out.contains("route     any country, for acme, from acme*: fjord 3 and backup 1, no rate limit\n"),
        "{out}"
    );
}

#[test]
fn explain_says_what_screens_say() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("gate.toml");
    let screens = "[[screen]]\naccounts = \"acme\"\ncountry = \"NO\"\nsenders = [\"ACME*\", \"2440\"]\n\
                   sender_kinds = \"number\"\n[[screen]]\nblock_prefixes = \"4782\"\nblock_words = [\"casino\", \"win*\"]\n";
    let guard = "[[guard]]\nprefix_limit = 100\nsequence = 20\naction = \"refuse\"\n";
    fs::write(&file, fs::read_to_string(reference()).expect("the reference") + screens + guard).expect("written");
    let file = file.display().to_string();
    let explain = |to: &str, from: &str, text: &str| {
        run(&["explain", "--account", "acme", "--to", to, "--from", from, "--text", text, "--config", &file])
    };
    let (code, out, error) = explain("4790000001", "Acme", "hello");
    assert_eq!(code, 0, "{error}");
    assert!(out.ends_with("screens        passes screen[0], screen[1]\n"), "{out}");
    let guard = "guard          refuses, with 0x402, more than 100 messages in 10m to numbers with the same first 7 digits, and 20 \
                 numbers in 10m that follow each other\n";
    assert!(out.contains(guard), "{out}");
    let (code, out, _) = explain("4670000001", "Other", "");
    assert_eq!(code, 0);
    assert!(out.contains("passes screen[1]\nnote           the text was not looked at"), "{out}");
    for (to, from, text, part) in [
        (
            "4790000001",
            "Other",
            "",
            "ESME_RINVSRCADR (0x0a): the number is in NO, and screen[0] refuses the sender, which is not",
        ),
        ("4782000001", "Acme", "", "ESME_RINVDSTADR (0x0b): the number is in NO, and screen[1] refuses the number"),
        ("4790000001", "Acme", "big WINS!", "(0x401): the number is in NO, and screen[1] refuses a word of the text"),
    ] {
        let (code, _, error) = explain(to, from, text);
        assert_eq!(code, 1);
        assert!(error.contains(part), "{error}");
    }
    let (code, out, _) = run(&["check", "--config", &file]);
    assert_eq!(code, 0);
    assert!(out.contains("screen    [0] acme, NO: 2 senders, any number\n"), "{out}");
    assert!(
        out.contains("screen    [1] all accounts, all countries: any sender; without one prefix, 2 words\n"),
        "{out}"
    );
}

#[test]
fn explain_says_whose_a_message_from_a_handset_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("gate.toml");
    let rule = "[[inbound]]\nto = \"1987\"\nkeywords = [\"INFO\"]\ncarriers = \"fjord\"\naccount = \"acme\"\n";
    fs::write(&file, fs::read_to_string(reference()).expect("the reference") + rule).expect("written");
    let file = file.display().to_string();
    let explain = |carrier: &str, to: &str, text: &str| {
        run(&["explain", "--from-carrier", carrier, "--to", to, "--text", text, "--config", &file])
    };
    for (to, text, line) in [
        ("+47 59 44 00 00", "hi", "rule           inbound[0]: by the number 4759440000\n"),
        ("4790123456", "", "rule           inbound[0]: by the beginning 4790\n"),
        (
            "1987",
            "Info!",
            "rule           inbound[1]: by the number 1987 and the keyword \"info\", from this carrier\n",
        ),
    ] {
        let (code, out, error) = explain("fjord", to, text);
        assert_eq!((code, error.as_str()), (0, ""));
        assert!(out.contains(line) && out.contains("account        acme: gets it on its receiving binds"), "{out}");
    }
    for (carrier, to, text, part) in [
        ("fjord", "1987", "hi", "refused        with ESME_RX_R_APPN (0x66): no rule says whose message to this number"),
        ("fjord", "1987", "hi", "unless its text begins with a keyword"),
        ("backup", "1987", "info", "from backup, it is\n"),
        ("fjord", "Acme", "", "the destination is no number"),
        ("fjrod", "1987", "", "no carrier \"fjrod\""),
    ] {
        let (code, _, error) = explain(carrier, to, text);
        assert_eq!(code, 1, "{to} {text}");
        assert!(error.contains(part), "{error}");
    }
    assert_eq!(run(&["explain", "--to", "1987"]).0, 2, "from whom?");
    let (code, out, _) = run(&["check", "--config", &file]);
    assert_eq!(code, 0);
    assert!(out.contains("inbound   [1] one number or beginning, keyword info, from fjord: to acme\n"), "{out}");
}

#[test]
fn decode_reads_arguments_and_standard_input() {
    let submit = "0000003a 00000004 00000000 00000002 00 05 00 61636d6500 01 01 3437393132333435363700 00 00 00 00 00 01 00 \
                  00 00 05 68656c6c6f 0204 0002 1234";
    let (code, out, error) = run(&["decode", submit]);
    assert_eq!((code, error.as_str()), (0, ""), "{out}");
    for part in [
        "submit_sm",
        "\"4791234567\" (ton 1 international, npi 1 ISDN)",
        "= text",
        "\"hello\"",
        "12 34",
        "user_message_reference",
        "receipt of success and failure",
    ] {
        assert!(out.contains(part), "{part} in {out}");
    }
    let mut child = smppgate(&["decode", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("runs");
    child
        .stdin
        .take()
        .expect("a pipe")
        .write_all(b"00:00:00:10:80:00:00:15:00:00:00:00:00:00:00:07\n")
        .expect("written");
    let (code, out, _) = told(&child.wait_with_output().expect("it ends"));
    assert_eq!(code, 0);
    assert!(out.contains("enquire_link_resp"), "{out}");
    let (code, _, error) = run(&["decode", "00 0g"]);
    assert_eq!(
        (code, error.as_str()),
        (1, "character 5: 'g' is no hexadecimal digit; expected 0-9 and a-f, two for each octet\n")
    );
    assert_eq!(run(&["decode"]).0, 2);
}

#[test]
fn help_is_worth_reading_and_wrong_arguments_are_two() {
    let (code, out, _) = run(&["--help"]);
    assert_eq!(code, 0);
    for part in ["serve", "check", "explain", "carrier", "load", "decode", "report", "Examples:", "Exit codes:"] {
        assert!(out.contains(part), "{part}");
    }
    assert!(out.lines().all(|line| line.chars().count() <= 120), "{out}");
    assert_eq!(run(&["serv"]).0, 2);
    assert_eq!(run(&["serve", "--confg", "x"]).0, 2);
    let (code, _, error) = run(&["--log", "a=b=c", "serve", "--config", &reference()]);
    assert_eq!(code, 1);
    assert!(error.contains("is no log level"), "{error}");
}

/// A server of this binary; killed when a test fails.
struct Server {
    child: Child,
    error: PathBuf,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended already when the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start(folder: &Path, name: &str, arguments: &[&str]) -> Self {
        let error = folder.join(format!("{name}.log"));
        let file = fs::File::create(&error).expect("a log file");
        let child =
            smppgate(arguments).current_dir(folder).stdout(Stdio::null()).stderr(file).spawn().expect("it runs");
        Self { child, error }
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.child.id().to_string()]).status().expect("kill runs");
        assert!(sent.success());
    }

    fn ended(&mut self) -> Option<i32> {
        self.child.try_wait().expect("a child").map(|status| status.code().unwrap_or(-1))
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.error).expect("the log")
    }
}

/// Waits for a condition, for 30 seconds at most.
fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let clock = Clock::start();
    while clock.now().mono < Mono(30_000_000) {
        if let Some(value) = condition() {
            return value;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("waited 30 seconds for {what}");
}

/// Ports that were free a moment ago.
fn free_ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    listeners.map(|listener| listener.local_addr().expect("an address").port())
}

fn get(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes()).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    Some(text)
}

fn configuration(smpp: u16, admin: u16, carrier: u16) -> String {
    format!(
        "[listen]\nsmpp = \"127.0.0.1:{smpp}\"\nadmin = \"127.0.0.1:{admin}\"\n\
         [[account]]\nsystem_id = \"acme\"\npassword = \"{CANARY}\"\n\
         [[carrier]]\nname = \"fjord\"\naddress = \"127.0.0.1:{carrier}\"\nsystem_id = \"us\"\npassword = \"{CANARY}\"\n\
         [[route]]\ncountry = [\"*\"]\ncarriers = [\"fjord\"]\n"
    )
}

#[test]
fn a_served_configuration_takes_messages_drains_and_shows_no_secret() {
    let folder = tempfile::tempdir().expect("a folder");
    let [smpp, admin, carrier] = free_ports();
    fs::write(folder.path().join("gate.toml"), configuration(smpp, admin, carrier)).expect("written");
    let mut server = Server::start(
        folder.path(),
        "server",
        &["serve", "--config", "gate.toml", "--log", "trace", "--log-format", "json"],
    );
    let unready = until("a page", || get(admin, "/readyz"));
    assert!(unready.starts_with("HTTP/1.1 503"), "{unready}");
    until("the missing carrier to be told", || {
        let page = get(admin, "/readyz")?;
        (page.contains("0 of 1 carrier links bound") && page.contains("takes commits")).then_some(())
    });
    let listen = format!("127.0.0.1:{carrier}");
    let mut smsc = Server::start(folder.path(), "carrier", &["carrier", "--listen", &listen, "--password", CANARY]);
    until("readiness", || get(admin, "/readyz").filter(|page| page.starts_with("HTTP/1.1 200")));

    let address = format!("127.0.0.1:{smpp}");
    let load =
        ["load", "--address", &address, "--password", CANARY, "--messages", "20", "--binds", "1", "--to", NUMBER];
    let (code, out, error) = run(&load);
    assert_eq!(code, 0, "{out}{error}");
    assert!(out.contains("acknowledged 20"), "{out}");
    let page = until("the counts", || {
        get(admin, "/metrics").filter(|page| page.contains("smppgate_receipts_delivered_total{account=\"acme\"} 20\n"))
    });
    assert!(page.contains("smppgate_forwarded_total{carrier=\"fjord\"} 20\n"), "{page}");
    let mut wrong = load;
    wrong[4] = "wr0ngpwd";
    let (code, _, error) = run(&wrong);
    assert_eq!(code, 3);
    assert!(error.contains("ESME_RINVPASWD") && !error.contains("wr0ngpwd"), "{error}");

    server.signal("-TERM");
    assert_eq!(until("the server to drain", || server.ended()), 0, "{}", server.log());
    smsc.signal("-INT");
    assert_eq!(until("the carrier to end", || smsc.ended()), 0);
    let stored = contents(&folder.path().join("data"));
    assert!(stored.iter().any(|(path, _)| path.ends_with("ring")), "there are keys");
    for (path, octets) in stored {
        assert!(!octets.windows(NUMBER.len()).any(|window| window == NUMBER.as_bytes()), "{path:?} holds the number");
    }
    let log = server.log();
    for line in log.lines().filter(|line| line.starts_with('{')) {
        let event: serde_json::Value = serde_json::from_str(line).expect("each event is JSON");
        let quiet = event["level"] == "TRACE" || event["level"] == "DEBUG";
        assert!(quiet || !line.contains(NUMBER), "{line}");
    }
    assert!(log.contains("\"message\":\"serving\""), "{log}");
    let outputs = [log, smsc.log(), page, get_all(folder.path())];
    assert!(outputs.iter().all(|text| !text.contains(CANARY) && !text.contains("wr0ngpwd")), "a password was written");
}

/// Every text below the folder but the configuration.
fn get_all(folder: &Path) -> String {
    let names = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let files = names.filter(|path| path.is_file() && !path.ends_with("gate.toml"));
    files.map(|path| String::from_utf8_lossy(&fs::read(path).expect("a file")).into_owned()).collect()
}

/// Every file below a folder.
fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else if path.is_file() {
            let octets = fs::read(&path).expect("readable");
            found.push((path, octets));
        }
    }
    found
}

#[test]
fn a_master_key_that_is_lost_or_another_starts_nothing_and_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let [smpp, admin, carrier] = free_ports();
    let text = configuration(smpp, admin, carrier) + "[encryption]\nmaster_key = \"secret/master.key\"\n";
    fs::write(folder.path().join("gate.toml"), text).expect("written");
    let check =
        || told(&smppgate(&["check", "--config", "gate.toml"]).current_dir(folder.path()).output().expect("runs"));
    let (code, out, error) = check();
    assert!(code == 0 && out.contains("master key secret/master.key (made at the first start)"), "{out}{error}");
    // As a version before left it.
    let plain = folder.path().join("data/token.key");
    fs::create_dir(folder.path().join("data")).expect("made");
    fs::write(&plain, [7; 32]).expect("written");
    let arguments = ["serve", "--config", "gate.toml"];
    let mut server = Server::start(folder.path(), "server", &arguments);
    until("a store in order", || get(admin, "/readyz").filter(|page| page.contains("takes commits")));
    let smsc = format!("127.0.0.1:{carrier}");
    let mut smsc = Server::start(folder.path(), "carrier", &["carrier", "--listen", &smsc, "--password", CANARY]);
    until("readiness", || get(admin, "/readyz").filter(|page| page.starts_with("HTTP/1.1 200")));
    let address = format!("127.0.0.1:{smpp}");
    let load = ["load", "--address", &address, "--password", CANARY, "--messages", "5", "--binds", "1", "--to", NUMBER];
    assert_eq!(run(&load).0, 0);
    server.signal("-TERM");
    assert_eq!(until("the server to drain", || server.ended()), 0, "{}", server.log());
    smsc.signal("-INT");
    assert_eq!(until("the carrier to end", || smsc.ended()), 0);
    assert!(!plain.exists() && folder.path().join("data/keys/persons").exists(), "it is not wrapped");
    for (path, octets) in contents(&folder.path().join("data")) {
        assert!(!octets.windows(32).any(|window| window == [7; 32]), "{path:?} holds it in clear");
    }
    let (code, out, _) = check();
    assert!(code == 0 && out.contains("fingerprint") && out.contains("secret/destroyed-keys"), "{out}");
    let master = folder.path().join("secret/master.key");
    let kept = fs::read(&master).expect("made at the first start");
    let refused = |what: &str| {
        let (code, _, error) = check();
        assert!(code == 1 && error.contains(what) && error.contains("secret/master.key"), "{error}");
        let mut server = Server::start(folder.path(), "again", &arguments);
        assert_eq!(until("the refusal", || server.ended()), 1);
        assert!(server.log().contains(what), "{}", server.log());
    };
    fs::remove_file(&master).expect("removed");
    refused("the master key is missing");
    fs::write(&master, "1".repeat(64)).expect("written");
    fs::set_permissions(&master, fs::Permissions::from_mode(0o644)).expect("changed");
    refused("may be read by others");
    fs::write(&master, kept).expect("written");
    fs::set_permissions(&master, fs::Permissions::from_mode(0o600)).expect("changed");
    assert_eq!(check().0, 0);
    fs::write(&master, "1".repeat(64)).expect("written");
    let (code, _, error) = check();
    assert!(code == 1 && error.contains("does not fit") && error.contains("data/keys/ring"), "{error}");
}

#[test]
fn a_taken_address_is_a_failure_that_names_its_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let [admin, carrier] = free_ports();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port();
    fs::write(folder.path().join("gate.toml"), configuration(port, admin, carrier)).expect("written");
    let output = smppgate(&["serve", "--config", "gate.toml"]).current_dir(folder.path()).output().expect("it ends");
    let (code, _, error) = told(&output);
    assert_eq!(code, 3, "{error}");
    assert!(error.contains(&format!("listen.smpp = \"127.0.0.1:{port}\"")), "{error}");
    assert!(!folder.path().join("data").exists(), "nothing starts half");
}
