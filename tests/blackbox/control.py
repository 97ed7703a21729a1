#!/usr/bin/env python3
"""Operators and the record of what they do, against the real process: what each command does, that it is recorded, that
who is revoked is out within a second, and that a kill in mid-append leaves a log that verifies.

Runs as any user: the persons of the configuration are known by this user's uid, or by a password.
"""

import json
import os
import random
import socket
import subprocess
import threading
import time

import rig
import smpp

KILLS = 40 if rig.LONG else 8
# argon2id of "secret" at the least cost.
HASH = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$fIbdC2xakJ6cNlONBQKde0ZQtJof49m9l+7mj3O30mA"
NUMBER = "4791234567"


def test(case):
    carrier = rig.Carrier(case, "fjord")
    accounts = [
        {"system_id": "acme", "password": "secret", "password_next": "renewed"},
        {"system_id": "other", "password": "secret"},
    ]
    persons = [
        {"name": "Kari Nordmann", "uid": os.getuid(), "role": "privacy_officer"},
        {"name": "Ola Nordmann", "password_hash": HASH, "role": "viewer", "accounts": ["other"]},
    ]
    gateway = rig.Gateway(case, [carrier.table()], account=accounts, operator=persons).start()
    for part in (commands, passwords_only, disabling, scopes, revoking, secrets_stay_out, failing_log, kills, tampering):
        part(case, gateway)


class Command:
    """One run of the command line against the gateway."""

    def __init__(self, gateway, *words, **options):
        command = [rig.PROGRAM, *words, "--config", gateway.case.folder / f"{gateway.name}.toml"]
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=60, **options)
        self.code, self.out, self.error = done.returncode, done.stdout, done.stderr.strip()


def as_ola(gateway, *words):
    return Command(gateway, *words, "--operator", "Ola Nordmann", "--password-file", "-", input="secret\n")


def bound(gateway, account="acme", password="secret"):
    """A bound connection and the status of the bind."""
    wire = smpp.Wire(gateway.smpp)
    wire.send(smpp.bind(account, password))
    status = wire.read()[1]
    return wire, status


def ended(wire, seconds=1.0):
    """Whether the peer closes within this time."""
    return wire.closed_within(seconds) is not None


def log(gateway, *words):
    return Command(gateway, "audit", "show", *words)


def commands(case, gateway):
    wire, status = bound(gateway)
    case.check(status == 0, "a bind with the password in force")
    next_wire, status = bound(gateway, password="renewed")
    case.check(status == 0, "and one with the next password")
    shown = Command(gateway, "status")
    case.check(shown.code == 0 and "account    acme: " in shown.out, "status shows accounts", shown.error)
    binds = Command(gateway, "binds", "--json")
    rows = [json.loads(line)["row"] for line in binds.out.splitlines() if line.startswith('{"row"')]
    case.check([row["account"] for row in rows] == ["acme", "acme"], "binds lists both", binds.error)
    case.check(all(row["from"] == "127.0.0.*" for row in rows), "with masked addresses")
    closed = Command(gateway, "unbind", "--link", rows[0]["link"], "--reason", f"asked by +{NUMBER}")
    case.check(closed.code == 0 and ended(wire), "unbind --link closes it", closed.error)
    closed = Command(gateway, "unbind", "--account", "acme")
    case.check(closed.code == 0 and ended(next_wire), "unbind --account closes the other", closed.error)
    unknown = Command(gateway, "unbind", "--link", 999_999)
    case.check(unknown.code == 1 and "no bind has the number" in unknown.error, "an unknown bind is refused")
    shown = log(gateway).out
    who = f'operator "Kari Nordmann" (uid {os.getuid()})'
    for part in (f"{who} status.show", f"{who} binds.list", f"{who} bind.close allowed link=", f"{who} bind.close denied"):
        case.check(part in shown, f"the record says: {part}")
    case.check("process.start" in shown and "configuration=sha256:" in shown, "and which configuration was started")


def passwords_only(case, gateway):
    """Where no operator has this user's uid, who asks is told how to log in."""
    table = [{"name": "Ola Nordmann", "password_hash": HASH, "role": "viewer"}]
    other = rig.Gateway(case, gateway.tables["carrier"], name="passwords", operator=table).start()
    shown = Command(other, "status")
    case.check(shown.code == 1 and f"add `uid = {os.getuid()}`" in shown.error, "an unknown user is told so", shown.error)
    case.check("--operator NAME --password-file FILE" in shown.error, "and how to log in")
    case.check(as_ola(other, "status").code == 0, "that is enough")
    case.check(other.stop() == 0, "the other gateway ends")


