#!/usr/bin/env python3
"""The rights of a person, against the real process and as an operator would: see, correct, restrict, erase, on the client's
instruction only, also when the process is killed in the middle; and that the record of it holds no number.
"""

import json
import os
import subprocess
import time

import rig
import smpp

NUMBER, ANOTHER = "4791234567", "4790000001"
TEXT = b"secret words"
LETTER = ("--instruction", "letter 2026-17")
MESSAGES = 200_000 if rig.LONG else 40_000
# argon2id of "secret" at the least cost.
HASH = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$fIbdC2xakJ6cNlONBQKde0ZQtJof49m9l+7mj3O30mA"


def test(case):
    carrier = rig.Carrier(case, "fjord", "--receipt-delay", "10ms")
    away = {"name": "away", "address": "127.0.0.1:1", "system_id": "x", "password": "x"}
    accounts = [{"system_id": name, "password": "secret"} for name in ("acme", "other")]
    accounts.append({
        "system_id": "keeper", "password": "secret", "body": "retain", "one_time_service_types": ["OTP"],
        "retention": {"message": "30d", "body": "7d"},
    })
    persons = [
        {"name": "Kari Nordmann", "uid": os.getuid(), "role": "privacy_officer"},
        {"name": "Ola Nordmann", "password_hash": HASH, "role": "operator", "accounts": ["acme"]},
    ]
    routes = [{"country": ["*"], "carriers": ["fjord"]}, {"country": ["SE"], "carriers": ["away"]}]
    tables = {"account": accounts, "operator": persons, "route": routes}
    gateway = rig.Gateway(case, [carrier.table(), away], **tables).start()
    for part in (refusals, keeping, seeing, correcting, restricting, erasing, reported, killed, closing, scale):
        part(case, gateway)
    case.check(gateway.stop() == 0, "SIGTERM ends the gateway with 0")


class Command:
    """One run of the command line against the gateway."""

    def __init__(self, gateway, *words, **options):
        command = [rig.PROGRAM, *words, "--config", gateway.case.folder / f"{gateway.name}.toml"]
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=120, **options)
        self.code, self.out, self.error = done.returncode, done.stdout, done.stderr.strip()

    def json(self):
        return json.loads(self.out)


def subject(gateway, verb, *words, number=NUMBER, account="acme", **options):
    return Command(gateway, "subject", verb, "--account", account, "--number", number, *words, **options)


def shown(gateway, *words, **named):
    """The records of a number as they are."""
    done = subject(gateway, "export", "--unmask", "--reason", "asked by the client", *LETTER, *words, **named)
    return done.json()["records"]


def refusals(case, gateway):
    for words, number, why in [
        ((), NUMBER, "without the client's documented instruction"),
        (LETTER, "5580", "no number in international form"),
    ]:
        for verb in ("export", "erase", "restrict", "release"):
            done = subject(gateway, verb, *words, number=number)
            case.check(done.code == 1 and why in done.error and number not in done.error, f"{verb}: {why}", done.error)
    done = subject(gateway, "erase", *LETTER, account="nobody")
    case.check(done.code == 1 and 'no account "nobody"' in done.error, "an unknown account is refused")
    done = subject(gateway, "export", "--unmask", *LETTER)
    case.check(done.code == 1 and "for a reason only" in done.error, "unmasking needs a reason", done.error)
    ola = ("--operator", "Ola Nordmann", "--password-file", "-")
    done = subject(gateway, "erase", *LETTER, *ola, input="secret\n")
    case.check(done.code == 1 and "may not do that" in done.error, "an operator may not erase", done.error)
    done = subject(gateway, "export", *LETTER, *ola, account="other", input="secret\n")
    case.check(done.code == 1 and "not in your scope" in done.error, "nor look into an account out of scope", done.error)


