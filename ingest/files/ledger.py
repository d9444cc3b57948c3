"""Which files were imported: kept in SQL, and noted only when all of a file was made durable."""

from collections.abc import Collection, Sequence

from acrwatch.core.clock import Clock
from ingest.files.marks import Marks
from storage.state import ledger
from storage.state.database import Database
from storage.state.ledger import ImportedFile


class Ledger:
    """Files are noted when they were read; they count once the message they end with is stored."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._marks: Marks[ImportedFile] = Marks()

    def finished(self, sizes: Collection[int]) -> set[str]:
        """Return the hashes of what was imported before and has one of these sizes (bytes). Raises StoreError."""
        with self._database.connect() as connection:
            return ledger.finished(connection, sizes)

    def note(self, sequence_number: int, imported: ImportedFile) -> None:
        """Note that a file ends with message `sequence_number`; -1 stands for no message at all."""
        self._marks.note(sequence_number, imported.sha256, imported)

    def stored(self, sequence_number: int) -> None:
        """Note that everything up to this message is durable."""
        self._marks.stored(sequence_number)

    def settle(self) -> None:
        """Write what counts by now. Raises StoreError; nothing is forgotten then."""
        self._marks.settle(self._write)

    def _write(self, imported: Sequence[ImportedFile]) -> None:
        with self._database.begin() as connection:
            ledger.finish(connection, imported, now=self._clock.now())
