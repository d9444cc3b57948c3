"""Which process reads which partition of an event hub: claims won by compare-and-swap, timed by the database's clock.

The operations and their meaning are those of the Azure client's checkpoint store, as its load balancer uses them:

* `listed` gives every row, also those that were released (`owner` is "") and those nobody renews any more;
* `claim` returns only what was won; a race lost to another process is left out, not raised;
* `renew` is a claim of what is held already; `release` sets the owner to "";
* an outage of the database is raised, never an empty answer, which would mean "you own nothing any more".

Whoever calls opens the transaction (`Database.begin`), which is also what raises: StoreError, ConflictError,
RemoteUnreachableError or AuthError. Nothing relies on ownership for exactness: that is the lake's compare-and-swap.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, select, update

from storage.state.dialect import database_time, insert
from storage.state.tables import partition_owners

RELEASED: Final = ""
_TABLE: Final = partition_owners.c


@dataclass(frozen=True, slots=True)
class Group:
    """An event hub as one consumer group sees it. `namespace` is the host, with its port where it has one."""

    namespace: str
    eventhub: str
    consumer_group: str


@dataclass(frozen=True, slots=True)
class Ownership:
    """One partition's owner. `last_modified_time` is POSIX seconds; `age` is seconds since then at the listing.

    Both are measured by the database's clock; judge expiry by `age`, so that no other clock counts.
    """

    partition_id: str
    owner_id: str
    etag: int
    last_modified_time: float
    age: float = 0.0


@dataclass(frozen=True, slots=True)
class Claim:
    """A partition wanted: `etag` as it was listed, None where there was no row."""

    partition_id: str
    etag: int | None = None


def listed(connection: Connection, group: Group) -> list[Ownership]:
    """Return every partition that was ever claimed, in the order of their ids' text."""
    rows = connection.execute(
        select(_TABLE.partition_id, _TABLE.owner, _TABLE.etag, _TABLE.modified_at)
        .where(_of(group))
        .order_by(_TABLE.partition_id)
    ).all()
    now = database_time(connection).timestamp()  # after the read: an age may come out too great, never negative
    return [Ownership(id_, owner, etag, at.timestamp(), now - at.timestamp()) for id_, owner, etag, at in rows]


def claim(connection: Connection, group: Group, owner_id: str, wanted: Sequence[Claim]) -> list[Ownership]:
    """Take partitions for `owner_id`, and return those that were won, each with its new etag and time.

    Without an etag: only where there is no row yet. With one: only where the row still has it.
    """
    won = []
    # In one order everywhere, so that two PostgreSQL writers cannot wait for each other.
    for one in sorted(wanted, key=lambda one: one.partition_id):
        owned = (
            _insert(connection, group, owner_id, one) if one.etag is None else _swap(connection, group, owner_id, one)
        )
        if owned is not None:
            won.append(owned)
    return won


def renew(connection: Connection, group: Group, held: Sequence[Ownership]) -> list[Ownership]:
    """Renew what is held, and return what is still held; what another process took meanwhile is left out."""
    renewed = []
    for one in held:
        renewed += claim(connection, group, one.owner_id, [Claim(one.partition_id, one.etag)])
    return renewed


def release(connection: Connection, group: Group, held: Sequence[Ownership]) -> list[Ownership]:
    """Give back what is held, and return what was; what another process took meanwhile is left alone."""
    return claim(connection, group, RELEASED, [Claim(one.partition_id, one.etag) for one in held])


def begun_after(connection: Connection, group: Group, partition_id: str, sequence_number: int) -> int:
    """Return after which message reading of a claimed partition began, which is `sequence_number` at the first call.

    Where reading starts at the newest message and nothing is stored yet, "newest" must mean the same for every owner.
    """
    row = and_(_of(group), _TABLE.partition_id == partition_id)
    connection.execute(
        update(partition_owners).where(row, _TABLE.begun_after.is_(None)).values(begun_after=sequence_number)
    )
    begun: int | None = connection.execute(select(_TABLE.begun_after).where(row)).scalar_one_or_none()
    return sequence_number if begun is None else begun


def _insert(connection: Connection, group: Group, owner_id: str, one: Claim) -> Ownership | None:
    now = database_time(connection)
    statement = insert(connection, partition_owners).values(
        **_key(group), partition_id=one.partition_id, owner=owner_id, etag=0, modified_at=now
    )
    won = connection.execute(statement.on_conflict_do_nothing().returning(_TABLE.etag)).first()
    return None if won is None else Ownership(one.partition_id, owner_id, 0, now.timestamp())


def _swap(connection: Connection, group: Group, owner_id: str, one: Claim) -> Ownership | None:
    assert one.etag is not None
    now = database_time(connection)
    won = connection.execute(
        update(partition_owners)
        .where(_of(group), _TABLE.partition_id == one.partition_id, _TABLE.etag == one.etag)
        .values(owner=owner_id, etag=one.etag + 1, modified_at=now)
        .returning(_TABLE.etag)
    ).first()
    return None if won is None else Ownership(one.partition_id, owner_id, one.etag + 1, now.timestamp())


def _key(group: Group) -> dict[str, Any]:
    return {"namespace": group.namespace, "eventhub": group.eventhub, "consumer_group": group.consumer_group}


def _of(group: Group) -> ColumnElement[bool]:
    return and_(*(_TABLE[name] == value for name, value in _key(group).items()))
