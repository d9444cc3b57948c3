"""The Delta table as delta-rs sees it: opening, creating, its properties, checkpoints."""

import logging
import re
from pathlib import Path
from typing import Final

from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError

from acrwatch.core.errors import StoreError
from storage.lake.durable import sync_entries, sync_folders, sync_log
from storage.schema import ARROW_SCHEMA, PARTITION_COLUMN, STATISTICS_COLUMNS

log = logging.getLogger(__name__)

FENCE: Final = "acrwatch.fence"

# Maintenance makes checkpoints every 20 versions; this one bounds the log where none runs, as in a long import: to
# open a table costs 0.1 to 0.2 ms for every entry past the last checkpoint.
CHECKPOINT_INTERVAL: Final = 100

_CONFIGURATION: Final = {
    "delta.dataSkippingStatsColumns": ",".join(STATISTICS_COLUMNS),
    "delta.checkpointInterval": str(CHECKPOINT_INTERVAL),
    # Whoever opens the table lists the whole log folder: 17,000 entries, a day of commits every 5 s, take over 50 ms.
    # An entry only serves readers as a hint, and none without the files that it names.
    "delta.logRetentionDuration": "interval 3 hours",
    # By maintenance, behind the oldest reader; delta-rs would not ask after readers.
    "delta.enableExpiredLogCleanup": "false",
    # Each replaced file stays in every checkpoint that long, and on the disk: as long as a query may take.
    "delta.deletedFileRetentionDuration": "interval 3 hours",
}

# What tables made by earlier versions lack.
_AMENDED: Final = ("delta.enableExpiredLogCleanup",)

_TRIES: Final = 50


def reason(error: Exception) -> str:
    """Return an error of delta-rs on one line and without its colours."""
    return " ".join(re.sub(r"\x1b\[[0-9;]*m", "", str(error)).split())


def open_table(root: Path) -> DeltaTable:
    """Open the newest version. Raises StoreError."""
    try:
        return DeltaTable(str(root))
    except (OSError, DeltaError) as error:
        raise StoreError(f"Cannot read the lake at {root}: {reason(error)}", remedy="Run acrwatch db verify") from error


def create_table(root: Path) -> None:
    """Create an empty, durable table unless there is one. Raises OSError or DeltaError."""
    if DeltaTable.is_deltatable(str(root)):
        return
    try:
        DeltaTable.create(
            str(root),
            schema=ARROW_SCHEMA,
            mode="ignore",
            partition_by=[PARTITION_COLUMN],
            configuration=dict(_CONFIGURATION),
        )
    except (OSError, DeltaError):
        if not DeltaTable.is_deltatable(str(root)):  # else another process created it in this very moment
            raise
    sync_entries(root, None, 0)
    sync_folders([root, root.parent])


def fence_of(table: DeltaTable) -> str | None:
    """Return the name of the newest fence that this version knows."""
    fence: str | None = table.metadata().configuration.get(FENCE)
    return fence


def checkpoint(root: Path) -> int:
    """Sum the log up in a checkpoint, durable on return; return its version. Raises StoreError."""
    table = open_table(root)
    try:
        table.create_checkpoint()
        sync_log(root)
    except (OSError, DeltaError) as error:
        raise StoreError(f"Cannot checkpoint the log of {root}: {reason(error)}", remedy="Free disk space") from error
    return table.version()


def amend_properties(root: Path) -> bool:
    """Set the properties that tables of earlier versions lack, in one commit, durable; tell whether there were any.

    Raises StoreError where the disk refuses, or others change the table's metadata all the time.
    """
    for _ in range(_TRIES):
        table = open_table(root)
        missing = {name: _CONFIGURATION[name] for name in _AMENDED if not _is_set(table, name)}
        if not missing:
            return False
        try:
            table.alter.set_table_properties(missing, raise_if_not_exists=False)
            sync_entries(root, table.version() - 1, table.version())
        except CommitFailedError as error:  # perhaps another process set them in this moment
            log.debug("looking again at the properties of %s: %s", root, reason(error))
            continue
        except (OSError, DeltaError) as error:
            raise StoreError(
                f"Cannot set {', '.join(missing)} of {root}: {reason(error)}", remedy="Free disk space"
            ) from error
        return True
    raise StoreError(f"Others change the properties of {root} all the time", remedy="Stop them and try again")


def _is_set(table: DeltaTable, name: str) -> bool:
    return table.metadata().configuration.get(name) == _CONFIGURATION[name]
