//! Every optional parameter: those of SMPP 3.4 §5.3.2, and those that 5.0 added.

use smppgate::pdu::Tag;

use crate::row::{Row, passed, unused, yes};

const BOTH_WAYS: &[&str] = &[
    "bridge/parameters::every_parameter_of_a_client_reaches_the_carrier_as_it_came",
    "bridge/parameters::every_parameter_of_a_message_from_a_handset_reaches_its_account",
    "bridge/parameters::a_wrong_size_is_refused_where_the_parameter_matters_and_else_is_not_looked_at",
];

const PARTS: &[&str] = &[
    "src/pdu/submit::contradictions_in_the_optional_parameters_are_refused",
    "src/pdu/sm::parts_are_known_by_their_header_or_by_their_parameters",
    "bridge/parameters::every_parameter_of_a_client_reaches_the_carrier_as_it_came",
];

const fn unread(key: Tag) -> Row<Tag> {
    Row { key, client: passed(""), carrier: passed(""), tests: BOTH_WAYS }
}

const fn part(key: Tag) -> Row<Tag> {
    Row {
        key,
        client: yes(
            "passed on; parts of one text are charged together and keep together; of a whole set of three, a contradiction or a user data header beside it is \
             ESME_RINVOPTPARAMVAL, an incomplete set is not looked at",
        ),
        carrier: yes("passed on; parts of one text go to the account of its first part, over one bind"),
        tests: PARTS,
    }
}

