#!/usr/bin/env python3
"""What real clients and carriers do that SMPP 3.4 does not say: each habit is played by a scripted peer, octet by octet,
and must cost neither the session nor a message.

The peers here are sockets and nothing else, so that no library on either side mends what is sent.
"""

import re
import signal
import socket
import struct

import rig
import smpp
from smpp import DELIVER_SM, ENQUIRE_LINK, GENERIC_NACK, RESPONSE, SUBMIT_SM, TRANSCEIVER, UNBIND, Wire, pdu

RECEIVER, TRANSMITTER, QUERY_SM, ALERT, DATA_SM = 1, 2, 3, 0x102, 0x103
SUBMIT_RESP, DELIVER_RESP = RESPONSE | SUBMIT_SM, RESPONSE | DELIVER_SM
RECEIPTED_ID, STATE, NETWORK_ERROR, PAYLOAD = 0x1E, 0x427, 0x423, 0x424
SHORT = 0.5


def test(case):
    smsc = Smsc()
    accounts = [
        {"system_id": "acme", "password": "secret", "max_binds": 20},
        {"system_id": "long", "password": "a password of 27 characters"},
    ]
    carrier = {"name": "fjord", "address": f"127.0.0.1:{smsc.port}", "system_id": "smppgate", "password": "secret"}
    carrier |= {"links": 1, "enquire_link": "1s"}
    gateway = rig.Gateway(case, [carrier], account=accounts, session={"drain": "2s", "response_timeout": "4s"})
    gateway.start(wait_ready=False)
    scene = Scene(case, gateway, smsc)
    for play in (binding, greeting, answering, receipts, ids, clients, fields, endings):
        play(scene)
    case.note(f"{len(scene.quirks)} quirks")
    case.check(len(scene.quirks) >= 40, "at least 40 quirks were played", len(scene.quirks))
    gateway.process.child.send_signal(signal.SIGTERM)
    scene.carrier.read_for(UNBIND)
    scene.quirk(18, gateway.process.join(30) == 0, "a carrier never answers unbind: the gateway ends by itself")


