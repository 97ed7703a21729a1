//! The conformance statement: its rows, whether they are complete and name tests that are there, and the page made of them.
//!
//! `SMPPGATE_WRITE_PICS=1 cargo test --test pics` writes the page anew. That the named tests pass is shown by running them.

mod commands;
mod page;
mod parameters;
mod row;
mod sources;
mod states;
mod statuses;

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::path::Path;

use smppgate::pdu::{CommandId, CommandStatus, Tag};
use smppgate::session::matrix::State;
use smppgate::session::{BindMode, Role};

use row::Support;

/// Each of `known` exactly once, and nothing else.
fn is_complete<K: Copy + Ord + Debug>(rows: impl Iterator<Item = K>, known: impl Iterator<Item = K>) {
    let rows: Vec<K> = rows.collect();
    let (once, known): (BTreeSet<K>, BTreeSet<K>) = (rows.iter().copied().collect(), known.collect());
    assert_eq!(rows.len(), once.len(), "a row comes twice");
    let without: Vec<_> = known.difference(&once).collect();
    let unknown: Vec<_> = once.difference(&known).collect();
    assert!(without.is_empty() && unknown.is_empty(), "without a row: {without:?}; unknown: {unknown:?}");
}

#[test]
fn everything_known_has_exactly_one_row() {
    is_complete(commands::ROWS.iter().map(|row| row.key), CommandId::KNOWN.iter().copied());
    is_complete(parameters::ROWS.iter().map(|row| row.key), Tag::KNOWN.iter().copied().chain([parameters::ANY_OTHER]));
    is_complete(
        statuses::ROWS.iter().map(|row| row.key),
        CommandStatus::KNOWN.iter().copied().chain(statuses::UNNAMED),
    );
    let sides = [Role::Smsc, Role::Esme].map(|us| State::ALL.map(|state| format!("{us:?} {state:?}")));
    is_complete(
        states::ROWS.iter().map(|row| format!("{:?} {:?}", row.us, row.state)).collect::<Vec<_>>().iter(),
        sides.concat().iter(),
    );
}

/// A row's subject, the tests it names, and how the subject may be written in them.
struct Proof {
    subject: &'static str,
    tests: &'static [&'static str],
    written: Vec<String>,
}

/// Of all parameters, and of all statuses that are sent.
fn proofs() -> impl Iterator<Item = Proof> {
    let parameters = parameters::ROWS.iter().map(|row| {
        let (tag, name) = (row.key.0, row.key.name().unwrap_or("vendor"));
        let octets = format!("\\x{:02X}\\x{:02X}", tag >> 8, tag & 0xFF);
        let written = vec![name.to_uppercase(), format!("0x{tag:04X}"), octets, "Tag::KNOWN".to_owned()];
        Proof { subject: name, tests: row.tests, written }
    });
    let sent = statuses::ROWS.iter().filter(|row| row.is_sent());
    parameters.chain(sent.map(|row| {
        let subject = row.key.name().unwrap_or("vendor");
        Proof { subject, tests: row.tests, written: vec![subject.to_owned(), format!("0x{:02X}", row.key.0)] }
    }))
}

#[test]
fn each_named_test_is_there() {
    let mut wrong = BTreeSet::new();
    let sides = commands::ROWS.iter().map(|row| row.tests).chain(parameters::ROWS.iter().map(|row| row.tests));
    let sides = sides.chain(states::ROWS.iter().map(|row| row.tests)).chain(statuses::ROWS.iter().map(|row| row.tests));
    let received =
        statuses::ROWS.iter().flat_map(|row| [statuses::of_a_carrier(row.key).1, statuses::of_a_client(row.key).1]);
    let mut named = 0;
    for tests in sides {
        assert!(!tests.is_empty(), "a row without a test");
        named += tests.len();
        wrong.extend(tests.iter().filter_map(|named| sources::test(named).err()));
    }
    wrong.extend(received.filter_map(|named| sources::test(named).err()));
    assert!(wrong.is_empty() && named > 200, "{named} named; {wrong:#?}");
}

/// Weak proofs are found by what they do not say.
#[test]
fn a_test_of_each_row_speaks_of_it() {
    let speaks = |proof: &Proof, named| {
        let text = sources::test(named).unwrap_or_default();
        proof.written.iter().any(|written| text.contains(written.as_str()))
    };
    let silent: Vec<_> = proofs()
        .filter(|proof| !proof.tests.iter().any(|named| speaks(proof, named)))
        .map(|proof| format!("{}: {:?}", proof.subject, proof.tests))
        .collect();
    assert!(silent.is_empty(), "{silent:#?}");
}

#[test]
fn what_is_never_sent_is_nowhere_in_the_sources() {
    let code = sources::deciding_code();
    assert!(code.len() > 100_000);
    for row in statuses::ROWS.iter().filter(|row| row.key.name().is_some()) {
        let name = row.key.to_string();
        let is_there = code.split(|one: char| !one.is_ascii_alphanumeric() && one != '_').any(|word| word == name);
        assert_eq!(is_there, row.is_sent(), "{name}");
    }
}

#[test]
fn refusals_are_what_a_session_answers() {
    let mut checked = 0;
    for row in commands::ROWS {
        for (us, cell) in [(Role::Smsc, row.client), (Role::Esme, row.carrier)] {
            let answer = states::reaction(us, State::Bound(BindMode::Transceiver), row.key);
            match cell.support {
                Support::Refused(status) => {
                    assert!(answer.ends_with(status.name().unwrap_or("?")), "{} {answer}", row.key)
                }
                Support::Unused => assert_eq!(answer, "dropped", "{}", row.key),
                Support::Yes | Support::Passed => continue,
            }
            checked += 1;
        }
    }
    assert!(checked >= 10, "{checked}");
    for us in [Role::Smsc, Role::Esme] {
        let responses = CommandId::KNOWN.iter().copied().filter(|command| command.is_response());
        for (state, command) in State::ALL.into_iter().flat_map(|state| responses.clone().map(move |one| (state, one)))
        {
            assert_eq!(states::reaction(us, state, command), "dropped", "{us:?} {state:?} {command}");
        }
    }
}

#[test]
fn the_page_is_what_the_rows_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/pics.md");
    let written = page::written();
    if std::env::var_os("SMPPGATE_WRITE_PICS").is_some() {
        std::fs::write(&path, &written).expect("the page can be written");
    }
    let page = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = page.lines().zip(written.lines()).find(|(page, written)| page != written);
    assert!(page == written, "src/pics.md is not what the rows say; SMPPGATE_WRITE_PICS=1 writes it anew: {differs:?}");
}
