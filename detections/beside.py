"""How many events of a kind lie around the alerts of one run, by group and time."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from detections.compile import quoted
from detections.detection import Group
from detections.events import NewEvents
from detections.match import group_of
from storage.query import moment

# So many questions are asked one by one: of few alerts the database finds a group's rows faster than all of a date.
_ONE_BY_ONE: Final = 4
# A date with more such events is not taken into memory, where each takes some 200 bytes for a moment.
_HELD: Final = 200_000
_TICK: Final = timedelta(microseconds=1)


Times = dict[Group, list[datetime]]


@dataclass(slots=True)
class Beside:
    """Counts the events that meet `where` (SQL over `e`) beside alerts grouped by `group_by`.

    A run of many alerts reads each date once, not once for each alert; new events, the dates of which nobody else has
    reason to read, by themselves.
    """

    events: NewEvents
    where: str
    group_by: Sequence[str]
    _asked: int = 0
    _dates: dict[date | None, Times | None] = field(default_factory=dict)

    def count(self, group: Group, first: datetime, last: datetime) -> int:
        """Return how many events a group has from `first` to `last`, both included."""
        start = first.astimezone(UTC).date()
        days = [start + timedelta(days=n) for n in range((last.astimezone(UTC).date() - start).days + 1)]
        return self._count(group, first, last, days) if first <= last else 0

    def count_new(self, group: Group, first: datetime, last: datetime) -> int:
        """Return how many of them were not judged before."""
        return self._count(group, first, last, [None])

    def _count(self, group: Group, first: datetime, last: datetime, days: Sequence[date | None]) -> int:
        self._asked += 1
        if self._asked <= _ONE_BY_ONE or (held := self._held(days)) is None:
            same = " AND ".join(f"e.{name} IS NOT DISTINCT FROM {_literal(value)}" for name, value in group)
            within = f"e.event_time BETWEEN {moment(first)} AND {moment(last)}"
            span = None if days == [None] else (first, last)
            return self._number(f"{same} AND {within}", span)
        found = (times.get(group, []) for times in held)
        return sum(bisect_right(times, last) - bisect_left(times, first) for times in found)

    def _held(self, days: Sequence[date | None]) -> list[Times] | None:
        """Return the times of the events of some dates; None where one of them has too many to be held."""
        for day in days:
            if day not in self._dates:
                self._dates[day] = self._read(day)
        found = [self._dates[day] for day in days]
        held = [times for times in found if times is not None]
        return held if len(held) == len(found) else None

    def _read(self, day: date | None) -> Times | None:
        begin = datetime.combine(day, time(), UTC) if day else None
        span = (begin, begin + timedelta(days=1) - _TICK) if begin else None
        if self._number("true", span) > _HELD:
            return None
        found: Times = {}
        for row in self._rows(
            ", ".join(["e.event_time", *(f"e.{n} AS group_{n}" for n in self.group_by)]), "true", span
        ):
            found.setdefault(group_of(row, self.group_by), []).append(row["event_time"])
        for times in found.values():
            times.sort()
        return found

    def _number(self, where: str, span: tuple[datetime, datetime] | None) -> int:
        return int(self._rows("count(*) AS n", where, span)[0]["n"])

    def _rows(self, select: str, where: str, span: tuple[datetime, datetime] | None) -> list[dict[str, Any]]:
        """Ask for the events of some time, or for the new ones where none is given."""
        met = f"({self.where}) AND {where}"
        return self.events.near([span]).rows(select, met) if span else self.events.new(select, met)


def _literal(value: str | None) -> str:
    return "NULL" if value is None else quoted(value)
