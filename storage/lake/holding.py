"""What clean-up leaves alone because a reader still needs it.

A detection's hint names a log entry; the entries after it, and the files they name, tell which rows are new. A reader
that is behind holds them back. Not for ever: past a day its hint is let go, and it finds its rows by position, which
reads the whole lake but misses nothing.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import takewhile
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from storage.lake.entries import (
    brings_rows,
    checkpoint_version,
    checkpoints,
    entry_path,
    entry_versions,
    last_checkpoint,
    read_actions,
)

# A day of commits every 5 s leaves 17,000 entries, at which a commit has slowed from 13 to 124 ms: the most to bear.
MAX_HOLD: Final = timedelta(hours=24)

# Any running query has ended by then, and any process has read the entries that it opened the table by.
MIN_AGE: Final = timedelta(hours=3)


def held_from(root: Path, hints: Iterable[int], *, now: datetime) -> int | None:
    """Return the oldest of these versions whose reader has been behind for a day at most; None if there is none."""
    oldest = (now - MAX_HOLD).timestamp()
    return next((version for version in sorted(hints) if _behind_since(root, version, now) >= oldest), None)


def _behind_since(root: Path, version: int, now: datetime) -> float:
    """Return the time of the first entry that a reader at this version has not seen; now where there is none."""
    try:
        return entry_path(root, version + 1).stat().st_mtime
    except FileNotFoundError:
        return now.timestamp() if entry_path(root, version).exists() else 0.0


def named_since(root: Path, version: int | None) -> set[str]:
    """Return the files that brought rows after this version: a reader there reads them, compacted away or not."""
    if version is None:
        return set()
    found: set[str] = set()
    for later in entry_versions(root):
        if later > version:
            try:
                actions = read_actions(root, later)
            except (FileNotFoundError, ValueError):  # cleaned up meanwhile; a torn one is for `mend`
                continue
            found.update(unquote(action["add"]["path"]) for action in actions if brings_rows(action))
    return found


def forget(root: Path, held: int | None, *, now: datetime) -> int:
    """Delete entries and checkpoints older than 3 hours that a newer checkpoint sums up; return how many.

    Leaves the entry at version `held` and everything after it. Raises OSError.
    """
    base = last_checkpoint(root)
    if base is None:
        return 0
    upto = base if held is None else min(base, held)
    limit = (now - MIN_AGE).timestamp()
    entries = (entry_path(root, version) for version in entry_versions(root) if version < upto)
    doomed = list(takewhile(lambda path: path.stat().st_mtime < limit, entries))  # younger ones follow
    older = (path for path in checkpoints(root)[:-1] if checkpoint_version(path) < upto)
    doomed += [path for path in older if path.stat().st_mtime < limit]
    for path in doomed:  # ascending: a writer takes the next entry for missing only while its last one is there
        path.unlink(missing_ok=True)
    return len(doomed)
