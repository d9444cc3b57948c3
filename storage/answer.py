"""What DuckDB answers, in types that people go on with.

Its sums of whole numbers have 128 bits, which reach Python as decimals, its `1.5` is one, and its intervals have
months: whole numbers, floats and durations are what frames, JSON and Parquet know. Times without a zone are UTC's, as
the session's is.
"""

from datetime import timedelta
from itertools import count

import pyarrow as pa

from storage.schema import UTC_MICROSECONDS


def plain(rows: pa.Table) -> pa.Table:
    """Return an answer with a name for each column (`a`, `a_1`), and with types that everyone knows."""
    names: list[str] = []
    for name in rows.column_names:
        again = (f"{name}_{number}" for number in count(1))
        names.append(name if name not in names else next(one for one in again if one not in names))
    return pa.table([_plain_column(column) for column in rows.columns], names=names) if names else rows


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
