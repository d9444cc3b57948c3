"""Incidents reported from any thread, written to SQL by the one thread that owns the database work of a source."""

from collections import deque
from dataclasses import dataclass

from acrwatch.core.clock import Clock
from storage.state import incidents
from storage.state.database import Database


@dataclass(frozen=True, slots=True)
class _Opened:
    key: str
    kind: str
    message: str
    remedy: str


class Notices:
    """A mailbox: `open` and `resolve` never block, `flush` writes in order and keeps what it could not write."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._waiting: deque[_Opened | str] = deque()

    def open(self, key: str, *, kind: str, message: str, remedy: str) -> None:
        """Report that something makes us blind. Repeats of a key count up its occurrences."""
        self._waiting.append(_Opened(key, kind, message, remedy))

    def resolve(self, key: str) -> None:
        """Report that it is over; harmless where nothing was open."""
        self._waiting.append(key)

    def flush(self) -> None:
        """Write everything reported so far. Raises StoreError; nothing is lost then."""
        while self._waiting:
            self._write(self._waiting[0])
            self._waiting.popleft()

    def _write(self, notice: _Opened | str) -> None:
        now = self._clock.now()
        with self._database.begin() as connection:
            if isinstance(notice, str):
                incidents.resolve(connection, notice, now=now)
            else:
                incidents.open(
                    connection,
                    notice.key,
                    kind=notice.kind,
                    message=notice.message,
                    remedy=notice.remedy,
                    now=now,
                )
