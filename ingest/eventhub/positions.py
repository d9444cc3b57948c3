"""Where reading of a partition begins, and what its stream is called."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import pyarrow as pa

from ingest.eventhub.address import Address
from ingest.opening import StoredPositions
from storage.schema import ARROW_SCHEMA
from storage.state.positions import Position

NOTHING_YET: Final = -1  # position of a fresh epoch: the hub numbers its messages from 0


class Committer(StoredPositions, Protocol):
    """The part of the lake that opening an epoch writes."""

    def commit(self, rows: pa.Table, positions: Mapping[str, int]) -> object:
        """Make rows and positions visible in one step."""
        ...


@dataclass(frozen=True, slots=True)
class Stored:
    """What is stored of one partition.

    `position` is the last stored sequence number, None if nothing ever was; `offset` belongs to exactly that message,
    None where it is not known.
    """

    stream: str
    position: int | None
    offset: str | None = None


def stream_name(address: Address, partition: str, epoch: int) -> str:
    """Return the name that positions are stored under.

    No consumer group in it: two groups read the same messages, and changing the group must not take them twice.
    """
    return f"{address.name}/{partition}/{epoch}"


def current_epoch(lake: StoredPositions, address: Address, partition: str) -> int:
    """Return the highest epoch that was opened; 0 where none ever was. Epochs are opened one after the other."""
    epoch = 0
    while lake.position(stream_name(address, partition, epoch + 1)) is not None:
        epoch += 1
    return epoch


def stored(lake: StoredPositions, hints: Mapping[str, Position], address: Address, partition: str) -> Stored:
    """Return what is stored of a partition's current epoch. The lake decides; a hint is used only if it agrees."""
    stream = stream_name(address, partition, current_epoch(lake, address, partition))
    position = lake.position(stream)
    hint = hints.get(stream)
    return Stored(stream, position, hint.offset if hint is not None and hint.sequence_number == position else None)


def reset(lake: Committer, address: Address, partitions: Iterable[str]) -> dict[str, str]:
    """Open a new epoch for these partitions: the next start reads the hub from its beginning.

    Returns the new stream of each partition. Rows stored before stay; events read again are known by their ids.
    Raises StoreError.
    """
    fresh = {
        partition: stream_name(address, partition, current_epoch(lake, address, partition) + 1)
        for partition in partitions
    }
    if fresh:
        lake.commit(ARROW_SCHEMA.empty_table(), dict.fromkeys(fresh.values(), NOTHING_YET))
    return fresh
