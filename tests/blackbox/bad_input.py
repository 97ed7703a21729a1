#!/usr/bin/env python3
"""Peers that send nonsense, too much, too slowly or nothing: each gets what SMPP 3.4 asks for, memory stays bounded, and
a normal client beside them notices nothing.

The normal client runs through all of it at a steady rate; its account is settled at the end.
"""

import random
import signal
import socket
import threading
import time

import rig
import smpp

RATE = 300
INIT_TIMEOUT = 2.0
RSS_MIB_MAX = 400
NACK_LENGTH = (smpp.GENERIC_NACK, 2)


def test(case):
    carrier = rig.Carrier(case, "fjord", "--receipt-delay", "20ms")
    accounts = [
        {"system_id": "acme", "password": "secret", "max_binds": 4},
        {"system_id": "rude", "password": "secret", "max_binds": 20, "window": 50},
    ]
    gateway = rig.Gateway(case, [carrier.table(links=2)], session={"init_timeout": "2s"}, account=accounts).start()
    before = gateway.process.rss_mib()
    normal = rig.Load(case, gateway.smpp, "--rate", RATE, "--duration", "10m", "--binds", 2)
    memory = Memory(gateway)
    started = time.monotonic()
    for attack in (framing, strangers, slow, unbound, idle, guessing, unasked, never_reads):
        attack(case, gateway)
        case.check(gateway.ready()[0] == 200, f"{attack.__name__}: /readyz says 200 after it")
    elapsed = time.monotonic() - started
    case.check(normal.process.running(), "the normal client ran beside all of it")
    normal.process.end(120, signal.SIGINT)
    code, load = normal.result()
    peak = memory.stop()
    case.note(f"resident memory: {before:.0f} MiB at the start, {peak:.0f} MiB at most")
    case.check(peak < RSS_MIB_MAX, f"memory stays below {RSS_MIB_MAX} MiB", f"{peak:.0f} MiB")
    sent = load["acknowledged"]
    case.check(code == 0 and load["receipts"] == sent, "the normal client has all answers and receipts", load["states"])
    case.check(sent > RATE * elapsed * 0.5, "and sent at its rate", f"{sent} in {elapsed:.0f} s")
    case.check(load["connections_lost"] == 0, "and kept its connections")
    p99 = load["answer_latency"]["p99_ms"]
    case.check(p99 < 1000, "and its answers stayed prompt", f"{p99:.1f} ms p99")
    case.check(gateway.stop() == 0, "SIGTERM ends the gateway with 0")


class Memory:
    """Watches the resident memory of the gateway."""

    def __init__(self, gateway):
        self.peak, self.over = 0.0, threading.Event()
        self.thread = threading.Thread(target=self.watch, args=(gateway.process,), daemon=True)
        self.thread.start()

    def watch(self, process):
        while not self.over.wait(0.1):
            self.peak = max(self.peak, process.rss_mib())

    def stop(self):
        self.over.set()
        self.thread.join()
        return self.peak


def rude(gateway):
    """A bound connection of the other account."""
    wire = smpp.Wire(gateway.smpp)
    wire.send(smpp.bind("rude"))
    assert wire.read()[:2] == (smpp.RESPONSE | smpp.TRANSCEIVER, 0)
    return wire


def framing(case, gateway):
    """Lengths that cannot be."""
    lengths = {"15": b"\0\0\0\x0f", "2 GiB": b"\x80\0\0\0", "4 GiB - 1": b"\xff\xff\xff\xff", "0": b"\0\0\0\0"}
    for name, length in lengths.items():
        for bound in (False, True):
            wire = rude(gateway) if bound else smpp.Wire(gateway.smpp)
            wire.send(length + b"\0\0\0\x15\0\0\0\0\0\0\0\x07")
            answer = wire.read()
            where = "on a bind" if bound else "before a bind"
            right = answer is not None and answer[:2] == NACK_LENGTH
            case.check(right, f"command_length {name} {where}: generic_nack 0x02", answer)
            case.check(wire.closed_within(3) is not None, f"command_length {name} {where}: then closed")


def strangers(case, gateway):
    """Other protocols, and noise."""
    dice = random.Random(3)
    noises = {
        "an HTTP request": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "a TLS hello": bytes.fromhex("16030100c8010000c40303") + dice.randbytes(190),
        "64 KiB of noise": dice.randbytes(65536),
        "line ends": b"\r\n\r\n\r\n\r\n\r\n\r\n",
    }
    for name, octets in noises.items():
        wire = smpp.Wire(gateway.smpp)
        try:
            wire.send(octets)
        except ConnectionError:
            pass  # it was closed while this was being written
        case.check(wire.closed_within(INIT_TIMEOUT + 2) is not None, f"{name}: closed")


def slow(case, gateway):
    """One octet a second is no bind in time."""
    wire = smpp.Wire(gateway.smpp)
    started = time.monotonic()
    try:
        for octet in smpp.bind():
            wire.send(bytes([octet]))
            if wire.closed_within(1.0) is not None:
                break
    except ConnectionError:
        pass
    elapsed = time.monotonic() - started
    case.check(elapsed < INIT_TIMEOUT + 3, "a bind at 1 octet/s: closed after init_timeout", f"{elapsed:.1f} s")


