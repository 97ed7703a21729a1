#!/usr/bin/env python3
"""Kannel as a client system of smppgate: bearerbox binds as a transceiver, then as transmitter and receiver; smsbox sends
by HTTP, and each message's receipt comes back to its dlr-url.
"""

import kannel
import rig

# Kannel sends bare digits as a national number; the plus sign makes it international.
NATIONAL = "91234567"
TEXTS = {
    "short": ("Hello from Kannel, with a price of 5 €", {}),
    "UCS-2": ("Привет από το Kannel", {"coding": 2}),
    "long": ("Kannel cuts this text into parts with a user data header. " * 6, {}),
}


def test(case):
    carrier = rig.Carrier(case, "fjord", "--receipt-delay", "500ms")
    gateway = rig.Gateway(case, [carrier.table()]).start()
    reports = kannel.Reports(case)
    receiver = kannel.smsc(gateway.smpp)
    receiver["receive-port"] = receiver.pop("port")
    # One group for each direction; with the same smsc-id, a receipt on one belongs to a message sent on the other.
    kinds = {
        "transceiver": [kannel.smsc(gateway.smpp, **{"transceiver-mode": "true"})],
        "transmitter and receiver": [kannel.smsc(gateway.smpp), receiver],
    }
    for number, (kind, groups) in enumerate(kinds.items()):
        binds = len(groups)
        peer = kannel.Kannel(case, f"kannel{number}", *groups)
        peer.online(binds)
        rig.wait("its binds", lambda: gateway.metric("smppgate_account_binds") == binds)
        case.check(True, f"{kind}: bound", f"{binds} binds")
        send_all(case, kind, peer, reports, number)
        keeps_alive(case, kind, gateway, binds)
        peer.stop()
        rig.wait("Kannel has unbound", lambda: gateway.metric("smppgate_account_binds") == 0)
        case.check(True, f"{kind}: unbound")
    case.check(gateway.metric("smppgate_receipts_owed") == 0, "no receipt is owed")
    case.check(gateway.stop() == 0, "SIGTERM ends the gateway with 0")
    report = carrier.stop()
    case.check(report["duplicates"] == 0, "nothing was sent twice", report["received"])


def send_all(case, kind, peer, reports, number):
    to = f"+479123456{number}"
    for name, (text, more) in TEXTS.items():
        tag = f"{number}-{name}"
        answer = peer.sendsms(text, to, reports, tag, **more)
        case.check(answer.startswith("0:"), f"{kind}, {name}: smsbox takes it", answer)
        rig.wait("its receipt", lambda: "delivered" in reports.kinds(tag), 20)
        case.check(True, f"{kind}, {name}: accepted and delivered", ", ".join(reports.kinds(tag)))
    tag = f"{number}-national"
    peer.sendsms("to nowhere", NATIONAL, reports, tag)
    rig.wait("its refusal", lambda: reports.kinds(tag), 20)
    case.check(reports.kinds(tag) == ["refused"], f"{kind}: a national number is refused, and Kannel knows", reports.kinds(tag))
    tags = [f"{number}-many-{serial}" for serial in range(100)]
    for tag in tags:
        peer.sendsms(f"one of many, {tag}", to, reports, tag)
    try:
        rig.wait("all receipts", lambda: all("delivered" in reports.kinds(tag) for tag in tags), 30)
    except rig.Failed:
        pass  # the check says which
    other = {tag: reports.kinds(tag) for tag in tags if reports.kinds(tag).count("delivered") != 1}
    case.check(not other, f"{kind}: 100 more, one receipt each", other or "")


def keeps_alive(case, kind, gateway, binds):
    """Kannel asks with enquire_link every two seconds and ends a bind that does not answer."""
    start = gateway.metric("smppgate_uptime_seconds")
    rig.wait("some enquire_link", lambda: gateway.metric("smppgate_uptime_seconds") > start + 5, 20)
    accepted = gateway.metric("smppgate_binds_total", side="client", result="ok")
    kept = gateway.metric("smppgate_account_binds") == binds and accepted in (1, 3)
    case.check(kept, f"{kind}: enquire_link keeps the binds", f"{accepted:.0f} binds so far")


rig.main("kannel_client", test)
