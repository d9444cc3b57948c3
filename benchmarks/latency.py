"""From the sending of an event to the webhook about it, under load, over the whole service in processes of their own.

    python -m benchmarks.latency [--seconds N] [--rate N] [--alerts N] [--history DAYS] [--keep FOLDER]

`acrwatch devhub`, `acrwatch run` (everything as by default, but `commit_interval = "1s"`), and this process, which
sends records through the Azure client and receives the webhooks. Each alert has a match of its own: a login as admin, a
pull from outside the allowed ranges, or twenty deletes in twenty messages. Its latency is from the moment before the
message that completes the match is sent to the moment at which its `alert.created` has been received. Before all that
the service stores and judges some days of ordinary records, so that `anomalous-source-ip` has a past to look into.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

from azure.eventhub import EventData, EventHubProducerClient

from benchmarks.latency_load import RULES, Load, allowed_ranges, history, trigger
from benchmarks.latency_stages import report, stages
from benchmarks.machine import described

HUB: Final = "acr-audit"
_SECRET: Final = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"
_WAIT: Final = 60.0  # seconds, for whatever must happen sooner or later


@dataclass(slots=True)
class Received:
    """When the first `alert.created` by each rule about each trigger's address came, in seconds since 1970, and about
    which alert."""

    url: str = ""
    at: dict[tuple[str, str], tuple[float, str]] = field(default_factory=dict)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def take(self, body: bytes, at: float) -> None:
        document = json.loads(body)
        data = document["data"]
        if document["type"] == "alert.created" and data["rule"] in RULES:
            address = next(one["value"] for one in data["entities"] if one["type"] == "ip")
            with self.changed:
                self.at.setdefault((data["rule"], address), (at, data["id"]))
                self.changed.notify_all()

    def wait_for(self, count: int) -> bool:
        with self.changed:
            return self.changed.wait_for(lambda: len(self.at) >= count, _WAIT)


@contextmanager
def receiving() -> Iterator[Received]:
    """Take webhooks on loopback."""
    received = Received()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            received.take(body, time.time())
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    received.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield received
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def process(what: str, *options: str, before: Sequence[str] = (), folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Run `acrwatch BEFORE WHAT OPTIONS`; its words on stderr go into `folder`."""
    with (folder / f"{what}.log").open("w") as log:
        command = [sys.executable, "-m", "acrwatch", *before, what, *options]
        started = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            yield started
        finally:
            started.send_signal(signal.SIGINT)
            try:
                started.wait(_WAIT)
            finally:
                started.kill()


def write_config(folder: Path, connection_string: str, url: str) -> Path:
    """Write the configuration of the service and return its path."""
    ranges = "".join(f"[registries.{n}]\nallowed_ranges = {json.dumps(r)}\n" for n, r in allowed_ranges().items())
    path = folder / "acrwatch.toml"
    path.write_text(
        f'[[sources]]\ntype = "eventhub"\nconnection_string = "{connection_string}"\neventhub = "{HUB}"\n'
        f'commit_interval = "1s"\n'
        f'[[destinations]]\nname = "siem"\ntype = "webhook"\nurl = "{url}"\nsecret = "{_SECRET}"\n{ranges}'
    )
    return path


@dataclass(slots=True)
class Sender:
    """Sends the load at its pace. `sent` says when the message that completes each trigger was sent; 0 warms up."""

    producer: EventHubProducerClient
    load: Load
    rate: float
    sent: dict[int, float] = field(default_factory=dict)
    records: int = 0
    behind: float = 0.0

    def send(self, size: int) -> None:
        body, completed = self.load.body(size, datetime.now(UTC))
        at = self._send(body)
        self.records += size
        if completed is not None:
            self.sent[completed.number] = at

    def _send(self, body: bytes) -> float:
        batch = self.producer.create_batch()
        batch.add(EventData(body))
        at = time.time()
        self.producer.send_batch(batch)
        return at

    def warm_up(self, past: Iterator[bytes]) -> None:
        """Send history, and behind it one trigger alone."""
        for body in past:
            self._send(body)
        self.load.put(trigger(0))
        self.send(1)
        self.records = 0

    def run(self, seconds: float, count: int, chance: random.Random) -> None:
        """Send for so long; `count` triggers fall at random moments of that time."""
        moments = sorted((chance.random() * seconds, number) for number in range(1, count + 1))
        begin = time.monotonic()
        due = 0.0
        while due < seconds or len(self.sent) <= count:  # what came late still waits for messages to go with
            while moments and moments[0][0] <= due:
                self.load.put(trigger(moments.pop(0)[1]))
            size = self.load.size()
            due += size / self.rate
            late = time.monotonic() - begin - due
            self.behind = max(self.behind, late)
            if late < 0:
                time.sleep(-late)
            self.send(size)


def cpu_seconds(pid: int) -> float:
    """Return the CPU time a process has used, in user and system mode."""
    words = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Run the load, print the rows of docs/performance.md, and end with 1 where p99 is above the target."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--seconds", type=float, default=200)
    options.add_argument("--rate", type=float, default=2_000, help="records per second")
    options.add_argument("--alerts", type=int, default=400)
    options.add_argument("--history", type=int, default=16, help="days; identities are judged by their own from 14 on")
    options.add_argument("--keep", type=Path, help="keep lake, state and logs in this new folder")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = given.keep or Path(name)
        folder.mkdir(exist_ok=True)
        _measure(folder.absolute(), given)


def _measure(folder: Path, given: argparse.Namespace) -> None:
    with receiving() as received, process("devhub", "--port", "0", folder=folder) as hub:
        assert hub.stdout is not None
        connection_string = hub.stdout.readline().strip()
        config = write_config(folder, connection_string, received.url)
        producer = EventHubProducerClient.from_connection_string(connection_string, eventhub_name=HUB)
        with producer, process("run", before=("--config", str(config)), folder=folder) as service:
            midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
            sender = Sender(producer, Load(1, midnight), given.rate)
            sender.warm_up(history(given.history, midnight))
            if not received.wait_for(1):
                raise SystemExit(f"the first webhook did not come; the service said:\n{_tail(folder)}")
            began, used = time.monotonic(), {one.pid: cpu_seconds(one.pid) for one in (service, hub)}
            sender.run(given.seconds, given.alerts, random.Random(2))
            took = time.monotonic() - began
            shares = {pid: (cpu_seconds(pid) - before) / took for pid, before in used.items()}
            if not received.wait_for(given.alerts + 1):
                missing = given.alerts + 1 - len(received.at)
                raise SystemExit(f"{missing} webhooks did not come; the service said:\n{_tail(folder)}")
            _describe(given, sender, took, shares[service.pid], shares[hub.pid])
    del sender.sent[0]
    report(stages(folder, sender.sent, received.at))


def _tail(folder: Path) -> str:
    return (folder / "run.log").read_text(errors="replace")[-3000:]


def _describe(given: argparse.Namespace, sender: Sender, took: float, service: float, hub: float) -> None:
    print(f"{described()}; {sender.records / took:,.0f} records/s for {took:.0f} s, {given.alerts} alerts")
    print(f"CPU: acrwatch run {service:.2f} of a core, the development hub {hub:.2f}")
    print(f"the sender was at most {max(sender.behind, 0):.2f} s behind its schedule")


if __name__ == "__main__":
    main()