def seeing(case, gateway):
    case.check(set(smpp.submit_each(gateway.smpp, TEXT, NUMBER, ANOTHER, "46701234567", NUMBER)) == {0}, "messages are accepted")
    smpp.submit_each(gateway.smpp, TEXT, NUMBER, account="other")
    rig.wait("the carrier reports them", lambda: gateway.metric("smppgate_receipts_owed") == 4)
    masked = subject(gateway, "export", *LETTER)
    case.check(masked.code == 0 and NUMBER not in masked.out and "+479*****67" in masked.out, "masked by default", masked.error)
    records = shown(gateway)
    case.check(len(records) == 2, "all records of the number within the account, and no others", len(records))
    first = records[0]
    case.check((first["destination"], first["source"]) == (f"+{NUMBER}", "test"), "as they are, with a reason", first)
    case.check((first["state"], first["direction"], first["country"]) == ("DELIVRD", "to_handset", "NO"), "how they stand")
    carrier = first["carrier"]
    case.check((carrier["legal_entity"], carrier["country"], carrier["transfer_basis"]) == ("Test AS", "NO", "eea"), "who got them")
    waiting = shown(gateway, number="46701234567")[0]
    case.check(waiting["text"]["characters"] == TEXT.decode() and waiting["state"] == "ENROUTE", "a text that still waits", waiting)
    case.check(first["text"] is None, "and none of a message that has ended")
    case.check(len(shown(gateway, account="other")) == 1, "another account's are its own")
    erased = subject(gateway, "erase", *LETTER, number="46701234567").json()
    case.check(erased["unsent"] == 1 and erased["carriers"] == [], "what waits can be erased: no carrier had it", erased)
    # A client that takes its receipts lets them be archived.
    wire = smpp.Wire(gateway.smpp)
    wire.send(smpp.bind())
    rig.wait("receipts are taken", lambda: take_receipts(gateway, wire) == 1, 30)
    wire.close()
    rig.wait("what is settled is archived", lambda: all(record["kept_until"] for record in shown(gateway)), 90)
    case.check(len(shown(gateway)) == 2, "archived records are shown, with the end of their time")


def keeping(case, gateway):
    """An account that keeps its texts, but those of one-time codes."""
    words = "grüße {1}".encode("utf-16-be")
    kept = [("", TEXT, 0), ("", words, 8), ("OTP", b"code 123456", 0), ("otp", b"code 654321", 0)]
    wire = smpp.Wire(gateway.smpp)
    wire.send(smpp.bind(system_id="keeper"))
    case.check(wire.read()[1] == 0, "it binds")
    for sequence, (service_type, text, coding) in enumerate(kept, 2):
        wire.send(smpp.submit(NUMBER, text, sequence, receipt=0, service_type=service_type, data_coding=coding))
    case.check([wire.read()[1] for _ in kept] == [0] * len(kept), "its messages are accepted")
    wire.close()
    of = {"account": "keeper"}
    rig.wait("they are archived", lambda: sum(bool(record["kept_until"]) for record in shown(gateway, **of)) == len(kept), 90)
    records = shown(gateway, **of)
    texts = [record["text"] and record["text"]["characters"] for record in records]
    case.check(texts == [TEXT.decode(), "grüße {1}", None, None], "texts stay, and one-time codes do not", texts)
    days = [(record["text"]["kept_until"], record["kept_until"]) for record in records[:2]]
    case.check(all(text < record for text, record in days), "a text goes before its record", days)
    masked = subject(gateway, "export", *LETTER, **of)
    case.check(TEXT.decode() not in masked.out and masked.json()["records"][0]["text"]["octets"] == len(TEXT), "masked by default")
    log = Command(gateway, "audit", "show").out
    case.check("texts=2 masked=false" in log, "the record says how many texts were shown")
    files = [file for file in gateway.data.rglob("*") if file.is_file()]
    case.check(not any(TEXT in file.read_bytes() or words in file.read_bytes() for file in files), "no file shows a text", len(files))
    gateway.kill()
    gateway.start()
    case.check(shown(gateway, **of)[0]["text"]["characters"] == TEXT.decode(), "they are there after a restart")
    report = Command(gateway, "report", "processing").out
    case.check("| body, keeper | 7 days |" in report and "| message, keeper | 30 days |" in report, "the record of processing says so")
    erased = subject(gateway, "erase", *LETTER, **of).json()
    case.check((erased["archived"], erased["texts"]) == (4, 2), "an erasure takes texts, too", erased)
    case.check(shown(gateway, **of) == [], "nothing is left of them")


