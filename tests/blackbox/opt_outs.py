#!/usr/bin/env python3
"""Those who want no more messages: by a handset's word, also when the process is killed as soon as the carrier has its
answer, and by an operator; what waits for them never leaves, and their numbers are in no file.
"""

import json
import os
import queue
import socket
import threading

import rig
import smpp
from privacy import LETTER, Command, close_for_good, subject

OWN, NUMBER, WAITING, ANOTHER = "4759440000", "4791234567", "4791234568", "4790000001"
OPTED_OUT = 0x403
KILLS = 12 if rig.LONG else 4


class Smsc:
    """A carrier that takes everything, remembers to whom it was, and lets handsets write."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.wire, self.away, self.answers, self.numbers = None, False, queue.Queue(), []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            wire = smpp.Wire.__new__(smpp.Wire)
            wire.socket, wire.octets = self.listener.accept()[0], b""
            try:
                self.link(wire)
            except OSError:
                pass
            wire.close()

    def link(self, wire):
        while not self.away and (got := wire.read()):
            command, status, sequence, body = got
            if command == smpp.RESPONSE | smpp.DELIVER_SM:
                self.answers.put(status)
            if command & smpp.RESPONSE:
                continue
            if command == smpp.SUBMIT_SM:
                source = body.index(b"\0") + 1
                number = body.index(b"\0", source + 2) + 3
                self.numbers.append(body[number : body.index(b"\0", number)].decode())
            name = {smpp.TRANSCEIVER: b"fjord\0", smpp.SUBMIT_SM: b"m%d\0" % len(self.numbers)}.get(command, b"")
            self.wire = wire
            wire.send(smpp.pdu(smpp.RESPONSE | command, name, sequence))

    def says(self, number, text, coding=0):
        """A handset writes; the status of the answer."""
        head = b"\0\1\1" + number.encode() + b"\0\1\1" + OWN.encode() + b"\0"
        self.wire.send(smpp.pdu(smpp.DELIVER_SM, head + bytes([0, 0, 0, 0, 0, 0, 0, coding, 0, len(text)]) + text, 77))
        return self.answers.get(timeout=20)

    def leave(self):
        """Cuts its link and takes no other until `away` is false."""
        self.away = True
        self.wire.socket.shutdown(socket.SHUT_RDWR)

    def table(self):
        address = f"127.0.0.1:{self.port}"
        return {"name": "fjord", "address": address, "system_id": "x", "password": "x"}


def test(case):
    carrier = Smsc()
    keeps = {"opt_out": True, "opt_out_words": ["STOPP", "STOP", "OPPHØR"]}
    accounts = [{"system_id": "acme", "password": "secret", **keeps}, {"system_id": "other", "password": "secret"}]
    operators = [{"name": "Kari Nordmann", "uid": os.getuid(), "role": "privacy_officer"}]
    inbound = [{"to": [OWN], "account": "acme"}]
    gateway = rig.Gateway(case, [carrier.table()], account=accounts, operator=operators, inbound=inbound).start()
    for part in (words, killed, waiting, operator, rights, reloaded, closed, hidden):
        part(case, gateway, carrier)
    case.check(gateway.stop() == 0, "SIGTERM ends the gateway with 0")


def submit(gateway, *numbers, account="acme"):
    return smpp.submit_each(gateway.smpp, b"offers", *numbers, account=account)


def opt_out(gateway, verb, *words):
    return Command(gateway, "optout", verb, "--account", "acme", *words)


def words(case, gateway, carrier):
    case.check(submit(gateway, NUMBER) == [0], "a number is sent to")
    case.check(carrier.says(NUMBER, b"What is this?") == 0 and submit(gateway, NUMBER) == [0], "also after it asked something")
    case.check(carrier.says(NUMBER, "Opphør!".encode("utf-16-be"), 8) == 0, "it opts out")
    case.check(submit(gateway, NUMBER, ANOTHER, f"+{NUMBER}") == [OPTED_OUT, 0, OPTED_OUT], "and is refused, others are not")
    case.check(submit(gateway, NUMBER, account="other") == [0], "another account is not concerned")
    counted = lambda: gateway.metric("smppgate_refused_total", reason="opted_out") == 2 and gateway.metric("smppgate_opt_outs") == 1
    case.check(rig.wait("it is counted", counted), "it is counted")
    case.check(carrier.says(NUMBER, b"START") == 0 and submit(gateway, NUMBER) == [0], "until it opts in again")


def killed(case, gateway, carrier):
    """What the carrier was told is on the disk."""
    for kill in range(KILLS):
        number = f"467012345{kill:02}"
        status = carrier.says(number, b"stop")
        gateway.kill()
        gateway.start()
        case.check((status, submit(gateway, number)) == (0, [OPTED_OUT]), f"kill {kill}: who opted out stays so")
    status = carrier.says("46701234500", b"start")
    gateway.kill()
    gateway.start()
    case.check((status, submit(gateway, "46701234500")) == (0, [0]), "and who opted in again, too")


def waiting(case, gateway, carrier):
    """A message that waits for the carrier when its recipient opts out."""
    carrier.leave()
    before = len(carrier.numbers)
    rig.wait("the carrier is away", lambda: gateway.ready()[0] != 200)
    case.check(submit(gateway, WAITING, ANOTHER) == [0, 0], "messages wait for the carrier")
    case.check(opt_out(gateway, "add", "--number", WAITING, *LETTER).code == 0, "an operator puts the number of one on the list")
    carrier.away = False
    rig.wait("the carrier is back", lambda: gateway.ready()[0] == 200)
    rejected = lambda: gateway.metric("smppgate_finals_total", account="acme", state="REJECTD") == 1
    case.check(rig.wait("it ends", rejected), "it ends as REJECTD")
    case.check(rig.wait("the other one leaves", lambda: ANOTHER in carrier.numbers[before:]), "the other one leaves")
    case.check(WAITING not in carrier.numbers, "and that one never does")


def operator(case, gateway, carrier):
    done = opt_out(gateway, "add", "--number", NUMBER)
    case.check(done.code == 1 and "documented instruction" in done.error, "an instruction is needed", done.error)
    done = Command(gateway, "optout", "add", "--account", "other", "--number", NUMBER, *LETTER)
    case.check(done.code == 1 and "keeps no list" in done.error, "and an account that keeps a list", done.error)
    file = case.folder / "numbers"
    file.write_text(f"{NUMBER}\n\n+{ANOTHER}\n")
    done = opt_out(gateway, "import", "--file", file, *LETTER)
    case.check(done.code == 0 and submit(gateway, NUMBER, ANOTHER) == [OPTED_OUT] * 2, "numbers of a file are put on it", done.error)
    file.write_text(f"{ANOTHER}\nMyBrand\n")
    done = opt_out(gateway, "import", "--file", file, *LETTER)
    case.check(done.code == 1 and done.error.splitlines()[-1].startswith("line 2: ") and ANOTHER not in done.error, "a wrong line is named", done.error)
    file.unlink()
    done = opt_out(gateway, "list", "--json")
    rows = [json.loads(line)["row"] for line in done.out.splitlines() if '"row"' in line]
    ways = sorted(row["by"] for row in rows)
    case.check(ways == ["operator"] * 3 + ["word"] * (KILLS - 1), "the list says how each came there", ways)
    case.check(all(len(row["token"]) == 32 and row["since"].startswith("20") for row in rows), "by tokens, and since when", rows[:1])
    case.check(opt_out(gateway, "remove", "--number", ANOTHER, *LETTER).code == 0 and submit(gateway, ANOTHER) == [0], "removed, it is sent to")
    log = Command(gateway, "audit", "show").out
    for part in ("optout.add denied number=", "optout.add done number=", "optout.remove done number=", "optout.list allowed account=acme"):
        case.check(part in log, f"the record says: {part}")


def rights(case, gateway, carrier):
    summary = subject(gateway, "export", *LETTER).json()["summary"]
    case.check(summary["opted_out"]["by"] == "operator", "an export says that the number is on the list", summary)
    erased = subject(gateway, "erase", *LETTER).json()
    case.check(erased["opted_out"] is True and submit(gateway, NUMBER) == [OPTED_OUT], "an erasure leaves it there", erased)
    summary = subject(gateway, "export", *LETTER, number=ANOTHER).json()["summary"]
    case.check(summary["opted_out"] is None, "of another it says nothing", summary)


def reloaded(case, gateway, carrier):
    """A list that is not kept means nothing, and is there when it is kept again."""
    acme = gateway.tables["account"][0]
    kept = {key: acme.pop(key) for key in list(acme) if key.startswith("opt_")}
    for more, status in (({}, 0), (kept, OPTED_OUT)):
        acme.update(more)
        (case.folder / "gateway.toml").write_text(rig.toml(gateway.tables))
        done = Command(gateway, "reload")
        case.check(done.code == 0 and submit(gateway, NUMBER) == [status], f"after a reload {status:#x}", done.error)


def closed(case, gateway, carrier):
    """The list goes with the records of a closed account."""
    close_for_good(gateway, "acme")
    case.check("0 numbers" in opt_out(gateway, "list").error, "the list of a closed account is destroyed with its records")


def hidden(case, gateway, carrier):
    said = gateway.process.log.read_text() + Command(gateway, "audit", "show").out + gateway.ask("/metrics")[1]
    numbers = (NUMBER, WAITING, ANOTHER, "467012345")
    case.check(not any(number in said for number in numbers), "no log, record or metric has a number")
    files = [file for file in gateway.data.rglob("*") if file.is_file()]
    holding = [str(file) for file in files if any(number.encode() in file.read_bytes() for number in numbers)]
    case.check(len(files) > 5 and not holding, "and no file of the store", holding or len(files))


if __name__ == "__main__":
    rig.main("opt_outs", test)
