"""Partitions: append-only logs in memory, readable from any position, safe to append to from any thread."""

import threading
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from acrwatch.devhub.message import IncomingMessage

# Year 1: how Azure says "no time", as the client knows it.
NEVER_MS: Final = -62_135_596_800_000


@dataclass(frozen=True, slots=True)
class Retention:
    """How much each partition keeps; the oldest messages go first. None means no bound.

    The newest message always stays, whatever its size.
    """

    max_messages: int | None = None
    max_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message in its partition, encoded once for all consumers. Times are milliseconds since 1970, UTC."""

    sequence_number: int
    offset: int
    enqueued_ms: int
    newest_ms: int  # greatest enqueued time up to here: sorted even where an injected message was back-dated
    payload: bytes


@dataclass(frozen=True, slots=True)
class PartitionState:
    """What `$management` tells about a partition; -1 stands for "none yet", as in Azure."""

    first_sequence_number: int
    last_sequence_number: int
    last_offset: int
    last_enqueued_ms: int
    is_empty: bool


class PartitionLog:
    """One partition. Sequence numbers count from 0 without gaps; offsets are the bytes stored before, ever."""

    def __init__(self, retention: Retention) -> None:
        self._retention = retention
        self._lock = threading.Lock()
        self._messages: list[StoredMessage] = []
        self._dropped = 0  # leading entries of _messages that retention has taken; cut off in bulk
        self._next_sequence_number = 0
        self._next_offset = 0
        self._bytes = 0
        self._last: StoredMessage | None = None
        self._listeners: list[Callable[[], None]] = []

    def append(self, messages: Sequence[IncomingMessage], enqueued_ms: int) -> int:
        """Store messages together, wake listeners, return the last sequence number."""
        with self._lock:
            for message in messages:
                self._store(message, enqueued_ms)
            self._trim()
            last = self._next_sequence_number - 1
            listeners = list(self._listeners)
        for listener in listeners:
            listener()
        return last

    def truncate(self, before: int) -> int:
        """Drop all messages with sequence numbers below `before`, as time-based retention does; return how many.

        Unlike after an append, nothing may be left. Readers go on with the oldest message that is.
        """
        with self._lock:
            keep = max(0, self._next_sequence_number - max(before, 0))
            surplus = max(0, len(self._messages) - self._dropped - keep)
            del self._messages[: self._dropped + surplus]
            self._dropped = 0
            self._bytes = sum(len(message.payload) for message in self._messages)
            return surplus

    def read(self, sequence_number: int) -> StoredMessage | None:
        """Return the oldest kept message at or behind `sequence_number`, or None at the end."""
        with self._lock:
            if sequence_number >= self._next_sequence_number:
                return None
            first = self._first_sequence_number()
            return self._messages[self._dropped + max(0, sequence_number - first)]

    def state(self) -> PartitionState:
        """Return a consistent summary."""
        with self._lock:
            last = self._last
            if last is None:
                return PartitionState(0, -1, -1, NEVER_MS, is_empty=True)
            first, empty = self._first_sequence_number(), len(self._messages) == self._dropped
            return PartitionState(first, last.sequence_number, last.offset, last.enqueued_ms, is_empty=empty)

    def after_offset(self, offset: int, *, inclusive: bool) -> int:
        """Return the sequence number of the first message behind (or at) a byte offset."""
        return self._search(offset, inclusive, lambda message: message.offset)

    def after_time(self, enqueued_ms: int, *, inclusive: bool) -> int:
        """Return the sequence number of the first message enqueued later than (or at) a time."""
        return self._search(enqueued_ms, inclusive, lambda message: message.newest_ms)

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Have `listener` called after every append, in the appending thread. It must not block."""
        with self._lock:
            self._listeners.append(listener)

    def unsubscribe(self, listener: Callable[[], None]) -> None:
        """Undo `subscribe`; a call already under way may still arrive."""
        with self._lock:
            if listener in self._listeners:
                self._listeners.remove(listener)

    def _store(self, message: IncomingMessage, enqueued_ms: int) -> None:
        newest_ms = max(enqueued_ms, self._last.newest_ms) if self._last else enqueued_ms
        payload = message.seal(self._next_sequence_number, self._next_offset, enqueued_ms)
        self._last = StoredMessage(self._next_sequence_number, self._next_offset, enqueued_ms, newest_ms, payload)
        self._messages.append(self._last)
        self._next_sequence_number += 1
        self._next_offset += len(payload)
        self._bytes += len(payload)

    def _trim(self) -> None:
        while self._is_over_retention():
            self._bytes -= len(self._messages[self._dropped].payload)
            self._dropped += 1
        # Cutting a list costs its remaining length: only when half of it is dead, so each append pays O(1). Until then
        # dead entries would hold their payloads, so bytes are at most doubled.
        if self._dropped * 2 > len(self._messages):
            del self._messages[: self._dropped]
            self._dropped = 0

    def _is_over_retention(self) -> bool:
        kept = len(self._messages) - self._dropped
        most, size = self._retention.max_messages, self._retention.max_bytes
        return kept > 1 and ((most is not None and kept > most) or (size is not None and self._bytes > size))

    def _first_sequence_number(self) -> int:
        return self._next_sequence_number - (len(self._messages) - self._dropped)

    def _search(self, value: int, inclusive: bool, key: Callable[[StoredMessage], int]) -> int:
        bisect = bisect_left if inclusive else bisect_right
        with self._lock:
            index = bisect(self._messages, value, lo=self._dropped, key=key)
            return self._first_sequence_number() + index - self._dropped
