"""What holds of every table of events that the decoder makes."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pyarrow as pa

from ingest.normalise import FUTURE_TOLERANCE, Normaliser
from ingest.rows import RAW_NAMES
from ingest.values import microseconds
from storage.schema import ARROW_SCHEMA

NOW: Final = datetime(2025, 2, 1, tzinfo=UTC)
RETENTION: Final = timedelta(days=400)
LATEST: Final = microseconds(NOW + FUTURE_TOLERANCE)
EARLIEST: Final = microseconds(NOW - RETENTION)
_TEXTS: Final = tuple(field.name for field in ARROW_SCHEMA if field.type == pa.string())


def new_normaliser() -> Normaliser:
    """Return a normaliser that refuses what is older than RETENTION."""
    return Normaliser(retention=RETENTION)


def raw_rows(events: pa.Table) -> dict[int, list[str]]:
    """Return the raw columns of each event as text, by the number of its message."""
    place = events.schema.get_field_index("event_time")
    plain = events.set_column(place, "event_time", events["event_time"].cast(pa.int64()))
    columns = [plain[name].to_pylist() for name in RAW_NAMES]
    found: dict[int, list[str]] = {}
    for number, *row in zip(plain["sequence_number"].to_pylist(), *columns, strict=True):
        found.setdefault(number, []).append(repr(tuple(row)))
    return found


def check_table(events: pa.Table) -> None:
    """Assert that a table of events is one: schema, valid UTF-8, required values, ranges, no U+0000."""
    assert events.schema == ARROW_SCHEMA
    events.validate(full=True)
    for column in ARROW_SCHEMA:
        assert column.nullable or events[column.name].null_count == 0, column.name
    for name in _TEXTS:
        assert not any("\0" in text for text in events[name].unique().to_pylist() if text), name
    for row in events.select(["event_id", "event_time", "event_date", "ip_key", "caller_ip", "extra"]).to_pylist():
        _check_row(row)
    for status, succeeded in zip(events["status_code"].to_pylist(), events["succeeded"].to_pylist(), strict=True):
        assert status is None or 100 <= status <= 599
        assert succeeded is (status is not None and status // 100 == 2)


def _check_row(row: dict[str, Any]) -> None:
    assert len(row["event_id"]) == 16
    assert EARLIEST <= microseconds(row["event_time"]) <= LATEST
    assert row["event_date"] == row["event_time"].date()
    assert (row["ip_key"] is None) is (row["caller_ip"] is None)
    assert row["ip_key"] is None or len(row["ip_key"]) == 16
    assert row["extra"] is None or isinstance(json.loads(row["extra"], parse_constant=_refuse), dict)


def _refuse(word: str) -> None:
    raise AssertionError(f"{word} in extra")
