"""Deleting what no version names: files of writers that died, and those that compaction replaced long ago.

Age alone proves nothing: a writer stopped for an hour between writing a file and committing it would wake up and
commit a name without a file. So a sweep first commits a *fence*, a change of the table's metadata. Whatever was being
written under an older version can then no longer be committed: our own writers may only make the very next version,
and delta-rs refuses a compaction across a change of metadata. What was listed before the fence and is named neither
before nor at it can be deleted.
"""

import logging
import os
import uuid
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError

from acrwatch.core.errors import StoreError
from storage.lake.durable import sync_entries
from storage.lake.entries import log_folder
from storage.lake.handle import FENCE, open_table, reason
from storage.lake.holding import named_since
from storage.lake.table import Lake
from storage.schema import PARTITION_COLUMN

log = logging.getLogger(__name__)

# Mercy for writers at work, which a fence would make start again: no commit takes an hour.
_ORPHAN_AGE: Final = timedelta(hours=1)


def sweep(lake: Lake, *, now: datetime, held: int | None = None) -> int:
    """Delete data files and temporary files that no version names and that are older than an hour.

    Files that compaction replaced stay named, for readers still on them, until a checkpoint drops them: 3 hours
    later; and so do those that brought rows after version `held`. Returns the number deleted. Raises StoreError.
    """
    oldest = (now - _ORPHAN_AGE).timestamp()
    try:
        table = open_table(lake.root)
        stray = strays(lake, table, now=now, held=held)
        if stray and not _fence(lake.root, table):
            stray = set()
        doomed = stray - {lake.root / path for path in _named(lake, open_table(lake.root))} if stray else set()
        doomed |= _older(_temporary(lake.root), oldest)
        for path in doomed:
            path.unlink(missing_ok=True)
    except (OSError, DeltaError) as error:
        raise StoreError(
            f"Cannot sweep {lake.root}: {reason(error)}", remedy="Check that its files may be deleted"
        ) from error
    if doomed:
        log.info("swept %d files that no commit names", len(doomed))
    return len(doomed)


def strays(lake: Lake, table: DeltaTable, *, now: datetime, held: int | None) -> set[Path]:
    """Return the data files older than an hour that no version up to this handle's names and no reader needs."""
    unnamed = _data_files(lake.root) - _named(lake, table) - named_since(lake.root, held)
    return _older({lake.root / path for path in unnamed}, (now - _ORPHAN_AGE).timestamp())


def _data_files(root: Path) -> set[str]:
    """Return the data files by their path below the root."""
    days = [day.name for day in root.glob(f"{PARTITION_COLUMN}=*")]
    found = ((day, name) for day in days for name in os.listdir(root / day))  # noqa: PTH208
    return {f"{day}/{name}" for day, name in found if name.endswith(".parquet")}


def sweepable(lake: Lake, *, now: datetime, held: int | None = None) -> list[Path]:
    """Return what a sweep would delete, and delete nothing. Raises StoreError."""
    oldest = (now - _ORPHAN_AGE).timestamp()
    try:
        return sorted(strays(lake, open_table(lake.root), now=now, held=held) | _older(_temporary(lake.root), oldest))
    except (OSError, DeltaError) as error:
        raise StoreError(f"Cannot look through {lake.root}: {reason(error)}") from error


def _temporary(root: Path) -> set[Path]:
    return {*root.glob("event_date=*/*#*"), *log_folder(root).glob("*#*")}


def _named(lake: Lake, table: DeltaTable) -> set[str]:
    """Return the files of this version and those that earlier ones removed and the log still remembers."""
    replaced = table.vacuum(retention_hours=0, dry_run=True, enforce_retention_duration=False)
    return {*replaced, *(file.path for file in lake.snapshot_of(table).files)}


def _older(paths: set[Path], oldest: float) -> set[Path]:
    found = set()
    for path in paths:
        try:
            if path.stat().st_mtime < oldest:
                found.add(path)
        except FileNotFoundError:  # a temporary file that its writer has just renamed
            continue
    return found


def _fence(root: Path, table: DeltaTable) -> bool:
    """Commit a fence, durable on return; False where a writer was in the way: the next round will do."""
    try:
        table.alter.set_table_properties({FENCE: uuid.uuid4().hex}, raise_if_not_exists=False)
    except CommitFailedError as error:
        log.info("sweeping another time: %s", reason(error))
        return False
    sync_entries(root, table.version() - 1, table.version())
    return True
