#!/usr/bin/env python3
"""A changed configuration taken over by the real process: an objection sends what waits elsewhere, accounts and operators
come and go, what is wrong or needs a restart changes nothing, and SIGHUP does the same as the command.
"""

import json
import os
import signal
import socket
import time

import rig
import smpp
from control import HASH, Command, ended, log

WAITING = 120


def test(case):
    fjord = rig.Carrier(case, "fjord")
    fjord.stop()
    nord = rig.Carrier(case, "nord")
    accounts = [account("acme", objects_to=["nord"], window=1000), account("leaver")]
    persons = [
        {"name": "Kari Nordmann", "uid": os.getuid(), "role": "privacy_officer"},
        {"name": "Ola Nordmann", "password_hash": HASH, "role": "operator"},
    ]
    gateway = rig.Gateway(case, [fjord.table(), nord.table()], account=accounts, operator=persons).start()
    for part in (nothing, objection, accounts_change, mistakes, restart_needed, hangup, operators, records):
        part(case, gateway, fjord, nord)
    case.check(gateway.stop() == 0, "the gateway ends in order")


def account(system_id, password="secret", **more):
    return {"system_id": system_id, "password": password, **more}


def write(gateway, text=None):
    (gateway.case.folder / f"{gateway.name}.toml").write_text(text if text is not None else rig.toml(gateway.tables))


def reload(gateway, text=None):
    write(gateway, text)
    return Command(gateway, "reload")


def bound(gateway, system_id, password="secret"):
    wire = smpp.Wire(gateway.smpp)
    wire.send(smpp.bind(system_id, password))
    return wire, wire.read()[1]


def in_force(gateway):
    return gateway.metric("smppgate_config_last_reload_timestamp_seconds")


def nothing(case, gateway, fjord, nord):
    done = reload(gateway)
    case.check(done.code == 0 and "nothing changed" in done.error, "the same file changes nothing", done.error)
    case.check(gateway.metric("smppgate_config_last_reload_success") == 1, "which is a success")


def objection(case, gateway, fjord, nord):
    wire = smpp.Wire(gateway.smpp, bound=True)
    for number in range(WAITING):
        wire.send(smpp.submit(sequence=number + 2))
    statuses = [wire.read()[1] for _ in range(WAITING)]
    case.check(statuses == [0] * WAITING, "messages for a carrier that is away are accepted")
    case.check(nord.report()["received"] == 0, "and none goes to the carrier that the account objects to")
    gateway.tables["account"][0]["objects_to"] = ["fjord"]
    begun = time.monotonic()
    done = reload(gateway)
    said = f"1 account changed; {WAITING} waiting messages go elsewhere"
    case.check(done.code == 0 and said in done.error, "the objection moves to the other carrier", done.error)
    rig.wait("all leave by the other", lambda: nord.report()["received"] == WAITING, 10)
    case.note(f"{WAITING} messages left by the other carrier {time.monotonic() - begun:.2f} s after the change began")
    got = 0
    while got < WAITING and (told := wire.read()):
        if told[0] == smpp.DELIVER_SM:
            wire.send(smpp.pdu(smpp.RESPONSE | smpp.DELIVER_SM, b"\0", told[2]))
            got += 1
    case.check(got == WAITING, "and every receipt arrives on the bind that was there before", got)
    fjord.start()
    up = lambda: gateway.ask("/status.json")[1].count('"links_bound":1') == 2
    rig.wait("the first carrier is back", up, 40)
    wire.send(smpp.submit(sequence=900))
    case.check(wire.read()[1] == 0, "the next message is accepted")
    rig.wait("it leaves", lambda: nord.report()["received"] == WAITING + 1, 10)
    case.check(fjord.report()["received"] == 0, "the carrier objected to gets nothing, now that it is back")
    case.check(gateway.metric("smppgate_rerouted_total") == WAITING, "and the metric says how many were sent elsewhere")
    wire.close()


def accounts_change(case, gateway, fjord, nord):
    leaver, status = bound(gateway, "leaver")
    stays, also = bound(gateway, "acme")
    case.check((status, also) == (0, 0), "two accounts bind")
    case.check(bound(gateway, "newcomer")[1] == 0x0E, "one that is not configured does not")
    tables = gateway.tables["account"]
    tables[1] = account("newcomer", max_binds=1)
    tables[0]["password"] = "renewed"
    begun = time.monotonic()
    done = reload(gateway)
    said = "1 account changed, 1 added, 1 removed; 1 bind closed"
    case.check(done.code == 0 and said in done.error, "one account is new, one is gone", done.error)
    case.check(ended(leaver), "the bind of the one that is gone is closed within a second", f"{time.monotonic() - begun:.2f} s")
    case.check(bound(gateway, "leaver")[1] == 0x0E, "and it does not come back")
    first, status = bound(gateway, "newcomer")
    case.check((status, bound(gateway, "newcomer")[1]) == (0, 5), "the new one binds, as often as it may")
    first.send(smpp.submit(sequence=7))
    case.check(first.read()[1] == 0, "and submits")
    stays.send(smpp.pdu(smpp.ENQUIRE_LINK, sequence=8))
    while (got := stays.read()) and got[0] == smpp.DELIVER_SM:
        stays.send(smpp.pdu(smpp.RESPONSE | smpp.DELIVER_SM, b"\0", got[2]))
    case.check(got and got[0] == smpp.RESPONSE | smpp.ENQUIRE_LINK, "who was bound and is still there stays bound")
    case.check((bound(gateway, "acme")[1], bound(gateway, "acme", "renewed")[1]) == (0x0E, 0), "with the new password next time")
    case.check("account    newcomer: 1 binds" in Command(gateway, "status").out, "status shows it")
    done = Command(gateway, "unbind", "--account", "newcomer")
    case.check(done.code == 0 and ended(first), "and commands know it", done.error)


