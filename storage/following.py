"""Events as they are committed: what came since the last look, for people who watch."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from storage.lake.entries import entry_path
from storage.lake.reading import read_snapshot
from storage.lake.snapshot import Hint, LakeFile, Snapshot, appended
from storage.selection import Selected, Selection, select


class Follower:
    """Follows a lake commit by commit, without a cursor of its own in it. Nothing is written."""

    def __init__(self, root: Path, selection: Selection, columns: Sequence[str]) -> None:
        """Raises NotFoundError, StoreError."""
        self._root = root
        self._selection = selection
        self._columns = columns
        self._seen = read_snapshot(root)

    def newest(self, number: int) -> Selected:
        """Return the newest events there were when following began, in order of time. Raises StoreError."""
        return select(self._seen, self._selection, self._columns, limit=number)

    def newer(self) -> pa.Table | None:
        """Return the events committed since the last call, in order of time; None where the log cannot tell them.

        That is so after more than 3 hours without a call, when clean-up of the log may have passed by.
        Raises StoreError.
        """
        before = self._seen
        if self._is_newest(before):
            return self._read(before, ())
        self._seen = read_snapshot(self._root)
        entry = before.entry_hash()
        found = appended(self._seen, Hint(before.version, entry)) if entry is not None else None
        return None if found is None else self._read(self._seen, [file for _, files in found for file in files])

    def _is_newest(self, snapshot: Snapshot) -> bool:
        """One failed look for the next entry; where ours was cleaned up, that proves nothing."""
        return (
            entry_path(self._root, snapshot.version).exists()
            and not entry_path(self._root, snapshot.version + 1).exists()
        )

    def _read(self, snapshot: Snapshot, files: Sequence[LakeFile]) -> pa.Table:
        these = Snapshot(self._root, snapshot.version, tuple(files))
        return select(these, self._selection, self._columns).rows
