"""The events a detection may see: the new rows of a slice, and the judged rows around them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any, Final, TypeVar

import pyarrow as pa

from detections.actions import Actions
from detections.binding import bound
from detections.context import Context
from detections.fields import DERIVED
from storage.lake.snapshot import LakeFile
from storage.query import CHUNK_ROWS, Relations, Slice, Span, moment

T = TypeVar("T")

# Each slice has relations of its own, for several may be asked in turn on one reader.
_NUMBERS: Final = count()

# Rows that are shared are held in memory, at about 1 KB each: opening and decoding their files anew costs a detection
# more than its own question. A commit of more rows than a pass should judge is read from its files.
HELD_ROWS: Final = 2 * CHUNK_ROWS


class NewEvents:
    """One slice of new events, or those of a span of history, as relations named in SQL after `FROM`.

    Both have the columns of `events`, the derived fields, `is_new` and `late`; alias them `e` for compiled predicates.
    """

    def __init__(
        self,
        reader: Relations,
        part: Slice | Span,
        context: Context,
        *,
        lateness: timedelta,
        asked: Collection[str] | None = None,
    ) -> None:
        """`asked` are the conditions by which several detections will ask for the new rows (`Detection.asks`). Each is
        put to every row once, here: asking by one that no row meets then costs nothing, by another hardly more than
        the rows. None says that one detection will ask, which reads from the files what it needs.

        Raises StoreError when a condition fails, whosever it is.
        """
        self.context = context
        self._reader = reader
        self._part = part
        self._lateness = lateness
        self._actions: Actions | None = None
        self._kept: dict[str, Any] = {}
        self._near: Sequence[LakeFile] | None = None
        self._answers: Mapping[str, _Answer] = {}
        for name, table in context.tables().items():
            reader.register(name, table)
        number = next(_NUMBERS)
        self._new, self._held, self._judged = f"unread_{number}", f"new_events_{number}", f"judged_events_{number}"
        reader.view(self._new, part, part.files, lateness=lateness, derived=DERIVED)
        if asked is not None:
            self._hold(list(dict.fromkeys(asked)))

    def _hold(self, asked: Sequence[str]) -> None:
        columns = [f"asked_{number}" for number in range(len(asked))]
        put = "".join(f", ({where}) AS {column}" for column, where in zip(columns, asked, strict=True))
        self._reader.hold(self._held, bound(f"SELECT *{put} FROM {self._new} e WHERE e.is_new", self.context))
        self._new = self._held
        if asked:
            counts = ", ".join(f"count(*) FILTER ({column}) AS {column}" for column in columns)
            (found,) = self._reader.rows(f"SELECT {counts} FROM {self._new}")
            self._answers = {w: _Answer(f"e.{c}", found[c]) for c, w in zip(columns, asked, strict=True)}

    @property
    def rows(self) -> int:
        """How many new rows there are."""
        return self._part.rows

    def register(self, name: str, table: pa.Table) -> None:
        """Give SQL a table to refer to, in place of one of that name."""
        self._reader.register(name, table)

    def new(self, select: str, where: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Run `SELECT {select} FROM new events e WHERE new AND ({where})`; rows as dicts, times aware UTC.

        `select` speaks of single rows: see `grouped` and `count`.
        """
        return self._of_new(select, where, "", parameters)

    def grouped(self, select: str, where: str, group_by: str) -> list[dict[str, Any]]:
        """The same with a GROUP BY."""
        return self._of_new(select, where, f" GROUP BY {group_by}")

    def count(self, where: str, parameters: Sequence[Any] = ()) -> int:
        """Return how many new events meet a condition."""
        if where in self._answers:
            return self._answers[where].rows
        return int(self._of_new("count(*) AS n", where, "", parameters)[0]["n"])

    def _of_new(self, select: str, where: str, after: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        answer = self._answers.get(where)
        if answer is not None and not answer.rows:
            return []
        met = f"({where})" if answer is None else answer.column
        return self._fetch(f"SELECT {select} FROM {self._new} e WHERE e.is_new AND {met}{after}", parameters)

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
        if files != self._near:  # to define a view opens its files
            self._reader.view(self._judged, self._part, files, lateness=self._lateness, derived=DERIVED)
            self._near = files
        return Surroundings(self._reader, self.context, self._judged, first, last)

    def _fetch(self, sql: str, parameters: Sequence[Any]) -> list[dict[str, Any]]:
        return self._reader.rows(bound(sql, self.context), parameters)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the new rows answered to a condition: the column that has it, and the number of rows that meet it."""

    column: str
    rows: int


class Surroundings:
    """Judged and new rows of some times. The next call of `NewEvents.near` replaces it, but not what it holds."""

    def __init__(self, reader: Relations, context: Context, view: str, first: datetime, last: datetime) -> None:
        self._reader = reader
        self._view = view
        self._context = context
        self._within = f"e.event_time BETWEEN {moment(first)} AND {moment(last)}"

    def register(self, name: str, table: pa.Table) -> None:
        """Give SQL a table to refer to, in place of one of that name."""
        self._reader.register(name, table)

    def rows(self, select: str, where: str, *, group_by: str = "") -> list[dict[str, Any]]:
        """Run `SELECT {select} FROM rows e WHERE {where} GROUP BY {group_by}`; rows as dicts, times aware UTC."""
        after = f" GROUP BY {group_by}" if group_by else ""
        return self.ask(f"SELECT {select} FROM {self._view} e WHERE {self._within} AND ({where}){after}")

    def hold(self, name: str, select: str, where: str) -> None:
        """Keep `SELECT {select} FROM rows e WHERE {where}` under a name, in place of what had it."""
        self.keep(name, f"SELECT {select} FROM {self._view} e WHERE {self._within} AND ({where})")

    def keep(self, name: str, sql: str) -> None:
        """Keep what a SELECT over what is held gives, under another name, in place of what had it."""
        self._reader.hold(name, bound(sql, self._context))

    def ask(self, sql: str) -> list[dict[str, Any]]:
        """Run one SELECT over what is held; rows as dicts, times aware UTC."""
        return self._reader.rows(bound(sql, self._context))


def _dates(first: datetime, last: datetime) -> list[date]:
    start = first.astimezone(UTC).date()
    return [start + timedelta(days=n) for n in range((last.astimezone(UTC).date() - start).days + 1)]
