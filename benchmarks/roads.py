"""The same records by three roads: stored once, what the check of ids costs, and that it is flat in the history.

    python -m benchmarks.roads [--records N] [--days N] [--pairs N]

First a day of simulated records comes as hub messages, as lines of a storage archive and as rows of Log Analytics, each
road on a thread of its own into one lake: decoded and committed as the pipeline does it, without network and state. The
check is what `storage/lake/seen.py` does: reading the ids of a date, looking them up, settling hits, learning new ones.
Then lakes of one and of `--days` days of history, each day as long, get the last day's records in turn: half of them
known already, half new.
"""

import argparse
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from acrwatch.core.model import Message
from acrwatch.simulate import Scenario, simulate
from benchmarks.machine import described
from ingest.normalise import Normaliser
from storage.lake import Lake
from storage.lake.seen import SeenIds
from storage.schema import COLUMNS

COMMIT_ROWS: Final = 20_000
ROADS: Final = ("event hub", "archive", "Log Analytics")
_NAMES: Final = {column.wire: column.log_analytics for column in COLUMNS if column.wire and column.log_analytics}


@dataclass(slots=True)
class Cost:
    """Processor seconds of one thread: decoding, commits as a whole, and the check of ids within them."""

    decoding: float = 0.0
    committing: float = 0.0
    checking: float = 0.0
    rows: int = 0
    known: int = 0


@dataclass
class Meter:
    """Adds up what SeenIds takes, by thread."""

    seconds: dict[int, float] = field(default_factory=dict)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Count within this block."""
        names = ("fresh", "learn", "follow")
        before = {name: getattr(SeenIds, name) for name in names}
        for name, method in before.items():
            setattr(SeenIds, name, self._counted(method))
        try:
            yield
        finally:
            for name, method in before.items():
                setattr(SeenIds, name, method)

    def _counted(self, method: Any) -> Any:
        def counted(*arguments: Any) -> Any:
            started = time.thread_time()
            try:
                return method(*arguments)
            finally:
                thread = threading.get_ident()
                self.seconds[thread] = self.seconds.get(thread, 0.0) + time.thread_time() - started

        return counted

    def take(self) -> float:
        """Return what this thread's checks took since it asked last."""
        return self.seconds.pop(threading.get_ident(), 0.0)


def record_texts(records: int) -> list[bytes]:
    """Return a day's records, each as JSON."""
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    scenario = Scenario(start=midnight - timedelta(days=1), end=midnight, events_per_day=2 * records)
    found = [msgspec.json.encode(item.record) for item in islice(simulate(scenario), records)]
    if len(found) != records:
        raise SystemExit(f"{len(found)} records were made instead of {records}")
    return found


def bodies(road: str, texts: Sequence[bytes]) -> Iterator[bytes]:
    """Yield the records as this road brings them."""
    size = {"event hub": 200, "archive": 1_200, "Log Analytics": 500}[road]
    for first in range(0, len(texts), size):
        part = texts[first : first + size]
        if road == "event hub":
            yield b'{"records":[' + b",".join(part) + b"]}"
        elif road == "archive":
            yield b"\n".join(part)
        else:
            yield msgspec.json.encode([_row(msgspec.json.decode(text)) for text in part])


def _row(record: dict[str, Any]) -> dict[str, Any]:
    flat = {**record, **record.get("properties", {})}
    row = {_NAMES[name]: value for name, value in flat.items() if name in _NAMES}
    return {**row, "Type": row.pop("Category"), "_ResourceId": row["_ResourceId"].lower()}


def travel(road: str, texts: Sequence[bytes], root: Path, meter: Meter) -> Cost:
    """Bring all records into the lake by one road."""
    lake, normaliser, now, cost = Lake.open(root), Normaliser(), datetime.now(UTC), Cost()
    waiting: list[pa.Table] = []
    for number, body in enumerate(bodies(road, texts)):
        started = time.thread_time()
        found = normaliser.batch([Message(road, number, body)], now=now)
        cost.decoding += time.thread_time() - started
        if found.rejects or found.skipped:
            raise SystemExit(f"{road}: {found.rejects[:1]} {found.skipped}")
        waiting.append(found.events)
        if sum(table.num_rows for table in waiting) >= COMMIT_ROWS:
            _commit(lake, waiting, cost)
            waiting = []
    if waiting:
        _commit(lake, waiting, cost)
    cost.checking = meter.take()
    return cost


def _commit(lake: Lake, tables: Sequence[pa.Table], cost: Cost) -> None:
    started = time.thread_time()
    done = lake.commit(pa.concat_tables(tables), {})
    cost.committing += time.thread_time() - started
    cost.rows += done.rows
    cost.known += done.duplicates


