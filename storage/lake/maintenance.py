"""What keeps the lake quick: small files joined, the log checkpointed and short, what no commit names swept away.

Run by one process at a time, under a lease; a second one does no harm beyond work done twice.
"""

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Final

from deltalake.exceptions import DeltaError

from acrwatch.core.errors import StoreError
from storage.lake.compaction import compact, targets
from storage.lake.durable import sync_log
from storage.lake.entries import last_checkpoint
from storage.lake.handle import open_table, reason
from storage.lake.snapshot import Snapshot
from storage.lake.sweeping import sweep
from storage.lake.table import Lake

__all__ = ["Maintained", "crowded_dates", "maintain", "sweep"]

# Opening a table costs 0.1 to 0.2 ms for every log entry past the last checkpoint.
_CHECKPOINT_EVERY: Final = 20


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
    return list(targets(snapshot))


def maintain(lake: Lake, *, now: datetime) -> Maintained:
    """Compact crowded dates, checkpoint the log, sweep orphans.

    Raises ConflictError when another compactor took the same files (harmless: nothing was changed), StoreError when
    the disk refuses or, which must never happen, compaction changed the number of rows.
    """
    dates = targets(lake.snapshot())
    removed = added = 0
    for day, target in dates.items():
        gone, made = compact(lake, day, target)
        removed, added = removed + gone, added + made
    return Maintained(tuple(dates), removed, added, _checkpoint(lake.root), sweep(lake, now=now))


def _checkpoint(root: Path) -> bool:
    """Sum the log up when it has grown by 20 versions, and drop entries older than the table's retention of them."""
    table = open_table(root)
    if table.version() - (last_checkpoint(root) or 0) < _CHECKPOINT_EVERY:
        return False
    try:
        table.create_checkpoint()
        sync_log(root)
        table.cleanup_metadata()
    except (OSError, DeltaError) as error:
        raise StoreError(f"Cannot checkpoint the log of {root}: {reason(error)}", remedy="Free disk space") from error
    return True
