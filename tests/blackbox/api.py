#!/usr/bin/env python3
"""The HTTP interface of the real process, over TLS and as a program of a client would use it: who gets in, the rights of a
person from access to erasure, and that a revoked person is out within a second.
"""

import base64
import http.client
import json
import ssl
import subprocess
import threading
import time

import rig
import smpp

NUMBER = "4791234567"
TEXT = b"secret words"
# argon2id of "secret" at the least cost.
HASH = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$fIbdC2xakJ6cNlONBQKde0ZQtJof49m9l+7mj3O30mA"
KARI, OLA = "Kari Nordmann", "Ola Nordmann"


def test(case):
    server, kari, stranger = (pair(case.folder, name) for name in ("server", "kari", "stranger"))
    shown = subprocess.run(
        ["openssl", "x509", "-noout", "-fingerprint", "-sha256", "-in", kari[0]], check=True, capture_output=True, text=True
    )
    fingerprint = shown.stdout.split("=")[1].strip()
    carrier = rig.Carrier(case, "fjord", "--receipt-delay", "10ms")
    port = rig.free_port()
    gateway = rig.Gateway(
        case,
        [carrier.table()],
        listen={"api": f"127.0.0.1:{port}"},
        tls={"certificate": str(server[0]), "key": str(server[1])},
        account=[{"system_id": name, "password": "secret"} for name in ("acme", "other")],
        operator=[
            {"name": KARI, "certificate": f"sha256:{fingerprint}", "role": "privacy_officer"},
            {"name": OLA, "password_hash": HASH, "role": "operator", "accounts": ["acme"]},
        ],
    ).start()
    api = Api(case, port, server[0], kari, stranger)
    for part in (logins, rights, scopes, operating, revoking, stopping):
        part(case, gateway, api)


def pair(folder, name):
    """A certificate that signs itself, and its key."""
    files = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", files[1], "-out", files[0]],
        check=True, capture_output=True,
    )
    return files


class Api:
    """Connections of several persons."""

    def __init__(self, case, port, server, kari, stranger):
        self.port, self.server, self.pairs = port, server, {KARI: kari, "stranger": stranger}
        self.answers = []

    def connect(self, who=None):
        context = ssl.create_default_context(cafile=str(self.server))
        if who in self.pairs:
            context.load_cert_chain(*map(str, self.pairs[who]))
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=20, context=context)

    def ask(self, method, path, body=None, who=KARI, password="secret", over=None, kind="application/json"):
        """Status and answer; over a connection of its own unless one is given."""
        connection = over or self.connect(who)
        heads = {"Content-Type": kind} if method == "POST" else {}
        if who is not None and who not in self.pairs:
            heads["Authorization"] = "Basic " + base64.b64encode(f"{who}:{password}".encode()).decode()
        connection.request(method, path, json.dumps(body) if body is not None else None, heads)
        answer = connection.getresponse()
        text = answer.read().decode()
        self.answers.append(text)
        if over is None:
            connection.close()
        return answer.status, json.loads(text)

    def subject(self, kind, number=f"+{NUMBER}", account="acme", who=KARI, **more):
        body = {"type": kind, "account": account, "number": number, "instruction": "letter 2026-17", **more}
        return self.ask("POST", "/v1/subject-requests", body, who)


def logins(case, gateway, api):
    for who, what in [(None, "without a login"), ("stranger", "with a stranger's certificate"), ("Nobody", "with a name that is none")]:
        code, answer = api.ask("GET", "/v1/status", who=who)
        case.check(code == 401, f"nobody gets in {what}", answer)
    code, answer = api.ask("GET", "/v1/status", who=OLA)
    case.check(code == 200 and answer["said"] == "ready", "a password opens", answer["said"])
    code, answer = api.ask("GET", "/v1/openapi.json")
    case.check(code == 200 and "/v1/subject-requests" in answer["paths"], "a certificate opens, and the description is there")
    # The least version is the process's own, not the test's.
    old = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{api.port}", "-tls1_1"], stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    case.check("Cipher is (NONE)" in old.stdout + old.stderr or old.returncode != 0, "TLS 1.1 is not spoken")


