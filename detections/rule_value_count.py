"""Detections that count distinct values in a sliding window: Sigma's `value_count` correlation."""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, ClassVar

import pyarrow as pa
from sqlalchemy import Connection

from detections.detection import Group, Judgement, Metadata
from detections.episode import Episode
from detections.events import NewEvents
from detections.match import episodes_by_group, select
from storage.schema import UTC_MICROSECONDS

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ValueCountRule:
    """Events that meet `where` match when, within any `window` that holds them, their group shows at least
    `threshold` distinct values of `field`. The window slides over event time and is tied to no clock.

    A new event can only change the standing of events within one window of it, and theirs hangs on events within one
    window more: so two windows around the new events are read and no others. An event without the field shows no
    value, so it is none of those counted.
    """

    has_profile: ClassVar[bool] = False

    metadata: Metadata
    where: str
    field: str
    threshold: int
    window: timedelta

    def observe(self, events: NewEvents, /) -> Judgement:
        """See Detection.observe."""
        new: list[Row] = []
        peaks: dict[bytes, int] = {}
        for rows in self._touched_groups(events):
            now = matched(rows, self.threshold, self.window)
            before = matched([row for row in rows if not row["is_new"]], self.threshold, self.window)
            new.extend(row for row in rows if row["event_id"] in now and row["event_id"] not in before)
            peaks.update(now)
        return Judgement(matches=episodes_by_group(new, self.metadata.group_by, peaks), matched=len(new))

    def judge(self, observed: Judgement, _connection: Connection, /) -> Judgement:
        """See Detection.judge; nothing is remembered."""
        return observed

    def nearby(
        self, _events: NewEvents, _group: Group, _episode: Episode, _known: Episode | None, /
    ) -> Mapping[str, Any]:
        """Return the rule's threshold and window, for the reason."""
        return {"threshold": self.threshold, "window": spoken(self.window)}

    def _touched_groups(self, events: NewEvents) -> Iterable[Sequence[Row]]:
        keys = self.metadata.group_by
        counted = f"({self.where}) AND e.{self.field} IS NOT NULL"
        # By date as well: a group with a new event now and a late one of last month must not cost the month between.
        touched = events.grouped(
            ", ".join(f"e.{name} AS group_{name}" for name in keys)
            + ", min(e.event_time) AS first, max(e.event_time) AS last",
            counted,
            ", ".join(f"e.{name}" for name in (*keys, "event_date")),
        )
        if not touched:
            return []
        reach = 2 * self.window
        same = " AND ".join(f"t.group_{name} IS NOT DISTINCT FROM e.{name}" for name in keys)
        rows = events.around(
            [(row["first"] - reach, row["last"] + reach) for row in touched],
            select(keys, "e.is_new", f"e.{self.field} AS value"),
            f"{counted} AND EXISTS (SELECT 1 FROM touched_groups t WHERE {same} "
            "AND e.event_time BETWEEN t.low AND t.high)",
            tables={"touched_groups": _ranges(touched, keys, reach)},
        )
        rows.sort(key=lambda row: (_key(row, keys), row["event_time"], row["event_id"]))
        return [list(members) for _, members in groupby(rows, lambda row: _key(row, keys))]


def spoken(span: timedelta) -> str:
    """Return a window as people say it: `10 minutes`, `90 seconds`."""
    seconds = int(span.total_seconds())
    size, unit = next((s, u) for s, u in ((3600, "hour"), (60, "minute"), (1, "second")) if seconds % s == 0)
    return f"{seconds // size} {unit}" + ("" if seconds == size else "s")


def _key(row: Row, group_by: Sequence[str]) -> tuple[tuple[bool, str], ...]:
    """Return a sortable key that tells an absent value from the text "None"."""
    values = (row[f"group_{name}"] for name in group_by)
    return tuple((value is not None, str(value)) for value in values)


def _ranges(touched: Sequence[Row], group_by: Sequence[str], reach: timedelta) -> pa.Table:
    moments: Mapping[str, list[datetime]] = {
        "low": [row["first"] - reach for row in touched],
        "high": [row["last"] + reach for row in touched],
    }
    groups = {f"group_{n}": pa.array([row[f"group_{n}"] for row in touched], pa.string()) for n in group_by}
    return pa.table({**groups, **{name: pa.array(times, UTC_MICROSECONDS) for name, times in moments.items()}})


def matched(rows: Sequence[Row], threshold: int, window: timedelta) -> dict[bytes, int]:
    """Return the ids of events in a window with enough distinct values, each with the peak of the windows it is in.

    `rows` are of one group, in order of time. Windows are closed: events exactly `window` apart share one. Linear in
    the number of rows.
    """
    counts = list(_distinct_at(rows, window))
    found: dict[bytes, int] = {}
    best: deque[int] = deque()  # ends of windows still in reach, their counts falling
    end = 0
    for start, row in enumerate(rows):
        while end < len(rows) and rows[end]["event_time"] - row["event_time"] <= window:
            while best and counts[best[-1]] <= counts[end]:
                best.pop()
            best.append(end)
            end += 1
        while best[0] < start:
            best.popleft()
        if counts[best[0]] >= threshold:
            found[row["event_id"]] = counts[best[0]]
    return found


def _distinct_at(rows: Sequence[Row], window: timedelta) -> Iterator[int]:
    """Yield, for each row, the number of distinct values in the window that ends with it."""
    held: deque[Row] = deque()
    counts: Counter[Any] = Counter()
    for row in rows:
        held.append(row)
        counts[row["value"]] += 1
        while row["event_time"] - held[0]["event_time"] > window:
            gone = held.popleft()["value"]
            counts[gone] -= 1
            if not counts[gone]:
                del counts[gone]
        yield len(counts)
