"""Taking files out of the table and putting others in their place, as exactly the next version.

delta-rs has no such commit that leaves `dataChange` to the caller, and readers tell by it whether rows came, went or
only moved. So this entry is written here: a hard link to a synced file, which fails where another commit was first.
"""

import json
import os
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from acrwatch.core.errors import ConflictError, StoreError
from storage.lake.durable import sync_entries, sync_folders
from storage.lake.entries import Action, entry_path, log_folder
from storage.lake.parquet import modification_time
from storage.lake.snapshot import LakeFile
from storage.schema import PARTITION_COLUMN


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
    readers whether rows left or only moved. Durable on return, with the new version as result. Raises ConflictError
    where another commit was first, StoreError where the disk refuses; nothing has changed then.
    """
    stamp = time.time_ns() // 1_000_000  # delta-rs holds tombstones against the machine's clock, not ours
    actions: list[Action] = [{"commitInfo": {"timestamp": stamp, "operation": operation, "engineInfo": "acrwatch"}}]
    actions += [{"remove": _remove(file, stamp, rows_change=rows_change)} for file in gone]
    temporary = entry_path(root, version + 1).with_suffix(f".json#{uuid.uuid4().hex}")  # a sweep knows it by the #
    try:
        actions += [{"add": _add(root, file, stats, rows_change=rows_change)} for file, stats in come.items()]
        sync_entries(root, None, version)
        _write(temporary, "".join(json.dumps(action) + "\n" for action in actions))
        os.link(temporary, entry_path(root, version + 1))
        sync_folders([log_folder(root)])
    except FileExistsError as error:
        raise ConflictError(f"Version {version + 1} of {root} was taken") from error
    except (OSError, ValueError) as error:
        raise StoreError(f"Cannot commit to {root}: {error}", remedy="Free disk space; nothing was changed") from error
    finally:
        temporary.unlink(missing_ok=True)
    return version + 1


def _write(path: Path, text: str) -> None:
    with path.open("x", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _remove(file: LakeFile, stamp: int, *, rows_change: bool) -> Action:
    return {
        "path": quote(file.path, safe="/="),
        "deletionTimestamp": stamp,
        "dataChange": rows_change,
        "extendedFileMetadata": True,
        "partitionValues": {PARTITION_COLUMN: file.date.isoformat()},
        "size": file.size,
    }


def _add(root: Path, file: LakeFile, statistics: str, *, rows_change: bool) -> Action:
    return {
        "path": quote(file.path, safe="/="),
        "partitionValues": {PARTITION_COLUMN: file.date.isoformat()},
        "size": file.size,
        "modificationTime": modification_time(root, file),
        "dataChange": rows_change,
        "stats": statistics,
    }