pub(crate) const ROWS: &[Row<Tag>] = &[
    unread(Tag::DEST_ADDR_SUBUNIT),
    unread(Tag::DEST_NETWORK_TYPE),
    unread(Tag::DEST_BEARER_TYPE),
    unread(Tag::DEST_TELEMATICS_ID),
    unread(Tag::SOURCE_ADDR_SUBUNIT),
    unread(Tag::SOURCE_NETWORK_TYPE),
    unread(Tag::SOURCE_BEARER_TYPE),
    unread(Tag::SOURCE_TELEMATICS_ID),
    Row {
        key: Tag::QOS_TIME_TO_LIVE,
        client: yes("in a data_sm the validity, and passed on; in a submit_sm passed on unread"),
        carrier: passed(""),
        tests: &[
            "bridge/data::a_time_to_live_is_the_validity",
            "bridge/parameters::every_parameter_of_a_message_from_a_handset_reaches_its_account",
        ],
    },
    unread(Tag::PAYLOAD_TYPE),
    Row {
        key: Tag::ADDITIONAL_STATUS_INFO_TEXT,
        client: passed("not sent in a data_sm_resp"),
        carrier: passed("not sent in a data_sm_resp"),
        tests: BOTH_WAYS,
    },
    Row {
        key: Tag::RECEIPTED_MESSAGE_ID,
        client: yes("sent in receipts from interface version 0x34 on; in a message passed on unread"),
        carrier: yes("makes a deliver_sm or data_sm a receipt, and is preferred to the id in its text"),
        tests: &[
            "bridge/parameters::the_parameters_of_a_receipt_win_over_its_text",
            "src/pdu/receipt::what_is_written_is_the_text_of_appendix_b_and_reads_back",
            "bridge/parameters::every_parameter_of_a_message_from_a_handset_reaches_its_account",
        ],
    },
    unread(Tag::MS_MSG_WAIT_FACILITIES),
    unread(Tag::PRIVACY_INDICATOR),
    unread(Tag::SOURCE_SUBADDRESS),
    unread(Tag::DEST_SUBADDRESS),
    Row {
        key: Tag::USER_MESSAGE_REFERENCE,
        client: passed("not repeated in the receipt"),
        carrier: passed("not looked at in a receipt"),
        tests: BOTH_WAYS,
    },
    unread(Tag::USER_RESPONSE_CODE),
    unread(Tag::SOURCE_PORT),
    unread(Tag::DESTINATION_PORT),
    part(Tag::SAR_MSG_REF_NUM),
    unread(Tag::LANGUAGE_INDICATOR),
    part(Tag::SAR_TOTAL_SEGMENTS),
    part(Tag::SAR_SEGMENT_SEQNUM),
    Row {
        key: Tag::SC_INTERFACE_VERSION,
        client: yes("sent in bind responses from interface version 0x34 on"),
        carrier: unused("a carrier's bind response is not read; in a message passed on unread"),
        tests: &[
            "bridge/parameters::a_client_of_3_4_is_told_the_version_and_an_older_one_is_not",
            "bridge/parameters::every_parameter_of_a_message_from_a_handset_reaches_its_account",
        ],
    },
    unread(Tag::CALLBACK_NUM_PRES_IND),
    unread(Tag::CALLBACK_NUM_ATAG),
    unread(Tag::NUMBER_OF_MESSAGES),
    unread(Tag::CALLBACK_NUM),
    Row {
        key: Tag::DPF_RESULT,
        client: passed("not sent in a data_sm_resp"),
        carrier: passed("not sent in a data_sm_resp"),
        tests: BOTH_WAYS,
    },
    Row {
        key: Tag::SET_DPF,
        client: yes("in a data_sm the wish for an alert_notification, and passed on; in a submit_sm passed on unread"),
        carrier: passed(""),
        tests: &[
            "bridge/notice::an_alert_goes_to_the_account_that_asked_and_once",
            "bridge/parameters::every_parameter_of_a_message_from_a_handset_reaches_its_account",
        ],
    },
    Row {
        key: Tag::MS_AVAILABILITY_STATUS,
        client: passed("sent in an alert_notification as the carrier wrote it"),
        carrier: passed("in an alert_notification, to the account that asked"),
        tests: &["bridge/notice::an_alert_goes_to_the_account_that_asked_and_once", BOTH_WAYS[0], BOTH_WAYS[1]],
    },
    Row {
        key: Tag::NETWORK_ERROR_CODE,
        client: passed("not sent in receipts: `err` in their text tells the error"),
        carrier: yes("in a receipt the error, where the text has none; three octets or digits"),
        tests: &[
            "bridge/parameters::the_parameters_of_a_receipt_win_over_its_text",
            "src/pdu/receipt::network_errors_of_every_form_are_read",
            "bridge/parameters::every_parameter_of_a_client_reaches_the_carrier_as_it_came",
        ],
    },
    Row {
        key: Tag::MESSAGE_PAYLOAD,
        client: yes(
            "the text, up to 64 kB in one PDU; passed on whole, or cut into parts where a carrier of the route does not \
                     take it; beside a short_message it is ESME_RINVMSGLEN",
        ),
        carrier: yes(
            "the text; below interface version 0x34 one of up to 254 octets becomes the short_message, and other \
             parameters are left out",
        ),
        tests: &[
            "src/pdu/submit::contradictions_in_the_optional_parameters_are_refused",
            "bridge/data::a_data_sm_goes_to_the_carrier_as_the_message_it_is",
            "bridge/whole::a_text_is_cut_by_its_coding_and_has_one_id_and_one_receipt",
            "inbound::a_data_sm_arrives_as_a_deliver_sm_and_a_client_of_3_3_gets_no_tlvs",
        ],
    },
    Row {
        key: Tag::DELIVERY_FAILURE_REASON,
        client: passed("not sent in a data_sm_resp"),
        carrier: passed("not sent in a data_sm_resp"),
        tests: BOTH_WAYS,
    },
    unread(Tag::MORE_MESSAGES_TO_SEND),
    Row {
        key: Tag::MESSAGE_STATE,
        client: yes("sent in receipts from interface version 0x34 on; in a message passed on unread"),
        carrier: yes("makes a deliver_sm or data_sm a receipt, and is preferred to the state in its text"),
        tests: &[
            "bridge/parameters::the_parameters_of_a_receipt_win_over_its_text",
            "src/pdu/receipt::what_is_written_is_the_text_of_appendix_b_and_reads_back",
            "bridge/parameters::every_parameter_of_a_message_from_a_handset_reaches_its_account",
        ],
    },
    Row {
        key: Tag::CONGESTION_STATE,
        client: passed("not sent in responses"),
        carrier: passed("not looked at in responses"),
        tests: BOTH_WAYS,
    },
    unread(Tag::USSD_SERVICE_OP),
    unread(Tag::BROADCAST_CHANNEL_INDICATOR),
    unread(Tag::BROADCAST_CONTENT_TYPE),
    unread(Tag::BROADCAST_CONTENT_TYPE_INFO),
    unread(Tag::BROADCAST_MESSAGE_CLASS),
    unread(Tag::BROADCAST_REP_NUM),
    unread(Tag::BROADCAST_FREQUENCY_INTERVAL),
    unread(Tag::BROADCAST_AREA_IDENTIFIER),
    unread(Tag::BROADCAST_ERROR_STATUS),
    unread(Tag::BROADCAST_AREA_SUCCESS),
    unread(Tag::BROADCAST_END_TIME),
    unread(Tag::BROADCAST_SERVICE_GROUP),
    unread(Tag::BILLING_IDENTIFICATION),
    unread(Tag::SOURCE_NETWORK_ID),
    unread(Tag::DEST_NETWORK_ID),
    unread(Tag::SOURCE_NODE_ID),
    unread(Tag::DEST_NODE_ID),
    unread(Tag::DEST_ADDR_NP_RESOLUTION),
    unread(Tag::DEST_ADDR_NP_INFORMATION),
    unread(Tag::DEST_ADDR_NP_COUNTRY),
    unread(Tag::DISPLAY_TIME),
    unread(Tag::SMS_SIGNAL),
    unread(Tag::MS_VALIDITY),
    unread(Tag::ALERT_ON_MESSAGE_DELIVERY),
    unread(Tag::ITS_REPLY_TYPE),
    unread(Tag::ITS_SESSION_INFO),
    Row {
        key: ANY_OTHER,
        client: passed(""),
        carrier: passed(""),
        tests: &[
            "bridge/lanes::what_smppgate_does_not_act_on_is_passed_on_as_it_is",
            "inbound::everything_the_carrier_said_is_passed_on",
        ],
    },
];

/// Stands for all tags without a name.
pub(crate) const ANY_OTHER: Tag = Tag(0x1400);
