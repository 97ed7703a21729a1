#!/usr/bin/env python3
"""Carriers that come, change and go while the real process runs, under traffic: every message ends once, every receipt
arrives, the links of the other carriers stay, and what cannot be done changes nothing.
"""

import signal
import time

import certificates
import rig
import smpp
from control import Command

NORWAY, SWEDEN = "479xxxxxxx", "467xxxxxxxx"


def test(case):
    for part in (added, renewed, typed_wrong, removed, comes_and_goes, moved, secured, impossible, stopped):
        part(case)


def begin(case, name, carriers, **tables):
    session = {"response_timeout": "5s", **tables.pop("session", {})}
    accounts = [{"system_id": who, "password": "secret", "max_binds": 10} for who in ("acme", "other")]
    return rig.Gateway(case, carriers, name=name, session=session, account=accounts, **tables).start()


def table(carrier, **more):
    return carrier.table(legal_entity="Test AS", country="NO", transfer_basis="eea", **more)


def reload(gateway, *carriers, route=None):
    if carriers:
        gateway.tables["carrier"] = list(carriers)
    if route is not None:
        gateway.tables["route"] = route
    (gateway.case.folder / f"{gateway.name}.toml").write_text(rig.toml(gateway.tables))
    return Command(gateway, "reload")


def everywhere(*names):
    return [{"country": ["*"], "carriers": list(names)}]


def bound(gateway, carrier):
    return gateway.metric("smppgate_carrier_links", carrier=carrier, state="bound")


def await_links(gateway, carrier, count, seconds=20):
    rig.wait(f"{carrier} has {count} links", lambda: bound(gateway, carrier) == count, seconds)


def state(gateway, carrier):
    lines = [line for line in Command(gateway, "status").out.splitlines() if f" {carrier}: " in line]
    return lines[0] if lines else ""


def traffic(case, gateway, to, rate, seconds, account="acme", wait="60s"):
    return rig.Load(case, gateway.smpp, "--system-id", account, "--to", to, "--rate", rate, "--messages", rate * seconds, "--wait-receipts", wait)


def whole(case, load, what, messages):
    code, report = load.result()
    case.check(code == 0 and report["acknowledged"] == messages, f"{what}: all accepted", report["refused"])
    case.check(report["states"] == {"DELIVRD": messages}, f"{what}: every receipt arrived", report["states"])


def once(case, what, messages, *carriers):
    reports = [carrier.stop() for carrier in carriers]
    unique, twice = (sum(report[key] for report in reports) for key in ("unique", "duplicates"))
    case.check((unique, twice) == (messages, 0), f"{what}: every message left once", [report["unique"] for report in reports])


def added(case):
    fjord, nord = rig.Carrier(case, "fjord"), rig.Carrier(case, "nord")
    gateway = begin(case, "added", [fjord.table(links=2)])
    load = traffic(case, gateway, NORWAY, 500, 6)
    rig.wait("traffic runs", lambda: fjord.report()["received"] > 200)
    # The new one first, and a route to it in the same file.
    route = [{"country": ["SE"], "carriers": ["nord"]}, *everywhere("fjord")]
    done = reload(gateway, table(nord, links=3), table(fjord, links=2), route=route)
    case.check(done.code == 0 and "1 carrier added; " in done.error, "a carrier is added at the front", done.error)
    await_links(gateway, "nord", 3, 5)
    case.check(nord.report()["received"] == 0, "and gets nothing of what is the other's")
    sweden = traffic(case, gateway, SWEDEN, 500, 2, "other")
    whole(case, sweden, "by the new carrier", 1000)
    case.check(nord.report()["received"] == 1000, "they went there", nord.report()["received"])
    done = reload(gateway, table(fjord, links=2), table(nord, links=3))
    case.check(done.code == 0 and "nothing changed" in done.error, "the order means nothing", done.error)
    done = reload(gateway, route=[{"country": ["SE"], "carriers": ["nord", "fjord"]}, *everywhere("fjord")])
    case.check(done.code == 0, "also where routes change with it", done.error)
    done = reload(gateway, table(fjord, links=2), table(nord, links=1))
    case.check(done.code == 0 and "1 carrier changed" in done.error, "links may be fewer", done.error)
    await_links(gateway, "nord", 1)
    whole(case, load, "beside it", 3000)
    case.check((fjord.report()["binds"], nord.report()["binds"]) == (2, 3), "no link was dialled twice")
    case.check(gateway.stop() == 0, "the gateway ends in order")
    once(case, "added", 4000, fjord, nord)


