#!/usr/bin/env python3
"""smpplib (Python) as a client system of smppgate: transceiver, and transmitter with receiver, over TCP and over TLS."""

import socket
import ssl

import certificates
import esme
import rig


def test(case):
    certificates.make(case.folder)
    carrier = rig.Carrier(case, "fjord", "--receipt-delay", "20ms")
    smpps = rig.free_port()
    tls = {"certificate": "server.pem", "key": "server.key"}
    gateway = rig.Gateway(case, [carrier.table()], tls=tls, listen={"smpps": f"127.0.0.1:{smpps}"}).start()
    sent = 0
    for transport, port, authority in (("TCP", gateway.smpp, None), ("TLS", smpps, case.folder / "ca.pem")):
        for kind, pair in (("transceiver", False), ("transmitter + receiver", True)):
            client = esme.Esme(port, authority, pair)
            name = f"{kind} over {client.version or transport}"
            sent += len(esme.exchange(case, name, client, to=f"4791{sent:06}"))
    versions(case, smpps)
    case.check(gateway.metric("smppgate_account_binds") == 0, "no bind is left")
    case.check(gateway.stop() == 0, "SIGTERM ends the gateway with 0")
    report = carrier.stop()
    case.check(report["unique"] == report["received"] == sent, "the carrier got every part once", report["received"])
    case.check(report["receipts_acknowledged"] == sent, "and was told that its receipts arrived")


def versions(case, port):
    """TLS 1.2 and 1.3 are spoken; an authority that does not know the server is told apart."""
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = ssl.create_default_context(cafile=case.folder / "ca.pem")
        context.minimum_version = context.maximum_version = version
        with socket.create_connection(("127.0.0.1", port)) as raw:
            with context.wrap_socket(raw, server_hostname="localhost") as wrapped:
                case.check(wrapped.version() == version.name.replace("_", "."), f"{wrapped.version()}, name verified")


rig.main("smpplib_esme", test)
