"""Several processes that read one hub into one lake, under load, and what they own and have stored."""

import json
import multiprocessing
import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pyarrow.parquet as pq

from acrwatch.core.clock import SystemClock
from acrwatch.core.setting import Secret
from acrwatch.devhub import DevHub
from ingest.eventhub.address import from_settings
from ingest.eventhub.reader import Timing
from ingest.normalise import Normaliser
from ingest.opening import Opening
from ingest.pipeline import Pipeline
from ingest.sources import eventhub
from storage.lake import Lake
from storage.state import ownership
from storage.state.database import Database
from storage.state.ownership import Group, Ownership
from tests.ingest_sources.reading import HUB

WAIT = 60.0  # seconds; nothing here takes a tenth of it on an idle machine
PARTITIONS = 4
HERE = socket.gethostname()


def read(root: str, number: int, url: str, connection_string: str, expiry: float, host: str) -> None:
    """Read the hub into the lake until SIGTERM, as from a machine of that name; then leave the counts in a file."""
    socket.gethostname = lambda: host
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    folder = Path(root)
    database, lake, clock = Database(url), Lake.open(folder / "lake"), SystemClock()
    values = {setting.name: setting.default for setting in eventhub.SETTINGS}
    values |= {"connection_string": Secret(connection_string), "eventhub": HUB}
    timing = Timing(look=1.0, heartbeat=0.1, first_retry=0.2, last_retry=0.5, tick=0.3, expiry=expiry)
    source = eventhub.EventHubSource(from_settings(values), Opening(lake, database, clock), timing=timing)
    pipeline = Pipeline(source, Normaliser(), lake, database, clock, commit_interval=timedelta(milliseconds=500))
    pipeline.run(stop)
    (folder / f"counts{number}.json").write_text(json.dumps({"redelivered": pipeline.counts.redelivered}))
    database.close()


@cache
def _forks() -> ForkServerContext:
    """Return a server that forks children which need not load the libraries anew."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.ingest_sources.fleet", "azure.eventhub.aio", "storage.migrations"])
    return context


class Fleet:
    """Processes, the load they are under, and questions about both. Made by `fleet`."""

    def __init__(self, folder: Path, url: str, hub: DevHub, expiry: float) -> None:
        self.folder = folder
        self.hub = hub
        self.expiry = expiry
        self.sent = 0
        self.url = url
        self.database = Database(url)
        self.lake = Lake.open(folder / "lake")
        self._calm = threading.Event()
        self._load = threading.Thread(target=self._send)
        self._load.start()
        self.processes: list[multiprocessing.context.ForkServerProcess] = []

    def join(self, host: str = HERE) -> int:
        """Start a process that believes its machine to have this name; return its number."""
        number = len(self.processes)
        arguments = (str(self.folder), number, self.url, self.hub.connection_string, self.expiry, host)
        process = _forks().Process(target=read, args=arguments, daemon=True)
        process.start()
        self.processes.append(process)
        return number

    def signal(self, number: int, what: signal.Signals) -> None:
        pid = self.processes[number].pid
        assert pid is not None
        os.kill(pid, what)

    def terminate(self, number: int) -> None:
        """Ask a process to stop, and see that it does so by itself."""
        self.signal(number, signal.SIGTERM)
        self.processes[number].join(WAIT)
        assert self.processes[number].exitcode == 0

    def owners(self) -> list[Ownership]:
        with self.database.connect() as connection:
            return ownership.listed(connection, Group(f"localhost:{self.hub.port}", HUB, "$Default"))

    def held(self, number: int) -> int:
        """Return how many partitions a process owns, expired or not."""
        return sum(f"/{self.processes[number].pid}/" in one.owner_id for one in self.owners())

    def shares(self) -> list[int]:
        """Return how many partitions each owner has, the largest first."""
        return sorted(Counter(one.owner_id for one in self.owners() if one.owner_id).values(), reverse=True)

    def until(self, met: Callable[[], bool], what: str) -> float:
        """Wait until `met`; return how long that took."""
        begun = time.monotonic()
        while not met():
            assert time.monotonic() - begun < WAIT, f"{what} did not come: {self.owners()}"
            threading.Event().wait(0.05)
        return time.monotonic() - begun

    def progress(self) -> None:
        """Wait until what has been sent by now is stored."""
        due = [self.hub.last_sequence_number(HUB, number) for number in range(PARTITIONS)]
        self.until(lambda: self._reached(due), "a commit")

    def stored(self) -> list[str]:
        """End the load, wait until all of it is stored, and return the identity of every row."""
        self._calm.set()
        self._load.join()
        self.progress()
        for number, process in enumerate(self.processes):
            if process.is_alive():
                self.terminate(number)
        tables = [pq.read_table(self.lake.root / file.path, partitioning=None) for file in self.lake.snapshot().files]
        return sorted(value for table in tables for value in table.column("identity").to_pylist())

    def expected(self) -> list[str]:
        """Return the identity of every record sent."""
        return sorted(f"user{number}@example.com" for number in range(self.sent))

    def redelivered(self, number: int) -> int:
        """Return how many rows a process, which has ended by itself, brought too late."""
        count: int = json.loads((self.folder / f"counts{number}.json").read_text())["redelivered"]
        return count

    def close(self) -> None:
        self._calm.set()
        self._load.join()
        for process in self.processes:
            process.kill()
            process.join(WAIT)
        self.database.close()

    def _send(self) -> None:
        while not self._calm.wait(0.02):
            for _ in range(4):
                self.hub.append(HUB, _body(self.sent))
                self.sent += 1

    def _reached(self, due: list[int]) -> bool:
        streams = [f"eventhub/localhost:{self.hub.port}/{HUB}/{number}/0" for number in range(PARTITIONS)]
        return all((self.lake.position(stream) or 0) >= last for stream, last in zip(streams, due, strict=True))


@contextmanager
def fleet(folder: Path, url: str, *, expiry: float) -> Iterator[Fleet]:
    """Return a fleet of no processes yet over a database with its tables; none is left at the end of the block."""
    with DevHub(hubs={HUB: PARTITIONS}) as hub:
        made = Fleet(folder, url, hub, expiry)
        try:
            yield made
        finally:
            made.close()


def _body(number: int) -> bytes:
    """Return one login unlike that of any other number."""
    record = {
        "time": f"2026-11-22T{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}.0000000Z",
        "category": "ContainerRegistryLoginEvents",
        "operationName": "Login",
        "resourceId": "/SUBSCRIPTIONS/00000000-0000-0000-0000-000000000000/RESOURCEGROUPS/RG/PROVIDERS/"
        "MICROSOFT.CONTAINERREGISTRY/REGISTRIES/CONTOSO",
        "identity": f"user{number}@example.com",
        "callerIpAddress": "192.0.2.7",
        "correlationId": f"c{number}",
        "resultType": "HttpStatusCode",
        "resultDescription": "200",
    }
    return json.dumps({"records": [record]}).encode()
