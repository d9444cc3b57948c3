"""Frames back into events as they are stored, so that rules judge a frame as they judge the lake."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from acrwatch.core.address import parse_address
from acrwatch.core.errors import ConfigError
from storage.schema import ARROW_SCHEMA, BY_NAME

_ID_DIGITS: Final = 32
_SAME_FRAME: Final = "Pass a frame of c.events(...) without columns=, or rows of one"


def rows_of(frame: pd.DataFrame) -> pa.Table:
    """Return the events of a frame, each id once, with ARROW_SCHEMA.

    What a frame leaves out and no rule judges by is made up: where it came by, and when it arrived (as it happened, so
    that nothing counts as late). Raises ConfigError that names the columns missing, or what cannot be an event.
    """
    missing = [name for name in ARROW_SCHEMA.names if name not in frame.columns and name not in _MADE_UP]
    if missing:
        raise ConfigError(f"the frame lacks {', '.join(missing)}, which a rule may judge by", remedy=_SAME_FRAME)
    if twice := sorted(set(frame.columns[frame.columns.duplicated()]) & set(ARROW_SCHEMA.names)):
        raise ConfigError(f"the frame has column {twice[0]} more than once", remedy=_SAME_FRAME)
    once = frame.drop_duplicates("event_id")
    found: dict[str, pa.Array] = {}
    for name in ("event_time", *ARROW_SCHEMA.names):
        if name not in found:
            found[name] = _column(name, once, found)
    return pa.table({name: found[name] for name in ARROW_SCHEMA.names}, schema=ARROW_SCHEMA)


def _column(name: str, frame: pd.DataFrame, found: Mapping[str, pa.Array]) -> pa.Array:
    kind = BY_NAME[name].type
    if name == "event_date":
        return found["event_time"].cast(pa.timestamp("us")).cast(pa.date32())
    if name not in frame.columns:
        return _MADE_UP[name](frame, found)
    try:
        column = _arrow(frame[name])
        if pa.types.is_timestamp(column.type) and column.type.tz is None:
            raise ValueError("its times have no zone")
        column = _bytes(column) if kind == pa.binary() else column.cast(kind)
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise ConfigError(f"column {name} of the frame holds what is no {kind}: {error}", remedy=_SAME_FRAME) from error
    if BY_NAME[name].required and column.null_count:
        raise ConfigError(f"column {name} of the frame lacks {column.null_count} values", remedy=_SAME_FRAME)
    return column


def _arrow(series: pd.Series) -> pa.Array:
    column = pa.Array.from_pandas(series)
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def _bytes(text: pa.Array) -> pa.Array:
    """Return hex text of 16 bytes as binary, whole columns at a time."""
    if pa.types.is_binary(text.type):
        return text
    given = text.fill_null("0" * _ID_DIGITS)
    if not pc.all(pc.match_substring_regex(given, f"^[0-9a-fA-F]{{{_ID_DIGITS}}}$"), min_count=0).as_py():
        raise ValueError(f"expected {_ID_DIGITS} digits of hex")
    raw = bytes.fromhex("".join(given.to_pylist()))
    ends = np.arange(0, len(raw) + 1, _ID_DIGITS // 2, dtype=np.int32)
    array = pa.Array.from_buffers(pa.binary(), len(given), [None, pa.py_buffer(ends), pa.py_buffer(raw)])
    return pc.if_else(text.is_null(), pa.scalar(None, pa.binary()), array)


def _keys(frame: pd.DataFrame, _found: Mapping[str, pa.Array]) -> pa.Array:
    codes, addresses = pd.factorize(frame["caller_ip"])
    keys = pa.array([*(parse_address(str(one)).key for one in addresses), None], pa.binary())
    return keys.take(pa.array(np.where(codes < 0, len(addresses), codes)))


def _constant(value: Any, name: str) -> Callable[[pd.DataFrame, Mapping[str, pa.Array]], pa.Array]:
    return lambda frame, _: pa.repeat(pa.scalar(value, BY_NAME[name].type), len(frame))


def _as_it_happened(_frame: pd.DataFrame, found: Mapping[str, pa.Array]) -> pa.Array:
    return found["event_time"]


_MADE_UP: Final[Mapping[str, Callable[[pd.DataFrame, Mapping[str, pa.Array]], pa.Array]]] = {
    "event_date": _as_it_happened,
    "ip_key": _keys,
    "ingested_at": _as_it_happened,
    "enqueued_time": _as_it_happened,
    "partition_id": _constant(None, "partition_id"),
    "source": _constant("frame", "source"),
    "sequence_number": _constant(0, "sequence_number"),
}
