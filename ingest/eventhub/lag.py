"""How long the messages of a partition have been waiting for us, by our own clock.

Each look tells how far the hub reaches. A look whose last message we have still not received proves that something has
waited at least since then; the oldest such look says how long. Neither the hub's clock nor the times of messages enter:
a quiet partition does not lag, however old its last message is.
"""

from collections import deque
from typing import Final

LATE: Final = 600.0
"""Seconds. A restart catches up within minutes; what waits longer is stuck, or slower than what comes in."""
RECOVERED: Final = 120.0
"""Seconds. Lower than LATE, so that a partition at the border is not reported over and over."""

_EVERY: Final = 20.0  # seconds between two marks: finer would tell nothing more
_MARKS: Final = 4_320  # a day of marks; past it the oldest ones, which are what counts, stay


class Lag:
    """Of one partition. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._marks: deque[tuple[float, int]] = deque()
        self.late = False

    def note(self, received: int | None, last: int, now: float) -> float:
        """Note a look that found `last` when `received` was the last message taken over; return the seconds waited."""
        while self._marks and received is not None and self._marks[0][1] <= received:
            self._marks.popleft()
        behind = received is None or last > received
        if behind and len(self._marks) < _MARKS and (not self._marks or now - self._marks[-1][0] >= _EVERY):
            self._marks.append((now, last))
        waited = now - self._marks[0][0] if self._marks else 0.0
        self.late = waited >= (RECOVERED if self.late else LATE)
        return waited