def all_roads(texts: Sequence[bytes], root: Path, meter: Meter) -> dict[str, Cost]:
    """Let the records come by every road at once; the lake must hold each once."""
    found: dict[str, Cost] = {}

    def go(road: str) -> None:
        found[road] = travel(road, texts, root, meter)

    threads = [threading.Thread(target=go, args=(road,)) for road in ROADS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = sum(file.rows for file in Lake.open(root).snapshot().files)
    if rows != len(texts) or len(found) != len(ROADS):
        raise SystemExit(f"{rows} rows were stored of {len(texts)} records")
    return found


def with_history(root: Path, events: pa.Table, days: int) -> None:
    """Make a lake of so many days before the events' own: the same rows under other ids and dates."""
    lake, chance = Lake.open(root), np.random.default_rng(days)
    day = timedelta(days=1)
    for number in range(1, days + 1):
        for first in range(0, events.num_rows, 10 * COMMIT_ROWS):
            rows = _renamed(events.slice(first, 10 * COMMIT_ROWS), chance)
            times = pc.subtract(rows.column("event_time"), pa.scalar(number * day, pa.duration("us")))
            rows = _with(rows, "event_time", times)
            lake.commit(_with(rows, "event_date", times.cast(pa.date32())), {})


def _renamed(rows: pa.Table, chance: np.random.Generator) -> pa.Table:
    ids = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(16), rows.num_rows, [None, pa.py_buffer(chance.bytes(16 * rows.num_rows))]
    )
    return _with(rows, "event_id", ids.cast(pa.binary()))


def _with(rows: pa.Table, name: str, column: Any) -> pa.Table:
    at = rows.schema.get_field_index(name)
    return rows.set_column(at, rows.schema.field(at), column)


def day_after(root: Path, events: pa.Table, seed: int, meter: Meter) -> tuple[float, float]:
    """Store a new part of the day, then it again with as many new rows; return processor µs a row of the commits, and
    of the checks in them."""
    lake, chance, cost = Lake.open(root), np.random.default_rng(seed), Cost()
    meter.take()
    rows = 0
    for first in range(0, events.num_rows, COMMIT_ROWS):
        new = _renamed(events.slice(first, COMMIT_ROWS), chance)
        for tables in ([new], [new, _renamed(new, chance)]):
            _commit(lake, tables, cost)
            rows += sum(table.num_rows for table in tables)
    return cost.committing / rows * 1e6, meter.take() / rows * 1e6


def flatness(events: pa.Table, folder: Path, days: int, pairs: int, meter: Meter) -> None:
    """Print what a day costs after one day and after many."""
    roots = {number: folder / f"{number} days" for number in (1, days)}
    for number, root in roots.items():
        with_history(root, events, number)
    part = events.slice(0, min(events.num_rows, 5 * COMMIT_ROWS))
    costs: dict[int, list[tuple[float, float]]] = {number: [] for number in roots}
    for pair in range(pairs):
        for number, root in roots.items():
            costs[number].append(day_after(root, part, 1000 * pair + number, meter))
    print("\n| history, rows | commit, µs a row | check, µs a row |\n|--:|--:|--:|")
    for number, found in costs.items():
        commit, check = (statistics.median(column) for column in zip(*found, strict=True))
        print(f"| {number * events.num_rows:,} | {commit:.2f} | {check:.3f} |")
    ratios = [many[1] / one[1] for one, many in zip(costs[1], costs[days], strict=True)]
    spread = f"{min(ratios):.2f} - {max(ratios):.2f}"
    print(f"| **check, many / one, in turn** | | **{statistics.median(ratios):.2f}** ({spread}) |")


def main() -> None:
    """Print both tables."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--records", type=int, default=1_000_000)
    options.add_argument("--days", type=int, default=16)
    options.add_argument("--pairs", type=int, default=7)
    given = options.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-2:])
    texts = record_texts(given.records)
    print(f"{described()}; {len(texts):,} records, each by {len(ROADS)} roads at once\n")
    meter = Meter()
    with tempfile.TemporaryDirectory() as name, meter.watching():
        found = all_roads(texts, Path(name) / "roads", meter)
        print("| road | stored first | known already | decode, µs | commit, µs | of it check, µs | check's share |")
        print("|---|--:|--:|--:|--:|--:|--:|")
        for road, cost in found.items():
            times = [seconds / len(texts) * 1e6 for seconds in (cost.decoding, cost.committing, cost.checking)]
            share = cost.checking / (cost.decoding + cost.committing)
            shown = " | ".join(f"{value:.2f}" for value in times)
            print(f"| {road} | {cost.rows:,} | {cost.known:,} | {shown} | {share:.1%} |")
        history = min(len(texts), 100_000 * 5)
        normalised = [Message("roads", n, body) for n, body in enumerate(bodies("archive", texts[:history]))]
        events = Normaliser().batch(normalised, now=datetime.now(UTC)).events
        one_day = events.filter(pc.equal(events.column("event_date"), events.column("event_date")[0]))
        flatness(one_day, Path(name), given.days, given.pairs, meter)


if __name__ == "__main__":
    main()
