"""Times as people read them: UTC, and how long ago."""

from datetime import UTC, datetime, timedelta
from typing import Final

_UNITS: Final = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))
_STEPS: Final = ((timedelta(days=1), "d"), (timedelta(hours=1), "h"), (timedelta(minutes=1), "min"))


def utc(moment: datetime | None) -> str:
    """Return `2026-11-22 03:04:05Z`, or a dash for none. `moment` is aware."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z" if moment else "-"


def ago(moment: datetime, now: datetime) -> str:
    """Return how long before `now` a moment was, in its largest unit: `3 min ago`; both aware."""
    span = now - moment
    if span < timedelta(0):
        return "in the future"
    for step, unit in _STEPS:
        if span >= step:
            return f"{span // step} {unit} ago"
    return "just now"


def parsed(moment: object) -> datetime | None:
    """Return the time that an ISO text or a datetime stands for; None stays None."""
    return (
        datetime.fromisoformat(moment) if isinstance(moment, str) else moment if isinstance(moment, datetime) else None
    )


def span(length: timedelta) -> str:
    """Return a time span as settings are written, in the largest unit that fits: `90m`, `24h`, `2d`."""
    for seconds, unit in _UNITS if length >= timedelta(days=2) else _UNITS[1:]:
        if length % timedelta(seconds=seconds) == timedelta(0):
            return f"{length // timedelta(seconds=seconds)}{unit}"
    return f"{length // timedelta(milliseconds=1)}ms"
