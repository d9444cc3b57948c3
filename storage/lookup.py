"""Everything about one address, identity or digest.

What the lists of keys (`storage/lake/keys.py`) rule out is never opened; in the files that remain, row groups whose
statistics or Bloom filters rule the value out are passed over by DuckDB.
"""

from collections.abc import Iterable, Sequence
from datetime import date

import pyarrow as pa

from storage.lake.keys import KEY_COLUMNS, holding
from storage.lake.snapshot import LakeFile
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
    _refuse_unknown(columns)
    snapshot = reader.snapshot
    files = holding(snapshot.root, snapshot.between(first, last), column, value)
    if not files:
        return pa.schema([ARROW_SCHEMA.field(name) for name in columns]).empty_table()
    return reader.query(
        f"SELECT {', '.join(columns)} FROM {_files(reader, files)} WHERE {column} = ? ORDER BY event_time",  # noqa: S608
        [value],
    )


def tally(
    reader: Reader, columns: Sequence[str], value: str | bytes, *, by: Sequence[str], any_case: bool = False
) -> pa.Table:
    """Count the events in which any of `columns` has this value, by the columns `by`, the latest group first.

    Beside those, the table has `events`, `failed` (without a 2xx status), `first_seen` and `last_seen`. Files are
    passed over only where all columns are ones that `about` takes and case counts: the lists of keys know values as
    they are written. Raises ValueError for an unknown column, StoreError.
    """
    _refuse_unknown(columns)
    snapshot = reader.snapshot
    files: Iterable[LakeFile] = snapshot.files
    if set(columns) <= set(KEY_COLUMNS) and not any_case:
        files = {file: None for column in columns for file in holding(snapshot.root, snapshot.files, column, value)}
    same = "lower({}) = lower(?)" if any_case else "{} = ?"
    return _tally(reader, files, " OR ".join(map(same.format, columns)), [value] * len(columns), by)


def tally_between(reader: Reader, intervals: Sequence[tuple[bytes, bytes]], *, by: Sequence[str]) -> pa.Table:
    """Count likewise the events whose `ip_key` lies in one of these closed intervals.

    No list of keys helps here: of every file the row groups are read whose statistics do not rule the interval out.
    """
    within = " OR ".join("ip_key BETWEEN ? AND ?" for _ in intervals)
    return _tally(reader, reader.snapshot.files, within, [bound for pair in intervals for bound in pair], by)


def registries(reader: Reader) -> list[str]:
    """Return the registries that any stored record names, of either plane. Reads one column of every file. Raises
    StoreError."""
    every = _files(reader, reader.snapshot.files)
    rows = reader.rows(f"SELECT DISTINCT registry FROM {every} WHERE registry IS NOT NULL ORDER BY ALL")  # noqa: S608
    return [row["registry"] for row in rows]


def _tally(
    reader: Reader, files: Iterable[LakeFile], where: str, parameters: Sequence[str | bytes], by: Sequence[str]
) -> pa.Table:
    _refuse_unknown(by)
    counted = (
        "count(*) AS events, count(*) FILTER (NOT coalesce(succeeded, false)) AS failed, "
        "min(event_time) AS first_seen, max(event_time) AS last_seen"
    )
    return reader.query(
        f"SELECT {', '.join(by)}, {counted} FROM {_files(reader, files)} WHERE ({where}) "  # noqa: S608
        f"GROUP BY {', '.join(by)} ORDER BY last_seen DESC, {', '.join(by)}",
        parameters,
    )


def _files(reader: Reader, files: Iterable[LakeFile]) -> str:
    paths = ", ".join("'" + str(reader.snapshot.root / file.path).replace("'", "''") + "'" for file in files)
    if not paths:
        reader.register("nothing_stored", ARROW_SCHEMA.empty_table())
        return "nothing_stored"
    return f"read_parquet([{paths}], union_by_name=true, hive_partitioning=false)"


def _refuse_unknown(columns: Sequence[str]) -> None:
    if unknown := set(columns) - set(_STORED):
        raise ValueError(f"Events have no column {', '.join(sorted(unknown))}")