def unbound(case, gateway):
    """Neither silence nor enquire_link keeps an unbound connection."""
    silent, asking = smpp.Wire(gateway.smpp), smpp.Wire(gateway.smpp)
    asking.send(smpp.pdu(smpp.ENQUIRE_LINK, sequence=9))
    asked = asking.read()
    case.check(asked == (smpp.RESPONSE | smpp.ENQUIRE_LINK, 0, 9, b""), "enquire_link before a bind is answered", asked)
    for name, wire in (("silent", silent), ("asking", asking)):
        elapsed = wire.closed_within(INIT_TIMEOUT + 2)
        case.check(elapsed is not None, f"unbound and {name}: closed after init_timeout", elapsed and f"{elapsed:.1f} s")
    wire = smpp.Wire(gateway.smpp)
    wire.send(smpp.submit())
    answer = wire.read()
    right = answer is not None and answer[:2] == (smpp.RESPONSE | smpp.SUBMIT_SM, 4)
    case.check(right, "submit_sm before a bind: 0x04", answer)
    case.check(wire.closed_within(3) is not None, "and closed")


def idle(case, gateway):
    """Five hundred connections that do nothing."""
    crowd = [socket.create_connection(("127.0.0.1", gateway.smpp), 10) for _ in range(500)]
    bound = smpp.Wire(gateway.smpp)
    bound.send(smpp.bind("rude"))
    case.check(bound.read()[:3] == (smpp.RESPONSE | smpp.TRANSCEIVER, 0, 1), "500 idle connections: another can bind")
    bound.send(smpp.submit(receipt=0))
    answer = bound.read()
    case.check(answer[:3] == (smpp.RESPONSE | smpp.SUBMIT_SM, 0, 2), "500 idle connections: and submit", answer)
    for link in crowd:
        link.close()


def guessing(case, gateway):
    """A flood of binds with wrong passwords, and with names that nobody has."""
    statuses, started = {}, time.monotonic()
    for attempt in range(200):
        name = "acme" if attempt % 2 else f"user{attempt}"
        wire = smpp.Wire(gateway.smpp)
        wire.socket.settimeout(0.05)
        try:
            wire.send(smpp.bind(name, f"guess{attempt % 100}"))
            answer = wire.read()
            status = "closed" if answer is None else f"0x{answer[1]:02x}"
        except TimeoutError:
            status = "no answer yet"
        statuses[status] = statuses.get(status, 0) + 1
        wire.close()
    case.check("0x00" not in statuses, "200 guesses: none gets in", statuses)
    slowed = time.monotonic() - started
    case.note(f"200 guesses: {statuses} in {slowed:.1f} s")
    wire = rig.wait("a right password is taken", lambda: quietly_bind(gateway), 15)
    case.check(wire is not None, "200 guesses: another account can still bind")
    wire.close()


def quietly_bind(gateway):
    try:
        return rude(gateway)
    except (AssertionError, TypeError, OSError):
        return None


def unasked(case, gateway):
    """Responses to nothing, nacks and unknown commands."""
    wire = rude(gateway)
    for round_ in range(200):
        burst = [smpp.pdu(smpp.RESPONSE | smpp.DELIVER_SM, b"\0", sequence) for sequence in range(50)]
        burst += [smpp.pdu(smpp.RESPONSE | smpp.SUBMIT_SM, b"id\0", round_), smpp.pdu(smpp.RESPONSE | 0x7777, b"", 5)]
        try:
            wire.send(b"".join(burst))
        except OSError:
            break
    wire.send(smpp.pdu(0x7777, sequence=11) + smpp.pdu(smpp.ENQUIRE_LINK, sequence=12))
    answers = [wire.read(), wire.read()]
    expected = [(smpp.GENERIC_NACK, 3, 11, b""), (smpp.RESPONSE | smpp.ENQUIRE_LINK, 0, 12, b"")]
    case.check(answers == expected, "10,400 responses to nothing: the session goes on", answers)
    wire.send(smpp.pdu(smpp.UNBIND, sequence=13))
    answer = wire.read()
    case.check(answer == (smpp.RESPONSE | smpp.UNBIND, 0, 13, b""), "and unbinds", answer)


def never_reads(case, gateway):
    """A client that asks and asks and never reads an answer is stopped, not buffered."""
    wire = rude(gateway)
    wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    wire.socket.settimeout(1.0)
    sent, before = 0, gateway.process.rss_mib()
    burst = b"".join(smpp.submit(sequence=sequence, receipt=0) for sequence in range(2, 500))
    try:
        while sent < 64 << 20:
            sent += wire.socket.send(burst)
    except (TimeoutError, ConnectionError):
        pass
    grown = gateway.process.rss_mib() - before
    case.check(sent < 64 << 20, "a client that never reads is stopped", f"after {sent / 2**20:.1f} MiB")
    case.check(grown < 100, "and its answers do not pile up", f"{grown:.0f} MiB more")
    wire.close()


rig.main("bad_input", test)
