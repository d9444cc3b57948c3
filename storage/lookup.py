"""Everything about one address, identity or digest.

What the lists of keys (`storage/lake/keys.py`) rule out is never opened; in the files that remain, row groups whose
statistics or Bloom filters rule the value out are passed over by DuckDB.
"""

from collections.abc import Sequence
from datetime import date

import pyarrow as pa

from storage.lake.keys import holding
from storage.query import Reader
from storage.schema import ARROW_SCHEMA, PARTITION_COLUMN

_STORED = tuple(name for name in ARROW_SCHEMA.names if name != PARTITION_COLUMN)


def about(
    reader: Reader,
    column: str,
    value: str | bytes,
    *,
    columns: Sequence[str] = _STORED,
    first: date = date.min,
    last: date = date.max,
) -> pa.Table:
    """Return the events in which `column` has this value, oldest first.

    `column` is `ip_key` (16 bytes), `identity` or `digest`. Only events of the UTC dates `first` to `last` are looked
    at; fewer `columns` cost less. Raises ValueError for another column, StoreError as `Reader.query` does.
    """
    if unknown := set(columns) - set(_STORED):
        raise ValueError(f"Events have no column {', '.join(sorted(unknown))}")
    snapshot = reader.snapshot
    files = holding(snapshot.root, snapshot.between(first, last), column, value)
    if not files:
        return pa.schema([ARROW_SCHEMA.field(name) for name in columns]).empty_table()
    paths = ", ".join("'" + str(snapshot.root / file.path).replace("'", "''") + "'" for file in files)
    return reader.query(
        f"SELECT {', '.join(columns)} FROM read_parquet([{paths}], union_by_name=true, hive_partitioning=false) "  # noqa: S608
        f"WHERE {column} = ? ORDER BY event_time",
        [value],
    )
