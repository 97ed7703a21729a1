#!/usr/bin/env python3
"""Kannel as a relay in the path: it takes mobile-originated messages from one SMSC and submits them to smppgate, which
forwards them to another. Both SMSCs are node-smpp, so nothing but the gateway is of this project.

    node-smpp  --deliver_sm-->  Kannel  --submit_sm-->  smppgate  --submit_sm-->  node-smpp

Debian's Kannel has no SMPP server, so it cannot be the SMSC that smppgate binds to; it relays as a client of both.
"""

import signal

import kannel
import rig
from node_smsc import NodeSmsc

MESSAGES = 50


def test(case):
    source, target = NodeSmsc(case, "source"), NodeSmsc(case, "target")
    gateway = rig.Gateway(case, [target.table(links=1)]).start()
    relay = kannel.Kannel(
        case,
        "relay",
        kannel.smsc(source.port, "source", **{"transceiver-mode": "true", "reroute-smsc-id": "gate", "denied-smsc-id": "gate"}),
        kannel.smsc(gateway.smpp, "gate", **{"transceiver-mode": "true"}),
    )
    relay.online(2)
    for number in range(1, MESSAGES + 1):
        source.process.child.send_signal(signal.SIGUSR2)
        rig.wait("Kannel took it", lambda: len(source.events("mobile_originated")) >= number)
    rig.wait("all arrived", lambda: len(target.events("id")) >= MESSAGES, 30)
    got = target.events("id")
    texts = {f"mobile originated {number}" for number in range(1, MESSAGES + 1)}
    case.check({one["text"] for one in got} == texts, f"{MESSAGES} messages went through Kannel and smppgate, intact")
    case.check(len(got) == MESSAGES, "each once", len(got))
    case.check({one["to"] for one in got} == {"4791234567"}, "with their destination")
    relay.stop()
    case.check(gateway.stop() == 0, "SIGTERM ends the gateway with 0")


rig.main("kannel_relay", test)
