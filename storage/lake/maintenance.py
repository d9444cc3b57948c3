"""What keeps the lake quick: small files joined, the log checkpointed, what no commit names swept away.

Run by one process at a time, under a lease. Compaction commits through delta-rs, which refuses a second compaction of
the same files only in some versions; `tests/lake/test_compaction.py` holds the installed one to it, and the row counts
are compared here besides.
"""

import logging
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final

from deltalake import DeltaTable, WriterProperties
from deltalake.exceptions import CommitFailedError, DeltaError

from acrwatch.core.errors import ConflictError, StoreError
from storage.lake.snapshot import Snapshot, total_rows
from storage.lake.table import Lake

log = logging.getLogger(__name__)

# A date is compacted when it holds this many files that are well below the target size.
MIN_FILES: Final = 8
TARGET_BYTES: Final = 64 * 1024 * 1024

# Opening a table costs 0.1 to 0.2 ms for every log entry past the last checkpoint.
_CHECKPOINT_EVERY: Final = 20

# A file that no commit names may belong to a commit under way; none takes an hour.
_ORPHAN_AGE: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Maintained:
    """What one round did."""

    dates: tuple[date, ...]
    files_removed: int
    files_added: int
    checkpoint: bool
    orphans: int


def crowded_dates(snapshot: Snapshot) -> list[date]:
    """Return the dates with enough small files to be worth joining, oldest first."""
    small: dict[date, int] = {}
    for file in snapshot.files:
        if file.size < TARGET_BYTES // 2:
            small[file.date] = small.get(file.date, 0) + 1
    return sorted(day for day, count in small.items() if count >= MIN_FILES)


def maintain(lake: Lake, *, now: datetime) -> Maintained:
    """Compact crowded dates, checkpoint the log, sweep orphans.

    Raises ConflictError when another compactor took the same files (harmless: nothing was changed), StoreError when
    the disk refuses or, which must never happen, compaction changed the number of rows.
    """
    before = lake.snapshot()
    dates = crowded_dates(before)
    removed = added = 0
    for day in dates:
        gone, made = _compact(lake, day)
        removed, added = removed + gone, added + made
    return Maintained(tuple(dates), removed, added, _checkpoint(lake.root), sweep(lake, now=now))


def _compact(lake: Lake, day: date) -> tuple[int, int]:
    table = DeltaTable(str(lake.root))
    held = lake.snapshot_of(table).between(day, day)
    try:
        metrics = table.optimize.compact(
            partition_filters=[("event_date", "=", day.isoformat())],
            target_size=TARGET_BYTES,
            writer_properties=WriterProperties(compression="ZSTD", compression_level=3),
        )
    except CommitFailedError as error:
        raise ConflictError(f"Another process compacted {day} of {lake.root}") from error
    except (OSError, DeltaError) as error:
        raise StoreError(f"Cannot compact {day} of {lake.root}: {error}", remedy="Free disk space") from error
    _compare(lake, day, {file.path for file in held}, total_rows(held))
    return metrics["numFilesRemoved"], metrics["numFilesAdded"]


def _compare(lake: Lake, day: date, paths: set[str], rows: int) -> None:
    """Hold the compacted files to the row count of those they replaced; appends of the meantime are in files apart."""
    after = lake.snapshot().between(day, day)
    replaced = paths - {file.path for file in after}
    joined = [f for f in after if f.path not in paths and Path(f.path).name.startswith("part-")]
    kept = total_rows(file for file in after if file.path in paths)
    if replaced and total_rows(joined) + kept != rows:
        raise StoreError(
            f"Compaction of {day} turned {rows} rows of {lake.root} into {total_rows(joined) + kept}",
            remedy="Stop acrwatch and report this: the log still holds the version before",
        )


def _checkpoint(root: Path) -> bool:
    table = DeltaTable(str(root))
    entries = sorted((root / "_delta_log").glob("*.checkpoint.parquet"))
    last = int(entries[-1].name.split(".")[0]) if entries else 0
    if table.version() - last < _CHECKPOINT_EVERY:
        return False
    table.create_checkpoint()
    return True


def sweep(lake: Lake, *, now: datetime) -> int:
    """Delete data files and temporary files that no commit names and that are older than an hour.

    Files a compaction replaced are named by the log as removed; they stay until `vacuum`, for readers still on them.
    """
    table = DeltaTable(str(lake.root))
    named = {file.path for file in lake.snapshot_of(table).files}
    named.update(table.vacuum(retention_hours=0, dry_run=True, enforce_retention_duration=False))
    oldest = (now - _ORPHAN_AGE).timestamp()
    stray = [path for path in lake.root.glob("event_date=*/*.parquet") if str(path.relative_to(lake.root)) not in named]
    stray += [*lake.root.glob("event_date=*/*#*"), *(lake.root / "_delta_log").glob("*#*")]
    doomed = [path for path in stray if path.stat().st_mtime < oldest]
    for path in doomed:
        path.unlink(missing_ok=True)
    if doomed:
        log.info("swept %d files that no commit names", len(doomed))
    return len(doomed)
