"""Detections over several events: Sigma's correlations, as sliding windows over event time."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, ClassVar, Final

import pyarrow as pa
from sqlalchemy import Connection

from detections.correlated import Correlated, Key, Part, key_of
from detections.detection import Group, Judgement, Metadata
from detections.episode import Episode
from detections.events import NewEvents, Surroundings
from detections.match import episodes_by_group, select
from detections.needs import Needs, any_of
from detections.window import Row, chained, matched


class Kind(StrEnum):
    """What is measured of a window: events, distinct values, parts that occur, parts that occur in their order."""

    EVENTS = "event_count"
    VALUES = "value_count"
    PRESENT = "temporal"
    ORDERED = "temporal_ordered"


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
    def needs(self) -> Needs:
        """The lists and flags of the context without which no event is counted."""
        return any_of(part.needs for part in self.parts)

    @property
    def asks(self) -> Collection[str]:
        """See Detection.asks."""
        return [part.counted for part in self.parts]

    def observe(self, events: NewEvents, /) -> Judgement:
        """See Detection.observe."""
        touched = self._touched(events)
        if not touched:
            return Judgement()
        near = Correlated(events, self.parts, touched)
        hopeful = self._hopeful(near)
        if hopeful and self._inner_window:
            wider = [{**row, "low": row["low"] - self._inner_window} for row in touched if self._key(row) in hopeful]
            near = Correlated(events, self.parts, wider)
            near.drop_hopeless()
            hopeful = self._hopeful(near)
        found: list[Row] = []
        peaks: dict[bytes, int] = {}
        groups = near.groups(hopeful) if hopeful else {}
        for key in sorted(groups, key=str):  # an event may be in several groups: which peak it keeps is no chance
            rows = groups[key]
            now = self._matched(rows)
            before = self._matched([row for row in rows if not row["is_new"]])
            peaks.update(now)
            found += [row for row in rows if row["event_id"] in now and row["event_id"] not in before]
        return self._judgement(near.surroundings, found, peaks)

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

    def _hopeful(self, near: Correlated) -> set[Key]:
        """Return the groups that may hold a match."""
        counting = self.kind in (Kind.EVENTS, Kind.VALUES)
        if counting and len(self.parts) == 1:
            return near.groups_with(self.threshold, self.window)
        parts_of: dict[Key, set[int]] = {}
        for number in range(len(self.parts)):
            for key in near.groups_of(number):
                parts_of.setdefault(key, set()).add(number)
        return {key for key, present in parts_of.items() if counting or self.measure(present) >= self.threshold}

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
        return key_of(row, len(self.metadata.group_by))


_MEASURED: Final = {Kind.EVENTS: "event_id", Kind.VALUES: "value", Kind.PRESENT: "part"}


# A day is said as 24 hours, from two days on in days.
_UNITS: Final = ((86_400, 2, "day"), (3600, 1, "hour"), (60, 1, "minute"), (1, 0, "second"))


def spoken(span: timedelta) -> str:
    """Return a window as people say it: `10 minutes`, `90 seconds`, `24 hours`, `30 days`."""
    seconds = int(span.total_seconds())
    size, unit = next((s, u) for s, least, u in _UNITS if seconds % s == 0 and seconds >= least * s)
    return f"{seconds // size} {unit}" + ("" if seconds == size else "s")
