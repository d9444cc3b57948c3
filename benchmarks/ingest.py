"""Hub to committed Delta, in records per second, as a ratio to decoding and writing the same bytes.

    python -m benchmarks.ingest [--records N] [--pairs N]

Pairs are interleaved (floor, hub, floor, hub, ...), so that a machine whose speed drifts slows both sides alike. The
floor is our normaliser over the same messages and a plain append by delta-rs, one after the other: what must be done at
the very least. The hub side is timed from opening the source to the return of the last commit: connections, AMQP,
positions, de-duplication, syncing to disk, SQL state. All processes, the development hub's too, share two cores.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pyarrow as pa
from deltalake import WriterProperties, write_deltalake

from acrwatch.core.clock import SystemClock
from acrwatch.core.model import Message
from benchmarks.loaded_hub import HUB, bodies, loaded_hub
from benchmarks.machine import described
from ingest.normalise import Normaliser
from ingest.opening import Opening
from ingest.pipeline import Pipeline
from ingest.sources.eventhub import SETTINGS
from ingest.sources.eventhub import open as open_source
from storage.lake import Lake
from storage.lake.compaction import TARGET_BYTES, compact
from storage.state.database import Database

CORES: Final = 2
# Of message bodies in one append of the floor: twice a commit of the pipeline, so it pays for half as many.
APPEND_BYTES: Final = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Run:
    """One side of a pair: rows made, seconds taken, seconds of processor time used by this process."""

    rows: int
    seconds: float
    busy: float


def from_hub(connection_string: str, folder: Path) -> Run:
    """Read the whole hub into a new lake, as `acrwatch ingest --once` does."""
    committed: list[tuple[float, float]] = []
    started, busy = time.perf_counter(), time.process_time()
    database = Database(f"sqlite:///{folder}/state.db")
    database.migrate()
    lake, clock = Lake.open(folder / "lake"), SystemClock()
    values = {setting.name: setting.default for setting in SETTINGS}
    secret = next(setting for setting in SETTINGS if setting.name == "connection_string").parse(connection_string)
    source = open_source({**values, "connection_string": secret, "eventhub": HUB}, Opening(lake, database, clock))
    try:
        pipeline = Pipeline(
            source,
            Normaliser(),
            lake,
            database,
            clock,
            on_commit=lambda: committed.append((time.perf_counter(), time.process_time())),
        )
        rows = pipeline.run_once().events
        ended, spent = committed[-1]
        return Run(rows, ended - started, spent - busy)
    finally:
        database.close()


def floor(sent: Sequence[bytes], folder: Path) -> Run:
    """Normalise the same messages and append them."""
    started, busy = time.perf_counter(), time.process_time()
    normaliser, now, rows = Normaliser(), datetime.now(UTC), 0
    for number, batch in enumerate(_batches(sent)):
        messages = [Message("floor", number * 1_000_000 + place, body) for place, body in enumerate(batch)]
        events = normaliser.batch(messages, now=now).events
        _append(folder, events)
        rows += events.num_rows
    return Run(rows, time.perf_counter() - started, time.process_time() - busy)


def _batches(sent: Sequence[bytes]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    for body in sent:
        batch.append(body)
        size += len(body)
        if size >= APPEND_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _append(folder: Path, table: pa.Table) -> None:
    writer = WriterProperties(compression="ZSTD", compression_level=1)
    write_deltalake(str(folder / "floor"), table, mode="append", partition_by=["event_date"], writer_properties=writer)


def timed(work: Callable[[Path], Run], expected: int) -> Run:
    """Run one side in a fresh folder; it must produce every record."""
    with tempfile.TemporaryDirectory() as name:
        run = work(Path(name))
    if run.rows != expected:
        raise SystemExit(f"{run.rows} rows came out of {expected} records")
    return run


def bytes_an_event(connection_string: str) -> tuple[float, float]:
    """Return the bytes in Parquet per event of one more run: as committed, and once its dates are compacted."""
    with tempfile.TemporaryDirectory() as name:
        from_hub(connection_string, Path(name))
        lake = Lake.open(Path(name) / "lake")
        arrived = _density(lake)
        for day in sorted({file.date for file in lake.snapshot().files}):
            compact(lake, day, TARGET_BYTES)
        return arrived, _density(lake)


def _density(lake: Lake) -> float:
    files = lake.snapshot().files
    return sum(file.size for file in files) / sum(file.rows for file in files)


def _row(name: str, runs: Sequence[Run]) -> str:
    speeds = [run.rows / run.seconds for run in runs]
    cost = statistics.median(run.busy / run.rows * 1e6 for run in runs)
    return f"| {name} | {statistics.median(speeds):,.0f} | {min(speeds):,.0f} - {max(speeds):,.0f} | {cost:.1f} |"


def main() -> None:
    """Run the pairs and print medians and the ratios."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--records", type=int, default=1_200_000)
    options.add_argument("--pairs", type=int, default=9)
    given = options.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    with loaded_hub(given.records) as connection_string:
        sent = list(bodies(given.records))
        records = sum(body.count(b'"operationName"') for body in sent)
        size = sum(map(len, sent)) / records
        print(f"{described()}; {len(sent)} messages, {records} records of {size:.0f} bytes, {given.pairs} pairs\n")
        floors, hubs = [], []
        for _ in range(given.pairs):
            floors.append(timed(lambda folder: floor(sent, folder), records))
            hubs.append(timed(lambda folder: from_hub(connection_string, folder), records))
        arrived, compacted = bytes_an_event(connection_string)
    print("| | records/s, median | range | processor, µs a record |\n|---|--:|--:|--:|")
    print(_row("floor: normalise and append", floors))
    print(_row("hub to committed Delta", hubs))
    ratios = [one.seconds / other.seconds for one, other in zip(floors, hubs, strict=True)]
    print(
        f"| **ratio, pair by pair** | **{statistics.median(ratios):.2f}** | {min(ratios):.2f} - {max(ratios):.2f} | |"
    )
    print(f"\nBytes an event, every column: {arrived:.1f} as committed, {compacted:.1f} compacted, {size:.0f} as JSON.")


if __name__ == "__main__":
    main()
