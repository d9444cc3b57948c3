"""Whether a commit stays as fast as the first ones, with maintenance running beside it.

    python -m benchmarks.commit_growth [--commits N] [--rounds N] [--minutes N]

One writer makes 10,000 commits of 200 simulated records to one lake, as the service does: the position checked and
moved, ids checked, everything synced. Then rounds of a hundred pairs, one commit to that lake and one to a new lake, in
turn, because machines drift. Maintenance has its turn between commits, as often as the service's comes round at a
commit every 5 seconds (every 12 commits), and is not counted. Files are given the age that they would have at that
pace, so that clean-up finds what it would find.
"""

import argparse
import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from acrwatch.core.model import Message
from acrwatch.simulate import Scenario, encode_messages, simulate
from benchmarks.machine import described
from ingest.normalise import Normaliser
from storage.lake import Lake
from storage.lake.entries import entry_versions
from storage.lake.maintenance import maintain

STREAM: Final = "eventhub/bench/bench/0/0"
PACE: Final = timedelta(seconds=5)
MAINTAIN_EVERY: Final = 12
BATCH: Final = 200
POOL: Final = 100 * BATCH
WINDOW: Final = 100
# A writer loads the table and reads a date's ids once, at its first commit.
WARM_UP: Final = 5


@dataclass(slots=True)
class Times:
    """Milliseconds per commit: as the clock on the wall has it, and of the processor."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def of(self, first: int, last: int) -> "Times":
        """Return those of some commits."""
        return Times(self.wall[first:last], self.cpu[first:last])


class Writer:
    """Commits to one lake, and maintains it as often as the service would."""

    def __init__(self, root: Path, pool: pa.Table, seed: int) -> None:
        self.lake, self._other = Lake.open(root), Lake(root)
        self._pool, self._random = pool, np.random.default_rng(seed)
        self._stored = (self.lake.position(STREAM) or -1) + 1
        self._commits = 0

    def commit(self, times: Times) -> None:
        """Make one commit, and let maintenance have its turn where it is time."""
        rows = self._batch()
        self._stored += BATCH
        wall, cpu = time.perf_counter(), time.process_time()
        self.lake.commit(rows, {STREAM: self._stored - 1})
        times.wall.append((time.perf_counter() - wall) * 1000)
        times.cpu.append((time.process_time() - cpu) * 1000)
        self._commits += 1
        if self._commits % MAINTAIN_EVERY == 0:
            _age(self.lake.root, PACE * MAINTAIN_EVERY)
            maintain(self._other, now=datetime.now(UTC), hints=[self.lake.snapshot().version])

    def _batch(self) -> pa.Table:
        """Return the next records of the pool under ids and sequence numbers of their own."""
        rows = self._pool.slice(self._stored % POOL, BATCH)
        ids = pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(16), BATCH, [None, pa.py_buffer(self._random.bytes(16 * BATCH))]
        )
        numbers = pa.array(np.arange(self._stored, self._stored + BATCH), pa.int64())
        for name, column in (("event_id", ids.cast(pa.binary())), ("sequence_number", numbers)):
            at = rows.schema.get_field_index(name)
            rows = rows.set_column(at, rows.schema.field(at), column)
        return rows


def simulated() -> pa.Table:
    """Return the records of a batch after another, all of today."""
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    end = midnight + timedelta(days=1)
    records = (item.record for item in simulate(Scenario(start=midnight, end=end, events_per_day=2 * POOL)))
    bodies = encode_messages(itertools.islice(records, POOL), per_message=BATCH)
    messages = [Message(STREAM, n, body, "0", str(n), end) for n, body in enumerate(bodies)]
    events: pa.Table = Normaliser().batch(messages, now=end).events
    if events.num_rows != POOL:
        raise SystemExit(f"{events.num_rows} records instead of {POOL}")
    return events


def _age(root: Path, by: timedelta) -> None:
    for path in [*(root / "_delta_log").iterdir(), *root.glob("event_date=*/*")]:
        then = path.stat().st_mtime - by.total_seconds()
        os.utime(path, (then, then))


def grown(writer: Writer, commits: int, until: float) -> Times:
    """Make that many commits, fewer where it is `until` (monotonic seconds) before."""
    times = Times()
    while len(times.wall) < commits and time.monotonic() < until:
        writer.commit(times)
    return times


def paired(root: Path, pool: pa.Table, rounds: int) -> tuple[Times, Times]:
    """Return the times of commits to the lake at `root` and to new ones beside it, taken in turn."""
    old, new = Times(), Times()
    for number in range(rounds):
        sides = [(Writer(root, pool, 2 * number + 2), old), (Writer(root.with_name(f"new{number}"), pool, 1), new)]
        for place in range(WINDOW + WARM_UP):
            for writer, times in sides:
                writer.commit(times if place >= WARM_UP else Times())
    return old, new


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the value below which this percentage of them lies."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def _row(what: str, times: Times) -> str:
    wall = [percentile(times.wall, percent) for percent in (50, 99)]
    return f"| {what} | {wall[0]:.1f} | {wall[1]:.1f} | {statistics.mean(times.cpu):.2f} |"


def _ratio(old: Times, new: Times) -> str:
    wall = [percentile(old.wall, percent) / percentile(new.wall, percent) for percent in (50, 99)]
    return f"| {wall[0]:.2f} | {wall[1]:.2f} | {statistics.mean(old.cpu) / statistics.mean(new.cpu):.2f} |"


def main() -> None:
    """Commit, and print the first and the last hundred commits, some between, and the pairs."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--commits", type=int, default=10_000)
    options.add_argument("--rounds", type=int, default=5, help="of a hundred pairs")
    options.add_argument("--minutes", type=float, default=30, help="stop growing then, however many commits were made")
    given = options.parse_args()
    pool = simulated()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "lake"
        found = grown(Writer(root, pool, 0), given.commits, time.monotonic() + given.minutes * 60)
        entries, files = len(entry_versions(root)), len(Lake(root).snapshot().files)
        old, new = paired(root, pool, given.rounds)
    done = len(found.wall)
    print(f"{described()}; {done:,} commits of {BATCH} records; then {entries:,} log entries and {files} live files\n")
    print("| commits | p50, ms | p99, ms | processor, ms |\n|---|--:|--:|--:|")
    for start in sorted({0, *range(0, done - WINDOW, max(WINDOW, done // 5)), done - WINDOW}):
        print(_row(f"{start + 1:,} to {start + WINDOW:,}", found.of(start, start + WINDOW)))
    print(f"| **last hundred / first hundred** {_ratio(found.of(done - WINDOW, done), found.of(0, WINDOW))}")
    print(_row(f"after {done:,} commits, {len(old.wall)} in turn with", old))
    print(_row("those to new lakes", new))
    print(f"| **grown / new, in turn** {_ratio(old, new)}")


if __name__ == "__main__":
    main()
