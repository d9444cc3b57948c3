"""What holds of every table of events that the decoder makes."""

import json
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

import pyarrow as pa

from acrwatch.core.address import NO_ADDRESS, parse_address
from acrwatch.core.identity import identity_kind
from ingest.normalise import FUTURE_TOLERANCE, Normaliser
from ingest.rows import RAW_NAMES
from ingest.values import microseconds, operation_of, parse_resource, parse_status
from storage import activity
from storage.schema import ARROW_SCHEMA

NOW: Final = datetime(2025, 2, 1, tzinfo=UTC)
RETENTION: Final = timedelta(days=400)
LATEST: Final = microseconds(NOW + FUTURE_TOLERANCE)
EARLIEST: Final = microseconds(NOW - RETENTION)
_CHECKED: Final = [
    *("event_id", "event_time", "event_date", "caller_ip_address", "caller_ip", "ip_key", "extra", "identity"),
    *("result_description", "status_code", "succeeded", "resource_id", "registry", "operation_name", "operation"),
    "identity_kind",
]
_address: Final = lru_cache(parse_address)
_TEXTS: Final = tuple(field.name for field in ARROW_SCHEMA if field.type == pa.string())


def new_normaliser() -> Normaliser:
    """Return a normaliser that refuses what is older than RETENTION."""
    return Normaliser(retention=RETENTION)


CONTROL = "a row of the control plane"


def raw_rows(events: pa.Table) -> dict[int, list[str]]:
    """Return the raw columns of each event as text, by the number of its message; CONTROL for the other kind of row."""
    place = events.schema.get_field_index("event_time")
    plain = events.set_column(place, "event_time", events["event_time"].cast(pa.int64()))
    columns = [plain[name].to_pylist() for name in RAW_NAMES]
    found: dict[int, list[str]] = {}
    for number, *row in zip(plain["sequence_number"].to_pylist(), *columns, strict=True):
        control = row[RAW_NAMES.index("category")] == activity.CATEGORY
        found.setdefault(number, []).append(CONTROL if control else repr(tuple(row)))
    return found


def check_table(events: pa.Table) -> None:
    """Assert that a table of events is one: schema, valid UTF-8, required values, ranges, no U+0000."""
    assert events.schema == ARROW_SCHEMA
    events.validate(full=True)
    for column in ARROW_SCHEMA:
        assert column.nullable or events[column.name].null_count == 0, column.name
    for name in _TEXTS:
        assert not any("\0" in text for text in events[name].unique().to_pylist() if text), name
    for row in events.select(_CHECKED).to_pylist():
        _check_row(row)


def _check_row(row: dict[str, Any]) -> None:
    assert len(row["event_id"]) == 16
    assert EARLIEST <= microseconds(row["event_time"]) <= LATEST
    assert row["event_date"] == row["event_time"].date()
    address, status = row["caller_ip_address"], row["result_description"]
    assert (row["caller_ip"], row["ip_key"]) == (NO_ADDRESS if address is None else _address(address))
    assert row["status_code"] == (None if status is None else parse_status(status))
    assert row["succeeded"] is (row["status_code"] is not None and row["status_code"] // 100 == 2)
    assert row["registry"] == parse_resource(row["resource_id"]).registry
    assert row["operation"] == operation_of(row["operation_name"])
    assert row["identity_kind"] == identity_kind(row["registry"], row["identity"], frozenset())
    assert row["extra"] is None or isinstance(json.loads(row["extra"], parse_constant=_refuse), dict)


def _refuse(word: str) -> None:
    raise AssertionError(f"{word} in extra")
