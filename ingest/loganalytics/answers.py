"""Judges an answer before anything of it counts: how far reading is follows from its rows, and from their absence.

So no rows is said only by a table that has the columns we asked for; and of rows each lies in the window asked for, in
the order asked for. What is not so answers another question than ours, whoever gave it.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, Final

from acrwatch.core.errors import RemoteUnreachableError
from ingest.loganalytics.query import TAKEN, Answer, Query

_TIME: Final = "TimeGenerated"
# What every question of ours names: by one of them it is ordered.
_ASKED_FOR: Final = ((_TIME, "datetime"), (TAKEN, "datetime"))
_TEXT_OF_ABSENT: Final = ("guid", "timespan")
_REMEDY: Final = (
    "Check the endpoint, and what stands before it; nothing of this answer was taken, and reading goes on where it was"
)


def answer_of(tables: Iterable[Any] | None, query: Query, where: str) -> Answer:
    """Return the rows that a query asked for, of what the client found in its answer.

    Raises RemoteUnreachableError where it is no answer to that query. `where` names who gave it.
    """
    table = _table(list(tables or ()), where)
    kinds = table.columns_types
    texts = [place for place, kind in enumerate(kinds) if kind in _TEXT_OF_ABSENT]
    rows = []
    for row in table.rows:
        values = list(row)
        if len(values) != len(kinds):
            raise useless(where, f"gives a row of {len(values)} values under {len(kinds)} columns")
        for place in texts:
            if values[place] == "None":
                values[place] = None
        rows.append(tuple(values))
    _check_window(_column(table, rows, _TIME), (query.begin, query.end), _TIME, where)
    if query.taken is not None:
        _check_window(_column(table, rows, TAKEN), query.taken, TAKEN, where)
    by = _TIME if query.taken is None else TAKEN
    if any(after < before for before, after in pairwise(_column(table, rows, by))):
        raise useless(where, f"gives rows that are not in the order of {by}")
    return Answer(tuple(table.columns), tuple(rows))


def useless(where: str, what: str) -> RemoteUnreachableError:
    """Return the error for an answer that does not answer the question; `what` goes on from "where"."""
    return RemoteUnreachableError(f"{where} {what}, which is no answer to our query", remedy=_REMEDY)


def _table(tables: Sequence[Any], where: str) -> Any:
    """Return the one table that has the columns asked for: PrimaryResult, as the service calls it."""
    found = [one for one in tables if set(zip(one.columns, one.columns_types, strict=True)).issuperset(_ASKED_FOR)]
    if len(found) == 1:
        return found[0]
    names = ", ".join(repr(one.name) for one in tables) or "none"
    wanted = " and ".join(name for name, _ in _ASKED_FOR)
    raise useless(where, f"gives {len(found) or 'no'} tables with the times {wanted} (tables: {names[:200]})")


def _column(table: Any, rows: Sequence[tuple[Any, ...]], name: str) -> list[Any]:
    place = table.columns.index(name)
    return [row[place] for row in rows]


def _check_window(moments: Iterable[Any], window: tuple[datetime, datetime], name: str, where: str) -> None:
    begin, end = window
    for moment in moments:
        if not isinstance(moment, datetime) or moment.tzinfo is None or not begin <= moment < end:
            asked = f"from {begin.isoformat()} up to {end.isoformat()}"
            raise useless(where, f"gives a row with {name} {str(moment)[:100]!r} where rows {asked} were asked for")
