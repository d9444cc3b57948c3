"""Bytes that survive a power cut: delta-rs renames and links without a single fsync on a local disk."""

import os
from collections.abc import Iterable
from pathlib import Path


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
