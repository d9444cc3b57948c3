"""Hub to committed Delta, in records per second, as a ratio to decoding and writing the same bytes on the same core.

    python -m benchmarks.ingest [--records N] [--pairs N]

Pairs are interleaved (floor, hub, floor, hub, ...), so that a machine whose speed drifts slows both sides alike. The
development hub runs in a process, and where there are two on a core, of its own. The floor is our normaliser over the
same messages and a plain append by delta-rs: what must be done at the very least. The hub side is timed from opening
the source to the return of the last commit: connections, AMQP, positions, de-duplication, syncing to disk, SQL state.
"""

import argparse
import itertools
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

import pyarrow as pa
from deltalake import WriterProperties, write_deltalake

from acrwatch.core.clock import SystemClock
from acrwatch.core.model import Message
from acrwatch.devhub import DevHub
from acrwatch.simulate import Scenario, encode_messages, simulate
from benchmarks.machine import described
from ingest.normalise import Normaliser
from ingest.opening import Opening
from ingest.pipeline import Pipeline
from ingest.sources.eventhub import SETTINGS
from ingest.sources.eventhub import open as open_source
from storage.lake import Lake
from storage.state.database import Database

HUB: Final = "bench"
PARTITIONS: Final = 4
PER_MESSAGE: Final = 200
# What the pipeline takes into one commit: 32 MiB of message bodies.
COMMIT_BYTES: Final = 32 * 1024 * 1024
END: Final = datetime(2026, 11, 22, tzinfo=UTC)


def bodies(records: int) -> list[bytes]:
    """Return message bodies with this many simulated records of two recent days in them."""
    scenario = Scenario(start=END - timedelta(days=2), end=END, events_per_day=records)
    taken = itertools.islice((item.record for item in simulate(scenario)), records)
    return list(encode_messages(taken, per_message=PER_MESSAGE))


def _serve(sent: Sequence[bytes], core: int | None, pipe: Connection) -> None:
    if core is not None:
        os.sched_setaffinity(0, {core})
    with DevHub(hubs={HUB: PARTITIONS}) as hub:
        for number, body in enumerate(sent):
            hub.append(HUB, body, partition=number % PARTITIONS)
        pipe.send(hub.connection_string)
        pipe.recv()


@contextmanager
def _hub(sent: Sequence[bytes], core: int | None) -> Iterator[str]:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(sent, core, theirs))
    process.start()
    try:
        yield str(ours.recv())
    finally:
        ours.send("end")
        process.join(30)


def from_hub(connection_string: str, folder: Path) -> tuple[int, float]:
    """Read the whole hub into a new lake, as `acrwatch ingest --once` does; return rows and seconds."""
    committed: list[float] = []
    started = time.perf_counter()
    database = Database(f"sqlite:///{folder}/state.db")
    database.migrate()
    lake, clock = Lake.open(folder / "lake"), SystemClock()
    values = {setting.name: setting.default for setting in SETTINGS}
    secret = next(setting for setting in SETTINGS if setting.name == "connection_string").parse(connection_string)
    source = open_source({**values, "connection_string": secret, "eventhub": HUB}, Opening(lake, database, clock))
    try:
        pipeline = Pipeline(
            source, Normaliser(), lake, database, clock, on_commit=lambda: committed.append(time.perf_counter())
        )
        return pipeline.run_once().events, committed[-1] - started
    finally:
        database.close()


def floor(sent: Sequence[bytes], folder: Path) -> tuple[int, float]:
    """Normalise the same messages and append them; return rows and seconds."""
    started = time.perf_counter()
    normaliser, now, rows = Normaliser(), datetime.now(UTC), 0
    for number, batch in enumerate(_batches(sent)):
        messages = [Message("floor", number * 1_000_000 + place, body) for place, body in enumerate(batch)]
        events = normaliser.batch(messages, now=now).events
        _append(folder, events)
        rows += events.num_rows
    return rows, time.perf_counter() - started


def _batches(sent: Sequence[bytes]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    for body in sent:
        batch.append(body)
        size += len(body)
        if size >= COMMIT_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _append(folder: Path, table: pa.Table) -> None:
    writer = WriterProperties(compression="ZSTD", compression_level=1)
    write_deltalake(str(folder / "floor"), table, mode="append", partition_by=["event_date"], writer_properties=writer)


def timed(work: Callable[[Path], tuple[int, float]], expected: int) -> float:
    """Return records per second of one run in a fresh folder; the run must produce every record."""
    with tempfile.TemporaryDirectory() as name:
        rows, seconds = work(Path(name))
    if rows != expected:
        raise SystemExit(f"{rows} rows came out of {expected} records")
    return expected / seconds


def main() -> None:
    """Run the pairs and print medians and the ratios."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--records", type=int, default=600_000)
    options.add_argument("--pairs", type=int, default=5)
    given = options.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    sent = bodies(given.records)
    records = sum(body.count(b'"operationName"') for body in sent)
    size = sum(map(len, sent)) / records
    print(f"{described()}; {len(sent)} messages, {records} records of {size:.0f} bytes, {given.pairs} pairs")
    with _hub(sent, cores[-1] if len(cores) > 1 else None) as connection_string:
        if len(cores) > 1:
            os.sched_setaffinity(0, {cores[0]})
        sides: dict[str, Callable[[Path], tuple[int, float]]] = {
            "floor": lambda folder: floor(sent, folder),
            "hub": lambda folder: from_hub(connection_string, folder),
        }
        speeds: dict[str, list[float]] = {name: [] for name in sides}
        for _ in range(given.pairs):
            for name, work in sides.items():
                speeds[name].append(timed(work, records))
    for name, found in speeds.items():
        print(
            f"{name:>10}: median {statistics.median(found):>9,.0f} records/s  [{min(found):,.0f} - {max(found):,.0f}]"
        )
    ratios = [hub / other for hub, other in zip(speeds["hub"], speeds["floor"], strict=True)]
    print(f"hub / floor: median {statistics.median(ratios):.2f}  [{min(ratios):.2f} - {max(ratios):.2f}]")


if __name__ == "__main__":
    main()
