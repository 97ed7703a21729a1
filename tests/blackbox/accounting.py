#!/usr/bin/env python3
"""Every message is accounted for: what the client was promised, what the carriers took, which receipts came back.

Not about speed; the figures are printed because they are at hand.
"""

import rig

MESSAGES = 1_000_000 if rig.LONG else 100_000


def test(case):
    carriers = [rig.Carrier(case, "fjord", "--receipt-delay", "20ms"), rig.Carrier(case, "sund", "--receipt-delay", "20ms")]
    routes = [
        {"country": ["NO", "SE", "DK"], "carriers": ["fjord", "sund"]},
        {"country": ["*"], "carriers": ["sund", "fjord"]},
    ]
    gateway = rig.Gateway(case, [carrier.table(links=2) for carrier in carriers], route=routes).start()
    code, load = case.load(gateway.smpp, "--messages", MESSAGES, "--binds", 4, seconds=600)
    rig.wait("nothing is left to do", lambda: gateway.metric("smppgate_messages_waiting") == 0)
    finals = gateway.metric("smppgate_finals_total", state="DELIVRD")
    exit_code = gateway.stop()
    reports = [carrier.stop() for carrier in carriers]

    case.note(
        f"{load['acknowledged_per_second']:.0f} acknowledged/s, p99 {load['answer_latency']['p99_ms']:.1f} ms; "
        f"{load['receipts_per_second']:.0f} receipts/s, p99 {load['receipt_latency']['p99_ms']:.1f} ms"
    )
    case.check(code == 0, "load ends with 0", code)
    case.check(load["acknowledged"] == MESSAGES, "every message is acknowledged", load["acknowledged"])
    case.check(load["receipts"] == MESSAGES and load["missing_receipts"] == 0, "no receipt is lost", load["receipts"])
    case.check(load["states"] == {"DELIVRD": MESSAGES}, "all are delivered", load["states"])
    case.check(load["duplicate_receipts"] + load["unknown_receipts"] == 0, "no receipt comes twice or from nowhere")
    case.check(load["reused_ids"] == 0, "no message id is given out twice")
    unique = [report["unique"] for report in reports]
    case.check(sum(unique) == MESSAGES, "the carriers got every message", unique)
    case.check(sum(report["duplicates"] for report in reports) == 0, "and none of them twice")
    case.check(unique == [MESSAGES * 3 // 5, MESSAGES * 2 // 5], "each country took its route", unique)
    acknowledged = sum(report["receipts_acknowledged"] for report in reports)
    case.check(acknowledged == MESSAGES, "every receipt was confirmed to its carrier", acknowledged)
    case.check(finals == MESSAGES, "/metrics counts the same", f"{finals:.0f}")
    case.check(exit_code == 0, "SIGTERM ends the gateway with 0", exit_code)


rig.main("accounting", test)
