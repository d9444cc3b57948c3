"""One event as different roads write it: order, case, place and names of members, numbers as text or not.

All renderings of an event must come to one id and one row; an event that differs in what the id is made of, to another.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final

from acrwatch.core.model import Message
from ingest.normalise import Normaliser
from ingest.rows import ABSENT_GUIDS, GUID_COLUMNS, RAW_COLUMNS
from storage.schema import CATEGORIES, Column
from tests.ingest_decode.fuzz_tables import NOW, check_table

Event = dict[str, Any]

_WORDS: Final = ("v1", "null", "None", "0", "app/web", "sha256:" + "0" * 64, "é\u2028\U0001f600", 'a"\\b', "[", " a ")
_STATUSES: Final = ("200", "201", "404", "0", "Forbidden", "2 00", "599")
_ABSENT: Final = (None, "", "<nil>")
# What an id is made of, beside time and registry; ingest/batch.py says the same.
_IDENTIFYING: Final = (
    *("category", "operation_name", "correlation_id", "identity", "caller_ip_address", "repository", "tag"),
    *("digest", "result_description", "user_agent"),
)
_TOP_ONLY: Final = frozenset({"event_time", "category"})
_RENDERED: Final = tuple(column.name for column in RAW_COLUMNS if column.name != "resource_id")


def event(chance: Random) -> Event:
    """Return an event: a value per raw column, None where it has none; `event_time` is an aware datetime."""
    found: Event = {column.name: chance.choice((None, *_WORDS)) for column in RAW_COLUMNS}
    for name in sorted(GUID_COLUMNS):  # in one order in every process: what is drawn depends on it
        found[name] = chance.choice((None, "00000000-0000-0000-0000-000000000021"))
    return found | {
        "event_time": datetime(2025, 1, 30, tzinfo=UTC) + timedelta(microseconds=chance.randrange(86_400_000_000)),
        "category": chance.choice(CATEGORIES),
        "operation_name": chance.choice(("Pull", "Login", "delete", "é")),
        "resource_id": f"/subscriptions/s/providers/x/registries/{chance.choice(('example', 'contoso'))}",
        "result_description": chance.choice(_STATUSES),
        "duration_ms": chance.choice((None, 0.0, 38.212784, 1e300)),
        "size": chance.choice((None, 0, 528, 2**63 - 1)),
    }


def rendered(one: Mapping[str, Any], chance: Random) -> str:
    """Return one way to write an event as a record."""
    is_row = chance.random() < 0.5
    top: list[tuple[str, Any]] = []
    inner: list[tuple[str, Any]] = []
    for column in RAW_COLUMNS:
        value = _value(column.name, one[column.name], chance)
        if value is None and chance.random() < 0.5:
            continue
        name = _name(column, chance, is_row=is_row)
        place = top if is_row or column.name in _TOP_ONLY or chance.random() < 0.5 else inner
        place.append((_cased(name, chance), value))
    chance.shuffle(top)
    chance.shuffle(inner)
    if inner or chance.random() < 0.5:
        nested: Any = dict(inner)
        top.insert(chance.randrange(len(top) + 1), ("properties", json.dumps(nested) if is_row else nested))
    return json.dumps(dict(top), ensure_ascii=chance.random() < 0.5)


def judge_renderings(chance: Random, normaliser: Normaliser, *, ways: int = 12) -> None:
    """Assert that so many renderings of an event have one id and row, and another event has another id."""
    one = event(chance)
    name = chance.choice(_IDENTIFYING)
    others = [value for value in _values(name) if value != one[name]]
    records = [rendered(one, chance) for _ in range(ways)] + [rendered(one | {name: chance.choice(others)}, chance)]
    middle = chance.randrange(ways)
    neighbours = [record.encode() for record in records[:middle]], ("[" + ",".join(records[middle:]) + "]").encode()
    messages = [Message("s", number, body) for number, body in enumerate((*neighbours[0], neighbours[1]))]
    result = normaliser.batch(messages, now=NOW)
    check_table(result.events)
    assert not result.rejects, result.rejects[0]
    rows = result.events.to_pylist()
    assert len(rows) == ways + 1, result.skipped
    other = {row["event_id"] for row in rows if row[name] != one[name]}
    same = [row for row in rows if row[name] == one[name]]
    assert len(other) == 1
    assert len(same) == ways
    assert {row["event_id"] for row in same}.isdisjoint(other)
    assert len({row["event_id"] for row in same}) == 1, records
    told = {repr([row[column] for column in (*_RENDERED, "registry", "operation", "status_code")]) for row in same}
    assert len(told) == 1, told


def _values(name: str) -> list[str]:
    if name == "category":
        return list(CATEGORIES)
    return [word for word in _WORDS if name not in GUID_COLUMNS or word not in ABSENT_GUIDS]


def _name(column: Column, chance: Random, *, is_row: bool) -> str:
    if column.name in {"event_time", "user_tenant_id"}:  # these two say by which road a record came
        return str(column.log_analytics if is_row else column.wire)
    if column.name == "resource_id" and not is_row:  # `_ResourceId` would, too
        return "resourceId"
    return str(chance.choice((column.wire, column.log_analytics)))


def _cased(name: str, chance: Random) -> str:
    return chance.choice((str, str.lower, str.upper, str.swapcase))(name)


def _value(name: str, value: Any, chance: Random) -> Any:
    """Return a JSON value that stands for the same."""
    if value is None:
        return chance.choice((*_ABSENT, "null", "None") if name in GUID_COLUMNS else _ABSENT)
    if name == "event_time":
        return _time(value, chance)
    if name == "resource_id":
        return chance.choice((value, value.upper(), value + "/"))
    if name == "result_description" and value.isdecimal():
        return chance.choice((value, int(value), float(value)))
    if name == "category":
        return chance.choice((value, value.lower(), value.upper()))
    if name in {"size", "duration_ms"}:
        return chance.choice((value, str(value)))
    return value


def _time(value: datetime, chance: Random) -> str:
    text = value.strftime("%Y-%m-%dT%H:%M:%S.%f")
    finer = text + str(chance.randrange(10))
    moved = (value + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%S.%f+02:00")
    return chance.choice((f"{finer}Z", f"{finer}00Z", f"{text}Z", text.replace("T", " "), f"{text}+00:00", moved))