def take_receipts(gateway, wire):
    wire.take_deliveries(0.3)
    return gateway.metric("smppgate_receipts_owed")


def correcting(case, gateway):
    done = subject(gateway, "note", "--text", "the subscriber moved in May", *LETTER)
    case.check(done.code == 0, "a note is added", done.error)
    summary = subject(gateway, "export", *LETTER).json()["summary"]
    case.check([note["text"] for note in summary["notes"]] == ["the subscriber moved in May"], "and shown with the records")


def restricting(case, gateway):
    case.check(subject(gateway, "restrict", *LETTER, number="-", input=f"+{NUMBER}\n").code == 0, "a number is restricted")
    case.check(smpp.submit_each(gateway.smpp, TEXT, NUMBER, ANOTHER) == [0x45, 0], "a submit to it is refused, others are not")
    gateway.kill()
    gateway.start()
    case.check(smpp.submit_each(gateway.smpp, TEXT, NUMBER) == [0x45], "also after a crash")
    case.check(smpp.submit_each(gateway.smpp, TEXT, NUMBER, account="other") == [0], "another account is not concerned")
    counted = lambda: gateway.metric("smppgate_refused_total", reason="restricted") == 1
    case.check(rig.wait("it is counted", counted), "it is counted")
    summary = subject(gateway, "export", *LETTER).json()["summary"]
    case.check(summary["restricted"] and summary["records"] == 2, "the client may still see the records", summary)
    ola = ("--operator", "Ola Nordmann", "--password-file", "-")
    done = subject(gateway, "export", *LETTER, *ola, input="secret\n")
    case.check(done.code == 1 and "only a privacy officer" in done.error, "an operator does not see it", done.error)
    done = subject(gateway, "erase", *LETTER)
    case.check(done.code == 1 and "wins over erasure" in done.error, "a restriction wins over erasure", done.error)
    case.check(subject(gateway, "release", *LETTER).code == 0 and smpp.submit_each(gateway.smpp, TEXT, NUMBER) == [0], "released, it is sent to")


def erasing(case, gateway):
    before = len(shown(gateway, account="other"))
    done = subject(gateway, "erase", *LETTER)
    erased = done.json()
    total = sum(erased[part] for part in ("unsent", "sent", "ended", "inbound", "archived"))
    case.check(done.code == 0 and total == 3, "all records are erased", erased)
    case.check([row["legal_entity"] for row in erased["carriers"]] == ["Test AS"], "who got the number is told", erased["carriers"])
    case.check(shown(gateway) == [], "nothing is left to see")
    again = subject(gateway, "erase", *LETTER)
    case.check(again.code == 0 and again.json()["archived"] == 0, "a second time nothing is found")
    case.check(len(shown(gateway, account="other")) == before and len(shown(gateway, number=ANOTHER)) == 2, "others stay")
    log = Command(gateway, "audit", "show").out
    for part in ("subject.erase allowed number=", "subject.erase done number=", "subject.unmask done", "subject.restrict denied"):
        case.check(part in log, f"the record says: {part}")
    case.check("letter 2026-17" in log, "and on whose instruction")
    everything = log + gateway.process.log.read_text() + (gateway.data / "standing.json").read_text()
    case.check(not any(number in everything for number in (NUMBER, ANOTHER, "9123456")), "and no number")
    forms = [form for number in (NUMBER, ANOTHER) for form in (number.encode(), number.encode("utf-16-be"), number.encode().hex().encode())]
    files = [file for file in gateway.data.rglob("*") if file.is_file()]
    holding = [str(file) for file in files if any(form in file.read_bytes() for form in forms)]
    case.check(len(files) > 5 and not holding, "no file of the store holds a number in any form", holding or len(files))


