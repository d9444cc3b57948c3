"""The outbox: notices written in the transaction that changes the alert, delivered afterwards at least once.

Order is kept per alert and destination: a delivery is due only when no earlier one of the same two is pending. Dead,
folded and sent ones do not block. Destinations never wait for each other.

Leases are timed by the database's clock, so that processes whose clocks differ never hold the same delivery at once.
`now` is the caller's own clock: it says when a delivery is due, and stands in the records.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, and_, exists, func, insert, or_, select, update

from acrwatch.core.errors import NotFoundError
from acrwatch.core.masking import mask
from storage.state.dialect import database_time
from storage.state.tables import attempts, deliveries

CREATED: Final = "alert.created"
UPDATED: Final = "alert.updated"
CLOSED: Final = "alert.closed"
PENDING, SENT, FOLDED, DEAD = "pending", "sent", "folded", "dead"
# One that ends later was taken before the clock went back, and counts for nothing.
_LONGEST_LEASE: Final = timedelta(hours=1)
# An alert that a burst extends every few seconds is told to a destination at most this often.
UPDATE_INTERVAL: Final = timedelta(minutes=5)
# Past the first retries, and past what an update may wait: the destination is down, or nobody sends to it.
LATE: Final = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One notice to one destination. `id` stays the same over retries; times are aware UTC."""

    sequence: int
    id: str
    destination: str
    alert_id: str | None
    type: str
    revision: int
    body: str
    status: str
    attempts: int
    created_at: datetime
    not_before: datetime
    lease_owner: str | None
    lease_until: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of sending once. `outcome` is sent, retry or dead; `detail` is masked and safe to show."""

    at: datetime
    seconds: float
    outcome: str
    status_code: int | None = None
    detail: str | None = None


def delivery_id(alert_id: str, revision: int, destination: str, type: str) -> str:  # noqa: A002
    """Return the webhook-id: unique per alert, revision, destination and type, without the `.` that signing uses."""
    word = type.rpartition(".")[2]
    return f"alr_{alert_id}_{revision}_{destination.replace('.', '~')}_{word}"


def enqueue(
    connection: Connection,
    *,
    destinations: Sequence[str],
    alert_id: str,
    type: str,  # noqa: A002
    revision: int,
    body: str,
    now: datetime,
) -> None:
    """Write one delivery per destination; call it in the transaction that changes the alert.

    `alert.created` and `alert.closed` are due at once and never fold; an `alert.updated` before them that only waits
    for its time goes with them. An `alert.updated` is due five minutes after the last one of the same alert and
    destination; where that one is unsent and not being sent, it is folded into this one, which takes over its due time.
    Raises StoreError if this revision and type was enqueued before.
    """
    for destination in destinations:
        if type == UPDATED:
            not_before = _update_due(connection, alert_id, destination, now)
        else:
            not_before = now
            _hurry(connection, alert_id, destination, now)
        connection.execute(
            insert(deliveries).values(
                id=delivery_id(alert_id, revision, destination, type),
                destination=destination,
                alert_id=alert_id,
                type=type,
                revision=revision,
                body=body,
                status=PENDING,
                attempts=0,
                created_at=now,
                not_before=not_before,
            )
        )


def claim(
    connection: Connection, destination: str, *, owner: str, lease: timedelta, limit: int, now: datetime
) -> Sequence[Delivery]:
    """Lease up to `limit` due deliveries of one destination to `owner` for so long, oldest first.

    All are of different alerts. One that is neither finished nor given back by then is due again.
    """
    clock = database_time(connection)
    query = (
        select(deliveries.c.sequence)
        .where(deliveries.c.destination == destination, _due(now), _unleased(clock), ~_blocked())
        .order_by(deliveries.c.sequence)
        .limit(limit)
        .with_for_update(skip_locked=True)  # PostgreSQL; on SQLite the whole transaction is alone
    )
    chosen = list(connection.execute(query).scalars())
    if not chosen:
        return []
    mine = deliveries.c.sequence.in_(chosen)
    connection.execute(update(deliveries).where(mine).values(lease_owner=owner, lease_until=clock + lease))
    return _read(connection, mine, deliveries.c.sequence)


def due(connection: Connection, destinations: Sequence[str], *, now: datetime) -> Sequence[str]:
    """Return those of `destinations` for which a claim may find something: a read that spares needless claims."""
    query = (
        select(deliveries.c.destination)
        .where(_due(now), deliveries.c.destination.in_(destinations), _unleased(database_time(connection)))
        .distinct()
    )
    return sorted(connection.execute(query).scalars())


def finish(connection: Connection, delivery: Delivery, attempt: Attempt) -> None:
    """Record that the destination took it. True whoever holds the lease by now: what was sent was sent."""
    _record(connection, delivery, attempt)
    _close(connection, delivery, SENT, attempt, deliveries.c.status == PENDING)


def retry_later(connection: Connection, delivery: Delivery, attempt: Attempt, *, not_before: datetime) -> None:
    """Record a failed attempt and try again at `not_before`. Changes nothing where another took over the lease."""
    _record(connection, delivery, attempt)
    connection.execute(
        update(deliveries)
        .where(deliveries.c.sequence == delivery.sequence, _still_mine(delivery))
        .values(attempts=deliveries.c.attempts + 1, not_before=not_before, lease_owner=None, lease_until=None)
    )


def dead(connection: Connection, delivery: Delivery, attempt: Attempt) -> bool:
    """Record a failed attempt and give up; return False, with nothing given up, where another took over the lease."""
    _record(connection, delivery, attempt)
    return _close(connection, delivery, DEAD, attempt, _still_mine(delivery))


def release(connection: Connection, claimed: Sequence[Delivery]) -> None:
    """Give back deliveries that were not tried; they are due as they were."""
    for delivery in claimed:
        connection.execute(
            update(deliveries)
            .where(deliveries.c.sequence == delivery.sequence, _still_mine(delivery))
            .values(lease_owner=None, lease_until=None)
        )


def hold(connection: Connection, destination: str, *, until: datetime) -> None:
    """Make nothing that waits for this destination due before `until`: it asked for a pause."""
    connection.execute(
        update(deliveries)
        .where(
            deliveries.c.destination == destination,
            deliveries.c.status == PENDING,
            deliveries.c.not_before < until,
        )
        .values(not_before=until)
    )


def has_dead(connection: Connection, destination: str) -> bool:
    """Return whether anything for this destination was given up and not retried since."""
    found = exists().where(deliveries.c.status == DEAD, deliveries.c.destination == destination)
    return bool(connection.execute(select(found)).scalar_one())


def retry_dead(connection: Connection, which: str, *, now: datetime) -> int:
    """Make a dead delivery (by id), or all those of a destination (by name), due now with all attempts before it.

    What was sent in the meantime is not sent again, so receivers may see an older revision after a newer one. Returns
    how many there were. Raises NotFoundError if there is neither a delivery nor a destination called `which`.
    """
    named = or_(deliveries.c.id == which, deliveries.c.destination == which)
    revived = connection.execute(
        update(deliveries)
        .where(named, deliveries.c.status == DEAD)
        .values(status=PENDING, attempts=0, not_before=now, finished_at=None)
    )
    if revived.rowcount == 0 and not connection.execute(select(exists().where(named))).scalar_one():
        raise NotFoundError(
            f"no delivery and no destination with deliveries is called {which!r}",
            remedy="See `acrwatch deliveries list`",
        )
    return revived.rowcount


def recent(
    connection: Connection, *, limit: int, status: str | None = None, destination: str | None = None
) -> Sequence[Delivery]:
    """Return the latest deliveries, newest first."""
    wanted = [
        column == value
        for column, value in ((deliveries.c.status, status), (deliveries.c.destination, destination))
        if value is not None
    ]
    return _read(connection, and_(True, *wanted), deliveries.c.sequence.desc(), limit)


def tally(connection: Connection) -> dict[tuple[str, str], int]:
    """Return how many deliveries each destination has in each unfinished or failed state: {(name, status): n}."""
    query = (
        select(deliveries.c.destination, deliveries.c.status, func.count())
        .where(deliveries.c.status.in_((PENDING, DEAD)))
        .group_by(deliveries.c.destination, deliveries.c.status)
    )
    return {(destination, status): number for destination, status, number in connection.execute(query)}


def overdue(connection: Connection, *, now: datetime) -> dict[str, tuple[int, datetime]]:
    """Return, by destination, how many deliveries have waited for longer than LATE, and since when the first has."""
    oldest = func.min(deliveries.c.created_at).label("oldest")
    query = (
        select(deliveries.c.destination, func.count().label("number"), oldest)
        .where(deliveries.c.status == PENDING, deliveries.c.created_at < now - LATE)
        .group_by(deliveries.c.destination)
        .order_by(deliveries.c.destination)
    )
    return {row.destination: (row.number, row.oldest) for row in connection.execute(query)}


def tried(connection: Connection, id: str) -> Sequence[Attempt]:  # noqa: A002
    """Return every attempt at one delivery, oldest first."""
    columns = (attempts.c.at, attempts.c.seconds, attempts.c.outcome, attempts.c.status_code, attempts.c.detail)
    query = select(*columns).where(attempts.c.delivery_id == id).order_by(attempts.c.id)
    return [Attempt(*row) for row in connection.execute(query)]


def _update_due(connection: Connection, alert_id: str, destination: str, now: datetime) -> datetime:
    last = connection.execute(
        select(deliveries)
        .where(
            deliveries.c.alert_id == alert_id,
            deliveries.c.destination == destination,
            deliveries.c.type == UPDATED,  # the last one is never folded: folding takes a later one
        )
        .order_by(deliveries.c.sequence.desc())
        .limit(1)
        .with_for_update()
    ).one_or_none()
    if last is None:
        return now
    if last.status == PENDING and not _leased(connection, last):
        connection.execute(
            update(deliveries)
            .where(deliveries.c.sequence == last.sequence)
            .values(status=FOLDED, finished_at=now, lease_owner=None, lease_until=None)
        )
        due: datetime = last.not_before
        return due
    told: datetime = last.finished_at if last.status == SENT else last.not_before
    return max(now, told + UPDATE_INTERVAL)


def _hurry(connection: Connection, alert_id: str, destination: str, now: datetime) -> None:
    """Make an update that waits for its five minutes due at once: what comes after it must not wait with it."""
    connection.execute(
        update(deliveries)
        .where(
            deliveries.c.alert_id == alert_id,
            deliveries.c.destination == destination,
            deliveries.c.type == UPDATED,
            deliveries.c.status == PENDING,
            deliveries.c.attempts == 0,
            deliveries.c.not_before > now,
        )
        .values(not_before=deliveries.c.created_at)
    )


def _leased(connection: Connection, row: Row[Any]) -> bool:
    return row.lease_until is not None and row.lease_until > database_time(connection)


def _unleased(clock: datetime) -> ColumnElement[bool]:
    until = deliveries.c.lease_until
    return or_(until.is_(None), until <= clock, until > clock + _LONGEST_LEASE)


def _due(now: datetime) -> ColumnElement[bool]:
    """What its writer found due when writing it is due at once, however far ahead the writer's clock may be."""
    at_once = and_(deliveries.c.attempts == 0, deliveries.c.not_before <= deliveries.c.created_at)
    return and_(deliveries.c.status == PENDING, or_(deliveries.c.not_before <= now, at_once))


