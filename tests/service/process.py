"""acrwatch in a process of its own, over a development hub in this one, and how to feed, kill and await it."""

import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pyarrow.parquet as pq

from acrwatch.devhub import DevHub
from scheduler import load_detections
from storage.lake import Lake
from storage.state import outbox, runs
from storage.state.database import Database
from tests.service import hasty
from tests.service.traffic import Traffic

ROOT = Path(__file__).parents[2]
HUB = "acr-audit"
PARTITIONS = 2
DESTINATIONS = ("siem", "archive")
WAIT = 60.0  # seconds; nothing here takes a tenth of it on an idle machine
_LOOK = 0.1


def write_config(
    folder: Path,
    connection_string: str,
    *,
    allowed_ranges: Mapping[str, Sequence[str]] | None = None,
    destinations: str | None = None,
    every: str = "30s",
) -> Path:
    """Write an acrwatch.toml that keeps everything in `folder` and commits twenty times a second."""
    if destinations is None:
        destinations = "".join(
            f'[[destinations]]\nname = "{n}"\ntype = "jsonl"\npath = "{n}.jsonl"\n' for n in DESTINATIONS
        )
    registries = "".join(
        f"[registries.{n}]\nallowed_ranges = {json.dumps(r)}\n" for n, r in (allowed_ranges or {}).items()
    )
    path = folder / "acrwatch.toml"
    path.write_text(
        '[store]\npath = "lake"\ndatabase = "sqlite:///state.db"\nretention = "36500d"\n'
        f'[[sources]]\ntype = "eventhub"\nconnection_string = "{connection_string}"\neventhub = "{HUB}"\n'
        f'commit_interval = "50ms"\n[detections]\nevery = "{every}"\n{destinations}{registries}'
    )
    return path


class Child:
    """One life of acrwatch in a process of its own; what it says is in `log`."""

    def __init__(self, config: Path, crash_at: str | None = None) -> None:
        self.log = config.parent / "log.txt"
        self.log.touch()
        arguments = (str(config), str(self.log), crash_at)
        self.process = _forks().Process(target=hasty.main, args=arguments, daemon=True)
        self.process.start()

    def wait(self, seconds: float = WAIT) -> int:
        """Return the exit code, minus the signal's number if one killed it; fails if it does not end."""
        self.process.join(seconds)
        assert self.process.exitcode is not None, f"still alive after {seconds} s:\n{self.tail()}"
        return self.process.exitcode

    def idle(self, seconds: float) -> bool:
        """Wait; return whether it is still alive afterwards."""
        self.process.join(seconds)
        return self.process.exitcode is None

    def until(self, met: Callable[[], bool], what: str, seconds: float = WAIT) -> None:
        """Wait until `met`; fails with `what` and the end of its log when that does not come, or when it dies first."""
        deadline = time.monotonic() + seconds
        while not met():
            alive = self.idle(_LOOK) or met()
            assert alive, f"ended with {self.process.exitcode} before {what}:\n{self.tail()}"
            assert time.monotonic() < deadline, f"{what} did not come within {seconds} s:\n{self.tail()}"

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-3000:]

    def signal(self, number: int) -> None:
        assert self.process.pid is not None
        os.kill(self.process.pid, number)

    def terminate(self) -> int:
        """Ask it to stop, and return its exit code."""
        self.signal(signal.SIGTERM)
        return self.wait()


@cache
def _forks() -> ForkServerContext:
    """Return a server that forks children which need not load the libraries anew: 0.6 of a second's work each."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(hasty.PRELOADED))
    return context


@contextmanager
def running(config: Path, crash_at: str | None = None) -> Iterator[Child]:
    """Start one, and see that none is left at the end of the block."""
    child = Child(config, crash_at)
    try:
        yield child
    finally:
        child.process.kill()
        child.wait()


def versions(folder: Path) -> int:
    """Return how many versions the lake has had since its log was last cleaned."""
    return len(list((folder / "lake" / "_delta_log").glob("*.json")))


def feed(hub: DevHub, bodies: Sequence[bytes], traffic: Traffic) -> None:
    for body in bodies:
        hub.append(HUB, body, enqueued_time=traffic.enqueued)


def feed_plain(hub: DevHub, bodies: Sequence[bytes]) -> None:
    """Send messages as of now."""
    for body in bodies:
        hub.append(HUB, body)


def feed_blocks(hub: DevHub, traffic: Traffic, blocks: Sequence[Sequence[bytes]], child: Child) -> None:
    """Send block after block, each once the one before it is stored; the rest at once when the child is dead."""
    for block in blocks:
        before = versions(child.log.parent)
        feed(hub, block, traffic)
        deadline = time.monotonic() + WAIT
        while versions(child.log.parent) == before and child.idle(0.01):
            assert time.monotonic() < deadline, f"a block was not stored:\n{child.tail()}"


def caught_up(folder: Path, hub: DevHub) -> bool:
    """Return whether every message is stored, every row judged by every detection, and nothing due for delivery."""
    lake, file = Lake(folder / "lake"), folder / "state.db"
    if not file.exists() or versions(folder) == 0 or not _stored(lake, hub):
        return False
    with opened(Database(f"sqlite:///{file}")) as database, database.connect() as connection:
        due = outbox.due(connection, DESTINATIONS, now=datetime.now(UTC))
        cursors = runs.load(connection)
    head = _newest_rows(lake)
    return not due and cursors.keys() == _slugs() and all(cursor.positions == head for cursor in cursors.values())


@cache
def _slugs() -> frozenset[str]:
    return frozenset(load_detections())


def _newest_rows(lake: Lake) -> dict[str, int]:
    """Return the newest row's sequence number of each stream: messages without a new row are nothing to judge."""
    newest: dict[str, int] = {}
    for file in lake.snapshot().files:
        rows = pq.ParquetFile(lake.root / file.path).read(["source", "sequence_number"]).to_pydict()
        for stream, at in zip(rows["source"], rows["sequence_number"], strict=True):
            newest[stream] = max(at, newest.get(stream, -1))
    return newest


def _stored(lake: Lake, hub: DevHub) -> bool:
    reached = {n: lake.position(f"eventhub/localhost:{hub.port}/{HUB}/{n}/0") for n in range(PARTITIONS)}
    return all((-1 if at is None else at) >= hub.last_sequence_number(HUB, n) for n, at in reached.items())


@contextmanager
def opened(database: Database) -> Iterator[Database]:
    try:
        yield database
    finally:
        database.close()
