//! Every error status of SMPP 3.4 §5.1.3: when smppgate sends it, and what follows when a peer does.

use smppgate::pdu::CommandStatus;
use smppgate::policy::retry::{self, Next};
use smppgate::policy::{OnUnknown, Outcome};

pub(crate) struct Row {
    pub(crate) key: CommandStatus,
    /// When clients get it; empty for never.
    pub(crate) to_clients: &'static str,
    /// When carriers get it; empty for never.
    pub(crate) to_carriers: &'static str,
    /// Of what is sent.
    pub(crate) tests: &'static [&'static str],
}

impl Row {
    pub(crate) fn is_sent(&self) -> bool {
        !self.to_clients.is_empty() || !self.to_carriers.is_empty()
    }
}

const FIELDS: &str = "bridge/refusals::each_field_of_a_submit_sm_fails_by_its_own_status";
const BIND: &str = "src/pdu/bind::each_field_fails_by_its_own_status";
const OPT_OUTS: &str = "bridge/opt_outs::every_way_to_submit_is_refused";
const MULTI: &str = "bridge/multi::each_wrong_submit_multi_fails_by_its_own_status";
const CIRCUMSTANCES: &str = "bridge/refusals::a_message_is_refused_for_what_its_account_and_country_may";
const GUARD: &str = "bridge/screens::inflated_traffic_is_counted_and_refused_where_it_is_said";
const SCREENS: &str = "bridge/screens::what_a_screen_refuses_has_its_status_however_it_comes";
const INBOUND: &str = "inbound::malformed_messages_and_receipts_that_cannot_be_read_are_refused";
const DELIVERED: &str = "bridge/refusals::each_field_of_a_deliver_sm_fails_by_its_own_status";
const CODEC: &str = "pdu_properties::a_cut_sm_is_refused_or_has_lost_only_parameters";

