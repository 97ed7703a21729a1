#!/usr/bin/env python3
"""tshark as the judge of the octets: captures both sides of the gateway while smpplib, the load generator, the simulated
carrier and node-smpp talk through it, and dissects every PDU. None may be malformed, and both sides must add up."""

import collections
import signal
import subprocess

import esme
import rig
from node_smsc import NodeSmsc

MESSAGES = 2000
NAMES = {
    0x00000002: "bind_transmitter", 0x80000002: "bind_transmitter_resp", 0x00000001: "bind_receiver",
    0x80000001: "bind_receiver_resp", 0x00000009: "bind_transceiver", 0x80000009: "bind_transceiver_resp",
    0x00000004: "submit_sm", 0x80000004: "submit_sm_resp", 0x00000005: "deliver_sm", 0x80000005: "deliver_sm_resp",
    0x00000006: "unbind", 0x80000006: "unbind_resp", 0x00000015: "enquire_link", 0x80000015: "enquire_link_resp",
    0x80000000: "generic_nack",
}


def test(case):
    node, carrier = NodeSmsc(case, "node"), rig.Carrier(case, "fjord", "--receipt-delay", "20ms")
    tables = [carrier.table(links=2, enquire_link="1s"), node.table(links=2, bind="transmitter+receiver")]
    routes = [{"country": ["NO"], "carriers": ["fjord"]}, {"country": ["SE"], "carriers": ["node"]}]
    gateway = rig.Gateway(case, tables, route=routes)
    ports = [gateway.smpp, carrier.port, node.port]
    capture = Capture(case, ports)
    gateway.start()
    rig.wait("all links are bound", lambda: gateway.metric("smppgate_carrier_links", state="bound") == 4)
    sent = 0
    for pair, to in ((False, "4791234567"), (True, "46701234567")):
        sent += len(esme.exchange(case, f"smpplib, pair: {pair}", esme.Esme(gateway.smpp, pair=pair), to))
    code, load = case.load(gateway.smpp, "--messages", MESSAGES, "--to", "479xxxxxxx,467xxxxxxxx")
    case.check(code == 0 and load["receipts"] == MESSAGES, f"{MESSAGES} messages and receipts", load["states"])
    sent += MESSAGES
    rig.wait("an enquire_link", lambda: gateway.metric("smppgate_uptime_seconds") >= 4)
    case.check(gateway.stop() == 0, "SIGTERM ends the gateway with 0")
    capture.stop()

    client, upstream = collections.Counter(), collections.Counter()
    for ports_of, command in capture.pdus():
        side = client if gateway.smpp in ports_of else upstream
        side[NAMES.get(command, f"0x{command:08x}")] += 1
    for name, side in (("client side", client), ("carrier side", upstream)):
        case.note(f"{name}: " + ", ".join(f"{command} {count}" for command, count in sorted(side.items())))
        answers = {command: side[command] == side[f"{command}_resp"] for command in side if "_resp" not in command}
        answers.pop("generic_nack", None)
        case.check(all(answers.values()), f"{name}: every request has its response", answers)
    case.check(client["submit_sm"] == upstream["submit_sm"] == sent, "as many submit_sm came in as went out", sent)
    case.check(client["deliver_sm"] == upstream["deliver_sm"] == sent, "and as many receipts", upstream["deliver_sm"])
    odd = [command for command in [*client, *upstream] if command.startswith("0x") or command == "generic_nack"]
    case.check(not odd, "no other PDU was seen", odd)
    bad = capture.dissect("-Y", "_ws.malformed || _ws.expert.severity == error", "-V")
    case.check(not bad, "no PDU is malformed, no error for the dissector", "\n".join(bad)[:3000])


class Capture:
    """A capture of the loopback interface, of these ports."""

    def __init__(self, case, ports):
        self.ports, self.file = ports, case.folder / "wire.pcapng"
        expression = " or ".join(f"tcp port {port}" for port in ports)
        command = ["tshark", "-i", "lo", "-B", "64", "-f", expression, "-w", self.file]
        self.process = rig.Process(case, "tshark", command)
        rig.wait("tshark captures", lambda: "Capturing on" in self.process.tail() and self.file.exists())

    def stop(self):
        """Ends the capture when it holds all that was on the wire."""
        size = -1
        while size != (size := self.file.stat().st_size):
            rig.wait("the capture settles", self.settle())
        self.process.end(20, signal.SIGINT)

    def settle(self):
        """A condition that holds from its eleventh asking on."""
        asked = iter(range(1 << 30))
        return lambda: next(asked) > 10

    def dissect(self, *words):
        """Lines that tshark prints about the capture."""
        protocols = [word for port in self.ports for word in ("-d", f"tcp.port=={port},smpp")]
        command = ["tshark", "-r", self.file, "-n", *protocols, *words]
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=True)
        return done.stdout.splitlines()

    def pdus(self):
        """(ports, command_id) of every PDU."""
        fields = ["-Y", "smpp", "-T", "fields", "-e", "tcp.srcport", "-e", "tcp.dstport", "-e", "smpp.command_id"]
        for line in self.dissect(*fields):
            source, destination, commands = line.split("\t")
            for command in commands.split(","):
                yield {int(source), int(destination)}, int(command, 0)


rig.main("capture", test)
