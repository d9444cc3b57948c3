"""The only place that asks the system for the time."""

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Anything that tells the time; tests pass one they can move."""

    def now(self) -> datetime:
        """Return the present moment as an aware UTC datetime."""
        ...


class SystemClock:
    """The computer's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)
