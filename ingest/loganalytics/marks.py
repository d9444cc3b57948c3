"""How far readings are, in SQL: advanced only when everything before was made durable."""

from collections import deque
from dataclasses import dataclass

from acrwatch.core.clock import Clock
from storage.state import log_reads
from storage.state.database import Database
from storage.state.log_reads import LogRead


@dataclass(frozen=True, slots=True)
class _Mark:
    sequence_number: int
    read: LogRead


class Marks:
    """Marks are set while reading; they count once the message they stand for is stored."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._marks: deque[_Mark] = deque()
        self._written: dict[str, LogRead] = {}
        self._stored = -1

    def begin(self, read: LogRead) -> LogRead:
        """Return the entry of that name that holds its beginning, or begin it. Raises StoreError."""
        with self._database.begin() as connection:
            found = log_reads.find(connection, read.name, read.since)
            if found is None:
                log_reads.begin(connection, read, now=self._clock.now())
                found = log_reads.find(connection, read.name, read.since) or read
        self._written[read.name] = found
        return found

    def mark(self, sequence_number: int, read: LogRead) -> None:
        """Note how far reading is once message `sequence_number` is stored; -1 stands for no message at all."""
        self._marks.append(_Mark(sequence_number, read))

    def stored(self, sequence_number: int) -> None:
        """Note that everything up to this message is durable."""
        self._stored = max(self._stored, sequence_number)

    def settle(self) -> None:
        """Write what counts by now. Raises StoreError, and nothing is forgotten then; ConflictError where another
        process reads the same."""
        due: dict[str, LogRead] = {}
        for mark in self._marks:
            if mark.sequence_number > self._stored:
                break
            due[mark.read.name] = mark.read
        if due:
            with self._database.begin() as connection:
                for name, read in due.items():
                    log_reads.advance(connection, self._written[name], read, now=self._clock.now())
            self._written |= due
        while self._marks and self._marks[0].sequence_number <= self._stored:
            self._marks.popleft()

    def drop(self) -> None:
        """Forget what was marked and not written: it will be read again."""
        self._marks.clear()
        self._written.clear()