class Smsc:
    """A listening socket; each link is played by the test."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(30)
        self.port = self.listener.getsockname()[1]

    def called(self):
        """The next link, and the request that opens it."""
        link = Link(self.listener.accept()[0])
        return link, link.read()

    def bound(self, body=b"fjord\0"):
        link, (command, _, sequence, _) = self.called()
        link.send(pdu(RESPONSE | command, body, sequence))
        return link


class Link(Wire):
    """A connection whose other end is the gateway; its `enquire_link` is answered unless that is what is looked for."""

    def __init__(self, taken):
        self.socket, self.octets = taken, b""
        taken.settimeout(10)

    @classmethod
    def client(cls, port, **how):
        link = cls(socket.create_connection(("127.0.0.1", port), 10))
        link.send(bind(**how))
        return link, link.read()

    def read_for(self, *commands):
        """The next PDU of these kinds."""
        while True:
            got = self.read()
            if got is None or got[0] in commands:
                return got
            if got[0] == ENQUIRE_LINK:
                self.send(pdu(RESPONSE | ENQUIRE_LINK, sequence=got[2]))

    def quiet(self, *commands):
        """Whether none of these comes for a moment."""
        self.socket.settimeout(SHORT)
        try:
            return self.read_for(*commands) is None
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(10)

    def alive(self):
        self.send(pdu(ENQUIRE_LINK, sequence=77))
        return self.read_for(RESPONSE | ENQUIRE_LINK) is not None


def text(value):
    return value.encode() if isinstance(value, str) else value


def bind(name="acme", password="secret", command=TRANSCEIVER, version=0x34, tail=b"\0\0\0"):
    return pdu(command, text(name) + b"\0" + text(password) + b"\0\0" + bytes([version]) + tail)


def address(digits, ton=1, npi=1):
    return bytes([ton, npi]) + text(digits) + b"\0"


def tlv(tag, value):
    return struct.pack(">HH", tag, len(value)) + value


def body(words=b"hello", to="4791234567", source=None, service="", esm=0, receipt=1, dcs=0, validity="", tlvs=b""):
    """The body of a submit_sm or deliver_sm."""
    source = address("Brand", 5, 0) if source is None else source
    to = address(to) if isinstance(to, str) else to
    head = text(service) + b"\0" + source + to + bytes([esm, 0, 0]) + b"\0" + text(validity) + b"\0"
    return head + bytes([receipt, 0, dcs, 0, len(words)]) + words + tlvs


def receipt_text(ident, state="DELIVRD", more=" sub:001 dlvrd:001", dates="2611241200", err="000"):
    return f"id:{ident}{more} submit date:{dates} done date:{dates} stat:{state} err:{err} text:".encode()


def receipt(words=b"", esm=4, dcs=0, tlvs=b""):
    return body(words, to=address("Brand", 5, 0), source=address("4791234567"), esm=esm, dcs=dcs, receipt=0, tlvs=tlvs)


class Scene:
    """The gateway between a scripted client and a scripted carrier."""

    def __init__(self, case, gateway, smsc):
        self.case, self.gateway, self.smsc = case, gateway, smsc
        self.quirks, self.sequence, self.number = set(), 100, 5000
        self.carrier = self.client = None

    def quirk(self, number, holds, what, detail=""):
        self.quirks.add(number)
        self.case.check(holds, f"quirk {number}: {what}", "" if holds else detail)

    def next(self):
        self.sequence += 1
        return self.sequence

    def fresh(self):
        """An id that no message of the carrier had before."""
        self.number += 7
        return str(self.number)

    def submit(self, octets=None, client=None, **how):
        """Sends one message; the answer to it."""
        client = client or self.client
        sequence = self.next()
        client.send(pdu(SUBMIT_SM, body(**how) if octets is None else octets, sequence))
        answer = client.read_for(SUBMIT_RESP, GENERIC_NACK)
        assert answer and answer[2] == sequence, f"answer {answer} to {sequence}"
        return answer

    def forwarded(self):
        """The message as the carrier gets it: sequence_number and body."""
        got = self.carrier.read_for(SUBMIT_SM)
        return got[2], got[3]

    def sent(self, ident=None, **how):
        """A message that the carrier takes; the id the client knows it by."""
        answer = self.submit(**how)
        assert answer[1] == 0, f"refused with {answer[1]:#x}"
        sequence, _ = self.forwarded()
        if ident is not None:
            self.carrier.send(pdu(SUBMIT_RESP, text(ident) + b"\0", sequence))
        return answer[3].rstrip(b"\0"), sequence

    def report(self, octets, command=DELIVER_SM):
        """The carrier sends a receipt; the status of the gateway's answer."""
        sequence = self.next()
        self.carrier.send(pdu(command, octets, sequence))
        return self.carrier.read_for(RESPONSE | command, GENERIC_NACK)[1]

    def told(self, ident, state="DELIVRD", client=None):
        """Whether the client gets the receipt of its message, and answers it."""
        client = client or self.client
        got = client.read_for(DELIVER_SM)
        client.send(pdu(DELIVER_RESP, b"\0", got[2]))
        words = got[3].decode("latin-1")
        return f"id:{ident.decode()} " in words and f"stat:{state}" in words

    def receipted(self, number, what, octets, ident, state="DELIVRD", command=DELIVER_SM):
        """A message whose receipt the carrier writes in its own way."""
        known, _ = self.sent(ident)
        status = self.report(octets, command)
        self.quirk(number, status == 0 and self.told(known, state), what, f"{status:#x}")


