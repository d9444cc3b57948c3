"""The new rows of one pass, by where the cursors of detections stand."""

import logging
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Final

from detections.context import Context
from detections.detection import Detection
from detections.events import HELD_ROWS, NewEvents
from storage.query import Reader, Slice
from storage.state.runs import Cursor

log = logging.getLogger(__name__)

# For the conditions of all rules together, which take 1 to 2 s for a chunk of 250,000 rows. Where they take longer, the
# rule whose fault it is runs into its own limit.
_ASKED_SECONDS: Final = 30.0

# The positions where a cursor stands. Its hint says only where the rows beyond them are in the log.
_Place = tuple[tuple[str, int], ...]


class Slices:
    """Detections whose cursors stand at one place, as most do, share what is read there.

    `failing` are those whose last run had failed when the pass began.
    """

    def __init__(
        self,
        reader: Reader,
        context: Context,
        detections: Sequence[tuple[Detection, Cursor | None]],
        failing: frozenset[str],
        *,
        chunk_rows: int,
        lateness: timedelta,
        seconds: float,
    ) -> None:
        """`seconds` is what the questions of one detection may take."""
        self.reader = reader
        self.context = context
        self.failing = failing
        self._chunk_rows = chunk_rows
        self._lateness = lateness
        self._seconds = min(seconds, _ASKED_SECONDS)
        self._at: dict[_Place, list[Detection]] = {}
        for detection, cursor in detections:
            if cursor is not None:
                self._at.setdefault(_place(cursor), []).append(detection)
        self._found: dict[_Place, tuple[Slice, NewEvents | None]] = {}

    def after(self, cursor: Cursor) -> tuple[Slice, NewEvents | None]:
        """Return the slice beyond a cursor, and its events; None where it has no rows. Raises StoreError."""
        place = _place(cursor)
        if place not in self._found:
            part = self.reader.slice_after(cursor.positions, cursor.hint, chunk_rows=self._chunk_rows)
            self._found[place] = part, self._events(part, self._at[place]) if part.rows else None
        return self._found[place]

    def rows_after(self, cursor: Cursor | None) -> int:
        """Return how many rows the slice beyond a cursor has; 0 where it was not found."""
        found = None if cursor is None else self._found.get(_place(cursor))
        return 0 if found is None else found[0].rows

    def _events(self, part: Slice, detections: Sequence[Detection]) -> NewEvents:
        if len(detections) == 1 or part.rows > HELD_ROWS:
            return self._new_events(part, None)
        try:
            with self.reader.within(self._seconds):
                return self._new_events(part, [where for one in detections for where in one.asks])
        except Exception as error:  # the rule loop: a condition that fails, however, must not cost the others
            log.warning(
                "the conditions of all rules cannot be judged at once, so each by itself: %s", error, exc_info=True
            )
            return self._new_events(part, ())

    def _new_events(self, part: Slice, asked: Collection[str] | None) -> NewEvents:
        return NewEvents(self.reader, part, self.context, lateness=self._lateness, asked=asked)


def _place(cursor: Cursor) -> _Place:
    return tuple(sorted(cursor.positions.items()))
