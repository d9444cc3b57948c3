"""What the table holds, carried forward entry by entry as a writer needs it.

Loading the table lists the whole log folder and reads all since the last checkpoint: of 13 ms that a commit took at
2,300 entries (three hours of one every 5 s) 9 were spent on it. Following the log costs one failed look for the next
entry, whatever the table holds.

That the next entry is absent proves that ours is the newest only if clean-up has not taken it. It takes old ones first
and never the newest (`holding.forget`), so the entry before must still be there after each look, and after each commit.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from acrwatch.core.errors import ConflictError
from storage.lake.entries import Action, brings_rows, entry_path, read_actions
from storage.lake.handle import FENCE, fence_of, open_table
from storage.lake.snapshot import LakeFile, added_file, snapshot_of

log = logging.getLogger(__name__)

# Streams whose positions are remembered; an import has one for each file, and unknown ones are looked up.
_MAX_STREAMS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Move:
    """Rows of one date that went from some files into others, as by a compaction; none came or went."""

    day: date
    gone: frozenset[LakeFile]
    come: frozenset[LakeFile]


class Replay:
    """The newest version that a writer knows: its files, fence and positions. Belongs to one writer."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.version = -1
        self.fence: str | None = None
        self._files: dict[str, LakeFile] = {}
        self._dates: defaultdict[date, dict[str, LakeFile]] = defaultdict(dict)
        self._positions: dict[str, int | None] = {}
        self._mark: tuple[int, int, int] | None = None

    def between(self, first: date, last: date) -> list[LakeFile]:
        """Return the files of these UTC dates, both included."""
        days = [first] if first == last else [day for day in self._dates if first <= day <= last]
        return [file for day in days if day in self._dates for file in self._dates[day].values()]

    def positions(self, streams: Iterable[str]) -> dict[str, int | None]:
        """Return the stored position of each stream at this version.

        Raises ConflictError where one has to be looked up and the table has moved on, StoreError where it cannot be.
        """
        wanted = set(streams)
        if unknown := wanted - self._positions.keys():
            if len(self._positions) > _MAX_STREAMS:
                self._positions.clear()
                unknown = wanted
            table = open_table(self._root)
            if table.version() != self.version:  # a later position would be confirmed before it is durable
                raise ConflictError(f"Version {table.version()} of {self._root} came after {self.version}")
            self._positions.update({stream: table.transaction_version(stream) for stream in unknown})
        return {stream: self._positions[stream] for stream in wanted}

    def advance(self) -> list[Move]:
        """Take in what was committed since the last call; return how rows moved, in order.

        Loads the table anew, and returns nothing, where entries are gone or are not understood. Raises StoreError.
        """
        moves: list[Move] = []
        try:
            while self._mark is not None:
                actions = self._next()
                if self._mark != _mark(self._root, self.version):  # then what is next, or not, proves nothing
                    break
                if actions is None:
                    return moves
                moves += self.take(self.version + 1, actions)
        except (OSError, ValueError, KeyError, TypeError) as error:  # torn, or by a writer that states less than ours
            log.debug("loading the table at %s: %r", self._root, error)
        self._load()
        return []

    def _next(self) -> list[Action] | None:
        try:
            actions = read_actions(self._root, self.version + 1)
        except FileNotFoundError:
            return None
        if any("protocol" in action for action in actions):
            raise ValueError("a change of protocol is for delta-rs to judge")
        return actions

    def forget(self) -> None:
        """Load the table anew at the next call of `advance`."""
        self._mark = None

    def _load(self) -> None:
        table = open_table(self._root)
        self.version, self.fence = table.version(), fence_of(table)
        self._files, self._positions = {}, {}
        self._dates.clear()
        for file in snapshot_of(self._root, table).files:
            self._enter(file)
        self._mark = _mark(self._root, self.version)

    def require_unpassed(self) -> None:
        """Raise ConflictError where clean-up took the entry that we stand at, and perhaps those that came after it.

        An entry made after that may lie before a checkpoint, where nobody reads it. Only the table itself can tell.
        """
        if self._mark != _mark(self._root, self.version):
            self.forget()
            raise ConflictError(f"Clean-up of the log of {self._root} has passed version {self.version}")

    def take(self, version: int, actions: Sequence[Action]) -> list[Move]:
        """Carry the state to `version`, whose entry holds these actions; return how rows moved."""
        gone = [self._files[unquote(action["remove"]["path"])] for action in actions if "remove" in action]
        come = [(added_file(action["add"]), brings_rows(action)) for action in actions if "add" in action]
        for file in gone:
            del self._files[file.path], self._dates[file.date][file.path]
        for file, _ in come:
            self._enter(file)
        for action in actions:
            if "txn" in action:
                self._positions[action["txn"]["appId"]] = action["txn"]["version"]
            elif "metaData" in action:
                self.fence = action["metaData"]["configuration"].get(FENCE)
        self.version, self._mark = version, _mark(self._root, version)
        return _moves(gone, [file for file, new in come if not new])

    def _enter(self, file: LakeFile) -> None:
        self._files[file.path] = self._dates[file.date][file.path] = file


def _moves(gone: Sequence[LakeFile], come: Sequence[LakeFile]) -> list[Move]:
    return [
        Move(
            day,
            frozenset(file for file in gone if file.date == day),
            frozenset(file for file in come if file.date == day),
        )
        for day in sorted({file.date for file in come})
    ]


def _mark(root: Path, version: int) -> tuple[int, int, int] | None:
    """Return what tells this entry from one of a table that was put in the place of ours."""
    try:
        found = entry_path(root, version).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size
