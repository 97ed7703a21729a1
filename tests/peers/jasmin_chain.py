#!/usr/bin/env python3
"""Jasmin between two of us: the carrier of the first and a client of the second. Messages go down the whole chain, receipts
come back up, and each hop has ids of its own.

    smpplib  →  smppgate  →  Jasmin  →  smppgate  →  simulated carrier
"""

import esme
import jasmin_relay
import rig

MESSAGES = 200


def test(case):
    carrier = rig.Carrier(case, "fjord", "--receipt-delay", "50ms")
    accounts = [{"system_id": "jasmin", "password": "secret"}]
    far = rig.Gateway(case, [carrier.table()], name="far", account=accounts).start()
    between = jasmin_relay.Jasmin(case, far.smpp)
    reach = {"name": "jasmin", "address": f"127.0.0.1:{between.port}", "system_id": jasmin_relay.ACCOUNT, "password": "secret"}
    near = rig.Gateway(case, [reach | {"links": 2, "window": 10}], name="near").start()
    rig.wait("Jasmin is bound", lambda: far.metric("smppgate_account_binds", account="jasmin") == 1, 60)
    client = esme.Esme(near.smpp)
    sent = len(esme.exchange(case, "through Jasmin", client, to="4791234567"))
    code, load = case.load(near.smpp, "--messages", MESSAGES, "--rate", 50, "--wait-receipts", "90s")
    case.check(code == 0 and load["acknowledged"] == MESSAGES, f"{MESSAGES} messages are accepted", load["refused"])
    case.check(load["states"] == {"DELIVRD": MESSAGES}, "and each is receipted as delivered, once", load["states"])
    report = carrier.stop()
    case.check(report["unique"] == report["received"] == MESSAGES + sent, "the last carrier got each once", report["received"])
    case.check(near.stop() == 0 and far.stop() == 0, "SIGTERM ends both gateways with 0")


rig.main("jasmin_chain", test)
