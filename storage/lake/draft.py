"""Data files that are written but that no commit names yet."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from acrwatch.core.crashpoint import reach
from acrwatch.core.errors import StoreError
from storage.lake.parquet import by_date, remove, statistics, write_events
from storage.lake.snapshot import LakeFile

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DraftFile:
    """A data file and its Delta statistics."""

    file: LakeFile
    statistics: str


class Draft:
    """The files of one commit, kept over its tries: rewriting them on each refusal would cost two thirds of a try.

    A file may be committed later than the handle it was written under only if no sweep began in between; a sweep
    announces itself by a new fence (see `sweeping`).
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._ids: pa.ChunkedArray | None = None
        self._fence: str | None = None
        self._files: list[DraftFile] = []

    def __iter__(self) -> Iterator[DraftFile]:
        return iter(self._files)

    def hold(self, events: pa.Table, fence: str | None) -> None:
        """Make the files hold these events and no others, durable before return.

        Raises StoreError where the disk refuses; nothing is left on it then.
        """
        ids = events.column("event_id")
        if self._ids is not None and fence == self._fence and ids.equals(self._ids):
            return
        self.discard()
        try:
            for day, part in by_date(events):
                self._files.append(DraftFile(write_events(self._root, day, part), statistics(part)))
                reach("lake.file_written")
        except OSError as error:
            self.discard()
            raise StoreError(
                f"Cannot write events below {self._root}: {error}",
                remedy="Free disk space and see that the folder can be written to; nothing was stored",
            ) from error
        self._ids, self._fence = ids, fence

    def release(self) -> list[LakeFile]:
        """Let go of the files, which a commit now names, and return them."""
        files = [made.file for made in self._files]
        self._files, self._ids = [], None
        return files

    def discard(self) -> None:
        """Delete the files that no commit came to name."""
        files = self.release()
        try:
            remove(self._root, files)
        except OSError as error:
            log.warning("leaving %d uncommitted files to the sweep: %s", len(files), error)