def binding(scene):
    """The carrier's side of a bind."""
    link, (command, _, sequence, _) = scene.smsc.called()
    link.send(pdu(RESPONSE | command, b"fjord\0" + tlv(0x210, b"\x34"), sequence, status=0x08))
    scene.quirk(3, link.read_for() is None, "a refused bind brings a body: it is a refusal, and dialled again")
    link, (command, _, sequence, _) = scene.smsc.called()
    link.send(pdu(GENERIC_NACK, status=3))
    scene.quirk(26, link.read_for() is None, "generic_nack answers a bind: refused at once, and dialled again")
    scene.carrier = scene.smsc.bound(b"\0")
    rig.wait("the carrier is bound", lambda: scene.gateway.ready()[0] == 200)
    scene.quirk(11, True, "bind_resp without sc_interface_version: bound")


def greeting(scene):
    """The client's side of a bind."""
    port = scene.gateway.smpp
    early = Link(socket.create_connection(("127.0.0.1", port), 10))
    early.send(pdu(ENQUIRE_LINK, sequence=4))
    scene.quirk(19, early.read()[:3] == (RESPONSE | ENQUIRE_LINK, 0, 4), "enquire_link before the bind is answered")
    early.close()
    for number, what, how in (
        (12, "interface_version 0x50: bound", {"version": 0x50}),
        (28, "a password of 27 octets: bound", {"name": "long", "password": "a password of 27 characters"}),
        (30, "the last NUL is missing: bound", {"tail": b"\0\0"}),
        (75, "an address_range that is no expression: bound", {"tail": b"\1\1*[(\0"}),
    ):
        link, answer = Link.client(port, **how)
        scene.quirk(number, answer and answer[1] == 0, what, answer)
        link.close()
    link, answer = Link.client(port, name="a system_id of more than fifteen octets")
    refused = answer is not None and answer[0] == RESPONSE | TRANSCEIVER and answer[1] != 0
    scene.quirk(29, refused, "a system_id of 39 octets is compared whole, and refused by a bind_resp", answer)
    for octets in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + bytes(40), b"\r\n" * 10):
        stranger = Wire(port)
        stranger.send(octets)
        scene.quirk(65, stranger.closed_within(8) is not None, "octets that are no SMPP: closed", octets[:8])
    scene.client, answer = Link.client(port)
    assert answer[1] == 0


def answering(scene):
    """How the carrier answers a submit_sm."""
    for number, what, tail in ((1, "with an id", b"4711\0"), (2, "of 17 octets", b"\0")):
        known, sequence = scene.sent()
        scene.carrier.send(pdu(SUBMIT_RESP, tail, sequence, status=0x0B))
        scene.quirk(number, settled(scene, known), f"an error answer {what} is an error")
    known, sequence = scene.sent()
    scene.carrier.send(pdu(GENERIC_NACK, sequence=sequence, status=3))
    scene.quirk(25, settled(scene, known), "generic_nack answers a submit_sm: that request is over")
    known, sequence = scene.sent()
    scene.carrier.send(pdu(SUBMIT_RESP, b"", sequence, status=0x480))
    scene.quirk(27, settled(scene, known), "a status that nobody knows is a failure like others")
    ident = scene.fresh()
    known, sequence = scene.sent()
    scene.carrier.send(pdu(SUBMIT_RESP, ident.encode() + b"\0" + tlv(0x428, b"\1"), sequence))
    scene.report(receipt(receipt_text(ident)))
    scene.quirk(7, scene.told(known), "an answer with a TLV of SMPP 5.0: the id is read")
    known, sequence = scene.sent()
    scene.carrier.send(pdu(SUBMIT_RESP, b"", sequence))
    scene.quirk(6, scene.carrier.alive() and scene.client.quiet(DELIVER_SM), "an answer without an id: taken, nothing made up")
    got = scene.carrier.read_for(ENQUIRE_LINK) or [0] * 3
    scene.carrier.send(pdu(RESPONSE | ENQUIRE_LINK, b"\0", got[2]))
    got = scene.carrier.read()
    while got[0] != ENQUIRE_LINK:
        got = scene.carrier.read()
    scene.quirk(5, got[0] == ENQUIRE_LINK, "enquire_link_resp of 17 octets: no nack, and asked again later", got)
    scene.carrier.send(pdu(RESPONSE | ENQUIRE_LINK, sequence=got[2] + 5000))
    got = scene.carrier.read()
    scene.quirk(21, got is not None and got[0] == ENQUIRE_LINK, "enquire_link_resp of a wrong sequence: the peer lives", got)
    scene.carrier.send(pdu(RESPONSE | ENQUIRE_LINK, sequence=got[2]))