def disabling(case, gateway):
    wire, _ = bound(gateway)
    other, _ = bound(gateway, "other")
    begun = time.monotonic()
    done = Command(gateway, "account", "disable", "--account", "acme")
    case.check(done.code == 0 and ended(wire), "disabling closes binds within a second", f"{time.monotonic() - begun:.2f} s")
    other.send(smpp.pdu(smpp.ENQUIRE_LINK, sequence=7))
    case.check(other.read()[0] == smpp.RESPONSE | smpp.ENQUIRE_LINK, "and leaves those of other accounts")
    case.check(bound(gateway)[1] == 0x0E, "the right password then looks wrong")
    case.check(gateway.stop() == 0, "the gateway ends")
    gateway.start()
    case.check(bound(gateway)[1] == 0x0E, "after a restart it is still disabled")
    done = Command(gateway, "account", "enable", "--account", "acme")
    case.check(done.code == 0 and bound(gateway)[1] == 0, "enabled, it binds at once", done.error)
    gone = Command(gateway, "account", "disable", "--account", "nobody")
    case.check(gone.code == 1 and 'no account "nobody"' in gone.error, "an unknown account is refused")


def scopes(case, gateway):
    bound_wires = [bound(gateway)[0], bound(gateway, "other")[0]]
    seen = as_ola(gateway, "binds").out
    case.check("other" in seen and "acme" not in seen, "a viewer sees the accounts in scope only")
    refused = as_ola(gateway, "unbind", "--account", "other")
    case.check(refused.code == 1 and "the role viewer may not do that" in refused.error, "and changes nothing")
    refused = Command(gateway, "status", "--operator", "Ola Nordmann", "--password-file", "-", input="wrong\n")
    case.check(refused.code == 1 and "not that password" in refused.error, "a wrong password is refused", refused.error)
    refused = Command(gateway, "status", "--operator", "Ola Nordmann", "--password-file", "-", input="secret\n")
    case.check(refused.code == 1 and "wait" in refused.error, "and costs the next try a wait", refused.error)
    rig.wait("the wait ends", lambda: as_ola(gateway, "status").code == 0, 10, 0.3)
    case.check(all(not ended(wire, 0.2) for wire in bound_wires), "nobody was unbound")


class Ask:
    """A connection to the control socket."""

    def __init__(self, gateway):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(10)
        self.socket.connect(str(gateway.data / "control.sock"))
        self.lines = self.socket.makefile("rb")

    def ask(self, request, **more):
        """All answers to one request; `None` when the connection ended first."""
        self.socket.sendall(json.dumps({"request": request, **more}).encode() + b"\n")
        answers = []
        while True:
            line = self.lines.readline()
            if not line:
                return None
            answers.append(json.loads(line))
            if "row" not in answers[-1]:
                return answers


def revoking(case, gateway):
    login = {"name": "Ola Nordmann", "password": "secret"}
    stream = {"last": None, "calls": 0}
    connection = Ask(gateway)
    case.check("done" in connection.ask({"do": "binds"}, login=login)[-1], "a connection asks one thing after another")

    def calls():
        try:
            while True:
                answers = connection.ask({"do": "binds"}, login=login)
                if not answers or "done" not in answers[-1]:
                    return
                stream["last"], stream["calls"] = time.monotonic(), stream["calls"] + 1
        except OSError:
            return

    thread = threading.Thread(target=calls)
    thread.start()
    rig.wait("calls are under way", lambda: stream["calls"] > 3)
    done = Command(gateway, "operator", "revoke", "--name", "Ola Nordmann")
    revoked = time.monotonic()
    thread.join(10)
    case.check(done.code == 0 and not thread.is_alive(), "revoking ends a stream of calls", done.error)
    late = max(0.0, stream["last"] - revoked)
    case.check(late <= 1.0, "the last success is not later than a second", f"{late:.3f} s, {stream['calls']} calls")
    case.check(as_ola(gateway, "status").code == 1, "and a new connection is refused")
    gateway.stop()
    gateway.start()
    case.check("revoked" in as_ola(gateway, "status").error, "also after a restart")
    Command(gateway, "operator", "restore", "--name", "Ola Nordmann")
    case.check(as_ola(gateway, "status").code == 0, "restored, it is let in")
    shown = log(gateway, "--actor", "Kari Nordmann").out
    case.check("operator.revoke allowed operator=Ola Nordmann" in shown, "both are in the record")


def secrets_stay_out(case, gateway):
    for number in range(12):
        smpp.Wire(gateway.smpp).send(smpp.bind(NUMBER, f"c4n4ry{number}"))
    gateway.ask(f"/{NUMBER}")
    Ask(gateway).socket.sendall(f'{{"request":{{"do":"{NUMBER}"}}}}\n'.encode())
    rig.wait("the refusals are recorded", lambda: "http.refused" in log(gateway).out and "control.unreadable" in log(gateway).out)
    shown = log(gateway).out
    case.check(shown.count("bind.refused") < 8, "twelve refused binds make a few entries", shown.count("bind.refused"))
    octets = b"".join(file.read_bytes() for file in gateway.data.rglob("*") if file.parent.name in ("audit", "activity"))
    found = [text for text in (NUMBER, "c4n4ry", "secret", "renewed") if text.encode() in octets]
    case.check(not found, "no number and no password is in either log", found)
    case.check(b'"event":"admitted"' in octets and b'"event":"ended"' in octets, "the activity log has binds and ends")
    modes = {oct(file.stat().st_mode & 0o777) for file in (gateway.data / "audit").iterdir()}
    case.check(modes == {"0o600"}, "files of the log are for their owner only", modes)


