"""A detection pass over 100,000 new events, with a short and with a long history of the same density behind it.

    python -m benchmarks.pass_cost [--short DAYS] [--long DAYS] [--per-day N] [--crowd N] [--pairs N]

Promise P7 says that cost follows the new events. Two lakes are filled (the same simulated day shifted back, with ids of
its own, each identity standing for a crowd), all detections judge the history, and then each round stores one more day
in both and times the pass over it, in turn: the ratio is taken pair by pair, of the time on the clock and of the
processor's. A shorter run: `--long 40 --pairs 5`.
"""

import argparse
import ipaddress
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import distinct, func, select

from acrwatch.core.clock import SystemClock
from acrwatch.core.model import Message
from acrwatch.core.registry import RegistryContext
from acrwatch.simulate import Scenario, encode_messages, simulate
from benchmarks.machine import described
from detections.behavioural import discover
from detections.context import Context
from detections.engine import Engine
from detections.rule import load_rules
from ingest.normalise import Normaliser
from storage.lake import Lake
from storage.lake.maintenance import maintain
from storage.state.database import Database
from storage.state.tables import network_days

STREAM: Final = "eventhub/bench/bench/0/0"
DAY: Final = datetime(2026, 11, 3, tzinfo=UTC)
# Kept from one compaction to the next: what a running service would have around it.
COMMITS_A_DAY: Final = 4


@dataclass(slots=True)
class Installation:
    """A lake and a database, filled day by day."""

    lake: Lake
    engine: Engine
    day: pa.Table
    stored: int = 0

    def add_day(self, number: int) -> None:
        """Store the simulated day shifted by `number` days, under ids of its own."""
        for part in _parts(_shifted(self.day, number)):
            size = part.num_rows
            numbers = pa.array(np.arange(self.stored, self.stored + size), pa.int64())
            part = part.set_column(part.schema.get_field_index("sequence_number"), "sequence_number", numbers)
            self.stored += size
            self.lake.commit(part.cast(self.day.schema), {STREAM: self.stored - 1})

    def judge(self) -> tuple[float, float]:
        """Let every detection judge what is new; return seconds on the clock and of the processor."""
        started, busy = time.perf_counter(), time.process_time()
        passed = self.engine.run_until_done()
        if passed.failed:
            raise SystemExit(f"failed: {', '.join(passed.failed)}")
        return time.perf_counter() - started, time.process_time() - busy


def _parts(events: pa.Table) -> Iterator[pa.Table]:
    size = -(-events.num_rows // COMMITS_A_DAY)
    for start in range(0, events.num_rows, size):
        yield events.slice(start, size)


def _shifted(events: pa.Table, days: int) -> pa.Table:
    span = pa.scalar(timedelta(days=days), pa.duration("us"))
    for name in ("event_time", "enqueued_time", "ingested_at"):
        column = pc.add(events.column(name), span)
        events = events.set_column(events.schema.get_field_index(name), name, column)
    dates = pc.cast(events.column("event_time"), pa.date32())
    events = events.set_column(events.schema.get_field_index("event_date"), "event_date", dates)
    random = np.random.default_rng(abs(days) + 10_000 * (days < 0))
    buffers = [None, pa.py_buffer(random.bytes(16 * events.num_rows))]
    ids = pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), events.num_rows, buffers)
    return events.set_column(events.schema.get_field_index("event_id"), "event_id", ids.cast(pa.binary()))


def simulated_day(records: int, crowd: int) -> tuple[pa.Table, Context]:
    """Return one day of events, in which each identity but the admins stands for a crowd, and the context its
    registries are judged by."""
    scenario = Scenario(start=DAY, end=DAY + timedelta(days=1), events_per_day=records)
    bodies = encode_messages((item.record for item in simulate(scenario)), per_message=200)
    messages = [Message(STREAM, n, body, "0", str(n), DAY + timedelta(days=1)) for n, body in enumerate(bodies)]
    events = Normaliser().batch(messages, now=DAY + timedelta(days=1)).events
    ranges = {
        name: RegistryContext({"allowed_ranges": tuple(map(ipaddress.ip_network, found))})
        for name, found in scenario.allowed_ranges().items()
    }
    return _crowded(events, crowd), Context(ranges)


def _crowded(events: pa.Table, crowd: int) -> pa.Table:
    """Share out the events of each identity among as many as make a crowd."""
    members = pa.array([f"{n % crowd}-" for n in range(events.num_rows)])
    names = events.column("identity")
    shared = pc.binary_join_element_wise(members, names, "")
    alone = pc.fill_null(pc.equal(events.column("identity_kind"), "admin"), fill_value=False)
    names = pc.if_else(alone, names, shared)
    return events.set_column(events.schema.get_field_index("identity"), events.schema.field("identity"), names)


def installed(folder: Path, day: pa.Table, context: Context, days: int) -> Installation:
    """Return an installation with so many days of judged and compacted history."""
    folder.mkdir()
    database = Database(f"sqlite:///{folder}/state.db")
    database.migrate()
    lake = Lake.open(folder / "lake")
    engine = Engine(lake, database, {**load_rules(), **discover()}, context, SystemClock())
    made = Installation(lake, engine, day)
    for number in range(-days, 0):
        made.add_day(number)
        if number % 10 == 0:
            maintain(lake, now=datetime.now(UTC))
    made.judge()
    maintain(lake, now=datetime.now(UTC))
    return made


def _identities(side: Installation) -> int:
    with side.engine.database.connect() as connection:
        return connection.execute(select(func.count(distinct(network_days.c.identity_key)))).scalar_one()


def ratios(short: Sequence[float], long: Sequence[float]) -> str:
    """Return the ratios of two rows of times, pair by pair, in words."""
    found = [b / a for a, b in zip(short, long, strict=True)]
    return f"**{statistics.median(found):.2f}** ({min(found):.2f} - {max(found):.2f})"


def main() -> None:
    """Fill both, run the pairs, print medians and ratios."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--short", type=int, default=10)
    options.add_argument("--long", type=int, default=200)
    options.add_argument("--per-day", type=int, default=100_000)
    options.add_argument("--crowd", type=int, default=10, help="identities that each simulated one stands for")
    options.add_argument("--pairs", type=int, default=9)
    given = options.parse_args()
    day, context = simulated_day(given.per_day, given.crowd)
    with tempfile.TemporaryDirectory() as name:
        sides = {days: installed(Path(name) / str(days), day, context, days) for days in (given.short, given.long)}
        times: dict[int, list[tuple[float, float]]] = {days: [] for days in sides}
        for number in range(given.pairs):
            for days, side in sides.items():
                side.add_day(number)
                times[days].append(side.judge())
        identities = _identities(sides[given.long])
    print(f"{described()}; {day.num_rows:,} new events of {identities} identities a pass, {given.pairs} pairs\n")
    print("| history | median of a pass | processor time |\n|--:|--:|--:|")
    for days, found in times.items():
        wall, busy = (statistics.median(one) for one in zip(*found, strict=True))
        print(f"| {days * day.num_rows:,} events | {wall:.2f} s | {busy:.2f} s |")
    short, long = (list(zip(*times[days], strict=True)) for days in (given.short, given.long))
    print(f"| **ratio, pair by pair** | {ratios(short[0], long[0])} | {ratios(short[1], long[1])} |")


if __name__ == "__main__":
    main()
