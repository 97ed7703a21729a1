"""A client system built on smpplib, as one would write it: binds, sends, reads answers and receipts.

Only drives the library; what must hold is checked by the tests that use it.
"""

import re
import socket
import ssl
import time

import smpplib.client
import smpplib.consts
import smpplib.gsm

TEXTS = {
    "GSM": "Hello from smpplib: @ £ ¥ { } [ ] € ~",
    "UCS-2": "Γειά σου, привет, 你好",
    "GSM in parts": "smpplib cuts this text into parts with a user data header. " * 5,
    "UCS-2 in parts": "эта часть длиннее, чем помещается в одно сообщение. " * 3,
}


class Esme:
    """One bind, or a transmitter with a receiver."""

    def __init__(self, port, authority=None, pair=False):
        context = None
        if authority:
            context = ssl.create_default_context(cafile=authority)
            # The library gives no server name to the handshake, so the name is checked here, after it.
            context.check_hostname = False
        kinds = ("receiver", "transmitter") if pair else ("transceiver",)
        self.clients, self.ids, self.receipts, self.bodies, self.mobile = [], {}, {}, {}, []
        for kind in kinds:
            client = smpplib.client.Client("127.0.0.1", port, ssl_context=context, allow_unknown_opt_params=True)
            client.set_message_sent_handler(self.sent)
            client.set_message_received_handler(self.received)
            client.connect()
            getattr(client, f"bind_{kind}")(system_id="acme", password="secret")
            self.clients.append(client)
        self.transmitter = self.clients[-1]
        self.version = self.transmitter._socket.version() if authority else None

    def sent(self, pdu):
        self.ids[pdu.sequence] = pdu.message_id.decode()

    def received(self, pdu):
        text = (pdu.short_message or b"").decode("latin-1")
        if pdu.esm_class & 0x3C == 0:
            self.mobile.append((pdu.source_addr.decode(), pdu.destination_addr.decode(), text))
            return
        found = dict(re.findall(r"(id|stat|err):(\S+)", text))
        found["tlv"] = (pdu.receipted_message_id or b"").rstrip(b"\0").decode()
        found["esm_class"] = pdu.esm_class
        self.receipts.setdefault(found.get("id"), []).append(found)

    def submit(self, text, to="4791234567"):
        """Sends a text in as many parts as it needs; returns the sequence numbers. `bodies` keeps what was sent."""
        parts, coding, esm_class = smpplib.gsm.make_parts(text)
        sequences = []
        for part in parts:
            pdu = self.transmitter.send_message(
                source_addr_ton=smpplib.consts.SMPP_TON_ALNUM,
                source_addr_npi=smpplib.consts.SMPP_NPI_UNK,
                source_addr="smpplib",
                dest_addr_ton=smpplib.consts.SMPP_TON_INTL,
                dest_addr_npi=smpplib.consts.SMPP_NPI_ISDN,
                destination_addr=to,
                short_message=part,
                data_coding=coding,
                esm_class=esm_class,
                registered_delivery=True,
            )
            sequences.append(pdu.sequence)
            self.bodies[pdu.sequence] = (part, coding, esm_class)
        return sequences

    def pump(self, done, seconds=15):
        """Reads until `done()` or the time is over; returns whether it came."""
        deadline = time.monotonic() + seconds
        while not done() and time.monotonic() < deadline:
            for client in self.clients:
                # OpenSSL may hold octets that the socket no longer shows as readable.
                pending = getattr(client._socket, "pending", lambda: 0)
                client._socket.settimeout(0.05)
                try:
                    client.poll()
                    while pending():
                        client.read_once(auto_send_enquire_link=False)
                except (TimeoutError, socket.timeout):
                    pass
                client._socket.settimeout(5)
            time.sleep(0.01)
        return done()

    def unbind(self):
        """Unbinds all; returns the commands and statuses answered."""
        answers = []
        for client in self.clients:
            answer = client.unbind()
            answers.append((answer.command, answer.status))
            client.state = smpplib.consts.SMPP_CLIENT_STATE_OPEN
            client.disconnect()
        return answers


def exchange(case, name, esme, to="4791234567"):
    """All texts, their answers and their receipts, then unbind; returns the ids by sequence number."""
    sequences = [sequence for text in TEXTS.values() for sequence in esme.submit(text, to)]
    count = len(sequences)
    esme.pump(lambda: len(esme.ids) == count and len(esme.receipts) >= count)
    ids = [esme.ids.get(sequence) for sequence in sequences]
    case.check(None not in ids and len(set(ids)) == count, f"{name}: {count} submit_sm_resp, each with its own id")
    case.check(set(esme.receipts) == set(ids), f"{name}: {count} receipts for these ids", len(esme.receipts))
    receipts = [one for group in esme.receipts.values() for one in group]
    right = [one for one in receipts if one["stat"] == "DELIVRD" and one["esm_class"] == 4 and one["tlv"] == one["id"]]
    case.check(len(right) == len(receipts) == count, f"{name}: DELIVRD, esm_class 4, the same id in text and TLV")
    answers = esme.unbind()
    case.check(all(answer == ("unbind_resp", 0) for answer in answers), f"{name}: unbind_resp", answers)
    return {sequence: esme.ids[sequence] for sequence in sequences}
