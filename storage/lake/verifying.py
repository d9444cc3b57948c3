"""Whether a lake is whole: its log, its checkpoint, its data files, and each event once. Looks and touches nothing."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from acrwatch.core.errors import StoreError
from storage.lake.entries import checkpoint_version, checkpoints, entry_path, entry_versions, read_actions, stray_hint
from storage.lake.parquet import GIVE_UP, DamagedFileError, read_ids
from storage.lake.snapshot import LakeFile, Snapshot
from storage.lake.table import Lake

LOST_LOG: Final = "What --repair cannot mend is lost with the log: restore the folder _delta_log from a backup"

# Without `full` duplicates are looked for in the newest dates only: those still written to.
SAMPLED_DATES: Final = 7


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: its kind (a stable word), a sentence, and what to do."""

    kind: str
    message: str
    remedy: str


def verify(lake: Lake, *, full: bool = False) -> list[Finding]:
    """Return what is wrong with the lake, nothing if it is whole. Safe beside running writers.

    Duplicate ids are looked for in the newest 7 dates, with `full` in all; a date's ids are held in memory for it.
    """
    findings = log_findings(lake.root)
    try:
        snapshot = lake.snapshot()
    except StoreError as error:
        return [*findings, Finding("table_unreadable", error.message, f"Run with --repair. {LOST_LOG}")]
    damaged = damaged_files(snapshot)
    return [*findings, *map(_of_file, damaged), *_duplicates(snapshot, {file for file, _ in damaged}, full=full)]


def log_findings(root: Path) -> list[Finding]:
    """Return torn entries, gaps and unreadable checkpoints among what the newest version rests on."""
    found, base = [], 0
    for path in reversed(checkpoints(root)):
        if _readable(path):
            base = checkpoint_version(path)
            break
        found.append(
            Finding("checkpoint_unreadable", f"The checkpoint {path.name} cannot be read", "Run with --repair")
        )
    if (noted := stray_hint(root)) is not None:
        said = f"The note _last_checkpoint names version {noted}, of which there is no checkpoint"
        found.append(Finding("checkpoint_missing", said, "Run with --repair"))
    versions = [version for version in entry_versions(root) if version >= base]
    missing = sorted(set(range(base, max(versions, default=base) + 1)) - set(versions))
    found += [
        Finding("log_gap", f"The log has no entry for version {version}", "Restore it from a backup")
        for version in missing
        if version > base or base == 0
    ]
    return found + [finding for version in versions if (finding := _of_entry(root, version, versions[-1]))]


def _of_entry(root: Path, version: int, last: int) -> Finding | None:
    try:
        read_actions(root, version)
    except FileNotFoundError:  # cleaned up while we looked
        return None
    except ValueError:
        torn = "empty" if entry_path(root, version).stat().st_size == 0 else "torn"
        remedy = "Run with --repair" if version == last else "Run with --repair, or restore it from a backup"
        return Finding("entry_torn", f"The log's entry for version {version} is {torn}", remedy)
    return None


def _readable(path: Path) -> bool:
    try:
        pq.read_table(path, columns=["add"])
    except (pa.ArrowException, OSError):
        return not path.exists()
    return True


def damaged_files(snapshot: Snapshot) -> list[tuple[LakeFile, int | None]]:
    """Return the files that are gone (None) or of another size than the log says (that size)."""
    found: list[tuple[LakeFile, int | None]] = []
    for file in snapshot.files:
        try:
            size = (snapshot.root / file.path).stat().st_size
        except FileNotFoundError:
            found.append((file, None))
            continue
        if size != file.size:
            found.append((file, size))
    return found


def _of_file(damage: tuple[LakeFile, int | None]) -> Finding:
    file, size = damage
    if size is None:
        return Finding("file_missing", f"{file.path} ({file.rows} rows of {file.date}) is missing", GIVE_UP)
    said = f"{file.path} ({file.rows} rows of {file.date}) has {size} bytes instead of {file.size}"
    return Finding("file_damaged", said, GIVE_UP)


def unreadable_files(snapshot: Snapshot) -> list[LakeFile]:
    """Return the files that hold no longer what was written, whatever their size: all events' ids are read for it."""
    found = []
    for file in snapshot.files:
        try:
            read_ids(snapshot.root, [file])
        except FileNotFoundError:
            continue
        except DamagedFileError:
            found.append(file)
    return found


def _duplicates(snapshot: Snapshot, damaged: set[LakeFile], *, full: bool) -> list[Finding]:
    dates = sorted({file.date for file in snapshot.files})
    found = []
    for day in dates if full else dates[-SAMPLED_DATES:]:
        chunks, rows = [], 0
        try:
            for file in snapshot.between(day, day):
                if file in damaged:
                    continue
                try:
                    chunks += read_ids(snapshot.root, [file]).chunks
                    rows += file.rows
                except StoreError as error:
                    said = f"{error.message} ({file.rows} rows of {day})"
                    found.append(Finding("file_unreadable", said, error.remedy))
        except FileNotFoundError:  # compacted and swept while we looked; a lasting loss is found by the files
            continue
        ids = pa.chunked_array(chunks, type=pa.binary())
        twice = len(ids) - pc.count_distinct(ids).as_py()
        if twice:
            said = f"{twice} rows of {day} repeat the id of another"
            found.append(Finding("duplicate_ids", said, "Report it: acrwatch writes no event twice"))
        if len(ids) != rows:
            said = f"{day} holds {len(ids)} rows; the log says {rows}"
            found.append(Finding("row_count", said, "Report it, with the folder _delta_log"))
    return found
