"""From the rows of an answer to messages: each row one record, as `acrwatch import` takes Log Analytics rows."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import msgspec

from ingest.loganalytics.query import TAKEN, Answer

CHUNK_BYTES: Final = 1024 * 1024  # as much as the largest message of an event hub
# Rows of one message were taken in by Log Analytics within so long, so that one moment stands for all of them.
TOGETHER: Final = timedelta(minutes=1)
# What the row says of itself as a row of this workspace, and not of the event. The table's name is its category.
_OF_THE_ROW: Final = frozenset(
    {TAKEN, "TenantId", "SourceSystem", "MG", "ManagementGroupName", "Type", "_SubscriptionId", "_BilledSize",
     "_IsBillable", "_ItemId", "_TimeReceived", "_Internal_WorkspaceResourceId"}
)  # fmt: skip
_NEEDED: Final = frozenset({"TimeGenerated", "OperationName", "_ResourceId"})
_MICROSECOND_PLACES: Final = len("2025-01-30T14:19:15.193173")
_ENCODE: Final = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class LogRow:
    """One row: when it happened and when Log Analytics took it in (aware UTC), its record as JSON, and whether it is
    known already to become no event: it lacks what every event needs, or holds half a surrogate pair."""

    time: datetime
    taken: datetime
    record: bytes
    hopeless: bool

    @property
    def key(self) -> bytes:
        """What tells it from other rows: 128 bits over the record."""
        return blake2b(self.record, digest_size=16).digest()


class Chunk(NamedTuple):
    """Records for one message, one a line, and when the last of them was taken in."""

    body: bytes
    taken: datetime


def log_rows(answer: Answer, table: str) -> list[LogRow]:
    """Return the rows of an answer, in its order. One without a time of its own counts as of when it was taken in."""
    kept = [(place, name) for place, name in enumerate(answer.columns) if name not in _OF_THE_ROW]
    places = {name: place for place, name in enumerate(answer.columns)}
    return [_row(values, kept, places, table) for values in answer.rows]


def chunks(rows: Sequence[LogRow], together: timedelta = timedelta.max) -> Iterator[Chunk]:
    """Yield the rows as bodies of about a megabyte, in each only rows taken in within so long.

    A row that can become no event is alone in its body: refused, it is known again by its content, however the
    others are cut when they are read once more.
    """
    lines: list[bytes] = []
    size = 0
    first: datetime | None = None
    last: LogRow | None = None
    for row in rows:
        if row.hopeless:
            yield Chunk(row.record, row.taken)
            continue
        if last is not None and first is not None and (size >= CHUNK_BYTES or abs(row.taken - first) > together):
            yield Chunk(b"\n".join(lines), last.taken)
            lines, size, first = [], 0, None
        first = first or row.taken
        lines.append(row.record)
        size += len(row.record)
        last = row
    if last is not None and lines:
        yield Chunk(b"\n".join(lines), last.taken)


def _row(values: Sequence[Any], kept: Sequence[tuple[int, str]], places: dict[str, int], table: str) -> LogRow:
    record = {
        name: _written(value) if isinstance(value, datetime) else value
        for place, name in kept
        if (value := values[place]) is not None and value != ""
    }
    record.setdefault("Category", table)
    taken = values[places[TAKEN]] if TAKEN in places else None
    time = values[places["TimeGenerated"]] if "TimeGenerated" in places else None
    moments = [moment for moment in (time, taken) if isinstance(moment, datetime)]
    begin = moments[0] if moments else datetime.fromtimestamp(0, UTC)
    came = moments[-1] if moments else datetime.fromtimestamp(0, UTC)
    try:
        return LogRow(begin, came, _ENCODE(record), hopeless=not (record.keys() >= _NEEDED))
    except UnicodeEncodeError:  # half a surrogate pair, which no UTF-8 holds: as an escape it can be kept, and refused
        return LogRow(begin, came, json.dumps(record).encode(), hopeless=True)


def _written(moment: datetime) -> str:
    # Always six digits; in half the time that a format of its own takes.
    return f"{moment.astimezone(UTC).isoformat(timespec='microseconds')[:_MICROSECOND_PLACES]}Z"
