"""Taking back what a power cut tore: the end of the log, a checkpoint.

Entries and checkpoints appear whole, by link and rename, so that a torn one can only be the work of a power cut or of a
failing disk. Of the former only the newest entries can be hit (see `durable`): those are set aside, positions and rows
together, and the sources send them again. Damage further back is left alone: nothing would bring those rows again.
"""

import fcntl
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from storage.lake.durable import sync_folders
from storage.lake.entries import (
    Action,
    brings_rows,
    checkpoint_version,
    checkpoints,
    entry_path,
    entry_versions,
    hint_path,
    last_checkpoint,
    log_folder,
    read_actions,
    stray_hint,
)

log = logging.getLogger(__name__)

# Each commit syncs the entries before it; only compaction, fences and their like, a few a round, come in between.
_TAIL: Final = 8


def mend(root: Path) -> list[int]:
    """Set aside torn entries at the end of the log, torn checkpoints and a note that names none; return the versions
    taken back.

    Safe beside running writers and other calls: nothing that can be read is touched. Raises OSError.
    """
    if not _torn_checkpoints(root) and not _torn_entries(root) and stray_hint(root) is None:
        return []
    with _alone(root):
        if (version := stray_hint(root)) is not None:
            log.warning("removing the note _last_checkpoint: there is no checkpoint of version %d", version)
            hint_path(root).unlink(missing_ok=True)
        for path in _torn_checkpoints(root):
            log.warning("removing the torn checkpoint %s; the log's entries hold the same", path.name)
            path.unlink()
            hint_path(root).unlink(missing_ok=True)
        versions = _torn_entries(root)
        for version in reversed(versions):
            path = entry_path(root, version)
            log.warning("setting aside version %d, torn by a power cut; its sources send its rows again", version)
            path.rename(path.with_suffix(".json.torn"))
        sync_folders([log_folder(root)])
    return versions


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Hold the folder's mending lock, so that nobody sets aside an entry written anew after the mending."""
    with (root / ".mending.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _torn_checkpoints(root: Path) -> list[Path]:
    """Return the newest checkpoint where it cannot be read but the entries it sums up are still there."""
    found = checkpoints(root)
    if not found or _readable(found[-1]):
        return []
    before = checkpoint_version(found[-2]) if len(found) > 1 else 0
    held = set(entry_versions(root))
    return [found[-1]] if held.issuperset(range(before, checkpoint_version(found[-1]) + 1)) else []


def _readable(path: Path) -> bool:
    try:
        pq.read_metadata(path)
    except (pa.ArrowInvalid, OSError):
        return not path.exists()  # cleaned up by another process in this moment: not ours to judge
    return True


def _torn_entries(root: Path) -> list[int]:
    """Return the versions from the first torn one to the end after which no whole one brought rows."""
    base = last_checkpoint(root)
    tail = [version for version in entry_versions(root)[-_TAIL:] if base is None or version > base]
    entries = [(version, _actions(root, version)) for version in tail]
    for at, (version, actions) in enumerate(entries):
        later = [action for _, found in entries[at + 1 :] for action in found or ()]
        if actions is not None and _files_whole(root, actions, later):
            continue
        if any(brings_rows(action) for action in later):
            log.error("version %d of %s is damaged, and not by a power cut: restore it from a backup", version, root)
            continue
        return tail[at:]
    return []


def _actions(root: Path, version: int) -> list[Action] | None:
    try:
        return read_actions(root, version)
    except FileNotFoundError:
        return []  # cleaned up while we looked
    except ValueError:
        return None


def _files_whole(root: Path, actions: list[Action], later: list[Action]) -> bool:
    """Tell whether the files these actions added are all there, but for those that a later entry removed."""
    removed = {action["remove"]["path"] for action in later if "remove" in action}
    added = [action["add"] for action in actions if "add" in action and action["add"]["path"] not in removed]
    return all(_whole(root / unquote(add["path"]), add["size"]) for add in added)


def _whole(path: Path, size: int) -> bool:
    try:
        with path.open("rb") as file:
            file.seek(-4, 2)
            return file.read() == b"PAR1" and file.tell() == size
    except OSError:
        return False
