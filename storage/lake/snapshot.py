"""What the lake holds at one version, and which files came since another."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
from deltalake import DeltaTable

from storage.lake.entries import Action, brings_rows, entry_path, entry_versions, read_actions
from storage.schema import PARTITION_COLUMN


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


def _entry_hash(root: Path, version: int) -> str | None:
    try:
        return hashlib.sha256(entry_path(root, version).read_bytes()).hexdigest()
    except FileNotFoundError:
        return None


def appended(snapshot: Snapshot, since: Hint | None) -> list[tuple[int, list[LakeFile]]] | None:
    """Return, per version after `since` (None: from the first), the files that brought new rows.

    Returns None where the log cannot say (cleaned up, or another table now stands there): the caller then looks at
    every file of the snapshot. Compaction moves rows without adding any and is left out, and so are files of dates that
    retention has deleted since. The files may have been compacted away: never read them beside the snapshot's own.
    """
    if since is not None and (
        since.version > snapshot.version or _entry_hash(snapshot.root, since.version) != since.entry
    ):
        return None
    found: list[tuple[int, list[LakeFile]]] = []
    deleted: set[str] = set()
    for version in range(0 if since is None else since.version + 1, snapshot.version + 1):
        try:
            actions = read_actions(snapshot.root, version)
        except FileNotFoundError:
            return None
        found.append((version, [added_file(action["add"]) for action in actions if brings_rows(action)]))
        deleted.update(unquote(action["remove"]["path"]) for action in actions if _takes_rows(action))
    kept = [(version, [file for file in files if file.path not in deleted]) for version, files in found]
    if not all((snapshot.root / file.path).exists() for _, files in kept for file in files):
        return None
    return [(version, files) for version, files in kept if files]


def stored_after(root: Path, since: Hint | None) -> datetime | None:
    """Return when the first rows after `since` (None: the first of all) were committed; None where there are none.

    Reads entries of the log up to that one and no data. Raises LookupError where the log cannot say, as `appended`.
    """
    if since is not None and _entry_hash(root, since.version) != since.entry:
        raise LookupError(f"Version {since.version} is not what it was")
    version = 0 if since is None else since.version + 1
    try:
        while not any(map(brings_rows, read_actions(root, version))):
            version += 1
        return datetime.fromtimestamp(entry_path(root, version).stat().st_mtime, UTC)
    except FileNotFoundError:
        if any(later > version for later in entry_versions(root)):
            raise LookupError(f"Version {version} was cleaned up") from None
    except ValueError:  # torn by a power cut: whoever opens the lake to write takes it back
        pass
    return None


def _takes_rows(action: Action) -> bool:
    """Tell retention, which deletes whole dates, from a compaction, whose rows live on elsewhere."""
    return "remove" in action and action["remove"]["dataChange"] is True


def added_file(add: Action) -> LakeFile:
    """Return the file that an add action names.

    Raises KeyError, TypeError or ValueError where another writer left out what ours state.
    """
    day = date.fromisoformat(add["partitionValues"]["event_date"])
    return LakeFile(unquote(add["path"]), day, json.loads(add["stats"])["numRecords"], add["size"])


def snapshot_of(root: Path, table: DeltaTable) -> Snapshot:
    """Return the files of the version that this handle stands at."""
    adds = pa.table(table.get_add_actions(flatten=True))
    rows = adds.select(["path", f"partition.{PARTITION_COLUMN}", "num_records", "size_bytes"]).to_pydict()
    files = [LakeFile(path, _date(day), count, size) for path, day, count, size in zip(*rows.values(), strict=True)]
    return Snapshot(root, table.version(), tuple(sorted(files, key=lambda file: (file.date, file.path))))


def _date(value: date | str) -> date:
    return value if isinstance(value, date) else date.fromisoformat(value)


def total_rows(files: Iterable[LakeFile]) -> int:
    """Return how many rows these files hold together."""
    return sum(file.rows for file in files)
