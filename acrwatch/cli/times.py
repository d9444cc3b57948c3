"""Times as people read and write them: UTC, and how long ago."""

from datetime import UTC, datetime, timedelta
from typing import Final

from acrwatch.core.errors import ConfigError
from acrwatch.core.setting import LONGEST, duration, moment

_UNITS: Final = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))
_STEPS: Final = ((timedelta(days=1), "d"), (timedelta(hours=1), "h"), (timedelta(minutes=1), "min"))


def moment_of(written: str, now: datetime, option: str, *, ahead: bool = False) -> datetime:
    """Return the moment that `30d` (ago, or `ahead`) or an ISO time with a zone means. Raises ConfigError."""
    try:
        return now + duration(written) if ahead else now - duration(written)
    except ValueError:
        pass
    try:
        return moment(written)
    except ValueError:
        expected = f"a time span such as 30d, at most {LONGEST.days}d, or a time such as 2026-11-22T00:00:00Z"
        raise ConfigError(f"{option} is {written!r}: expected {expected}") from None


def utc(when: datetime | None) -> str:
    """Return `2026-11-22 03:04:05Z`, or a dash for none. `when` is aware."""
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z" if when else "-"


def ago(when: datetime, now: datetime) -> str:
    """Return how long before `now` a moment was, in its largest unit: `3 min ago`; both aware."""
    span = now - when
    if span < timedelta(0):
        return "in the future"
    for step, unit in _STEPS:
        if span >= step:
            return f"{span // step} {unit} ago"
    return "just now"


def parsed(when: object) -> datetime | None:
    """Return the time that an ISO text or a datetime stands for; None stays None."""
    return datetime.fromisoformat(when) if isinstance(when, str) else when if isinstance(when, datetime) else None


def span(length: timedelta) -> str:
    """Return a time span as settings are written, in the largest unit that fits: `90m`, `24h`, `2d`."""
    for seconds, unit in _UNITS if length >= timedelta(days=2) else _UNITS[1:]:
        if length % timedelta(seconds=seconds) == timedelta(0):
            return f"{length // timedelta(seconds=seconds)}{unit}"
    return f"{length // timedelta(milliseconds=1)}ms"
