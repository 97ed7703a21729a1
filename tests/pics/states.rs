//! Every state of a session, on both sides; and what a real session does in it with each request of its peer.

use bytes::BytesMut;
use smppgate::clock::Mono;
use smppgate::pdu::{Bind, CommandId, CommandStatus, Frame, HEADER_LENGTH, Header, encode_header_only};
use smppgate::session::matrix::State;
use smppgate::session::{BindMode, Control, Event, Parcel, Role, Session, Settings};

/// One state on one side. The roles are ours: `Smsc` towards clients, `Esme` towards carriers.
pub(crate) struct Row {
    pub(crate) us: Role,
    pub(crate) state: State,
    pub(crate) how: &'static str,
    pub(crate) tests: &'static [&'static str],
}

const TX: State = State::Bound(BindMode::Transmitter);
const RX: State = State::Bound(BindMode::Receiver);
const TRX: State = State::Bound(BindMode::Transceiver);

pub(crate) const ROWS: &[Row] = &[
    Row {
        us: Role::Smsc,
        state: State::Open,
        how: "a bind is awaited for the session-init timer, then decided; what is sent behind it waits; a request that \
              needs a bind is refused and the link closed",
        tests: &[
            "session/timers::a_connection_without_a_bind_is_closed",
            "session/conversation::a_submit_before_a_bind_is_answered_and_closes",
            "links/admission::what_is_pipelined_behind_a_bind_waits_for_it",
        ],
    },
    Row {
        us: Role::Smsc,
        state: TX,
        how: "messages, and requests about earlier ones, are taken; receipts and messages from handsets are not sent",
        tests: &[
            "inbound::binds_take_turns_and_transmitters_get_nothing",
            "session/matrix::every_reaction_is_the_references",
        ],
    },
    Row {
        us: Role::Smsc,
        state: RX,
        how: "receipts, notices, alerts and messages from handsets are sent; messages are refused",
        tests: &[
            "session/parcels::what_may_not_be_sent_is_cut_out_and_reported",
            "session/matrix::every_reaction_is_the_references",
        ],
    },
    Row {
        us: Role::Smsc,
        state: TRX,
        how: "both",
        tests: &[
            "sim/scenarios::a_message_goes_out_and_its_receipt_comes_back",
            "session/matrix::every_reaction_is_the_references",
        ],
    },
    Row {
        us: Role::Smsc,
        state: State::Unbound,
        how: "entered by an unbind of either side: answers under way still leave, for two seconds at most; new requests \
              are refused",
        tests: &[
            "session/parcels::the_peers_unbind_is_answered_behind_the_last_answer",
            "session/parcels::the_peers_unbind_waits_two_seconds_at_most",
            "session/parcels::requests_that_crossed_our_unbind_are_taken_for_two_seconds",
        ],
    },
    Row {
        us: Role::Esme,
        state: State::Open,
        how: "our bind is sent at once; no answer in time, a refusal, a generic_nack or an outbind closes the link, and it \
              is dialled again",
        tests: &[
            "session/timers::a_bind_that_the_carrier_ignores_closes",
            "session/conversation::a_carriers_refusal_ends_it",
            "links/carrier::a_lost_carrier_is_dialled_again_with_growing_waits",
        ],
    },
    Row {
        us: Role::Esme,
        state: TX,
        how: "messages are sent; a deliver_sm or data_sm is taken all the same, for refusing it would lose a receipt",
        tests: &[
            "session/conversation::a_delivery_on_a_transmitter_bind_is_taken_all_the_same",
            "session/matrix::every_reaction_is_the_references",
        ],
    },
    Row {
        us: Role::Esme,
        state: RX,
        how: "receipts, alerts and messages from handsets are taken; no message is sent",
        tests: &[
            "session/matrix::every_reaction_is_the_references",
            "session/matrix::the_table_is_the_specifications",
            "session/random::every_request_handed_over_comes_back_once",
        ],
    },
    Row {
        us: Role::Esme,
        state: TRX,
        how: "both",
        tests: &[
            "sim/scenarios::a_message_goes_out_and_its_receipt_comes_back",
            "session/matrix::every_reaction_is_the_references",
        ],
    },
    Row {
        us: Role::Esme,
        state: State::Unbound,
        how: "as towards clients; the answers to messages that were sent are waited for",
        tests: &[
            "session/parcels::our_unbind_waits_for_our_requests_and_then_for_its_answer",
            "session/parcels::a_drain_ends_with_the_response_timer",
            "session/matrix::every_reaction_is_the_references",
        ],
    },
];

/// The state's name in SMPP 3.4 §2.2; the last is 5.0's.
pub(crate) fn name(state: State) -> &'static str {
    match state {
        State::Open => "OPEN",
        TX => "BOUND_TX",
        RX => "BOUND_RX",
        TRX => "BOUND_TRX",
        State::Unbound => "UNBOUND",
    }
}

struct Line {
    session: Session,
    now: Mono,
    wire: BytesMut,
    events: Vec<Event>,
}

impl Line {
    fn new(us: Role) -> Self {
        let now = Mono(1_000_000);
        Self { session: Session::new(us, Settings::default(), now), now, wire: BytesMut::new(), events: Vec::new() }
    }

    fn bound(us: Role, mode: BindMode) -> Self {
        let mut line = Self::new(us);
        match us {
            Role::Smsc => {
                line.feed(mode.command());
                let mut parcel = Parcel { control: Control::Bound(mode), ..Parcel::default() };
                line.session.dispatch(&mut parcel, line.now);
            }
            Role::Esme => {
                line.session.bind(mode.command(), &Bind::default(), line.now, &mut line.wire);
                line.feed(mode.command().response());
            }
        }
        assert_eq!(line.session.mode(), Some(mode));
        line
    }

    fn in_state(us: Role, state: State) -> Self {
        match state {
            State::Open => Self::new(us),
            State::Bound(mode) => Self::bound(us, mode),
            State::Unbound => {
                // The peer unbinds while a request of it is still worked on.
                let mut line = Self::bound(us, BindMode::Transceiver);
                line.feed(if us == Role::Smsc { CommandId::SUBMIT_SM } else { CommandId::DELIVER_SM });
                line.feed(CommandId::UNBIND);
                line
            }
        }
    }

    fn feed(&mut self, command: CommandId) {
        let mut octets = BytesMut::new();
        encode_header_only(command, CommandStatus::ESME_ROK, 1, &mut octets);
        let frame = Frame::cut(&octets, 1_000).expect("a good length").expect("a whole PDU");
        self.session.receive(frame, HEADER_LENGTH as u32, self.now, &mut self.wire, &mut self.events);
    }
}

/// What a session of ours does with a PDU of its peer, in few words.
pub(crate) fn reaction(us: Role, state: State, command: CommandId) -> String {
    let mut line = Line::in_state(us, state);
    line.wire.clear();
    line.events.clear();
    line.feed(command);
    let answer = line.wire.first_chunk::<HEADER_LENGTH>().map(Header::decode);
    let what = match (line.events.first(), answer) {
        (Some(Event::Bind { .. }), _) => "decided".to_owned(),
        (Some(Event::Request { .. }), _) => "taken".to_owned(),
        (_, Some(header)) if header.id == CommandId::GENERIC_NACK => format!("nack {}", header.status),
        (_, Some(header)) => header.status.to_string(),
        _ => "dropped".to_owned(),
    };
    if line.session.closing().is_some() { format!("{what}, closes") } else { what }
}
