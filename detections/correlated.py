"""The events that a correlation counts, around new ones: read once, and cut down to what may match in the database.

Most new events are of groups in which nothing comes together. What a window must hold is therefore asked first of all
that was read, by questions whose answers are a few groups; only their events are handed out.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import pyarrow as pa

from detections.events import NewEvents, Surroundings
from detections.needs import NOTHING, Needs
from detections.window import Row, completing
from storage.schema import UTC_MICROSECONDS

# The values of a group's fields, absent ones as None.
Key = tuple[str | None, ...]

# What judging a window needs of an event; the rest is read for matches alone.
_LIGHT: Final = ("e.event_id", "e.event_time", "e.is_new")


@dataclass(frozen=True, slots=True)
class Inner:
    """A correlation within another: of the events of one group (`keys`), those with which a count of distinct `values`
    (of events, where there are none) within `window` reaches `threshold`."""

    keys: tuple[str, ...]
    values: tuple[str, ...]
    threshold: int
    window: timedelta

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
    needs: Needs = NOTHING
    inner: Inner | None = None

    @property
    def counted(self) -> str:
        """The events that count: an event without a value shows none, so it is none of those counted."""
        values = (*self.values, *(self.inner.values if self.inner else ()))
        return " AND ".join([f"({self.where})", *(f"e.{name} IS NOT NULL" for name in values)])

    @property
    def group(self) -> str:
        """The group fields as a select list."""
        return ", ".join(_named("group", self.keys))

    @property
    def columns(self) -> str:
        """What is held of an event, as a select list."""
        inner = (
            (*_named("inner_group", self.inner.keys), *_named("inner_value", self.inner.values)) if self.inner else ()
        )
        return ", ".join([*_LIGHT, *_named("group", self.keys), *_named("value", self.values), *inner])

    @property
    def touching(self) -> str:
        """The condition that an event counts, and lies in the group and time of a row of `touched_groups`."""
        same = [f"t.group_{n} IS NOT DISTINCT FROM e.{name}" for n, name in enumerate(self.keys)]
        within = " AND ".join([*same, "e.event_time BETWEEN t.low AND t.high"])
        return f"{self.counted} AND EXISTS (SELECT 1 FROM touched_groups t WHERE {within})"


def _named(name: str, fields: Sequence[str]) -> list[str]:
    return [f"e.{field} AS {name}_{n}" for n, field in enumerate(fields)]


class Correlated:
    """The events of some parts in some groups and times, held in the database: one relation for each part."""

    def __init__(self, events: NewEvents, parts: Sequence[Part], touched: Sequence[Row]) -> None:
        """`touched` has for each group, as `group_0` and so on, the first and last moment (`low`, `high`) of events
        that are wanted; a group may occur with several stretches of time."""
        self._near = events.near([(row["low"], row["high"]) for row in touched])
        self._near.register("touched_groups", _table(touched, len(parts[0].keys)))
        self._parts = parts
        self._held = [f"correlated_{number}" for number in range(len(parts))]
        for held, part in zip(self._held, parts, strict=True):
            self._near.hold(held, part.columns, part.touching)

    @property
    def surroundings(self) -> Surroundings:
        """Whole rows of the same times."""
        return self._near

    def drop_hopeless(self) -> None:
        """Let go of events that no inner correlation can count, because their group has not enough of them."""
        for number, part in enumerate(self._parts):
            if part.inner is not None:
                enough = f"{_most('inner_value', part.inner.values)} >= {part.inner.threshold}"
                some = _in_groups(self._held[number], _numbered("inner_group", part.inner.keys), enough)
                self._near.keep(f"hopeful_{number}", f"SELECT * FROM {self._held[number]} e WHERE {some}")
                self._held[number] = f"hopeful_{number}"

    def groups_of(self, number: int) -> set[Key]:
        """Return the groups that have events of a part."""
        return self._keys(number, "true", "")

    def groups_with(self, least: int, window: timedelta) -> set[Key]:
        """Return the groups of the only part that have so many events in some window, and as many different values
        among all their events, where values are counted."""
        (part,) = self._parts
        names = _numbered("group", part.keys)
        enough = f"{_most('value', part.values)} >= {least}"
        various = _in_groups(self._held[0], names, enough) if part.values else "true"
        over = f"PARTITION BY {', '.join(f'e.{name}' for name in names)} " if names else ""
        span = f"{int(window.total_seconds())} SECONDS"
        busy = f"count(*) OVER ({over}ORDER BY e.event_time RANGE INTERVAL {span} PRECEDING) >= {least}"
        return self._keys(0, various, f" QUALIFY {busy}")

    def _keys(self, number: int, where: str, after: str) -> set[Key]:
        names = _numbered("group", self._parts[number].keys)
        select = ", ".join(f"e.{name}" for name in names) or "1 AS one"
        rows = self._near.ask(f"SELECT DISTINCT {select} FROM {self._held[number]} e WHERE {where}{after}")
        return {key_of(row, len(names)) for row in rows}

    def groups(self, wanted: Collection[Key]) -> Mapping[Key, list[Row]]:
        """Return the events of these groups in order of time: one row for each part an event is of, with `part` its
        number, `value` what is counted of it, and what is held of it (`Part.columns`)."""
        groups: dict[Key, list[Row]] = {}
        size = len(self._parts[0].keys)
        self._near.register("wanted_groups", _table([{f"group_{n}": v for n, v in enumerate(k)} for k in wanted], size))
        same = " AND ".join(f"w.{name} IS NOT DISTINCT FROM e.{name}" for name in _numbered("group", range(size)))
        where = f"EXISTS (SELECT 1 FROM wanted_groups w WHERE {same or 'true'})"
        for number, part in enumerate(self._parts):
            values = _numbered("value", part.values)
            for row in self._near.ask(f"SELECT * FROM {self._held[number]} e WHERE {where}"):
                row["part"], row["value"] = number, tuple([row[name] for name in values])
                groups.setdefault(key_of(row, size), []).append(row)
        for rows in groups.values():
            rows.sort(key=lambda row: (row["event_time"], row["event_id"], row["part"]))
        return groups


def key_of(row: Row, size: int) -> Key:
    """Return the group of a row with the columns `group_0` and so on."""
    return tuple([row[f"group_{n}"] for n in range(size)])


def _numbered(name: str, fields: Collection[Any]) -> list[str]:
    return [f"{name}_{n}" for n in range(len(fields))]


def _most(name: str, fields: Sequence[str]) -> str:
    """Return the aggregate of how much a count over all events of a group can be: of several fields the number of
    events, for the number of their combinations has no words that every engine knows."""
    return f"count(DISTINCT {name}_0)" if len(fields) == 1 else "count(*)"


def _in_groups(held: str, names: Sequence[str], enough: str) -> str:
    """Return the condition that an event lies in a group of which an aggregate holds."""
    keys = ", ".join(names)
    same = " AND ".join(f"g.{name} IS NOT DISTINCT FROM e.{name}" for name in names) or "true"
    grouped = f"SELECT {keys or '1 AS one'} FROM {held}{f' GROUP BY {keys}' if keys else ''} HAVING {enough}"
    return f"EXISTS (SELECT 1 FROM ({grouped}) g WHERE {same})"


def _table(rows: Sequence[Row], size: int) -> pa.Table:
    times = [name for name in ("low", "high") if rows and name in rows[0]]
    moments: Mapping[str, list[datetime]] = {name: [row[name] for row in rows] for name in times}
    if not size and not times:
        return pa.table({"one": pa.array([1] * len(rows), pa.int32())})
    return pa.table({
        **{name: pa.array([row[name] for row in rows], pa.string()) for name in _numbered("group", range(size))},
        **{name: pa.array(found, UTC_MICROSECONDS) for name, found in moments.items()},
    })  # fmt: skip
