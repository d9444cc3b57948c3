"""This process's part of an event hub's partitions, agreed on with other processes through the state database."""

import logging
import random
import time
from collections.abc import Sequence

from acrwatch.core.errors import AcrWatchError
from ingest.eventhub import owner
from ingest.eventhub.address import Address
from ingest.eventhub.shares import plan
from storage.state import ownership
from storage.state.database import Database

log = logging.getLogger(__name__)


class Balancer:
    """Claims, renews, steals and releases under a name of its own. Calls block; one thread at a time."""

    def __init__(self, database: Database, address: Address, expiry: float) -> None:
        """`expiry`: seconds after which partitions that their owner has not renewed are free for others."""
        self._database = database
        self._address = address
        self._group = ownership.Group(address.namespace, address.eventhub, address.consumer_group)
        self._expiry = expiry
        self._name = owner.enter()
        self._chance = random.Random()  # noqa: S311 - spreads claims, protects nothing
        self._owned: frozenset[str] = frozenset()
        self._renewed = float("-inf")

    def tick(self, partitions: Sequence[str]) -> frozenset[str]:
        """Renew what is held, claim what is due, and return what is held now.

        Raises StoreError and what else the database may raise: the caller then keeps what it has.
        """
        begun = time.monotonic()
        with self._database.begin() as connection:
            listed = ownership.listed(connection, self._group)
            wanted = plan(partitions, listed, self._name, self._expiry, owner.gone, self._chance)
            won = ownership.claim(connection, self._group, self._name, wanted)
        self._renewed = begun
        owned = frozenset(one.partition_id for one in won)
        if owned != self._owned:
            self._tell(owned, len(partitions))
        self._owned = owned
        return owned

    def fresh(self) -> bool:
        """Return whether nobody can have taken over yet; False after an outage of the database, or a suspension."""
        return time.monotonic() - self._renewed < self._expiry

    def begun_after(self, partition: str, last: int) -> int:
        """Return after which message reading of a partition that was never stored began; `last` if it begins now."""
        with self._database.begin() as connection:
            return ownership.begun_after(connection, self._group, partition, last)

    def release(self) -> None:
        """Give everything back, so that others need not wait; where that fails, they wait until it expires."""
        try:
            with self._database.begin() as connection:
                mine = [one for one in ownership.listed(connection, self._group) if one.owner_id == self._name]
                ownership.release(connection, self._group, mine)
        except AcrWatchError as error:
            log.warning("%s: cannot release partitions, they expire: %s", self._address.name, error)
        finally:
            self._owned = frozenset()
            owner.leave(self._name)

    def _tell(self, owned: frozenset[str], count: int) -> None:
        lost = self._owned - owned
        log.info(
            "%s: reads %d of %d partitions: %s%s",
            self._address.name,
            len(owned),
            count,
            _listed(owned),
            f"; no longer {_listed(lost)}" if lost else "",
        )


def _listed(partitions: frozenset[str]) -> str:
    return ", ".join(sorted(partitions, key=lambda id_: (len(id_), id_))) or "none"