def reported(case, gateway):
    today = time.strftime("%Y-%m-%d", time.gmtime())
    report = Command(gateway, "report", "incident", "--from", today, "--to", today, "--actor", "Kari Nordmann", "--format", "json").json()
    rows = {row["account"]: row for row in report["accounts"]}
    case.check(set(rows) == {"acme", "keeper", "other"}, "an incident report names the accounts that were touched", set(rows))
    acme = rows["acme"]
    case.check(acme["numbers_visible"] and acme["texts_visible"] and acme["subjects"] == 3, "what was seen of them", acme)
    case.check(not any(number in json.dumps(report) for number in (NUMBER, ANOTHER)), "and no number")


def killed(case, gateway):
    """A kill in the middle: the erasure goes on at the next start."""
    smpp.submit_each(gateway.smpp, TEXT, *["46701111111"] * 50)
    child = subprocess.Popen(
        [rig.PROGRAM, "subject", "erase", "--account", "acme", "--number", "46701111111", *LETTER, "--config",
         str(case.folder / "gateway.toml")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    standing = gateway.data / "standing.json"
    deadline = time.monotonic() + 5
    while child.poll() is None and "erasing" not in standing.read_text() and time.monotonic() < deadline:
        pass
    gateway.kill()
    child.wait(20)
    gateway.start()
    rig.wait("it is done", lambda: "erasing" not in standing.read_text() and shown(gateway, number="46701111111") == [], 30)
    case.check(True, "an erasure that a kill cut is done after the next start")


def close_for_good(gateway, account):
    """Closes an account and destroys its records: the end of both periods is written into the past while the process is down."""
    Command(gateway, "account", "close", "--account", account, *LETTER)
    gateway.stop()
    file = gateway.data / "standing.json"
    standing = json.loads(file.read_text())
    standing["persons"]["closed"][account].update(aside_until_ms=1, sealed_until_ms=2)
    file.write_text(json.dumps(standing))
    gateway.start()
    rig.wait("its records are destroyed", lambda: "account.destroy done" in Command(gateway, "audit", "show").out, 60)


def closing(case, gateway):
    account = ("--account", "other")
    records = len(shown(gateway, account="other"))
    wire = smpp.Wire(gateway.smpp)
    wire.send(smpp.bind("other"))
    case.check(records > 0 and wire.read()[1] == 0, "an account has records and a bind", records)
    done = Command(gateway, "account", "close", *account, *LETTER)
    case.check(done.code == 0 and "set aside until" in done.error, "it is closed", done.error)
    case.check(wire.closed_within(2) is not None, "its bind ends")
    gateway.kill()
    gateway.start()
    wire = smpp.Wire(gateway.smpp)
    wire.send(smpp.bind("other"))
    case.check(wire.read()[1] == 0x0E, "and another is refused, also after a crash")
    hidden = subject(gateway, "export", *LETTER, account="other")
    case.check(hidden.code == 1 and "set aside" in hidden.error, "its records are not shown", hidden.error)
    done = Command(gateway, "account", "reopen", *account, *LETTER)
    case.check(done.code == 0 and len(shown(gateway, account="other")) == records, "reopened, all is back", done.error)
    close_for_good(gateway, "other")
    done = Command(gateway, "account", "reopen", *account, *LETTER)
    case.check("were destroyed" in done.error and shown(gateway, account="other") == [], "then nothing comes back", done.error)


def scale(case, gateway):
    """One number among many while traffic goes on."""
    code, load = case.load(gateway.smpp, "--messages", MESSAGES, "--to", "4790000002")
    case.check(code == 0, f"{MESSAGES} messages ended", load.get("states"))
    rig.wait("they are archived", lambda: gateway.metric("smppgate_sealed_total") >= MESSAGES, 120)
    smpp.submit_each(gateway.smpp, TEXT, NUMBER, receipt=0)
    begun = time.monotonic()
    done = subject(gateway, "erase", *LETTER)
    seconds = time.monotonic() - begun
    case.check(done.code == 0 and seconds < 20, f"one number among {MESSAGES}", f"{seconds:.1f} s: {done.out.strip()[:120]}")


if __name__ == "__main__":
    rig.main("privacy", test)