def settled(scene, known):
    """Whether the client is told that its message failed, in whatever words."""
    got = scene.client.read_for(DELIVER_SM)
    scene.client.send(pdu(DELIVER_RESP, b"\0", got[2]))
    return f"id:{known.decode()} ".encode() in got[3] and re.search(rb"stat:(REJECTD|UNDELIV)", got[3]) is not None


def receipts(scene):
    """How the carrier writes receipts."""
    plays = [
        (35, "neither counts nor dates nor text", lambda i: receipt(f"id:{i} stat:DELIVRD".encode())),
        (36, "dates of 12 digits", lambda i: receipt(receipt_text(i, dates="261124120000"))),
        (36, "dates of 14 digits", lambda i: receipt(receipt_text(i, dates="20261124120000"))),
        (37, "err of letters", lambda i: receipt(receipt_text(i, err="E:4"))),
        (37, "err of one digit", lambda i: receipt(receipt_text(i, err="0"))),
        (37, "err of four digits", lambda i: receipt(receipt_text(i, err="0000"))),
        (43, "network_error_code in ASCII", lambda i: receipt(receipt_text(i), tlvs=tlv(NETWORK_ERROR, b"000"))),
        (43, "network_error_code of 4 octets", lambda i: receipt(receipt_text(i), tlvs=tlv(NETWORK_ERROR, b"\3\0\0\0"))),
        (48, "receipted_message_id without NUL", lambda i: receipt(tlvs=tlv(RECEIPTED_ID, i.encode()) + tlv(STATE, b"\2"))),
        (48, "receipted_message_id with two", lambda i: receipt(tlvs=tlv(RECEIPTED_ID, i.encode() + b"\0\0") + tlv(STATE, b"\2"))),
        (49, "TLVs that belong to data_sm", lambda i: receipt(receipt_text(i), tlvs=tlv(0x0E, b"\1") + tlv(0x06, b"\1"))),
        (55, "written in UCS-2", lambda i: receipt(receipt_text(i).decode().encode("utf-16-be")[:254], dcs=8)),
        (50, "TLVs of a vendor", lambda i: receipt(receipt_text(i), tlvs=tlv(0x1400, b"24201") + tlv(0x3177, b"x"))),
        (73, "a validity in a deliver_sm", lambda i: receipt(receipt_text(i)).replace(b"\4\0\0\0\0", b"\4\0\0\0nonsense\0")),
        (47, "zeros at the end", lambda i: receipt(receipt_text(i)) + bytes(7)),
        (46, "two octets too many", lambda i: receipt(receipt_text(i)) + b"\1\2"),
    ]
    for number, what, make in plays:
        ident = scene.fresh()
        scene.receipted(number, f"a receipt: {what}", make(ident), ident)
    ident = scene.fresh()
    data = b"\0" + address("4791234567") + address("Brand", 5, 0) + bytes([4, 0, 0])
    data += tlv(RECEIPTED_ID, ident.encode() + b"\0") + tlv(STATE, b"\2") + tlv(PAYLOAD, receipt_text(ident))
    scene.receipted(38, "a receipt in a data_sm", data, ident, command=DATA_SM)
    ident = scene.fresh()
    known, _ = scene.sent(ident)
    scene.report(receipt(receipt_text(ident, "ACCEPTD")))
    quiet = scene.client.quiet(DELIVER_SM)
    scene.report(receipt(receipt_text(ident)))
    scene.quirk(39, quiet and scene.told(known), "a receipt of ACCEPTD comes first: not the end")
    ident = scene.fresh()
    known, sequence = scene.sent()
    scene.report(receipt(receipt_text(ident)))
    quiet = scene.client.quiet(DELIVER_SM)
    scene.carrier.send(pdu(SUBMIT_RESP, ident.encode() + b"\0", sequence))
    scene.quirk(42, quiet and scene.told(known), "a receipt overtakes the answer to its message")
    ident = scene.fresh()
    known, _ = scene.sent(ident)
    same = [scene.report(receipt(receipt_text(ident))) for _ in range(3)]
    once = scene.told(known) and scene.client.quiet(DELIVER_SM)
    scene.quirk(44, same == [0] * 3 and once, "a receipt comes three times: acknowledged each time, told once")
    ident = scene.fresh()
    known, sequence = scene.sent()
    scene.carrier.send(pdu(SUBMIT_RESP, ident.encode() + b"\0", sequence, status=0x0B))
    refused = settled(scene, known)
    status = scene.report(receipt(receipt_text(ident)))
    quiet = scene.client.quiet(DELIVER_SM)
    scene.quirk(41, refused and status == 0 and quiet, "a receipt for a message that was refused: taken, nothing follows")
    scene.carrier.send(pdu(ALERT, address("4791234567") + address("Brand", 5, 0) + b"\0", scene.next()))
    scene.quirk(78, scene.carrier.alive(), "alert_notification with an octet instead of a TLV")


