"""The Delta table as delta-rs sees it: opening, creating, and the one commit that is a compare-and-swap.

An error of delta-rs does not say whether the commit was made: the checkpoint that follows every hundredth one may fail
after it. So what happened is read from the log itself, by a name that each commit carries.
"""

import re
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import DeltaError
from deltalake.transaction import AddAction

from acrwatch.core.errors import ConflictError, StoreError
from storage.lake.durable import sync_entries, sync_folders
from storage.lake.entries import entry_path
from storage.schema import ARROW_SCHEMA, PARTITION_COLUMN, STATISTICS_COLUMNS

FENCE: Final = "acrwatch.fence"

_CONFIGURATION: Final = {
    "delta.dataSkippingStatsColumns": ",".join(STATISTICS_COLUMNS),
    # Maintenance makes checkpoints every 20 versions; this one bounds the log where none runs, as in a long import:
    # a commit slows from 15 to 56 ms over 150 versions without a checkpoint.
    "delta.checkpointInterval": "100",
    # delta-rs lists the whole log folder, several times a commit: 17,000 entries, a day of commits every 5 s, take a
    # commit from 13 to 124 ms. An entry only serves readers as a hint, and none without the files that it names.
    "delta.logRetentionDuration": "interval 3 hours",
    # By maintenance, behind the oldest reader; delta-rs would not ask after readers.
    "delta.enableExpiredLogCleanup": "false",
    # Each replaced file stays in every checkpoint that long, and on the disk: as long as a query may take.
    "delta.deletedFileRetentionDuration": "interval 3 hours",
}


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


def append(root: Path, table: DeltaTable, files: Sequence[AddAction], positions: Mapping[str, int]) -> int:
    """Commit files and positions as the very next version after `table`, and return that version.

    Raises ConflictError where another commit took that version, StoreError where the disk refused; nothing of this
    commit is visible in either case.
    """
    version = table.version() + 1
    name = uuid.uuid4().hex
    properties = CommitProperties(
        custom_metadata={"acrwatch.commit": name},
        app_transactions=[Transaction(stream, number) for stream, number in positions.items()],
        max_commit_retries=0,
    )
    try:
        table.create_write_transaction(
            list(files), "append", ARROW_SCHEMA, [PARTITION_COLUMN], commit_properties=properties
        )
    except (OSError, DeltaError) as error:
        _raise_unless_committed(root, version, name, error)
    return version


def _raise_unless_committed(root: Path, version: int, name: str, error: Exception) -> None:
    try:
        committed = name.encode() in entry_path(root, version).read_bytes()
    except FileNotFoundError:
        remedy = "Free disk space and see that the folder can be written to; nothing was stored"
        raise StoreError(f"Cannot commit to {root}: {reason(error)}", remedy=remedy) from error
    if not committed:
        raise ConflictError(f"Version {version} of {root} was taken") from error
