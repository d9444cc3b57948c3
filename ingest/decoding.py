"""Messages on their way into one commit, decoded on a thread of their own.

Compressing Parquet and waiting for the disk let other threads of Python run: half of the time that a commit takes. So
messages are decoded as they come, and the first ones of the next commit while the one before is being written. The
thread only computes. What becomes durable, and in which order, stays with the thread that stores.
"""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from typing import Final

import pyarrow as pa

from acrwatch.core.model import Message
from ingest.normalise import Normalised, Normaliser
from ingest.unreadable import Unreadable

# Enough for tables of some thousand rows, whose making costs the same however few they are; decoded in 25 ms, which is
# what a commit that is due may have to wait for its last piece.
PIECE_BYTES: Final = 4 * 1024 * 1024


class Decoder:
    """One thread that decodes in the order asked for. `close` ends it; another call begins a new one."""

    def __init__(self, normaliser: Normaliser) -> None:
        self._normaliser = normaliser
        self._thread: ThreadPoolExecutor | None = None

    def begin(self, messages: Sequence[Message], now: datetime) -> "Future[Normalised]":
        """Begin to decode; `now` (aware) is when the messages were taken in."""
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="decode")
        readable = [message for message in messages if not isinstance(message, Unreadable)]
        return self._thread.submit(self._normaliser.batch, readable, now=now)

    def close(self) -> None:
        """End the thread, after the piece at hand; what it had still to do is dropped."""
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)
            self._thread = None


class Batch:
    """What goes into one commit. Belongs to the thread that stores."""

    def __init__(self, decoder: Decoder) -> None:
        self.messages: list[Message] = []
        self.size = 0  # bytes of their bodies
        self._decoder = decoder
        self._waiting: list[Message] = []
        self._waiting_size = 0
        self._pieces: list[Future[Normalised]] = []

    def add(self, messages: Sequence[Message], now: datetime) -> None:
        """Take messages that arrived at `now` (aware) and, once there are enough, begin to decode them."""
        size = sum(len(message.body) for message in messages)
        self.messages += messages
        self.size += size
        self._waiting += messages
        self._waiting_size += size
        if self._waiting_size >= PIECE_BYTES:
            self.begin(now)

    def begin(self, now: datetime) -> None:
        """Begin to decode what was added so far."""
        if self._waiting:
            self._pieces.append(self._decoder.begin(self._waiting, now))
            self._waiting, self._waiting_size = [], 0

    def decoded(self, now: datetime) -> Normalised:
        """Wait for everything added and return it. Asked again, it decodes anew: the clock has moved on."""
        self.begin(now)
        begun, self._pieces = self._pieces, []
        self._waiting, self._waiting_size = list(self.messages), self.size
        return _joined([piece.result() for piece in begun])


def _joined(pieces: Sequence[Normalised]) -> Normalised:
    skipped: Counter[str] = Counter()
    for piece in pieces:
        skipped.update(piece.skipped)
    return Normalised(
        pa.concat_tables([piece.events for piece in pieces]),
        tuple(reject for piece in pieces for reject in piece.rejects),
        dict(skipped),
    )
