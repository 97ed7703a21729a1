#!/usr/bin/env python3
"""Retention: under continuing load, records whose time is over leave the disk, and the store stops growing.

The archive forgets by full hours, so the gateway runs with its wall clock sped up (libfaketime); its monotonic clock,
which all protocol timers follow, is left alone.
"""

import pathlib
import re
import subprocess

import rig

SPEED = 1200  # an hour of wall clock in three seconds
RATE = 2000
SECONDS = 90 if rig.LONG else 30


def test(case):
    library = next(pathlib.Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
    if library is None:
        raise rig.Failed("libfaketime is not installed")
    carrier = rig.Carrier(case, "fjord", "--receipt-delay", "10ms")
    gateway = rig.Gateway(case, [carrier.table(links=2)], retention={"message": "1s"})
    gateway.environment = {"LD_PRELOAD": str(library), "FAKETIME": f"+0 x{SPEED}", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    gateway.start()
    client = rig.Load(case, gateway.smpp, "--rate", RATE, "--messages", RATE * SECONDS)
    sizes = []
    while client.process.running():
        rig.wait("the next second", lambda: gateway.metric("smppgate_uptime_seconds") >= len(sizes) + 1 or None)
        sizes.append(gateway.metric("smppgate_store_bytes") / 2**20)
    code, load = client.result()
    case.check(code == 0 and load["receipts"] == RATE * SECONDS, "all messages ended", load["states"])
    sealed = rig.wait("all are archived", lambda: gateway.metric("smppgate_sealed_total") == load["receipts"])
    case.check(bool(sealed), "every settled message was archived", f"{load['receipts']}")
    swept = lambda: gateway.metric("smppgate_swept_total")
    under_load = swept()
    case.check(under_load > 0, "records were forgotten under load", f"{under_load:.0f}")
    rig.wait("all are forgotten", lambda: swept() == load["receipts"], 30)
    case.check(swept() == load["receipts"], "in the end every record is forgotten", f"{swept():.0f}")
    case.check(gateway.metric("smppgate_retention_overdue") == 0, "nothing is overdue")
    shown = subprocess.run([rig.PROGRAM, "audit", "show", "--config", case.folder / "gateway.toml"], capture_output=True, text=True)
    sums = re.findall(r'retention.sweep done class=message account="acme" reason="records=(\d+) oldest=', shown.stdout)
    case.check(sum(map(int, sums)) == load["receipts"], "the sweeps are in the audit log, with their counts", len(sums))
    rig.wait("the next look at the disk", lambda: gateway.metric("smppgate_uptime_seconds") > len(sizes) + 3)
    sizes.append(gateway.metric("smppgate_store_bytes") / 2**20)
    half = len(sizes) // 2
    case.note(f"store in MiB, second by second: {' '.join(f'{size:.0f}' for size in sizes)}")
    first, second = max(sizes[:half]), max(sizes[half:])
    case.check(second < first * 1.5 + 8, "the store stops growing", f"{first:.0f} MiB, then {second:.0f} MiB at most")
    case.check(gateway.stop() == 0, "SIGTERM ends the gateway with 0")


rig.main("retention", test)
