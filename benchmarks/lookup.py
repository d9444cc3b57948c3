"""Everything about one address, identity or digest: closed dates in order against the same rows as they arrived.

    python -m benchmarks.lookup [--rows N] [--days N] [--pairs N]

Both lakes hold the same synthetic events (benchmarks/lookup_world.py), compacted; one is then put in order. Both are
asked for every column by the same function, and the answers compared. Pairs are interleaved. Bytes are what the process
read through the operating system, cached or not.
"""

import argparse
import os
import statistics
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.lookup_world import ATTACKER, ATTACKER_DATES, NEVER_SEEN, Words, events
from benchmarks.machine import described
from storage.lake import Lake
from storage.lake.clustering import cluster, due
from storage.lake.compaction import TARGET_BYTES, compact
from storage.lake.exchange import exchange
from storage.lake.parquet import statistics as delta_statistics
from storage.lake.parquet import write_events
from storage.lake.snapshot import LakeFile
from storage.lookup import about
from storage.query import Reader

START: Final = date(2026, 1, 1)
FILES_A_DATE: Final = 10
SEED: Final = 20261122


def fill(lake: Lake, words: Words, rows: int, days: int) -> None:
    """Write every date in ten files and compact it: what a lake looks like that nobody puts in order."""
    rng = np.random.default_rng(SEED)
    a_date = rows // days
    for number in range(days):
        day = START + timedelta(days=number)
        attacked = 0 <= number - days // 2 < ATTACKER_DATES
        come = events(rng, words, day, a_date, number * a_date, attacked=attacked)
        made: dict[LakeFile, str] = {}
        for first in range(0, a_date, a_date // FILES_A_DATE + 1):
            part = come.slice(first, a_date // FILES_A_DATE + 1)
            made[write_events(lake.root, day, part)] = delta_statistics(part)
        exchange(lake.root, lake.snapshot().version, [], made, operation="WRITE", rows_change=True)
        compact(lake, day, TARGET_BYTES)


def twin(lake: Lake, root: Path) -> Lake:
    """Return a second lake of the very same files."""
    other, files = Lake.open(root), lake.snapshot().files
    stats = {file: f'{{"numRecords": {file.rows}}}' for file in files}
    for file in files:
        (root / file.path).parent.mkdir(exist_ok=True)
        os.link(lake.root / file.path, root / file.path)
    exchange(root, other.snapshot().version, [], stats, operation="WRITE", rows_change=True)
    return other


def order(lake: Lake) -> int:
    """Put every date in order; return how many there were."""
    dates = due(lake.snapshot(), now=datetime.now(UTC) + timedelta(days=2))
    for day in dates:
        cluster(lake, day)
    return len(dates)


def asked(lake: Lake, column: str, value: str | bytes) -> tuple[float, int, int]:
    """Return seconds, bytes read and rows found of one look-up in a reader of its own."""
    with Reader(lake.snapshot()) as reader:
        before, started = _read_so_far(), time.perf_counter()
        rows = about(reader, column, value).num_rows
        return time.perf_counter() - started, _read_so_far() - before, rows


def _read_so_far() -> int:
    return int(Path("/proc/self/io").read_text(encoding="ascii").split("rchar: ")[1].split()[0])


def subjects(words: Words) -> list[tuple[str, str, str | bytes]]:
    """Return what is asked for, by name: who or what, column, value."""
    keys, names, digests = words.keys, words.identities, words.digests
    return [
        ("address, attacker's", "ip_key", keys[ATTACKER].as_py()),
        ("address, never seen", "ip_key", keys[NEVER_SEEN].as_py()),
        ("address, a person's", "ip_key", keys[1000 * 12 + 2].as_py()),
        ("address, busy", "ip_key", keys[10 * 12].as_py()),
        ("identity, rare", "identity", names[1000].as_py()),
        ("identity, busy", "identity", names[10].as_py()),
        ("digest, rare", "digest", digests[20_000].as_py()),
        ("digest, busy", "digest", digests[100].as_py()),
    ]


def row(name: str, arrived: Lake, ordered: Lake, column: str, value: str | bytes, pairs: int) -> str:
    """Ask both lakes in turn; return the line of the table. Raises SystemExit where their answers differ."""
    taken = [(asked(arrived, column, value), asked(ordered, column, value)) for _ in range(pairs)]
    (_, much, rows), (_, little, rows_too) = taken[-1]
    if rows != rows_too:
        raise SystemExit(f"{name}: {rows} rows as arrived, {rows_too} in order")
    slow, fast = (statistics.median(pair[side][0] for pair in taken) * 1000 for side in (0, 1))
    ratio = statistics.median(a[0] / b[0] for a, b in taken)
    times = f"{slow:,.0f} → {fast:,.0f}"
    return f"| {name} | {rows:,} | {times} | {ratio:.1f} | {much / 1e6:.1f} → {little / 1e6:.1f} |"


def main() -> None:
    """Fill a lake, put its twin in order, ask both, print medians and ratios."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--rows", type=int, default=20_000_000)
    options.add_argument("--days", type=int, default=40)
    options.add_argument("--pairs", type=int, default=9)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        arrived, words = Lake.open(Path(folder) / "arrived"), Words.make()
        fill(arrived, words, given.rows, given.days)
        ordered = twin(arrived, Path(folder) / "ordered")
        started = time.process_time()
        dates = order(ordered)
        spent = (time.process_time() - started) / given.rows * 1e6
        print(
            f"{described()}; {given.rows:,} events on {given.days} dates, {dates} put in order, {spent:.1f} µs an event"
        )
        sizes = [_size(lake) / given.rows for lake in (arrived, ordered)]
        print(f"bytes an event: {sizes[0]:.1f} as arrived, {sizes[1]:.1f} in order with the lists of keys\n")
        print("| | rows | ms | times faster | MB read |\n|---|--:|--:|--:|--:|")
        for name, column, value in subjects(words):
            print(row(name, arrived, ordered, column, value, given.pairs), flush=True)


def _size(lake: Lake) -> int:
    keys = sum(path.stat().st_size for path in (lake.root / "_lookup").glob("*"))
    return keys + sum(file.size for file in lake.snapshot().files)


if __name__ == "__main__":
    main()
