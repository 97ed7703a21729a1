#!/usr/bin/env python3
"""`kill -9` of the serving process under load, again and again, on the same data: what was acknowledged is not lost.

A process that dies shows that nothing needs the process; that the disk has it is for machines that can lose power.
"""

import random

import rig

KILLS = 20 if rig.LONG else 5
RATE = 4000
BINDS, WINDOW, LINKS = 4, 100, 2


def test(case):
    killed(case)
    terminated(case)


def killed(case):
    """The carrier and the client go on while the gateway dies and comes back."""
    carrier = rig.Carrier(case, "fjord", "--receipt-delay", "100ms")
    gateway = rig.Gateway(case, [carrier.table(links=LINKS, window=WINDOW)]).start()
    client = rig.Load(case, gateway.smpp, "--rate", RATE, "--messages", RATE * 6 * KILLS, "--wait-receipts", "60s")
    dice = random.Random(7)
    for _ in range(KILLS):
        rig.wait("the client is bound", lambda: gateway.metric("smppgate_account_binds") == BINDS)
        target = carrier.report()["received"] + dice.randrange(500, RATE)
        rig.wait("traffic flows", lambda: carrier.report()["received"] > target)
        gateway.kill()
        gateway.start()
    code, load = client.result(60 * KILLS)
    rig.wait("no receipt is owed", lambda: gateway.metric("smppgate_receipts_owed") == 0)
    exit_code = gateway.stop()
    report = carrier.stop()
    name = f"{KILLS} x kill -9"
    case.note(
        f"{name}: {load['messages']} messages, {load['acknowledged']} acknowledged, {load['unknown']} with their answer "
        f"lost in a crash, {report['unique']} at the carrier, {report['duplicates']} of them twice; "
        f"{load['redelivered_receipts']} receipts came again after a crash"
    )
    lost = load["connections_lost"]
    case.check(lost == BINDS * KILLS, f"{name}: the client lost all its connections each time", lost)
    case.check(code == 0, f"{name}: load ends with 0", code)
    case.check(load["missing_receipts"] == 0, f"{name}: no receipt is lost", load["missing_receipts"])
    case.check(load["duplicate_receipts"] == 0, f"{name}: no receipt twice on a bind that lived")
    case.check(load["reused_ids"] == 0, f"{name}: no message id is given out twice")
    # A DELIVRD can come from the carrier only, so this says of each acknowledged message that it was not lost.
    delivered = load["states"] == {"DELIVRD": load["acknowledged"]}
    case.check(delivered, f"{name}: all acknowledged messages were delivered", load["states"])
    case.check(report["unique"] <= load["messages"], f"{name}: the carrier got only what the client sent")
    # What was lent to the carrier at a crash is the most that can be in doubt.
    in_doubt = KILLS * LINKS * WINDOW
    case.check(report["duplicates"] <= in_doubt, f"{name}: twice only what was in doubt", report["duplicates"])
    case.check(exit_code == 0, f"{name}: then SIGTERM ends it with 0", exit_code)


def terminated(case):
    """SIGTERM under load drains, and what was acknowledged goes on after the next start."""
    carrier = rig.Carrier(case, "fjord-term", "--receipt-delay", "100ms")
    gateway = rig.Gateway(case, [carrier.table(links=LINKS, window=WINDOW)], name="gateway-term").start()
    client = rig.Load(case, gateway.smpp, "--rate", RATE, "--messages", RATE * 4, "--wait-receipts", "60s")
    codes = []
    for _ in range(2):
        received = carrier.report()["received"]
        rig.wait("traffic flows", lambda: carrier.report()["received"] > received + RATE // 2)
        codes.append(gateway.stop())
        gateway.start()
    code, load = client.result(300)
    codes.append(gateway.stop())
    report = carrier.stop()
    case.note(
        f"2 x SIGTERM: {load['acknowledged']} acknowledged, {load['unknown']} without an answer, refused {load['refused']}, "
        f"{report['duplicates']} twice at the carrier"
    )
    case.check(codes == [0, 0, 0], "SIGTERM under load: exit code 0 each time", codes)
    case.check(code == 0 and load["missing_receipts"] == 0, "SIGTERM under load: no receipt is lost", load["missing_receipts"])
    delivered = load["states"] == {"DELIVRD": load["acknowledged"]}
    case.check(delivered, "SIGTERM under load: all acknowledged messages were delivered", load["states"])
    case.check(report["duplicates"] == 0, "SIGTERM under load: nothing twice at the carrier", report["duplicates"])


rig.main("crash", test)
