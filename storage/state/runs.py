"""How far each detection has judged, and what its runs did."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, case, func, insert, select, tuple_, update

from acrwatch.core.masking import mask
from storage.lake.snapshot import Hint
from storage.state.dialect import insert as insert_if_new
from storage.state.tables import cursors, runs

SUCCEEDED: Final = "succeeded"
FAILED: Final = "failed"


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


def start_first(connection: Connection, versions: Mapping[str, str], *, now: datetime) -> None:
    """Let the first detections of an installation (slug to rule version) begin at the beginning.

    Changes nothing where any detection has a cursor already.
    """
    if not load(connection):
        for slug, version in versions.items():
            start_at(connection, slug, {}, None, version=version, now=now)


def start_at(
    connection: Connection,
    slug: str,
    positions: Mapping[str, int],
    hint: Hint | None,
    *,
    version: str,
    now: datetime,
) -> bool:
    """Let one detection begin at these positions; return False where another process gave it a cursor first."""
    row = {"detection": slug, "generation": 0, "positions": dict(positions), "rule_version": version, "updated_at": now}
    place: dict[str, Any] = {"lake_version": None, "lake_entry": None}
    if hint is not None:
        place = {"lake_version": hint.version, "lake_entry": hint.entry}
    statement = insert_if_new(connection, cursors).values(**row, **place).on_conflict_do_nothing()
    # Not by rowcount: for an INSERT on PostgreSQL SQLAlchemy does not keep it.
    return connection.execute(statement.returning(cursors.c.detection)).first() is not None


def advance(
    connection: Connection,
    moved: Sequence[tuple[Cursor, str]],
    positions: Mapping[str, int],
    hint: Hint | None,
    *,
    now: datetime,
) -> set[str]:
    """Move cursors on to one place, each by compare-and-swap, and return the detections whose cursor moved.

    `moved` has each cursor with the version of its rule. Another run was first with those that did not move since they
    were read: what they were to judge is judged.
    """
    stood = [(cursor.detection, cursor.generation) for cursor, _ in moved]
    changed = connection.execute(
        update(cursors)
        .where(tuple_(cursors.c.detection, cursors.c.generation).in_(stood))
        .values(
            generation=cursors.c.generation + 1,
            positions=dict(positions),
            lake_version=None if hint is None else hint.version,
            lake_entry=None if hint is None else hint.entry,
            rule_version=case({cursor.detection: version for cursor, version in moved}, value=cursors.c.detection),
            updated_at=now,
        )
        .returning(cursors.c.detection)
    )
    return set(changed.scalars())


def record(connection: Connection, *done: Run) -> None:
    """Keep what runs did, until `storage.state.purging` forgets it; runs without new events leave no row."""
    rows = [{name: getattr(run, name) for name in Run.__slots__} for run in done]
    connection.execute(insert(runs), [row | {"error": row["error"] and mask(row["error"])} for row in rows])


def latest(connection: Connection) -> dict[str, Run]:
    """Return each detection's last recorded run."""
    newest = select(func.max(runs.c.id)).group_by(runs.c.detection).scalar_subquery()
    rows = connection.execute(select(runs).where(runs.c.id.in_(newest))).mappings()
    return {row["detection"]: Run(**{name: row[name] for name in Run.__slots__}) for row in rows}


def unjudged(connection: Connection, *, since: datetime, until: datetime | None = None) -> dict[str, int]:
    """Return how many events each detection could not judge since a moment, or until before another; detections without
    any are left out."""
    query = select(runs.c.detection, func.sum(runs.c.unjudged)).where(runs.c.finished_at >= since)
    if until is not None:
        query = query.where(runs.c.finished_at < until)
    rows = connection.execute(query.group_by(runs.c.detection))
    return {slug: int(total) for slug, total in rows if total}


def failures(connection: Connection, since: datetime, until: datetime) -> dict[str, int]:
    """Return how many runs of each detection failed from `since` until before `until`."""
    within = runs.c.outcome == FAILED, runs.c.finished_at >= since, runs.c.finished_at < until
    query = select(runs.c.detection, func.count()).where(*within).group_by(runs.c.detection).order_by(runs.c.detection)
    return {slug: int(number) for slug, number in connection.execute(query)}
