//! Role × state × command, without exception: first who may send what, then what the session does about each.

use smppgate::pdu::{CommandId, CommandStatus};
use smppgate::session::matrix::{State, allows, has_response, knows};
use smppgate::session::{BindMode, CloseReason, Event, Role, Settings, Span};

use super::rig::{Rig, passed, pdu, request};

const UNKNOWN: [CommandId; 5] =
    [CommandId(0x0000_000A), CommandId(0x0000_0111), CommandId(0x0001_0200), CommandId(0x7FFF_FFFF), CommandId(0)];

/// Who may send in OPEN, BOUND_TX, BOUND_RX, BOUND_TRX, UNBOUND: `E` an ESME, `S` an SMSC, `B` both, `.` nobody.
const TABLE: &[(&str, CommandId)] = &[
    ("E....", CommandId::BIND_TRANSMITTER),
    ("E....", CommandId::BIND_RECEIVER),
    ("E....", CommandId::BIND_TRANSCEIVER),
    ("S....", CommandId::BIND_TRANSMITTER_RESP),
    ("S....", CommandId::BIND_RECEIVER_RESP),
    ("S....", CommandId::BIND_TRANSCEIVER_RESP),
    ("S....", CommandId::OUTBIND),
    (".BBB.", CommandId::UNBIND),
    (".BBB.", CommandId::UNBIND_RESP),
    (".E.E.", CommandId::SUBMIT_SM),
    (".S.S.", CommandId::SUBMIT_SM_RESP),
    (".E.E.", CommandId::SUBMIT_MULTI),
    (".S.S.", CommandId::SUBMIT_MULTI_RESP),
    (".ESB.", CommandId::DATA_SM),
    (".SEB.", CommandId::DATA_SM_RESP),
    ("..SS.", CommandId::DELIVER_SM),
    ("..EE.", CommandId::DELIVER_SM_RESP),
    (".E.E.", CommandId::QUERY_SM),
    (".S.S.", CommandId::QUERY_SM_RESP),
    (".E.E.", CommandId::CANCEL_SM),
    (".S.S.", CommandId::CANCEL_SM_RESP),
    (".E.E.", CommandId::REPLACE_SM),
    (".S.S.", CommandId::REPLACE_SM_RESP),
    ("..SS.", CommandId::ALERT_NOTIFICATION),
    ("BBBBB", CommandId::ENQUIRE_LINK),
    ("BBBBB", CommandId::ENQUIRE_LINK_RESP),
    ("BBBBB", CommandId::GENERIC_NACK),
];

#[test]
fn the_table_is_the_specifications() {
    assert_eq!(TABLE.len(), CommandId::KNOWN.len());
    for (row, command) in TABLE {
        assert!(knows(*command), "{command}");
        for (state, cell) in State::ALL.into_iter().zip(row.chars()) {
            assert_eq!(allows(Role::Esme, state, *command), "EB".contains(cell), "ESME {state:?} {command}");
            assert_eq!(allows(Role::Smsc, state, *command), "SB".contains(cell), "SMSC {state:?} {command}");
        }
    }
}

#[test]
fn an_unknown_command_is_never_allowed() {
    for command in UNKNOWN.into_iter().filter(|command| command.0 != 0) {
        for command in [command, command.response()] {
            assert!(!knows(command), "{command}");
            for state in State::ALL {
                assert!(!allows(Role::Esme, state, command) && !allows(Role::Smsc, state, command));
            }
        }
    }
}

/// A session of ours in `state`. Unbound is reached by the peer's unbind while a request of it is still worked on.
fn in_state(role: Role, state: State) -> Rig {
    match state {
        State::Open => Rig::new(role, Settings::default()),
        State::Bound(mode) => Rig::bound(role, mode, Settings::default()),
        State::Unbound => {
            let mut rig = Rig::bound(role, BindMode::Transceiver, Settings::default());
            let work = if role == Role::Smsc { CommandId::SUBMIT_SM } else { CommandId::DELIVER_SM };
            rig.feed(&request(work, 70));
            let (wire, events) = rig.feed(&request(CommandId::UNBIND, 71));
            assert!(wire.is_empty() && events.is_empty(), "answered only after the work");
            rig
        }
    }
}

