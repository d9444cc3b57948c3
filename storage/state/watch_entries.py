"""Watch lists: addresses, digests and identities of which each event is an alert. Removed entries are kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, insert, or_, select, update

from storage.state.tables import watch_entries

IP: Final = "ip"
DIGEST: Final = "digest"
IDENTITY: Final = "identity"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: a range in canonical form, a digest or an identity. It holds until it expires or is removed."""

    id: int
    type: str
    value: str
    owner: str
    reason: str
    added_at: datetime
    expires_at: datetime | None
    removed_at: datetime | None
    removed_by: str | None

    def holds(self, now: datetime) -> bool:
        """Whether it is in force at a moment."""
        return self.removed_at is None and (self.expires_at is None or self.expires_at > now)


def add(
    connection: Connection,
    type_: str,
    value: str,
    *,
    owner: str,
    reason: str,
    expires_at: datetime | None,
    now: datetime,
) -> Entry:
    """Put a value on its list; an entry of that value which is in force ends, in favour of this one."""
    remove(connection, type_, value, by=owner, now=now)
    row = {"type": type_, "value": value, "owner": owner, "reason": reason, "added_at": now, "expires_at": expires_at}
    made = connection.execute(insert(watch_entries).values(**row).returning(watch_entries)).mappings().one()
    return Entry(**made)


def remove(connection: Connection, type_: str, value: str, *, by: str, now: datetime) -> bool:
    """Take a value off its list; return whether it was on it."""
    on = (watch_entries.c.type == type_, watch_entries.c.value == value, *_in_force(now))
    return connection.execute(update(watch_entries).where(*on).values(removed_at=now, removed_by=by)).rowcount > 0


def in_force(connection: Connection, *, now: datetime) -> Sequence[Entry]:
    """Return what is watched at present, the oldest first."""
    query = select(watch_entries).where(*_in_force(now)).order_by(watch_entries.c.id)
    return [Entry(**row) for row in connection.execute(query).mappings()]


def everything(connection: Connection) -> Sequence[Entry]:
    """Return all entries there ever were, the oldest first."""
    query = select(watch_entries).order_by(watch_entries.c.id)
    return [Entry(**row) for row in connection.execute(query).mappings()]


def _in_force(now: datetime) -> tuple[Any, ...]:
    expires = watch_entries.c.expires_at
    return watch_entries.c.removed_at.is_(None), or_(expires.is_(None), expires > now)
