"""What is stored and judged by nobody: how much, and since when. Asked wherever alerts are shown, so it must be cheap:
where nothing waits, which is nearly always, it reads a file or two of the lake's log and not one row."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from acrwatch.core.errors import StoreError
from storage.lake.entries import log_folder
from storage.lake.reading import read_snapshot
from storage.lake.snapshot import stored_after, total_rows
from storage.state.runs import Cursor

# A number is worth so much and no more to somebody who wants to see alerts.
COUNTING_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Backlog:
    """Events that no detection has judged. Times are aware UTC.

    `events`: how many at least, None where counting them takes too long; `more`: there are others. `since`: when the
    first of them was stored, None where the log of the lake does not know any more. `judged_at`: when a detection last
    got on; None where none ever began.
    """

    events: int | None
    more: bool
    since: datetime | None
    judged_at: datetime | None


def backlog(
    root: Path, cursors: Mapping[str, Cursor], *, before: datetime, seconds: float = COUNTING_SECONDS
) -> Backlog | None:
    """Return what waits for the foremost of these detections, if the first of it was stored before a moment; where none
    ever began, all there is. None where nothing waits, or nothing so long, or there is no lake.

    The foremost alone tells whether anybody judges: cursors of rules that fail, are retired or are not installed any
    more stand still, and other places say so. Counting takes no longer than `seconds`. Raises StoreError.
    """
    if not log_folder(root).is_dir():
        return None
    if not cursors:
        whole = total_rows(read_snapshot(root).files)
        return Backlog(whole, more=False, since=None, judged_at=None) if whole else None
    foremost = max(cursors.values(), key=lambda cursor: cursor.updated_at)
    since = None
    for hint in {cursor.hint for cursor in cursors.values()}:
        try:
            stored = stored_after(root, hint)
        except LookupError:
            continue
        if stored is None:
            return None
        if hint == foremost.hint:
            since = stored
    if since is not None and since >= before:
        return None
    events, more = _counted(root, foremost, seconds)
    return None if events == 0 else Backlog(events, more, since, foremost.updated_at)


def _counted(root: Path, cursor: Cursor, seconds: float) -> tuple[int | None, bool]:
    from storage.query import Reader  # DuckDB is not loaded where nothing waits

    with Reader(read_snapshot(root)) as reader, reader.within(seconds):
        try:
            part = reader.slice_after(cursor.positions, cursor.hint)
        except StoreError:  # out of time, or a file went with a compaction meanwhile
            return None, False
    return part.rows, part.more
