//! The rows as the page `src/pics.md`.

use std::fmt::Write as _;

use smppgate::pdu::{CommandId, Tag, Tlv, Tlvs};
use smppgate::session::Role;
use smppgate::session::matrix::State;

use crate::{commands, parameters, states, statuses};

const HEAD: &str = "\
# What of SMPP 3.4 is there

The conformance statement of smppgate: every PDU (§4), session state (§2.2), optional parameter (§5.3.2) and error status
(§5.1.3), what becomes of it towards clients, where smppgate is the message centre, and towards carriers, where it is the
ESME, and the tests of that. This page is written by `tests/pics`, from its rows and from what a session and the rules of
retry really do; `SMPPGATE_WRITE_PICS=1 cargo test --test pics` writes it anew. A test is named by its file, under `tests` or
from `src` on, and its function.

*Supported*: smppgate acts as the specification says, within what the row names. *Passed on unread*: it reaches the other
side as it came. *Refused*: a request is answered with that status. *Not used*: not sent, and without effect where it comes.
";

const STATES: &str = "\
## States

Whatever comes, by state. *Taken*: passed on to what answers it. *Nack*: by generic_nack. *Closes*: the link ends behind the
answer. A response that nobody asked for is counted and dropped in every state.
";

const PARAMETERS: &str = "\
## Optional parameters

In messages: submit_sm, data_sm and submit_multi from clients, deliver_sm and data_sm from carriers. Order, repetition and
unknown ones survive. A parameter with a size in the second column is refused with ESME_RINVPARLEN in any other; of the rest
any size passes. Clients below interface version 0x34 get none in receipts, and in messages from handsets only where the text
needs `message_payload`. Otherwise a message has on the other side those it came with.
";

const STATUSES: &str = "\
## Statuses

When smppgate sends each, and what becomes of a message when a carrier answers its submit_sm so, and of a receipt or a message
from a handset when a client answers its deliver_sm so. Every other status, the reserved ones and those of vendors, is like
the last row.
";

fn row(page: &mut String, cells: &[&str]) {
    let _ = writeln!(page, "| {} |", cells.join(" | "));
}

fn table(page: &mut String, heads: &[&str]) {
    page.push('\n');
    row(page, heads);
    let _ = writeln!(page, "|{}", "---|".repeat(heads.len()));
}

fn tests(named: &[&str]) -> String {
    let mut seen: Vec<String> = Vec::new();
    for name in named.iter().map(|name| format!("`{name}`")) {
        if !seen.contains(&name) {
            seen.push(name);
        }
    }
    seen.join(" ")
}

fn never_where_empty(how: &str) -> &str {
    if how.is_empty() { "never" } else { how }
}

pub(crate) fn written() -> String {
    let mut page = HEAD.to_owned();
    page.push_str("\n## PDUs\n");
    table(&mut page, &["PDU", "id", "clients", "carriers", "tests"]);
    for command in commands::ROWS {
        let id = format!("{:#010x}", command.key.0);
        let (client, carrier) = (command.client.to_string(), command.carrier.to_string());
        row(&mut page, &[&format!("`{}`", command.key), &id, &client, &carrier, &tests(command.tests)]);
    }
    let _ = write!(page, "\n{STATES}");
    table(&mut page, &["state", "towards", "what holds", "tests"]);
    for state in states::ROWS {
        let side = if state.us == Role::Smsc { "clients" } else { "carriers" };
        row(&mut page, &[states::name(state.state), side, state.how, &tests(state.tests)]);
    }
    matrix(&mut page, Role::Smsc, "a client");
    matrix(&mut page, Role::Esme, "a carrier");
    let _ = write!(page, "\n{PARAMETERS}");
    table(&mut page, &["parameter", "octets", "since", "from clients, in what they get", "from carriers", "tests"]);
    for parameter in parameters::ROWS {
        let tag = parameter.key;
        let name = tag.name().map_or_else(|| "any other".to_owned(), |name| format!("`{name}` {:#06x}", tag.0));
        let (client, carrier) = (parameter.client.to_string(), parameter.carrier.to_string());
        row(&mut page, &[&name, &size(tag), since(tag), &client, &carrier, &tests(parameter.tests)]);
    }
    let _ = write!(page, "\n{STATUSES}");
    table(
        &mut page,
        &["status", "", "clients get it", "carriers get it", "a carrier's answer", "a client's answer", "tests"],
    );
    for status in statuses::ROWS {
        let (name, number) = (format!("`{}`", status.key), format!("{:#04x}", status.key.0));
        let ((carrier, carrier_test), (client, client_test)) =
            (statuses::of_a_carrier(status.key), statuses::of_a_client(status.key));
        let (to_clients, to_carriers) = (never_where_empty(status.to_clients), never_where_empty(status.to_carriers));
        let tests = tests(&[status.tests, &[carrier_test, client_test]].concat());
        row(&mut page, &[&name, &number, to_clients, to_carriers, &carrier, client, &tests]);
    }
    let other = smppgate::pdu::CommandStatus(0x4FF);
    let ((carrier, carrier_test), (client, client_test)) =
        (statuses::of_a_carrier(other), statuses::of_a_client(other));
    row(&mut page, &["any other", "", "never", "never", &carrier, client, &tests(&[carrier_test, client_test])]);
    page
}

/// What a session of ours does with each request of its peer; requests that are treated alike share a row.
fn matrix(page: &mut String, us: Role, peer: &str) {
    let _ = writeln!(page, "\nRequests of {peer} (`session/matrix::every_reaction_is_the_references`):");
    let mut heads = vec!["PDU"];
    heads.extend(State::ALL.map(states::name));
    table(page, &heads);
    let requests = commands::ROWS.iter().map(|command| (command.key.to_string(), command.key));
    let requests = requests.filter(|(_, command)| !command.is_response());
    let mut rows: Vec<(String, Vec<String>)> = Vec::new();
    for (name, command) in requests.chain([("any unknown".to_owned(), CommandId(0x0001_0200))]) {
        let cells: Vec<String> = State::ALL.iter().map(|state| states::reaction(us, *state, command)).collect();
        match rows.iter_mut().find(|(_, alike)| *alike == cells) {
            Some((names, _)) => {
                let _ = write!(names, ", {name}");
            }
            None => rows.push((name, cells)),
        }
    }
    for (names, cells) in rows {
        let cells: Vec<&str> = std::iter::once(names.as_str()).chain(cells.iter().map(String::as_str)).collect();
        row(page, &cells);
    }
}

/// The one size that is taken, where only one is.
fn size(tag: Tag) -> String {
    let is_taken = |size: usize| {
        let mut octets = Vec::new();
        Tlv { tag, value: &vec![1; size] }.encode(&mut octets);
        Tlvs::decode(&octets).is_ok()
    };
    let taken: Vec<usize> = (0..=16).filter(|size| is_taken(*size)).collect();
    match taken[..] {
        [only] => only.to_string(),
        _ => "any".to_owned(),
    }
}

fn since(tag: Tag) -> &'static str {
    match tag {
        Tag::CONGESTION_STATE | Tag(0x0600..=0x0613) => "5.0",
        _ if tag.name().is_none() => "",
        _ => "3.4",
    }
}
