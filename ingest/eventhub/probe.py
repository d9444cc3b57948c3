"""A look at an event hub from outside the running source: is it there, does it let us in, how far are we behind."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from acrwatch.core.errors import RemoteUnreachableError
from ingest.eventhub.address import Address, from_settings
from ingest.eventhub.positions import stored
from ingest.opening import StoredPositions

# Each look opens a link of its own: some round trips to the region.
_EACH_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Probed:
    """One partition: what the hub holds (first and last sequence number, time of the last message in UTC) and what is
    stored of it (None: nothing)."""

    partition: str
    beginning: int
    last: int
    last_time: datetime
    empty: bool
    stored: int | None

    @property
    def waiting(self) -> int:
        """How many messages the hub holds that are not stored."""
        return 0 if self.empty else max(self.last - max(self._reached, self.beginning - 1), 0)

    @property
    def lost(self) -> int:
        """How many messages the hub let go before they were stored."""
        return 0 if self.stored is None or self.empty else max(self.beginning - 1 - self.stored, 0)

    @property
    def went_back(self) -> bool:
        """Whether the hub ends before what is stored: it was made anew."""
        return self.stored is not None and self.last < self.stored

    @property
    def _reached(self) -> int:
        return -1 if self.stored is None else self.stored


def probe(values: Mapping[str, object], lake: StoredPositions, *, seconds: float) -> tuple[Address, list[Probed]]:
    """Ask the hub that these settings name for its partitions, within about so many seconds and half a second for each.

    Nothing is received. Raises ConfigError, AuthError, NotFoundError or RemoteUnreachableError.
    """
    address = from_settings(values)
    try:
        return address, asyncio.run(_probe(address, lake, seconds))
    except TimeoutError:
        raise RemoteUnreachableError(
            f"event hub {address.eventhub!r} at {address.namespace} did not answer within {seconds:g} s",
            remedy="Check the network (port 5671) and that the namespace exists",
        ) from None


async def _probe(address: Address, lake: StoredPositions, seconds: float) -> list[Probed]:
    from ingest.eventhub.hub import Hub  # imports the Azure client, which takes half a second

    hub = Hub(address, 1, seconds)
    try:
        async with asyncio.timeout(seconds) as limit:
            partitions = await hub.partitions()
            limit.reschedule((limit.when() or 0) + _EACH_SECONDS * len(partitions))
            looks = [await hub.look(partition) for partition in partitions]
    finally:
        async with asyncio.timeout(seconds):
            await hub.close()
    return [
        Probed(partition, look.beginning, look.last, look.last_time, look.empty, _stored(lake, address, partition))
        for partition, look in zip(partitions, looks, strict=True)
    ]


def _stored(lake: StoredPositions, address: Address, partition: str) -> int | None:
    return stored(lake, {}, address, partition).position