def failing_log(case, gateway):
    """The folder of the log becomes unusable while the process is down, and usable again."""
    gateway.stop()
    folder, aside = gateway.data / "audit", gateway.data / "aside"
    folder.rename(aside)
    folder.write_text("in the way")
    gateway.start()
    refused = Command(gateway, "account", "disable", "--account", "acme")
    case.check(refused.code == 1 and "nothing was done" in refused.error, "without a record nothing is changed", refused.error)
    case.check(bound(gateway)[1] == 0, "traffic goes on")
    case.check(gateway.metric("smppgate_audit_failing") == 1, "the metric says so")
    case.check(json.loads(gateway.ready()[1])["audit"]["ok"] is False, "and /readyz, which stays 200", gateway.ready()[0])
    case.check("NOT        audit: " in Command(gateway, "status").out, "what only looks is still answered")
    folder.unlink()
    aside.rename(folder)
    rig.wait("the log recovers", lambda: gateway.metric("smppgate_audit_failing") == 0, 30)
    case.check("audit.gap" in log(gateway).out, "and says that something is missing")
    verify(case, gateway, "after it")


def verify(case, gateway, when):
    done = Command(gateway, "audit", "verify")
    return case.check(done.code == 0 and ": good" in done.out, f"the log verifies {when}", done.error)


def kills(case, gateway):
    """Kills in the middle of control calls; each start goes on with a log that verifies."""
    acknowledged = set()
    for kill in range(KILLS):
        over = threading.Event()

        def calls(number):
            try:
                connection = Ask(gateway)
                for call in range(100_000):
                    name = f"mark {kill} {number} {call}"
                    answers = connection.ask({"do": "account_enable", "account": "acme"}, reason=name)
                    if over.is_set() or not answers:
                        return
                    if "done" in answers[-1]:
                        acknowledged.add(name)
            except (OSError, ValueError):
                return

        threads = [threading.Thread(target=calls, args=(number,)) for number in range(4)]
        before = len(acknowledged)
        for thread in threads:
            thread.start()
        rig.wait("calls are under way", lambda: len(acknowledged) > before + 5)
        time.sleep(random.random() / 10)
        gateway.kill()
        over.set()
        for thread in threads:
            thread.join(20)
        gateway.start()
    shown = log(gateway).out
    lost = [name for name in acknowledged if f'reason="{name}"' not in shown]
    case.check(not lost, f"{KILLS} kills lost no entry of what was done", f"{len(acknowledged)} calls, {len(lost)} lost")
    verify(case, gateway, f"after {KILLS} kills")
    case.note(f"{shown.count('audit.recovered')} starts cut off a torn entry")
    # A tail torn by hand: what a kill leaves when it comes at the worst moment.
    gateway.kill()
    newest = max((gateway.data / "audit").glob("audit-*.log"))
    with open(newest, "ab") as file:
        file.write(b"\0\0\1\x20torn")
    case.check("crash" in Command(gateway, "audit", "verify").error, "a torn tail is named")
    gateway.start()
    case.check("audit.recovered" in log(gateway).out, "and is cut off and noted at the next start")
    verify(case, gateway, "with it")


def tampering(case, gateway):
    case.check(Command(gateway, "drain").code == 0, "drain is accepted")
    case.check(gateway.process.join(60) == 0, "and ends the process with 0")
    case.check(not (gateway.data / "control.sock").exists(), "the socket's file is gone")
    verify(case, gateway, "after a stop")
    file = min((gateway.data / "audit").glob("audit-*.log"))
    whole = file.read_bytes()
    place = len(whole) // 2
    file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    done = Command(gateway, "audit", "verify")
    case.check(done.code == 1 and done.error.startswith("entry "), "one changed bit is found", done.error)
    gateway.start()
    refused = Command(gateway, "account", "enable", "--account", "acme")
    readable = file != max((gateway.data / "audit").glob("audit-*.log"))
    case.check(readable or "nothing was done" in refused.error, "nothing is added to a broken chain", refused.error)
    gateway.stop()
    file.write_bytes(whole[: len(whole) - 40])
    done = Command(gateway, "audit", "verify")
    case.check(done.code == 1, "a log cut at its end is found", done.error)


if __name__ == "__main__":
    rig.main("control", test)
