#!/usr/bin/env python3
"""Carriers that are down, throttle or say nothing: no message is lost, and traffic to other countries does not notice.

The figures compare a run beside a sick carrier with the same run alone, on the same machine and in the same minute.
"""

import rig

RATE = 1500
MESSAGES = RATE * 4
# A shared machine with two cores has hiccups of its own; what is looked for are seconds, the time scale of timeouts.
SLACK_MS = 250
HEALTHY = ["--to", "479xxxxxxx", "--rate", RATE, "--messages", MESSAGES, "--binds", 2]


def test(case):
    healthy = rig.Carrier(case, "healthy")
    alone = None
    for name, sick in (("down", Down), ("throttling", Throttling), ("silent", Silent)):
        other = sick(case, name)
        gateway = rig.Gateway(
            case,
            [healthy.table(links=2), other.table()],
            name=f"gateway-{name}",
            session={"response_timeout": "2s"},
            account=[{"system_id": who, "password": "secret"} for who in ("acme", "other")],
            route=[{"country": ["NO"], "carriers": ["healthy"]}, {"country": ["*"], "carriers": [name]}],
        ).start()
        if alone is None:
            alone = healthy_run(case, gateway, "alone")
        client = other.begin(gateway)
        beside = healthy_run(case, gateway, f"beside a carrier that is {name}")
        bound = 3 * alone["p99_ms"] + SLACK_MS
        case.check(beside["p99_ms"] <= bound, f"{name}: others keep their pace", f"{beside['p99_ms']:.1f} ms p99")
        other.recover()
        other.finish(*client.result(300))
        case.check(gateway.stop() == 0, f"{name}: the gateway ends with 0")
    report = healthy.stop()
    case.check(report["duplicates"] == 0 and report["unique"] == 4 * MESSAGES, "the healthy carrier got all, once")


def healthy_run(case, gateway, how):
    code, load = case.load(gateway.smpp, *HEALTHY)
    case.check(code == 0 and load["receipts"] == MESSAGES, f"traffic {how}: all receipts", load["states"])
    answers, receipts = load["answer_latency"], load["receipt_latency"]
    case.note(f"{how}: answers p99 {answers['p99_ms']:.1f} ms, receipts p50 {receipts['p50_ms']:.1f} p99 {receipts['p99_ms']:.1f}")
    return receipts


class Sick:
    """A carrier for the other countries that misbehaves, and the traffic through it."""

    options, messages, rate = [], 3000, 1000

    def __init__(self, case, name):
        self.case, self.name = case, name
        self.carrier = rig.Carrier(case, name, *self.options)

    def table(self):
        return self.carrier.table(links=2, on_unknown="resend")

    def begin(self, gateway):
        words = ["--system-id", "other", "--to", "467xxxxxxxx", "--rate", self.rate, "--messages", self.messages, "--wait-receipts", "90s"]
        return rig.Load(self.case, gateway.smpp, *words)

    def recover(self):
        """The end of the sickness, where it has one."""

    def finish(self, code, load):
        report = self.carrier.stop()
        case, name = self.case, self.name
        case.check(load["acknowledged"] == self.messages, f"{name}: its messages are accepted", load["refused"])
        case.check(code == 0 and load["missing_receipts"] == 0, f"{name}: none of them is lost", load["missing_receipts"])
        case.check(load["states"] == {"DELIVRD": self.messages}, f"{name}: all are delivered in the end", load["states"])
        case.check(report["unique"] == self.messages, f"{name}: the carrier has them all", report["unique"])
        self.also(load, report)


class Down(Sick):
    """Nobody listens while the traffic comes in; then the carrier comes back."""

    def begin(self, gateway):
        self.carrier.process.kill()
        client = super().begin(gateway)
        rig.wait("messages wait", lambda: gateway.metric("smppgate_country_waiting", country="SE") >= self.messages // 2)
        return client

    def recover(self):
        self.carrier.start()

    def also(self, load, report):
        self.case.check(report["duplicates"] == 0, "down: nothing was sent twice", report["duplicates"])


class Throttling(Sick):
    """Takes fewer messages than come."""

    options = ["--throttle-rate", "600"]

    def also(self, load, report):
        self.case.check(report["refused_throttled"] > 0, "throttling: it did throttle", report["refused_throttled"])
        self.case.check(report["duplicates"] == 0, "throttling: nothing was sent twice", report["duplicates"])


class Silent(Sick):
    """Takes messages and never answers; later its place is taken by one that does."""

    options = ["--silent"]

    def begin(self, gateway):
        client = super().begin(gateway)
        rig.wait("it has messages", lambda: self.carrier.report()["submitted"] > 0)
        return client

    def recover(self):
        self.carrier.process.kill()
        self.carrier.options = []
        self.carrier.start()

    def also(self, load, report):
        self.case.check(report["duplicates"] == 0, "silent: its successor got nothing twice", report["duplicates"])


rig.main("carriers", test)
