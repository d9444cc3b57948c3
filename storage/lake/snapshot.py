"""What the lake holds at one version, and which files came since another."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from urllib.parse import unquote


@dataclass(frozen=True, slots=True)
class LakeFile:
    """One data file: path below the root, UTC date, rows, bytes."""

    path: str
    date: date
    rows: int
    size: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The files that make up the table at one version. Immutable; files may vanish only by vacuum."""

    root: Path
    version: int
    files: tuple[LakeFile, ...]

    def between(self, first: date, last: date) -> list[LakeFile]:
        """Return the files of these UTC dates, both included."""
        return [file for file in self.files if first <= file.date <= last]

    def entry_hash(self) -> str | None:
        """Return the SHA-256 of this version's log entry; None when log clean-up took it."""
        return _entry_hash(self.root, self.version)


@dataclass(frozen=True, slots=True)
class Hint:
    """Where a reader stood in the log: a version and the hash of its entry. Finds new files fast; never the truth."""

    version: int
    entry: str


def _entry_path(root: Path, version: int) -> Path:
    return root / "_delta_log" / f"{version:020}.json"


def _entry_hash(root: Path, version: int) -> str | None:
    try:
        return hashlib.sha256(_entry_path(root, version).read_bytes()).hexdigest()
    except FileNotFoundError:
        return None


def appended(snapshot: Snapshot, since: Hint | None) -> list[tuple[int, list[LakeFile]]] | None:
    """Return, per version after `since` (None: from the first), the files that brought new rows.

    Returns None where the log cannot say (cleaned up, or another table now stands there): the caller then looks at
    every file of the snapshot. Compaction moves rows without adding any and is left out.
    """
    if since is not None and (
        since.version > snapshot.version or _entry_hash(snapshot.root, since.version) != since.entry
    ):
        return None
    found = []
    for version in range(0 if since is None else since.version + 1, snapshot.version + 1):
        try:
            lines = _entry_path(snapshot.root, version).read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return None
        files = [_added(action["add"]) for action in map(json.loads, lines) if _brings_rows(action)]
        if any(not (snapshot.root / file.path).exists() for file in files):
            return None
        if files:
            found.append((version, files))
    return found


def _brings_rows(action: dict[str, dict[str, object]]) -> bool:
    return "add" in action and action["add"]["dataChange"] is True


def _added(add: dict[str, object]) -> LakeFile:
    stats = json.loads(str(add.get("stats") or "{}"))
    day = date.fromisoformat(add["partitionValues"]["event_date"])  # type: ignore[index]
    return LakeFile(unquote(str(add["path"])), day, int(stats.get("numRecords", 0)), int(str(add["size"])))


def total_rows(files: Iterable[LakeFile]) -> int:
    """Return how many rows these files hold together."""
    return sum(file.rows for file in files)
