"""Jasmin for the tests: a gateway of another make, with its RabbitMQ and its Redis, each on ports and in folders of the test.

It is set up over its console, as its manual says. What it must do is checked by the tests that use it.
"""

import os
import pathlib
import socket
import subprocess
import sys

import rig

HERE = pathlib.Path(sys.executable).parent
ACCOUNT = "gate"


class Jasmin:
    """An SMPP server that hands what it gets to `upstream`, an SMPP server that it binds to as `jasmin`."""

    def __init__(self, case, upstream):
        self.case, self.port = case, rig.free_port()
        self.console = rig.free_port()
        broker, cache = Broker(case), rig.free_port()
        redis = ["redis-server", "--port", cache, "--bind", "127.0.0.1", "--save", "", "--dir", case.folder]
        rig.Process(case, "redis", redis)
        rig.wait("redis answers", lambda: open_port(cache))
        self.process = self.start(broker.port, cache)
        self.configure(upstream)

    def start(self, broker, cache):
        root = self.case.folder / "jasmin"
        for folder in ("etc/jasmin/store", "var/log/jasmin"):
            (root / folder).mkdir(parents=True)
        # The source package has the protocol's description that is looked for by default, the installed one this.
        description = next(HERE.parent.rglob("amqp0-9-1.stripped.xml"))
        sections = {
            "smpp-server": {"bind": "127.0.0.1", "port": self.port, "billing_feature": "False"},
            "smpp-server-pb": {"bind": "127.0.0.1", "port": rig.free_port()},
            "client-management": {"bind": "127.0.0.1", "port": rig.free_port()},
            "router": {"bind": "127.0.0.1", "port": rig.free_port()},
            "jcli": {"port": self.console, "authentication": "False"},
            "amqp-broker": {"host": "127.0.0.1", "port": broker, "spec": description},
            "redis-client": {"host": "127.0.0.1", "port": cache},
        }
        lines = []
        for name, keys in sections.items():
            lines += [f"[{name}]", *(f"{key} = {value}" for key, value in keys.items()), ""]
        (root / "etc/jasmin/jasmin.cfg").write_text("\n".join(lines))
        command = [sys.executable, HERE / "jasmind.py", "--config", root / "etc/jasmin/jasmin.cfg", "--disable-http-api"]
        command += ["--enable-dlr-lookup", "--enable-dlr-thrower"]
        # Modules of the tests have names that Jasmin's libraries have.
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | {"ROOT_PATH": str(root)}
        process = rig.Process(self.case, "jasmind", command, env=environment, cwd=root)
        rig.wait("Jasmin listens", lambda: open_port(self.port) and open_port(self.console), 60)
        return process

    def configure(self, upstream):
        """One user, one connector, one route."""
        console = Console(self.console)
        console.say("group -a", "gid gates", "ok")
        console.say("user -a", f"username {ACCOUNT}", "password secret", "gid gates", "uid gate", "ok")
        keys = [f"port {upstream}", "username jasmin", "password secret", "host 127.0.0.1", "submit_throughput 0"]
        console.say("smppccm -a", "cid onward", *keys, "con_fail_delay 1", "ok")
        console.say("mtrouter -a", "type DefaultRoute", "connector smppc(onward)", "rate 0.0", "ok")
        console.say("smppccm -1 onward")
        console.close()


class Broker:
    """RabbitMQ with a node of its own."""

    def __init__(self, case):
        self.port, self.mapper = rig.free_port(), rig.free_port()
        folder = case.folder / "rabbitmq"
        folder.mkdir()
        self.environment = {
            **os.environ,
            "HOME": str(folder),
            "ERL_EPMD_PORT": str(self.mapper),
            "RABBITMQ_NODENAME": f"smppgate{os.getpid()}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(rig.free_port()),
            "RABBITMQ_MNESIA_BASE": str(folder),
            "RABBITMQ_LOG_BASE": str(folder),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1",
        }
        rig.Process(case, "rabbitmq", ["/usr/lib/rabbitmq/bin/rabbitmq-server"], env=self.environment)
        case.endings.append(self.end)
        rig.wait("RabbitMQ listens", lambda: open_port(self.port), 90)

    def end(self):
        """The mapper of names outlives its node unless it is told."""
        subprocess.run(["epmd", "-port", str(self.mapper), "-kill"], env=self.environment, capture_output=True, check=False)


class Console:
    """Jasmin's console: a line, and everything up to the next prompt."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 20)
        # It shows its prompt once it has been answered about the terminal: no line mode, no size, no go-ahead; echo.
        self.socket.sendall(b"\xff\xfc\x22\xff\xfc\x1f\xff\xfb\x03\xff\xfd\x01\r\n")
        self.read()

    def say(self, *lines):
        for line in lines:
            self.socket.sendall(f"{line}\r\n".encode())
            answer = self.read()
        if "Error" in answer or "Unknown" in answer or "Failed" in answer:
            raise rig.Failed(f"Jasmin does not take {lines}: {answer}")

    def read(self):
        octets = b""
        while not octets.rstrip(b" ").endswith((b"jcli :", b">")):
            try:
                more = self.socket.recv(4096)
            except TimeoutError:
                more = b""
            if not more:
                raise rig.Failed(f"Jasmin's console says no more than {octets}")
            octets += more
        return octets.decode("latin-1")

    def close(self):
        self.socket.close()


def open_port(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
