"""The one place that knows in which order messages become durable."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

import pyarrow as pa

from acrwatch.core.crashpoint import reach
from acrwatch.core.model import Message, Reject
from ingest.activity.bodies import without_secrets
from ingest.normalise import Normalised
from ingest.unreadable import Unreadable
from storage.lake import Commit
from storage.state import counts, positions, rejects
from storage.state.database import Database


class Store(Protocol):
    """The part of the lake that the pipeline writes."""

    def commit(self, rows: pa.Table, positions: Mapping[str, int]) -> Commit:
        """Make rows and positions visible together, each event once. Raises StoreError."""
        ...


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the messages of a run. `events` are new rows; `redelivered` rows of messages stored before."""

    messages: int = 0
    events: int = 0
    duplicates: int = 0
    redelivered: int = 0
    rejects: int = 0
    skipped: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.messages + other.messages,
            self.events + other.events,
            self.duplicates + other.duplicates,
            self.redelivered + other.redelivered,
            self.rejects + other.rejects,
            dict(Counter(self.skipped) + Counter(other.skipped)),
        )


class Storing:
    """Takes batches of decoded messages to lake and database. Belongs to one thread."""

    def __init__(self, lake: Store, database: Database) -> None:
        self._lake = lake
        self._database = database

    def store(
        self,
        messages: Sequence[Message],
        normalised: Normalised,
        told: Callable[[Sequence[Message]], None],
        now: datetime,
    ) -> Counts:
        """Make messages durable, in an order in which a crash at any point loses and doubles nothing.

        `normalised` is what those of them became that are not Unreadable; `told` is the source's `stored`.

        Raises StoreError; the same messages may be passed again.
        """
        # 1. Decoded they are already. Nothing is written yet.
        unreadable = [message.as_reject() for message in messages if isinstance(message, Unreadable)]
        found = [_storable(reject) for reject in (*unreadable, *normalised.rejects)]
        # 2. Rejects, keyed by position: before the position moves past them, or a crash in between would lose them.
        if found:
            with self._database.begin() as connection:
                rejects.store(connection, found, now=now)
        reach("ingest.rejects_stored")
        # 3. Rows and positions in one commit; a message without rows moves its position, too.
        reached = last_positions(messages)
        commit = self._lake.commit(
            normalised.events, {stream: message.sequence_number for stream, message in reached.items()}
        )
        reach("ingest.committed")
        # 4. What only informs: counts, and hints where to start reading.
        skipped = {**normalised.skipped, **({"duplicates": commit.duplicates} if commit.duplicates else {})}
        with self._database.begin() as connection:
            counts.add(connection, now.date(), skipped)
            positions.remember(connection, _hints(reached), now=now)
        reach("ingest.hints_stored")
        # 5. The source may forget the messages, and write its own ledger.
        told(messages)
        reach("ingest.source_told")
        return Counts(
            len(messages), commit.rows, commit.duplicates, commit.redelivered, len(found), dict(normalised.skipped)
        )


def _storable(reject: Reject) -> Reject:
    """Return a reject without secrets of the control plane; what is left of it is all that there is to replay."""
    body = without_secrets(reject.body)
    if body is reject.body:
        return reject
    return replace(reject, body=body, body_length=reject.body_length + len(body) - len(reject.body))


def last_positions(messages: Sequence[Message]) -> dict[str, Message]:
    """Return the furthest message of each stream whose position is stored: those of an event hub's partitions."""
    reached: dict[str, Message] = {}
    for message in messages:
        held = reached.get(message.stream)
        if message.partition_id is not None and (held is None or message.sequence_number > held.sequence_number):
            reached[message.stream] = message
    return reached


def _hints(reached: Mapping[str, Message]) -> dict[str, positions.Position]:
    return {
        stream: positions.Position(message.offset, message.sequence_number)
        for stream, message in reached.items()
        if message.offset is not None
    }