#[derive(Debug, PartialEq)]
enum Reaction {
    /// Passed on, to be answered later.
    Pass,
    /// A bind, passed on.
    Bind,
    /// Nothing goes back.
    Silence,
    /// The typed response, or a `generic_nack` for what has none.
    Reply(CommandStatus),
}

/// What the reference asks for, and whether the link then closes.
fn wanted(us: Role, state: State, command: CommandId) -> (Reaction, Option<CloseReason>) {
    use Reaction::{Bind, Pass, Reply, Silence};
    let wrong = Reply(CommandStatus::ESME_RINVBNDSTS);
    let early = (us == Role::Smsc && state == State::Open).then_some(CloseReason::NotBound(command));
    let bind = BindMode::asked_by(command).is_some();
    match command {
        _ if command.is_response() => (Silence, None),
        CommandId::ENQUIRE_LINK => (Reply(CommandStatus::ESME_ROK), None),
        CommandId::UNBIND if state == State::Open => (Reply(CommandStatus::ESME_ROK), Some(CloseReason::PeerUnbound)),
        CommandId::UNBIND if state == State::Unbound => (Reply(CommandStatus::ESME_ROK), None),
        CommandId::UNBIND => (Reply(CommandStatus::ESME_ROK), Some(CloseReason::PeerUnbound)),
        CommandId::OUTBIND if us == Role::Esme && state == State::Open => {
            (Silence, Some(CloseReason::UnwelcomeOutbind))
        }
        CommandId::OUTBIND => (wrong, None),
        CommandId::ALERT_NOTIFICATION if allows(us.peer(), state, command) => (Pass, None),
        CommandId::ALERT_NOTIFICATION => (wrong, None),
        _ if bind && us == Role::Smsc && state == State::Open => (Bind, None),
        _ if bind && us == Role::Smsc && state != State::Unbound => (Reply(CommandStatus::ESME_RALYBND), None),
        _ if bind => (wrong, None),
        CommandId::DELIVER_SM | CommandId::DATA_SM
            if us == Role::Esme && state == State::Bound(BindMode::Transmitter) =>
        {
            (Pass, None)
        }
        _ if allows(us.peer(), state, command) => (Pass, None),
        _ if knows(command) => (wrong, early),
        _ => (Reply(CommandStatus::ESME_RINVCMDID), early),
    }
}

#[test]
fn every_reaction_is_the_references() {
    let unknown = UNKNOWN.into_iter().flat_map(|command| [command, command.response()]);
    let commands: Vec<CommandId> = CommandId::KNOWN.iter().copied().chain(unknown).collect();
    let mut checked = 0;
    for us in [Role::Smsc, Role::Esme] {
        for state in State::ALL {
            for command in &commands {
                check(us, state, *command);
                checked += 1;
            }
        }
    }
    assert_eq!(checked, 2 * 5 * (27 + 10));
}

fn check(us: Role, state: State, command: CommandId) {
    let place = format!("we are {us:?}, {state:?}, the peer sends {command}");
    let mut rig = in_state(us, state);
    let sequence = 0x9000_0001;
    let (wire, events) = rig.feed(&request(command, sequence));
    let (reaction, close) = wanted(us, state, command);
    let no_events: Vec<Event> = Vec::new();
    let (want_wire, want_events) = match reaction {
        Reaction::Pass => (Vec::new(), passed(command, sequence, 0)),
        Reaction::Bind => (Vec::new(), vec![Event::Bind { sequence, command, body: Span { at: 16, len: 0 } }]),
        Reaction::Silence => (Vec::new(), no_events),
        Reaction::Reply(status) => {
            let typed = knows(command) && has_response(command);
            let id = if typed { command.response() } else { CommandId::GENERIC_NACK };
            (pdu(id, status, sequence, &[]), no_events)
        }
    };
    assert_eq!(wire, want_wire, "{place}");
    assert_eq!(events, want_events, "{place}");
    assert_eq!(rig.session.closing(), close, "{place}");
    assert_eq!(rig.session.wants_input(), close.is_none() && reaction != Reaction::Bind, "{place}");
}
