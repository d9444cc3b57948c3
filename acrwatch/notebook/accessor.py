"""`df.acr`: what investigators ask of a frame of events. Importing this module registers it.

Every answer is a new frame or chart; the frame itself stays as it is. Columns are those of `Client.events`; one that a
question needs and the frame lacks is an AttributeError that names it; one that is there twice, or holds what cannot be
counted, is a ConfigError.
"""

from collections.abc import Sequence
from datetime import timedelta
from os import PathLike
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from acrwatch.core.errors import ConfigError
from acrwatch.core.setting import duration
from acrwatch.notebook.frames import TEXT
from acrwatch.notebook.questions import failures, names_of, needed, rows

if TYPE_CHECKING:
    from altair import Chart, LayerChart

_WHO: Final = ("registry", "identity")
_SUBJECT: Final = (*_WHO, "caller_ip")
_COMPARED: Final = ("registry", "identity", "caller_ip", "operation", "repository", "digest", "user_agent")


@pd.api.extensions.register_dataframe_accessor("acr")
class Acr:
    """Questions to a frame of events."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = frame

    def timeline(self, by: str = "operation") -> "LayerChart":
        """Draw the number of events over time, by the values of a column. Needs the extra `charts`."""
        from acrwatch.notebook import charts

        return charts.timeline(self._rows("event_time", by), by=by)

    def heatmap(self, a: str, b: str) -> "Chart":
        """Draw how many events each pair of values of two columns has. Needs the extra `charts`."""
        from acrwatch.notebook import charts

        return charts.heatmap(self._rows(a, b), a, b)

    def by_identity(self) -> pd.DataFrame:
        """Return one row for each identity of each registry, the busiest first.

        `events`, `failed` (without a 2xx status), `first_seen`, `last_seen`, distinct `addresses` and `repositories`,
        and a column for each operation that occurs.
        """
        frame = self._rows(*_WHO, "event_time", "succeeded", "operation", "caller_ip", "repository")
        found = _tallied(frame, _WHO, ("caller_ip", "repository"))
        return found.sort_values("events", ascending=False, kind="stable", ignore_index=True)

    def first_seen(self, a: str, b: str) -> pd.DataFrame:
        """Return when each value of `b` first came up with each of `a`, the newest first: what is new to whom.

        `events` and `last_seen` of the pair; `after` is how long `a` had been seen before in this frame. A pair that is
        as old as its `a` has 0: the frame knows no time before it.
        """
        if a == b:
            raise ConfigError(
                f"first_seen was given {a!r} twice", remedy="Name two columns, such as identity, caller_ip"
            )
        both = names_of((a, b), "first_seen", answer=(*_TIMES, "events", "after"))
        pairs = _counted(self._rows(*both, "event_time"), both)
        pairs["after"] = pairs["first_seen"] - pairs.groupby(a, observed=True, dropna=False)["first_seen"].transform(
            "min"
        )
        return pairs.sort_values("first_seen", ascending=False, kind="stable", ignore_index=True)

    def rare(self, column: str, n: int = 20) -> pd.DataFrame:
        """Return the `n` values of a column with the fewest events, the rarest first.

        `events`, `share` of all events, `first_seen`, `last_seen`, and how many `identities` it occurs with.
        """
        one = names_of(column, "column", answer=(*_TIMES, "events", "share", "identities"))
        frame = self._rows(*one, "event_time", "identity")
        found = _counted(frame, one, identities=("identity", "nunique"))
        found.insert(1, "share", found["events"] / max(len(frame), 1))
        return found.sort_values(
            ["events", "last_seen"], ascending=[True, False], kind="stable", ignore_index=True
        ).head(n)

    def sessions(self, gap: str = "30min", by: str | Sequence[str] = _SUBJECT) -> pd.DataFrame:
        """Return stretches of activity in order of time: one ends where its subject pauses for longer than `gap`.

        Of each: the subject (the column or columns `by`), `events`, `failed`, `first_seen`, `last_seen`, `duration`,
        the number of `repositories`, and a column for each operation that occurs.
        """
        pause = _pause(gap)
        named = names_of(by, "by", answer=(*_TIMES, "events", "failed", "duration", "repositories", "_session"))
        frame = self._rows(*named, "event_time", "succeeded", "operation", "repository")
        frame = frame.sort_values("event_time", kind="stable")
        subject = _grouped(frame, named)
        since = subject["event_time"].diff()
        frame = frame.assign(_session=(since.isna() | (since > pause)).groupby(subject.ngroup()).cumsum())
        found = _tallied(frame, (*named, "_session"), ("repository",)).drop(columns="_session")
        found.insert(found.columns.get_loc("last_seen") + 1, "duration", found["last_seen"] - found["first_seen"])
        return found.sort_values("first_seen", kind="stable", ignore_index=True)

    def enrich_ip(
        self, *, mmdb: str | PathLike[str] | None = None, asn: str | PathLike[str] | None = None
    ) -> pd.DataFrame:
        """Return the frame with what offline .mmdb files know of `caller_ip`.

        `mmdb` (City or Country) adds `country`, `city`, `latitude`, `longitude`; `asn` adds `asn`, `as_organization`.
        No network is asked. Needs the extra `geoip`. Raises ConfigError.
        """
        from acrwatch.notebook.enriching import enriched

        return enriched(needed(self._frame, ("caller_ip",)), mmdb=mmdb, asn=asn)

    def diff(self, other: pd.DataFrame, columns: str | Sequence[str] = _COMPARED) -> pd.DataFrame:
        """Return which values occur in this frame and not in `other` ("new"), or there and not here ("gone").

        For each: `column`, `value`, `change`, and in the frame that has it `events`, `first_seen`, `last_seen`; those
        with most events first. Without `columns`, of those that people compare, all that both frames have.
        """
        if columns is _COMPARED:
            columns = [name for name in columns if name in self._frame.columns and name in other.columns]
        chosen = names_of(columns, "columns", answer=(*_TIMES, "events", "column", "value", "change"))
        here, there = (rows(one, ("event_time", *chosen)) for one in (self._frame, other))
        parts = [
            part for name in chosen for part in (_only(here, there, name, "new"), _only(there, here, name, "gone"))
        ]
        found = pd.concat(parts, ignore_index=True)
        return found.sort_values("events", ascending=False, kind="stable", ignore_index=True)

    def _rows(self, *columns: str) -> pd.DataFrame:
        return rows(self._frame, columns)


_TIMES: Final = {"first_seen": ("event_time", "min"), "last_seen": ("event_time", "max")}
_PLURAL: Final = {"caller_ip": "addresses", "repository": "repositories"}


def _grouped(frame: pd.DataFrame, by: Sequence[str]) -> Any:
    """Group without the combinations that do not occur, and with what has no value."""
    return frame.groupby(list(by), observed=True, dropna=False, sort=False)


def _counted(frame: pd.DataFrame, by: Sequence[str], **more: tuple[str, str]) -> pd.DataFrame:
    """Return one row for each group: first_seen, last_seen, events, and more."""
    return _grouped(frame, by).agg(**_TIMES, events=("event_time", "size"), **more).reset_index()


def _tallied(frame: pd.DataFrame, by: Sequence[str], distinct: Sequence[str]) -> pd.DataFrame:
    """Return one row for each group: events, failed, first_seen, last_seen, distinct values, events by operation.

    All by sums over columns: a function called for each of 100,000 groups takes half a minute.
    """
    operations = sorted(frame["operation"].dropna().unique())
    marks = {f"_{number}": frame["operation"] == name for number, name in enumerate(operations)}
    counted = frame[list(dict.fromkeys((*by, "event_time", *distinct)))].assign(_failed=failures(frame), **marks)
    found = _grouped(counted, by).agg(
        events=("event_time", "size"),
        failed=("_failed", "sum"),
        **_TIMES,
        **{_PLURAL[name]: (name, "nunique") for name in distinct},
        **{mark: (mark, "sum") for mark in marks},
    )
    found = found.reset_index()
    taken = {*found.columns, "duration"}
    names = [f"operation {name}" if name in taken else name for name in operations]
    return found.rename(columns=dict(zip(marks, names, strict=True)))


def _only(here: pd.DataFrame, there: pd.DataFrame, column: str, change: str) -> pd.DataFrame:
    """Return the values of a column that occur here and not there."""
    alone = here[here[column].notna() & ~here[column].isin(there[column].unique())]
    found = _grouped(alone, (column,)).agg(events=("event_time", "size"), **_TIMES).reset_index()
    found = found.rename(columns={column: "value"}).assign(value=lambda rows: rows["value"].astype(TEXT))
    found.insert(0, "column", column)
    found.insert(2, "change", change)
    return found


def _pause(gap: str) -> timedelta:
    try:
        pause: timedelta = pd.Timedelta(duration(gap.removesuffix("in")))
    except (ValueError, AttributeError, OverflowError):
        raise ConfigError(f"gap={gap!r} is no pause", remedy="Pass a span of time such as 30min or 2h") from None
    return pause
