#!/usr/bin/env python3
"""node-smpp (JavaScript) as the carrier that smppgate binds to, over TCP and over TLS, with smpplib (Python) as the
client: what one library sends is what the other reads, header, text and receipt, through the gateway."""

import signal

import certificates
import esme
import rig
from node_smsc import NodeSmsc


def test(case):
    certificates.make(case.folder)
    plain = NodeSmsc(case, "node")
    secure = NodeSmsc(case, "node-tls", case.folder / "server.pem", case.folder / "server.key")
    tables = [
        plain.table(links=2, bind="transmitter+receiver"),
        secure.table(links=2, tls=True, ca="ca.pem", server_name="localhost"),
    ]
    routes = [{"country": ["NO"], "carriers": ["node"]}, {"country": ["SE"], "carriers": ["node-tls"]}]
    gateway = rig.Gateway(case, tables, route=routes, inbound=[{"to": ["4791234567"], "account": "acme"}])
    gateway.start()
    rig.wait("all links are bound", lambda: gateway.metric("smppgate_carrier_links", state="bound") == 4)
    for smsc, to in ((plain, "4791234567"), (secure, "46701234567")):
        texts(case, gateway, smsc, to)
        handsets(case, gateway, smsc)
    volume(case, gateway, plain, "479xxxxxxx")
    case.check(gateway.stop() == 0, "SIGTERM ends the gateway with 0")
    for smsc in (plain, secure):
        case.check(len(smsc.events("unbind")) == 2, f"{smsc.name}: both links unbound", smsc.events("unbind"))
        case.check(not smsc.events("error"), f"{smsc.name}: no error", smsc.events("error"))


def texts(case, gateway, smsc, to):
    """Each text arrives as it was written, with the header that its parts had."""
    client = esme.Esme(gateway.smpp)
    for name, text in esme.TEXTS.items():
        before = len(smsc.events("id"))
        sequences = client.submit(text, to)
        whole = client.pump(lambda: set(sequences) <= set(client.ids) and receipted(client, sequences))
        got = smsc.events("id")[before:]
        case.check(whole and len(got) == len(sequences), f"{smsc.name}, {name}: {len(sequences)} parts and receipts")
        sent = [client.bodies[sequence] for sequence in sequences]
        # The library leaves out the length of the header.
        headers = [part[1 : part[0] + 1].hex() if esm_class & 0x40 else "" for part, _, esm_class in sent]
        case.check(sorted(one["udh"] for one in got) == sorted(headers), f"{smsc.name}, {name}: headers", headers)
        joined = "".join(one["text"] for one in sorted(got, key=lambda one: one["udh"]))
        case.check(joined == text, f"{smsc.name}, {name}: the text is what was written", "" if joined == text else joined)
        kept = {(one["data_coding"], one["esm_class"]) for one in got} == {(coding, kind) for _, coding, kind in sent}
        case.check(kept, f"{smsc.name}, {name}: data_coding and esm_class are kept")
    case.check(all(answer == ("unbind_resp", 0) for answer in client.unbind()), f"{smsc.name}: the client unbinds")


def handsets(case, gateway, smsc):
    """What its handsets write comes to the client, from every bind that may bring it."""
    client = esme.Esme(gateway.smpp)
    smsc.process.child.send_signal(signal.SIGUSR2)
    rig.wait("both links answered", lambda: len(smsc.events("mobile_originated")) == 2)
    taken = [one for one in smsc.events("mobile_originated") if one["status"] == 0]
    whole = client.pump(lambda: len(client.mobile) >= len(taken))
    texts = {f"mobile originated {one['mobile_originated']}" for one in taken}
    right = {("4790000001", "4791234567", text) for text in texts}
    case.check(whole and taken and set(client.mobile) == right, f"{smsc.name}: {len(taken)} from handsets", client.mobile)
    case.check(all(answer == ("unbind_resp", 0) for answer in client.unbind()), f"{smsc.name}: then the client unbinds")


def receipted(client, sequences):
    return {client.ids[sequence] for sequence in sequences} <= set(client.receipts)


def volume(case, gateway, smsc, to):
    """Some thousands at full window, with their receipts."""
    before, messages = len(smsc.events("id")), 5000
    code, load = case.load(gateway.smpp, "--messages", messages, "--to", to)
    case.check(code == 0 and load["receipts"] == messages, f"{smsc.name}: {messages} messages and receipts", load["states"])
    got = len(smsc.events("id")) - before
    case.check(got == messages, f"{smsc.name}: each once", got)
    case.note(f"{smsc.name}: {load['acknowledged_per_second']:.0f} acknowledged/s, {load['receipts_per_second']:.0f} receipts/s")


rig.main("node_upstream", test)
