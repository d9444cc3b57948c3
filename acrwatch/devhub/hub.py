"""Hubs: named sets of partitions, and which partition a message goes to."""

import itertools
import threading
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from acrwatch.core.errors import NotFoundError
from acrwatch.devhub.log import PartitionLog, Retention
from acrwatch.devhub.message import IncomingMessage

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Hub:
    """One event hub."""

    def __init__(self, name: str, partitions: int, retention: Retention, created_at: datetime) -> None:
        self.name = name
        self.created_at = created_at
        self.partitions = tuple(PartitionLog(retention) for _ in range(partitions))
        self._turn = itertools.cycle(range(partitions))
        self._turn_lock = threading.Lock()

    def partition(self, partition_id: str | int) -> PartitionLog:
        """Return a partition.

        Raises:
            NotFoundError: there is no such partition.
        """
        text = str(partition_id)
        if not text.isascii() or not text.isdigit() or int(text) >= len(self.partitions):
            raise NotFoundError(f"Hub '{self.name}' has no partition '{text}': it has 0 to {len(self.partitions) - 1}")
        return self.partitions[int(text)]

    def route(self, key: str | None) -> PartitionLog:
        """Return the partition of a key (always the same one), or without a key the next in turn."""
        if key is not None:
            return self.partitions[zlib.crc32(key.encode()) % len(self.partitions)]
        with self._turn_lock:
            return self.partitions[next(self._turn)]

    def append(self, messages: Sequence[IncomingMessage], now: datetime) -> None:
        """Store one delivery where its first message's key says: a batch stays together."""
        self.route(messages[0].partition_key).append(messages, milliseconds(now))


def milliseconds(moment: datetime) -> int:
    """Return milliseconds since 1970-01-01T00:00Z of an aware datetime, rounded down."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)