def renewed(case):
    fjord = rig.Carrier(case, "fjord", "--answer-delay", "50ms")
    gateway = begin(case, "renewed", [fjord.table(links=3, window=100)])
    load = traffic(case, gateway, NORWAY, 1000, 6)
    rig.wait("traffic runs", lambda: fjord.report()["received"] > 500)
    done = reload(gateway, table(fjord, links=3, window=120) | {"password": "renewed"})
    case.check(done.code == 0 and "1 carrier changed" in done.error, "a password and a window change", done.error)
    least = 3
    while fjord.report()["binds"] < 6:
        least = min(least, bound(gateway, "fjord"))
        if load.process.child.poll() is not None:
            break
        time.sleep(0.02)
    rig.wait("all links are new", lambda: fjord.report()["binds"] == 6 and bound(gateway, "fjord") == 3, 20)
    case.check(least >= 1, "traffic goes on over the rest meanwhile", least)
    rig.wait("their window is the new one", lambda: gateway.metric("smppgate_carrier_window", carrier="fjord") == 360, 5)
    whole(case, load, "renewed", 6000)
    case.check(gateway.stop() == 0, "the gateway ends in order")
    once(case, "renewed", 6000, fjord)


def typed_wrong(case):
    fjord = rig.Carrier(case, "fjord", "--password", "secret")
    gateway = begin(case, "typed_wrong", [fjord.table(links=3)])
    load = traffic(case, gateway, NORWAY, 500, 6)
    rig.wait("traffic runs", lambda: fjord.report()["received"] > 100)
    done = reload(gateway, table(fjord, links=3) | {"password": "secre"})
    case.check(done.code == 0, "a wrong password is taken over", done.error)
    rig.wait("and refused", lambda: fjord.report()["binds_refused"] == 1, 10)
    rig.wait("status tells", lambda: "2 of 3 links" in (line := state(gateway, "fjord")) and "refused: ESME_RINVPASWD" in line, 5)
    case.check((bound(gateway, "fjord"), fjord.report()["binds"]) == (2, 3), "the other links wait for the first")
    done = reload(gateway, table(fjord, links=3))
    case.check(done.code == 0, "the right one again", done.error)
    await_links(gateway, "fjord", 3, 5)
    case.check((fjord.report()["binds"], fjord.report()["binds_refused"]) == (4, 1), "binds at once, and two links stayed all the time")
    whole(case, load, "with a wrong password between", 3000)
    case.check(gateway.stop() == 0, "the gateway ends in order")
    once(case, "typed_wrong", 3000, fjord)


def removed(case):
    slow = rig.Carrier(case, "slow", "--answer-delay", "1s", "--receipt-delay", "2s")
    fast = rig.Carrier(case, "fast")
    gateway = begin(case, "removed", [slow.table(window=5, links=2), fast.table()], route=everywhere("slow"))
    load = traffic(case, gateway, NORWAY, 200, 1)
    rig.wait("some are handed out, others wait", lambda: gateway.metric("smppgate_carrier_window_used", carrier="slow") == 10, 10)
    rig.wait("all are accepted", lambda: gateway.metric("smppgate_accepted_total") == 200, 10)
    done = reload(gateway, table(fast), route=everywhere("fast"))
    case.check(done.code == 0 and "1 carrier removed" in done.error and "waiting messages go elsewhere" in done.error, "a carrier is removed", done.error)
    await_links(gateway, "slow", 0)
    took = slow.report()
    case.check(took["answers_lost"] == 0, "it could answer what it had", took["answers_lost"])
    rig.wait("the rest leaves by the other", lambda: fast.report()["received"] + took["received"] == 200, 10)
    case.check("not configured" in state(gateway, "slow"), "status tells", state(gateway, "slow"))
    owed = slow.report()["receipts_owed"] - slow.report()["receipts_acknowledged"]
    case.check(owed > 0, "it still has receipts for us", owed)
    done = reload(gateway, table(fast), table(slow, window=5), route=everywhere("fast"))
    case.check(done.code == 0 and "1 carrier added" in done.error, "it comes back under its name", done.error)
    whole(case, load, "removed and back", 200)
    case.check(gateway.stop() == 0, "the gateway ends in order")
    once(case, "removed", 200, slow, fast)