def ids(scene):
    """How ids differ between an answer and a receipt."""
    big = 3_000_000_000
    pairs = [
        (33, "hexadecimal in the answer, decimal in the receipt", f"{big + 1:X}", f"{big + 1}"),
        (33, "decimal in the answer, hexadecimal in the receipt", f"{big + 2}", f"{big + 2:x}"),
        (33, "leading zeros in the receipt", "81231", "0000081231"),
        (33, "leading zeros in the answer", "0000081237", "81237"),
        (33, "another case in the receipt", "ABCDEF-77", "abcdef-77"),
        (34, "a negative number of 32 bits in the receipt", f"{big + 3}", f"{big + 3 - (1 << 32)}"),
        (32, "200 octets", "x" * 200, "x" * 200),
    ]
    for number, what, answer, report in pairs:
        octets = receipt(tlvs=tlv(RECEIPTED_ID, report.encode() + b"\0") + tlv(STATE, b"\2"))
        scene.receipted(number, f"an id: {what}", octets, answer)


def clients(scene):
    """Clients with habits."""
    port, client = scene.gateway.smpp, scene.client
    for number, what, words in (
        (8, "header only", b""),
        (9, "with an id", b"4711\0"),
    ):
        ident = scene.fresh()
        known, _ = scene.sent(ident)
        scene.report(receipt(receipt_text(ident)))
        got = client.read_for(DELIVER_SM)
        client.send(pdu(DELIVER_RESP, words, got[2]))
        scene.quirk(number, client.quiet(DELIVER_SM), f"deliver_sm_resp {what}: settled")
    for sequence in (0, 0x80000001, 0xFFFFFFFF):
        client.send(pdu(ENQUIRE_LINK, sequence=sequence))
        got = client.read_for(RESPONSE | ENQUIRE_LINK)
        scene.quirk(23, got[1:3] == (0, sequence), f"sequence_number {sequence:#x} is echoed", got)
    client.send(pdu(SUBMIT_SM, body(b"one"), 1) + pdu(SUBMIT_SM, body(b"two"), 1))
    answers = [client.read_for(SUBMIT_RESP) for _ in range(2)]
    both = [answer[1:3] for answer in answers] == [(0, 1)] * 2 and answers[0][3] != answers[1][3]
    forwarded = [scene.forwarded() for _ in range(2)]
    scene.quirk(24, both, "two requests of one sequence_number: both are answered", answers)
    for sequence, _ in forwarded:
        scene.carrier.send(pdu(SUBMIT_RESP, scene.fresh().encode() + b"\0", sequence))
    client.send(pdu(ENQUIRE_LINK, b"\0", 9))
    scene.quirk(5, client.read_for(RESPONSE | ENQUIRE_LINK)[1:3] == (0, 9), "enquire_link of 17 octets is answered")
    octets = pdu(SUBMIT_SM, body(b"slowly"), 500)
    for octet in octets:
        client.send(bytes([octet]))
    got = client.read_for(SUBMIT_RESP)
    scene.quirk(64, got[1:3] == (0, 500), "a PDU comes octet by octet", got)
    scene.carrier.send(pdu(SUBMIT_RESP, scene.fresh().encode() + b"\0", scene.forwarded()[0]))
    legacy, answer = Link.client(port, version=0x33)
    bound = answer[1] == 0
    got = scene.submit(client=legacy, tlvs=tlv(0x1401, b"kept"))
    sequence, words = scene.forwarded()
    scene.carrier.send(pdu(SUBMIT_RESP, scene.fresh().encode() + b"\0", sequence))
    scene.quirk(13, bound and got[1] == 0 and b"kept" in words, "a client of version 3.3 sends TLVs: taken", got)
    legacy.close()
    port_pair(scene)
    parts(scene)


