"""How far each detection has judged, and what its runs did."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, delete, func, insert, select, update

from acrwatch.core.errors import ConflictError
from storage.lake.snapshot import Hint
from storage.state.tables import cursors, runs

SUCCEEDED: Final = "succeeded"
FAILED: Final = "failed"

# Runs that judged something and failed ones are kept this long; runs without new events leave no row.
_KEEP: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Cursor:
    """The vector of source positions up to which a detection has judged. `hint` only finds new files fast."""

    detection: str
    generation: int
    positions: Mapping[str, int]
    hint: Hint | None
    rule_version: str
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a detection over one slice."""

    detection: str
    rule_version: str
    started_at: datetime
    finished_at: datetime
    outcome: str
    new_events: int
    matched: int = 0
    unjudged: int = 0
    alerts_created: int = 0
    alerts_updated: int = 0
    error: str | None = None


def load(connection: Connection) -> dict[str, Cursor]:
    """Return every detection's cursor."""
    return {row["detection"]: _cursor(row) for row in connection.execute(select(cursors)).mappings()}


def _cursor(row: Mapping[Any, Any]) -> Cursor:
    hint = None if row["lake_version"] is None else Hint(row["lake_version"], row["lake_entry"])
    return Cursor(row["detection"], row["generation"], row["positions"], hint, row["rule_version"], row["updated_at"])


def start(
    connection: Connection, versions: Mapping[str, str], head: Callable[[], Mapping[str, int]], *, now: datetime
) -> dict[str, Cursor]:
    """Give every detection (slug to rule version) a cursor, and return the new ones that begin at the head.

    The first detections of an installation begin at the beginning; one added later begins at the head, which `head`
    returns: it does not raise alerts about a past that others judged long ago.
    """
    known = load(connection)
    missing = [slug for slug in versions if slug not in known]
    positions = dict(head()) if known and missing else {}
    for slug in missing:
        connection.execute(
            insert(cursors).values(
                detection=slug,
                generation=0,
                positions=positions,
                lake_version=None,
                lake_entry=None,
                rule_version=versions[slug],
                updated_at=now,
            )
        )
    added = load(connection)
    return {slug: added[slug] for slug in missing} if known else {}


def advance(
    connection: Connection,
    cursor: Cursor,
    positions: Mapping[str, int],
    hint: Hint | None,
    *,
    version: str,
    now: datetime,
) -> None:
    """Move a cursor on, by compare-and-swap: raises ConflictError when another run moved it since it was read."""
    moved = connection.execute(
        update(cursors)
        .where(cursors.c.detection == cursor.detection, cursors.c.generation == cursor.generation)
        .values(
            generation=cursor.generation + 1,
            positions=dict(positions),
            lake_version=None if hint is None else hint.version,
            lake_entry=None if hint is None else hint.entry,
            rule_version=version,
            updated_at=now,
        )
    )
    if moved.rowcount != 1:
        raise ConflictError(f"Another run of {cursor.detection} judged these events first")


def record(connection: Connection, run: Run) -> None:
    """Keep what a run did; forget runs older than 30 days of the same detection."""
    connection.execute(insert(runs).values(**{name: getattr(run, name) for name in Run.__slots__}))
    connection.execute(
        delete(runs).where(runs.c.detection == run.detection, runs.c.finished_at < run.finished_at - _KEEP)
    )


def latest(connection: Connection) -> dict[str, Run]:
    """Return each detection's last recorded run."""
    newest = select(func.max(runs.c.id)).group_by(runs.c.detection).scalar_subquery()
    rows = connection.execute(select(runs).where(runs.c.id.in_(newest))).mappings()
    return {row["detection"]: Run(**{name: row[name] for name in Run.__slots__}) for row in rows}


def unjudged(connection: Connection, *, since: datetime) -> dict[str, int]:
    """Return how many events each detection could not judge since a moment; detections without any are left out."""
    rows = connection.execute(
        select(runs.c.detection, func.sum(runs.c.unjudged))
        .where(runs.c.finished_at >= since)
        .group_by(runs.c.detection)
    )
    return {slug: int(total) for slug, total in rows if total}
