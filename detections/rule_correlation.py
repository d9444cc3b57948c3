"""Detections over several events: Sigma's correlations, as sliding windows over event time."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import groupby
from typing import Any, ClassVar, Final

import pyarrow as pa
from sqlalchemy import Connection

from detections.detection import Group, Judgement, Metadata
from detections.episode import Episode
from detections.events import NewEvents, Surroundings
from detections.match import episodes_by_group, select
from detections.window import Row, chained, completing, matched
from storage.schema import UTC_MICROSECONDS

Key = tuple[tuple[bool, str], ...]


class Kind(StrEnum):
    """What is measured of a window: events, distinct values, parts that occur, parts that occur in their order."""

    EVENTS = "event_count"
    VALUES = "value_count"
    PRESENT = "temporal"
    ORDERED = "temporal_ordered"


@dataclass(frozen=True, slots=True)
class Inner:
    """A correlation within another: of the events of one group (`keys`), those with which a count of distinct `values`
    (of events, where there are none) within `window` reaches `threshold`."""

    keys: tuple[str, ...]
    values: tuple[str, ...]
    threshold: int
    window: timedelta

    @property
    def columns(self) -> list[str]:
        """What judging it needs of an event, as select expressions."""
        named = {"inner_group": self.keys, "inner_value": self.values}
        return [f"e.{field} AS {name}_{n}" for name, fields in named.items() for n, field in enumerate(fields)]

    def completed(self, rows: Sequence[Row]) -> dict[bytes, int]:
        """Return the ids of the events that reach the threshold, each with the number counted."""
        groups: dict[tuple[Any, ...], list[Row]] = {}
        for row in rows:
            value = tuple(row[f"inner_value_{n}"] for n in range(len(self.values))) or row["event_id"]
            key = tuple(row[f"inner_group_{n}"] for n in range(len(self.keys)))
            groups.setdefault(key, []).append({**row, "inner": value})
        each = (completing(members, self.threshold, self.window, of="inner") for members in groups.values())
        return {event_id: number for found in each for event_id, number in found.items()}


@dataclass(frozen=True, slots=True)
class Part:
    """One of the rules that are correlated: its condition, the field behind each group field, the fields counted, what
    the context must have before an event can meet the condition, and, where the rule is a correlation itself, what it
    counts of the events that meet the condition. Its groups lie within those of the whole."""

    where: str
    keys: tuple[str, ...]
    values: tuple[str, ...] = ()
    needs: frozenset[str] = frozenset()
    inner: Inner | None = None

    @property
    def counted(self) -> str:
        """The events that count: an event without a value shows none, so it is none of those counted."""
        values = (*self.values, *(self.inner.values if self.inner else ()))
        return " AND ".join([f"({self.where})", *(f"e.{name} IS NOT NULL" for name in values)])

    @property
    def group(self) -> str:
        """The group fields as a select list."""
        return ", ".join(f"e.{name} AS group_{n}" for n, name in enumerate(self.keys))

    @property
    def touching(self) -> str:
        """The condition that an event counts, and lies in the group and time of a row of `touched_groups`."""
        same = [f"t.group_{n} IS NOT DISTINCT FROM e.{name}" for n, name in enumerate(self.keys)]
        within = " AND ".join([*same, "e.event_time BETWEEN t.low AND t.high"])
        return f"{self.counted} AND EXISTS (SELECT 1 FROM touched_groups t WHERE {within})"


@dataclass(frozen=True, slots=True)
class CorrelationRule:
    """Events match when, within any `window` that holds them, their group meets the condition.

    `kind` says what is measured, `threshold` how much of it is enough. `measure` is an extended condition over the
    parts that occur (1 where it holds), where there is one; it never falls when a part is added.

    A new event can only change the standing of events within one window of it, and theirs hangs on events within one
    window more: so two windows around the new events are read and no others. Where a part is a correlation itself, a
    new event can also change which events up to an inner window later count, and those hang on events up to an inner
    window before; these are read only for groups that could meet the condition if all events counted.
    """

    has_profile: ClassVar[bool] = False

    metadata: Metadata
    kind: Kind
    parts: tuple[Part, ...]
    threshold: int
    window: timedelta
    measure: Callable[[Collection[Any]], int] = len

    @property
    def where(self) -> str:
        """The condition of an event that any of the rules counts."""
        return "(" + " OR ".join(part.where for part in self.parts) + ")"

    @property
    def needs(self) -> frozenset[str]:
        """The lists and flags of the context without which no event is counted."""
        return frozenset.intersection(*(part.needs for part in self.parts))

    @property
    def asks(self) -> Collection[str]:
        """See Detection.asks."""
        return [part.counted for part in self.parts]

    def observe(self, events: NewEvents, /) -> Judgement:
        """See Detection.observe."""
        touched = self._touched(events)
        if not touched:
            return Judgement()
        near = self._near(events, touched)
        hopeful = self._hopeful(near)
        touched = [row for row in touched if self._key(row) in hopeful]
        if not touched:
            return Judgement()
        if self._inner_window:
            near = self._near(events, [{**row, "low": row["low"] - self._inner_window} for row in touched])
        else:
            near.register("touched_groups", self._table(touched))
        found: list[Row] = []
        peaks: dict[bytes, int] = {}
        for rows in self._groups(near):
            now = self._matched(rows)
            before = self._matched([row for row in rows if not row["is_new"]])
            peaks.update(now)
            found += [row for row in rows if row["event_id"] in now and row["event_id"] not in before]
        return self._judgement(near, found, peaks)

    def judge(self, observed: Judgement, _connection: Connection, /) -> Judgement:
        """See Detection.judge; nothing is remembered."""
        return observed

    def nearby(
        self, _events: NewEvents, _group: Group, _episode: Episode, _known: Episode | None, /
    ) -> Mapping[str, Any]:
        """Return the rule's threshold and window, for the reason."""
        return {"threshold": self.threshold, "window": spoken(self.window)}

    @property
    def _inner_window(self) -> timedelta:
        return max((part.inner.window for part in self.parts if part.inner), default=timedelta())

    def _near(self, events: NewEvents, touched: Sequence[Row]) -> Surroundings:
        near = events.near([(row["low"], row["high"]) for row in touched])
        near.register("touched_groups", self._table(touched))
        return near

    def _touched(self, events: NewEvents) -> list[Row]:
        """Return the groups with new events, each with the times in which its events must be seen.

        By date as well: a group with a new event now and a late one of last month must not cost the month between.
        """
        reach = 2 * self.window
        rows = [
            row
            for part in self.parts
            for row in events.grouped(
                ", ".join(filter(None, [part.group, "min(e.event_time) AS low, max(e.event_time) AS high"])),
                part.counted,
                ", ".join(f"e.{name}" for name in (*part.keys, "event_date")),
            )
        ]
        later = reach + self._inner_window
        return [{**row, "low": row["low"] - reach, "high": row["high"] + later} for row in rows]

    def _hopeful(self, near: Surroundings) -> set[Key]:
        """Return the groups that may hold a match, by a question the database answers without handing out events."""
        if self.kind in (Kind.PRESENT, Kind.ORDERED) or len(self.parts) > 1:
            parts_of: dict[Key, set[int]] = {}
            for number, part in enumerate(self.parts):
                for row in near.rows(f"DISTINCT {part.group or '1 AS one'}", part.touching):
                    parts_of.setdefault(self._key(row), set()).add(number)
            counting = self.kind in (Kind.EVENTS, Kind.VALUES)
            return {key for key, present in parts_of.items() if counting or self.measure(present) >= self.threshold}
        (part,) = self.parts
        over = f"PARTITION BY {keys} " if (keys := ", ".join(f"e.{name}" for name in part.keys)) else ""
        span = f"{int(self.window.total_seconds())} SECONDS"
        busy = f"count(*) OVER ({over}ORDER BY e.event_time RANGE INTERVAL {span} PRECEDING) >= {self.threshold}"
        rows = near.rows(f"DISTINCT {part.group or '1 AS one'}", part.touching, qualify=busy)
        return {self._key(row) for row in rows}

    def _groups(self, near: Surroundings) -> Iterator[list[Row]]:
        """Yield the light rows of each group, in order of time: one for each part an event is of."""
        rows = [
            {**row, "part": number, "value": tuple(row[f"value_{n}"] for n in range(len(part.values)))}
            for number, part in enumerate(self.parts)
            for row in near.rows(
                ", ".join(filter(None, [_LIGHT, part.group, *_values(part)])),
                part.touching,
            )
        ]
        rows.sort(key=lambda row: (self._key(row), row["event_time"], row["event_id"], row["part"]))
        return (list(members) for _, members in groupby(rows, self._key))

    def _matched(self, rows: Sequence[Row]) -> dict[bytes, int]:
        numbers: dict[bytes, int] = {}
        for number, part in enumerate(self.parts):
            if part.inner:
                reached = part.inner.completed([row for row in rows if row["part"] == number])
                rows = [row for row in rows if row["part"] != number or row["event_id"] in reached]
                numbers.update(reached)
        if self.kind is Kind.ORDERED:
            found = chained(rows, len(self.parts), self.window)
        else:
            found = matched(rows, self.threshold, self.window, of=_MEASURED[self.kind], measure=self.measure)
        if self.kind in (Kind.ORDERED, Kind.PRESENT):  # what the parts counted says more than how many parts there are
            return {event_id: numbers.get(event_id, 0 if numbers else peak) for event_id, peak in found.items()}
        return found

    def _judgement(self, near: Surroundings, found: Sequence[Row], peaks: Mapping[bytes, int]) -> Judgement:
        """Return the matches, each with the columns an alert keeps of it."""
        if not found:
            return Judgement()
        ids = pa.array({row["event_id"] for row in found}, pa.binary())
        near.register("matched_ids", pa.table({"event_id": ids}))
        kept = near.rows(select(()), "e.event_id IN (SELECT event_id FROM matched_ids)")
        columns = {row["event_id"]: row for row in kept}
        once = {(self._key(row), row["event_id"]): row for row in found}
        rows = [{**columns[row["event_id"]], **self._named(row)} for row in once.values()]
        return Judgement(matches=episodes_by_group(rows, self.metadata.group_by, peaks), matched=len(columns))

    def _named(self, row: Row) -> Row:
        return {f"group_{name}": row[f"group_{n}"] for n, name in enumerate(self.metadata.group_by)}

    def _key(self, row: Row) -> Key:
        """Return a sortable key that tells an absent value from the text "None"."""
        values = [row[f"group_{n}"] for n in range(len(self.metadata.group_by))]
        return tuple((value is not None, str(value)) for value in values)

    def _table(self, touched: Sequence[Row]) -> pa.Table:
        times: Mapping[str, list[datetime]] = {name: [row[name] for row in touched] for name in ("low", "high")}
        groups = [f"group_{n}" for n in range(len(self.metadata.group_by))]
        return pa.table({
            **{name: pa.array([row[name] for row in touched], pa.string()) for name in groups},
            **{name: pa.array(moments, UTC_MICROSECONDS) for name, moments in times.items()},
        })  # fmt: skip


def _values(part: Part) -> list[str]:
    return [*(f"e.{v} AS value_{n}" for n, v in enumerate(part.values)), *(part.inner.columns if part.inner else ())]


# What judging a window needs of an event; the rest is read for matches alone.
_LIGHT: Final = "e.event_id, e.event_time, e.is_new"
_MEASURED: Final = {Kind.EVENTS: "event_id", Kind.VALUES: "value", Kind.PRESENT: "part"}


# A day is said as 24 hours, from two days on in days.
_UNITS: Final = ((86_400, 2, "day"), (3600, 1, "hour"), (60, 1, "minute"), (1, 0, "second"))


def spoken(span: timedelta) -> str:
    """Return a window as people say it: `10 minutes`, `90 seconds`, `24 hours`, `30 days`."""
    seconds = int(span.total_seconds())
    size, unit = next((s, u) for s, least, u in _UNITS if seconds % s == 0 and seconds >= least * s)
    return f"{seconds // size} {unit}" + ("" if seconds == size else "s")
