"""The table's log as it lies on disk: one JSON file per version, and checkpoints that sum up all before them.

delta-rs reads the log for us; these few functions answer what it does not: what one version did, and whether it can
be read at all.
"""

import json
import os
from pathlib import Path
from typing import Any

Action = dict[str, Any]


def log_folder(root: Path) -> Path:
    """Return the folder of the log."""
    return root / "_delta_log"


def entry_path(root: Path, version: int) -> Path:
    """Return where the entry of this version lies, or would lie."""
    return log_folder(root) / f"{version:020}.json"


def read_actions(root: Path, version: int) -> list[Action]:
    """Return the actions of one entry.

    Raises FileNotFoundError where log clean-up took it, ValueError where it is torn.
    """
    actions = [json.loads(line) for line in entry_path(root, version).read_text(encoding="utf-8").splitlines()]
    if not actions or not all(isinstance(action, dict) for action in actions):
        raise ValueError(f"Version {version} holds no actions")
    return actions


def brings_rows(action: Action) -> bool:
    """Tell an append from a compaction, which moves rows without adding any."""
    return "add" in action and action["add"]["dataChange"] is True


def entry_versions(root: Path) -> list[int]:
    """Return the versions whose entries are on disk, ascending."""
    return sorted(int(name[:-5]) for name in _names(root) if name.endswith(".json") and name[:-5].isdecimal())


def checkpoints(root: Path) -> list[Path]:
    """Return the checkpoint files, oldest first."""
    return [log_folder(root) / name for name in sorted(_names(root)) if name.endswith(".checkpoint.parquet")]


def stray_hint(root: Path) -> int | None:
    """Return the version that the note `_last_checkpoint` names where there is no such checkpoint; else None.

    So it is in a copy that was made while others wrote: the note is newer than the listing of what it stands beside.
    Nobody needs it, but where it is wrong delta-rs opens no table.
    """
    try:
        version = json.loads(hint_path(root).read_bytes())["version"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    held = {checkpoint_version(path) for path in checkpoints(root)}
    return version if isinstance(version, int) and version not in held else None


def hint_path(root: Path) -> Path:
    """Return where the note lies that names the newest checkpoint."""
    return log_folder(root) / "_last_checkpoint"


def _names(root: Path) -> list[str]:
    """Return the names in the log's folder: as text, for a Path of each of 2,300 costs 60 ms a look."""
    try:
        return os.listdir(log_folder(root))  # noqa: PTH208
    except FileNotFoundError:
        return []


def checkpoint_version(path: Path) -> int:
    """Return the version that a checkpoint sums up."""
    return int(path.name.split(".")[0])


def last_checkpoint(root: Path) -> int | None:
    """Return the version of the newest checkpoint, if there is one."""
    found = checkpoints(root)
    return checkpoint_version(found[-1]) if found else None
