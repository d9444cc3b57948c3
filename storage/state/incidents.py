"""What makes us blind, or keeps alerts from getting out, for as long as it does. Shown wherever alerts are shown.

Every kind has an end, and `KINDS` is the one place that says which. Most end by themselves as soon as their cause is
gone; a gap has no such moment, so a person acknowledges it, or it ends by age. What ended stays on record.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, case, or_, select, true, update

from acrwatch.core.errors import NotFoundError
from acrwatch.core.masking import mask
from storage.state.dialect import insert
from storage.state.tables import incidents

GAP_LASTS: Final = timedelta(days=7)
"""A person on call every day has seen it by then; past the usual retention of a hub nothing can be read again."""


@dataclass(frozen=True, slots=True)
class Kind:
    """When incidents of one kind end.

    `by_person`: a person may end them too, because what they are about may be gone for good (a source or destination
    that is no longer configured); if it is not, the next failure opens them anew. `lasts`: they end by age. `once`:
    what happened cannot happen again, so one that ended never opens anew.
    """

    ends: str
    by_person: bool = False
    lasts: timedelta | None = None
    once: bool = False


KINDS: Final[Mapping[str, Kind]] = {
    "gap": Kind("a person acknowledges it, or it is 7 days old", by_person=True, lasts=GAP_LASTS, once=True),
    "sequence_went_back": Kind(
        "the hub goes on from what is stored, or `acrwatch ingest reset` opens a new epoch", by_person=True
    ),
    "source_down": Kind("the source, or its partition, is read again", by_person=True),
    "hub_lag": Kind("no message has waited in the hub for over 2 minutes any more", by_person=True),
    "store_failed": Kind("a commit of that source succeeds", by_person=True),
    "failed_detection": Kind("a pass of the detection succeeds, with new events or without", by_person=True),
    "broken_rule": Kind("the file is mended, or taken away", by_person=True),
    "job_failed": Kind("a turn of the job succeeds", by_person=True),
    "dead_letter": Kind("the destination takes a delivery and none to it is given up any more", by_person=True),
    "registry-silent": Kind("the registry speaks again, or, unless configured, has been silent for 30 days"),
    "registry-uncovered": Kind("an event of the registry is stored, or it is configured no longer"),
    "ingestion-delayed": Kind("the newest rows of the stream were stored in time, or none came for 15 minutes"),
}
_UNKNOWN: Final = Kind("its cause is gone", by_person=True)


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

    def aged(self, now: datetime) -> bool:
        """Return whether it has ended by age, resolved or not."""
        lasts = kind_of(self.kind).lasts
        return lasts is not None and now - self.last_seen >= lasts


def kind_of(name: str) -> Kind:
    """Return when incidents of this kind end; of a kind that an older version knew, what holds of all."""
    return KINDS.get(name, _UNKNOWN)


def open(  # noqa: A001 - read as incidents.open(...)
    connection: Connection, key: str, *, kind: str, message: str, remedy: str, now: datetime
) -> None:
    """Note that something is wrong now. Again while open, it counts; after it was resolved, it begins anew, or, for a
    kind that happens `once`, stays resolved."""
    said = {"message": mask(message), "remedy": mask(remedy)}
    statement = insert(connection, incidents).values(
        key=key, kind=kind, **said, since=now, last_seen=now, occurrences=1, resolved_at=None
    )
    again, once = statement.excluded, kind_of(kind).once
    same = true() if once else incidents.c.resolved_at.is_(None)
    ended = incidents.c.resolved_at if once else None
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["key"],
            set_={
                "kind": again.kind,
                "message": again.message,
                "remedy": again.remedy,
                "last_seen": again.last_seen,
                "since": case((same, incidents.c.since), else_=again.since),
                "occurrences": case((same, incidents.c.occurrences + 1), else_=1),
                "resolved_at": ended,
            },
        )
    )


def resolve(connection: Connection, key: str, *, now: datetime) -> bool:
    """Note that it is right again; return whether it was open."""
    changed = connection.execute(
        update(incidents).where(incidents.c.key == key, incidents.c.resolved_at.is_(None)).values(resolved_at=now)
    )
    return changed.rowcount > 0


def is_open(connection: Connection, key: str) -> bool:
    """Return whether something is wrong at present, by its key."""
    found = connection.execute(select(incidents.c.key).where(incidents.c.key == key, incidents.c.resolved_at.is_(None)))
    return found.first() is not None


def expire(connection: Connection, *, now: datetime) -> Sequence[Incident]:
    """Resolve what ends by age; return what did."""
    old = [incident for incident in current(connection) if incident.aged(now)]
    for incident in old:
        resolve(connection, incident.key, now=now)
    return old


def current(connection: Connection) -> Sequence[Incident]:
    """Return what is wrong now, longest first."""
    rows = connection.execute(
        select(incidents).where(incidents.c.resolved_at.is_(None)).order_by(incidents.c.since, incidents.c.key)
    )
    return [Incident(**row) for row in rows.mappings()]


def recent(connection: Connection, *, limit: int) -> Sequence[Incident]:
    """Return what is or was wrong, open or not, what was seen last first."""
    rows = connection.execute(select(incidents).order_by(incidents.c.last_seen.desc(), incidents.c.key).limit(limit))
    return [Incident(**row) for row in rows.mappings()]


def during(connection: Connection, since: datetime, until: datetime) -> Sequence[Incident]:
    """Return what was wrong at any time from `since` until before `until`, earliest first.

    Of one that was over and began anew only the last time is known.
    """
    lasted = or_(incidents.c.resolved_at.is_(None), incidents.c.resolved_at >= since)
    query = select(incidents).where(incidents.c.since < until, lasted).order_by(incidents.c.since, incidents.c.key)
    found = [Incident(**row) for row in connection.execute(query).mappings()]
    return [one for one in found if one.resolved_at is not None or not one.aged(since)]


def get(connection: Connection, key: str) -> Incident:
    """Return one by its key, open or not. Raises NotFoundError."""
    row = connection.execute(select(incidents).where(incidents.c.key == key)).mappings().first()
    if row is None:
        raise NotFoundError(
            f"there is no incident {key!r}", remedy="`acrwatch incidents list --all` shows the keys of all"
        )
    return Incident(**row)
