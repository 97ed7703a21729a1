#!/usr/bin/env python3
"""Messages from handsets through the real process: they find their account, wait for it, and outlive `kill -9` of the
gateway; nobody's are refused for good."""

import struct

import rig
import smpp

NUMBER, NOBODYS = "4759440000", "4799999999"
KILLS = 20 if rig.LONG else 4
RATE = 1500
WINDOW = 200
INBOUND = [{"to": [NUMBER], "account": "acme"}, {"to": ["2440"], "keywords": ["INFO"], "account": "other"}]
ACCOUNTS = [{"system_id": who, "password": "secret", "window": WINDOW} for who in ("acme", "other")]


class Client(smpp.Wire):
    """Binds as acme and counts what handsets wrote, by the number at the end of each text."""

    def __init__(self, gateway, seen):
        super().__init__(gateway.smpp, bound=True)
        self.seen = seen

    def take(self):
        """Takes the next PDU and answers it; `False` at the end of the connection."""
        got = self.read()
        if got is None:
            return False
        command, _, sequence, body = got
        if command == smpp.DELIVER_SM:
            number = serial(body)
            self.seen[number] = self.seen.get(number, 0) + 1
            self.answer(command, sequence, b"\0")
        elif command == smpp.ENQUIRE_LINK:
            self.answer(command, sequence)
        return True

    def answer(self, command, sequence, body=b""):
        try:
            self.send(smpp.pdu(smpp.RESPONSE | command, body, sequence))
        except OSError:
            pass  # It died; the next read says so.


def serial(body):
    """The number at the end of the text of a deliver_sm: fields, length, text."""
    at = body.index(b"\0") + 1
    for _ in range(2):
        at = body.index(b"\0", at + 2) + 1
    at += 3
    for _ in range(2):
        at = body.index(b"\0", at) + 1
    length = struct.unpack_from("B", body, at + 4)[0]
    return int(body[at + 5 : at + 5 + length].split()[-1])


def test(case):
    waits(case)
    killed(case)
    nobodys(case)


def gateway_for(case, carrier, name, links=2):
    return rig.Gateway(case, [carrier.table(links=links)], name=name, account=ACCOUNTS, inbound=INBOUND)


def handsets(case, name, messages, to=NUMBER):
    return rig.Carrier(case, name, "--mobile-to", to, "--mobile-rate", RATE, "--mobile-messages", messages)


def waits(case):
    """Everything is taken while the client is away, and comes once, in order, when it binds; also after a restart."""
    carrier = handsets(case, "early", 2000)
    gateway = gateway_for(case, carrier, "gateway-waits", links=1).start()
    rig.wait("all are taken", lambda: carrier.report()["mobile_acknowledged"] == 2000)
    waiting = lambda: gateway.metric("smppgate_inbound_waiting", account="acme")
    rig.wait("they wait", lambda: waiting() == 2000)
    case.check(gateway.stop() == 0, "SIGTERM while they wait: exit code 0")
    gateway.start()
    rig.wait("they wait after the restart", lambda: waiting() == 2000)
    seen = {}
    client = Client(gateway, seen)
    while len(seen) < 2000 and client.take():
        pass
    case.check(list(seen) == list(range(1, 2001)), "a client that binds late gets them all in their order", len(seen))
    rig.wait("nothing waits", lambda: waiting() == 0)
    case.check(max(seen.values()) == 1, "and each once")
    case.check(gateway.metric("smppgate_inbound_delivered_total", account="acme") == 2000, "the metrics say so too")
    client.close()
    case.check(gateway.stop() == 0, "SIGTERM ends the gateway with 0")
    carrier.stop()


def killed(case):
    """The handsets go on writing while the gateway dies and comes back."""
    messages = RATE * 3 * KILLS
    carrier = handsets(case, "fjord", messages)
    gateway = gateway_for(case, carrier, "gateway-killed").start()
    seen = {}
    client = Client(gateway, seen)
    for kill in range(1, KILLS + 1):
        while len(seen) < RATE * 2 * kill and client.take():
            pass
        gateway.kill()
        client.close()
        gateway.start()
        client = Client(gateway, seen)
    while len(seen) < messages and client.take():
        pass
    rig.wait("the carrier knows that all are taken", lambda: carrier.report()["mobile_acknowledged"] == messages)
    # Repeats may still be on their way: everything before the answer to this has been read.
    rig.wait("nothing waits", lambda: drained(client, gateway))
    report = carrier.stop()
    twice = sum(seen.values()) - len(seen)
    case.note(
        f"{KILLS} x kill -9: {messages} messages, {report['mobile_sent']} deliver_sm from the carrier, {twice} came again"
    )
    case.check(set(seen) == set(range(1, messages + 1)), f"{KILLS} x kill -9: every message arrived", len(seen))
    case.check(report["mobile_refused"] == 0, f"{KILLS} x kill -9: the carrier was never refused", report["mobile_refused"])
    # At a crash the client's window is in doubt, and what the carrier had no answer to: its window on each link.
    in_doubt = KILLS * (WINDOW + 2 * 1000)
    case.check(twice <= in_doubt, f"{KILLS} x kill -9: twice only what was in doubt", twice)
    client.close()
    case.check(gateway.stop() == 0, f"{KILLS} x kill -9: then SIGTERM ends it with 0")


def drained(client, gateway):
    client.send(smpp.pdu(smpp.ENQUIRE_LINK, sequence=7))
    while True:
        got = client.read()
        if got is None or got[0] == smpp.RESPONSE | smpp.ENQUIRE_LINK:
            break
        command, _, sequence, body = got
        if command == smpp.DELIVER_SM:
            client.seen[serial(body)] += 1
            client.answer(command, sequence, b"\0")
    return gateway.metric("smppgate_inbound_waiting", account="acme") == 0


def nobodys(case):
    """A number without a rule, and a text without the keyword: the carrier is told at once and for good."""
    for name, to in (("nobodys", NOBODYS), ("wordless", "2440")):
        carrier = handsets(case, name, 100, to)
        gateway = gateway_for(case, carrier, f"gateway-{name}").start()
        rig.wait("all are refused", lambda: carrier.report()["mobile_refused"] == 100)
        report = carrier.stop()
        case.check(report["mobile_sent"] == 100, f"{name}: each was tried once", report["mobile_sent"])
        counted = lambda: gateway.metric("smppgate_carrier_inbound_refused_total", carrier=name, reason="nobody") == 100
        rig.wait(f"{name}: each refusal is counted", counted)
        case.check(gateway.stop() == 0, f"{name}: SIGTERM ends the gateway with 0")


rig.main("mobile", test)
