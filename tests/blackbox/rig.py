"""The rig of the process tests: starts the real binary, simulated carriers and load, keeps what they print, and stops
them all at the end.

Knows nothing of what is tested. Every wait is for a condition and has a deadline.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import traceback
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("SMPPGATE_BIN", str(ROOT / "target/release/smppgate"))
WORK = pathlib.Path(os.environ.get("SMPPGATE_WORK", ROOT / "target/blackbox"))
LONG = os.environ.get("SMPPGATE_LONG", "") not in ("", "0")


class Failed(Exception):
    """What was waited for did not come."""


PORTS = set()


def free_port():
    """A TCP port that nobody listens on now, and that was not given before: the system may offer one twice."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        if port not in PORTS:
            PORTS.add(port)
            return port


def wait(what, condition, seconds=30.0, every=0.05):
    """Returns the first true value of `condition()`; fails when none came in time."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failed(f"{what}: not within {seconds:.0f} s")
        time.sleep(every)


def inline(value):
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {inline(one)}" for key, one in value.items()) + " }"
    return json.dumps(value)


def toml(tables):
    """A configuration as text: a table for each dict, an array of tables for each list of them."""
    lines = []
    for name, value in tables.items():
        for table in value if isinstance(value, list) else [value]:
            lines.append(f"[[{name}]]" if isinstance(value, list) else f"[{name}]")
            lines += [f"{key} = {inline(one)}" for key, one in table.items()]
    return "\n".join(lines) + "\n"


class Process:
    """A child of the test; its output goes to a file."""

    def __init__(self, case, name, command, stdout=None, **options):
        self.case, self.name = case, name
        self.log = case.folder / f"{name}.log"
        with open(self.log, "ab") as log:
            out = open(stdout, "wb") if stdout else log
            self.child = subprocess.Popen(
                [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=out, stderr=log, **options
            )
            if stdout:
                out.close()
        case.processes.append(self)

    def running(self):
        return self.child.poll() is None

    def kill(self):
        """Ends it as a crash would."""
        self.child.kill()
        self.child.wait()

    def end(self, seconds=60, signo=signal.SIGTERM):
        """Asks it to stop; returns its exit code."""
        if self.running():
            self.child.send_signal(signo)
        return self.join(seconds)

    def join(self, seconds):
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.name} still runs after {seconds:.0f} s") from None

    def rss_mib(self):
        """Resident memory."""
        status = pathlib.Path(f"/proc/{self.child.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) / 1024

    def tail(self, lines=25):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


class Gateway:
    """`smppgate serve` with a configuration; keeps its ports and data over restarts."""

    def __init__(self, case, carriers, name="gateway", **tables):
        self.case, self.name = case, name
        self.smpp, self.admin = free_port(), free_port()
        self.data = case.folder / f"{name}-data"
        everywhere = [{"country": ["*"], "carriers": [carrier["name"] for carrier in carriers]}]
        self.tables = {
            "listen": {"smpp": f"127.0.0.1:{self.smpp}", "admin": f"127.0.0.1:{self.admin}", **tables.pop("listen", {})},
            "store": {"path": str(self.data), **tables.pop("store", {})},
            "account": tables.pop("account", [{"system_id": "acme", "password": "secret", "max_binds": 100}]),
            "carrier": [
                {"legal_entity": "Test AS", "country": "NO", "transfer_basis": "eea", **carrier} for carrier in carriers
            ],
            "route": tables.pop("route", everywhere),
            **tables,
        }
        self.process, self.environment = None, {}

    def start(self, wait_ready=True):
        """Starts it; with `wait_ready`, until `/readyz` says so."""
        file = self.case.folder / f"{self.name}.toml"
        file.write_text(toml(self.tables))
        command = [PROGRAM, "serve", "--config", file]
        self.process = Process(self.case, self.name, command, env={**os.environ, **self.environment})
        if wait_ready:
            self.wait_ready()
        return self

    def wait_ready(self, seconds=60):
        wait(f"{self.name} is ready", lambda: self.alive() and self.ready()[0] == 200, seconds)

    def alive(self):
        if not self.process.running():
            raise Failed(f"{self.name} ended with {self.process.child.returncode}")
        return True

    def ask(self, path):
        """Status code and body of an admin page; 0 when nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def ready(self):
        return self.ask("/readyz")

    def metric(self, name, **labels):
        """Sum of the samples of a metric that have these labels."""
        total = 0.0
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        for line in self.ask("/metrics")[1].splitlines():
            found = re.match(r"(\w+)(?:\{(.*)\})? (\S+)$", line)
            if found and found[1] == name and all(label in (found[2] or "") for label in wanted):
                total += float(found[3])
        return total

    def kill(self):
        self.process.kill()

    def stop(self, seconds=60):
        """SIGTERM; returns the exit code."""
        return self.process.end(seconds)


