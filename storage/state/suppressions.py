"""What people do not want to be told of: conditions, a span of event time, an owner and a reason.

Never deleted and never rewritten: ending one early sets its end, which holds for events from then on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Connection, func, insert, or_, select, update

from acrwatch.core.errors import ConflictError, NotFoundError
from storage.state.tables import suppressions

# What a suppression may ask of an event. All it asks for must hold.
CONDITIONS: Final = ("rule", "registry", "identity", "network", "repository", "digest")


@dataclass(frozen=True, slots=True)
class Suppression:
    """One suppression. Times are aware UTC; it covers events from `starts_at` up to, and without, `end`.

    None in a condition is any. `network` is a CIDR range, `repository` may hold `*`; the rest are whole values.
    """

    id: int
    rule: str | None
    registry: str | None
    identity: str | None
    network: str | None
    repository: str | None
    digest: str | None
    owner: str
    reason: str
    starts_at: datetime
    expires_at: datetime
    created_at: datetime
    created_by: str
    ended_at: datetime | None = None
    ended_by: str | None = None

    @property
    def end(self) -> datetime:
        """When it ends, or ended."""
        return self.expires_at if self.ended_at is None else min(self.ended_at, self.expires_at)

    @property
    def conditions(self) -> dict[str, str]:
        """What it asks for."""
        return {name: getattr(self, name) for name in CONDITIONS if getattr(self, name) is not None}

    def state(self, now: datetime) -> str:
        """Return where it stands: `scheduled`, `active`, `expired` or `ended` (by a person, before its time)."""
        if now >= self.end:
            return "expired" if self.end == self.expires_at else "ended"
        return "active" if now >= self.starts_at else "scheduled"


def add(connection: Connection, suppression: Suppression) -> Suppression:
    """Store a new one, whose id is ignored; return it with the id it got."""
    values = asdict(suppression)
    del values["id"]
    given = connection.execute(insert(suppressions).values(**values).returning(suppressions.c.id)).scalar_one()
    return replace(suppression, id=given)


def end(connection: Connection, suppression: Suppression, *, by: str, now: datetime) -> Suppression:
    """End one for events from now on. Raises ConflictError where it is over already."""
    over = suppressions.c.ended_at.is_(None), suppressions.c.expires_at > now
    mine = update(suppressions).where(suppressions.c.id == suppression.id, *over)
    if connection.execute(mine.values(ended_at=now, ended_by=by)).rowcount != 1:
        since = f"{suppression.end.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"
        raise ConflictError(
            f"suppression {suppression.id} is over since {since}",
            remedy="`acrwatch suppressions list --all` shows what it has hidden",
        )
    return replace(suppression, ended_at=now, ended_by=by)


def get(connection: Connection, number: int) -> Suppression:
    """Return one by its id. Raises NotFoundError."""
    row = connection.execute(select(suppressions).where(suppressions.c.id == number)).mappings().first()
    if row is None:
        raise NotFoundError(
            f"there is no suppression {number}", remedy="`acrwatch suppressions list --all` lists all there ever were"
        )
    return Suppression(**row)


def recent(connection: Connection, *, limit: int, over_since: datetime | None = None) -> Sequence[Suppression]:
    """Return the newest, newest first; with `over_since` only those that were not over by then."""
    query = select(suppressions).order_by(suppressions.c.id.desc()).limit(limit)
    if over_since is not None:
        query = query.where(_end() > over_since)
    return [Suppression(**row) for row in connection.execute(query).mappings()]


def covering(connection: Connection, rule: str, first: datetime, last: datetime) -> Sequence[Suppression]:
    """Return those that may hide events of a rule between two moments, oldest first: the first that does counts."""
    columns = suppressions.c
    query = select(suppressions).where(
        or_(columns.rule.is_(None), columns.rule == rule), columns.starts_at <= last, _end() > first
    )
    return [Suppression(**row) for row in connection.execute(query.order_by(columns.id)).mappings()]


def as_json(one: Suppression, *, now: datetime, hidden: tuple[int, int] = (0, 0)) -> Mapping[str, Any]:
    """Return one as the CLI and the API give it; `hidden` is the number of its alerts and of their events."""
    times = {
        name: value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value
        for name, value in asdict(one).items()
    }
    return {**times, "state": one.state(now), "alerts": hidden[0], "events": hidden[1]}


def _end() -> Any:
    return func.coalesce(suppressions.c.ended_at, suppressions.c.expires_at)
