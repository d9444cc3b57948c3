"""Arrow tables as DataFrames, alike on pandas 2.2 and 3: aware UTC, Arrow-backed texts, few values as categories.

Texts have the semantics of pandas 3 on either (missing is NaN, comparisons give plain booleans). Whole numbers that may
be missing are `Int64` or `Int16`. Binary columns are text in hex, as alerts and webhooks spell event ids. Dates are
midnights in UTC.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from storage import alert_table, schema
from storage.schema import UTC_MICROSECONDS

_OLD_PANDAS: Final = pd.__version__.startswith("2.2.")
# One dtype by two names: pandas 2.2 knows it by the first only, 2.3 and 3 warn of the first.
TEXT: Final = pd.StringDtype("pyarrow_numpy") if _OLD_PANDAS else pd.StringDtype("pyarrow", na_value=np.nan)
_TEXTS: Final[Mapping[pa.DataType, Any]] = {pa.string(): TEXT, pa.large_string(): TEXT}
# Of a column of ours the type is the same whether a value is missing in this very frame or not.
_MAY_BE_MISSING: Final = {column.name for column in (*schema.COLUMNS, *alert_table.COLUMNS) if not column.required}
_DIGITS: Final = np.frombuffer(bytes(range(256)).hex().encode(), np.uint16)


def frame_of(table: pa.Table, query: Mapping[str, Any]) -> pd.DataFrame:
    """Return a table as a DataFrame; `query` (plain values) becomes `df.attrs["query"]`."""
    plain = pa.table({name: _plain(table.column(name)) for name in table.column_names}) if table.num_columns else table
    special = {name: made for name in plain.column_names if (made := _special(name, plain.column(name))) is not None}
    rest = plain.drop_columns(list(special)).to_pandas(types_mapper=_TEXTS.get, split_blocks=True)
    order = {name: special[name] if name in special else rest[name] for name in plain.column_names}
    frame = pd.DataFrame(order, index=pd.RangeIndex(plain.num_rows), copy=False)
    frame.attrs["query"] = dict(query)
    return frame


def _special(name: str, column: pa.ChunkedArray) -> Any:
    """Return a column as pandas would not make it by itself; None where it does."""
    if pa.types.is_dictionary(column.type):
        return _categories(column)
    if pa.types.is_nested(column.type):
        return pd.Series(column.to_pylist(), dtype=object)
    if not column.null_count and name not in _MAY_BE_MISSING:
        return None
    if pa.types.is_boolean(column.type):
        return pd.array(column.to_pylist(), dtype="boolean")
    if pa.types.is_integer(column.type):
        missing = column.is_null().to_numpy()
        return pd.arrays.IntegerArray(np.array(column.fill_null(0).to_numpy()), np.array(missing))
    return None


def _categories(column: pa.ChunkedArray) -> pd.Categorical:
    """Return the values that occur as categories, in their order; by counting, for pandas would sort all the rows."""
    if not column.num_chunks:
        return pd.Categorical.from_codes([], pd.Index([], dtype=TEXT))
    words = column.chunk(0).dictionary
    codes = np.concatenate([chunk.indices.fill_null(len(words)).to_numpy() for chunk in column.chunks])
    used = np.flatnonzero(np.bincount(codes, minlength=len(words) + 1)[: len(words)])
    ordered = used[pa.compute.sort_indices(words.take(pa.array(used))).to_numpy()]
    place = np.full(len(words) + 1, -1, np.int32)
    place[ordered] = np.arange(len(ordered), dtype=np.int32)
    return pd.Categorical.from_codes(place[codes], pd.Index(words.take(pa.array(ordered)).to_pandas(), dtype=TEXT))


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_binary(column.type) or pa.types.is_fixed_size_binary(column.type):
        return _hex(column)
    if pa.types.is_date(column.type):
        return column.cast(pa.timestamp("s")).cast(pa.timestamp("us")).cast(UTC_MICROSECONDS)
    if pa.types.is_dictionary(column.type):
        return column.unify_dictionaries()
    return column


def _hex(column: pa.ChunkedArray) -> pa.Array:
    """Return binary values as lower-case hex; those of one width, as all of ours have, without a loop over rows."""
    array = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    widths = set(pa.compute.unique(pa.compute.binary_length(array.drop_null())).to_pylist())
    if len(widths) != 1 or (width := widths.pop()) == 0:
        return pa.array([None if value is None else value.hex() for value in array.to_pylist()], pa.string())
    whole = array.fill_null(bytes(width)).cast(pa.binary(width))
    raw = np.frombuffer(whole.buffers()[1], np.uint8)[whole.offset * width : (whole.offset + len(whole)) * width]
    ends: npt.NDArray[np.int64] = np.arange(len(whole) + 1, dtype=np.int64) * 2 * width
    text = pa.Array.from_buffers(
        pa.large_string(), len(whole), [None, pa.py_buffer(ends), pa.py_buffer(_DIGITS[raw].view(np.uint8))]
    )
    return pa.compute.if_else(array.is_null(), None, text) if array.null_count else text
