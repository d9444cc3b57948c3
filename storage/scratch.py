"""Events in a folder of their own, to be judged as stored ones are, and thrown away: no table, no log, no positions."""

from pathlib import Path

import pyarrow as pa

from storage.lake.parquet import by_date, check_rows, write_events
from storage.lake.snapshot import Snapshot


def scratch_snapshot(folder: Path, events: pa.Table) -> Snapshot:
    """Write events of ARROW_SCHEMA below `folder`, as they are; return them as a lake's files would be.

    Raises ValueError where a required value is missing or the schema is another, OSError.
    """
    check_rows(events)
    files = [write_events(folder, day, rows) for day, rows in by_date(events)] if events.num_rows else []
    return Snapshot(folder, 0, tuple(files))
