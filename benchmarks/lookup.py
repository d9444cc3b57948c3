"""Everything about one address, identity or digest: closed dates in order against the same rows as they arrived.

    python -m benchmarks.lookup [--rows N] [--days N]

Both lakes hold the same synthetic events: 2,000 identities, each from a few of 20,000 addresses; 40,000 digests.
Pairs are interleaved. Bytes are what the process read through the operating system, cached or not.
"""

import argparse
import hashlib
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from benchmarks.machine import described
from storage.lake import Lake
from storage.lake.clustering import cluster, due
from storage.lake.compaction import TARGET_BYTES, compact
from storage.query import Reader
from storage.schema import ARROW_SCHEMA

START: Final = datetime(2026, 9, 1, tzinfo=UTC)
COMMITS_A_DAY: Final = 10
IDENTITIES: Final = 2_000
ADDRESSES: Final = 20_000
DIGESTS: Final = 40_000
PAIRS: Final = 7


@cache
def _values() -> tuple[list[str], list[bytes], list[str]]:
    ips = [f"198.{18 + n // 65536}.{n // 256 % 256}.{n % 256}" for n in range(ADDRESSES)]
    keys = [bytes(10) + b"\xff\xff" + bytes(map(int, ip.split("."))) for ip in ips]
    return ips, keys, ["sha256:" + hashlib.sha256(str(n).encode()).hexdigest() for n in range(DIGESTS)]


def events(rng: np.random.Generator, day: datetime, rows: int, first: int) -> pa.Table:
    """Return one commit's events, seeded by `rng`."""
    who = (rng.pareto(1.1, rows) * 20).astype(np.int64) % IDENTITIES
    address = (who * 7 + rng.integers(0, 4, rows) ** 2) % ADDRESSES
    what = (rng.pareto(1.1, rows) * 200).astype(np.int64) % DIGESTS
    times = np.sort(rng.integers(0, 86_400_000_000, rows)) + int(day.timestamp()) * 1_000_000
    numbers = range(first, first + rows)
    ips, keys, digests = _values()
    given: dict[str, Any] = {
        "event_id": [hashlib.blake2b(n.to_bytes(8, "big"), digest_size=16).digest() for n in numbers],
        "event_date": pa.array([day.date()] * rows),
        "event_time": pa.array(times).cast(ARROW_SCHEMA.field("event_time").type),
        "ingested_at": pa.array(times).cast(ARROW_SCHEMA.field("event_time").type),
        "correlation_id": [rng.bytes(16).hex() for _ in numbers],
        "identity": pa.array([f"user{n}@example.com" for n in range(IDENTITIES)]).take(pa.array(who)),
        "caller_ip": pa.array(ips).take(pa.array(address)),
        "caller_ip_address": pa.array(ips).take(pa.array(address)),
        "ip_key": pa.array(keys, pa.binary()).take(pa.array(address)),
        "digest": pa.array(digests).take(pa.array(what)),
        "repository": pa.array([f"team/app{n}" for n in range(200)]).take(pa.array(what % 200)),
        "succeeded": [True] * rows,
        "sequence_number": list(numbers),
    }
    filler = {field.name: ["x"] * rows for field in ARROW_SCHEMA if not field.nullable}
    columns = [given.get(name, filler.get(name, [None] * rows)) for name in ARROW_SCHEMA.names]
    return pa.table(dict(zip(ARROW_SCHEMA.names, columns, strict=True)), schema=ARROW_SCHEMA)


def filled(root: Path, rows: int, days: int) -> Lake:
    """Return a lake of so many rows, each date compacted."""
    lake, rng = Lake.open(root), np.random.default_rng(20261122)
    batch = rows // days // COMMITS_A_DAY
    for number in range(days * COMMITS_A_DAY):
        day = START + timedelta(days=number // COMMITS_A_DAY)
        lake.commit(events(rng, day, batch, number * batch), {})
    for number in range(days):
        compact(lake, (START + timedelta(days=number)).date(), TARGET_BYTES)
    return lake


def asked(lake: Lake, column: str, value: object) -> tuple[float, int, int]:
    """Return seconds, bytes read and rows found of one look-up in a reader of its own."""
    with Reader(lake.snapshot()) as reader:
        files = ", ".join(f"'{lake.root / file.path}'" for file in reader.snapshot.files)
        before, started = _read_so_far(), time.perf_counter()
        sql = f"SELECT * FROM read_parquet([{files}], union_by_name=true, hive_partitioning=false) WHERE {column} = ?"
        rows = reader.query(sql, [value]).num_rows
        return time.perf_counter() - started, _read_so_far() - before, rows


def _read_so_far() -> int:
    return int(Path("/proc/self/io").read_text(encoding="ascii").split("rchar: ")[1].split()[0])


def subjects() -> list[tuple[str, str, object]]:
    """Return what is asked for: a busy one and a rare one of each kind."""
    key = bytes(10) + b"\xff\xff"
    return [
        ("address, busy", "ip_key", key + bytes((198, 18, 0, 7 * 10))),
        ("address, rare", "ip_key", key + bytes((198, 18, 7 * 900 // 256, 7 * 900 % 256))),
        ("identity, busy", "identity", "user10@example.com"),
        ("identity, rare", "identity", "user900@example.com"),
        ("digest, busy", "digest", "sha256:" + hashlib.sha256(b"100").hexdigest()),
        ("digest, rare", "digest", "sha256:" + hashlib.sha256(b"20000").hexdigest()),
    ]


def main() -> None:
    """Fill both lakes, put one in order, ask both, print medians and ratios."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--rows", type=int, default=2_000_000)
    options.add_argument("--days", type=int, default=4)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        arrived = filled(Path(folder) / "arrived", given.rows, given.days)
        ordered = filled(Path(folder) / "ordered", given.rows, given.days)
        started = time.perf_counter()
        dates = due(ordered.snapshot(), now=datetime.now(UTC) + timedelta(days=2))
        for day in dates:
            cluster(ordered, day)
        spent = time.perf_counter() - started
        sizes = [sum(file.size for file in lake.snapshot().files) / given.rows for lake in (arrived, ordered)]
        print(f"{described()}; {given.rows:,} events on {given.days} dates; {len(dates)} put in order in {spent:.1f} s")
        print(f"bytes per event: as arrived {sizes[0]:.1f}, in order {sizes[1]:.1f}")
        print(f"{'':>16} {'rows':>8} {'ms':>13} {'time ratio':>10} {'MB read':>13} {'ratio':>6}")
        for name, column, value in subjects():
            pairs = [(asked(arrived, column, value), asked(ordered, column, value)) for _ in range(PAIRS)]
            (_, much, rows), (_, little, rows_too) = pairs[-1]
            if rows != rows_too:
                raise SystemExit(f"{name}: {rows} rows as arrived, {rows_too} in order")
            slow, fast = (statistics.median(pair[side][0] for pair in pairs) * 1000 for side in (0, 1))
            ratio = statistics.median(a[0] / b[0] for a, b in pairs)
            print(
                f"{name:>16} {rows:>8,} {slow:>6.0f}/{fast:<6.0f} {ratio:>10.1f} "
                f"{much / 1e6:>6.1f}/{little / 1e6:<6.1f} {much / little:>6.1f}"
            )


if __name__ == "__main__":
    main()
