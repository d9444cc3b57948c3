"""Bytes that survive a power cut: delta-rs renames and links without a single fsync on a local disk.

The rule kept here: an entry becomes visible only when all entries before it are durable. So a power cut can tear the
end of the log and nothing else, and what it took was never confirmed to any source.
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

from storage.lake.entries import brings_rows, entry_path, hint_path, last_checkpoint, log_folder, read_actions


def sync_file(path: Path) -> None:
    """Force one file's content to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folders(folders: Iterable[Path]) -> None:
    """Force the directory entries of these folders to the disk, each once."""
    for folder in sorted(set(folders)):
        sync_file(folder)


def sync_entries(root: Path, after: int | None, upto: int) -> None:
    """Make the versions beyond `after` (None: beyond the last checkpoint) up to `upto` durable, data first.

    Whoever appends rows syncs its files before it commits, so only files that delta-rs wrote are synced here. Entries
    that log clean-up took and files that a later version removed are passed over.
    """
    base = last_checkpoint(root)
    folders = set()
    for version in range((base or 0) if after is None else after + 1, upto + 1):
        try:
            folders |= _sync_entry(root, version)
        except FileNotFoundError:
            continue
        except ValueError:
            if version != base:  # a torn one that a checkpoint sums up is missed by nobody
                raise
    sync_folders(folders)


def _sync_entry(root: Path, version: int) -> set[Path]:
    """Sync an entry, after the files that delta-rs wrote for it; return the folders that name them."""
    folders = {log_folder(root)}
    for action in read_actions(root, version):
        if "add" in action and not brings_rows(action):
            path = root / unquote(action["add"]["path"])
            folders.add(path.parent)
            with suppress(FileNotFoundError):
                sync_file(path)
    sync_file(entry_path(root, version))
    return folders


def sync_log(root: Path) -> None:
    """Make the newest checkpoint, the note that points to it and the log's folder durable."""
    version = last_checkpoint(root)
    if version is not None:
        sync_file(log_folder(root) / f"{version:020}.checkpoint.parquet")
        with suppress(FileNotFoundError):
            sync_file(hint_path(root))
    sync_folders([log_folder(root)])
