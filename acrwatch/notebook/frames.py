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

from storage.schema import BY_NAME, UTC_MICROSECONDS

_OLD_PANDAS: Final = int(pd.__version__.partition(".")[0]) < 3
# One dtype by two names: pandas 2.2 knows it by the first only, 3 warns of the first.
TEXT: Final = pd.StringDtype("pyarrow_numpy") if _OLD_PANDAS else pd.StringDtype("pyarrow", na_value=np.nan)
_WHOLE: Final = {pa.int8(): "Int8", pa.int16(): "Int16", pa.int32(): "Int32", pa.int64(): "Int64"}
_DIGITS: Final = np.frombuffer(bytes(range(256)).hex().encode(), np.uint16)


def frame_of(table: pa.Table, query: Mapping[str, Any]) -> pd.DataFrame:
    """Return a table as a DataFrame; `query` (plain values) becomes `df.attrs["query"]`."""
    plain = pa.table({name: _plain(table.column(name)) for name in table.column_names}) if table.num_columns else table
    nullable = {name for name in plain.column_names if _may_be_missing(name, plain.column(name))}
    frame = plain.to_pandas(types_mapper=_text_types.get, split_blocks=True, date_as_object=False)
    for name in plain.column_names:
        kind = plain.schema.field(name).type
        if name in nullable and kind in _WHOLE:
            frame[name] = _whole(plain.column(name))
        elif name in nullable and kind == pa.bool_():
            frame[name] = pd.array(plain.column(name).to_pylist(), dtype="boolean")
        elif pa.types.is_dictionary(kind):
            frame[name] = _sorted_categories(frame[name])
        elif pa.types.is_nested(kind):
            frame[name] = pd.Series(plain.column(name).to_pylist(), dtype=object)
    frame.attrs["query"] = dict(query)
    return frame


_text_types: Final[Mapping[pa.DataType, Any]] = {pa.string(): TEXT, pa.large_string(): TEXT}


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


def _may_be_missing(name: str, column: pa.ChunkedArray) -> bool:
    known = BY_NAME.get(name)
    return bool(column.null_count) or (known is not None and not known.required)


def _whole(column: pa.ChunkedArray) -> Any:
    missing = column.is_null().to_numpy()
    values = column.fill_null(0).to_numpy()
    return pd.arrays.IntegerArray(np.array(values), np.array(missing))


def _sorted_categories(series: pd.Series) -> pd.Series:
    used = series.cat.remove_unused_categories()
    return used.cat.reorder_categories(sorted(used.cat.categories))
