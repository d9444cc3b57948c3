"""Which files are finished: kept in SQL, and advanced only when everything before was made durable."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from acrwatch.core.clock import Clock
from ingest.files.marks import Marks
from storage.state import ledger
from storage.state.database import Database


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file by its content."""

    sha256: str
    path: Path
    size: int


@dataclass(frozen=True, slots=True)
class _Mark:
    entry: FileEntry
    offset: int
    records: int
    finished: bool


class Ledger:
    """Marks are set while reading; they count once the message they stand for is stored."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._marks: Marks[_Mark] = Marks()

    def finished(self, sha256: str) -> bool:
        """Return whether a file of this content was wholly imported before. Raises StoreError."""
        with self._database.connect() as connection:
            progress = ledger.find(connection, sha256)
        return progress is not None and progress.finished_at is not None

    def mark(self, sequence_number: int, entry: FileEntry, offset: int, records: int, *, finished: bool) -> None:
        """Note how far into a file message `sequence_number` goes; -1 stands for no message at all."""
        self._marks.note(sequence_number, entry.sha256, _Mark(entry, offset, records, finished))

    def stored(self, sequence_number: int) -> None:
        """Note that everything up to this message is durable."""
        self._marks.stored(sequence_number)

    def settle(self) -> None:
        """Write what counts by now. Raises StoreError; nothing is forgotten then."""
        self._marks.settle(self._write)

    def _write(self, marks: Sequence[_Mark]) -> None:
        now = self._clock.now()
        with self._database.begin() as connection:
            for mark in marks:
                entry = mark.entry
                ledger.advance(
                    connection,
                    entry.sha256,
                    path=str(entry.path),
                    size=entry.size,
                    offset=mark.offset,
                    records=mark.records,
                    now=now,
                )
                if mark.finished:
                    ledger.finish(connection, entry.sha256, now=now)
