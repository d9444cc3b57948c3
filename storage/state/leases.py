"""Named leases: they save several processes the same work. Nothing relies on them to be right.

Timed by the database's clock, so that processes on machines whose clocks differ agree on when a lease ends.
"""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, delete, or_, select

from storage.state.dialect import database_time, insert
from storage.state.tables import leases

_LONGEST: Final = timedelta(hours=1)


def acquire(connection: Connection, name: str, owner: str, ttl: timedelta) -> bool:
    """Take the lease, or extend it where `owner` holds it already; return whether `owner` holds it now.

    It ends by itself after `ttl`; one that ends much later than any would was taken before the clock went back, and is
    free. `owner` names one process or thread for its lifetime (host, pid, random part).
    """
    now = database_time(connection)
    statement = insert(connection, leases).values(name=name, owner=owner, until=now + ttl)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["name"],
            set_={"owner": statement.excluded.owner, "until": statement.excluded.until},
            where=or_(leases.c.owner == owner, leases.c.until <= now, leases.c.until > now + max(2 * ttl, _LONGEST)),
        )
    )
    holder = connection.execute(select(leases.c.owner).where(leases.c.name == name)).scalar_one_or_none()
    return bool(holder == owner)


def lapsed(connection: Connection, name: str) -> datetime | None:
    """Return when a lease ended that nobody took up again; None while it is held, and where it never was."""
    until: datetime | None = connection.execute(
        select(leases.c.until).where(leases.c.name == name)
    ).scalar_one_or_none()
    return until if until is not None and until <= database_time(connection) else None


def release(connection: Connection, name: str, owner: str) -> None:
    """Give the lease back. Does nothing where `owner` no longer holds it."""
    connection.execute(delete(leases).where(leases.c.name == name, leases.c.owner == owner))