class Carrier:
    """`smppgate carrier`: a simulated SMSC that counts."""

    def __init__(self, case, name, *options, port=None):
        self.case, self.name, self.options = case, name, options
        self.port = port or free_port()
        self.file = case.folder / f"{name}.json"
        self.start()

    def start(self):
        self.file.unlink(missing_ok=True)
        command = [PROGRAM, "carrier", "--listen", f"127.0.0.1:{self.port}", "--report", self.file]
        self.process = Process(self.case, self.name, [*command, "--report-every", "100ms", *self.options])
        wait(f"carrier {self.name} listens", self.report)

    def report(self):
        """The counts, not older than 100 ms; `None` before the first."""
        try:
            return json.loads(self.file.read_text())
        except (OSError, ValueError):
            return None

    def stop(self):
        """Ends it; returns the last counts."""
        self.process.end(10)
        return self.report()

    def table(self, **more):
        """The `[[carrier]]` table that reaches it."""
        address = f"127.0.0.1:{self.port}"
        return {"name": self.name, "address": address, "system_id": "smppgate", "password": "secret", **more}


class Load:
    """`smppgate load` in the background."""

    number = 0

    def __init__(self, case, port, *options):
        Load.number += 1
        name = f"load{Load.number}"
        self.out = case.folder / f"{name}.json"
        command = [PROGRAM, "load", "--address", f"127.0.0.1:{port}", "--json", *options]
        self.process = Process(case, name, command, stdout=self.out)

    def result(self, seconds=180):
        """Exit code and report."""
        code = self.process.join(seconds)
        try:
            return code, json.loads(self.out.read_text())
        except ValueError:
            raise Failed(f"{self.process.name} ended with {code} and no report:\n{self.process.tail()}") from None


class Case:
    """One test: its folder, its processes, its checks."""

    def __init__(self, name):
        self.name = name
        self.folder = WORK / name
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.processes, self.endings = [], []
        self.failures = 0

    def check(self, holds, what, detail=""):
        """Prints one line; a false one fails the case at its end."""
        text = f"{self.name}: {what}" + (f" ({detail})" if detail != "" else "")
        print(f"{'ok' if holds else 'NOT OK'} - {text}", flush=True)
        self.failures += not holds
        return holds

    def note(self, text):
        print(f"   {self.name}: {text}", flush=True)

    def load(self, port, *options, seconds=180):
        return Load(self, port, *options).result(seconds)

    def close(self):
        for process in reversed(self.processes):
            if process.running():
                process.child.terminate()
        for process in reversed(self.processes):
            try:
                process.child.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
        for ending in reversed(self.endings):
            ending()
        panics = sorted({process.name for process in self.processes if "panicked at" in process.tail(100_000)})
        self.check(not panics, "no process panicked", ", ".join(panics))
        if self.failures:
            for log in sorted(self.folder.glob("*.log")):
                print(f"--- {log.name}, last lines", log.read_text(errors="replace")[-3000:], sep="\n")
        else:
            shutil.rmtree(self.folder, ignore_errors=True)


def main(name, test):
    """Runs one test as a process; exits 0 when every check held."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    case = Case(name)
    try:
        test(case)
    except Exception as error:  # a test that cannot go on has failed
        if not isinstance(error, Failed):
            traceback.print_exc()
        case.check(False, "ran to its end", error)
    finally:
        case.close()
    sys.exit(1 if case.failures else 0)
