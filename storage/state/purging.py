"""What of the state is only a record of work done goes after a while: deliveries that arrived, finished runs, and
rejects that became events.

Alerts, their history and their evidence stay for good, and so does whatever has not been delivered. Rejects that wait
go with the events of their time, and before that only where there is no room left for new ones.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from sqlalchemy import Connection, and_, delete, func, or_, select

from storage.state import outbox, rejects
from storage.state.database import Database
from storage.state.runs import SUCCEEDED
from storage.state.tables import attempts, deliveries, runs

# Runs in which nothing happened, one for every commit and detection, are most of all runs. The longest look back at
# them is that for unjudged events, of a day.
QUIET_RUNS: Final = timedelta(days=1)

# Writers wait for a transaction of this size for some 50 ms.
_AT_ONCE: Final = 2_000
# One call ends, however much has piled up; the next goes on.
_MOST: Final = 100


@dataclass(frozen=True, slots=True)
class Purged:
    """How many rows went; attempts go with their deliveries and are not counted."""

    deliveries: int = 0
    runs: int = 0
    rejects: int = 0


def purge(database: Database, *, now: datetime, keep: timedelta, events_from: date | None = None) -> Purged:
    """Drop deliveries sent or folded, with their attempts, runs that ended and rejects replayed longer than `keep` ago.

    Runs that matched and changed nothing and left nothing unjudged go after a day; each detection's last run stays.
    Rejects of UTC dates before `events_from`, of which no event is kept either, go, replayed or not; and where room for
    new ones gets short, those older than `keep`. In many short transactions. Raises what `Database.begin` raises; what
    went until then is gone.
    """
    oldest = now - keep
    return Purged(
        _repeat(database, lambda connection: _forget_deliveries(connection, oldest)),
        _repeat(database, lambda connection: _forget_runs(connection, oldest, now - min(keep, QUIET_RUNS))),
        _repeat(database, lambda connection: _forget_rejects(connection, oldest, events_from)),
    )


def _repeat(database: Database, forget: Callable[[Connection], int]) -> int:
    total = 0
    for _ in range(_MOST):
        with database.begin() as connection:
            gone = forget(connection)
        total += gone
        if gone < _AT_ONCE:
            break
    return total


def _forget_deliveries(connection: Connection, oldest: datetime) -> int:
    arrived = deliveries.c.status.in_((outbox.SENT, outbox.FOLDED))
    old = select(deliveries.c.sequence, deliveries.c.id).where(arrived, deliveries.c.finished_at < oldest)
    chosen = connection.execute(old.order_by(deliveries.c.sequence).limit(_AT_ONCE)).all()
    connection.execute(delete(attempts).where(attempts.c.delivery_id.in_([row.id for row in chosen])))
    connection.execute(delete(deliveries).where(deliveries.c.sequence.in_([row.sequence for row in chosen])))
    return len(chosen)


def _forget_runs(connection: Connection, oldest: datetime, oldest_quiet: datetime) -> int:
    nothing = [
        column == 0 for column in (runs.c.matched, runs.c.unjudged, runs.c.alerts_created, runs.c.alerts_updated)
    ]
    quiet = and_(runs.c.outcome == SUCCEEDED, *nothing)
    over = or_(runs.c.finished_at < oldest, and_(quiet, runs.c.finished_at < oldest_quiet))
    newest = select(func.max(runs.c.id)).group_by(runs.c.detection).scalar_subquery()
    old = select(runs.c.id).where(over, runs.c.id.not_in(newest)).order_by(runs.c.id).limit(_AT_ONCE)
    return connection.execute(delete(runs).where(runs.c.id.in_(old.scalar_subquery()))).rowcount


def _forget_rejects(connection: Connection, oldest: datetime, events_from: date | None) -> int:
    gone = 0 if events_from is None else rejects.expire(connection, events_from)
    gone += rejects.forget_replayed(connection, before=oldest, limit=_AT_ONCE)
    if rejects.is_crowded(connection):
        gone += rejects.expire(connection, oldest.astimezone(UTC).date())
    return gone
