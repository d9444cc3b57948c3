"""What makes us blind, or keeps alerts from getting out, for as long as it does. Shown wherever alerts are shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, case, select, update

from storage.state.dialect import insert
from storage.state.tables import incidents


@dataclass(frozen=True, slots=True)
class Incident:
    """One thing that is wrong. `key` is unique per cause and place (`gap/<stream>`); times are aware UTC."""

    key: str
    kind: str
    message: str
    remedy: str
    since: datetime
    last_seen: datetime
    occurrences: int
    resolved_at: datetime | None


def open(  # noqa: A001 - read as incidents.open(...)
    connection: Connection, key: str, *, kind: str, message: str, remedy: str, now: datetime
) -> None:
    """Note that something is wrong now. Again while open, it counts; after it was resolved, it begins anew."""
    statement = insert(connection, incidents).values(
        key=key, kind=kind, message=message, remedy=remedy, since=now, last_seen=now, occurrences=1, resolved_at=None
    )
    again, still_open = statement.excluded, incidents.c.resolved_at.is_(None)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["key"],
            set_={
                "kind": again.kind,
                "message": again.message,
                "remedy": again.remedy,
                "last_seen": again.last_seen,
                "since": case((still_open, incidents.c.since), else_=again.since),
                "occurrences": case((still_open, incidents.c.occurrences + 1), else_=1),
                "resolved_at": None,
            },
        )
    )


def resolve(connection: Connection, key: str, *, now: datetime) -> bool:
    """Note that it is right again; return whether it was open."""
    changed = connection.execute(
        update(incidents).where(incidents.c.key == key, incidents.c.resolved_at.is_(None)).values(resolved_at=now)
    )
    return changed.rowcount > 0


def current(connection: Connection) -> Sequence[Incident]:
    """Return what is wrong now, longest first."""
    rows = connection.execute(
        select(incidents).where(incidents.c.resolved_at.is_(None)).order_by(incidents.c.since, incidents.c.key)
    )
    return [Incident(**row) for row in rows.mappings()]
