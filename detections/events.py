"""The events a detection may see: the new rows of a slice, and the judged rows around them."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any, Final, TypeVar

import pyarrow as pa

from detections.actions import Actions
from detections.context import Context
from detections.fields import DERIVED
from storage.query import CHUNK_ROWS, Relations, Slice, Span

T = TypeVar("T")

_HISTORY: Final = "judged_events"
_NEW: Final = "new_events"
# Each slice has a view of its own, for several may be asked in turn on one reader.
_UNREAD: Final = (f"unread_events_{number}" for number in count())

# Rows that are shared are held in memory, at about 1 KB each: opening and decoding their files anew costs a detection
# more than its own question. A commit of more rows than a pass should judge is read from its files.
_HELD_ROWS: Final = 2 * CHUNK_ROWS


class NewEvents:
    """One slice of new events, or those of a span of history, as relations named in SQL after `FROM`.

    Both have the columns of `events`, the derived fields, `is_new` and `late`; alias them `e` for compiled predicates.
    """

    def __init__(
        self, reader: Relations, part: Slice | Span, context: Context, *, lateness: timedelta, shared: bool = False
    ) -> None:
        """`shared` says that several detections will ask for the new rows."""
        self.context = context
        self._reader = reader
        self._part = part
        self._lateness = lateness
        self._actions: Actions | None = None
        self._kept: dict[str, Any] = {}
        for name, table in context.tables().items():
            reader.register(name, table)
        unread = next(_UNREAD)
        reader.view(unread, part, part.files, lateness=lateness, derived=DERIVED)
        self._new = _NEW if shared and part.rows <= _HELD_ROWS else unread
        if self._new == _NEW:
            reader.hold(_NEW, f"SELECT * FROM {unread} e WHERE e.is_new")

    @property
    def rows(self) -> int:
        """How many new rows there are."""
        return self._part.rows

    def register(self, name: str, table: pa.Table) -> None:
        """Give SQL a table to refer to, in place of one of that name."""
        self._reader.register(name, table)

    def new(self, select: str, where: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Run `SELECT {select} FROM new events e WHERE new AND ({where})`; rows as dicts, times aware UTC."""
        return self._fetch(f"SELECT {select} FROM {self._new} e WHERE e.is_new AND ({where})", parameters)

    def grouped(self, select: str, where: str, group_by: str) -> list[dict[str, Any]]:
        """The same with a GROUP BY."""
        return self._fetch(f"SELECT {select} FROM {self._new} e WHERE e.is_new AND ({where}) GROUP BY {group_by}", ())

    def actions(self) -> Actions:
        """Return the control-plane actions that new records are about; asked for once, however many detections ask."""
        if self._actions is None:
            self._actions = Actions(self._reader, self._part, self._fetch, lateness=self._lateness, derived=DERIVED)
        return self._actions

    def kept(self, name: str, make: Callable[[], T]) -> T:
        """Return what was made under a name for as long as these events are judged; `make` it where nothing was."""
        if name not in self._kept:
            self._kept[name] = make()
        found: T = self._kept[name]
        return found

    def near(self, spans: Sequence[tuple[datetime, datetime]]) -> "Surroundings":
        """Return the judged and new rows between the first and last moment of `spans`, both included.

        Only files of dates that some span touches are read: rows in a gap between spans may be missing.
        """
        first, last = min(low for low, _ in spans), max(high for _, high in spans)
        dates = {day for low, high in spans for day in _dates(low, high)}
        files = [file for file in self._reader.snapshot.files if file.date in dates]
        self._reader.view(_HISTORY, self._part, files, lateness=self._lateness, derived=DERIVED)
        return Surroundings(self._reader, first, last)

    def _fetch(self, sql: str, parameters: Sequence[Any]) -> list[dict[str, Any]]:
        return _fetched(self._reader, sql, parameters)


class Surroundings:
    """Judged and new rows of some times. The next call of `NewEvents.near` replaces it."""

    def __init__(self, reader: Relations, first: datetime, last: datetime) -> None:
        self._reader = reader
        self._bounds = (first, last)

    def register(self, name: str, table: pa.Table) -> None:
        """Give SQL a table to refer to, in place of one of that name."""
        self._reader.register(name, table)

    def rows(self, select: str, where: str, *, qualify: str = "", group_by: str = "") -> list[dict[str, Any]]:
        """Run `SELECT {select} FROM rows e WHERE {where} GROUP BY {group_by} QUALIFY {qualify}`; rows as dicts, times
        aware UTC."""
        after = (f" GROUP BY {group_by}" if group_by else "") + (f" QUALIFY {qualify}" if qualify else "")
        sql = f"SELECT {select} FROM {_HISTORY} e WHERE e.event_time BETWEEN $1 AND $2 AND ({where}){after}"
        return _fetched(self._reader, sql, self._bounds)


def _fetched(reader: Relations, sql: str, parameters: Sequence[Any]) -> list[dict[str, Any]]:
    table = reader.query(sql, parameters)
    return [{name: _utc(value) for name, value in row.items()} for row in table.to_pylist()]


def _utc(value: Any) -> Any:
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def _dates(first: datetime, last: datetime) -> list[date]:
    start = first.astimezone(UTC).date()
    return [start + timedelta(days=n) for n in range((last.astimezone(UTC).date() - start).days + 1)]
