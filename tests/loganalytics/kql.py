"""The few queries that are sent, evaluated as Log Analytics would; any other is refused.

Times are ticks of 100 ns since 1970 UTC, as exact as Log Analytics keeps them.
"""

import random
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

TICKS = 10_000_000  # in a second
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIME = r"datetime\((\S+?)\)"
_SHAPE = re.compile(
    rf"""(?P<table>\w+)
\| where TimeGenerated >= {_TIME} and TimeGenerated < {_TIME}
(?:\| where ingestion_time\(\) >= {_TIME} and ingestion_time\(\) < {_TIME}
)?\| extend IngestionTime = ingestion_time\(\)
(?:\| where hash\(strcat\(TimeGenerated, "\|", CorrelationId, "\|", Identity, "\|", CallerIpAddress\), (\d+)\) == (\d+)
)?\| order by (?P<order>TimeGenerated|IngestionTime) asc
\| take (?P<limit>\d+)"""
)


@dataclass(frozen=True)
class LogsRow:
    """One row of a table: when it happened, when it was taken in, and its other columns."""

    time: int
    taken: int
    columns: Mapping[str, Any]


class SyntaxRefusedError(ValueError):
    """A query of another shape."""


@dataclass(frozen=True)
class Parsed:
    """What a query asks for; the times in ticks, the end of each pair not included."""

    table: str
    times: tuple[int, int]
    taken: tuple[int, int] | None
    parts: int
    part: int
    by_taken: bool
    limit: int

    @property
    def length(self) -> timedelta:
        """The window that the client moves."""
        begin, end = self.taken or self.times
        return timedelta(seconds=(end - begin) / TICKS)


def parsed(text: str) -> Parsed:
    match = _SHAPE.fullmatch(text)
    if match is None:
        raise SyntaxRefusedError(text)
    _, begin, end, since, until, parts, part, _, _ = match.groups()
    return Parsed(
        match["table"],
        (ticks_of(begin), ticks_of(end)),
        (ticks_of(since), ticks_of(until)) if since else None,
        int(parts or 1),
        int(part or 0),
        match["order"] == "IngestionTime",
        int(match["limit"]),
    )


def evaluated(query: Parsed, rows: Sequence[LogsRow], span: tuple[int, int], chance: random.Random) -> list[LogsRow]:
    """Return the rows asked for. Which of two rows of one moment comes first is left to chance, as it is in Kusto."""
    begin, end = max(query.times[0], span[0]), min(query.times[1], span[1] + 1)
    found = [row for row in rows if begin <= row.time < end]
    if query.taken is not None:
        found = [row for row in found if query.taken[0] <= row.taken < query.taken[1]]
    if query.parts > 1:
        found = [row for row in found if _hash(row) % query.parts == query.part]
    keyed = [(row.taken if query.by_taken else row.time, chance.random(), row) for row in found]
    return [row for _, _, row in sorted(keyed, key=lambda one: one[:2])][: query.limit]


def ticks_of(text: str) -> int:
    """Read `2026-11-01T00:00:00.1234567Z`, with up to seven digits of a second."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    seconds = (datetime.fromisoformat(f"{whole}+00:00") - EPOCH) // timedelta(seconds=1)
    return seconds * TICKS + int(fraction.ljust(7, "0"))


def written(ticks: int) -> str:
    """Return a time as Log Analytics writes it into JSON."""
    whole = EPOCH + timedelta(seconds=ticks // TICKS)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{ticks % TICKS:07}Z"


def _hash(row: LogsRow) -> int:
    names = ("CorrelationId", "Identity", "CallerIpAddress")
    return zlib.crc32("|".join([str(row.time), *(str(row.columns.get(name) or "") for name in names)]).encode())
