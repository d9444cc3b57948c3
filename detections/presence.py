"""Who spoke when, and how far behind we read: summaries by UTC date, read anew only for dates whose files changed."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import reduce
from typing import Any, Final

from storage.activity import EVENTS
from storage.lake.snapshot import LakeFile, Snapshot
from storage.query import Reader

# Four weeks hold four weekends and a month's end: what a registry did not do in them is not its habit.
HABIT_SPAN: Final = timedelta(days=28)

# An event says that its registry spoke when it happened, but not after it arrived: some clocks go ahead. Pauses are
# taken between minutes, which leaves one row per registry and minute to sort.
_SPOKEN: Final = f"""
WITH said AS (
  SELECT registry, event_date, least(event_time, coalesce(enqueued_time, ingested_at)) AS spoke FROM seen e
  WHERE {EVENTS}
), minutes AS (
  SELECT registry, event_date, min(spoke) AS since, max(spoke) AS until, count(*) AS events
  FROM said GROUP BY registry, event_date, date_trunc('minute', spoke)
), paused AS (
  SELECT *, epoch_us(since) - epoch_us(lag(until) OVER (PARTITION BY registry, event_date ORDER BY since)) AS pause
  FROM minutes
)
SELECT registry, event_date, min(since) AS since, max(until) AS until, CAST(sum(events) AS BIGINT) AS events,
  coalesce(max(pause), 0) AS pause
FROM paused GROUP BY registry, event_date
"""
_READ: Final = """
SELECT source, event_date, max(ingested_at) AS stored, max(enqueued_time) AS enqueued
FROM seen WHERE starts_with(source, 'eventhub/') AND enqueued_time IS NOT NULL GROUP BY source, event_date
"""


@dataclass(frozen=True, slots=True)
class Spoken:
    """What one registry said in a stretch of time: first and last moment (UTC), events, longest pause between them."""

    first: datetime
    last: datetime
    events: int
    pause: timedelta

    def then(self, later: "Spoken") -> "Spoken":
        """Return both stretches as one; `later` follows this one, but may reach back a little into it."""
        between = max(later.first - self.last, timedelta(0))
        return Spoken(
            min(self.first, later.first),
            max(self.last, later.last),
            self.events + later.events,
            max(self.pause, later.pause, between),
        )


@dataclass(frozen=True, slots=True)
class Reading:
    """How far an event hub stream was read: when a row was stored last, and the newest arrival among its rows (UTC)."""

    stored: datetime
    enqueued: datetime


@dataclass(frozen=True, slots=True)
class Presence:
    """What a lake says of its registries and streams. `habits` are taken over the 28 days before the last word."""

    habits: Mapping[str, Spoken]
    readings: Mapping[str, Reading]


@dataclass(frozen=True, slots=True)
class _Day:
    files: tuple[LakeFile, ...]
    spoken: Mapping[str, Spoken]
    readings: Mapping[str, Reading]


class Survey:
    """Looks at snapshot after snapshot; the first look reads a few columns of everything."""

    def __init__(self) -> None:
        self._days: dict[date, _Day] = {}

    def look(self, snapshot: Snapshot) -> Presence:
        """Return what this snapshot says. Raises StoreError."""
        files: dict[date, list[LakeFile]] = {}
        for file in snapshot.files:
            files.setdefault(file.date, []).append(file)
        held = {day: tuple(found) for day, found in files.items()}
        known = {day: one for day, one in self._days.items() if held.get(day) == one.files}
        self._days = {**known, **_summaries(snapshot, {day: held[day] for day in held.keys() - known.keys()})}
        return self._together()

    def _together(self) -> Presence:
        days = [self._days[day] for day in sorted(self._days)]
        by_registry: dict[str, list[Spoken]] = {}
        readings: dict[str, Reading] = {}
        for day in days:
            for registry, spoken in day.spoken.items():
                by_registry.setdefault(registry, []).append(spoken)
            for stream, one in day.readings.items():
                readings[stream] = _newest(readings.get(stream, one), one)
        return Presence({registry: _habit(found) for registry, found in by_registry.items()}, readings)


def _habit(days: list[Spoken]) -> Spoken:
    begin = max(day.last for day in days) - HABIT_SPAN
    return reduce(Spoken.then, [day for day in days if day.last >= begin])


def _newest(one: Reading, other: Reading) -> Reading:
    return Reading(max(one.stored, other.stored), max(one.enqueued, other.enqueued))


def _summaries(snapshot: Snapshot, days: Mapping[date, tuple[LakeFile, ...]]) -> dict[date, _Day]:
    if not days:
        return {}
    part = replace(snapshot, files=tuple(file for files in days.values() for file in files))
    with Reader(part) as reader:
        reader.view("seen", reader.whole(), part.files, lateness=HABIT_SPAN, derived={}, where="true")
        said, read = reader.query(_SPOKEN).to_pylist(), reader.query(_READ).to_pylist()
    return {
        day: _Day(
            files,
            {row["registry"]: _spoken(row) for row in said if row["event_date"] == day},
            {row["source"]: Reading(row["stored"], row["enqueued"]) for row in read if row["event_date"] == day},
        )
        for day, files in days.items()
    }


def _spoken(row: Mapping[str, Any]) -> Spoken:
    return Spoken(row["since"], row["until"], row["events"], timedelta(microseconds=row["pause"]))
