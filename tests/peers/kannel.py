"""Kannel for the tests: writes configurations for bearerbox and smsbox, starts them, and takes the receipts that smsbox
reports over HTTP.

Kannel ships a client side of SMPP only, so it is always an ESME here.
"""

import http.server
import threading
import urllib.parse
import urllib.request

import rig

STATUS = {"1": "delivered", "2": "failed", "4": "buffered", "8": "accepted", "16": "refused"}


class Reports:
    """An HTTP server for dlr-url: remembers each call as a dict of its query."""

    def __init__(self, case):
        self.calls = []
        calls = self.calls

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                calls.append(dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query)))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                """Nothing: the calls are kept."""

        class Server(http.server.ThreadingHTTPServer):
            # smsbox opens a connection for each report, a hundred at once, and gives up those that find the queue full.
            request_queue_size = 512

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        case.endings.append(self.server.shutdown)

    def url(self, tag):
        """What smsbox fills in: %d the kind of report, %A the text of the receipt."""
        return f"http://127.0.0.1:{self.port}/?tag={tag}&kind=%d&answer=%A"

    def kinds(self, tag):
        return [STATUS.get(call["kind"], call["kind"]) for call in self.calls if call.get("tag") == tag]


def groups(*tables):
    """Kannel's form of configuration: groups parted by empty lines."""
    lines = ("\n".join(f"{key} = {value}" for key, value in table.items()) for table in tables)
    return "\n\n".join(lines) + "\n"


def smsc(port, name="gate", **more):
    """A `group = smsc` that binds to an SMPP server."""
    return {
        "group": "smsc", "smsc": "smpp", "smsc-id": name, "host": "127.0.0.1", "port": port, "smsc-username": "acme",
        "smsc-password": "secret", "system-type": '""', "interface-version": 34, "enquire-link-interval": 2,
        "reconnect-delay": 1, "max-pending-submits": 50, "alt-charset": "UTF-8", **more,
    }


class Kannel:
    """A bearerbox with a smsbox."""

    def __init__(self, case, name, *smscs):
        self.admin, self.box, self.send = rig.free_port(), rig.free_port(), rig.free_port()
        file = case.folder / f"{name}.conf"
        core = {
            "group": "core", "admin-port": self.admin, "admin-password": "admin", "admin-allow-ip": "127.0.0.1",
            "smsbox-port": self.box, "box-allow-ip": "127.0.0.1", "log-level": 1, "dlr-storage": "internal",
            "sms-resend-freq": 2,
        }
        smsbox = {
            "group": "smsbox", "bearerbox-host": "127.0.0.1", "bearerbox-port": self.box, "sendsms-port": self.send,
            "sendsms-interface": "127.0.0.1", "log-level": 1,
        }
        user = {"group": "sendsms-user", "username": "test", "password": "test", "concatenation": "true", "max-messages": 9}
        service = {"group": "sms-service", "keyword": "default", "text": '""', "max-messages": 0}
        file.write_text(groups(core, *smscs, smsbox, user, service))
        self.bearerbox = rig.Process(case, f"{name}-bearerbox", ["/usr/sbin/bearerbox", "-v", "1", file])
        rig.wait("bearerbox listens", lambda: "alive" in self.status() or "running" in self.status())
        self.smsbox = rig.Process(case, f"{name}-smsbox", ["/usr/sbin/smsbox", "-v", "1", file])
        rig.wait("smsbox listens", lambda: self.smsbox.running() and "smsbox" in self.status())

    def status(self):
        return self.ask(self.admin, "/status.txt?password=admin")

    def ask(self, port, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                return answer.read().decode(errors="replace")
        except OSError:
            return ""

    def online(self, links):
        """Waits until so many links to SMSCs are bound."""
        rig.wait(f"{links} links online", lambda: self.status().count("(online ") >= links)

    def sendsms(self, text, to, reports, tag, **more):
        """Sends by HTTP, asking for every kind of receipt; returns the answer."""
        words = {
            "username": "test", "password": "test", "from": "4790000000", "to": to, "charset": "UTF-8", "text": text,
            "dlr-mask": 31, "dlr-url": reports.url(tag), **more,
        }
        return self.ask(self.send, "/cgi-bin/sendsms?" + urllib.parse.urlencode(words))

    def stop(self):
        self.smsbox.end(20)
        self.bearerbox.end(20)
