"""How far the blobs of a container were read: kept in SQL, advanced only when everything before was made durable."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from acrwatch.core.clock import Clock
from ingest.archive.layout import Listed
from ingest.archive.reading import begun
from ingest.files.marks import Marks
from storage.state import blobs, positions
from storage.state.blobs import BlobProgress
from storage.state.database import Database
from storage.state.positions import Position

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR = timedelta(hours=1)


class BlobLedger:
    """Progress is noted while reading; it counts once the message it stands for is stored."""

    def __init__(self, database: Database, clock: Clock, container: str) -> None:
        """`container` names account and container, as Address.name does."""
        self._database = database
        self._clock = clock
        self._container = container
        self._marks: Marks[BlobProgress] = Marks()

    def of(self, listed: Sequence[Listed]) -> Mapping[str, BlobProgress]:
        """Return how far these blobs were read, by their names in the container. Raises StoreError."""
        names = {one.name: f"{self._container}/{one.name}" for one in listed}
        with self._database.connect() as connection:
            found = blobs.find(connection, list(names.values()))
        return {name: found.get(full) or begun(full) for name, full in names.items()}

    def note(self, sequence_number: int, progress: BlobProgress) -> None:
        """Note what holds once message `sequence_number` is stored; -1 stands for no message at all."""
        self._marks.note(sequence_number, progress.name, progress)

    def unstored(self) -> set[str]:
        """Return the blobs, by the name of their progress, of which something was read that is not stored yet."""
        return self._marks.waiting()

    def begin(self, last: int) -> None:
        """Go on with another stream, whose messages up to `last` are stored; its numbers are not those of the one
        before. Settle what that one noted first."""
        self._marks = Marks()
        self._marks.stored(last)

    def stored(self, sequence_number: int) -> None:
        """Note that everything up to this message is durable."""
        self._marks.stored(sequence_number)

    def settle(self) -> None:
        """Write what counts by now. Raises StoreError; nothing is forgotten then."""
        self._marks.settle(self._write)

    def _write(self, progress: Sequence[BlobProgress]) -> None:
        with self._database.begin() as connection:
            blobs.advance(connection, progress, now=self._clock.now())

    def looked(self) -> tuple[datetime, datetime] | None:
        """Return the first hour that is followed and when a look last found everything stored; None before that."""
        with self._database.connect() as connection:
            found = positions.hints(connection, self._container).get(self._container)
        if found is None:
            return None
        return _EPOCH + found.sequence_number * _HOUR, datetime.fromisoformat(found.offset)

    def remember_look(self, first: datetime, at: datetime) -> None:
        """Keep what `looked` returns. `first` is the beginning of an hour; both aware. Raises StoreError."""
        position = Position(at.astimezone(UTC).isoformat(timespec="seconds"), (first - _EPOCH) // _HOUR)
        with self._database.begin() as connection:
            positions.remember(connection, {self._container: position}, now=self._clock.now())

    def claim_stream(self) -> tuple[str, int] | None:
        """Take over a stream that was put down, with its last sequence number; None where none was."""
        with self._database.begin() as connection:
            taken = positions.claim(connection, f"{self._container}/")
        return None if taken is None else (taken[0], taken[1].sequence_number)

    def put_down_stream(self, stream: str, last: int) -> None:
        """Let another run go on with this stream, all of whose messages up to `last` are stored. Raises StoreError."""
        with self._database.begin() as connection:
            positions.remember(connection, {stream: Position("", last)}, now=self._clock.now())