def port_pair(scene):
    """Transmitter and receiver of a legacy client."""
    port = scene.gateway.smpp
    scene.client.send(pdu(UNBIND, sequence=900))
    got = scene.client.read_for(RESPONSE | UNBIND)
    scene.quirk(15, got is not None and got[1:3] == (0, 900), "unbind_resp arrives before the connection ends", got)
    transmitter, _ = Link.client(port, command=TRANSMITTER)
    receiver, answer = Link.client(port, command=RECEIVER, version=0x33)
    scene.client = transmitter
    ident = scene.fresh()
    known, _ = scene.sent(ident)
    scene.report(receipt(receipt_text(ident)))
    got = receiver.read_for(DELIVER_SM)
    receiver.send(pdu(DELIVER_RESP, b"\0", got[2]))
    scene.quirk(67, f"id:{known.decode()} ".encode() in got[3], "submitted on a transmitter, the receipt comes to the receiver")
    length = got[3].index(b"id:")
    scene.quirk(63, len(got[3]) == length + got[3][length - 1], "a client of version 3.3 gets no TLVs", got[3])
    receiver.close()
    transmitter.close()
    transmitter, _ = Link.client(port, command=TRANSMITTER)
    transmitter.send(pdu(QUERY_SM, known.upper() + b"\0" + address("Brand", 0, 0), 31))
    got = transmitter.read_for(RESPONSE | QUERY_SM, GENERIC_NACK)
    scene.quirk(68, got[1] == 0 and got[3].endswith(b"\2\0"), "bound again, a transmitter asks what became of its message", got)
    scene.quirk(77, got[1] == 0, "query_sm with another source_addr_ton: the address decides", got)
    transmitter.send(pdu(UNBIND, sequence=3))
    transmitter.close()
    scene.client, answer = Link.client(port)
    scene.quirk(17, answer[1] == 0, "a client unbinds and leaves without waiting; the next bind is as any")


def parts(scene):
    """The parts of a long message, over two binds."""
    other, _ = Link.client(scene.gateway.smpp)
    seen = []
    for number, client in ((1, scene.client), (2, other)):
        answer = scene.submit(client=client, words=bytes([5, 0, 3, 9, 2, number]) + b"part", esm=0x40)
        sequence, words = scene.forwarded()
        scene.carrier.send(pdu(SUBMIT_RESP, scene.fresh().encode() + b"\0", sequence))
        seen.append(answer[1] == 0 and bytes([5, 0, 3, 9, 2, number]) in words)
    scene.quirk(62, seen == [True, True], "parts of a message come over two binds: both reach the carrier whole", seen)
    other.close()


