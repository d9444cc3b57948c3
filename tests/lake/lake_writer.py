"""Synthetic events, and a process that writes them: run as a script, it is one of the writers that race.

python lake_writer.py ROOT STREAM FIRST COUNT BATCH     commit numbered events in batches
python lake_writer.py --compact ROOT FILES              compact until that many files were replaced
"""

import hashlib
import json
import sys
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from acrwatch.core.errors import ConflictError
from storage.lake import Lake
from storage.lake.compaction import TARGET_BYTES, compact
from storage.schema import ARROW_SCHEMA

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
STREAM = "eventhub/example/audit/0/0"


def event_id(number: int) -> bytes:
    """The 16-byte id of the event with this number."""
    return hashlib.blake2b(number.to_bytes(8, "big"), digest_size=16).digest()


def make_events(
    numbers: Iterable[int],
    *,
    stream: str = STREAM,
    sequence: int | None = None,
    at: datetime = NOON,
    enqueued: datetime | None = None,
    stored: datetime | None = None,
) -> pa.Table:
    """Events told apart by number, which is also their sequence number unless one is given for all."""
    chosen = list(numbers)
    times = [at + timedelta(milliseconds=number) for number in chosen]
    given = {
        "event_id": [event_id(number) for number in chosen],
        "event_date": [time.date() for time in times],
        "event_time": times,
        "ingested_at": [stored or time for time in times],
        "enqueued_time": [enqueued] * len(chosen),
        "source": [stream] * len(chosen),
        "sequence_number": [number if sequence is None else sequence for number in chosen],
        "succeeded": [True] * len(chosen),
        "registry": ["contoso"] * len(chosen),
    }
    required = {field.name: ["x"] * len(chosen) for field in ARROW_SCHEMA if not field.nullable}
    values = {name: given.get(name, required.get(name, [None] * len(chosen))) for name in ARROW_SCHEMA.names}
    return pa.table(values, schema=ARROW_SCHEMA)


def write(root: Path, stream: str, first: int, count: int, batch: int) -> None:
    """Commit `count` events from number `first` on, `batch` at a time."""
    lake = Lake.open(root)
    rows = 0
    for start in range(first, first + count, batch):
        numbers = range(start, min(start + batch, first + count))
        rows += lake.commit(make_events(numbers, stream=stream), {stream: numbers[-1]}).rows
    sys.stdout.write(json.dumps({"rows": rows}))


def compact_repeatedly(root: Path, files: int) -> None:
    """Compact the date of NOON until that many files were replaced, 500 times at most; being refused is part of it."""
    lake = Lake.open(root)
    removed = 0
    for _ in range(500):
        with suppress(ConflictError):
            removed += compact(lake, NOON.date(), TARGET_BYTES)[0]
        if removed >= files:
            break
    sys.stdout.write(json.dumps({"removed": removed}))


if __name__ == "__main__":
    if sys.argv[1] == "--compact":
        compact_repeatedly(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        write(Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:6]))
