"""Cuts a stretch of time into windows that a workspace can answer whole: under its limits of rows, bytes and time.

The service has no cursor, so the next question must be one whose answer is complete. A window that was too much is
asked again in halves; one that brought little is followed by a longer one. Where even a millisecond is too much, its
rows are divided by a hash into parts that are asked for one by one.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from acrwatch.core.errors import AcrWatchError, RemoteUnreachableError

SHORTEST: Final = timedelta(milliseconds=1)
# Below this the length of the window is not why a query takes long.
PATIENT: Final = timedelta(minutes=1)
MOST_PARTS: Final = 1024
# A window grows at most so much from one to the next: a quiet night says little of the morning.
_GROWTH: Final = 8
_ALL: Final = (0, 1)


@dataclass(frozen=True, slots=True)
class Window:
    """From `begin` up to `end`, aware UTC, `end` not included; of it the part number `part` of `parts`."""

    begin: datetime
    end: datetime
    part: int = 0
    parts: int = 1

    @property
    def length(self) -> timedelta:
        """How long it is."""
        return self.end - self.begin


class Windows:
    """Everything before `position` has been answered whole. Tell it what became of each window before the next one."""

    def __init__(self, position: datetime, *, first: timedelta, longest: timedelta) -> None:
        self.position = position
        self._span = first
        self._longest = longest
        self._parts = [_ALL]  # of the window at hand, still to be asked for; the last one next

    def next(self, end: datetime) -> Window | None:
        """Return what to ask for next, no further than `end`; None where nothing is left before it."""
        if self.position >= end:
            return None
        return Window(self.position, min(self.position + self._span, end), *self._parts[-1])

    def whole(self, window: Window, rows: int, limit: int) -> None:
        """Take note that the window was answered whole, with this many rows of the `limit` asked for."""
        self._parts.pop()
        if self._parts:
            return
        self.position, self._parts = window.end, [_ALL]
        factor = limit / (2 * rows * window.parts) if rows else _GROWTH
        self._span = _between(window.length * min(factor, _GROWTH), SHORTEST, self._longest)

    def full(self, window: Window, last: datetime) -> datetime | None:
        """Take note that there were as many rows as were asked for, the last of this time, so that more may follow.

        Returns up to when, not included, the answer is whole all the same; None where nothing of it is certain. Cut to
        the millisecond, for other rows of the last row's moment may be among those left out.
        """
        certain = last - timedelta(microseconds=last.microsecond % 1000)
        if window.parts == 1 and certain > window.begin:
            self.position = certain
            self._span = _between(certain - window.begin, SHORTEST, self._longest)
            return certain
        self._divide(window)
        return None

    def too_much(self, window: Window) -> None:
        """Take note that the answer was larger than the service gives."""
        if window.length > SHORTEST and window.parts == 1:
            self._span = max(window.length / 2, SHORTEST)
        else:
            self._divide(window)

    def too_slow(self, window: Window, why: str) -> None:
        """Take note that no whole answer came in time, for this reason. Raises RemoteUnreachableError where a shorter
        window will not help."""
        if window.length <= PATIENT:
            raise RemoteUnreachableError(
                f"{why}, though asked for {window.length.total_seconds():g} s of logs alone",
                remedy="Look at the health of Azure Monitor; what was read so far is kept, and reading goes on there",
            )
        self._span = window.length / 2

    def _divide(self, window: Window) -> None:
        """Ask for the first millisecond alone, then for each half of its rows: a hash that leaves `part` when divided
        by `parts` leaves that or `part + parts` when divided by twice as many."""
        if window.length > SHORTEST:
            self._span = SHORTEST
            return
        if window.parts >= MOST_PARTS:
            raise AcrWatchError(
                f"the workspace holds more rows of one moment ({window.begin.isoformat()}) than can be asked for, even "
                f"in {window.parts} parts",
                remedy="Leave that moment out: read up to it with --to, and on from after it with --from",
            )
        twice = 2 * window.parts
        self._parts[-1:] = [(window.part + window.parts, twice), (window.part, twice)]


def _between(span: timedelta, least: timedelta, most: timedelta) -> timedelta:
    return max(least, min(span, most))