def comes_and_goes(case):
    fjord, nord = rig.Carrier(case, "fjord", "--answer-delay", "100ms"), rig.Carrier(case, "nord")
    gateway = begin(case, "comes_and_goes", [fjord.table(links=2), nord.table()], route=everywhere("fjord", "nord"))
    load = traffic(case, gateway, NORWAY, 500, 8)
    rig.wait("traffic runs", lambda: fjord.report()["received"] > 100)
    both, one = [table(fjord, links=2), table(nord)], [table(nord)]
    codes = []
    for _ in range(6):
        codes.append(reload(gateway, *one, route=everywhere("nord")).code)
        codes.append(reload(gateway, *reversed(both), route=everywhere("fjord", "nord")).code)
    case.check(codes == [0] * 12, "a carrier goes and comes back, again and again", codes)
    await_links(gateway, "fjord", 2)
    for name in ("one", "two"):
        gateway.tables["carrier"] = [table(fjord, links=2, system_type=name), table(nord)]
        (case.folder / f"{gateway.name}.toml").write_text(rig.toml(gateway.tables))
        gateway.process.child.send_signal(signal.SIGHUP)
    whole(case, load, "meanwhile", 4000)
    await_links(gateway, "fjord", 2)
    # The one that it goes to does not exist, and then is another.
    reload(gateway, table(fjord, links=2) | {"address": f"127.0.0.1:{rig.free_port()}"}, table(nord))
    rig.wait("it is dialled in vain", lambda: "unreachable" in state(gateway, "fjord"), 10)
    time.sleep(2)
    other = rig.Carrier(case, "other")
    begun = time.monotonic()
    reload(gateway, table(fjord, links=2) | {"address": f"127.0.0.1:{other.port}"}, table(nord))
    rig.wait("the right address is dialled at once", lambda: other.report()["binds"] == 2, 5)
    case.note(f"the links were at the new address after {time.monotonic() - begun:.2f} s")
    case.check(gateway.stop() == 0, "the gateway ends in order")
    once(case, "comes_and_goes", 4000, fjord, nord)


def moved(case):
    """The name of a carrier that stands for another company from now on, at another address."""
    old, new = rig.Carrier(case, "old", "--answer-delay", "300ms"), rig.Carrier(case, "new")
    first = table(old, links=2, window=20)
    gateway = begin(case, "moved", [first | {"name": "fjord"}], route=everywhere("fjord"))
    load = traffic(case, gateway, NORWAY, 500, 5, wait="3s")
    rig.wait("traffic runs", lambda: old.report()["received"] > 50)
    done = reload(gateway, table(new, links=2) | {"name": "fjord", "legal_entity": "Another AS", "country": "SE"})
    had = old.report()["received"]
    case.check(done.code == 0, "a carrier becomes another company's", done.error)
    await_links(gateway, "fjord", 2)
    _, report = load.result()
    case.check(report["acknowledged"] == 2500, "all are accepted", report["refused"])
    last, rest = old.stop(), new.stop()
    # What had left before may still be on its way to the old one's counts.
    case.check(last["received"] - had <= 40, "the old one gets nothing more", last["received"] - had)
    case.check(last["unique"] + rest["unique"] == 2500 and last["duplicates"] + rest["duplicates"] == 0, "every message left once")
    case.check(gateway.stop() == 0, "the gateway ends in order")


