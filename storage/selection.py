"""Events that people pick out to look at: by time, registry, operation, subject; the newest of them, in order of time.

Files are ruled out by their date and by the lists of keys (`storage/lake/keys.py`); the rest is read by Arrow, whose
readers leave texts of few values as dictionaries. Nothing is written.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from acrwatch.core.errors import StoreError
from storage.activity import CATEGORY
from storage.lake.keys import KEY_COLUMNS, holding
from storage.lake.snapshot import LakeFile, Snapshot, total_rows
from storage.schema import ARROW_SCHEMA, PARTITION_COLUMN

# Texts of few values, whatever the size of the registry: as dictionaries they take a quarter of the memory, are read
# in half the time, and sort and group by a number. Identities, addresses, repositories and tags are not among them:
# pandas before 3 lays out every combination of two such columns when it groups by them.
FEW_VALUES: Final = (
    "category", "operation_name", "resource_id", "login_server", "region", "result_type", "result_description",
    "media_type", "artifact_type", "user_tenant_id", "registry", "operation", "identity_kind", "source", "partition_id",
)  # fmt: skip

_TICK: Final = timedelta(microseconds=1)
_DAY_US: Final = 86_400_000_000
_DICTIONARY: Final = pa.dictionary(pa.int32(), pa.string())
_SCHEMA: Final = pa.schema(
    [
        pa.field(column.name, _DICTIONARY if column.name in FEW_VALUES else column.type)
        for column in ARROW_SCHEMA
        if column.name != PARTITION_COLUMN
    ]
)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which events: all that meet every condition given.

    `since` is included, `until` is not (aware; None: no bound). `any_of` maps a column to the values it may have;
    `addresses` are closed intervals of `ip_key`, one of which must hold the caller's. `control_plane` takes records of
    the control plane as well, which are no events.
    """

    since: datetime | None = None
    until: datetime | None = None
    any_of: Mapping[str, Sequence[str | bytes]] = field(default_factory=dict)
    addresses: Sequence[tuple[bytes, bytes]] = ()
    control_plane: bool = False


@dataclass(frozen=True, slots=True)
class Selected:
    """Events in order of time, those of one microsecond in any. `more` counts the older ones that a limit cut off."""

    rows: pa.Table
    more: int


def select(snapshot: Snapshot, selection: Selection, columns: Sequence[str], *, limit: int | None = None) -> Selected:
    """Return these columns of the events that are selected, the newest `limit` of them.

    Texts of FEW_VALUES come as dictionaries. `event_date` is computed. Raises StoreError where a file cannot be read.
    """
    files, met, more = _candidates(snapshot, selection), _condition(selection), 0
    with _failures(snapshot):
        if limit is not None and total_rows(files) > limit:
            files, newest, more = _newest(snapshot, files, met, limit)
            met &= newest
        found = _in_order(_read(snapshot, files, met, ["event_time", *_stored(columns)]))
    rows = found if limit is None else found.slice(max(found.num_rows - limit, 0))
    return Selected(pa.table({name: _column(rows, name) for name in columns}), more)


def empty(columns: Iterable[str]) -> pa.Table:
    """Return no events, with these columns and their types as `select` returns them."""
    rows = _SCHEMA.empty_table()
    return pa.table({name: _column(rows, name) for name in columns})


def _candidates(snapshot: Snapshot, selection: Selection) -> list[LakeFile]:
    first = selection.since.astimezone(UTC).date() if selection.since else date.min
    last = (selection.until.astimezone(UTC) - _TICK).date() if selection.until else date.max
    files = snapshot.between(first, last)
    for column, values in selection.any_of.items():
        if column in KEY_COLUMNS:
            files = _holding_any(snapshot, files, column, values)
    if selection.addresses and all(low == high for low, high in selection.addresses):
        files = _holding_any(snapshot, files, "ip_key", [low for low, _ in selection.addresses])
    return files


def _holding_any(
    snapshot: Snapshot, files: Sequence[LakeFile], column: str, values: Iterable[str | bytes]
) -> list[LakeFile]:
    found = {file for value in values for file in holding(snapshot.root, files, column, value)}
    return [file for file in files if file in found]