def rights(case, gateway, api):
    case.check(set(smpp.submit_each(gateway.smpp, TEXT, NUMBER, NUMBER, "4790000001")) == {0}, "messages are accepted")
    rig.wait("the carrier reports them", lambda: gateway.metric("smppgate_receipts_owed") == 3)
    code, masked = api.subject("access")
    rows, summary = masked["rows"][:-1], masked["rows"][-1]
    case.check(code == 200 and len(rows) == 2 and summary["records"] == 2, "access shows all records of a number", masked)
    case.check(NUMBER not in json.dumps(masked) and "+479*****67" in json.dumps(masked), "masked")
    code, answer = api.subject("access", unmask=True)
    case.check(code == 400 and "for a reason only" in answer["error"], "unmasking needs a reason", answer)
    code, answer = api.subject("access", unmask=True, reason="asked by the client")
    case.check(code == 200 and answer["rows"][0]["destination"] == f"+{NUMBER}", "and then shows what is stored")
    code, answer = api.subject("note", text="the subscriber moved in May")
    case.check(code == 200, "a note is added", answer)
    code, answer = api.subject("restrict")
    case.check(code == 200 and smpp.submit_each(gateway.smpp, TEXT, NUMBER) == [0x45], "restricted, nothing is sent to it", answer)
    code, answer = api.subject("erase")
    case.check(code == 409 and "wins over erasure" in answer["error"], "a restriction wins over erasure", answer)
    case.check(api.subject("release")[0] == 200, "it is released")
    code, answer = api.subject("erase")
    erased = answer["rows"][0]
    total = sum(erased[part] for part in ("unsent", "sent", "ended", "inbound", "archived"))
    case.check(code == 200 and total == 2 and erased["carriers"][0]["legal_entity"] == "Test AS", "erased, and who got it", answer)
    code, answer = api.subject("access")
    case.check(code == 200 and answer["rows"][-1]["records"] == 0, "nothing is left to see", answer)
    for number, more, status in [("5580", {}, 400), (f"+{NUMBER}", {"instruction": ""}, 400), (f"+{NUMBER}", {"account": "nobody"}, 404)]:
        code, answer = api.subject("erase", number, **more)
        case.check(code == status and number not in json.dumps(answer), f"refused with {status}", answer)


def scopes(case, gateway, api):
    code, answer = api.subject("erase", who=OLA)
    case.check(code == 403 and "may not do that" in answer["error"], "an operator may not erase", answer)
    code, answer = api.subject("access", account="other", who=OLA)
    case.check(code == 403 and "not in your scope" in answer["error"], "nor look into an account out of scope", answer)
    code, answer = api.ask("POST", "/v1/drain", {}, OLA)
    case.check(code == 403 and "outside your scope" in answer["error"], "nor stop everything", answer)
    code, answer = api.ask("POST", "/v1/accounts/acme/disable", {}, OLA, kind="text/plain")
    case.check(code == 415, "a form of a stranger's page is no request", answer)


def operating(case, gateway, api):
    wire = smpp.Wire(gateway.smpp)
    wire.send(smpp.bind())
    case.check(wire.read()[1] == 0, "a client is bound")
    code, answer = api.ask("GET", "/v1/binds?account=acme", who=OLA)
    case.check([row["account"] for row in answer["rows"]] == ["acme"], "binds shows it", answer)
    code, answer = api.ask("POST", "/v1/binds/close", {"link": answer["rows"][0]["link"]}, OLA)
    case.check(code == 200 and wire.closed_within(1) is not None, "and it is closed", answer)
    code, answer = api.ask("POST", "/v1/accounts/acme/disable", {"reason": f"asked by +{NUMBER}"}, OLA)
    wire = smpp.Wire(gateway.smpp)
    wire.send(smpp.bind())
    case.check(code == 200 and wire.read()[1] == 0x0E, "disabled, it does not bind", answer)
    case.check(api.ask("POST", "/v1/accounts/acme/enable", {}, OLA)[0] == 200, "and is enabled")


def revoking(case, gateway, api):
    stream = {"last": 0.0, "calls": 0}
    connection = api.connect()

    def calls():
        try:
            while api.ask("GET", "/v1/binds", who=OLA, over=connection)[0] == 200:
                stream["last"], stream["calls"] = time.monotonic(), stream["calls"] + 1
        except (OSError, http.client.HTTPException):
            return

    thread = threading.Thread(target=calls)
    thread.start()
    rig.wait("calls are under way", lambda: stream["calls"] > 3)
    code, answer = api.ask("POST", "/v1/operators/Ola%20Nordmann/revoke", {"reason": "left"})
    revoked = time.monotonic()
    thread.join(10)
    late = max(0.0, stream["last"] - revoked)
    case.check(code == 200 and not thread.is_alive(), "revoking ends a stream of calls", answer)
    case.check(late <= 1.0, "the last success is not later than a second", f"{late:.3f} s, {stream['calls']} calls")
    code, answer = api.ask("GET", "/v1/status", who=OLA)
    case.check(code == 403 and "revoked" in answer["error"], "and a new connection is refused", answer)


def stopping(case, gateway, api):
    code, answer = api.ask("GET", "/v1/audit")
    lines = "\n".join(answer["rows"])
    kari = f'operator "{KARI}" (ip 127.0.0.1, certificate)'
    ola = f'operator "{OLA}" (ip 127.0.0.1, password)'
    for part in (f"{kari} subject.erase done number=", f"{kari} operator.revoke allowed operator={OLA}", f"{ola} subject.erase denied",
                 "stranger (127.0.0.1) api.refused denied", f"{ola} api.unreadable denied", f"{ola} api.closed denied"):
        case.check(part in lines, f"the record says: {part}")
    everything = lines + gateway.process.log.read_text()
    case.check(not any(secret in everything for secret in (NUMBER, "9123456", TEXT.decode(), "secret")), "and no number, text or password")
    code, answer = api.ask("POST", "/v1/drain", {})
    case.check(code == 200 and gateway.process.join(60) == 0, "drain ends the process with 0", answer)


if __name__ == "__main__":
    rig.main("api", test)
