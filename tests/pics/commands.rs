//! Every PDU of SMPP 3.4 §4.

use smppgate::pdu::{CommandId, CommandStatus};

use crate::row::{Row, refused, unused, yes};

const WRONG_STATE: CommandStatus = CommandStatus::ESME_RINVBNDSTS;
const ASKED_NOBODY: &str = "counted and dropped";
const SENT_AND_TAKEN: &str = "sent and answered";

pub(crate) const ROWS: &[Row<CommandId>] = &[
    Row {
        key: CommandId::BIND_TRANSMITTER,
        client: yes(
            "decided by password, network and number of binds; `system_type`, `addr_ton`, `addr_npi` and `address_range` \
             are checked for size and not used",
        ),
        carrier: yes("sent by half of the links where the carrier's `bind` is \"transmitter+receiver\""),
        tests: &[
            "links/admission::a_malformed_bind_gets_the_status_of_its_field",
            "links/admission::wrong_passwords_unknown_names_and_foreign_addresses_look_alike",
            "session/matrix::every_reaction_is_the_references",
        ],
    },
    Row {
        key: CommandId::BIND_TRANSMITTER_RESP,
        client: yes("with `system_id`; a refusal is a header only"),
        carrier: yes("its status counts, its body is not read"),
        tests: &[
            "links/admission::a_malformed_bind_gets_the_status_of_its_field",
            "session/conversation::a_response_of_another_kind_does_not_bind",
        ],
    },
    Row {
        key: CommandId::BIND_RECEIVER,
        client: yes("as bind_transmitter"),
        carrier: yes("sent by the other half of such links"),
        tests: &[
            "bridge/refusals::an_account_has_as_many_binds_as_it_may_and_none_during_a_stop",
            "session/conversation::a_second_bind_is_told_that_the_first_holds",
        ],
    },
    Row {
        key: CommandId::BIND_RECEIVER_RESP,
        client: yes("as bind_transmitter_resp"),
        carrier: yes("as bind_transmitter_resp"),
        tests: &[
            "bridge/refusals::an_account_has_as_many_binds_as_it_may_and_none_during_a_stop",
            "session/matrix::the_table_is_the_specifications",
        ],
    },
    Row {
        key: CommandId::BIND_TRANSCEIVER,
        client: yes("as bind_transmitter"),
        carrier: yes("sent by every link, unless the carrier's `bind` says otherwise"),
        tests: &[
            "session/conversation::a_bind_waits_for_its_decision_and_opens_the_session",
            "links/carrier::a_carrier_is_bound_and_what_follows_its_answer_is_not_lost",
        ],
    },
    Row {
        key: CommandId::BIND_TRANSCEIVER_RESP,
        client: yes("as bind_transmitter_resp"),
        carrier: yes("as bind_transmitter_resp"),
        tests: &[
            "session/conversation::a_carriers_acceptance_opens_the_session",
            "session/conversation::a_bind_response_from_a_client_system_is_dropped",
        ],
    },
    Row {
        key: CommandId::OUTBIND,
        client: refused(WRONG_STATE, "by generic_nack; not sent: smppgate dials no client"),
        carrier: refused(WRONG_STATE, "by generic_nack; before our bind is answered the link closes without a word"),
        tests: &[
            "session/conversation::what_has_no_response_is_nacked_with_its_number",
            "session/conversation::an_unwelcome_outbind_closes_without_a_word",
        ],
    },
    Row {
        key: CommandId::UNBIND,
        client: yes("answered behind the last answer under way; sent at a stop, after inactivity, or by an operator"),
        carrier: yes("the same"),
        tests: &[
            "session/parcels::the_peers_unbind_is_answered_behind_the_last_answer",
            "session/parcels::our_unbind_waits_for_our_requests_and_then_for_its_answer",
        ],
    },
    Row {
        key: CommandId::UNBIND_RESP,
        client: yes(SENT_AND_TAKEN),
        carrier: yes(SENT_AND_TAKEN),
        tests: &[
            "session/parcels::two_unbinds_that_cross_answer_each_other",
            "session/parcels::an_unanswered_unbind_closes_after_ten_seconds",
        ],
    },
    Row {
        key: CommandId::SUBMIT_SM,
        client: yes("one message, on disk before it is answered"),
        carrier: yes("sent; one from a carrier is refused with ESME_RINVBNDSTS"),
        tests: &[
            "sim/scenarios::a_message_goes_out_and_its_receipt_comes_back",
            "bridge/refusals::each_field_of_a_submit_sm_fails_by_its_own_status",
            "session/conversation::a_carrier_that_submits_is_refused",
        ],
    },
    Row {
        key: CommandId::SUBMIT_SM_RESP,
        client: yes("with `message_id`: decimal, or eight hexadecimal digits below interface version 0x34"),
        carrier: yes("its id is remembered for the receipt; a body is optional with any status"),
        tests: &[
            "bridge/query::a_message_is_followed_from_its_acceptance_into_the_archive",
            "session/conversation::an_error_response_keeps_whatever_body_it_has",
            "pdu_properties::a_response_keeps_its_id",
        ],
    },
    Row {
        key: CommandId::SUBMIT_MULTI,
        client: yes("a message for each recipient; distribution lists are refused with ESME_RCNTSUBDL"),
        carrier: refused(WRONG_STATE, "not sent: each recipient's message is a submit_sm"),
        tests: &[
            "bridge/multi::each_recipient_has_a_message_and_a_receipt_under_the_one_id",
            "bridge/multi::each_wrong_submit_multi_fails_by_its_own_status",
        ],
    },
    Row {
        key: CommandId::SUBMIT_MULTI_RESP,
        client: yes("one id for all, with `unsuccess_sme`"),
        carrier: unused(ASKED_NOBODY),
        tests: &[
            "bridge/multi::each_recipient_has_a_message_and_a_receipt_under_the_one_id",
            "session/conversation::unasked_responses_are_dropped_however_many",
        ],
    },
    Row {
        key: CommandId::DELIVER_SM,
        client: yes(
            "sent: receipts (`esm_class` 0x04), notices of states in between (0x20), messages from handsets; one from a \
             client is refused with ESME_RINVBNDSTS",
        ),
        carrier: yes(
            "receipts and messages from handsets, on disk before they are answered; on a transmitter bind, too",
        ),
        tests: &[
            "inbound::everything_the_carrier_said_is_passed_on",
            "bridge/notice::a_state_before_the_final_one_is_told_to_who_asked",
            "session/conversation::a_deliver_sm_from_a_client_system_is_refused",
            "session/conversation::a_delivery_on_a_transmitter_bind_is_taken_all_the_same",
        ],
    },
    Row {
        key: CommandId::DELIVER_SM_RESP,
        client: yes("ends the receipt or message, or has it offered again, as its status says"),
        carrier: yes("with an empty `message_id`"),
        tests: &[
            "inbound::a_client_that_is_not_ready_gets_it_later_and_one_that_refuses_thrice_does_not",
            "src/policy/retry::a_refused_receipt_is_offered_again",
            "inbound::what_cannot_be_taken_now_is_asked_for_again",
        ],
    },
    Row {
        key: CommandId::DATA_SM,
        client: yes(
            "taken as the submit_sm it stands for, addresses of more than 20 characters refused; not sent: what comes as \
             data_sm is passed on as deliver_sm",
        ),
        carrier: yes(
            "taken as the deliver_sm it stands for; not sent: what comes as data_sm is passed on as submit_sm",
        ),
        tests: &[
            "bridge/data::a_data_sm_goes_to_the_carrier_as_the_message_it_is",
            "bridge/data::each_field_of_a_data_sm_fails_by_its_own_status",
            "inbound::a_data_sm_arrives_as_a_deliver_sm_and_a_client_of_3_3_gets_no_tlvs",
        ],
    },
    Row {
        key: CommandId::DATA_SM_RESP,
        client: yes("with `message_id`, without optional parameters"),
        carrier: yes("with an empty `message_id`, without optional parameters"),
        tests: &["bridge/data::a_data_sm_goes_to_the_carrier_as_the_message_it_is"],
    },
    Row {
        key: CommandId::QUERY_SM,
        client: yes("answered from memory or from the archive"),
        carrier: refused(WRONG_STATE, "not sent"),
        tests: &[
            "bridge/query::a_message_is_followed_from_its_acceptance_into_the_archive",
            "bridge/query::each_wrong_query_fails_by_its_own_status",
            "session/matrix::every_reaction_is_the_references",
        ],
    },
    Row {
        key: CommandId::QUERY_SM_RESP,
        client: yes("`final_date` in UTC; an error above 255 is told as 255"),
        carrier: unused(ASKED_NOBODY),
        tests: &[
            "bridge/query::the_archive_answers_for_what_is_settled",
            "session/matrix::every_reaction_is_the_references",
        ],
    },
    Row {
        key: CommandId::CANCEL_SM,
        client: yes("what waits here, by id or by addresses; what a carrier has is out of reach"),
        carrier: refused(WRONG_STATE, "not sent"),
        tests: &[
            "bridge/cancel::each_wrong_cancel_fails_by_its_own_status",
            "bridge/cancel::all_messages_between_two_addresses_are_cancelled",
            "sim/scenarios::what_is_cancelled_stays_so_across_a_crash_and_what_has_left_is_not_cancelled",
        ],
    },
    Row {
        key: CommandId::CANCEL_SM_RESP,
        client: yes("once the end is on disk"),
        carrier: unused(ASKED_NOBODY),
        tests: &[
            "bridge/cancel::a_message_that_waits_is_deleted_with_its_receipt_and_never_leaves",
            "session/matrix::every_reaction_is_the_references",
        ],
    },
    Row {
        key: CommandId::REPLACE_SM,
        client: yes("what waits here; `message_payload` counts as the text, as in 5.0"),
        carrier: refused(WRONG_STATE, "not sent"),
        tests: &[
            "bridge/replace::each_wrong_replace_fails_by_its_own_status",
            "bridge/replace::a_new_text_may_come_as_a_payload",
            "bridge/replace::the_new_text_leaves_under_the_old_id",
            "sim/scenarios::what_is_replaced_leaves_as_it_became_across_a_crash",
        ],
    },
    Row {
        key: CommandId::REPLACE_SM_RESP,
        client: yes("once the new message is on disk"),
        carrier: unused(ASKED_NOBODY),
        tests: &[
            "bridge/replace::the_new_text_leaves_under_the_old_id",
            "session/matrix::every_reaction_is_the_references",
        ],
    },
    Row {
        key: CommandId::ENQUIRE_LINK,
        client: yes("answered in every state; sent into silence"),
        carrier: yes("the same"),
        tests: &[
            "session/conversation::an_enquire_link_is_answered_in_every_state_with_its_number",
            "session/timers::silence_is_asked_about_twice_and_then_is_death",
        ],
    },
    Row {
        key: CommandId::ENQUIRE_LINK_RESP,
        client: yes("any is as good as any other, for some peers echo a wrong number"),
        carrier: yes("the same"),
        tests: &[
            "session/timers::an_answer_with_a_wrong_number_is_an_answer",
            "session/conversation::an_enquire_link_resp_with_a_requests_number_completes_nothing",
        ],
    },
    Row {
        key: CommandId::ALERT_NOTIFICATION,
        client: yes(
            "sent to a bind of the account that asked with `set_dpf`, once and not kept; one from a client is nacked with \
             ESME_RINVBNDSTS",
        ),
        carrier: yes("passed on to who asked; one that nobody asked for is counted and dropped"),
        tests: &[
            "bridge/notice::an_alert_goes_to_the_account_that_asked_and_once",
            "bridge/notice::an_alert_for_nobody_is_counted_and_dropped",
            "session/conversation::what_has_no_response_is_nacked_with_its_number",
        ],
    },
    Row {
        key: CommandId::GENERIC_NACK,
        client: yes(
            "sent for an unknown command, for lost framing, and for what has no response; one that comes answers the \
             request of its number, and three of unknown numbers in a minute end in an unbind",
        ),
        carrier: yes("the same; one that comes while our bind is out refuses the bind, whatever its number"),
        tests: &[
            "session/conversation::unknown_commands_are_nacked_and_unknown_responses_dropped",
            "session/conversation::lost_framing_is_nacked_with_zero_and_closes",
            "session/conversation::a_nack_completes_its_request_with_its_status",
            "session/conversation::three_unknown_nacks_in_a_minute_end_in_an_unbind",
            "session/conversation::a_nacked_bind_fails_at_once_whatever_the_number",
        ],
    },
];