def fields(scene):
    """Fields that are filled in unusual ways, and what the carrier gets of them."""
    taken = [
        (31, "a number with +", {"to": "+4791234567"}, address("+4791234567")),
        (31, "a number with 00", {"to": "004791234567"}, address("004791234567")),
        (31, "a number with spaces", {"to": "47 91 23 45 67"}, address("47 91 23 45 67")),
        (54, "esm_class 0x03", {"esm": 3}, b"4791234567\0"),
        (57, "data_coding 0xF0", {"dcs": 0xF0}, bytes([0xF0, 0, 5]) + b"hello"),
        (57, "data_coding 0x18", {"dcs": 0x18, "words": b"\0h\0i"}, bytes([0x18, 0, 4]) + b"\0h\0i"),
        (50, "TLVs of a vendor", {"tlvs": tlv(0x1401, b"as it was")}, tlv(0x1401, b"as it was")),
        (59, "registered_delivery 0x11", {"receipt": 0x11}, b"hello"),
        (74, "a source of digits whose TON says national", {"source": address("4790000000", 2, 1)}, b"4790000000\0"),
        (53, "no UDHI, and octets like a header", {"words": b"\5\0\3\1\2\1hi"}, b"\5\0\3\1\2\1hi"),
    ]
    for number, what, how, expected in taken:
        answer = scene.submit(**how)
        words = b""
        if answer[1] == 0:
            sequence, words = scene.forwarded()
            scene.carrier.send(pdu(SUBMIT_RESP, scene.fresh().encode() + b"\0", sequence))
        scene.quirk(number, answer[1] == 0 and expected in words, f"{what}: taken, and forwarded so", (answer, words))
    odd = [
        (46, "three octets after the last field", body() + b"\1\2\3"),
        (47, "zeros after the last field", body() + bytes(9)),
    ]
    for number, what, octets in odd:
        answer = scene.submit(octets)
        if answer[1] == 0:
            scene.carrier.send(pdu(SUBMIT_RESP, scene.fresh().encode() + b"\0", scene.forwarded()[0]))
        scene.quirk(number, answer[1] == 0, f"{what}: taken", answer)
    refused = [
        (51, "short_message and message_payload both filled", body(tlvs=tlv(PAYLOAD, b"more")), 0x01),
        (53, "UDHI and no valid header", body(b"\x50\0\3", esm=0x40), 0x43),
        (73, "a validity_period that is no time", body(validity="never"), 0x62),
        (47, "a TLV that is cut off", body() + struct.pack(">HH", 0x1401, 40) + b"short", 0xC0),
    ]
    for number, what, octets, status in refused:
        answer = scene.submit(octets)
        scene.quirk(number, answer[1] == status, f"{what}: refused with {status:#x}", f"{answer[1]:#x}")


def endings(scene):
    """How connections end."""
    port = scene.gateway.smpp
    hasty, _ = Link.client(port)
    hasty.send(b"".join(pdu(SUBMIT_SM, body(b"fire and forget %d" % number), number) for number in range(1, 21)))
    hasty.socket.shutdown(socket.SHUT_WR)
    arrived = [scene.forwarded() for _ in range(20)]
    for sequence, _ in arrived:
        scene.carrier.send(pdu(SUBMIT_RESP, scene.fresh().encode() + b"\0", sequence))
    scene.quirk(70, len(arrived) == 20, "twenty messages and the end of the stream: all are processed")
    hasty.close()
    again, answer = Link.client(port)
    scene.quirk(16, answer[1] == 0, "a client that closed without unbind binds again")
    again.close()
    scene.carrier.send(pdu(UNBIND, sequence=2))
    answered = scene.carrier.read_for(RESPONSE | UNBIND)
    scene.carrier.close()
    scene.carrier = scene.smsc.bound()
    known, _ = scene.sent(scene.fresh())
    scene.quirk(72, answered is not None, "a carrier unbinds when it is idle: answered, and dialled again")


if __name__ == "__main__":
    rig.main("quirks", test)
