"""Taking files out of the table and putting others in their place, as exactly the next version.

delta-rs has no such commit that leaves `dataChange` to the caller, and readers tell by it whether rows came, went or
only moved.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from acrwatch.core.errors import StoreError
from storage.lake.durable import sync_entries, sync_folders
from storage.lake.entries import Action, log_folder
from storage.lake.parquet import modification_time
from storage.lake.publishing import add, commit_info, milliseconds, publish
from storage.lake.snapshot import LakeFile
from storage.schema import PARTITION_COLUMN

log = logging.getLogger(__name__)


def exchange(
    root: Path,
    version: int,
    gone: Sequence[LakeFile],
    come: Mapping[LakeFile, str],
    *,
    operation: str,
    rows_change: bool,
) -> int:
    """Commit that `gone` leave and `come` (a file and its Delta statistics) enter, right after `version`.

    `version` must be the one in which `gone` were seen: nobody can have removed them since. `rows_change` tells
    readers whether rows left or only moved. Durable on return, with the new version as result: an entry whose folder
    could not be synced stands, is reported in our own log, and is synced before the next one. Raises ConflictError
    where another commit was first, StoreError where the disk refuses; nothing has changed then.
    """
    stamp = milliseconds()
    actions: list[Action] = [commit_info(operation, stamp)]
    actions += [{"remove": _remove(file, stamp, rows_change=rows_change)} for file in gone]
    try:
        times = {file: modification_time(root, file) for file in come}
        actions += [add(file, stats, times[file], rows_change=rows_change) for file, stats in come.items()]
        sync_entries(root, None, version)
    except (OSError, ValueError) as error:
        raise StoreError(f"Cannot commit to {root}: {error}", remedy="Free disk space; nothing was changed") from error
    publish(root, version + 1, actions)
    try:
        sync_folders([log_folder(root)])
    except OSError as error:  # whoever commits next syncs it first, or fails
        log.error("version %d of %s is made, but not safe from a power cut: %s", version + 1, root, error)
    return version + 1


def _remove(file: LakeFile, stamp: int, *, rows_change: bool) -> Action:
    return {
        "path": quote(file.path, safe="/="),
        "deletionTimestamp": stamp,
        "dataChange": rows_change,
        "extendedFileMetadata": True,
        "partitionValues": {PARTITION_COLUMN: file.date.isoformat()},
        "size": file.size,
    }
