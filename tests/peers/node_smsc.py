"""Runs the SMSC of `node_smsc.js` and reads what it notes."""

import json
import os

import rig


class NodeSmsc:
    """The SMSC of `node_smsc.js` and what it noted."""

    def __init__(self, case, name, *tls):
        self.name, self.port = name, rig.free_port()
        self.out = case.folder / f"{name}.jsonl"
        script = rig.ROOT / "tests/peers/node_smsc.js"
        environment = {**os.environ, "NODE_PATH": os.environ["SMPPGATE_NODE_PATH"]}
        self.process = rig.Process(
            case, name, ["node", script, self.port, *tls], stdout=self.out, env=environment
        )
        rig.wait(f"{name} listens", lambda: self.events("listening"))

    def events(self, kind):
        lines = self.out.read_text().split("\n")[:-1]
        return [event for event in map(json.loads, lines) if kind in event]

    def table(self, **more):
        return {
            "name": self.name, "address": f"127.0.0.1:{self.port}", "system_id": "smppgate", "password": "secret", **more
        }