const fn clients(key: CommandStatus, to_clients: &'static str, tests: &'static [&'static str]) -> Row {
    Row { key, to_clients, to_carriers: "", tests }
}

const fn never(key: CommandStatus) -> Row {
    Row { key, to_clients: "", to_carriers: "", tests: &["pics/main::what_is_never_sent_is_nowhere_in_the_sources"] }
}

/// What smppgate says of a message whose transfer has no legal basis; from the range for vendors.
pub(crate) const TRANSFER_REFUSED: CommandStatus = CommandStatus(0x400);

/// What smppgate says of a text with a blocked word; from the same range.
pub(crate) const CONTENT_REFUSED: CommandStatus = CommandStatus(0x401);

/// What smppgate says of traffic that looks artificial; from the same range.
pub(crate) const INFLATED_REFUSED: CommandStatus = CommandStatus(0x402);

/// What smppgate says of recipients who want no more messages; from the same range.
pub(crate) const OPTED_OUT_REFUSED: CommandStatus = CommandStatus(0x403);

/// Statuses without a name in 3.4 that have a row: `ESME_RSERTYPUNAVAIL` of 5.0, and our own.
pub(crate) const UNNAMED: [CommandStatus; 5] =
    [CommandStatus(0x102), TRANSFER_REFUSED, CONTENT_REFUSED, INFLATED_REFUSED, OPTED_OUT_REFUSED];

use CommandStatus as S;

pub(crate) const ROWS: &[Row] = &[
    Row {
        key: S::ESME_ROK,
        to_clients: "what was asked is done, and on disk",
        to_carriers: "the receipt or message is on disk",
        tests: &[
            "sim/scenarios::a_message_goes_out_and_its_receipt_comes_back",
            "inbound::the_rules_say_whose_a_message_is",
        ],
    },
    Row {
        key: S::ESME_RINVMSGLEN,
        to_clients: "the text is cut, has over 254 octets, or is there twice",
        to_carriers: "the text is cut",
        tests: &[FIELDS, DELIVERED],
    },
    Row {
        key: S::ESME_RINVCMDLEN,
        to_clients: "the PDU ends within a field; its length is impossible (generic_nack, and the link closes)",
        to_carriers: "the same",
        tests: &[FIELDS, DELIVERED, "session/conversation::lost_framing_is_nacked_with_zero_and_closes"],
    },
    Row {
        key: S::ESME_RINVCMDID,
        to_clients: "the command is unknown (generic_nack)",
        to_carriers: "the same",
        tests: &["session/matrix::every_reaction_is_the_references"],
    },
    Row {
        key: S::ESME_RINVBNDSTS,
        to_clients: "the state does not allow the command",
        to_carriers: "the same",
        tests: &["session/matrix::every_reaction_is_the_references"],
    },
    clients(
        S::ESME_RALYBND,
        "a bind on a bound link, or beyond the account's number of binds",
        &[
            "session/matrix::every_reaction_is_the_references",
            "bridge/refusals::an_account_has_as_many_binds_as_it_may_and_none_during_a_stop",
        ],
    ),
    clients(S::ESME_RINVPRTFLG, "`priority_flag` above 3", &[FIELDS]),
    never(S::ESME_RINVREGDLVFLG),
    clients(
        S::ESME_RSYSERR,
        "the store takes nothing, or the process is stopping",
        &["bridge/refusals::nothing_is_accepted_that_cannot_be_kept"],
    ),
    Row {
        key: S::ESME_RINVSRCADR,
        to_clients: "the source is empty, too long, or neither a number nor a name that a handset can show, or the account \
                     may not send as it",
        to_carriers: "the source is too long",
        tests: &[FIELDS, SCREENS, DELIVERED, "bridge/data::each_field_of_a_data_sm_fails_by_its_own_status"],
    },
    Row {
        key: S::ESME_RINVDSTADR,
        to_clients: "the destination is no international number of a known country, or no route leads to it, or the \
                     account may not send there, or it is blocked",
        to_carriers: "the destination is too long",
        tests: &[FIELDS, CIRCUMSTANCES, SCREENS, DELIVERED],
    },
    clients(
        S::ESME_RINVMSGID,
        "in query_sm, cancel_sm and replace_sm an id that smppgate never gives",
        &[
            "bridge/query::each_wrong_query_fails_by_its_own_status",
            "bridge/cancel::each_wrong_cancel_fails_by_its_own_status",
            "bridge/replace::each_wrong_replace_fails_by_its_own_status",
        ],
    ),
    clients(
        S::ESME_RBINDFAIL,
        "a bind after too many wrong ones, during a stop, without room, or with too long an `address_range`",
        &[
            "links/admission::guessing_again_waits_and_then_is_turned_away",
            "bridge/refusals::an_account_has_as_many_binds_as_it_may_and_none_during_a_stop",
            BIND,
        ],
    ),
    clients(
        S::ESME_RINVPASWD,
        "the password, name or address is wrong, or the account disabled: not told which; the password is too long",
        &["links/admission::wrong_passwords_unknown_names_and_foreign_addresses_look_alike", BIND],
    ),
    clients(
        S::ESME_RINVSYSID,
        "`system_id` is too long",
        &["links/admission::a_malformed_bind_gets_the_status_of_its_field", BIND],
    ),
    clients(
        S::ESME_RCANCELFAIL,
        "nothing that is meant waits here",
        &["bridge/cancel::each_wrong_cancel_fails_by_its_own_status"],
    ),
    clients(
        S::ESME_RREPLACEFAIL,
        "nothing that is meant waits here",
        &["bridge/replace::each_wrong_replace_fails_by_its_own_status"],
    ),
    clients(
        S::ESME_RMSGQFUL,
        "as many messages wait as may wait",
        &["bridge/refusals::nothing_is_accepted_that_cannot_be_kept"],
    ),
    Row {
        key: S::ESME_RINVSERTYP,
        to_clients: "`service_type` of more than six characters",
        to_carriers: "the same",
        tests: &[FIELDS, DELIVERED],
    },
    clients(S::ESME_RINVNUMDESTS, "a submit_multi for nobody, or for more than 254", &[MULTI]),
    clients(
        S::ESME_RINVDLNAME,
        "a distribution list's name is too long",
        &["src/pdu/multi::each_recipient_fails_by_its_own_status"],
    ),
    clients(S::ESME_RINVDESTFLAG, "`dest_flag` is neither 1 nor 2", &[MULTI]),
    clients(S::ESME_RINVSUBREP, "a submit_multi that replaces", &[MULTI]),
    clients(
        S::ESME_RINVESMCLASS,
        "transaction mode, a message type that clients do not have, or a user data header that is none",
        &[FIELDS, "src/pdu/submit::esm_class_is_what_a_client_may_say"],
    ),
    clients(S::ESME_RCNTSUBDL, "distribution lists are not kept", &[MULTI]),
    clients(S::ESME_RSUBMITFAIL, "a submit_multi was accepted for nobody, for more than one reason", &[MULTI]),
    clients(S::ESME_RINVSRCTON, "reserved type of the source", &[FIELDS]),
    clients(S::ESME_RINVSRCNPI, "reserved plan of the source", &[FIELDS]),
    clients(S::ESME_RINVDSTTON, "reserved type of the destination", &[FIELDS]),
    clients(S::ESME_RINVDSTNPI, "reserved plan of the destination", &[FIELDS]),
    clients(S::ESME_RINVSYSTYP, "`system_type` is too long", &[BIND]),
    clients(S::ESME_RINVREPFLAG, "`replace_if_present_flag` above 1", &[FIELDS]),
    never(S::ESME_RINVNUMMSGS),
    Row {
        key: S::ESME_RTHROTTLED,
        to_clients: "above the rate of the account or of the country, above the window although reading was paused, or too \
                     many lookups at once",
        to_carriers: "above the window although reading was paused",
        tests: &[
            CIRCUMSTANCES,
            "session/timers::a_pause_ends_after_five_seconds_in_throttling",
            "bridge/query::too_many_lookups_at_once_are_told_to_come_again",
        ],
    },
    Row {
        key: S::ESME_RINVSCHED,
        to_clients: "`schedule_delivery_time` is no time, or too far ahead",
        to_carriers: "it is too long",
        tests: &[FIELDS, DELIVERED],
    },
    Row {
        key: S::ESME_RINVEXPIRY,
        to_clients: "`validity_period` is no time, or leaves none",
        to_carriers: "it is too long",
        tests: &[FIELDS, DELIVERED],
    },
    clients(S::ESME_RINVDFTMSGID, "`sm_default_msg_id`: no texts are kept", &[FIELDS]),
    Row {
        key: S::ESME_RX_T_APPN,
        to_clients: "",
        to_carriers: "the store takes nothing, as many messages wait as may wait, a part came before the first, or the lists of \
                      those who opted out are full",
        tests: &[
            "inbound::what_cannot_be_taken_now_is_asked_for_again",
            "inbound::later_parts_follow_the_keyword_in_the_first",
        ],
    },
    never(S::ESME_RX_P_APPN),
    Row {
        key: S::ESME_RX_R_APPN,
        to_clients: "",
        to_carriers: "no rule names an account for the message, or a receipt cannot be read",
        tests: &["inbound::the_rules_say_whose_a_message_is", INBOUND],
    },
    clients(
        S::ESME_RQUERYFAIL,
        "no message of the account has this id and source",
        &["bridge/query::each_wrong_query_fails_by_its_own_status"],
    ),
    Row {
        key: S::ESME_RINVOPTPARSTREAM,
        to_clients: "an optional parameter runs past the PDU",
        to_carriers: "the same",
        tests: &[FIELDS, DELIVERED, CODEC],
    },
    never(S::ESME_ROPTPARNOTALLWD),
    Row {
        key: S::ESME_RINVPARLEN,
        to_clients: "an optional parameter that matters has a wrong size",
        to_carriers: "the same",
        tests: &[
            "bridge/parameters::a_wrong_size_is_refused_where_the_parameter_matters_and_else_is_not_looked_at",
            DELIVERED,
        ],
    },
    never(S::ESME_RMISSINGOPTPARAM),
    clients(
        S::ESME_RINVOPTPARAMVAL,
        "`sar_` parameters contradict each other or a user data header",
        &[FIELDS, "src/pdu/submit::contradictions_in_the_optional_parameters_are_refused"],
    ),
    never(S::ESME_RDELIVERYFAILURE),
    never(S::ESME_RUNKNOWNERR),
    never(UNNAMED[0]),
    clients(
        TRANSFER_REFUSED,
        "no carrier of the route may get the account's data",
        &[CIRCUMSTANCES, "sim/scenarios::an_objection_sends_messages_the_other_way_or_refuses_them"],
    ),
    clients(CONTENT_REFUSED, "the text has a word that a screen blocks", &[SCREENS]),
    clients(INFLATED_REFUSED, "the traffic looks artificially inflated, and its guard refuses such", &[GUARD]),
    clients(OPTED_OUT_REFUSED, "the recipient opted out of the account's messages", &[OPT_OUTS]),
];

/// What follows when a carrier answers a submit_sm with it, from the rules themselves, and the test of that.
pub(crate) fn of_a_carrier(status: CommandStatus) -> (String, &'static str) {
    if status == CommandStatus::ESME_ROK {
        return ("accepted".to_owned(), "sim/scenarios::a_message_goes_out_and_its_receipt_comes_back");
    }
    let next = |attempts| retry::next(Outcome::Status(status), attempts, 0, OnUnknown::Resend);
    match next(0) {
        Next::Throttle { .. } => (
            "carrier slowed down, message sent again".to_owned(),
            "src/policy/retry::throttling_slows_the_carrier_for_ever",
        ),
        Next::Retry { after, .. } => {
            let times = (0..=u8::MAX).take_while(|attempts| matches!(next(*attempts), Next::Retry { .. })).count();
            let test = match times {
                1 => "src/policy/retry::doubtful_statuses_are_retried_once",
                5 => "src/policy/retry::temporary_statuses_are_retried_five_times",
                _ => "src/policy/retry::a_full_queue_is_retried_for_a_day",
            };
            let again = if times == 1 { "once".to_owned() } else { format!("up to {times} times") };
            (format!("sent again {again}, first after {} s; then the next carrier", after.as_secs()), test)
        }
        Next::NextCarrier => ("the next carrier".to_owned(), "src/policy/retry::every_other_status_is_permanent"),
        Next::Final { state, .. } => {
            (format!("the end: {}", state.stat()), "src/policy/retry::every_other_status_is_permanent")
        }
    }
}

/// What follows when a client answers a deliver_sm with it.
pub(crate) fn of_a_client(status: CommandStatus) -> (&'static str, &'static str) {
    const TEST: &str = "src/policy/retry::a_refused_receipt_is_offered_again";
    if status == CommandStatus::ESME_ROK {
        return ("settled", "sim/scenarios::a_message_goes_out_and_its_receipt_comes_back");
    }
    match retry::receipt_retry(status, u8::MAX, 0) {
        Some(_) => ("offered again for as long as it is kept", TEST),
        None => ("offered twice more", TEST),
    }
}
