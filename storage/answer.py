"""What DuckDB answers, in types that people go on with.

Its sums of whole numbers have 128 bits, which reach Python as decimals, its `1.5` is one, and its intervals have
months: whole numbers, floats and durations are what frames, JSON and Parquet know. Times without a zone are UTC's, as
the session's is. What nothing but DuckDB can hold is refused: elsewhere it is an error without words.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from acrwatch.core.errors import ConfigError
from storage.schema import UTC_MICROSECONDS

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TICK: Final = timedelta(microseconds=1)
# Python's years are 1 to 9999. What DuckDB calls infinity is a number beyond them.
_YEARS: Final = tuple(
    (edge - _EPOCH) // _TICK
    for edge in (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC))
)
_DAYS: Final = tuple((edge - _EPOCH.date()).days for edge in (date.min, date.max))
_DAY: Final = (0, 24 * 60 * 60 * 1_000_000 - 1)
# Of each unit: how many microseconds one has, how many of it a microsecond has.
_UNITS: Final = {"ns": (1, 1000), "us": (1, 1), "ms": (1000, 1), "s": (1_000_000, 1)}
_AS_TEXT: Final = "Select it as text, CAST({} AS VARCHAR), or leave such rows out"


def plain(rows: pa.Table) -> pa.Table:
    """Return an answer with a name for each column (`a`, `a_1`), and with types that everyone knows.

    Raises ConfigError that names a column with a value of which there is none elsewhere: a time that is infinite or in
    no year from 1 to 9999, 24:00 as a time of day, a BIGNUM.
    """
    names: list[str] = []
    for name in rows.column_names:
        again = (f"{name}_{number}" for number in count(1))
        names.append(name if name not in names else next(one for one in again if one not in names))
    for name, column in zip(names, rows.columns, strict=True):
        for leaf in _leaves(column):
            _refuse_unknown(name, leaf)
    return pa.table([_plain_column(column) for column in rows.columns], names=names) if names else rows


def _leaves(column: pa.ChunkedArray) -> Iterator[pa.ChunkedArray]:
    """Return a column, or what lists and structs in it hold."""
    if pa.types.is_list(column.type) or pa.types.is_fixed_size_list(column.type):
        yield from _leaves(pc.list_flatten(column))
    elif pa.types.is_struct(column.type):
        for part in column.flatten():
            yield from _leaves(part)
    else:
        yield column


def _refuse_unknown(name: str, column: pa.ChunkedArray) -> None:
    kind = column.type
    if isinstance(kind, pa.OpaqueType):
        raise ConfigError(
            f"column {name} is a {kind.type_name.upper()}, which nothing but DuckDB knows",
            remedy=f"Select it as text, CAST({name} AS VARCHAR), or as DOUBLE",
        )
    if pa.types.is_timestamp(kind):
        what, (low, high) = "a time", _YEARS
        microseconds, units = _UNITS[kind.unit]
        low, high = low * units // microseconds, high * units // microseconds
    elif pa.types.is_date32(kind):
        what, (low, high) = "a date", _DAYS
    elif pa.types.is_time(kind) and kind.unit == "us":
        what, (low, high) = "a time of day", _DAY
    else:
        return
    found = pc.min_max(column.cast(pa.int32() if kind.bit_width == 32 else pa.int64())).as_py()
    if found["min"] is not None and (found["min"] < low or found["max"] > high):
        beyond = "24:00" if low == 0 else "infinite, or in no year from 1 to 9999"
        raise ConfigError(f"column {name} has {what} that is {beyond}", remedy=_AS_TEXT.format(name))


def _plain_column(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_decimal(kind) and kind.scale == 0:
        try:
            return column.cast(pa.int64())
        except pa.ArrowInvalid:  # beyond 64 bits
            return column.cast(pa.float64())
    if pa.types.is_decimal(kind):
        return column.cast(pa.float64())
    if pa.types.is_timestamp(kind) and kind.tz is None:
        if kind.unit == "ns":  # TIMESTAMP_NS: as microseconds it would lose what it is for
            return column.cast(pa.timestamp("ns", "UTC"))
        return column.cast(pa.timestamp("us")).cast(UTC_MICROSECONDS)
    if pa.types.is_interval(kind):
        return _durations(column)
    return column


def _durations(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return intervals as durations, unless one has months, which have no length."""
    values = column.to_pylist()
    if any(one is not None and one.months for one in values):
        return column
    days = [None if one is None else timedelta(days=one.days, microseconds=one.nanoseconds // 1000) for one in values]
    return pa.chunked_array([pa.array(days, pa.duration("us"))])
