"""The detections a running process uses: read once, and again whenever a file of the user's folders changes."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from detections import broken_rules, lock
from detections.detection import Detection
from detections.library import read_library
from detections.notices import Publishing
from detections.rule import RuleSet, rule_files
from storage.state.database import Database

# What tells two states of the folders apart: of each file its path, inode, size and time of change.
_Look = Sequence[tuple[str, int, int, int]]


class Rulebook(Mapping[str, Detection]):
    """Detections by slug. It changes only in `refresh`, so a pass sees one set; one thread calls both.

    At first everything that loads is in use. Later a changed set is taken as a whole, or, where it has a mistake in a
    file that had none, not at all: half an edit must not switch a detection off. A detection that is new begins at
    the head; the alerts and the cursor of one that was taken away stay, so that it goes on where it stood if it
    comes back.
    """

    def __init__(self, folders: Sequence[Path] = (), geoip: Path | None = None) -> None:
        self._folders = tuple(folders)
        self._geoip = geoip
        self._seen = _look(self._folders)
        self._in_use = self._latest = read_library(self._folders, self._geoip)
        self._stated = False

    def __getitem__(self, slug: str) -> Detection:
        return self._in_use.detections[slug]

    def __iter__(self) -> Iterator[str]:
        return iter(self._in_use.detections)

    def __len__(self) -> int:
        return len(self._in_use.detections)

    @property
    def latest(self) -> RuleSet:
        """What the files held when they were last read, in use or not."""
        return self._latest

    @property
    def refused(self) -> bool:
        """Whether the files hold a changed set that is not in use."""
        return self._latest is not self._in_use

    def refresh(self, database: Database, publishing: Publishing, *, now: datetime) -> bool:
        """Take up what changed, and state in the database what is wrong with it; return whether there was a change.

        Raises RemoteUnreachableError when the database is away; the next call states it then.
        """
        changed = self._read_again()
        if changed or not self._stated:
            with database.begin() as connection:
                broken_rules.report(
                    connection, self._latest.mistakes, self.keys(), publishing, refused=self.refused, now=now
                )
            self._stated = True
        return changed

    def _read_again(self) -> bool:
        look = _look(self._folders)
        if look == self._seen:
            return False
        self._latest = read_library(self._folders, self._geoip)
        known = {mistake.file for mistake in self._in_use.mistakes}
        if all(mistake.file in known for mistake in self._latest.mistakes):
            self._in_use = self._latest
        self._seen, self._stated = look, False
        return True


def _look(folders: Sequence[Path]) -> _Look:
    """Return what the folders look like; a file that cannot be looked at is one that is not there."""
    found: list[tuple[str, int, int, int]] = []
    for folder in folders:
        try:
            locks = [path for path in (folder / lock.FILE,) if path.exists()]
            found += map(_looked_at, (*rule_files(folder), *locks))
        except OSError:
            found.append((str(folder), 0, 0, 0))
    return found


def _looked_at(file: Path) -> tuple[str, int, int, int]:
    """A link that leads nowhere must not hide what changes beside it."""
    try:
        at = file.stat()
    except OSError:
        return str(file), 0, 0, 0
    return str(file), at.st_ino, at.st_size, at.st_mtime_ns
