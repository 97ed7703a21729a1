#!/usr/bin/env python3
"""A number, a text and a password that must be seen nowhere: the process logs everything it can, meets failures of every
kind, is killed, and then all that it wrote and says is searched, octet by octet, in every form they could have.

The files of the store are searched while messages wait, and again after the last one is forgotten; the clock of the wall is
sped up for that (libfaketime), as in the test of retention.
"""

import base64
import json
import os
import pathlib
import socket
import struct
import subprocess
import time
import urllib.error
import urllib.request

import rig
import smpp

SPEED = 1200
NUMBER, SENDER, TEXT, PASSWORD, WRONG = "4791827364", "46738291827", "canary sings 5827", "Zq7kPw3x", "Yq7kPw3z"
SECRETS = (NUMBER, SENDER, TEXT, PASSWORD, WRONG)
LETTER = ("--instruction", "letter 17")
# argon2id of "secret" at the least cost.
HASH = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$fIbdC2xakJ6cNlONBQKde0ZQtJof49m9l+7mj3O30mA"
API = rig.free_port()


def test(case):
    library = next(pathlib.Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
    if library is None:
        raise rig.Failed("libfaketime is not installed")
    for name, octets in [("ASCII", b"x4791827364x"), ("UCS-2", "4791827364".encode("utf-16-be")), ("hex", b"34373931383237333634")]:
        case.check(found(octets) == [(NUMBER, name)], f"the search itself finds {name}", found(octets))
    for name, octets in [("packed GSM", b"\0" + packed(f"ab {TEXT} cd")), ("base64", base64.b64encode(b"a" + PASSWORD.encode() + b"bc"))]:
        case.check([form for _, form in found(octets)] == [name], f"the search itself finds {name}", found(octets))
    carriers = [
        rig.Carrier(case, "well", "--receipt-delay", "20ms", "--mobile-to", "4759440000", "--mobile-rate", "10", "--mobile-messages", "20", "--mobile-text", TEXT),
        rig.Carrier(case, "ill", "--fail-rate", "0.5", "--status", "0x0B"),
    ]
    down = {"name": "down", "address": "127.0.0.1:1", "system_id": "x", "password": PASSWORD}
    gateway = rig.Gateway(
        case,
        [carriers[0].table(), carriers[1].table(), down],
        account=[
            {"system_id": "acme", "password": PASSWORD, "countries": ["NO", "SE", "DK"], "max_binds": 100, "opt_out": True},
            # Its texts stay, but on no disk in the clear.
            {"system_id": "keeper", "password": PASSWORD, "body": "retain"},
        ],
        route=[
            {"country": ["NO"], "carriers": ["well"]},
            {"country": ["SE"], "carriers": ["ill"]},
            {"country": ["DK"], "carriers": ["down"]},
        ],
        inbound=[{"to": ["4759440000"], "account": "acme"}],
        listen={"api": f"127.0.0.1:{API}"},
        operator=[
            {"name": "Kari Nordmann", "uid": os.getuid(), "role": "privacy_officer"},
            {"name": "Ola Nordmann", "password_hash": HASH, "role": "operator"},
        ],
        retention={"message": "1s", "inbound": "1s"},
    )
    clock = {"LD_PRELOAD": str(library), "FAKETIME": f"+0 x{SPEED}", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    gateway.environment = {**clock, "RUST_LOG": "trace"}
    started = time.monotonic()
    gateway.start(wait_ready=False)
    rig.wait("it answers", lambda: gateway.ready()[0] != 0)
    rig.wait("carriers are bound", lambda: gateway.metric("smppgate_carrier_links", state="bound") >= 2)
    traffic(gateway)
    failures(gateway)
    said = operators(gateway)
    case.check("+479*****64" in said and '"openapi"' in said, "operators are told something, over HTTP too")
    case.check(not found(said), "no answer to an operator holds them", found(said))
    look(case, gateway, "while messages wait")
    gateway.kill()
    # The clock of the wall goes on where it was.
    ahead = int((time.monotonic() - started) * SPEED)
    gateway.environment["FAKETIME"] = f"+{ahead} x{SPEED}"
    gateway.start(wait_ready=False)
    rig.wait("it is back", lambda: gateway.metric("smppgate_carrier_links", state="bound") >= 2)
    said = pages(gateway)
    case.check(not found(said), "no page holds them after a crash", found(said))
    drained = lambda: receive(gateway) or gateway.metric("smppgate_messages_live") == 0
    rig.wait("the last message is forgotten", drained, 120)
    rig.wait("and swept", lambda: gateway.metric("smppgate_archive_blocks") == 0, 60)
    case.check(gateway.stop() == 0, "SIGTERM ends the gateway with 0")
    look(case, gateway, "after the sweep")
    log = gateway.process.log.read_bytes()
    case.check(b"DEBUG" in log and b"carrier is unreachable" in log, "the log says what went wrong", len(log))


def packed(words):
    """GSM 7-bit, packed into octets. 3GPP TS 23.038 §6.1.2.1; these words have their ASCII codes in it."""
    bits = sum((ord(letter) & 0x7F) << (7 * place) for place, letter in enumerate(words))
    return bits.to_bytes((7 * len(words) + 7) // 8, "little")


def forms(secret):
    """What the octets of a secret look like, by the name of the form."""
    plain = secret.encode()
    yield "ASCII", plain
    yield "UCS-2", secret.encode("utf-16-be")
    yield "UCS-2", secret.encode("utf-16-le")
    for octets in (plain, secret.encode("utf-16-be")):
        yield "hex", octets.hex().encode()
        yield "hex", octets.hex().upper().encode()
    yield "hex", " ".join(f"{octet:02x}" for octet in plain).encode()
    yield "octet list", ", ".join(str(octet) for octet in plain).encode()
    for ahead in range(3):
        # The letters that do not depend on what stands before and after.
        letters = base64.b64encode(bytes(ahead) + plain).rstrip(b"=")
        yield "base64", letters[(ahead * 8 + 5) // 6 : len(letters) - 1]
    for ahead in range(8):
        # Whole octets of a packed text that begins with so many other letters.
        octets = packed("@" * ahead + secret)
        first, last = -(-7 * ahead // 8), 7 * (ahead + len(secret)) // 8
        yield "packed GSM", octets[first:last]
    if secret.isdigit():
        digits = secret + "f" * (len(secret) % 2)
        yield "semi-octets", bytes(int(digits[at + 1] + digits[at], 16) for at in range(0, len(digits), 2))


FORMS = [(secret, name, octets) for secret in SECRETS for name, octets in forms(secret)]


def found(octets):
    """Which secrets are in there, in which form."""
    octets = octets.encode("utf-8", "surrogateescape") if isinstance(octets, str) else octets
    return sorted({(secret, name) for secret, name, form in FORMS if form in octets})


def look(case, gateway, when):
    """All files that the gateway wrote."""
    files = [path for path in gateway.data.rglob("*") if path.is_file()] + [gateway.process.log]
    hits = {str(path.relative_to(case.folder)): found(path.read_bytes()) for path in files}
    hits = {path: secrets for path, secrets in hits.items() if secrets}
    case.check(len(files) > 5 and not hits, f"no file holds them {when} ({len(files)} files)", hits)


def address(digits):
    return b"\1\1" + digits.encode() + b"\0"


def submit(to, words=TEXT.encode(), sequence=2, esm=0, dcs=0, tlvs=b"", source=SENDER):
    # Ten seconds of validity: none waits longer for the carrier that is down.
    head = b"\0" + address(source) + address(to) + bytes([esm, 0, 0]) + b"\0" + b"000000000010000R\0"
    head += bytes([1, 0, dcs, 0, len(words)])
    return smpp.pdu(smpp.SUBMIT_SM, head + words + tlvs, sequence)


def bound(gateway, name="acme"):
    wire = smpp.Wire(gateway.smpp)
    wire.send(smpp.bind(name, PASSWORD))
    assert wire.read()[1] == 0
    return wire


def traffic(gateway):
    """Messages that are delivered, refused by a carrier, and wait, in each alphabet."""
    wire = bound(gateway)
    texts = [(TEXT.encode(), 0), (TEXT.encode("utf-16-be"), 8), (packed(TEXT), 4)]
    tail = NUMBER[4:]
    for sequence, to in enumerate([NUMBER, f"4670{tail}", f"45{tail}00"] * 3, 2):
        words, dcs = texts[sequence % 3]
        esm = 0x40 if sequence > 7 else 0
        header = bytes([5, 0, 3, sequence, 1, 1]) if esm else b""
        wire.send(submit(to, header + words, sequence, esm, dcs))
    wire.send(submit(NUMBER, b"", 40, tlvs=struct.pack(">HH", 0x424, len(TEXT)) + TEXT.encode()))
    wire.send(submit(NUMBER, b"", 41, tlvs=struct.pack(">HH", 0x1401, len(TEXT)) + TEXT.encode()))
    answers(wire, 11)
    keeper = bound(gateway, "keeper")
    for sequence, (words, dcs) in enumerate(texts, 2):
        keeper.send(submit(NUMBER, words, sequence, 0, dcs))
    answers(keeper, len(texts))
    keeper.close()
    # It does not answer what is brought to it: receipts and messages from handsets wait.
    rig.wait("handsets wrote", lambda: gateway.metric("smppgate_inbound_waiting") > 0)
    wire.close()


def answers(wire, count):
    while count:
        got = wire.read()
        count -= got[0] in (smpp.RESPONSE | smpp.SUBMIT_SM, smpp.GENERIC_NACK)


def failures(gateway):
    """Whatever a client can do wrong, with the secrets in it."""
    for name, password in (("acme", WRONG), (NUMBER, PASSWORD), ("acme", f"{PASSWORD}{NUMBER}"), (TEXT[:15], WRONG)):
        wire = smpp.Wire(gateway.smpp)
        wire.send(smpp.bind(name, password))
        wire.read()
        wire.close()
    wire = bound(gateway)
    wrong = [
        submit("33612345678"),
        submit(f"{NUMBER}x"),
        submit(NUMBER + "0" * 12),
        submit(NUMBER, esm=0x40),
        submit(NUMBER, tlvs=struct.pack(">HH", 0x424, 4) + b"more"),
        submit(NUMBER, tlvs=struct.pack(">HH", 0x1401, 400) + TEXT.encode()),
        submit(NUMBER)[:-4].replace(struct.pack(">I", len(submit(NUMBER))), struct.pack(">I", len(submit(NUMBER)) - 4), 1),
        smpp.pdu(0x7777, TEXT.encode() + NUMBER.encode(), 9),
        smpp.pdu(3, NUMBER.encode() + b"\0" + address(SENDER), 10),
        smpp.pdu(8, b"\0" + NUMBER.encode() + b"\0" + address(SENDER) + address(NUMBER), 11),
        smpp.pdu(smpp.RESPONSE | smpp.DELIVER_SM, TEXT.encode(), 12),
    ]
    for octets in wrong:
        wire.send(octets)
    wire.send(smpp.pdu(smpp.ENQUIRE_LINK, sequence=99))
    while (got := wire.read()) and got[0] != smpp.RESPONSE | smpp.ENQUIRE_LINK:
        pass
    wire.send(submit(NUMBER)[:40])
    wire.close()
    for octets in (TEXT.encode() * 20, b"GET /" + NUMBER.encode() + b" HTTP/1.1\r\n\r\n", struct.pack(">I", 1 << 30) + TEXT.encode()):
        stranger = smpp.Wire(gateway.smpp)
        stranger.send(octets)
        stranger.closed_within(8)
        stranger.close()
    for path, data in ((f"/messages/{NUMBER}?text={PASSWORD}", None), (f"/{NUMBER}", TEXT.encode())):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{gateway.admin}{path}", data, 5)
        except (urllib.error.HTTPError, OSError):
            pass
    with socket.create_connection(("127.0.0.1", gateway.admin)) as raw:
        raw.sendall(f"NONSENSE {NUMBER} {TEXT}\r\n\r\n".encode())
        raw.recv(1000)


def pages(gateway):
    return "".join(gateway.ask(path)[1] for path in ("/", "/status.json", "/metrics", "/healthz", "/readyz", f"/{PASSWORD[:4]}"))


def command(gateway, *words, given=""):
    line = [rig.PROGRAM, *words, "--config", str(gateway.case.folder / "gateway.toml")]
    environment = {**os.environ, **gateway.environment, "RUST_LOG": "trace"}
    done = subprocess.run(line, input=given, capture_output=True, text=True, timeout=60, env=environment, check=False)
    return done.stdout + done.stderr


def operators(gateway):
    """What an operator is told without asking to see more than masks."""
    of = ("--account", "acme", "--number", "-")
    said = pages(gateway)
    said += command(gateway, "subject", "export", *of, *LETTER, given=f"{NUMBER}\n")
    said += command(gateway, "subject", "export", *of, given=f"{NUMBER}\n")
    said += command(gateway, "subject", "restrict", *of, *LETTER, "--reason", f"called from {NUMBER}", given=f"{NUMBER}\n")
    said += command(gateway, "subject", "release", *of, *LETTER, given=f"{NUMBER}\n")
    said += command(gateway, "optout", "add", *of, *LETTER, "--reason", f"called from {NUMBER}", given=f"{NUMBER}\n")
    said += command(gateway, "optout", "list", "--account", "acme")
    said += command(gateway, "optout", "import", "--account", "acme", "--file", "-", *LETTER, given=f"{NUMBER}\n{TEXT}\n")
    said += command(gateway, "subject", "export", *of, *LETTER, given=f"{NUMBER}\n")
    said += command(gateway, "optout", "remove", *of, *LETTER, given=f"{NUMBER}\n")
    said += command(gateway, "subject", "erase", *of, *LETTER, given="4670827364\n")
    for words in (["status"], ["binds"], ["audit", "show"], ["audit", "verify"], ["report", "processing"]):
        said += command(gateway, *words)
    assert json.loads(gateway.ask("/status.json")[1])
    return said + over_http()


def over_http():
    """The same over the API, as somebody who sees masks only, and whatever can be done wrong there."""

    def ask(method, path, body=None, login="Ola Nordmann:secret", kind="application/json"):
        heads = {"Authorization": "Basic " + base64.b64encode(login.encode()).decode(), "Content-Type": kind}
        request = urllib.request.Request(f"http://127.0.0.1:{API}{path}", body and body.encode(), heads, method=method)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return f"{answer.headers}{answer.read().decode()}"
        except urllib.error.HTTPError as error:
            return f"{error.headers}{error.read().decode()}"

    person = {"account": "acme", "number": f"+{NUMBER}", "instruction": f"letter of {NUMBER}", "reason": f"{NUMBER} called"}
    subject = "/v1/subject-requests"
    said = "".join(ask("GET", path) for path in ("/v1/status", "/v1/binds", "/v1/openapi.json"))
    for more in ({"type": "access"}, {"type": "access", "unmask": True}, {"type": "erase"}, {"type": "note", "text": TEXT},
                 {"type": NUMBER}, {NUMBER: TEXT}, {"type": "access", "account": NUMBER}, {"type": "access", "number": TEXT}):
        said += ask("POST", subject, json.dumps({**person, **more}))
    for more in ({"type": "add"}, {"type": "remove"}, {"type": "add", "number": TEXT}, {"type": "add", "account": NUMBER}):
        said += ask("POST", "/v1/opt-outs", json.dumps({**person, **more}))
    said += ask("GET", "/v1/accounts/acme/opt-outs") + ask("GET", f"/v1/accounts/{NUMBER}/opt-outs")
    for body, kind in ((f'{{"number": "{NUMBER}" {TEXT}', "application/json"), (f"number={NUMBER}", "text/plain"), (TEXT * 9000, "application/json")):
        said += ask("POST", subject, body, kind=kind)
    said += ask("POST", f"{subject}?number={NUMBER}", "{}")
    said += "".join(ask("GET", path) for path in (f"/v1/binds?account={NUMBER}", f"/v1/binds?{NUMBER}=1", f"/v1/{NUMBER}", f"/v1/audit?from={NUMBER}"))
    return said + "".join(ask("GET", "/v1/status", login=login) for login in (f"{NUMBER}:{WRONG}", f"Ola Nordmann:{WRONG}"))


def receive(gateway):
    """Takes what waits for the clients."""
    for name in ("acme", "keeper"):
        wire = bound(gateway, name)
        wire.take_deliveries(1)
        wire.close()


if __name__ == "__main__":
    rig.main("canary", test)
