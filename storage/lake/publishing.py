"""Making one entry of the log: whole and durable before anyone can see it, and only as the very next version.

A hard link to a synced file does both. It fails where another commit was first, as delta-rs's own commits do, so ours
and its exclude each other. (delta-rs links too, but syncs nothing, and lists the whole log folder for each commit.)
"""

import json
import logging
import os
import time
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import quote

from acrwatch.core.errors import ConflictError, StoreError
from storage.lake.entries import Action, entry_path
from storage.lake.snapshot import LakeFile
from storage.schema import PARTITION_COLUMN

log = logging.getLogger(__name__)

_REMEDY: Final = "Free disk space and see that the folder can be written to; nothing was stored"


def milliseconds() -> int:
    """Return the machine's time as Delta's actions want it; delta-rs holds tombstones against it, so we must."""
    return time.time_ns() // 1_000_000


def commit_info(operation: str, at: int) -> Action:
    """Return the action that says what kind of commit this is, made at `at` (milliseconds since 1970)."""
    return {"commitInfo": {"timestamp": at, "operation": operation, "engineInfo": "acrwatch"}}


def add(file: LakeFile, statistics: str, modified: int, *, rows_change: bool) -> Action:
    """Return the action by which a file enters: its Delta statistics, its time, whether its rows are new."""
    return {
        "add": {
            "path": quote(file.path, safe="/="),
            "partitionValues": {PARTITION_COLUMN: file.date.isoformat()},
            "size": file.size,
            "modificationTime": modified,
            "dataChange": rows_change,
            "stats": statistics,
        }
    }


def publish(root: Path, version: int, actions: Sequence[Action]) -> None:
    """Make these actions the table's entry for `version`.

    Its content is durable on return, its name not before the log's folder is synced. Raises ConflictError where that
    version was taken, StoreError where the disk refuses; nothing has changed then.
    """
    entry = entry_path(root, version)
    temporary = entry.with_suffix(f".json#{uuid.uuid4().hex}")  # a sweep knows it by the #
    try:
        _write(temporary, actions)
        _link(temporary, entry)
    except FileExistsError as error:
        raise ConflictError(f"Version {version} of {root} was taken") from error
    except OSError as error:
        raise StoreError(f"Cannot commit version {version} to {root}: {error}", remedy=_REMEDY) from error
    finally:
        _remove(temporary)


def _write(path: Path, actions: Iterable[Action]) -> None:
    with path.open("x", encoding="utf-8") as file:
        file.write("".join(json.dumps(action) + "\n" for action in actions))
        file.flush()
        os.fsync(file.fileno())


def _link(temporary: Path, entry: Path) -> None:
    try:
        os.link(temporary, entry)
    except FileExistsError:
        raise
    except OSError:
        if not (entry.exists() and entry.samefile(temporary)):  # a failing disk may have done it all the same
            raise


def _remove(temporary: Path) -> None:
    try:
        temporary.unlink(missing_ok=True)
    except OSError as error:
        log.warning("leaving %s to the sweep: %s", temporary, error)
