#!/usr/bin/env python3
"""A disk that is full: nothing is acknowledged that is not on it, /readyz says so, and service resumes when there is
room again.

The store is on a small tmpfs, which needs the right to mount; without it the test says so and checks nothing.
"""

import os
import subprocess
import time

import rig
import smpp

SIZE_MIB = 48


def test(case):
    disk = case.folder / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m", "smppgate", disk], capture_output=True)
    if mounted.returncode != 0:
        case.note(f"skipped: no right to mount a tmpfs ({mounted.stderr.decode().strip()})")
        return
    case.endings.append(lambda: subprocess.run(["umount", "--lazy", disk], check=True))
    ballast = disk / "ballast"
    carrier = rig.Carrier(case, "fjord", "--receipt-delay", "10ms")
    gateway = rig.Gateway(case, [carrier.table(links=2)], store={"path": str(disk / "data")}).start()
    client = rig.Load(
        case, gateway.smpp, "--rate", 1000, "--messages", 20_000, "--wait-receipts", "60s", "--response-timeout", "90s"
    )
    rig.wait("traffic flows", lambda: carrier.report()["received"] > 1000)
    fill(ballast)
    status, body = rig.wait("/readyz says 503", lambda: not_ready(gateway), 20)
    case.check(status == 503 and "store" in body, "disk full: /readyz says 503 and why", " ".join(body.split())[:200])
    case.check(gateway.process.running(), "disk full: the process lives")
    case.check(gateway.ask("/healthz")[0] == 200, "disk full: /healthz says 200, a restart would not help")
    answer = submit_once(gateway)
    case.check(answer is None or answer[1] == 8, "disk full: a submit_sm is answered 0x08 or not at all", answer)
    ballast.unlink()
    gateway.wait_ready(30)
    case.check(True, "room again: /readyz says 200 without a restart")
    code, load = client.result(180)
    case.note(f"acknowledged {load['acknowledged']}, refused {load['refused']}, unknown {load['unknown']}")
    case.check(code == 0 and load["missing_receipts"] == 0, "no acknowledged message lost its receipt", load["states"])
    case.check(load["acknowledged"] > 10_000, "service resumed", load["acknowledged"])
    case.check(gateway.stop() == 0, "SIGTERM ends the gateway with 0")
    restarted(case, carrier, gateway, ballast)


def restarted(case, carrier, gateway, ballast):
    """What was acknowledged before the disk filled up is there after a kill and a start."""
    carrier.stop()
    gateway.start(wait_ready=False)
    rig.wait("it answers", lambda: gateway.alive() and gateway.ready()[0] == 503)
    wire = rig.wait("it listens", lambda: bound(gateway))
    acknowledged = 0
    for sequence in range(2, 202):
        wire.send(smpp.submit(text=b"message %d" % sequence, sequence=sequence, receipt=0))
        answer = wire.read()
        acknowledged += answer is not None and answer[1] == 0
    fill(ballast)
    # What is left of the store's own last segment may still take some.
    while (answer := submit_once(gateway)) is not None and answer[1] == 0:
        acknowledged += 1
    refused = answer is None or answer[1] == 8
    gateway.kill()
    ballast.unlink()
    carrier.start()
    gateway.start()
    rig.wait("all arrive", lambda: carrier.report()["unique"] >= acknowledged, 30)
    everything = gateway.metric("smppgate_messages_waiting") == 0
    got = carrier.report()["unique"]
    case.check(everything and got == acknowledged, "after kill -9 with a full disk: all that was acknowledged", got)
    case.check(refused, "and nothing that was refused", answer)
    case.check(gateway.stop() == 0, "SIGTERM ends the gateway with 0, after the restart")


def not_ready(gateway):
    status, body = gateway.ready()
    return (status, body) if status == 503 else None


def bound(gateway):
    try:
        return smpp.Wire(gateway.smpp, bound=True)
    except OSError:
        return None


def submit_once(gateway):
    """The answer to one submit_sm of its own, `None` when none came in three seconds."""
    wire = bound(gateway)
    if wire is None:
        return None
    wire.socket.settimeout(3)
    try:
        wire.send(smpp.submit(text=f"written at {time.monotonic_ns()}".encode(), receipt=0))
        return wire.read()
    except TimeoutError:
        return None
    finally:
        wire.close()


def fill(ballast):
    """Writes until the disk takes no more."""
    with open(ballast, "wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12):
            try:
                while os.write(file.fileno(), b"\0" * size) == size:
                    pass
            except OSError:
                pass


rig.main("full_disk", test)
