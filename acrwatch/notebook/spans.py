"""Spans of time as people write them: `"7d"`, `("2026-11-01", "2026-11-08T12:00:00Z")`, or None for all time."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from functools import partial
from typing import NamedTuple

from acrwatch.core.errors import ConfigError
from acrwatch.core.setting import duration, moment

Moment = str | date | datetime | None
SpanLike = str | Sequence[Moment] | None


class Span(NamedTuple):
    """From `since` on and before `until`, both aware UTC; None is no bound."""

    since: datetime | None
    until: datetime | None


def span_of(given: SpanLike, now: datetime) -> Span:
    """Return the span that `7d` (up to `now`), a pair of moments, or None (all time) means.

    A moment is an aware datetime, an ISO 8601 text with a zone, or a date, which is its midnight in UTC; in a pair
    also None, for no bound, and a span such as `7d`, for so long ago. Raises ConfigError.
    """
    if given is None:
        return Span(None, None)
    if isinstance(given, str):
        try:
            return Span(now - duration(given), now)
        except ValueError as error:
            raise _unclear(given, error) from None
    if isinstance(given, date) or len(given) != 2:
        raise _unclear(given)
    since, until = (moment_of(one, now) for one in given)
    if since is not None and until is not None and since >= until:
        raise ConfigError(f"the span from {since.isoformat()} to {until.isoformat()} holds no time")
    return Span(since, until)


def moment_of(given: Moment, now: datetime) -> datetime | None:
    """Return one moment, as `span_of` says; None stays None. Raises ConfigError."""
    if given is None:
        return None
    if isinstance(given, datetime):
        if given.tzinfo is None:
            raise ConfigError(f"the time {given} has no zone", remedy="Pass an aware one, such as with tzinfo=UTC")
        return given.astimezone(UTC)
    if isinstance(given, date):
        return datetime.combine(given, time(), UTC)
    for read in (partial(_ago, now), moment, _midnight):
        try:
            return read(given)
        except ValueError:
            continue
    raise _unclear(given)


def _ago(now: datetime, given: object) -> datetime:
    return now - duration(given)


def _midnight(given: object) -> datetime:
    return datetime.combine(date.fromisoformat(str(given)), time(), UTC)


def _unclear(given: object, why: ValueError | None = None) -> ConfigError:
    return ConfigError(
        f"the span {given!r} is not clear" + (f": {why}" if why else ""),
        remedy='Pass a span such as "7d", a pair such as ("2026-11-01", "2026-11-08T12:00:00Z"), or None for all time',
    )