def _condition(selection: Selection) -> ds.Expression:
    met = ds.scalar(True) if selection.control_plane else ds.field("category") != CATEGORY
    if selection.since is not None:
        met &= ds.field("event_time") >= pa.scalar(selection.since, _type("event_time"))
    if selection.until is not None:
        met &= ds.field("event_time") < pa.scalar(selection.until, _type("event_time"))
    for column, values in selection.any_of.items():
        met &= _any_of(column, values)
    if selection.addresses:
        key = ds.field("ip_key")
        within = [(key >= pa.scalar(low, pa.binary())) & (key <= pa.scalar(high, pa.binary())) for low, high in
                  selection.addresses]  # fmt: skip
        met &= _or(within)
    return met


def _any_of(name: str, values: Sequence[str | bytes]) -> ds.Expression:
    column = ds.field(name)
    if name in FEW_VALUES:  # Arrow compares dictionaries with one value at a time
        return _or([column == value for value in values]) if values else ds.scalar(False)
    return column.isin(pa.array(values, _type(name)))


def _or(conditions: Sequence[ds.Expression]) -> ds.Expression:
    whole = conditions[0]
    for condition in conditions[1:]:
        whole |= condition
    return whole


def _newest(
    snapshot: Snapshot, files: Sequence[LakeFile], met: ds.Expression, limit: int
) -> tuple[list[LakeFile], ds.Expression, int]:
    """Return the files and the condition of the newest `limit` events (or more, of one microsecond), and how many older
    ones there are. Only of the date that is cut are the times held in memory."""
    found, kept, oldest = 0, list[LakeFile](), ds.scalar(True)
    for _, group in groupby(sorted(files, key=lambda file: file.date, reverse=True), key=lambda file: file.date):
        of_date = list(group)
        matching = int(_dataset(snapshot, of_date).count_rows(filter=met))
        if found < limit:
            kept += of_date
            if found + matching > limit:
                times = _read(snapshot, of_date, met, ["event_time"]).column("event_time").to_numpy().astype("int64")
                cut = int(np.partition(times, len(times) - limit + found)[len(times) - limit + found])
                oldest = ds.field("event_time") >= pa.scalar(cut, pa.int64()).cast(_type("event_time"))
        found += matching
    return sorted(kept, key=lambda file: (file.date, file.path)), oldest, max(found - limit, 0)


def _read(snapshot: Snapshot, files: Sequence[LakeFile], met: ds.Expression, columns: Sequence[str]) -> pa.Table:
    wanted = list(dict.fromkeys(columns))
    if not files:
        return pa.schema([_SCHEMA.field(name) for name in wanted]).empty_table()
    return _dataset(snapshot, files).to_table(columns=wanted, filter=met)


def _dataset(snapshot: Snapshot, files: Sequence[LakeFile]) -> ds.Dataset:
    """A column that older files lack is null in them."""
    paths = [str(snapshot.root / file.path) for file in files]
    format_ = ds.ParquetFileFormat(dictionary_columns=set(FEW_VALUES))
    return ds.dataset(paths, schema=_SCHEMA, format=format_)


def _in_order(rows: pa.Table) -> pa.Table:
    """Put rows in order of time, date by date: their files follow each other by date, and what is put in order at once
    stays small enough for the processor's caches."""
    rows = rows.unify_dictionaries()
    times = rows.column("event_time").to_numpy().astype("int64")
    if (times[1:] >= times[:-1]).all():
        return rows
    ends = [*(np.flatnonzero(np.diff(times // _DAY_US)) + 1), len(times)]

    def ordered(first: int, end: int) -> pa.Table:
        of_date = rows.slice(first, end - first).combine_chunks()
        return of_date.take(pa.array(np.argsort(times[first:end], kind="stable")))

    with ThreadPoolExecutor(pa.cpu_count()) as pool:
        return pa.concat_tables(pool.map(ordered, [0, *ends[:-1]], ends))


def _stored(columns: Sequence[str]) -> list[str]:
    return [name for name in columns if name != PARTITION_COLUMN]


def _column(rows: pa.Table, name: str) -> pa.ChunkedArray:
    if name == PARTITION_COLUMN:
        return pc.cast(pc.floor_temporal(rows.column("event_time"), unit="day"), pa.date32())
    return rows.column(name)


def _type(name: str) -> pa.DataType:
    return ARROW_SCHEMA.field(name).type


@contextmanager
def _failures(snapshot: Snapshot) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:  # vacuumed meanwhile, or lost
        raise StoreError(f"A file of the lake at {snapshot.root} is gone: {error}", remedy="Ask again") from error
    except (OSError, pa.ArrowException) as error:
        raise StoreError(f"Cannot read events below {snapshot.root}: {error}") from error