def secured(case):
    """From a connection in clear to TLS, and with an authority that does not know the carrier."""
    certificates.make(case.folder)
    tls = ["--certificate", case.folder / "server.pem", "--key", case.folder / "server.key"]
    clear, secure = rig.Carrier(case, "clear"), rig.Carrier(case, "secure", *tls)
    gateway = begin(case, "secured", [table(clear, links=2) | {"name": "fjord"}], route=everywhere("fjord"))
    load = traffic(case, gateway, NORWAY, 300, 5, wait="3s")
    rig.wait("traffic runs", lambda: clear.report()["received"] > 50)
    (case.folder / "other").mkdir()
    certificates.make(case.folder / "other")
    over_tls = table(secure, links=2, tls=True) | {"name": "fjord"}
    done = reload(gateway, over_tls | {"ca": "other/ca.pem"})
    case.check(done.code == 0, "TLS with another authority is taken over", done.error)
    distrust = lambda: "1 of 2 links" in (line := state(gateway, "fjord")) and "unreachable: invalid peer certificate" in line
    rig.wait("and finds no trust", distrust, 10)
    case.check((bound(gateway, "fjord"), secure.report()["binds"]) == (1, 0), "the other link stays in clear", state(gateway, "fjord"))
    done = reload(gateway, over_tls | {"ca": "ca.pem"})
    rig.wait("both links are under TLS", lambda: secure.report()["binds"] == 2 and bound(gateway, "fjord") == 2, 10)
    _, report = load.result()
    case.check(report["acknowledged"] == 1500, "all are accepted", report["refused"])
    last = clear.report()
    # Two simulated carriers do not share their receipts as the addresses of one do.
    kept = last["receipts_owed"] - last["receipts_acknowledged"]
    case.check(report["states"] == {"DELIVRD": 1500 - kept}, "every receipt arrived that was brought", (report["states"], kept))
    case.check(gateway.stop() == 0, "the gateway ends in order")
    once(case, "secured", 1500, clear, secure)


def impossible(case):
    fjord = rig.Carrier(case, "fjord")
    gateway = begin(case, "impossible", [fjord.table(links=2)])
    good = table(fjord, links=2)
    bad = [
        ({"name": "nord", "address": "127.0.0.1:9", "system_id": "a", "password": "b", "tls": True, "ca": "missing.pem"}, "missing.pem"),
        ({"name": "nord", "address": "nowhere", "system_id": "a", "password": "b"}, "cannot be dialled"),
        (table(fjord), "is the name of carrier[0] too"),
    ]
    for other, why in bad:
        refused = reload(gateway, good | {"password": "changed"}, other)
        case.check(refused.code == 1 and why in refused.error and "nothing was changed" in refused.error, f"refused: {why}", refused.error)
    refused = reload(gateway, table(fjord), route=everywhere("nord"))
    case.check(refused.code == 1 and "is no carrier" in refused.error, "a route to one that is gone is refused", refused.error)
    case.check((bound(gateway, "fjord"), fjord.report()["binds"]) == (2, 2), "and no link was touched")
    case.check(smpp.submit_each(gateway.smpp, b"hello", "4791234567") == [0], "everything goes on")
    case.check(gateway.stop() == 0, "the gateway ends in order")


def stopped(case):
    """A stop while the links of a removed carrier wait for answers that never come."""
    mute, fjord = rig.Carrier(case, "mute", "--silent"), rig.Carrier(case, "fjord")
    session = {"response_timeout": "30s", "drain": "3s"}
    gateway = begin(case, "stopped", [mute.table(window=10, on_unknown="resend"), fjord.table()], route=everywhere("mute"), session=session)
    numbers = [f"479123456{last}" for last in range(5)]
    case.check(smpp.submit_each(gateway.smpp, b"hello", *numbers) == [0] * 5, "messages go to one that never answers")
    rig.wait("it has them", lambda: mute.report()["submitted"] == 5, 5)
    done = reload(gateway, table(fjord), route=everywhere("fjord"))
    case.check(done.code == 0 and bound(gateway, "mute") == 1, "which is removed, and awaited", done.error)
    begun = time.monotonic()
    code = gateway.stop()
    case.check(code == 0 and time.monotonic() - begun < 10, "a stop does not wait for it longer than it may", f"{time.monotonic() - begun:.1f} s")
    gateway.start()
    rig.wait("after the restart they go by the other", lambda: fjord.report()["unique"] == 5, 20)
    case.check(gateway.stop() == 0, "the gateway ends in order")


if __name__ == "__main__":
    rig.main("fleet", test)
