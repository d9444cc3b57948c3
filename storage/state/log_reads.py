"""How far each table of a Log Analytics workspace was read. Advanced only after the rows are durable in the lake."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, select, update

from acrwatch.core.errors import ConflictError
from storage.state.dialect import insert
from storage.state.tables import log_reads


@dataclass(frozen=True, slots=True)
class LogRead:
    """What has been read under one name: rows with a time from `since` up to `reached`, as far as Log Analytics had
    taken them in by `swept`. All aware UTC, and the ends not included."""

    name: str
    since: datetime
    reached: datetime
    swept: datetime


def find(connection: Connection, name: str, at: datetime) -> LogRead | None:
    """Return what was read under a name that holds the time `at` or ends there, the furthest of several; None if none
    does."""
    held = (log_reads.c.name == name) & (log_reads.c.since <= at) & (log_reads.c.reached >= at)
    columns = (log_reads.c.name, log_reads.c.since, log_reads.c.reached, log_reads.c.swept)
    row = connection.execute(select(*columns).where(held).order_by(log_reads.c.reached.desc()).limit(1)).one_or_none()
    return None if row is None else LogRead(*row)


def begin(connection: Connection, read: LogRead, *, now: datetime) -> None:
    """Begin an entry; one of the same name and beginning stays as it is."""
    row = {"name": read.name, "since": read.since, "reached": read.reached, "swept": read.swept, "updated_at": now}
    connection.execute(insert(connection, log_reads).values(**row).on_conflict_do_nothing())


def advance(connection: Connection, before: LogRead, read: LogRead, *, now: datetime) -> None:
    """Note how far it is now. Raises ConflictError where the entry is no longer as it was `before`.

    Two that read the same at once may not add up what each has seen: one has read times that the other has not, and the
    other waited for late rows that the first has not.
    """
    mine = (log_reads.c.name == before.name) & (log_reads.c.since == before.since)
    still = (log_reads.c.reached == before.reached) & (log_reads.c.swept == before.swept)
    values = {"reached": read.reached, "swept": read.swept, "updated_at": now}
    if connection.execute(update(log_reads).where(mine, still).values(**values)).rowcount == 0:
        raise ConflictError(
            f"another process reads {before.name}, too", remedy="Let one of them end; nothing is lost or stored twice"
        )


def forget(connection: Connection, name: str) -> None:
    """Drop what is known of a name, so that it is read from the beginning."""
    connection.execute(delete(log_reads).where(log_reads.c.name == name))
