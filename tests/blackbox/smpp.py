"""SMPP 3.4 by hand: just enough octets to be a client that behaves, and then one that does not.

Reads nothing but headers and C-octet strings; not a client to build on.
"""

import socket
import struct
import time

GENERIC_NACK, SUBMIT_SM, DELIVER_SM, UNBIND, TRANSCEIVER, ENQUIRE_LINK = 0x80000000, 4, 5, 6, 9, 0x15
RESPONSE = 0x80000000


def pdu(command, body=b"", sequence=1, status=0):
    return struct.pack(">IIII", 16 + len(body), command, status, sequence) + body


def bind(system_id="acme", password="secret", command=TRANSCEIVER, sequence=1):
    return pdu(command, f"{system_id}\0{password}\0\0".encode() + b"\x34\0\0\0", sequence)


def submit(to="4791234567", text=b"hello", sequence=2, receipt=1, service_type="", data_coding=0):
    head = service_type.encode() + b"\0" + b"\x05\0test\0" + b"\1\1" + to.encode() + b"\0"
    return pdu(SUBMIT_SM, head + bytes([0, 0, 0, 0, 0, receipt, 0, data_coding, 0, len(text)]) + text, sequence)


class Wire:
    """A connection that sends what it is told and cuts what comes into PDUs."""

    def __init__(self, port, bound=False, timeout=10.0):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self.octets = b""
        if bound:
            self.send(bind())
            answer = self.read()
            assert answer and answer[:2] == (RESPONSE | TRANSCEIVER, 0), f"bind refused: {answer}"

    def send(self, octets):
        self.socket.sendall(octets)

    def read(self):
        """(command, status, sequence, body), or `None` when the other side closed."""
        while True:
            if len(self.octets) >= 16:
                length, command, status, sequence = struct.unpack(">IIII", self.octets[:16])
                if len(self.octets) >= length:
                    body, self.octets = self.octets[16:length], self.octets[length:]
                    return command, status, sequence, body
            try:
                more = self.socket.recv(65536)
            except ConnectionError:
                return None
            if not more:
                return None
            self.octets += more

    def take_deliveries(self, quiet):
        """Acknowledges each deliver_sm, until nothing comes for `quiet` seconds."""
        self.socket.settimeout(quiet)
        try:
            while got := self.read():
                if got[0] == DELIVER_SM:
                    self.send(pdu(RESPONSE | DELIVER_SM, b"\0", got[2]))
        except TimeoutError:
            pass

    def closed_within(self, seconds):
        """Seconds until the other side closed; what it sent before is dropped. `None` when it did not."""
        started = time.monotonic()
        while (left := started + seconds - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                if not self.socket.recv(65536):
                    return time.monotonic() - started
            except TimeoutError:
                return None
            except ConnectionError:
                return time.monotonic() - started
        return None

    def close(self):
        self.socket.close()


def submit_each(port, text, *numbers, account="acme", receipt=1):
    """Submits one message to each; the statuses."""
    wire = Wire(port)
    wire.send(bind(account))
    assert wire.read()[1] == 0
    statuses = []
    for sequence, number in enumerate(numbers, 2):
        wire.send(submit(number, text, sequence, receipt))
        while (answer := wire.read())[0] != RESPONSE | SUBMIT_SM:
            pass
        statuses.append(answer[1])
    wire.close()
    return statuses