def _blocked() -> ColumnElement[bool]:
    earlier = deliveries.alias("earlier")
    return exists().where(
        earlier.c.alert_id == deliveries.c.alert_id,
        earlier.c.destination == deliveries.c.destination,
        earlier.c.sequence < deliveries.c.sequence,
        earlier.c.status == PENDING,
    )


def _still_mine(delivery: Delivery) -> ColumnElement[bool]:
    return and_(deliveries.c.status == PENDING, deliveries.c.lease_owner == delivery.lease_owner)


def _close(
    connection: Connection, delivery: Delivery, status: str, attempt: Attempt, guard: ColumnElement[bool]
) -> bool:
    closed = connection.execute(
        update(deliveries)
        .where(deliveries.c.sequence == delivery.sequence, guard)
        .values(
            status=status,
            attempts=deliveries.c.attempts + 1,
            finished_at=attempt.at + timedelta(seconds=attempt.seconds),
            lease_owner=None,
            lease_until=None,
        )
    )
    return closed.rowcount == 1


def _record(connection: Connection, delivery: Delivery, attempt: Attempt) -> None:
    connection.execute(
        insert(attempts).values(
            delivery_id=delivery.id,
            at=attempt.at,
            seconds=attempt.seconds,
            status_code=attempt.status_code,
            outcome=attempt.outcome,
            detail=attempt.detail and mask(attempt.detail),
        )
    )


def _read(
    connection: Connection, where: ColumnElement[bool], order: ColumnElement[Any], limit: int | None = None
) -> Sequence[Delivery]:
    rows = connection.execute(select(deliveries).where(where).order_by(order).limit(limit)).mappings()
    return [Delivery(**row) for row in rows]