def mistakes(case, gateway, fjord, nord):
    good = rig.toml(gateway.tables)
    since = in_force(gateway)
    broken = good.replace('system_id = "newcomer"', 'system_id = "newcomer"\nwindow = "many"\nrat = 5')
    refused = reload(gateway, broken)
    case.check(refused.code == 1, "a file with mistakes is refused")
    for part in ("gateway.toml:", "account[1].window", "account[1].rat", "did you mean", "2 mistakes; nothing was changed"):
        case.check(part in refused.error, f"the answer says: {part}", refused.error)
    refused = reload(gateway, "no TOML at all")
    case.check(refused.code == 1 and "not TOML" in refused.error, "so is one that is no TOML", refused.error)
    failed = lambda: gateway.metric("smppgate_config_last_reload_success") == 0
    rig.wait("the metric tells", failed, 5)
    case.check(in_force(gateway) == since, "and since when the configuration is in force stays")
    case.check(bound(gateway, "newcomer")[1] == 0, "everything goes on")


def restart_needed(case, gateway, fjord, nord):
    before = rig.toml(gateway.tables)
    changed = before.replace(f"127.0.0.1:{gateway.smpp}", f"127.0.0.1:{rig.free_port()}")
    changed += '[session]\ndrain = "7s"\n'
    changed = changed.replace('system_id = "newcomer"', 'system_id = "latecomer"')
    refused = reload(gateway, changed)
    said = "listen.smpp, session; nothing was changed"
    case.check(refused.code == 1 and said in refused.error, "what needs a restart is named and refused", refused.error)
    case.check(bound(gateway, "latecomer")[1] == 0x0E, "and nothing else in the file is taken over")


def hangup(case, gateway, fjord, nord):
    since = in_force(gateway)
    gateway.tables["account"].append(account("hangup"))
    write(gateway)
    gateway.process.child.send_signal(signal.SIGHUP)
    rig.wait("SIGHUP has the file read again", lambda: bound(gateway, "hangup")[1] == 0, 5)
    rig.wait("the metrics tell", lambda: in_force(gateway) > since, 5)
    case.check(gateway.metric("smppgate_config_last_reload_success") == 1, "and that it is good again")
    write(gateway, "nonsense")
    gateway.process.child.send_signal(signal.SIGHUP)
    rig.wait("a bad file is told", lambda: gateway.metric("smppgate_config_last_reload_success") == 0, 5)
    case.check(gateway.process.running() and bound(gateway, "hangup")[1] == 0, "and nothing happens")
    case.check("the configuration is not taken over" in gateway.process.tail(), "but a line in the log")
    write(gateway)


def as_ola(gateway, *words):
    return Command(gateway, *words, "--operator", "Ola Nordmann", "--password-file", "-", input="secret\n")


def operators(case, gateway, fjord, nord):
    done = as_ola(gateway, "reload")
    case.check(done.code == 0, "an operator may reload", done.error)
    gateway.tables["operator"][1]["role"] = "viewer"
    case.check(reload(gateway).code == 0, "its rights change")
    refused = as_ola(gateway, "reload")
    case.check(refused.code == 1 and "the role viewer may not do that" in refused.error, "at the next request", refused.error)
    own = socket.socket(socket.AF_UNIX)
    own.connect(str(gateway.data / "control.sock"))
    own.sendall(json.dumps({"request": {"do": "status"}}).encode() + b"\n")
    case.check(own.recv(65536) != b"", "a person is connected")
    gateway.tables["operator"][0]["name"] = "Siri Nordmann"
    begun = time.monotonic()
    done = reload(gateway)
    case.check("no longer configured" in done.error, "and replaced by another on its own request", done.error)
    gone = lambda: "operator added Siri Nordmann; operator removed Kari Nordmann" in log(gateway).out
    rig.wait("which is carried out all the same", gone, 5)
    own.settimeout(1)
    rest = b""
    try:
        while more := own.recv(65536):
            rest += more
        closed = True
    except TimeoutError:
        closed = False
    case.check(closed and b"revoked" in rest, "whose connection ends within a second", f"{time.monotonic() - begun:.2f} s")


def records(case, gateway, fjord, nord):
    shown = log(gateway).out
    lines = [line for line in shown.splitlines() if "config.reload" in line]
    who = f'operator "Kari Nordmann" (uid {os.getuid()}) config.reload'
    for part in (
        f"{who} allowed",
        f"{who} done configuration=sha256:",
        "account changed acme",
        "account added newcomer",
        "account removed leaver",
        f"{who} failed configuration=sha256:",
        "the file has 2 mistakes",
        "needs a restart: listen.smpp",
        "(SIGHUP) config.reload done",
        "(SIGHUP) config.reload failed",
        "operator added Siri Nordmann",
    ):
        case.check(any(part in line for line in lines), f"the record says: {part}")
    case.check(not any(word in shown for word in ("renewed", HASH)), "and no password")
    verified = Command(gateway, "audit", "verify")
    case.check(verified.code == 0, "and is whole", verified.error)


if __name__ == "__main__":
    rig.main("reload", test)
