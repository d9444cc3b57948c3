"""The control-plane actions that new records are about, each with all its judged records.

Azure logs one action as several records (Start, Accept, Success or Failure), of which the first tends to hold what was
asked for and the last whether it was done. They share a correlation id and may arrive in any order and in several
slices, so a record is judged in the light of all the others, and anew when one of them comes.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from itertools import count
from typing import Any, Final, TypeAlias

from storage.activity import ACTIVITY, COLUMNS
from storage.query import Relations, Slice, Span

# Records of one action further apart than this are not taken together; an import of large images takes hours.
SPAN: Final = timedelta(hours=6)

_INTERVAL: Final = f"INTERVAL {int(SPAN.total_seconds())} SECONDS"
_ACTION: Final = (
    f"OVER (PARTITION BY {COLUMNS['action']}, lower(e.operation_name), lower(e.resource_id) ORDER BY e.event_time "
    f"RANGE BETWEEN {_INTERVAL} PRECEDING AND {_INTERVAL} FOLLOWING)"
)

# What all records of an action say together.
OF_ACTION: Final[Mapping[str, str]] = {
    "done": f"bool_or(e.succeeded) {_ACTION}",
    "request_known": f"bool_or({COLUMNS['request']} IS NOT NULL) {_ACTION}",
}

# Each slice has views of its own, for several may be asked in turn on one reader.
_NUMBERS: Final = count()

Fetch: TypeAlias = Callable[[str, Sequence[Any]], list[dict[str, Any]]]
"""Runs one SELECT with parameters; rows as dicts, times aware UTC."""


class Actions:
    """Judged and new records of every action that a slice has new records of; `any` tells whether there are some."""

    def __init__(
        self, reader: Relations, part: Slice | Span, fetch: Fetch, *, lateness: timedelta, derived: Mapping[str, str]
    ) -> None:
        self._reader = reader
        self._part = part
        self._fetch = fetch
        self._lateness = lateness
        self._derived = {**derived, **COLUMNS, **OF_ACTION}
        named = {"action": COLUMNS["action"]}
        number = next(_NUMBERS)
        self._fresh, self._known, self._judged = (f"{kind}_activity_{number}" for kind in ("new", "known", "judged"))
        self._defined: set[str] = set()
        reader.view(self._fresh, part, part.files, lateness=lateness, derived=named, where=ACTIVITY)
        self._days = [
            row["event_date"] for row in fetch(f"SELECT DISTINCT event_date FROM {self._fresh} WHERE is_new", ())
        ]
        self.any = bool(self._days)

    def rows(self, select: str, where: str) -> list[dict[str, Any]]:
        """Run `SELECT {select} FROM records e WHERE {where}` over all judged and new records of those actions."""
        return self._of_touched(self._known, self._part, select, where)

    def before(self, select: str, where: str) -> list[dict[str, Any]]:
        """The same as it was before this slice: without its new records."""
        return self._of_touched(self._judged, _judged_of(self._part), select, where)

    def _of_touched(self, view: str, part: Slice | Span, select: str, where: str) -> list[dict[str, Any]]:
        if view not in self._defined:  # once for all rules: to define one takes Spark longer than to answer
            near = _around(self._days)
            files = [file for file in self._reader.snapshot.files if file.date in near]
            self._reader.view(view, part, files, lateness=self._lateness, derived=self._derived, where=ACTIVITY)
            self._defined.add(view)
        touched = f"e.action IN (SELECT action FROM {self._fresh} WHERE is_new)"
        return self._fetch(f"SELECT {select} FROM {view} e WHERE ({where}) AND {touched}", ())


def _judged_of(part: Slice | Span) -> Slice | Span:
    """Return the same without its new rows."""
    return replace(part, upto=part.judged) if isinstance(part, Slice) else replace(part, until=part.since)


def _around(days: Iterable[date]) -> Sequence[date]:
    """Return these dates and their neighbours: what records of an action, and what those hang on, can lie on."""
    return [day + timedelta(days=n) for day in days for n in (-1, 0, 1)]
